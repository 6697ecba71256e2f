//! `/datalink` and `/datalink/links`: what belongs to rows. DataLink 1.1 sections 2 and 3.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, header};
use spolia_exec::RowLink;
use spolia_formats::{Datatype, Encoder, Format, Param, ResultInfo, ServiceDescriptor, Status};

use super::columns::{Link, batch, schema};
use super::rows::{Place, Places, client, given_ids, link_id, row};
use super::{LINKS_CONTENT_TYPE, LINKS_STANDARD};
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::tap::format;
use crate::visitor::Visitor;

/// Ids answered in one request; the answer to more is marked as overflown. DataLink 1.1 section 2.1.1.
const IDS: usize = 2000;
const HDF5: &str = "application/x-hdf5";
const VOTABLE: &str = "application/x-votable+xml";

/// The links of each row.
pub(crate) async fn links(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let answered = async {
        let parameters = Parameters::read(request).await?;
        let mut record = service.begin("links", Door::Links, &given_ids(&parameters).join(" "));
        match document(&service, &parameters, &mut record).await {
            Ok((document, content_type)) => {
                record.add_bytes(document.len());
                record.succeed();
                let mut response = Response::new(Body::from(document));
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
                Ok(response)
            }
            Err(fault) => {
                record.fail(&fault.message);
                Err(fault)
            }
        }
    };
    answered.await.unwrap_or_else(|fault: Fault| {
        let mut response = fault.datalink_votable();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LINKS_CONTENT_TYPE));
        response
    })
}

async fn document(
    service: &Service,
    parameters: &Parameters,
    record: &mut Record,
) -> Result<(Vec<u8>, HeaderValue), Fault> {
    let (format, content_type) = format(parameters)?;
    let content_type = links_type(content_type);
    let client = client(parameters);
    record.note("client", client.as_str());
    let given = given_ids(parameters);
    let metadata_only = parameters.number("MAXREC")? == Some(0);
    let answered = &given[..if metadata_only { 0 } else { given.len().min(IDS) }];
    let rows: Vec<_> = answered.iter().map(|id| (*id, row(service, id))).collect();
    let known = rows.iter().filter_map(|(_, row)| row.as_ref().ok());
    let places = Places::of(service, known.map(|row| row.id)).await?;
    let maker = Maker { base_url: &service.base_url, client: &client, several: places.several_collections() };
    let links: Vec<Link> = rows
        .iter()
        .flat_map(|(id, row)| match row {
            Ok(row) => maker.links(id, *row, places.place(row.id)),
            Err(error) => vec![not_found(id, &error.to_string())],
        })
        .collect();
    record.rows(links.len() as u64);
    let status = match answered.len() < given.len() || metadata_only {
        true => Status::Overflow { maxrec: links.len() as u64 },
        false => Status::Ok,
    };
    Ok((encode(service, format, &links, &status)?, content_type))
}

/// A VOTable of links says that it is one. DataLink 1.1 section 3.
fn links_type(content_type: HeaderValue) -> HeaderValue {
    let votable = content_type.to_str().ok().filter(|of| of.starts_with(VOTABLE));
    votable.and_then(|of| HeaderValue::try_from(format!("{of};content=datalink")).ok()).unwrap_or(content_type)
}

fn encode(service: &Service, format: Format, links: &[Link], status: &Status) -> Result<Vec<u8>, Fault> {
    let info = ResultInfo {
        infos: vec![("standardID".to_owned(), LINKS_STANDARD.to_owned())],
        services: vec![this_service(service)],
        ..ResultInfo::default()
    };
    let rows = batch(links).map_err(|error| Fault::internal("put the links together", &error))?;
    let mut out = Vec::new();
    let mut encoder = Encoder::new(format, schema(), info)?;
    encoder.batch(&rows, &mut out)?;
    encoder.finish(status, &mut out)?;
    Ok(out)
}

/// The service describes itself, in the words that clients of DataLink 1.0 know too. DataLink 1.1 section 4.4.
fn this_service(service: &Service) -> ServiceDescriptor {
    ServiceDescriptor {
        id: "this".to_owned(),
        name: "this".to_owned(),
        description: Some("What belongs to a row: its Cut & Merge, its file, its counterparts".to_owned()),
        access_url: format!("{}/datalink/links", service.base_url),
        standard_id: Some(LINKS_STANDARD.to_owned()),
        content_type: Some(LINKS_CONTENT_TYPE.to_owned()),
        params: vec![Param {
            name: "ID".to_owned(),
            datatype: Datatype::Char,
            value: String::new(),
            column: None,
            description: Some("The access_url of a row, or the id in it; repeat it for more rows".to_owned()),
        }],
    }
}

fn not_found(id: &str, why: &str) -> Link {
    let error_message = Some(Fault::not_found(why).datalink_message());
    Link { id: id.to_owned(), error_message, semantics: "#this", ..Link::default() }
}

/// Makes links for one client.
struct Maker<'a> {
    base_url: &'a str,
    client: &'a str,
    /// File names are told apart by their collection.
    several: bool,
}

impl Maker<'_> {
    /// The links of a row: `#this`, `#progenitor`, and `#counterpart` where there is one.
    fn links(&self, given: &str, row: RowLink, place: Option<Place<'_>>) -> Vec<Link> {
        let Some(place) = place else {
            return vec![not_found(given, &format!("row {} is no longer in the archive", row.id))];
        };
        let id = link_id(given);
        let link = |url: String, semantics, description, content_type| Link {
            id: given.to_owned(),
            access_url: Some(url),
            description: Some(description),
            semantics,
            content_type: Some(content_type),
            ..Link::default()
        };
        let service =
            |resource: &str| format!("{}/datalink/{resource}?id={id}&clientId={}", self.base_url, self.client);
        let mut links = vec![
            Link {
                local_semantics: Some("cut-and-merge"),
                ..link(service("gaiamerger"), "#this", "Cut & Merge (from progenitor)", HDF5)
            },
            Link {
                local_semantics: Some("file"),
                content_length: Some(place.file.file.size),
                ..link(self.file_url(place), "#progenitor", "Original progenitor dataset", HDF5)
            },
        ];
        if place.transits().is_some() {
            let url = service("transits");
            let transits = link(url, "#counterpart", "Link to transits", VOTABLE);
            links.push(Link { local_semantics: Some("transits"), ..transits });
        } else if place.sources().is_some() {
            let url = service("sources");
            let source = link(url, "#counterpart", "Link to the source", VOTABLE);
            links.push(Link { local_semantics: Some("source"), ..source });
        }
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
        let maker = Maker { base_url: "http://h", client: "c", several: false };
        maker.links("X", RowLink { epoch: 1, id: 1 << 32 }, Some(place))
    }

    #[test]
    fn a_source_has_the_three_links_of_the_reference_archive() {
        let found: Vec<_> = links("source")
            .into_iter()
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
        let last = links("transit").pop().unwrap();
        assert_eq!(last.access_url.as_deref(), Some("http://h/datalink/sources?id=X&clientId=c"));
        assert_eq!(links("other").len(), 2);
    }

    #[test]
    fn a_row_that_is_gone_is_told() {
        let maker = Maker { base_url: "http://h", client: "c", several: false };
        let links = maker.links("X", RowLink { epoch: 1, id: 5 }, None);
        assert_eq!((links.len(), links[0].semantics, &links[0].access_url), (1, "#this", &None));
        assert!(links[0].error_message.as_deref().unwrap().starts_with("NotFoundFault: "));
    }
}
