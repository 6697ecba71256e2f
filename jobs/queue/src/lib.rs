//! The job table: what is to be done, for whom, how far it has come, and how much of it may be; and the schedulers that run it.
//!
//! A [`Job`] is a row on the control node. Its [`ExecutionPhase`] only goes forward, by the changes that UWS knows; each change is one
//! statement, so that servers of the same site, the command line and a scheduler never disagree. A [`Worker`] claims jobs for
//! a time and says again and again that it is at work; what a dead worker leaves is claimed by another, as another attempt.
//! A [`Dispatch`] hands jobs to a [`Scheduler`], and notes what becomes of each [`Attempt`].

mod attempt;
mod attempt_files;
mod dispatch;
mod error;
mod job;
mod local;
mod phase;
mod resources;
mod scheduler;
mod slurm;
mod spec;
mod table;
mod worker;

pub use attempt::Attempt;
pub use attempt_files::{TO_BE_CONTINUED, exit_in, note_exit};
pub use dispatch::{Dispatch, MOST_ATTEMPTS};
pub use error::QueueError;
pub use job::{Job, JobError, JobFilter, JobResult, NewJob};
pub use local::{LocalScheduler, left_behind};
pub use phase::{ExecutionPhase, UnknownPhase};
pub use resources::{Resources, mebibytes, minutes};
pub use scheduler::{Known, Launch, Scheduler, SchedulerError, Seen, State};
pub use slurm::{SlurmScheduler, SlurmSettings};
pub use spec::{CUT, CutJob, INGEST, Inputs, JobSpec, TABLE_UPDATE, TAP_QUERY, UploadedTable, VERIFY};
pub use table::{JobQuota, JobTable};
pub use worker::{Ended, Worker};
