//! `/datalink/selections`: many rows under one id, to be cut or followed together.

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, Response, StatusCode, header};
use chrono::SecondsFormat;
use serde::Serialize;
use spolia_exec::SelectionId;

use super::choice::Choice;
use super::rows::client;
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::submission::Submission;
use crate::tap::uploaded;
use crate::visitor::Visitor;

/// What is told of a selection.
#[derive(Debug, Serialize)]
struct Told {
    /// What stands for its rows.
    id: String,
    /// How many rows it has.
    rows: usize,
    /// Until when it is kept, UTC.
    until: String,
    /// Cut & Merge of all its rows.
    cut: String,
    /// Its links.
    links: String,
}

/// Keeps rows that are given by ids, by a query, or by an uploaded table, as one selection.
pub(crate) async fn keep(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let kept = async {
        let submission = Submission::read_long(&service, request).await?;
        let client = client(&submission.parameters);
        let uploads = uploaded(&service, &submission).await?.into_tables();
        let most = service.archive.selection_rows();
        let choice = Choice::read(&service, &submission.parameters, uploads, &client, most).await?;
        let mut record = service.begin("select", Door::Links, &choice.text());
        record.note("client", client.as_str());
        let told = select(&service, choice, &client, &mut record).await;
        if let Err(fault) = &told {
            record.fail(&fault.message);
        } else {
            record.succeed();
        }
        let told = told?;
        let mut response = json(StatusCode::CREATED, &told)?;
        let location = format!("{}/datalink/selections/{}?clientId={client}", service.base_url, told.id);
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    };
    kept.await.unwrap_or_else(|fault: Fault| fault.text())
}

/// Tells of a selection.
pub(crate) async fn tell(Visitor(service): Visitor, Path(id): Path<String>, request: Request) -> Response<Body> {
    let told = async {
        let client = client(&Parameters::read(request).await?);
        let selection = verified(&service, &id, &client)?;
        service.archive.selected(&selection, &client).await?;
        json(StatusCode::OK, &Told::new(&service, id, &selection, &client))
    };
    told.await.unwrap_or_else(|fault: Fault| fault.text())
}

/// Forgets a selection.
pub(crate) async fn forget(Visitor(service): Visitor, Path(id): Path<String>, request: Request) -> Response<Body> {
    let forgotten = async {
        let client = client(&Parameters::read(request).await?);
        let selection = verified(&service, &id, &client)?;
        match service.archive.forget_selection(&selection).await? {
            true => Ok(StatusCode::NO_CONTENT),
            false => Err(Fault::not_found("there is no such selection any more")),
        }
    };
    match forgotten.await {
        Ok(status) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        }
        Err(fault) => fault.text(),
    }
}

fn verified(service: &Service, id: &str, client: &str) -> Result<SelectionId, Fault> {
    service.archive.verify_selection(id, client).map_err(|error| Fault::not_found(error.to_string()))
}

impl Told {
    fn new(service: &Service, id: String, selection: &SelectionId, client: &str) -> Self {
        let call = |resource: &str| format!("{}/datalink/{resource}?id={id}&clientId={client}", service.base_url);
        Self {
            rows: selection.count(),
            until: selection.until().to_rfc3339_opts(SecondsFormat::Secs, true),
            cut: call("gaiamerger"),
            links: call("links"),
            id,
        }
    }
}

async fn select(service: &Service, choice: Choice, client: &str, record: &mut Record) -> Result<Told, Fault> {
    let rows = choice.into_rows(service).await?;
    if rows.ids.is_empty() {
        return Err(Fault::not_found("nothing is selected"));
    }
    let (id, selection) = service.archive.keep_selection(&rows, client).await?;
    record.rows(rows.ids.len() as u64);
    record.note("epoch", rows.epoch);
    Ok(Told::new(service, id, &selection, client))
}

fn json(status: StatusCode, told: &Told) -> Result<Response<Body>, Fault> {
    let text = serde_json::to_string_pretty(told).map_err(|error| Fault::internal("write the answer", &error))?;
    let mut response = Response::new(Body::from(text + "\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
