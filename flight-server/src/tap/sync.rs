//! `/tap/sync`: a query answered at once. TAP 1.1 sections 2.1 and 2.7.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response};
use axum::response::{IntoResponse, Redirect};

use super::ask::ask;
use super::upload::uploaded;
use crate::answer::answer;
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::submission::Submission;
use crate::visitor::Visitor;

/// Letters of a RUNID kept for the log.
const RUN_ID_LENGTH: usize = 64;

/// Answers a query.
pub(crate) async fn sync(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let answered = async {
        let submission = Submission::read(&service, request).await?;
        match what(&submission.parameters)? {
            What::Capabilities => Ok(Redirect::to(&format!("{}/tap/capabilities", service.base_url)).into_response()),
            What::Query => query(&service, &submission, head).await,
        }
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// What is asked for; a query unless said otherwise.
#[derive(Debug, PartialEq, Eq)]
enum What {
    Query,
    /// A leftover of TAP 1.0.
    Capabilities,
}

fn what(parameters: &Parameters) -> Result<What, Fault> {
    match parameters.one("REQUEST")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("doquery") => Ok(What::Query),
        Some("getcapabilities") => Ok(What::Capabilities),
        Some(_) => Err(Fault::usage("REQUEST is doQuery or getCapabilities")),
    }
}

async fn query(service: &Service, submission: &Submission, head: bool) -> Result<Response<Body>, Fault> {
    let parameters = &submission.parameters;
    let text = parameters.one("QUERY").ok().flatten().unwrap_or_default();
    let mut record = service.begin("query", Door::Tap, text);
    note_run(&mut record, parameters);
    let asked = async {
        let uploads = uploaded(service, submission).await?;
        ask(service, parameters, uploads.into_tables(), head)
    };
    match asked.await {
        Ok(ask) => answer(service, ask, record).await,
        Err(fault) => {
            record.fail(&fault.message);
            Err(fault)
        }
    }
}

/// Notes what the client calls the query.
pub(super) fn note_run(record: &mut Record, parameters: &Parameters) {
    if let Some(run) = parameters.all("RUNID").next() {
        record.note("run_id", run.chars().take(RUN_ID_LENGTH).collect::<String>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_what_is_asked_unless_said_otherwise() {
        for (text, expect) in [
            ("", Some(What::Query)),
            ("request=DOQUERY", Some(What::Query)),
            ("REQUEST=getCapabilities", Some(What::Capabilities)),
            ("REQUEST=drop", None),
        ] {
            assert_eq!(what(&Parameters::from(text)).ok(), expect, "{text}");
        }
    }
}
