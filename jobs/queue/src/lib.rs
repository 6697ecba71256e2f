//! The job table: what is to be done, for whom, how far it has come, and how much of it may be.
//!
//! A [`Job`] is a row on the control node. Its [`ExecutionPhase`] only goes forward, by the changes that UWS knows; each change is one
//! statement, so that servers of the same site, the command line and a scheduler never disagree. A [`Worker`] claims jobs for
//! a time and says again and again that it is at work; what a dead worker leaves is claimed by another, as another attempt.

mod error;
mod job;
mod phase;
mod spec;
mod table;
mod worker;

pub use error::QueueError;
pub use job::{Job, JobError, JobFilter, JobResult, NewJob};
pub use phase::{ExecutionPhase, UnknownPhase};
pub use spec::{CUT, CutJob, Inputs, JobSpec, TABLE_UPDATE, TAP_QUERY, UploadedTable};
pub use table::{JobQuota, JobTable};
pub use worker::{Ended, Worker};
