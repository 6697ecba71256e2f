//! Making a job. UWS 1.1 section 2.2.3.1.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use chrono::{Duration, Utc};
use spolia_exec::SelectedRows;
use spolia_queue::{Inputs, JobSpec, NewJob};

use super::Desk;
use super::desk::JobKind;
use super::job::Control;
use crate::datalink::{check_cut, cut_spec, keep_rows};
use crate::fault::Fault;
use crate::jobs::quota;
use crate::parameters::Parameters;
use crate::submission::Submission;
use crate::tap::{check as check_query, check_update, uploaded};

/// The shape of the document that says what a job is to do.
const SPEC_VERSION: u32 = 1;

/// Makes a job, and runs it where PHASE=RUN says so.
pub(super) async fn create(desk: Desk, request: Request) -> Response<Body> {
    let made = async {
        let submission = Submission::read_long(&desk.service, request).await?;
        make(&desk, submission).await
    };
    made.await.unwrap_or_else(|fault: Fault| fault.votable())
}

async fn make(desk: &Desk, submission: Submission) -> Result<Response<Body>, Fault> {
    let service = &desk.service;
    check(desk, &submission.parameters).await?;
    let control = Control::read(desk, &submission.parameters)?;
    if control.abort {
        return Err(Fault::usage("PHASE=ABORT makes no sense for a job that is being made"));
    }
    let tables = uploaded(service, &submission).await?;
    let (who, settings) = (service.archive.who(), &service.settings);
    let inputs = Inputs {
        version: SPEC_VERSION,
        parameters: submission.parameters.without(&Control::NAMES),
        uploads: Vec::new(),
        groups: who.groups().iter().cloned().collect(),
        ..Inputs::default()
    };
    let (mut spec, rows) = spec(desk, &submission.parameters, inputs, None).await?;
    let job = NewJob {
        spec: spec.clone(),
        owner: who.name().map(str::to_owned),
        run_id: submission.parameters.one("RUNID")?.map(str::to_owned),
        destruction: control
            .destruction
            .unwrap_or_else(|| Utc::now() + Duration::days(i64::from(settings.destruction_days))),
        execution_duration_s: control.execution_duration_s.unwrap_or(settings.execution_duration_s),
        scheduler: None,
    };
    let job = service.jobs.table.create(&job, quota(service)).await?;
    if let Some(rows) = rows {
        keep_rows(service, &job.job_id, &rows).await?;
    }
    if !tables.is_empty() {
        spec.inputs_mut().uploads = tables.keep(service, &job.job_id, 0).await?;
        service.jobs.table.set_spec(&job.job_id, &spec, job.run_id.as_deref()).await?;
    }
    if control.run {
        service.jobs.run(&job.job_id).await?;
    }
    Ok(desk.to_job(&job.job_id))
}

/// Checks the values that a job of the kind may have.
///
/// # Errors
/// [`Fault`] for one that is none.
pub(super) async fn check(desk: &Desk, parameters: &Parameters) -> Result<(), Fault> {
    match desk.kind {
        JobKind::Query => check_query(&desk.service, parameters),
        JobKind::Cut => check_cut(parameters),
        JobKind::TableUpdate => check_update(&desk.service, parameters).await,
    }
}

/// The work of a job of the kind that has all of `inputs`, of which `given` came last and after `before`; and the rows that it is to keep.
///
/// # Errors
/// [`Fault`] for rows that there are not.
pub(super) async fn spec(
    desk: &Desk,
    given: &Parameters,
    inputs: Inputs,
    before: Option<&JobSpec>,
) -> Result<(JobSpec, Option<SelectedRows>), Fault> {
    match desk.kind {
        JobKind::Query => Ok((JobSpec::TapQuery(inputs), None)),
        JobKind::TableUpdate => Ok((JobSpec::TableUpdate(inputs), None)),
        JobKind::Cut => {
            let before = match before {
                Some(JobSpec::Cut(cut)) => Some(cut),
                _ => None,
            };
            let (cut, rows) = cut_spec(&desk.service, given, inputs, before).await?;
            Ok((JobSpec::Cut(cut), rows))
        }
    }
}
