//! One of those who work on an order.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use spolia_team::{Share, Stage, Team};

use super::desk::{Desk, Reply, Request};
use super::ledger::{Note, now_ms};
use super::outcome::Report;

/// The way to the desk.
pub trait Way: Send + Sync {
    /// Says something at the desk, and waits for the answer.
    ///
    /// # Errors
    /// When the desk is not reached; [`io::ErrorKind::Interrupted`] when the work is to end before its time.
    fn ask(&self, request: Request) -> io::Result<Reply>;
}

/// The way of the one who keeps the desk and is alone.
impl Way for Mutex<Desk> {
    fn ask(&self, request: Request) -> io::Result<Reply> {
        let mut desk = self.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = desk.take(0, request).pop();
        reply.map(|(_, reply)| reply).ok_or_else(|| io::Error::other("nobody else will do what is waited for"))
    }
}

/// One of those who work on an order.
pub struct Member {
    way: Arc<dyn Way>,
    rank: u32,
    host: String,
    stopped: Arc<AtomicBool>,
    attempt: AtomicU32,
    /// When shares were claimed that are not done yet.
    claimed_ms: Mutex<BTreeMap<(Stage, u64), u64>>,
}

impl Member {
    /// The one of a rank, who ends when `stopped` is set.
    pub fn new(way: Arc<dyn Way>, rank: u32, stopped: Arc<AtomicBool>) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (attempt, claimed_ms) = (AtomicU32::new(0), Mutex::default());
        Self { way, rank, host, stopped, attempt, claimed_ms }
    }

    /// Says that it is there; returns whether the file is whole already.
    pub(crate) fn begin(&self) -> io::Result<bool> {
        match self.ask(Request::Begin)? {
            Reply::Begun(attempt, whole) => {
                self.attempt.store(attempt, Ordering::Relaxed);
                Ok(whole)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Notes, as the leader, that all is done.
    pub(crate) fn end(&self, report: &Report) -> io::Result<()> {
        self.noted(Request::End(report.clone()))
    }

    /// Says that it needs nothing more.
    pub(crate) fn leave(&self) -> io::Result<()> {
        self.noted(Request::Leave)
    }

    fn noted(&self, request: Request) -> io::Result<()> {
        match self.ask(request)? {
            Reply::Noted => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&self, request: Request) -> io::Result<Reply> {
        match self.way.ask(request)? {
            Reply::Failed(fault) => Err(io::Error::new(io::ErrorKind::InvalidData, fault)),
            Reply::Stop => Err(io::ErrorKind::Interrupted.into()),
            reply => Ok(reply),
        }
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeMap<(Stage, u64), u64>> {
        self.claimed_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_stopped(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::Relaxed) { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl Team for Member {
    fn leads(&self) -> bool {
        self.rank == 0
    }

    fn divide(&self, stage: Stage, digests: &[u64]) -> io::Result<()> {
        self.noted(Request::Divide(stage, digests.to_vec()))
    }

    fn claim(&self, stage: Stage) -> io::Result<u64> {
        self.check_stopped()?;
        match self.ask(Request::Claim(stage))? {
            Reply::Claimed(number) => {
                self.claimed().insert((stage, number), now_ms());
                Ok(number)
            }
            other => Err(unexpected(&other)),
        }
    }

    fn done(&self, share: Share) -> io::Result<()> {
        let ended_ms = now_ms();
        let begun_ms = self.claimed().remove(&(share.stage, share.number)).unwrap_or(ended_ms);
        self.noted(Request::Done(Note {
            share,
            rank: self.rank,
            host: self.host.clone(),
            attempt: self.attempt.load(Ordering::Relaxed),
            begun_ms,
            ended_ms,
            cpu_ms: cpu_ms(),
            peak_kib: peak_kib(),
        }))
    }

    fn meet(&self, stage: Stage, digests: &[u64]) -> io::Result<Vec<Vec<u64>>> {
        self.check_stopped()?;
        match self.ask(Request::Meet(stage, digests.to_vec()))? {
            Reply::Met(told) => Ok(told),
            other => Err(unexpected(&other)),
        }
    }

    fn hear(&self, said: Option<Vec<u64>>) -> io::Result<Vec<u64>> {
        self.check_stopped()?;
        match self.ask(said.map_or(Request::Hear, Request::Say))? {
            Reply::Heard(words) => Ok(words),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(reply: &Reply) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the desk gave another answer than was asked for: {reply:?}"))
}

/// What this process has taken of processors, in milliseconds.
fn cpu_ms() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    (time.tv_sec.unsigned_abs() * 1000) + time.tv_nsec.unsigned_abs() / 1_000_000
}

/// The most memory that this process has had, in kibibytes; 0 where the kernel does not tell.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
