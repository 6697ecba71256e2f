//! A merged file that several processes make together.
//!
//! Each of them gives everything its place ([`crate::merge`]), which comes out the same for all. What fills the places in is divided
//! into shares, which are numbered in the order of the places, and each share is done by whoever claims it first. So nobody waits behind a
//! large file, all write into the same file, and what is done stays done if they have to begin again.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::CutoutError;

/// What is divided into shares; one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading values, and putting them where they belong.
    Fill,
    /// Compressing chunks of columns.
    Encode,
    /// Putting them where they belong.
    Place,
    /// Making checksums.
    Hash,
}

/// A share that has been done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What it is a share of.
    pub stage: Stage,
    /// Its number.
    pub number: u64,
    /// What tells it and all before it from shares that another division has at that place.
    pub digest: u64,
    /// Bytes that were read or made, about: what progress is counted in.
    pub weight: u64,
    /// What others have to know of it: of [`Stage::Fill`] the requests for ranges of files, the bytes that were needed of them, and the
    /// bytes that were read for that; of others sizes of chunks and checksums.
    pub told: Vec<u64>,
}

/// Those who make a merged file together, as one of them sees them. Errors end the work; what is done stays done.
pub trait Team: Send + Sync {
    /// Whether this one writes what is written once.
    fn leads(&self) -> bool;

    /// Claims a share: of the stage's shares that nobody has done or claimed, the first one, whether there is one of that number or not. The
    /// numbers that one is given grow.
    ///
    /// # Errors
    /// [`io::ErrorKind::Interrupted`] when the work is to end before its time.
    fn claim(&self, stage: Stage) -> io::Result<u64>;

    /// Notes that a claimed share is done, and safe.
    ///
    /// # Errors
    /// When it cannot be noted.
    fn done(&self, share: Share) -> io::Result<()>;

    /// Waits until all shares of a stage, which have these digests, are done, and returns what is told of them, in their order.
    ///
    /// # Errors
    /// As [`Team::claim`]; [`io::ErrorKind::InvalidData`] where a share was done of another division.
    fn meet(&self, stage: Stage, digests: &[u64]) -> io::Result<Vec<Vec<u64>>>;

    /// What the leader says, which waits for nobody; others wait for it.
    ///
    /// # Errors
    /// As [`Team::claim`].
    fn hear(&self, said: Option<Vec<u64>>) -> io::Result<Vec<u64>>;
}

/// The shares of a stage, as one of the team goes through them.
pub(crate) struct Shares {
    team: Arc<dyn Team>,
    stage: Stage,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those that were passed.
    digests: Vec<u64>,
    /// The one that is claimed, if there is one.
    claimed: Option<u64>,
}

/// A share that is this one's to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    number: u64,
    digest: u64,
    weight: u64,
}

impl Shares {
    pub(crate) fn new(team: Arc<dyn Team>, stage: Stage) -> Self {
        Self { team, stage, state: Mutex::default() }
    }

    /// Passes to the next share, which has some weight and is told from others by `words`; returns it if it is this one's to do.
    pub(crate) fn next(&self, weight: u64, words: &[u64]) -> Result<Option<Own>, CutoutError> {
        let mut state = self.state();
        let number = state.digests.len() as u64;
        let digest = words.iter().chain([&weight]).fold(state.digests.last().copied().unwrap_or(BASIS), mixed);
        state.digests.push(digest);
        let claimed = match state.claimed {
            Some(claimed) => claimed,
            None => self.team.claim(self.stage).map_err(together)?,
        };
        state.claimed = Some(claimed).filter(|claimed| *claimed != number);
        match claimed.cmp(&number) {
            std::cmp::Ordering::Greater => Ok(None),
            std::cmp::Ordering::Equal => Ok(Some(Own { number, digest, weight })),
            std::cmp::Ordering::Less => {
                let fault = format!("share {claimed} was claimed when share {number} was next");
                Err(CutoutError::Team(io::Error::other(fault)))
            }
        }
    }

    /// Notes that a share is done.
    pub(crate) fn done(&self, own: Own, told: Vec<u64>) -> Result<(), CutoutError> {
        let Own { number, digest, weight } = own;
        self.team.done(Share { stage: self.stage, number, digest, weight, told }).map_err(together)
    }

    /// Waits until all shares that were passed are done by whoever claimed them; returns what is told of them.
    pub(crate) fn meet(&self) -> Result<Vec<Vec<u64>>, CutoutError> {
        self.team.meet(self.stage, &self.state().digests).map_err(together)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning and the factor of FNV-1a with 64 bits; here, words are mixed in place of bytes.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FACTOR: u64 = 0x0100_0000_01b3;

fn mixed(digest: u64, word: &u64) -> u64 {
    (digest ^ word).wrapping_mul(FACTOR).rotate_left(23)
}

/// What ends the work of all.
pub(crate) fn together(error: io::Error) -> CutoutError {
    match error.kind() {
        io::ErrorKind::Interrupted => CutoutError::Stopped,
        _ => CutoutError::Team(error),
    }
}
