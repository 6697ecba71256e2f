//! The desk where those who work on an order claim shares and note what they have done; one of them keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spolia_cutout::CutProgress;
use spolia_team::Stage;

use super::ledger::{Ledger, Note};
use super::outcome::Report;

/// What one of them says at the desk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// That it is there.
    Begin,
    /// As the leader, how a stage is divided: the digests of its shares.
    Divide(Stage, Vec<u64>),
    /// That it wants a share.
    Claim(Stage),
    /// That it has done one.
    Done(Note),
    /// That it waits until all shares of a stage are done, which have these digests.
    Meet(Stage, Vec<u64>),
    /// As the leader, something for all.
    Say(Vec<u64>),
    /// That it waits for what the leader says.
    Hear,
    /// As the leader, that all is done.
    End(Report),
    /// That all are to end before their time. This one gets no answer of its own.
    Stop,
    /// That it needs nothing more.
    Leave,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The number of the attempt, and whether all is done already.
    Begun(u32, bool),
    /// The number of a share.
    Claimed(u64),
    /// What is told of all shares of a stage.
    Met(Vec<Vec<u64>>),
    /// What the leader says.
    Heard(Vec<u64>),
    /// That it is noted.
    Noted,
    /// That it is to end before its time.
    Stop,
    /// That the work cannot go on, and why.
    Failed(String),
}

/// The desk.
pub struct Desk {
    ledger: Ledger,
    /// The name of the file that is made, if one is.
    output: String,
    progress: Arc<CutProgress>,
    /// The digests of a stage's shares, once the leader has passed them all.
    digests: BTreeMap<Stage, Vec<u64>>,
    /// Stages that the leader has divided.
    divided: BTreeSet<Stage>,
    said: Option<Vec<u64>>,
    stopped: bool,
    /// Those who wait, and for what.
    waiting: Vec<(u32, Request)>,
}

impl Desk {
    /// A desk with a ledger of an order, whose file is to have a name where one is made; `progress` is told what is done.
    pub fn new(ledger: Ledger, output: String, progress: Arc<CutProgress>) -> Self {
        progress.finish(ledger.weight(Stage::Fill));
        Self {
            ledger,
            output,
            progress,
            digests: BTreeMap::new(),
            divided: BTreeSet::new(),
            said: None,
            stopped: false,
            waiting: Vec::new(),
        }
    }

    /// Takes what one of them says, and gives all answers that are due: to this one, and to those who have waited. Rank 0 leads.
    pub fn take(&mut self, rank: u32, request: Request) -> Vec<(u32, Reply)> {
        let mut replies = Vec::new();
        let asked = match request {
            Request::Stop => {
                self.stopped = true;
                Vec::new()
            }
            request => vec![(rank, request)],
        };
        for (rank, request) in asked.into_iter().chain(std::mem::take(&mut self.waiting)) {
            match self.reply(rank, &request).unwrap_or_else(|error| Some(Reply::Failed(error.to_string()))) {
                Some(reply) => replies.push((rank, reply)),
                None => self.waiting.push((rank, request)),
            }
        }
        replies
    }

    /// Whether all are to end before their time.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The answer, unless it has to wait.
    fn reply(&mut self, rank: u32, request: &Request) -> io::Result<Option<Reply>> {
        Ok(Some(match request {
            Request::Claim(_) | Request::Meet(..) | Request::Hear | Request::Stop if self.stopped => Reply::Stop,
            Request::Begin => {
                let whole = self.ledger.whole().is_some();
                if whole {
                    self.ledger.settle(&self.output)?;
                }
                Reply::Begun(self.ledger.attempt(), whole)
            }
            Request::Divide(stage, digests) => {
                self.ledger.divide(*stage, digests);
                self.progress.finish(self.ledger.weight(*stage));
                self.divided.insert(*stage);
                Reply::Noted
            }
            Request::Claim(stage) if stage.is_divided_first() && !self.divided.contains(stage) => return Ok(None),
            Request::Claim(stage) => Reply::Claimed(self.ledger.claim(*stage)),
            Request::Done(note) => {
                let done = if note.share.stage.counts() { note.share.weight } else { 0 };
                self.ledger.done(note.clone())?;
                self.progress.finish(done);
                Reply::Noted
            }
            Request::Meet(stage, digests) => {
                if rank == 0 {
                    self.digests.entry(*stage).or_insert_with(|| digests.clone());
                }
                let Some(digests) = self.digests.get(stage) else { return Ok(None) };
                let Some(told) = self.ledger.met(*stage, digests)? else { return Ok(None) };
                Reply::Met(told)
            }
            Request::Say(words) => {
                self.said = Some(words.clone());
                Reply::Heard(words.clone())
            }
            Request::Hear => match &self.said {
                Some(words) => Reply::Heard(words.clone()),
                None => return Ok(None),
            },
            Request::End(report) => {
                self.ledger.end(report, &self.output)?;
                Reply::Noted
            }
            Request::Stop => Reply::Stop,
            Request::Leave => Reply::Noted,
        }))
    }
}

#[cfg(test)]
mod tests {
    use spolia_team::Share;

    use super::*;

    fn done(rank: u32, number: u64) -> Request {
        let share = Share { stage: Stage::Fill, number, digest: number, weight: 5, told: vec![number] };
        Request::Done(Note {
            share,
            rank,
            host: String::new(),
            attempt: 1,
            begun_ms: 0,
            ended_ms: 0,
            cpu_ms: 0,
            peak_kib: 0,
        })
    }

    #[test]
    fn those_who_meet_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), "a", "spolia", 2, &["merged.part"]).unwrap();
        let mut desk = Desk::new(ledger, "merged.h5".to_owned(), Arc::default());
        let digests = vec![0, 1];
        assert_eq!(desk.take(1, Request::Begin), [(1, Reply::Begun(1, false))]);
        assert_eq!(desk.take(0, Request::Claim(Stage::Fill)), [(0, Reply::Claimed(0))]);
        assert_eq!(desk.take(1, Request::Claim(Stage::Fill)), [(1, Reply::Claimed(1))]);
        assert_eq!(desk.take(1, done(1, 1)), [(1, Reply::Noted)]);
        assert_eq!(desk.take(1, Request::Meet(Stage::Fill, digests.clone())), []);
        assert_eq!(desk.take(0, done(0, 0)), [(0, Reply::Noted)]);
        let met = Reply::Met(vec![vec![0], vec![1]]);
        let all = desk.take(0, Request::Meet(Stage::Fill, digests));
        assert_eq!(all, [(0, met.clone()), (1, met)]);
        assert_eq!(desk.take(1, Request::Hear), []);
        assert_eq!(desk.take(0, Request::Say(vec![7])), [(0, Reply::Heard(vec![7])), (1, Reply::Heard(vec![7]))]);
        desk.take(1, Request::Claim(Stage::Hash));
        assert_eq!(desk.take(0, Request::Stop), []);
        assert_eq!(desk.take(1, Request::Claim(Stage::Hash)), [(1, Reply::Stop)]);
        desk.stopped = false;
        // A share that one of them saw otherwise ends the work of all.
        assert!(matches!(desk.take(1, Request::Meet(Stage::Fill, vec![0, 1]))[..], [(1, Reply::Met(_))]));
        desk.take(0, done(0, 2));
        assert!(matches!(&desk.take(1, Request::Meet(Stage::Fill, vec![]))[..], [(1, Reply::Failed(_))]));
    }
    #[test]
    fn shares_that_the_leader_divides_are_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), "a", "spolia", 2, &[]).unwrap();
        let mut desk = Desk::new(ledger, String::new(), Arc::default());
        assert_eq!(desk.take(1, Request::Claim(Stage::Load)), []);
        let divided = desk.take(0, Request::Divide(Stage::Load, vec![3]));
        assert_eq!(divided, [(0, Reply::Noted), (1, Reply::Claimed(0))]);
        assert_eq!(desk.take(1, Request::Claim(Stage::Check)), []);
        assert_eq!(desk.take(0, Request::Stop), [(1, Reply::Stop)]);
    }
}
