//! The VOTable document: INFO elements, FIELDs, service descriptors. VOTable 1.4, DALI 1.1 section 4.4, DataLink 1.1 section 4.

use std::collections::{HashMap, HashSet};

use arrow::datatypes::SchemaRef;

use super::xml;
use crate::encoder::{Status, overflow_message};
use crate::error::Result;
use crate::field::VoField;
use crate::info::{Param, ResultInfo, ServiceDescriptor, Values};
use crate::literal;

/// Everything of a document but its rows.
pub(crate) struct Document {
    pub(crate) fields: Vec<VoField>,
    info: ResultInfo,
    /// XML IDs of the columns that services refer to, by position.
    ids: HashMap<usize, String>,
}

impl Document {
    pub(crate) fn new(schema: &SchemaRef, mut info: ResultInfo) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| VoField::from_arrow(field)).collect::<Result<Vec<_>>>()?;
        let position = |name: &String| fields.iter().position(|field| field.name == *name);
        info.services.retain(|service| referenced(service).all(|column| position(column).is_some()));
        let mut taken: HashSet<String> = info.services.iter().map(|service| service.id.clone()).collect();
        let mut ids = HashMap::new();
        for at in info.services.iter().flat_map(referenced).filter_map(position) {
            ids.entry(at).or_insert_with(|| {
                let id = free_id(&fields[at].name, at, &taken);
                taken.insert(id.clone());
                id
            });
        }
        Ok(Document { fields, info, ids })
    }

    /// From the XML declaration up to where DATA begins.
    pub(crate) fn head(&self, out: &mut Vec<u8>) {
        open(out);
        out.extend_from_slice(b"<INFO name=\"QUERY_STATUS\" value=\"OK\"/>\n");
        let query = self.info.query.iter().map(|query| ("QUERY", query.as_str()));
        let infos = self.info.infos.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in query.chain(infos) {
            out.extend_from_slice(b"<INFO");
            xml::attribute("name", name, out);
            xml::attribute("value", value, out);
            out.extend_from_slice(b"/>\n");
        }
        out.extend_from_slice(b"<TABLE>\n");
        for (at, field) in self.fields.iter().enumerate() {
            write_field(field, self.ids.get(&at).map(String::as_str), out);
        }
    }

    /// From after DATA to the end, with how the result ended.
    pub(crate) fn tail(&self, status: &Status, out: &mut Vec<u8>) {
        out.extend_from_slice(b"</TABLE>\n");
        match status {
            Status::Ok => {}
            Status::Overflow { maxrec } => status_info("OVERFLOW", &overflow_message(*maxrec), out),
            Status::Error(message) => error_info(message, out),
        }
        out.extend_from_slice(b"</RESOURCE>\n");
        for service in &self.info.services {
            self.write_service(service, out);
        }
        out.extend_from_slice(b"</VOTABLE>\n");
    }

    fn write_service(&self, service: &ServiceDescriptor, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<RESOURCE type=\"meta\" utype=\"adhoc:service\"");
        xml::attribute("ID", &service.id, out);
        xml::attribute("name", &service.name, out);
        out.extend_from_slice(b">\n");
        xml::description(service.description.as_deref(), out);
        let address = Some(service.access_url.as_str());
        let facts = [
            ("standardID", service.standard_id.as_deref()),
            ("accessURL", address),
            ("contentType", service.content_type.as_deref()),
        ];
        for (name, value) in facts {
            let Some(value) = value else { continue };
            let fact = Param { value: value.into(), description: None, ..Param::text(name, "") };
            self.write_param(&fact, out);
        }
        out.extend_from_slice(b"<GROUP name=\"inputParams\">\n");
        for param in &service.params {
            self.write_param(param, out);
        }
        out.extend_from_slice(b"</GROUP>\n</RESOURCE>\n");
    }

    fn write_param(&self, param: &Param, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<PARAM");
        xml::attribute("name", &param.name, out);
        xml::attribute("datatype", param.datatype.name(), out);
        xml::optional_attribute("arraysize", param.datatype.is_text().then_some("*"), out);
        xml::attribute("value", &param.value, out);
        let position = param.column.as_ref().and_then(|name| self.fields.iter().position(|field| field.name == *name));
        xml::optional_attribute("ref", position.and_then(|at| self.ids.get(&at)).map(String::as_str), out);
        out.extend_from_slice(b">");
        xml::description(param.description.as_deref(), out);
        write_values(&param.values, out);
        out.extend_from_slice(b"</PARAM>\n");
    }
}

fn write_values(values: &Values, out: &mut Vec<u8>) {
    let elements: Vec<(&str, &String)> = match values {
        Values::Any => return,
        Values::OneOf(options) => options.iter().map(|option| ("OPTION", option)).collect(),
        Values::Between(least, most) => vec![("MIN", least), ("MAX", most)],
    };
    out.extend_from_slice(b"<VALUES>");
    for (element, value) in elements {
        out.push(b'<');
        out.extend_from_slice(element.as_bytes());
        xml::attribute("value", value, out);
        out.extend_from_slice(b"/>");
    }
    out.extend_from_slice(b"</VALUES>");
}

/// The XML declaration, VOTABLE and the results RESOURCE. The namespace of version 1.4 ends in v1.3 (VOTable 1.4 appendix B).
pub(super) fn open(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
          <VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n\
          <RESOURCE type=\"results\">\n",
    );
}

/// INFO `QUERY_STATUS` = `ERROR` with the message.
pub(crate) fn error_info(message: &str, out: &mut Vec<u8>) {
    status_info("ERROR", message, out);
}

fn status_info(status: &str, message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<INFO name=\"QUERY_STATUS\"");
    xml::attribute("value", status, out);
    out.push(b'>');
    xml::text(message, out);
    out.extend_from_slice(b"</INFO>\n");
}

fn write_field(field: &VoField, id: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<FIELD");
    xml::optional_attribute("ID", id, out);
    xml::attribute("name", &field.name, out);
    xml::attribute("datatype", field.datatype.name(), out);
    let attributes = [
        ("arraysize", &field.arraysize),
        ("unit", &field.unit),
        ("ucd", &field.ucd),
        ("utype", &field.utype),
        ("xtype", &field.xtype),
    ];
    for (name, value) in attributes {
        xml::optional_attribute(name, value.as_deref(), out);
    }
    if field.description.is_none() && field.null_element.is_none() {
        out.extend_from_slice(b"/>\n");
        return;
    }
    out.push(b'>');
    xml::description(field.description.as_deref(), out);
    if let Some(null) = field.null_element {
        out.extend_from_slice(b"<VALUES null=\"");
        literal::integer(null, out);
        out.extend_from_slice(b"\"/>");
    }
    out.extend_from_slice(b"</FIELD>\n");
}

/// The columns a service takes values from.
fn referenced(service: &ServiceDescriptor) -> impl Iterator<Item = &String> {
    service.params.iter().filter_map(|param| param.column.as_ref())
}

/// An XML ID for a column: its name if that is an XML name and free, since some readers name columns by ID.
fn free_id(name: &str, at: usize, taken: &HashSet<String>) -> String {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_xml_name = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if is_xml_name && !taken.contains(name) {
        return name.to_owned();
    }
    let mut id = format!("column_{at}");
    while taken.contains(&id) {
        id.push('_');
    }
    id
}
