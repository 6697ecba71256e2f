//! Making a job. UWS 1.1 section 2.2.3.1.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use chrono::{Duration, Utc};
use spolia_queue::{JobSpec, NewJob, TapQuery};

use super::job::Control;
use super::to_job;
use crate::fault::Fault;
use crate::jobs::quota;
use crate::service::Service;
use crate::submission::Submission;
use crate::tap::{check, uploaded};
use crate::visitor::Visitor;

/// The shape of the document that says what a job is to do.
const SPEC_VERSION: u32 = 1;

/// Makes a job, and runs it where PHASE=RUN says so.
pub(super) async fn create(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let made = async {
        let submission = Submission::read(&service, request).await?;
        make(&service, submission).await
    };
    made.await.unwrap_or_else(|fault: Fault| fault.votable())
}

async fn make(service: &Service, submission: Submission) -> Result<Response<Body>, Fault> {
    check(service, &submission.parameters)?;
    let control = Control::read(service, &submission.parameters)?;
    if control.abort {
        return Err(Fault::usage("PHASE=ABORT makes no sense for a job that is being made"));
    }
    let tables = uploaded(service, &submission).await?;
    let (who, settings) = (service.archive.who(), &service.settings);
    let mut spec = TapQuery {
        version: SPEC_VERSION,
        parameters: submission.parameters.without(&Control::NAMES),
        uploads: Vec::new(),
        groups: who.groups().iter().cloned().collect(),
    };
    let job = NewJob {
        spec: JobSpec::TapQuery(spec.clone()),
        owner: who.name().map(str::to_owned),
        run_id: submission.parameters.one("RUNID")?.map(str::to_owned),
        destruction: control
            .destruction
            .unwrap_or_else(|| Utc::now() + Duration::days(i64::from(settings.destruction_days))),
        execution_duration_s: control.execution_duration_s.unwrap_or(settings.execution_duration_s),
    };
    let job = service.jobs.table.create(&job, quota(service)).await?;
    if !tables.is_empty() {
        spec.uploads = tables.keep(service, &job.job_id, 0).await?;
        service.jobs.table.set_spec(&job.job_id, &JobSpec::TapQuery(spec), job.run_id.as_deref()).await?;
    }
    if control.run {
        service.jobs.run(&job.job_id).await?;
    }
    Ok(to_job(service, &job.job_id))
}
