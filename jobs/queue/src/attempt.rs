//! Attempts at jobs that a scheduler runs. A job has its phase, which only goes forward; each attempt has a life of its own.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::scheduler::State;

/// The columns that [`Attempt::from_row`] reads.
pub(crate) const COLUMNS: &str =
    "job_id, number, scheduler, external_id, state, raw, reason, exit_code, nodes, restarts, submitted, started, ended";

/// An attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The job.
    pub job_id: String,
    /// Counted from 1.
    pub number: u32,
    /// Who runs it.
    pub scheduler: String,
    /// The scheduler's own id, once it has taken the attempt.
    pub external_id: Option<String>,
    /// What has become of it.
    pub state: State,
    /// The scheduler's own word for that.
    pub raw: Option<String>,
    /// Why it waits, or why it ended.
    pub reason: Option<String>,
    /// Its exit status.
    pub exit_code: Option<i32>,
    /// Where it is or was at work.
    pub nodes: Option<String>,
    /// How often the scheduler has begun it anew.
    pub restarts: u32,
    /// When it was handed to the scheduler.
    pub submitted: DateTime<Utc>,
    /// When it began, or is expected to.
    pub started: Option<DateTime<Utc>>,
    /// When it was seen that it is over.
    pub ended: Option<DateTime<Utc>>,
}

impl Attempt {
    pub(crate) fn from_row(row: &Row) -> Self {
        let count = |name: &str| row.get::<_, i32>(name).unsigned_abs();
        Self {
            job_id: row.get("job_id"),
            number: count("number"),
            scheduler: row.get("scheduler"),
            external_id: row.get("external_id"),
            state: row.get::<_, &str>("state").parse().unwrap_or(State::Unknown),
            raw: row.get("raw"),
            reason: row.get("reason"),
            exit_code: row.get("exit_code"),
            nodes: row.get("nodes"),
            restarts: count("restarts"),
            submitted: row.get("submitted"),
            started: row.get("started"),
            ended: row.get("ended"),
        }
    }
}
