//! What owners do with their jobs.

use chrono::{DateTime, Utc};
use spolia_catalogue::Control;
use tokio_postgres::types::{Json, ToSql};

use crate::attempt::{self, Attempt};
use crate::error::{Act, QueueError};
use crate::job::{COLUMNS, Job, JobFilter, NewJob};
use crate::spec::JobSpec;

/// Jobs listed at most.
const LISTED: u32 = 10_000;

/// How many jobs an owner may have; those without a name are one owner together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobQuota {
    /// Jobs that are waiting or at work.
    pub active: u32,
    /// Jobs in all, with those that have ended.
    pub kept: u32,
}

/// The job table of a site.
#[derive(Clone)]
pub struct JobTable {
    pub(crate) control: Control,
}

impl JobTable {
    /// The job table of a control database.
    pub fn new(control: Control) -> Self {
        Self { control }
    }

    /// Makes a job, [`ExecutionPhase::Pending`](crate::ExecutionPhase::Pending).
    ///
    /// # Errors
    /// [`QueueError::Quota`] when its owner has too many; otherwise what failed.
    pub async fn create(&self, job: &NewJob, quota: JobQuota) -> Result<Job, QueueError> {
        let mut client = self.control.client().await?;
        let transaction = client.transaction().await.act("begin")?;
        // Jobs of one owner are made one after the other, so that they are counted.
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended('spolia job of ' || coalesce($1, ''), 0))";
        transaction.execute(lock, &[&job.owner]).await.act("wait for other jobs to be made")?;
        let count = "SELECT count(*) FILTER (WHERE phase NOT IN ('COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED')), count(*) FROM spolia.job \
                     WHERE owner IS NOT DISTINCT FROM $1";
        let counted = transaction.query_one(count, &[&job.owner]).await.act("count jobs")?;
        for (at, most, what) in [(0, quota.active, "jobs waiting or at work"), (1, quota.kept, "jobs")] {
            if counted.get::<_, i64>(at) >= i64::from(most) {
                let owner = job.owner.clone().unwrap_or_else(|| "anonymous".to_owned());
                return Err(QueueError::Quota { owner, most, what });
            }
        }
        let sql = format!(
            "INSERT INTO spolia.job (job_id, kind, spec, owner, run_id, phase, destruction, execution_duration_s, scheduler) \
             VALUES ($1, $2, $3, $4, $5, 'PENDING', $6, $7, $8) RETURNING {COLUMNS}"
        );
        let (job_id, seconds) = (uuid::Uuid::new_v4().to_string(), seconds(job.execution_duration_s));
        let (kind, spec) = (job.spec.kind(), Json(&job.spec));
        let values: [&(dyn ToSql + Sync); 8] =
            [&job_id, &kind, &spec, &job.owner, &job.run_id, &job.destruction, &seconds, &job.scheduler];
        let row = transaction.query_one(&sql, &values).await.act("make a job")?;
        transaction.commit().await.act("make a job")?;
        Job::from_row(&row)
    }

    /// A job.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] where there is none.
    pub async fn get(&self, job_id: &str) -> Result<Job, QueueError> {
        let sql = format!("SELECT {COLUMNS} FROM spolia.job WHERE job_id = $1");
        let client = self.control.client().await?;
        let statement = client.prepare_cached(&sql).await.act("prepare to read a job")?;
        let row = client.query_opt(&statement, &[&job_id]).await.act("read a job")?;
        Job::from_row(&row.ok_or_else(|| QueueError::NotFound(job_id.to_owned()))?)
    }

    /// The jobs of a kind that an owner has, the newest first.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn list(&self, owner: &str, kind: &str, filter: &JobFilter) -> Result<Vec<Job>, QueueError> {
        let phases: Vec<&str> = filter.phases.iter().map(|phase| phase.name()).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM spolia.job WHERE owner = $1 AND kind = $5 \
             AND CASE WHEN cardinality($2::text[]) = 0 THEN phase <> 'ARCHIVED' ELSE phase = ANY($2) END \
             AND ($3::timestamptz IS NULL OR created > $3) ORDER BY created DESC, job_id LIMIT $4"
        );
        let most = i64::from(filter.last.unwrap_or(LISTED).min(LISTED));
        let rows = self.control.client().await?.query(&sql, &[&owner, &phases, &filter.after, &most, &kind]).await;
        rows.act("list jobs")?.iter().map(Job::from_row).collect()
    }

    /// The jobs of an owner, or of everybody, of all kinds, the newest first.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn all(&self, owner: Option<&str>, filter: &JobFilter) -> Result<Vec<Job>, QueueError> {
        let phases: Vec<&str> = filter.phases.iter().map(|phase| phase.name()).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM spolia.job WHERE ($1::text IS NULL OR owner = $1) \
             AND (cardinality($2::text[]) = 0 OR phase = ANY($2)) AND ($3::timestamptz IS NULL OR created > $3) \
             ORDER BY created DESC, job_id LIMIT $4"
        );
        let most = i64::from(filter.last.unwrap_or(LISTED).min(LISTED));
        let rows = self.control.client().await?.query(&sql, &[&owner, &phases, &filter.after, &most]).await;
        rows.act("list jobs")?.iter().map(Job::from_row).collect()
    }

    /// The job whose id begins so, if there is exactly one.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] where there is none, and where there are several.
    pub async fn find(&self, beginning: &str) -> Result<Job, QueueError> {
        let sql = format!("SELECT {COLUMNS} FROM spolia.job WHERE starts_with(job_id, $1) LIMIT 2");
        let rows = self.control.client().await?.query(&sql, &[&beginning]).await.act("look for a job")?;
        match &rows[..] {
            [row] if !beginning.is_empty() => Job::from_row(row),
            _ => Err(QueueError::NotFound(beginning.to_owned())),
        }
    }

    /// The attempts at a job, in their order.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn attempts(&self, job_id: &str) -> Result<Vec<Attempt>, QueueError> {
        let sql = format!("SELECT {} FROM spolia.job_attempt WHERE job_id = $1 ORDER BY number", attempt::COLUMNS);
        let rows = self.control.client().await?.query(&sql, &[&job_id]).await.act("read attempts")?;
        Ok(rows.iter().map(Attempt::from_row).collect())
    }

    /// Has a scheduler run a job that is pending or queued.
    ///
    /// # Errors
    /// [`QueueError::Phase`] once it is at work.
    pub async fn hand_to(&self, job_id: &str, scheduler: &str) -> Result<Job, QueueError> {
        let allowed = "phase IN ('PENDING', 'QUEUED', 'HELD')";
        self.change(job_id, "scheduler = $2", allowed, "who runs it can no longer change", &[&scheduler]).await
    }

    /// Changes what a job is to do, as long as it is [`ExecutionPhase::Pending`](crate::ExecutionPhase::Pending).
    ///
    /// # Errors
    /// [`QueueError::Phase`] once it has been asked to run.
    pub async fn set_spec(&self, job_id: &str, spec: &JobSpec, run_id: Option<&str>) -> Result<Job, QueueError> {
        let set = "spec = $2, run_id = $3";
        self.change(job_id, set, "phase = 'PENDING'", "its parameters can no longer change", &[&Json(spec), &run_id])
            .await
    }

    /// Asks a job to run.
    ///
    /// # Errors
    /// [`QueueError::Phase`] unless it is pending or held.
    pub async fn run(&self, job_id: &str) -> Result<Job, QueueError> {
        let allowed = "phase IN ('PENDING', 'HELD')";
        self.change(job_id, "phase = 'QUEUED'", allowed, "it has been asked to run before", &[]).await
    }

    /// Ends a job. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] where there is none.
    pub async fn abort(&self, job_id: &str) -> Result<Job, QueueError> {
        let set = "phase = 'ABORTED', ended = now(), worker = NULL";
        let allowed = "phase NOT IN ('COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED')";
        match self.change(job_id, set, allowed, "it has ended", &[]).await {
            Err(QueueError::Phase { .. }) => self.get(job_id).await,
            changed => changed,
        }
    }

    /// Changes when a job is to be deleted.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] where there is none.
    pub async fn set_destruction(&self, job_id: &str, destruction: DateTime<Utc>) -> Result<Job, QueueError> {
        self.change(job_id, "destruction = $2", "true", "", &[&destruction]).await
    }

    /// Changes how long a job may be at work.
    ///
    /// # Errors
    /// [`QueueError::Phase`] once it is at work.
    pub async fn set_execution_duration(&self, job_id: &str, duration_s: u32) -> Result<Job, QueueError> {
        let (allowed, seconds) = ("phase IN ('PENDING', 'QUEUED', 'HELD')", seconds(duration_s));
        let refusal = "how long it may take can no longer change";
        self.change(job_id, "execution_duration_s = $2", allowed, refusal, &[&seconds]).await
    }

    /// Deletes a job; whoever is at work on it stops. The files in its folder are the caller's to delete.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] where there is none.
    pub async fn delete(&self, job_id: &str) -> Result<(), QueueError> {
        let sql = "DELETE FROM spolia.job WHERE job_id = $1";
        let deleted = self.control.client().await?.execute(sql, &[&job_id]).await.act("delete a job")?;
        if deleted == 0 { Err(QueueError::NotFound(job_id.to_owned())) } else { Ok(()) }
    }

    /// Deletes the jobs whose time is over, and says which; the files in their folders are the caller's to delete.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn delete_expired(&self) -> Result<Vec<String>, QueueError> {
        let sql = "DELETE FROM spolia.job WHERE destruction <= now() RETURNING job_id";
        let rows = self.control.client().await?.query(sql, &[]).await.act("delete jobs whose time is over")?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// One change of a job, if a condition on its phase holds; `values` are $2 and on.
    async fn change(
        &self,
        job_id: &str,
        set: &str,
        allowed: &str,
        refusal: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Job, QueueError> {
        let sql = format!("UPDATE spolia.job SET {set} WHERE job_id = $1 AND {allowed} RETURNING {COLUMNS}");
        let id: &(dyn ToSql + Sync) = &job_id;
        let values: Vec<_> = [id].into_iter().chain(values.iter().copied()).collect();
        let row = self.control.client().await?.query_opt(&sql, &values).await.act("change a job")?;
        match row {
            Some(row) => Job::from_row(&row),
            None => {
                let phase = self.get(job_id).await?.phase;
                Err(QueueError::Phase { job_id: job_id.to_owned(), phase, refusal })
            }
        }
    }
}

fn seconds(duration_s: u32) -> i32 {
    i32::try_from(duration_s).unwrap_or(i32::MAX)
}
