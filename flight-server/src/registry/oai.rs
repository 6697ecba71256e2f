//! `/oai`: the records, by OAI-PMH 2.0 as Registry Interfaces 1.1 section 2 has it.

use std::io;

use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::Response;
use chrono::{DateTime, Utc};
use quick_xml::events::BytesText;
use spolia_catalogue::{RecordDates, RecordHistory};

use super::datestamp::{GRANULARITY, written};
use super::format::{Format, OAI_SCHEMA};
use super::own_records::REGISTRY_KEY;
use super::records::{Record, Records};
use super::refusal::{Code, Refusal, shown};
use super::request::{Request, Verb};
use super::resource::{self, identifier};
use super::selection::{IVO_MANAGED, Page};
use super::settings::RegistrySettings;
use crate::fault::Fault;
use crate::parameters;
use crate::service::Service;
use crate::xml::{self, Xml};

/// A request's body at most, in bytes.
const BODY_BYTES: usize = 1 << 20;

/// Answers a harvester; as a service that is not there, where the settings do not say that this is a registry.
pub(crate) async fn oai(State(service): State<Service>, request: HttpRequest) -> Response<Body> {
    answered(&service, request).await.unwrap_or_else(|fault| fault.text())
}

async fn answered(service: &Service, request: HttpRequest) -> Result<Response<Body>, Fault> {
    let settings = &service.registry.settings;
    if !settings.enabled {
        let off = "this archive is no publishing registry: its settings do not say [registry] enabled = true";
        return Err(Fault::not_found(off));
    }
    let [query, form] = parameters::encoded(request, BODY_BYTES).await?;
    let pairs = form_urlencoded::parse(&query).chain(form_urlencoded::parse(&form));
    let url = format!("{}/oai", service.base_url);
    let request = match Request::read(pairs.map(|(name, value)| (name.into_owned(), value.into_owned()))) {
        Ok(request) => request,
        Err((refusal, given)) => {
            let envelope = Envelope { url: &url, given: &given, now: Utc::now() };
            return xml::respond(|xml| envelope.write(xml, |xml| error(xml, &refusal)));
        }
    };
    let (records, history) = service.registry.records(service).await?;
    let archive = Harvested { settings, url: &url, records: &records, history: &history };
    // By the clock that datestamps are by, so that a harvester that goes on from here misses nothing.
    let now = history.now;
    match archive.answer(&request.verb) {
        Ok(answer) => {
            let envelope = Envelope { url: &url, given: &request.given, now };
            xml::respond(|xml| envelope.write(xml, |xml| archive.write(xml, &answer)))
        }
        Err(refusal) => {
            let given: &[_] = if refusal.code.repeats_arguments() { &request.given } else { &[] };
            xml::respond(|xml| Envelope { url: &url, given, now }.write(xml, |xml| error(xml, &refusal)))
        }
    }
}

/// What is around every answer. OAI-PMH 2.0 section 3.2.
struct Envelope<'a> {
    url: &'a str,
    given: &'a [(String, String)],
    now: DateTime<Utc>,
}

impl Envelope<'_> {
    fn write(&self, xml: &mut Xml, answer: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
        let location = OAI_SCHEMA.join(" ");
        // With a prefix, since elements inside of VOResource records have no namespace.
        let root = [
            ("xmlns:oai", OAI_SCHEMA[0]),
            ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
            ("xsi:schemaLocation", &location),
        ];
        xml.create_element("oai:OAI-PMH").with_attributes(root).write_inner_content(|xml| {
            xml::text(xml, "oai:responseDate", &written(self.now))?;
            let given = self.given.iter().filter(|(_, value)| may_stand(value));
            let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
            let element = xml.create_element("oai:request").with_attributes(given);
            element.write_text_content(BytesText::new(self.url))?;
            answer(xml)
        })?;
        Ok(())
    }
}

/// Whether an argument may be repeated: identifiers are URIs, and others are made of fewer letters.
fn may_stand(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
}

fn error(xml: &mut Xml, refusal: &Refusal) -> io::Result<()> {
    let text = xml::allowed(&refusal.message);
    let element = xml.create_element("oai:error").with_attribute(("code", refusal.code.name()));
    element.write_text_content(BytesText::new(&text))?;
    Ok(())
}

/// What there is to harvest.
struct Harvested<'a> {
    settings: &'a RegistrySettings,
    url: &'a str,
    records: &'a Records,
    history: &'a RecordHistory,
}

/// An answer, found but not written.
enum Answer<'a> {
    Identify,
    Formats,
    Sets,
    Headers(Page<'a>),
    Records(Page<'a>, Format),
    Record(&'a str, &'a RecordDates, Format),
}

impl<'a> Harvested<'a> {
    fn answer(&self, verb: &Verb) -> Result<Answer<'a>, Refusal> {
        Ok(match verb {
            Verb::Identify => Answer::Identify,
            Verb::ListMetadataFormats(None) => Answer::Formats,
            Verb::ListMetadataFormats(Some(identifier)) => {
                self.find(identifier)?;
                Answer::Formats
            }
            Verb::ListSets => Answer::Sets,
            Verb::ListIdentifiers(selection) => Answer::Headers(selection.page(self.history, self.settings)?),
            Verb::ListRecords(selection) => {
                Answer::Records(selection.page(self.history, self.settings)?, selection.format)
            }
            Verb::GetRecord(identifier, format) => {
                let (identifier, dates) = self.find(identifier)?;
                Answer::Record(identifier, dates, *format)
            }
        })
    }

    /// The record of an identifier. Upper and lower case are alike in those. IVOA Identifiers 2.0 section 2.3.
    fn find(&self, wanted: &str) -> Result<(&'a str, &'a RecordDates), Refusal> {
        let mut known = self.history.records.iter().filter(|(identifier, _)| self.settings.manages(identifier));
        let found = known.find(|(identifier, _)| identifier.eq_ignore_ascii_case(wanted));
        let unknown = || Refusal::new(Code::IdDoesNotExist, format!("there is no record {:?}", shown(wanted)));
        found.map(|(identifier, dates)| (identifier.as_str(), dates)).ok_or_else(unknown)
    }

    fn write(&self, xml: &mut Xml, answer: &Answer<'_>) -> io::Result<()> {
        match answer {
            Answer::Identify => element(xml, "oai:Identify", |xml| self.identify(xml)),
            Answer::Formats => element(xml, "oai:ListMetadataFormats", |xml| {
                Format::ALL.into_iter().try_for_each(|format| formats(xml, format))
            }),
            Answer::Sets => element(xml, "oai:ListSets", sets),
            Answer::Headers(page) => element(xml, "oai:ListIdentifiers", |xml| {
                page.records.iter().try_for_each(|(identifier, dates)| header(xml, identifier, dates))?;
                token(xml, page)
            }),
            Answer::Records(page, format) => element(xml, "oai:ListRecords", |xml| {
                page.records.iter().try_for_each(|(identifier, dates)| self.record(xml, identifier, dates, *format))?;
                token(xml, page)
            }),
            Answer::Record(identifier, dates, format) => {
                element(xml, "oai:GetRecord", |xml| self.record(xml, identifier, dates, *format))
            }
        }
    }

    /// What this registry is, with its own record. OAI-PMH 2.0 section 4.2, Registry Interfaces 1.1 section 2.1.
    fn identify(&self, xml: &mut Xml) -> io::Result<()> {
        let earliest = self.history.records.values().map(|dates| dates.created).min().unwrap_or(self.history.now);
        xml::text(xml, "oai:repositoryName", &self.settings.title)?;
        xml::text(xml, "oai:baseURL", self.url)?;
        xml::text(xml, "oai:protocolVersion", "2.0")?;
        xml::text(xml, "oai:adminEmail", &self.settings.contact_email)?;
        xml::text(xml, "oai:earliestDatestamp", &written(earliest))?;
        xml::text(xml, "oai:deletedRecord", "persistent")?;
        xml::text(xml, "oai:granularity", GRANULARITY)?;
        xml::text(xml, "oai:compression", "gzip")?;
        let own = identifier(self.settings, REGISTRY_KEY);
        match (self.records.get(&own), self.history.records.get(&own)) {
            (Some(record), Some(dates)) => {
                element(xml, "oai:description", |xml| resource::write_around(xml, record.class, &record.content, dates))
            }
            _ => Ok(()),
        }
    }

    fn record(&self, xml: &mut Xml, identifier: &str, dates: &RecordDates, format: Format) -> io::Result<()> {
        element(xml, "oai:record", |xml| {
            header(xml, identifier, dates)?;
            match self.records.get(identifier).filter(|_| !dates.deleted) {
                Some(record) => element(xml, "oai:metadata", |xml| metadata(xml, record, dates, format)),
                None => Ok(()),
            }
        })
    }
}

fn metadata(xml: &mut Xml, record: &Record, dates: &RecordDates, format: Format) -> io::Result<()> {
    match format {
        Format::VoResource => resource::write_around(xml, record.class, &record.content, dates),
        Format::DublinCore => {
            xml.get_mut().push(b'\n');
            xml.get_mut().extend_from_slice(&record.dublin_core);
            Ok(())
        }
    }
}

fn element(xml: &mut Xml, name: &str, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
    xml.create_element(name).write_inner_content(content)?;
    Ok(())
}

fn header(xml: &mut Xml, identifier: &str, dates: &RecordDates) -> io::Result<()> {
    let status = dates.deleted.then_some(("status", "deleted"));
    xml.create_element("oai:header").with_attributes(status).write_inner_content(|xml| {
        xml::text(xml, "oai:identifier", identifier)?;
        xml::text(xml, "oai:datestamp", &written(dates.updated))?;
        xml::text(xml, "oai:setSpec", IVO_MANAGED)
    })?;
    Ok(())
}

fn token(xml: &mut Xml, page: &Page<'_>) -> io::Result<()> {
    let Some(token) = &page.token else { return Ok(()) };
    let (size, cursor) = (page.size.to_string(), page.cursor.to_string());
    let attributes = [("completeListSize", size.as_str()), ("cursor", &cursor)];
    xml.create_element("oai:resumptionToken").with_attributes(attributes).write_text_content(BytesText::new(token))?;
    Ok(())
}

fn formats(xml: &mut Xml, format: Format) -> io::Result<()> {
    element(xml, "oai:metadataFormat", |xml| {
        xml::text(xml, "oai:metadataPrefix", format.prefix())?;
        xml::text(xml, "oai:schema", format.schema())?;
        xml::text(xml, "oai:metadataNamespace", format.namespace())
    })
}

fn sets(xml: &mut Xml) -> io::Result<()> {
    element(xml, "oai:set", |xml| {
        xml::text(xml, "oai:setSpec", IVO_MANAGED)?;
        xml::text(xml, "oai:setName", "All records that this registry is the source of")
    })
}
