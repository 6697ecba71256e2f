//! `/datalink/transits` and `/datalink/sources`: what the `#counterpart` of rows leads to. The rows carry links again.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response};
use spolia_catalogue::TableDef;
use spolia_exec::{LinkBase, QueryRequest, SelectedRows};

use super::rows::{Place, Places, all_rows, client};
use crate::answer::{Ask, answer};
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::service::Service;
use crate::tap::{format, maxrec};
use crate::visitor::Visitor;

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From sources to their transits.
    Transits,
    /// From transits to their sources.
    Sources,
}

/// The transits of sources.
pub(crate) async fn transits(Visitor(service): Visitor, request: Request) -> Response<Body> {
    respond(&service, request, Way::Transits).await
}

/// The sources of transits.
pub(crate) async fn sources(Visitor(service): Visitor, request: Request) -> Response<Body> {
    respond(&service, request, Way::Sources).await
}

async fn respond(service: &Service, request: Request, way: Way) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let answered = async {
        let parameters = Parameters::read(request).await?;
        let ask = ask(service, &parameters, way, head).await?;
        let record = service.begin("query", ask.door, &ask.request.adql);
        answer(service, ask, record).await
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.datalink_votable())
}

async fn ask(service: &Service, parameters: &Parameters, way: Way, head: bool) -> Result<Ask, Fault> {
    let (format, content_type) = format(parameters)?;
    let maxrec = maxrec(parameters, &service.settings)?;
    let client = client(parameters);
    let rows = all_rows(service, parameters, &client, service.settings.max_ids).await?;
    let places = Places::of(service, rows.ids.iter().copied()).await?;
    let (from, to) = tables(&rows.ids, &places, way)?;
    let links = service.links(client);
    let keys = keys(service, &rows, &from, &links).await?;
    let adql = format!("SELECT * FROM {} WHERE \"{}\" IN ({})", to.table, to.key, list(keys));
    let request = QueryRequest { maxrec: Some(maxrec), epoch: Some(rows.epoch), ..QueryRequest::new(adql, links) };
    Ok(Ask { door: Door::Counterpart, request, maxrec, format, content_type, head })
}

/// A table and the column by which rows of two tables belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keyed {
    table: String,
    key: String,
}

impl Keyed {
    fn new(place: Place<'_>, table: &TableDef) -> Self {
        Self { table: format!("{}.{}", place.collection.name, table.name), key: table.shard_key.clone() }
    }
}

/// The one table that the rows are of, and the one to go to.
fn tables(rows: &[i64], places: &Places, way: Way) -> Result<(Keyed, Keyed), Fault> {
    let mut found: Option<(Keyed, Keyed)> = None;
    for row in rows {
        let place = places.place(*row).ok_or_else(|| Fault::not_found(format!("row {row} is not in the archive")))?;
        let (to, what) = match way {
            Way::Transits => (place.transits(), "no sources: they have no transits"),
            Way::Sources => (place.sources(), "no transits: they have no source"),
        };
        let here = format!("{}.{}", place.collection.name, place.table.name);
        let to = to.ok_or_else(|| Fault::usage(format!("rows of {here} are {what}")))?;
        let pair = (Keyed::new(place, place.table), Keyed::new(place, to));
        match &found {
            Some(other) if *other != pair => return Err(Fault::usage("the ids are of rows of different tables")),
            _ => found = Some(pair),
        }
    }
    found.ok_or_else(|| Fault::usage("id is missing"))
}

/// The keys of the rows.
async fn keys(service: &Service, rows: &SelectedRows, from: &Keyed, links: &LinkBase) -> Result<Vec<i64>, Fault> {
    let ids = list(rows.ids.clone());
    let adql = format!("SELECT DISTINCT \"{key}\" FROM {} WHERE id IN ({ids})", from.table, key = from.key);
    let request = QueryRequest { epoch: Some(rows.epoch), ..QueryRequest::new(adql, links.clone()) };
    let _place = service.queries.enter().await?;
    let mut answer = service.archive.query(&request).await?;
    let batches = answer.collect().await?;
    let keys: Vec<i64> = batches.iter().flat_map(first_column).collect();
    match keys.is_empty() {
        true => Err(Fault::not_found(format!("these rows are not in epoch {}", answer.epoch))),
        false => Ok(keys),
    }
}

fn first_column(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive_opt::<Int64Type>().map_or_else(Vec::new, |column| column.iter().flatten().collect())
}

fn list(mut ids: Vec<i64>) -> String {
    ids.sort_unstable();
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}
