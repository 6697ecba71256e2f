//! A merged file that several processes make together.
//!
//! Each of them gives everything its place ([`crate::merge`]), which comes out the same for all. What fills the places in is divided
//! into shares, which are numbered in the order of the places. All write into the same file. Of [`Stage::Fill`] are told the requests for
//! ranges of files, the bytes that were needed of them, and the bytes that were read for that; of other stages sizes of chunks and checksums.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spolia_team::{Share, Stage, Team};

use crate::error::CutoutError;

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
