//! `/datalink` and `/datalink/links`: what belongs to rows. DataLink 1.1 sections 2 and 3.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, header};
use bytes::Bytes;
use futures::StreamExt;
use spolia_exec::{Act, RowLink};
use spolia_formats::{Encoder, Format, ResultInfo, Status};

use super::columns::{Link, OpenTo, batch, schema};
use super::rows::{Place, Places, client, given_ids, link_id, row};
use super::{HDF5, LINKS_CONTENT_TYPE, LINKS_STANDARD, services};
use crate::door::Door;
use crate::fault::Fault;
use crate::gate::Place as GatePlace;
use crate::outgoing::{Chunk, Outgoing, channel};
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::tap::format;
use crate::visitor::Visitor;

/// Ids whose links are looked up and sent at a time.
const IDS_AT_ONCE: usize = 500;
/// Requests of more bytes count as such that bring much along.
const SHORT_BYTES: u64 = 1 << 20;
/// Ids that the log tells.
const IDS_LOGGED: usize = 20;
const VOTABLE: &str = "application/x-votable+xml";

/// The links of each row.
pub(crate) async fn links(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let answered = async {
        // Kept until the answer ends, since the ids are.
        let place = if is_long(&request) { Some(service.uploads.enter().await?) } else { None };
        let parameters = Parameters::read_long(request).await?;
        let (format, content_type) = format(&parameters)?;
        let ids: Vec<String> = given_ids(&parameters).into_iter().map(str::to_owned).collect();
        let mut record = service.begin("links", Door::Links, &ids[..ids.len().min(IDS_LOGGED)].join(" "));
        let document = async {
            let mut document = Document::new(&service, &parameters, ids, format, place)?;
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

/// Whether a request may bring very many ids along.
fn is_long(request: &Request) -> bool {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    request.method() == Method::POST && length.is_none_or(|length: u64| length > SHORT_BYTES)
}

/// The table of links, written some ids at a time.
struct Document {
    service: Service,
    _place: Option<GatePlace>,
    client: String,
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
    fn new(
        service: &Service,
        parameters: &Parameters,
        ids: Vec<String>,
        format: Format,
        place: Option<GatePlace>,
    ) -> Result<Self, Fault> {
        let maxrec = parameters.number("MAXREC")?;
        let info = ResultInfo {
            infos: vec![("standardID".to_owned(), LINKS_STANDARD.to_owned())],
            services: vec![services::links(service, "this", "this", None), services::cut(service, "ID")],
            ..ResultInfo::default()
        };
        Ok(Self {
            service: service.clone(),
            _place: place,
            client: client(parameters),
            ids,
            done: 0,
            most: maxrec.unwrap_or(u64::MAX),
            rows: 0,
            // Metadata alone say that there may be more. DALI 1.1 section 3.4.4.
            overflow: maxrec == Some(0),
            encoder: Encoder::new(format, schema(), info)?,
            buffer: Vec::new(),
        })
    }

    /// Writes the links of the next ids; true if there are more. Those of one id are written whole or not at all, and what would be too
    /// many is left out from that id on. DataLink 1.1 section 2.1.1.
    async fn step(&mut self) -> Result<bool, Fault> {
        if self.overflow {
            return Ok(false);
        }
        let next = &self.ids[self.done..self.ids.len().min(self.done + IDS_AT_ONCE)];
        let rows: Vec<_> = next.iter().map(|id| (id.as_str(), row(&self.service, id))).collect();
        let known = rows.iter().filter_map(|(_, row)| row.as_ref().ok());
        let places = Places::of(&self.service, known.map(|row| row.id)).await?;
        let maker = Maker {
            base_url: &self.service.base_url,
            client: &self.client,
            may: &|collection, act| self.service.archive.may(collection, act),
            several: places.several_collections(),
        };
        let mut links: Vec<Link> = Vec::with_capacity(next.len() * 4);
        for (id, row) in &rows {
            let of_id = match row {
                Ok(row) => maker.links(id, *row, places.place(row.id)),
                Err(error) => vec![not_found(id, &error.to_string())],
            };
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

fn not_found(id: &str, why: &str) -> Link {
    let error_message = Some(Fault::not_found(why).datalink_message());
    Link { id: id.to_owned(), error_message, semantics: "#this", ..Link::default() }
}

/// Makes links for one client.
struct Maker<'a> {
    base_url: &'a str,
    client: &'a str,
    /// Who may do what with a collection.
    may: &'a dyn Fn(&str, Act) -> (bool, bool),
    /// File names are told apart by their collection.
    several: bool,
}

impl Maker<'_> {
    /// The links of a row: `#this`, `#progenitor`, `#counterpart` where there is one, and `#cutout`.
    fn links(&self, given: &str, row: RowLink, place: Option<Place<'_>>) -> Vec<Link> {
        let Some(place) = place else {
            return vec![not_found(given, &format!("row {} is no longer in the archive", row.id))];
        };
        let id = link_id(given);
        let open_to = |act| {
            let (all, asker) = (self.may)(&place.collection.name, act);
            OpenTo { all, asker }
        };
        let link = |act, semantics, local_semantics, description, content_type| Link {
            id: given.to_owned(),
            description: Some(description),
            semantics,
            content_type: Some(content_type),
            local_semantics: Some(local_semantics),
            open_to: open_to(act),
            ..Link::default()
        };
        let call =
            |resource: &str| Some(format!("{}/datalink/{resource}?id={id}&clientId={}", self.base_url, self.client));
        let this = link(Act::Cut, "#this", "cut-and-merge", "Cut & Merge (from progenitor)", HDF5);
        let file = link(Act::File, "#progenitor", "file", "Original progenitor dataset", HDF5);
        let mut links = vec![
            Link { access_url: call("gaiamerger"), ..this },
            Link { access_url: Some(self.file_url(place)), content_length: Some(place.file.file.size), ..file },
        ];
        if place.transits().is_some() {
            let transits = link(Act::Query, "#counterpart", "transits", "Link to transits", VOTABLE);
            links.push(Link { access_url: call("transits"), ..transits });
        } else if place.sources().is_some() {
            let source = link(Act::Query, "#counterpart", "source", "Link to the source", VOTABLE);
            links.push(Link { access_url: call("sources"), ..source });
        }
        let choice = "Cut & Merge with a choice of fields, form and compression";
        let cutout = link(Act::Cut, "#cutout", "cut-and-merge-with-choices", choice, HDF5);
        links.push(Link { service_def: Some(services::CUT), ..cutout });
        links
    }

    /// The whole file, in the version that the row came from.
    fn file_url(&self, place: Place<'_>) -> String {
        let file = &place.file.file;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("name", &format!("{}{}", file.file_name, file.file_extension));
        query.append_pair("version", &file.file_version.to_string());
        if self.several {
            query.append_pair("collection", &file.collection);
        }
        format!("{}/api/files?{}", self.base_url, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use spolia_catalogue::{ArchivedFile, Collection, FileState, NewFile, TableDef};

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

    fn collection() -> Collection {
        let table = |name: &str, transits_of: Option<&str>| TableDef {
            name: name.to_owned(),
            description: String::new(),
            class: String::new(),
            object: String::new(),
            shard_key: "source_id".to_owned(),
            replicated: false,
            position: None,
            margin_arcsec: None,
            transits_of: transits_of.map(str::to_owned),
            bounded: Vec::new(),
            columns: Vec::new(),
        };
        let tables = vec![table("source", None), table("transit", Some("source")), table("other", None)];
        Collection { name: "gaia".to_owned(), description: String::new(), tables, examples: Vec::new() }
    }

    fn file(name: &str) -> ArchivedFile {
        let file = NewFile {
            collection: "gaia".to_owned(),
            table_name: String::new(),
            file_name: name.to_owned(),
            file_extension: ".h5".to_owned(),
            file_version: 2,
            did_rse: String::new(),
            did_scope: String::new(),
            did_name: String::new(),
            checksum: String::new(),
            adler32: String::new(),
            size: 77,
            location: String::new(),
        };
        ArchivedFile { file_id: 1, file, objects: None, batch: 1, state: FileState::Loaded, superseded: None }
    }

    fn links(table: &str) -> Vec<Link> {
        let (collection, file) = (collection(), file("A & B"));
        let place = Place { file: &file, collection: &collection, table: collection.table(table).unwrap() };
        let maker =
            Maker { base_url: "http://h", client: "c", may: &|_, act| (act != Act::File, true), several: false };
        maker.links("X", RowLink { epoch: 1, id: 1 << 32 }, Some(place))
    }

    #[test]
    fn a_source_has_the_three_links_of_the_reference_archive() {
        let found: Vec<_> = links("source")
            .into_iter()
            .take(3)
            .map(|link| (link.semantics, link.description.unwrap(), link.access_url.unwrap(), link.content_length))
            .collect();
        let expect = [
            ("#this", "Cut & Merge (from progenitor)", "http://h/datalink/gaiamerger?id=X&clientId=c".to_owned(), None),
            (
                "#progenitor",
                "Original progenitor dataset",
                "http://h/api/files?name=A+%26+B.h5&version=2".to_owned(),
                Some(77),
            ),
            ("#counterpart", "Link to transits", "http://h/datalink/transits?id=X&clientId=c".to_owned(), None),
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn a_transit_leads_to_its_source_and_others_to_neither() {
        let counterpart = links("transit").remove(2);
        assert_eq!(counterpart.access_url.as_deref(), Some("http://h/datalink/sources?id=X&clientId=c"));
        assert_eq!(links("other").len(), 3);
    }

    #[test]
    fn each_link_leads_one_way_and_says_who_may_follow_it() {
        for link in links("source") {
            assert_eq!(usize::from(link.access_url.is_some()) + usize::from(link.service_def.is_some()), 1, "{link:?}");
            assert_eq!(link.open_to.all, link.semantics != "#progenitor", "{link:?}");
        }
    }

    #[test]
    fn a_row_that_is_gone_is_told() {
        let maker =
            Maker { base_url: "http://h", client: "c", may: &|_, act| (act != Act::File, true), several: false };
        let links = maker.links("X", RowLink { epoch: 1, id: 5 }, None);
        assert_eq!((links.len(), links[0].semantics, &links[0].access_url), (1, "#this", &None));
        assert!(links[0].error_message.as_deref().unwrap().starts_with("NotFoundFault: "));
    }
}
