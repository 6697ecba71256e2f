//! How those who work on one thing together share it out; no I/O.
//!
//! What is to be done is divided into stages, and each stage into shares with numbers. A share is done by whoever claims it first, so that
//! nobody waits behind a large one, and what is done stays done when the work has to be begun again.

mod alone;

use std::io;

use serde::{Deserialize, Serialize};

pub use alone::Alone;

/// What is divided into shares; one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Of a merged file: reading values, and putting them where they belong.
    Fill,
    /// Of a merged file: compressing chunks of columns.
    Encode,
    /// Of a merged file: putting them where they belong.
    Place,
    /// Of a merged file: making checksums.
    Hash,
    /// Of files: reading them whole, and summing them up.
    Check,
    /// Of files: bringing their bytes and their rows into the archive.
    Load,
}

/// A share that has been done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What it is a share of.
    pub stage: Stage,
    /// Its number.
    pub number: u64,
    /// What tells it from shares that another division has at that place.
    pub digest: u64,
    /// Bytes that were read or made, about: what progress is counted in.
    pub weight: u64,
    /// What others have to know of it; each stage has a meaning of its own for that.
    pub told: Vec<u64>,
}

/// Those who work on one thing together, as one of them sees them. Errors end the work; what is done stays done.
pub trait Team: Send + Sync {
    /// Whether this one does what is done once.
    fn leads(&self) -> bool;

    /// Says, as the leader, how a stage is divided that others wait to claim shares of: the digests of all its shares. What was done of another
    /// division is to be done again.
    ///
    /// # Errors
    /// When it cannot be said.
    fn divide(&self, stage: Stage, digests: &[u64]) -> io::Result<()>;

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

impl Stage {
    /// Whether its shares can be claimed only once the leader has said how it is divided: its division is not for each to find.
    pub fn is_divided_first(self) -> bool {
        matches!(self, Self::Check | Self::Load)
    }

    /// Whether its shares are what progress is counted in.
    pub fn counts(self) -> bool {
        matches!(self, Self::Fill | Self::Check | Self::Load)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Encode => "encode",
            Self::Place => "place",
            Self::Hash => "hash",
            Self::Check => "check",
            Self::Load => "load",
        }
    }
}
