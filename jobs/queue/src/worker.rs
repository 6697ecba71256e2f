//! What those do who are at work on jobs.

use std::time::Duration;

use tokio_postgres::types::Json;

use crate::error::{Act, QueueError};
use crate::job::{COLUMNS, Job, JobError, JobResult};
use crate::table::JobTable;

/// How often a job is begun before it is given up: what ends a worker once may have ended it by chance.
const ATTEMPTS: i32 = 3;

/// Someone at work on jobs: one process.
#[derive(Clone)]
pub struct Worker {
    table: JobTable,
    name: String,
    lease: Duration,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With these results.
    Completed(Vec<JobResult>),
    /// It failed.
    Failed(JobError),
    /// Its time was over, or somebody ended it; the message says so.
    Aborted(JobError),
}

impl Ended {
    /// The phase, the results and the error of a job that ended so.
    pub(crate) fn columns(&self) -> (&'static str, &[JobResult], Option<&JobError>) {
        match self {
            Self::Completed(results) => ("COMPLETED", results, None),
            Self::Failed(error) => ("ERROR", &[], Some(error)),
            Self::Aborted(error) => ("ABORTED", &[], Some(error)),
        }
    }
}

impl Worker {
    /// A worker of its own name, whose jobs go to others when it has not been heard of for `lease`.
    pub fn new(table: JobTable, lease: Duration) -> Self {
        Self { table, name: uuid::Uuid::new_v4().to_string(), lease }
    }

    /// The job to do next, if there is one of these kinds: of the owner who has the fewest at work, the one that has waited longest. What a dead worker
    /// left comes first, and is given up after three attempts.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn claim(&self, kinds: &[&str]) -> Result<Option<Job>, QueueError> {
        let client = self.table.control.client().await?;
        let lost = "UPDATE spolia.job SET phase = 'ERROR', ended = now(), worker = NULL, \
                    error = '{\"message\": \"the server ended three times while it was at work on this job\", \"transient\": true}' \
                    WHERE kind = ANY($1) AND scheduler IS NULL AND phase = 'EXECUTING' AND worker_until < now() AND attempts >= $2";
        client.execute(lost, &[&kinds, &ATTEMPTS]).await.act("give up lost jobs")?;
        let sql = format!(
            "UPDATE spolia.job SET phase = 'EXECUTING', started = coalesce(started, now()), attempts = attempts + 1, worker = $2, \
                 worker_until = now() + make_interval(secs => $3) \
             WHERE job_id = (SELECT job_id FROM spolia.job AS j \
                 WHERE kind = ANY($1) AND scheduler IS NULL AND (phase = 'QUEUED' OR phase = 'EXECUTING' AND worker_until < now()) \
                 ORDER BY phase = 'QUEUED', (SELECT count(*) FROM spolia.job AS other \
                     WHERE other.phase = 'EXECUTING' AND other.owner IS NOT DISTINCT FROM j.owner), created \
                 LIMIT 1 FOR UPDATE SKIP LOCKED) \
             RETURNING {COLUMNS}"
        );
        let statement = client.prepare_cached(&sql).await.act("prepare to claim a job")?;
        let row = client.query_opt(&statement, &[&kinds, &self.name, &self.lease.as_secs_f64()]).await;
        row.act("claim a job")?.as_ref().map(Job::from_row).transpose()
    }

    /// Says that it is still at work on its jobs. Returns those that are still its own: others have been ended or deleted.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn renew(&self) -> Result<Vec<String>, QueueError> {
        let sql = "UPDATE spolia.job SET worker_until = now() + make_interval(secs => $2) \
                   WHERE worker = $1 AND phase = 'EXECUTING' RETURNING job_id";
        let client = self.table.control.client().await?;
        let rows = client.query(sql, &[&self.name, &self.lease.as_secs_f64()]).await.act("renew claims")?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Notes how a job ended. Returns false when it is no longer this worker's, and nothing was noted.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn end(&self, job_id: &str, ended: &Ended) -> Result<bool, QueueError> {
        let (phase, results, error) = ended.columns();
        let error = error.map(Json);
        let sql = "UPDATE spolia.job SET phase = $3, results = $4, error = $5, ended = now(), worker = NULL \
                   WHERE job_id = $1 AND worker = $2 AND phase = 'EXECUTING'";
        let client = self.table.control.client().await?;
        let changed = client.execute(sql, &[&job_id, &self.name, &phase, &Json(results), &error]).await;
        Ok(changed.act("end a job")? > 0)
    }

    /// Puts its jobs back into the queue, when it must end before they do; that attempt does not count.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn give_back(&self) -> Result<(), QueueError> {
        // The phase stays as it is, since it never goes back: the next worker takes them up at once.
        let sql = "UPDATE spolia.job SET worker = NULL, worker_until = now() - interval '1 second', attempts = attempts - 1 \
                   WHERE worker = $1 AND phase = 'EXECUTING'";
        self.table.control.client().await?.execute(sql, &[&self.name]).await.act("give jobs back")?;
        Ok(())
    }
}
