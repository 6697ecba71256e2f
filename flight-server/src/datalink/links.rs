//! `/datalink` and `/datalink/links`: what belongs to rows. DataLink 1.1 sections 2 and 3.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use futures::StreamExt;
use spolia_exec::{Act, RowLink, SelectedRows, SelectionId};
use spolia_formats::{Encoder, Format, ResultInfo, Status};

use super::columns::{Link, batch, schema};
use super::row_links::{Maker, faulty};
use super::rows::{Given, Places, client, given, given_ids, is_client_given};
use super::services::{self, Ids};
use super::{LINKS_CONTENT_TYPE, LINKS_STANDARD};
use crate::door::Door;
use crate::fault::Fault;
use crate::outgoing::{Chunk, Outgoing, channel};
use crate::record::Record;
use crate::service::Service;
use crate::submission::Submission;
use crate::tap::format;
use crate::visitor::Visitor;

/// Ids whose links are looked up and sent at a time.
const IDS_AT_ONCE: usize = 500;
/// Ids that the log tells.
const IDS_LOGGED: usize = 20;
const VOTABLE: &str = "application/x-votable+xml";

/// The links of each row.
pub(crate) async fn links(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let answered = async {
        let submission = Submission::read_long(&service, request).await?;
        let (format, content_type) = format(&submission.parameters)?;
        let ids: Vec<String> = given_ids(&submission.parameters).into_iter().map(str::to_owned).collect();
        let mut record = service.begin("links", Door::Links, &ids[..ids.len().min(IDS_LOGGED)].join(" "));
        let document = async {
            let mut document = Document::new(&service, submission, ids, format).await?;
            record.note("client", document.client.as_str());
            record.note("ids", document.ids.len());
            let goes_on = document.step().await?;
            Ok((document, goes_on))
        };
        let (document, goes_on) = match document.await {
            Ok(begun) => begun,
            Err::<_, Fault>(fault) => {
                record.fail(&fault.message);
                return Err(fault);
            }
        };
        let mut response = Response::new(document.body(record, goes_on)?);
        response.headers_mut().insert(header::CONTENT_TYPE, links_type(content_type));
        Ok(response)
    };
    answered.await.unwrap_or_else(|fault: Fault| {
        let mut response = fault.datalink_votable();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINKS_CONTENT_TYPE));
        response
    })
}

/// What an id stands for.
enum Found {
    Row([i64; 1], RowLink),
    Selection(Vec<i64>, SelectionId),
    Fault(Fault),
}

impl Found {
    fn rows(&self) -> &[i64] {
        match self {
            Found::Row(row, _) => row,
            Found::Selection(rows, _) => rows,
            Found::Fault(_) => &[],
        }
    }
}

/// The id of the rows that a client has opened one after the other, and how many they are, now that it opens one more. A basket that cannot
/// be reached is no reason to refuse the row's links.
async fn gathered(service: &Service, row: RowLink, client: &str) -> Option<(String, usize)> {
    match service.archive.gather(row, client).await {
        Ok((basket, selection)) => (selection.count() > 1).then_some((basket, selection.count())),
        Err(error) => {
            tracing::warn!(%error, "a row could not be added to its client's basket");
            None
        }
    }
}

/// What an id stands for. A selection's rows are looked at as far as they may be followed further at once.
async fn look_up(service: &Service, id: &str, client: &str) -> Found {
    match given(service, id, client).await {
        Ok(Given::Row(row)) => Found::Row([row.id], row),
        Ok(Given::Selection(selection)) => match service.archive.selected(&selection, client).await {
            Ok(SelectedRows { mut ids, .. }) => {
                ids.truncate(service.settings.max_ids);
                Found::Selection(ids, selection)
            }
            Err(error) => Found::Fault(error.into()),
        },
        Err(fault) => Found::Fault(fault),
    }
}

/// The table of links, written some ids at a time.
struct Document {
    service: Service,
    /// Kept until the answer ends, since the ids are.
    _submission: Submission,
    client: String,
    /// Whether the row is opened alone, by a client that goes on to others.
    gathers: bool,
    ids: Vec<String>,
    /// Ids that are written.
    done: usize,
    /// Rows that may be written, and that are.
    most: u64,
    rows: u64,
    overflow: bool,
    encoder: Encoder,
    buffer: Vec<u8>,
}

impl Document {
    async fn new(service: &Service, submission: Submission, ids: Vec<String>, format: Format) -> Result<Self, Fault> {
        let parameters = &submission.parameters;
        let maxrec = parameters.number("MAXREC")?;
        let client = client(parameters);
        let by_id = Ids { column: "ID", client: Some(&client) };
        let info = ResultInfo {
            infos: vec![("standardID".to_owned(), LINKS_STANDARD.to_owned())],
            services: vec![
                services::links(service, "this", "this", None),
                services::cut(service, by_id),
                services::cut_job(service, by_id),
            ],
            ..ResultInfo::default()
        };
        Ok(Self {
            service: service.clone(),
            gathers: ids.len() == 1 && is_client_given(parameters),
            client,
            ids,
            done: 0,
            most: maxrec.unwrap_or(u64::MAX),
            rows: 0,
            // Metadata alone say that there may be more. DALI 1.1 section 3.4.4.
            overflow: maxrec == Some(0),
            encoder: Encoder::new(format, schema(), info)?,
            buffer: Vec::new(),
            _submission: submission,
        })
    }

    /// Writes the links of the next ids; true if there are more. Those of one id are written whole or not at all, and what would be too
    /// many is left out from that id on. DataLink 1.1 section 2.1.1.
    async fn step(&mut self) -> Result<bool, Fault> {
        if self.overflow {
            return Ok(false);
        }
        let next = &self.ids[self.done..self.ids.len().min(self.done + IDS_AT_ONCE)];
        let mut found = Vec::with_capacity(next.len());
        for id in next {
            found.push((id.as_str(), look_up(&self.service, id, &self.client).await));
        }
        let places = Places::of(&self.service, found.iter().flat_map(|(_, what)| what.rows().iter().copied())).await?;
        let may = |collection: &str, act| self.service.archive.may(collection, act);
        let is_cut = |row: i64| places.place(row).is_some_and(|place| may(&place.collection.name, Act::Cut).1);
        let basket = match &found[..] {
            [(_, Found::Row([row], link))] if self.gathers && is_cut(*row) => {
                gathered(&self.service, *link, &self.client).await
            }
            _ => None,
        };
        let maker = Maker {
            base_url: &self.service.base_url,
            client: &self.client,
            may: &may,
            several: places.several_collections(),
        };
        let mut links: Vec<Link> = Vec::with_capacity(next.len() * 4);
        for (id, what) in &found {
            let mut of_id = match what {
                Found::Row([row], link) => maker.of_row(id, *link, places.place(*row)),
                Found::Selection(rows, selection) => maker.of_selection(id, selection, rows, &places),
                Found::Fault(fault) => vec![faulty(id, fault)],
            };
            if let Some((basket, count)) = &basket {
                of_id.push(maker.of_basket(id, basket, *count, &of_id[0]));
            }
            if self.rows + (links.len() + of_id.len()) as u64 > self.most {
                self.overflow = true;
                break;
            }
            links.extend(of_id);
        }
        let next = next.len();
        let rows = batch(&links).map_err(|error| Fault::internal("put the links together", &error))?;
        self.encoder.batch(&rows, &mut self.buffer)?;
        self.rows += links.len() as u64;
        self.done += next;
        Ok(!self.overflow && self.done < self.ids.len())
    }

    /// What is written and what follows, as a body. The rest is written as the client reads.
    fn body(mut self, mut record: Record, goes_on: bool) -> Result<Body, Fault> {
        if goes_on {
            let (out, body) = channel::<Chunk>(self.service.stall());
            tokio::spawn(self.send(record, out));
            return Ok(Body::from_stream(body.boxed()));
        }
        record.rows(self.rows);
        let status = self.status();
        match self.encoder.finish(&status, &mut self.buffer) {
            Ok(()) => {
                record.add_bytes(self.buffer.len());
                record.succeed();
                Ok(Body::from(self.buffer))
            }
            Err(error) => {
                record.fail(&error.to_string());
                Err(error.into())
            }
        }
    }

    fn status(&self) -> Status {
        if self.overflow { Status::Overflow { maxrec: self.rows } } else { Status::Ok }
    }

    async fn send(mut self, mut record: Record, out: Outgoing<Chunk>) {
        let failed = loop {
            let bytes = std::mem::take(&mut self.buffer);
            record.add_bytes(bytes.len());
            if !bytes.is_empty() && out.send(Ok(Bytes::from(bytes))).await.is_err() {
                return;
            }
            match self.step().await {
                Ok(true) => {}
                Ok(false) => break None,
                Err(fault) => break Some(fault),
            }
        };
        record.rows(self.rows);
        let status = failed.as_ref().map_or_else(|| self.status(), |fault| Status::Error(fault.datalink_message()));
        let ended = self.encoder.finish(&status, &mut self.buffer);
        record.add_bytes(self.buffer.len());
        match (&failed, &ended) {
            (None, Ok(())) => record.succeed(),
            (Some(fault), _) => record.fail(&fault.message),
            (None, Err(error)) => record.fail(&error.to_string()),
        }
        // Nobody may be reading any more.
        let _ = match ended {
            Ok(()) => out.send(Ok(Bytes::from(self.buffer))).await,
            // The format has no place for what went wrong.
            Err(error) => out.send(Err(std::io::Error::other(error.to_string()))).await,
        };
    }
}

/// A VOTable of links says that it is one. DataLink 1.1 section 3.
fn links_type(content_type: HeaderValue) -> HeaderValue {
    let votable = content_type.to_str().ok().filter(|of| of.starts_with(VOTABLE));
    votable.and_then(|of| HeaderValue::try_from(format!("{of};content=datalink")).ok()).unwrap_or(content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votables_of_links_say_so() {
        let check = |of: &'static str, expected: &str| assert_eq!(links_type(HeaderValue::from_static(of)), expected);
        check(VOTABLE, LINKS_CONTENT_TYPE);
        check(
            "application/x-votable+xml;serialization=BINARY2",
            "application/x-votable+xml;serialization=BINARY2;content=datalink",
        );
        check("text/xml", "text/xml");
        check("application/json", "application/json");
    }
}
