//! `/datalink/selections`: many rows under one id, to be cut or followed together.

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, Response, StatusCode, header};
use chrono::SecondsFormat;
use serde::Serialize;
use spolia_exec::{SelectedRows, Selection, SelectionId, Upload};

use super::rows::{all_rows, client};
use crate::door::Door;
use crate::fault::{Fault, Kind};
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::submission::Submission;
use crate::tap::{check_language, uploaded};
use crate::visitor::Visitor;

/// The columns by which an uploaded list names rows, the surest first.
const ACCESS_URL: &str = "access_url";
const ROW_ID: &str = "id";
const SOURCE_ID: &str = "source_id";

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
        let asked = asked(&service, &submission, &client).await?;
        let mut record = service.begin("select", Door::Links, &asked.text());
        record.note("client", client.as_str());
        let told = select(&service, asked, &client, &mut record).await;
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

/// What is to be kept.
enum Asked {
    /// Rows that are known already.
    Rows(SelectedRows),
    /// What a query chooses, or the ids of sources or rows.
    Chosen(Selection, Vec<Upload>),
}

impl Asked {
    /// The line that tells it in the log.
    fn text(&self) -> String {
        match self {
            Asked::Rows(rows) => format!("{} rows", rows.ids.len()),
            Asked::Chosen(Selection::Adql(adql), _) => adql.clone(),
            Asked::Chosen(Selection::RowIds(ids) | Selection::SourceIds(ids), _) => format!("{} ids", ids.len()),
        }
    }
}

async fn asked(service: &Service, submission: &Submission, client: &str) -> Result<Asked, Fault> {
    let parameters = &submission.parameters;
    let (by_ids, query) = (parameters.all("ID").next().is_some(), parameters.one("QUERY")?);
    let mut uploads = uploaded(service, submission).await?.into_tables();
    match (by_ids, query, uploads.len()) {
        (true, None, 0) => {
            let most = service.archive.selection_rows();
            Ok(Asked::Rows(all_rows(service, parameters, client, most).await?))
        }
        (false, Some(query), _) => {
            check_language(parameters.one("LANG")?)?;
            Ok(Asked::Chosen(Selection::Adql(query.to_owned()), uploads))
        }
        (false, None, 1) => listed(service, &uploads.remove(0), client).await,
        _ => Err(Fault::usage(
            "a selection is made of ID (repeated), of QUERY (with or without UPLOAD), or of one UPLOAD with a column \
             access_url, id or source_id",
        )),
    }
}

/// The rows that an uploaded table lists.
async fn listed(service: &Service, table: &Upload, client: &str) -> Result<Asked, Fault> {
    let found = [ACCESS_URL, ROW_ID, SOURCE_ID].into_iter().find_map(|name| {
        let at = table.schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name))?;
        Some((name, at))
    });
    let Some((name, at)) = found else {
        return Err(Fault::usage(format!("{} has no column {ACCESS_URL}, {ROW_ID} or {SOURCE_ID}", table.name)));
    };
    let wrong = || Fault::usage(format!("column {name} of {} is of another type", table.name));
    if name == ACCESS_URL {
        let mut ids = Parameters::default();
        for batch in &table.rows {
            let column = cast(batch.column(at), &DataType::Utf8).map_err(|_| wrong())?;
            for id in column.as_string::<i32>().iter().flatten() {
                ids.push("ID", id.to_owned())?;
            }
        }
        return Ok(Asked::Rows(all_rows(service, &ids, client, service.archive.selection_rows()).await?));
    }
    let mut ids = Vec::new();
    for batch in &table.rows {
        let column = batch.column(at);
        let whole = column.data_type().is_integer().then(|| cast(column, &DataType::Int64)).ok_or_else(wrong)?;
        let whole = whole.map_err(|_| wrong())?;
        ids.extend(whole.as_primitive::<Int64Type>().iter().flatten());
    }
    let selection = if name == ROW_ID { Selection::RowIds(ids) } else { Selection::SourceIds(ids) };
    Ok(Asked::Chosen(selection, Vec::new()))
}

async fn select(service: &Service, asked: Asked, client: &str, record: &mut Record) -> Result<Told, Fault> {
    let rows = match asked {
        Asked::Rows(rows) => rows,
        Asked::Chosen(selection, uploads) => {
            let _place = service.queries.enter().await?;
            service.archive.select(&selection, &uploads, None).await?
        }
    };
    if rows.ids.is_empty() {
        return Err(Fault { kind: Kind::NotFound, message: "nothing is selected".to_owned() });
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
