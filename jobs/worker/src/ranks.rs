//! Ranks speak with the desk of rank 0: a request and an answer at a time, as JSON, by point-to-point messages.
//!
//! mpi 0.8 has one-sided calls only as bindings, by which a counter in memory of rank 0 would save it from answering; but shares are large
//! and answers small, so that a rank that hands shares out costs next to nothing, and it sees what becomes of them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use mpi::Tag;
use mpi::traits::{Communicator, Destination, MatchedReceiveVec, Source};
use serde::Serialize;
use serde::de::DeserializeOwned;
use spolia_exec::{Desk, Reply, Request, Way};

/// What is said at the desk, and what it answers.
const REQUEST: Tag = 1;
const REPLY: Tag = 2;
/// How long the main thread of a rank sleeps when nobody says anything: MPI itself would turn in circles.
const NAP: Duration = Duration::from_micros(200);
/// How long the desk waits for ranks that do not leave, when the work has ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// What those who work say to their rank's main thread, and where they wait for the answer.
type Said = (Request, Sender<Reply>);

/// The way from those who work to their rank's main thread.
pub struct Line(Mutex<Sender<Said>>);

impl Line {
    pub fn new(sender: Sender<Said>) -> Self {
        Self(Mutex::new(sender))
    }
}

impl Way for Line {
    fn ask(&self, request: Request) -> io::Result<Reply> {
        let (sender, receiver) = channel();
        let lost = || io::Error::other("the other ranks are lost");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send((request, sender)).map_err(|_| lost())?;
        receiver.recv().map_err(|_| lost())
    }
}

/// Where a rank's main thread finds what those who work say.
pub struct Mailbox(Receiver<Said>);

impl Mailbox {
    pub fn new(receiver: Receiver<Said>) -> Self {
        Self(receiver)
    }

    /// Carries requests to rank 0, and answers back, as long as somebody is at work here.
    pub fn carry(self, world: &impl Communicator, stopped: &AtomicBool, is_at_work: impl Fn() -> bool) {
        let desk = world.process_at_rank(0);
        let mut told = false;
        let mut tell = || {
            if stopped.load(Ordering::Relaxed) && !told {
                desk.send_with_tag(&written(&Request::Stop)[..], REQUEST);
                told = true;
            }
        };
        let mut left = false;
        while is_at_work() {
            let (request, answer) = match self.0.recv_timeout(NAP) {
                Ok(said) => said,
                Err(RecvTimeoutError::Timeout) => {
                    tell();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            left |= request == Request::Leave;
            desk.send_with_tag(&written(&request)[..], REQUEST);
            let reply = loop {
                tell();
                match desk.immediate_matched_probe_with_tag(REPLY) {
                    Some(message) => break read::<Reply>(&message.matched_receive_vec::<u8>().0),
                    None => std::thread::sleep(NAP),
                }
            };
            let reply = reply.unwrap_or_else(|fault| Reply::Failed(fault.to_string()));
            // Who has failed meanwhile does not wait any more.
            let _ = answer.send(reply);
        }
        if !left {
            desk.send_with_tag(&written(&Request::Leave)[..], REQUEST);
            loop {
                match desk.immediate_matched_probe_with_tag(REPLY) {
                    Some(message) => break drop(message.matched_receive_vec::<u8>()),
                    None => std::thread::sleep(NAP),
                }
            }
        }
    }

    /// Keeps the desk until all ranks have left, this one among them; returns whether they have.
    pub fn keep(
        self,
        mut desk: Desk,
        world: &impl Communicator,
        size: u32,
        stopped: &AtomicBool,
        is_at_work: impl Fn() -> bool,
    ) -> bool {
        let mut own: Option<Sender<Reply>> = None;
        let mut present: BTreeSet<u32> = (1..size).collect();
        let (mut told, mut ending): (bool, Option<Instant>) = (false, None);
        loop {
            let mut replies = Vec::new();
            if let Ok((request, answer)) = self.0.try_recv() {
                own = Some(answer);
                replies.extend(desk.take(0, request));
            }
            while let Some(message) = world.any_process().immediate_matched_probe_with_tag(REQUEST) {
                let (bytes, status) = message.matched_receive_vec::<u8>();
                let rank = status.source_rank().unsigned_abs();
                match read::<Request>(&bytes) {
                    Ok(request) => {
                        if request == Request::Leave {
                            present.remove(&rank);
                        }
                        replies.extend(desk.take(rank, request));
                    }
                    Err(fault) => replies.push((rank, Reply::Failed(fault.to_string()))),
                }
            }
            if stopped.load(Ordering::Relaxed) && !told {
                replies.extend(desk.take(0, Request::Stop));
                told = true;
            }
            let idle = replies.is_empty();
            for (rank, reply) in replies {
                match rank {
                    0 => drop(own.take().map(|answer| answer.send(reply))),
                    _ => {
                        let place = i32::try_from(rank).unwrap_or(i32::MAX);
                        world.process_at_rank(place).send_with_tag(&written(&reply)[..], REPLY);
                    }
                }
            }
            if !is_at_work() {
                if present.is_empty() {
                    return true;
                }
                // Before its time, each ends what it has begun, however long that takes.
                let since = ending.get_or_insert_with(Instant::now);
                if !desk.is_stopped() && since.elapsed() > PATIENCE {
                    tracing::error!(?present, "these ranks do not answer");
                    return false;
                }
            }
            if idle {
                std::thread::sleep(NAP);
            }
        }
    }
}

fn written(said: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists can always be written.
    serde_json::to_vec(said).unwrap_or_default()
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
