//! The parameters of a job, which can change until it is asked to run. UWS 1.1 section 2.1.11.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request};
use axum::http::Response;
use spolia_queue::{Job, JobSpec, TapQuery};

use super::job::Control;
use super::{document, own_job, plain, to_job};
use crate::fault::{Fault, Kind};
use crate::parameters::Parameters;
use crate::service::Service;
use crate::submission::Submission;
use crate::tap::{check, uploaded};
use crate::visitor::Visitor;

/// The value of a parameter at most, in bytes.
const VALUE_BYTES: usize = 2 << 20;
/// The parameter that adds up; all others replace what was given before.
const ACCUMULATES: &str = "UPLOAD";

/// All parameters.
pub(super) async fn all(Visitor(service): Visitor, Path(job_id): Path<String>) -> Response<Body> {
    let answered = async { document::parameters(&own_job(&service, &job_id).await?) };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// One parameter, as it was given.
pub(super) async fn one(Visitor(service): Visitor, Path((job_id, name)): Path<(String, String)>) -> Response<Body> {
    let answered = async {
        let job = own_job(&service, &job_id).await?;
        let JobSpec::TapQuery(query) = job.spec else { return Err(Fault::not_found("this job has no parameters")) };
        let given = query.parameters.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let (_, value) = given.ok_or_else(|| Fault::not_found(format!("the job has no parameter {name}")))?;
        Ok(plain(value))
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Changes parameters by a form.
pub(super) async fn post(Visitor(service): Visitor, Path(job_id): Path<String>, request: Request) -> Response<Body> {
    let changed = async {
        let submission = Submission::read(&service, request).await?;
        change(&service, own_job(&service, &job_id).await?, &submission).await?;
        Ok(to_job(&service, &job_id))
    };
    changed.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Changes one parameter; the body is its value.
pub(super) async fn put(
    Visitor(service): Visitor,
    Path((job_id, name)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let changed = async {
        let too_large = |_| Fault { kind: Kind::TooLarge, message: format!("{name} is too long") };
        let value = to_bytes(request.into_body(), VALUE_BYTES).await.map_err(too_large)?;
        let value = String::from_utf8(value.to_vec()).map_err(|_| Fault::usage(format!("{name} is no UTF-8")))?;
        let parameters = Parameters::of([(name.to_ascii_uppercase(), value)]);
        change(&service, own_job(&service, &job_id).await?, &Submission::of(parameters)).await?;
        Ok(to_job(&service, &job_id))
    };
    changed.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Changes what a job is to do by the parameters of a request that are not about the job itself.
///
/// # Errors
/// [`Fault`] for values that are none, and once the job has been asked to run.
pub(super) async fn change(service: &Service, job: Job, submission: &Submission) -> Result<(), Fault> {
    let given = submission.parameters.without(&Control::NAMES);
    let run_id = submission.parameters.one("RUNID")?;
    if given.is_empty() && run_id.is_none() {
        return Ok(());
    }
    check(service, &submission.parameters)?;
    let JobSpec::TapQuery(query) = job.spec else { return Ok(()) };
    let tables = uploaded(service, submission).await?;
    let mut query = TapQuery { parameters: replaced(query.parameters, given), ..query };
    let held = query.uploads.len();
    query.uploads.extend(tables.keep(service, &job.job_id, held).await?);
    let run_id = run_id.or(job.run_id.as_deref());
    service.jobs.table.set_spec(&job.job_id, &JobSpec::TapQuery(query), run_id).await?;
    Ok(())
}

fn replaced(held: Vec<(String, String)>, given: Vec<(String, String)>) -> Vec<(String, String)> {
    let stays = |(name, _): &(String, String)| name == ACCUMULATES || !given.iter().any(|(other, _)| other == name);
    let mut parameters: Vec<_> = held.into_iter().filter(stays).collect();
    parameters.extend(given);
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_again_replaces_and_uploads_add_up() {
        let pairs = |text: &str| {
            let pair = |pair: &str| pair.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
            text.split('&').filter_map(pair).collect::<Vec<_>>()
        };
        let after = replaced(pairs("QUERY=a&UPLOAD=x&LANG=ADQL"), pairs("QUERY=b&UPLOAD=y"));
        assert_eq!(after, pairs("UPLOAD=x&LANG=ADQL&QUERY=b&UPLOAD=y"));
    }
}
