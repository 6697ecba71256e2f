//! One job: what it is, how far it has come, how long it may take and be kept. UWS 1.1 sections 2.2.1 and 2.2.3.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::Response;
use axum::response::{IntoResponse, Redirect};
use chrono::{DateTime, Utc};
use spolia_queue::{ExecutionPhase, Job};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::time::{instant, seconds, written};
use super::{Desk, document, parameters, plain};
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::submission::Submission;

/// The longest that a request waits, whatever it asks: well below what proxies and clients allow a connection to be silent.
const LONGEST_WAIT: Duration = Duration::from_secs(50);
/// How often a waiting request looks for itself: another process may have changed the job.
const LOOK: Duration = Duration::from_secs(1);

/// What the parameters of a request do with a job itself.
#[derive(Debug, Default)]
pub(super) struct Control {
    pub(super) run: bool,
    pub(super) abort: bool,
    pub(super) destruction: Option<DateTime<Utc>>,
    pub(super) execution_duration_s: Option<u32>,
}

impl Control {
    /// The parameters that are no parameters of the query.
    pub(super) const NAMES: [&'static str; 6] =
        ["PHASE", "DESTRUCTION", "EXECUTIONDURATION", "ACTION", "WAIT", "RUNID"];

    /// Reads them; times beyond what the service allows become the last that it does.
    ///
    /// # Errors
    /// [`Fault`] for values that are none.
    pub(super) fn read(desk: &Desk, parameters: &Parameters) -> Result<Self, Fault> {
        let settings = &desk.service.settings;
        let phase = parameters.one("PHASE")?.map(str::to_ascii_uppercase);
        if phase.as_deref().is_some_and(|phase| !matches!(phase, "RUN" | "ABORT")) {
            return Err(Fault::usage("PHASE is RUN or ABORT"));
        }
        let latest = Utc::now() + chrono::Duration::days(i64::from(settings.destruction_days));
        let destruction = parameters.one("DESTRUCTION")?.map(|text| instant("DESTRUCTION", text)).transpose()?;
        let duration = parameters.one("EXECUTIONDURATION")?;
        let duration = duration.map(|text| seconds("EXECUTIONDURATION", text, settings.execution_duration_s));
        Ok(Self {
            run: phase.as_deref() == Some("RUN"),
            abort: phase.as_deref() == Some("ABORT"),
            destruction: destruction.map(|time| time.min(latest)),
            execution_duration_s: duration.transpose()?,
        })
    }

    async fn apply(self, desk: &Desk, job_id: &str) -> Result<(), Fault> {
        if let Some(time) = self.destruction {
            desk.service.jobs.table.set_destruction(job_id, time).await?;
        }
        if let Some(seconds) = self.execution_duration_s {
            desk.service.jobs.table.set_execution_duration(job_id, seconds).await?;
        }
        if self.run {
            desk.service.jobs.run(job_id).await?;
        }
        if self.abort {
            desk.service.jobs.abort(job_id).await?;
        }
        Ok(())
    }
}

/// Answers with something of one job.
async fn about(desk: &Desk, job_id: &str, what: impl FnOnce(Job) -> Response<Body>) -> Response<Body> {
    desk.own_job(job_id).await.map_or_else(|fault| fault.votable(), what)
}

/// The job, at once or when it has changed. UWS 1.1 section 2.2.1.2.
pub(super) async fn job(desk: Desk, Path(job_id): Path<String>, request: Request) -> Response<Body> {
    let answered = async {
        let parameters = Parameters::read(request).await?;
        let job = match wait(&parameters)? {
            Some((wait, phase)) => waited(&desk, &job_id, wait, phase).await?,
            None => desk.own_job(&job_id).await?,
        };
        let attempts = match job.scheduler {
            Some(_) => desk.service.jobs.table.attempts(&job.job_id).await?,
            None => Vec::new(),
        };
        document::job(&desk, &job, &attempts)
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// How long to wait, and in which phase only.
fn wait(parameters: &Parameters) -> Result<Option<(Duration, Option<ExecutionPhase>)>, Fault> {
    let phase = parameters.one("PHASE")?.map(str::parse).transpose();
    let phase = phase.map_err(|error: spolia_queue::UnknownPhase| Fault::usage(error.to_string()))?;
    let Some(text) = parameters.one("WAIT")? else { return Ok(None) };
    let wait = match text.trim() {
        "-1" => LONGEST_WAIT,
        text => {
            let wrong = |_| Fault::usage("WAIT is a whole number of seconds, or -1");
            Duration::from_secs(text.parse().map_err(wrong)?).min(LONGEST_WAIT)
        }
    };
    Ok(Some((wait, phase)))
}

async fn waited(desk: &Desk, job_id: &str, wait: Duration, phase: Option<ExecutionPhase>) -> Result<Job, Fault> {
    let (mut changes, until) = (desk.service.jobs.changes(), Instant::now() + wait);
    let first = desk.own_job(job_id).await?;
    if !first.phase.is_active() || phase.is_some_and(|phase| phase != first.phase) {
        return Ok(first);
    }
    loop {
        let look = (Instant::now() + LOOK).min(until);
        // Nothing is lost by a lag: the job itself is read again.
        while let Ok(Ok(changed)) = tokio::time::timeout_at(look, changes.recv()).await.map(lagging) {
            if changed.as_deref().is_none_or(|changed| changed == job_id) {
                break;
            }
        }
        let job = desk.own_job(job_id).await?;
        if job.phase != first.phase || Instant::now() >= until {
            return Ok(job);
        }
    }
}

/// The job that changed; none where it is not known which did.
fn lagging(changed: Result<String, RecvError>) -> Result<Option<String>, RecvError> {
    match changed {
        Ok(job_id) => Ok(Some(job_id)),
        Err(RecvError::Lagged(_)) => Ok(None),
        Err(closed) => Err(closed),
    }
}

/// Changes a job by any parameters, or deletes it by ACTION=DELETE.
pub(super) async fn change(desk: Desk, Path(job_id): Path<String>, request: Request) -> Response<Body> {
    let changed = async {
        let submission = Submission::read_long(&desk.service, request).await?;
        let job = desk.own_job(&job_id).await?;
        match submission.parameters.one("ACTION")?.map(str::to_ascii_uppercase).as_deref() {
            Some("DELETE") => return deleted(&desk, &job_id).await,
            Some(_) => return Err(Fault::usage("ACTION is DELETE")),
            None => {}
        }
        let control = Control::read(&desk, &submission.parameters)?;
        parameters::change(&desk, job, &submission).await?;
        control.apply(&desk, &job_id).await?;
        Ok(desk.to_job(&job_id))
    };
    changed.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Deletes a job.
pub(super) async fn delete(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    let deleted = async {
        desk.own_job(&job_id).await?;
        deleted(&desk, &job_id).await
    };
    deleted.await.unwrap_or_else(|fault: Fault| fault.votable())
}

async fn deleted(desk: &Desk, job_id: &str) -> Result<Response<Body>, Fault> {
    desk.service.jobs.delete(job_id).await?;
    Ok(Redirect::to(&desk.address("")).into_response())
}

/// One of the parameters that change a job itself.
async fn set(desk: &Desk, job_id: &str, name: &str, request: Request) -> Response<Body> {
    let set = async {
        let parameters = Parameters::read(request).await?;
        if parameters.one(name)?.is_none() {
            return Err(Fault::usage(format!("{name} is missing")));
        }
        let control = Control::read(desk, &parameters)?;
        desk.own_job(job_id).await?;
        control.apply(desk, job_id).await?;
        Ok(desk.to_job(job_id))
    };
    set.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// The phase, as one word.
pub(super) async fn phase(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    about(&desk, &job_id, |job| plain(job.phase.name())).await
}

/// PHASE=RUN or PHASE=ABORT.
pub(super) async fn set_phase(desk: Desk, Path(id): Path<String>, request: Request) -> Response<Body> {
    set(&desk, &id, "PHASE", request).await
}

/// The seconds that it may be at work.
pub(super) async fn execution_duration(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    about(&desk, &job_id, |job| plain(job.execution_duration_s.to_string())).await
}

/// EXECUTIONDURATION.
pub(super) async fn set_execution_duration(desk: Desk, Path(job_id): Path<String>, request: Request) -> Response<Body> {
    set(&desk, &job_id, "EXECUTIONDURATION", request).await
}

/// When it is deleted.
pub(super) async fn destruction(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    about(&desk, &job_id, |job| plain(written(job.destruction))).await
}

/// DESTRUCTION.
pub(super) async fn set_destruction(desk: Desk, Path(job_id): Path<String>, request: Request) -> Response<Body> {
    set(&desk, &job_id, "DESTRUCTION", request).await
}

/// When it is likely to be done, which nobody knows. UWS 1.1 section 2.1.6.
pub(super) async fn quote(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    about(&desk, &job_id, |_| plain("")).await
}

/// Whose it is.
pub(super) async fn owner(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    about(&desk, &job_id, |job| plain(job.owner.unwrap_or_default())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_has_a_bound_and_a_phase() {
        let wait = |text: &str| wait(&Parameters::from(text));
        let seconds = |n| Duration::from_secs(n);
        assert_eq!(wait("").unwrap(), None);
        assert_eq!(wait("WAIT=5&PHASE=QUEUED").unwrap(), Some((seconds(5), Some(ExecutionPhase::Queued))));
        assert_eq!(wait("WAIT=-1").unwrap(), Some((LONGEST_WAIT, None)));
        assert_eq!(wait("WAIT=86400").unwrap(), Some((LONGEST_WAIT, None)));
        for wrong in ["WAIT=-2", "WAIT=soon", "WAIT=1&PHASE=RUNNING"] {
            assert!(wait(wrong).is_err(), "{wrong}");
        }
    }
}
