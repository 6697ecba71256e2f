//! Who runs the work on an order: processes of this machine ([`LocalScheduler`]), or a cluster ([`SlurmScheduler`]).
//!
//! [`LocalScheduler`]: crate::LocalScheduler
//! [`SlurmScheduler`]: crate::SlurmScheduler

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::resources::Resources;

/// An attempt at a job, as a scheduler is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Our job.
    pub job_id: String,
    /// The kind of its work ([`JobSpec::kind`](crate::JobSpec::kind)).
    pub kind: &'static str,
    /// The attempt, counted from 1; 0 for work that somebody has done by hand.
    pub attempt: u32,
    /// What the owner calls the job.
    pub run_id: Option<String>,
    /// The folder with its order.
    pub folder: PathBuf,
    /// What it asks for.
    pub resources: Resources,
    /// The scheduler's own ids of the jobs that must have completed before.
    pub after: Vec<String>,
}

/// An attempt that a scheduler has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Our job.
    pub job_id: String,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The scheduler's own id, which others may have had before, or later.
    pub id: String,
}

/// What has become of an attempt. SLURM, `squeue(1)`, "JOB STATE CODES".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waiting for its turn.
    Pending,
    /// Held back by its user or an operator.
    Held,
    /// At work, or beginning or ending it.
    Running,
    /// Put aside, to go on later.
    Suspended,
    /// Ended by itself, with status 0.
    Completed,
    /// Ended by somebody.
    Cancelled,
    /// Ended by itself, with another status.
    Failed,
    /// Ended because its time was over.
    Timeout,
    /// Ended because it took more memory than it had asked for.
    OutOfMemory,
    /// Ended because a node, or the scheduler's rules, ended it; another attempt may do better.
    Lost,
    /// The scheduler knows nothing of it, any more.
    Gone,
    /// The scheduler says something that is not known here.
    Unknown,
}

/// An attempt, as a scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What has become of it.
    pub state: State,
    /// The scheduler's own word for that.
    pub raw: String,
    /// Why it waits, or why it ended.
    pub reason: Option<String>,
    /// Its exit status.
    pub exit_code: Option<i32>,
    /// When it began, or is expected to.
    pub started: Option<DateTime<Utc>>,
    /// Where it is or was at work.
    pub nodes: Option<String>,
    /// How often the scheduler has begun it anew.
    pub restarts: u32,
}

/// A scheduler that did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// It cannot be reached; later it may.
    #[error("{scheduler} cannot be reached: {fault}")]
    Away {
        /// Which one.
        scheduler: &'static str,
        /// What is wrong.
        fault: String,
    },
    /// It refused what was asked for.
    #[error("{scheduler} refuses the job: {fault}")]
    Refused {
        /// Which one.
        scheduler: &'static str,
        /// What it says.
        fault: String,
    },
}

/// Who runs the work on orders.
#[async_trait]
pub trait Scheduler: Send + Sync {
    /// Its name, as the job table has it.
    fn name(&self) -> &'static str;

    /// Whether it sees to it by itself that a job begins when others have completed.
    fn orders_jobs(&self) -> bool;

    /// Whether it ends by itself what takes longer than it may.
    fn keeps_time(&self) -> bool;

    /// Takes an attempt; returns the id by which it knows it.
    ///
    /// # Errors
    /// [`SchedulerError`].
    async fn submit(&self, launch: &Launch) -> Result<String, SchedulerError>;

    /// The id of an attempt that it may have taken without our knowing.
    ///
    /// # Errors
    /// [`SchedulerError::Away`].
    async fn find(&self, launch: &Launch) -> Result<Option<String>, SchedulerError>;

    /// What has become of attempts that it has, each at its place; all are asked for at once.
    ///
    /// # Errors
    /// [`SchedulerError::Away`].
    async fn look(&self, attempts: &[Known]) -> Result<Vec<Seen>, SchedulerError>;

    /// Has attempts end: at once where they wait, within some seconds where they are at work.
    ///
    /// # Errors
    /// [`SchedulerError::Away`].
    async fn cancel(&self, attempts: &[Known]) -> Result<(), SchedulerError>;

    /// Puts beside an order what [`Scheduler::submit`] would run, and returns the command by which a person has it run.
    ///
    /// # Errors
    /// [`SchedulerError::Refused`].
    fn prepare(&self, launch: &Launch) -> Result<String, SchedulerError>;

    /// What [`Scheduler::submit`] would do, for a person to read.
    fn script(&self, launch: &Launch) -> String;
}

impl State {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Held,
        Self::Running,
        Self::Suspended,
        Self::Completed,
        Self::Cancelled,
        Self::Failed,
        Self::Timeout,
        Self::OutOfMemory,
        Self::Lost,
        Self::Gone,
        Self::Unknown,
    ];

    /// The name that the job table has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Held => "HELD",
            Self::Running => "RUNNING",
            Self::Suspended => "SUSPENDED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
            Self::Timeout => "TIMEOUT",
            Self::OutOfMemory => "OUT_OF_MEMORY",
            Self::Lost => "LOST",
            Self::Gone => "GONE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Whether nothing more will become of it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Held | Self::Running | Self::Suspended | Self::Unknown)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(())
    }
}
