//! The parameters of a job, which can change until it is asked to run. UWS 1.1 section 2.1.11.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request};
use axum::http::Response;
use spolia_queue::Job;

use super::create::{check, spec};
use super::job::Control;
use super::{Desk, document, plain};
use crate::datalink::keep_rows;
use crate::fault::{Fault, Kind};
use crate::parameters::Parameters;
use crate::submission::Submission;
use crate::tap::uploaded;

/// The value of a parameter at most, in bytes.
const VALUE_BYTES: usize = 2 << 20;
/// The parameter that adds up; all others replace what was given before.
const ACCUMULATES: &str = "UPLOAD";

/// All parameters.
pub(super) async fn all(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    let answered = async { document::parameters(&desk.own_job(&job_id).await?) };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// One parameter, as it was given.
pub(super) async fn one(desk: Desk, Path((job_id, name)): Path<(String, String)>) -> Response<Body> {
    let answered = async {
        let job = desk.own_job(&job_id).await?;
        let given = job.spec.inputs().parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let (_, value) = given.ok_or_else(|| Fault::not_found(format!("the job has no parameter {name}")))?;
        Ok(plain(value.as_str()))
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Changes parameters by a form.
pub(super) async fn post(desk: Desk, Path(job_id): Path<String>, request: Request) -> Response<Body> {
    let changed = async {
        let submission = Submission::read_long(&desk.service, request).await?;
        change(&desk, desk.own_job(&job_id).await?, &submission).await?;
        Ok(desk.to_job(&job_id))
    };
    changed.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Changes one parameter; the body is its value.
pub(super) async fn put(desk: Desk, Path((job_id, name)): Path<(String, String)>, request: Request) -> Response<Body> {
    let changed = async {
        let too_large = |_| Fault { kind: Kind::TooLarge, message: format!("{name} is too long") };
        let value = to_bytes(request.into_body(), VALUE_BYTES).await.map_err(too_large)?;
        let value = String::from_utf8(value.to_vec()).map_err(|_| Fault::usage(format!("{name} is no UTF-8")))?;
        let parameters = Parameters::of([(name.to_ascii_uppercase(), value)]);
        change(&desk, desk.own_job(&job_id).await?, &Submission::of(parameters)).await?;
        Ok(desk.to_job(&job_id))
    };
    changed.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Changes what a job is to do by the parameters of a request that are not about the job itself.
///
/// # Errors
/// [`Fault`] for values that are none, and once the job has been asked to run.
pub(super) async fn change(desk: &Desk, job: Job, submission: &Submission) -> Result<(), Fault> {
    let given = submission.parameters.without(&Control::NAMES);
    let run_id = submission.parameters.one("RUNID")?;
    if given.is_empty() && run_id.is_none() {
        return Ok(());
    }
    let mut inputs = job.spec.inputs().clone();
    inputs.parameters = replaced(inputs.parameters, given);
    check(desk, &Parameters::of(inputs.parameters.iter().cloned())).await?;
    let tables = uploaded(&desk.service, submission).await?;
    let held = inputs.uploads.len();
    inputs.uploads.extend(tables.keep(&desk.service, &job.job_id, held).await?);
    let (spec, rows) = spec(desk, &submission.parameters, inputs, Some(&job.spec)).await?;
    if let Some(rows) = rows {
        keep_rows(&desk.service, &job.job_id, &rows).await?;
    }
    let run_id = run_id.or(job.run_id.as_deref());
    desk.service.jobs.table.set_spec(&job.job_id, &spec, run_id).await?;
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
