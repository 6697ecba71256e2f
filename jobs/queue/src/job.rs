//! A row of the job table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::error::QueueError;
use crate::phase::ExecutionPhase;
use crate::spec::JobSpec;

/// The columns that [`Job::from_row`] reads.
pub(crate) const COLUMNS: &str = "job_id, spec, owner, run_id, phase, created, started, ended, destruction, execution_duration_s, error, \
                                  results, attempts, scheduler, progress, told";

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id, which cannot be guessed.
    pub job_id: String,
    /// What it is to do.
    pub spec: JobSpec,
    /// Whose it is; nobody's where it was made without a name.
    pub owner: Option<String>,
    /// What its owner calls it (RUNID).
    pub run_id: Option<String>,
    /// How far it has come.
    pub phase: ExecutionPhase,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it first began to be at work.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// When it is to be deleted with all its results.
    pub destruction: DateTime<Utc>,
    /// Seconds it may be at work.
    pub execution_duration_s: u32,
    /// Why it failed or was ended.
    pub error: Option<JobError>,
    /// What came out of it.
    pub results: Vec<JobResult>,
    /// How often it has been begun.
    pub attempts: u32,
    /// Who runs it; a server by itself where nothing is said.
    pub scheduler: Option<String>,
    /// The part that is done, from 0 to 1, where that is known.
    pub progress: Option<f64>,
    /// What is to be known of it now: why it waits, mostly.
    pub told: Option<String>,
}

/// Why a job failed, or was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// For its owner to read.
    pub message: String,
    /// True when the same job may succeed another time.
    pub transient: bool,
}

/// Something that came out of a job: a file in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    /// Its name in the list of results.
    pub id: String,
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    pub size: u64,
    /// The file in the job's folder.
    pub file: String,
    /// The rows of a table.
    #[serde(default)]
    pub rows: Option<u64>,
    /// Whether a table would have had more rows, but for the limit that was asked for or is usual.
    #[serde(default)]
    pub overflow: Option<bool>,
    /// What else its owner should know of it, by names that XML can have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
}

/// A job that is to be made.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What it is to do.
    pub spec: JobSpec,
    /// Whose it is.
    pub owner: Option<String>,
    /// What its owner calls it.
    pub run_id: Option<String>,
    /// When it is to be deleted.
    pub destruction: DateTime<Utc>,
    /// Seconds it may be at work.
    pub execution_duration_s: u32,
    /// Who runs it; a server by itself where nothing is said.
    pub scheduler: Option<String>,
}

/// Which jobs are to be listed.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// In one of these phases; in any but [`ExecutionPhase::Archived`] where none is given.
    pub phases: Vec<ExecutionPhase>,
    /// Made later than this.
    pub after: Option<DateTime<Utc>>,
    /// The last so many.
    pub last: Option<u32>,
}

impl Job {
    pub(crate) fn from_row(row: &Row) -> Result<Self, QueueError> {
        let job_id: String = row.get("job_id");
        let damaged = |what| {
            let job_id = job_id.clone();
            move |source| QueueError::Document { job_id, what, source }
        };
        let error: Option<serde_json::Value> = row.get("error");
        Ok(Self {
            spec: serde_json::from_value(row.get("spec")).map_err(damaged("spec"))?,
            error: error.map(serde_json::from_value).transpose().map_err(damaged("error"))?,
            results: serde_json::from_value(row.get("results")).map_err(damaged("results"))?,
            owner: row.get("owner"),
            run_id: row.get("run_id"),
            phase: row.get::<_, &str>("phase").parse().unwrap_or(ExecutionPhase::Unknown),
            created: row.get("created"),
            started: row.get("started"),
            ended: row.get("ended"),
            destruction: row.get("destruction"),
            execution_duration_s: row.get::<_, i32>("execution_duration_s").unsigned_abs(),
            attempts: row.get::<_, i32>("attempts").unsigned_abs(),
            scheduler: row.get("scheduler"),
            progress: row.get("progress"),
            told: row.get("told"),
            job_id,
        })
    }
}
