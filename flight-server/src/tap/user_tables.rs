//! Tables of users, as youcat and pyvo make, load and drop them: VOSI's `tables` that can be written to, `load`, and `table-update` for
//! indexes (`job`). They are proposals for TAP 1.2; <https://github.com/opencadc/tap/tree/main/youcat>.

use std::fs::File;
use std::io::BufReader;

use arrow::array::RecordBatch;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderValue, Response, StatusCode, header};
use spolia_catalogue::{UserTable, UserTableDef};
use spolia_exec::{ExecError, user_table_def};
use spolia_formats::{ReadBounds, fitted, read_vosi_table};
use spolia_shard_router::user_schema;

use super::table_file::{Divided, is_description, off_the_runtime, read, read_for};
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::service::Service;
use crate::submission::Brought;
use crate::uws::{instant, written};
use crate::visitor::Visitor;

/// Bytes of a table's description at most.
const DESCRIPTION_BYTES: u64 = 8 << 20;

/// Makes a table from its description, or from a table whose rows are then in it.
pub(super) async fn put(Visitor(service): Visitor, Path(name): Path<String>, request: Request) -> Response<Body> {
    recorded(&service, "create table", &name, create(&service, &name, request)).await
}

/// Adds rows to a table, or changes until when it is kept.
pub(super) async fn post(Visitor(service): Visitor, Path(name): Path<String>, request: Request) -> Response<Body> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded"));
    if is_form {
        recorded(&service, "keep table", &name, keep(&service, &name, request)).await
    } else {
        load(Visitor(service), Path(name), request).await
    }
}

/// Adds rows to a table.
pub(super) async fn load(Visitor(service): Visitor, Path(name): Path<String>, request: Request) -> Response<Body> {
    recorded(&service, "load table", &name, add_rows(&service, &name, request)).await
}

/// Drops a table.
pub(super) async fn delete(Visitor(service): Visitor, Path(name): Path<String>) -> Response<Body> {
    let dropped = async {
        match service.archive.user_table(&name).await {
            Ok(table) => service.archive.drop_user_table(&table).await?,
            Err(ExecError::NotFound(_)) => service.archive.give_up_user_table(&name).await?,
            Err(error) => return Err(error.into()),
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok((response, 0))
    };
    recorded(&service, "drop table", &name, dropped).await
}

/// Answers, and notes in the log what was done with which table, and how many rows.
async fn recorded(
    service: &Service,
    what: &'static str,
    name: &str,
    done: impl Future<Output = Result<(Response<Body>, u64), Fault>>,
) -> Response<Body> {
    let mut record = service.begin(what, Door::Tap, &name.chars().take(200).collect::<String>());
    match done.await {
        Ok((response, rows)) => {
            record.rows(rows);
            record.succeed();
            response
        }
        Err(fault) => {
            record.fail(&fault.message);
            fault.text()
        }
    }
}

async fn create(service: &Service, name: &str, request: Request) -> Result<(Response<Body>, u64), Fault> {
    service.archive.check_user_table_name(name).await?;
    let turn = service.turn().await?;
    let brought = Brought::read(service, request).await?;
    let (definition, rows) = brought_table(service, &brought).await?;
    let (archive, name) = (service.archive.clone(), name.to_owned());
    // Finished or undone, whether the client waits for it or not.
    let making = tokio::spawn(async move {
        let _held = (brought, turn);
        archive.create_user_table(&name, &definition, &rows).await
    });
    let table = making.await.map_err(|error| Fault::internal("make the table", &error))??;
    let mut response = said(format!("{}; {}", rows_of(&table), kept(&table)));
    *response.status_mut() = StatusCode::CREATED;
    let place = HeaderValue::from_str(&format!("{}/tap/tables/{}", service.base_url, table.full_name()));
    response.headers_mut().extend(place.ok().map(|place| (header::LOCATION, place)));
    Ok((response, table.rows.unsigned_abs()))
}

/// What a file says of a table, and its rows.
async fn brought_table(service: &Service, brought: &Brought) -> Result<(UserTableDef, Vec<RecordBatch>), Fault> {
    let described = brought.path.clone();
    let described = off_the_runtime(move || {
        let failed = |error: std::io::Error| Fault::internal("read the table's description", &error);
        if !is_description(&described).map_err(failed)? {
            return Ok(None);
        }
        let bounds = ReadBounds { document_bytes: DESCRIPTION_BYTES, ..ReadBounds::default() };
        let table = read_vosi_table(BufReader::new(File::open(&described).map_err(failed)?), &bounds);
        table.map(Some).map_err(|error| Fault::usage(error.to_string()))
    });
    match described.await? {
        Some(table) => Ok((user_table_def(&table.schema, table.description)?, Vec::new())),
        None => {
            let (schema, rows) = read(service, brought.path.clone(), Divided::of(&brought.content_type)).await?;
            let definition = user_table_def(&schema, None)?;
            let wanted = user_schema(&definition.columns);
            let fit = move || fitted(&wanted, rows, &wanted).map_err(|error| Fault::usage(error.to_string()));
            Ok((definition, off_the_runtime(fit).await?))
        }
    }
}

async fn add_rows(service: &Service, name: &str, request: Request) -> Result<(Response<Body>, u64), Fault> {
    let table = service.archive.user_table(name).await?;
    let turn = service.turn().await?;
    let brought = Brought::read(service, request).await?;
    let divided = Divided::of(&brought.content_type);
    let wanted = user_schema(&table.definition.columns);
    let rows = read_for(service, brought.path.clone(), divided, wanted).await?;
    let added: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let archive = service.archive.clone();
    // Noted as well as done, whether the client waits for it or not.
    let loading = tokio::spawn(async move {
        let _held = (brought, turn);
        archive.load_user_table(&table, &rows).await
    });
    let table = loading.await.map_err(|error| Fault::internal("load the table", &error))??;
    let text = format!("{added} rows were added; {}; {}", rows_of(&table), kept(&table));
    Ok((said(text), added as u64))
}

async fn keep(service: &Service, name: &str, request: Request) -> Result<(Response<Body>, u64), Fault> {
    let parameters = Parameters::read(request).await?;
    let table = service.archive.user_table(name).await?;
    let missing = || Fault::usage("DESTRUCTION is missing: the time until which the table is to be kept");
    let until = instant("DESTRUCTION", parameters.one("DESTRUCTION")?.ok_or_else(missing)?)?;
    let destruction = service.archive.keep_user_table_until(&table, until).await?;
    Ok((said(format!("{}; {}", rows_of(&table), kept(&UserTable { destruction, ..table.clone() }))), 0))
}

fn rows_of(table: &UserTable) -> String {
    format!("{} has {} rows", table.full_name(), table.rows)
}

fn kept(table: &UserTable) -> String {
    format!("it is kept until {}", written(table.destruction))
}

fn said(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text + "\n"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=utf-8"));
    response
}
