//! How far a job has come. UWS 1.1 section 2.1.3.

use std::fmt;
use std::str::FromStr;

/// A job's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExecutionPhase {
    /// Accepted, not yet asked to run; its parameters can still change.
    Pending,
    /// Asked to run, waiting for a place.
    Queued,
    /// At work.
    Executing,
    /// Ended well; its results are there.
    Completed,
    /// Failed.
    Error,
    /// Ended by its owner, or because its time was over.
    Aborted,
    /// Waiting for its owner to run it again.
    Held,
    /// Put aside by the scheduler, which will go on by itself.
    Suspended,
    /// Nobody knows.
    Unknown,
    /// Kept as a memory; its results are gone.
    Archived,
}

/// A text that names no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no phase; the phases are {all}", all = ExecutionPhase::ALL.map(|phase| phase.name()).join(", "))]
pub struct UnknownPhase(String);

impl ExecutionPhase {
    /// All phases.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Queued,
        Self::Executing,
        Self::Completed,
        Self::Error,
        Self::Aborted,
        Self::Held,
        Self::Suspended,
        Self::Unknown,
        Self::Archived,
    ];

    /// The name that UWS and the job table have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Queued => "QUEUED",
            Self::Executing => "EXECUTING",
            Self::Completed => "COMPLETED",
            Self::Error => "ERROR",
            Self::Aborted => "ABORTED",
            Self::Held => "HELD",
            Self::Suspended => "SUSPENDED",
            Self::Unknown => "UNKNOWN",
            Self::Archived => "ARCHIVED",
        }
    }

    /// True while the job may still change by itself or be run, so that it is worth waiting for.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Queued | Self::Executing | Self::Held | Self::Suspended | Self::Unknown)
    }
}

impl fmt::Display for ExecutionPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExecutionPhase {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, UnknownPhase> {
        let known = Self::ALL.into_iter().find(|phase| phase.name().eq_ignore_ascii_case(text));
        known.ok_or_else(|| UnknownPhase(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_the_names_of_uws() {
        for phase in ExecutionPhase::ALL {
            assert_eq!(phase.name().to_lowercase().parse(), Ok(phase));
        }
        let error = "RUNNING".parse::<ExecutionPhase>().unwrap_err().to_string();
        assert!(error.contains("\"RUNNING\"") && error.contains("PENDING, QUEUED, EXECUTING"), "{error}");
    }
}
