//! What those do who hand jobs to a scheduler, and note what becomes of them. Several may do so for the same site.

use std::time::Duration;

use tokio_postgres::types::Json;

use crate::attempt::{self, Attempt};
use crate::error::{Act, QueueError};
use crate::job::{COLUMNS, Job};
use crate::scheduler::{Seen, State};
use crate::table::JobTable;
use crate::worker::Ended;

/// Attempts at a job, when what ended them may have been chance.
pub const MOST_ATTEMPTS: u32 = 3;
/// Attempts that are looked at together.
const LOOKED_AT: i64 = 10_000;

/// One who hands jobs to a scheduler: one process.
#[derive(Clone)]
pub struct Dispatch {
    table: JobTable,
    name: String,
    lease: Duration,
    scheduler: &'static str,
}

impl Dispatch {
    /// One of its own name, for a scheduler; others may take over what it has not finished within `lease`.
    pub fn new(table: JobTable, scheduler: &'static str, lease: Duration) -> Self {
        Self { table, name: uuid::Uuid::new_v4().to_string(), lease, scheduler }
    }

    /// The job table.
    pub fn table(&self) -> &JobTable {
        &self.table
    }

    /// The job to hand over next, if there is one and fewer than `most` are with the scheduler: of the owner who has the fewest there, the
    /// one that has waited longest; or the one with an id. Its phase stays.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn claim(&self, job_id: Option<&str>, most: u32) -> Result<Option<Job>, QueueError> {
        let client = self.table.control.client().await?;
        let open = "EXISTS (SELECT FROM spolia.job_attempt AS a WHERE a.job_id = j.job_id AND a.ended IS NULL AND a.external_id IS NOT NULL)";
        let there = "(SELECT count(*) FROM spolia.job_attempt WHERE scheduler = $5 AND ended IS NULL)";
        let own = "(SELECT count(*) FROM spolia.job_attempt AS a JOIN spolia.job AS o USING (job_id)
                WHERE a.ended IS NULL AND o.owner IS NOT DISTINCT FROM j.owner)";
        let sql = format!(
            "UPDATE spolia.job SET worker = $1, worker_until = now() + make_interval(secs => $2)
             WHERE job_id = (SELECT job_id FROM spolia.job AS j
                 WHERE scheduler = $5 AND phase IN ('QUEUED', 'EXECUTING') AND ($3::text IS NULL OR job_id = $3)
                     AND (worker IS NULL OR worker_until < now()) AND NOT {open} AND {there} < $4
                 ORDER BY {own}, created LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING {COLUMNS}"
        );
        let row = client
            .query_opt(&sql, &[&self.name, &self.lease.as_secs_f64(), &job_id, &i64::from(most), &self.scheduler])
            .await;
        row.act("claim a job for the scheduler")?.as_ref().map(Job::from_row).transpose()
    }

    /// The attempt to hand over of a claimed job, and whether it is a new one: one of before may have been taken. Nothing when the job is no
    /// longer this one's.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn attempt(&self, job_id: &str) -> Result<Option<(Attempt, bool)>, QueueError> {
        let mut client = self.table.control.client().await?;
        let transaction = client.transaction().await.act("begin")?;
        let own =
            "SELECT FROM spolia.job WHERE job_id = $1 AND worker = $2 AND phase IN ('QUEUED', 'EXECUTING') FOR UPDATE";
        if transaction.query_opt(own, &[&job_id, &self.name]).await.act("look at a claim")?.is_none() {
            return Ok(None);
        }
        let columns = attempt::COLUMNS;
        let open = format!("SELECT {columns} FROM spolia.job_attempt WHERE job_id = $1 AND ended IS NULL");
        if let Some(row) = transaction.query_opt(&open, &[&job_id]).await.act("look for an attempt")? {
            return Ok(Some((Attempt::from_row(&row), false)));
        }
        let new = format!(
            "INSERT INTO spolia.job_attempt (job_id, number, scheduler, state)
             SELECT $1, coalesce(max(number), 0) + 1, $2, 'PENDING' FROM spolia.job_attempt WHERE job_id = $1
             RETURNING {columns}"
        );
        let row = transaction.query_one(&new, &[&job_id, &self.scheduler]).await.act("begin an attempt")?;
        let count = "UPDATE spolia.job SET attempts = $2 WHERE job_id = $1";
        transaction.execute(count, &[&job_id, &row.get::<_, i32>("number")]).await.act("count an attempt")?;
        transaction.commit().await.act("begin an attempt")?;
        Ok(Some((Attempt::from_row(&row), true)))
    }

    /// Notes the scheduler's id of an attempt; the job is free then.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn taken(&self, attempt: &Attempt, external_id: &str) -> Result<(), QueueError> {
        let mut client = self.table.control.client().await?;
        let transaction = client.transaction().await.act("begin")?;
        let note =
            "UPDATE spolia.job_attempt SET external_id = $3 WHERE job_id = $1 AND number = $2 AND external_id IS NULL";
        let number = number(attempt);
        transaction.execute(note, &[&attempt.job_id, &number, &external_id]).await.act("note an attempt")?;
        let free = "UPDATE spolia.job SET worker = NULL, told = NULL WHERE job_id = $1 AND worker = $2";
        transaction.execute(free, &[&attempt.job_id, &self.name]).await.act("free a job")?;
        transaction.commit().await.act("note an attempt")
    }

    /// Lets go of a claimed job that could not be handed over now, and notes why; it is tried again.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn put_off(&self, job_id: &str, why: &str) -> Result<(), QueueError> {
        // For a while nobody tries again.
        let sql = "UPDATE spolia.job SET told = $3, worker_until = now() + interval '5 seconds' WHERE job_id = $1 AND worker = $2";
        self.table.control.client().await?.execute(sql, &[&job_id, &self.name, &why]).await.act("put a job off")?;
        Ok(())
    }

    /// Gives a claimed job, which nothing has been done of, to the servers, each of which may do it by itself.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn give_up(&self, job_id: &str) -> Result<(), QueueError> {
        let sql = "UPDATE spolia.job SET scheduler = NULL, worker = NULL, told = NULL
                   WHERE job_id = $1 AND worker = $2 AND phase = 'QUEUED'";
        self.table.control.client().await?.execute(sql, &[&job_id, &self.name]).await.act("give a job up")?;
        Ok(())
    }

    /// Ends a claimed job that cannot be handed over, with the attempt if one was begun.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn refuse(&self, job_id: &str, ended: &Ended) -> Result<(), QueueError> {
        let mut client = self.table.control.client().await?;
        let transaction = client.transaction().await.act("begin")?;
        let attempts =
            "UPDATE spolia.job_attempt SET state = 'FAILED', ended = now() WHERE job_id = $1 AND ended IS NULL";
        transaction.execute(attempts, &[&job_id]).await.act("end an attempt")?;
        let (phase, results, error) = ended.columns();
        let sql =
            "UPDATE spolia.job SET phase = $3, results = $4, error = $5, ended = now(), worker = NULL, told = NULL
                   WHERE job_id = $1 AND worker = $2 AND phase IN ('QUEUED', 'EXECUTING')";
        let values = (Json(results), error.map(Json));
        transaction.execute(sql, &[&job_id, &self.name, &phase, &values.0, &values.1]).await.act("end a job")?;
        transaction.commit().await.act("end a job")
    }

    /// The attempts that are with the scheduler, with their jobs; those of jobs that were deleted have none.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn open(&self) -> Result<Vec<(Attempt, Option<Job>)>, QueueError> {
        let attempts = attempt::COLUMNS;
        let sql = format!(
            "SELECT {attempts} FROM spolia.job_attempt WHERE scheduler = $1 AND ended IS NULL AND external_id IS NOT NULL
             ORDER BY submitted LIMIT {LOOKED_AT}"
        );
        let client = self.table.control.client().await?;
        let attempts: Vec<Attempt> =
            client.query(&sql, &[&self.scheduler]).await.act("read attempts")?.iter().map(Attempt::from_row).collect();
        let ids: Vec<&str> = attempts.iter().map(|attempt| attempt.job_id.as_str()).collect();
        let sql = format!("SELECT {COLUMNS} FROM spolia.job WHERE job_id = ANY($1)");
        let rows = client.query(&sql, &[&ids]).await.act("read jobs of attempts")?;
        let jobs = rows.iter().map(Job::from_row).collect::<Result<Vec<_>, _>>()?;
        let of = |attempt: Attempt| {
            let job = jobs.iter().find(|job| job.job_id == attempt.job_id).cloned();
            (attempt, job)
        };
        Ok(attempts.into_iter().map(of).collect())
    }

    /// Attempts that were begun to be handed over, and are not wanted any more: it was never noted whether the scheduler has them.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn unnoted(&self) -> Result<Vec<Attempt>, QueueError> {
        let columns = attempt::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM spolia.job_attempt AS a WHERE scheduler = $1 AND ended IS NULL AND external_id IS NULL
                 AND NOT EXISTS (SELECT FROM spolia.job AS j WHERE j.job_id = a.job_id
                     AND (phase NOT IN ('COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED') OR worker_until > now()))
             ORDER BY submitted LIMIT {LOOKED_AT}"
        );
        let rows = self.table.control.client().await?.query(&sql, &[&self.scheduler]).await.act("read attempts")?;
        Ok(rows.iter().map(Attempt::from_row).collect())
    }

    /// Notes that the scheduler has an attempt after all, under an id of its own, or never had it.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn found(&self, attempt: &Attempt, external_id: Option<&str>) -> Result<(), QueueError> {
        let sql = "UPDATE spolia.job_attempt SET external_id = $3, state = CASE WHEN $3::text IS NULL THEN 'GONE' ELSE state END,
                       ended = CASE WHEN $3::text IS NULL THEN now() END
                   WHERE job_id = $1 AND number = $2 AND external_id IS NULL AND ended IS NULL";
        let client = self.table.control.client().await?;
        let noted = client.execute(sql, &[&attempt.job_id, &number(attempt), &external_id]).await;
        noted.act("note an attempt").map(drop)
    }

    /// Notes what has become of an attempt, and what that means for its job: `ended` where the job ends with it. The part that is done is
    /// told, too.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn note(
        &self,
        attempt: &Attempt,
        seen: &Seen,
        part: Option<f64>,
        ended: Option<&Ended>,
    ) -> Result<(), QueueError> {
        let mut client = self.table.control.client().await?;
        let transaction = client.transaction().await.act("begin")?;
        let (number, restarts) = (number(attempt), i32::try_from(seen.restarts).unwrap_or(i32::MAX));
        let sql = "UPDATE spolia.job_attempt SET state = $3, raw = $4, reason = $5, exit_code = $6, nodes = coalesce($7, nodes),
                       restarts = $8, started = coalesce($9, started), ended = CASE WHEN $10 THEN now() END
                   WHERE job_id = $1 AND number = $2 AND ended IS NULL";
        transaction
            .execute(
                sql,
                &[
                    &attempt.job_id,
                    &number,
                    &seen.state.name(),
                    &seen.raw,
                    &seen.reason,
                    &seen.exit_code,
                    &seen.nodes,
                    &restarts,
                    &seen.started,
                    &seen.state.is_over(),
                ],
            )
            .await
            .act("note an attempt")?;
        match ended {
            Some(ended) => {
                let (phase, results, error) = ended.columns();
                let sql = "UPDATE spolia.job SET phase = $2, results = $3, error = $4, ended = now(), told = NULL, progress = coalesce($5, progress)
                           WHERE job_id = $1 AND phase NOT IN ('COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED')";
                let values = (Json(results), error.map(Json));
                transaction
                    .execute(sql, &[&attempt.job_id, &phase, &values.0, &values.1, &part])
                    .await
                    .act("end a job")?;
            }
            None => {
                let (phase, from) = became(seen.state);
                let sql = "UPDATE spolia.job SET phase = CASE WHEN phase = ANY($3) THEN $2 ELSE phase END, told = $4,
                               progress = coalesce($5, progress), started = CASE WHEN $2 = 'EXECUTING' THEN coalesce(started, $6, now()) ELSE started END
                           WHERE job_id = $1 AND phase NOT IN ('COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED')";
                let told = told(seen);
                transaction
                    .execute(sql, &[&attempt.job_id, &phase, &from, &told, &part, &seen.started])
                    .await
                    .act("note what became of a job")?;
            }
        }
        transaction.commit().await.act("note an attempt")
    }
}

fn number(attempt: &Attempt) -> i32 {
    i32::try_from(attempt.number).unwrap_or(i32::MAX)
}

/// The phase of a job whose attempt is in a state, and those from which it gets there: none goes back.
fn became(state: State) -> (&'static str, &'static [&'static str]) {
    match state {
        State::Pending => ("QUEUED", &["HELD"]),
        State::Held => ("HELD", &["QUEUED"]),
        State::Running => ("EXECUTING", &["QUEUED", "HELD", "SUSPENDED", "UNKNOWN"]),
        State::Suspended => ("SUSPENDED", &["EXECUTING", "UNKNOWN"]),
        State::Unknown => ("UNKNOWN", &["QUEUED", "EXECUTING", "SUSPENDED"]),
        // It is begun again.
        _ => ("EXECUTING", &["SUSPENDED", "UNKNOWN"]),
    }
}

/// What the owner of a job is told while it waits.
fn told(seen: &Seen) -> Option<String> {
    let reason = || seen.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    match seen.state {
        State::Running => None,
        State::Pending if seen.restarts > 0 => Some(format!("waits to go on{}", reason())),
        State::Pending => Some(format!("waits{}", reason())),
        State::Held => Some(format!("is held{}", reason())),
        State::Suspended => Some(format!("is suspended{}", reason())),
        State::Unknown => Some(format!("is {:?}, which is not known here", seen.raw)),
        _ => Some(format!("is begun again after {}{}", seen.raw, reason())),
    }
}
