//! A record in Dublin Core: what VOResource's elements are as terms of that. VOResource 1.1 section 3.1, DCMES 1.1.

use std::io;

use super::datestamp::written;
use super::format::Format;
use super::resource::Resource;
use crate::xml::{self, Xml};

/// The namespaces that the first element declares.
const NAMESPACES: [(&str, &str); 3] = [
    ("xmlns:oai_dc", "http://www.openarchives.org/OAI/2.0/oai_dc/"),
    ("xmlns:dc", "http://purl.org/dc/elements/1.1/"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// The record, from its first element on.
pub(super) fn write(xml: &mut Xml, resource: &Resource<'_>) -> io::Result<()> {
    let location = format!("{} {}", Format::DublinCore.namespace(), Format::DublinCore.schema());
    let root = NAMESPACES.into_iter().chain([("xsi:schemaLocation", location.as_str())]);
    xml.create_element("oai_dc:dc").with_attributes(root).write_inner_content(|xml| terms(xml, resource))?;
    Ok(())
}

fn terms(xml: &mut Xml, resource: &Resource<'_>) -> io::Result<()> {
    let all = |xml: &mut Xml, term: &str, values: &[String]| {
        values.iter().try_for_each(|value| xml::text(xml, &format!("dc:{term}"), value))
    };
    let one = |xml: &mut Xml, term: &str, value: Option<String>| all(xml, term, value.as_slice());
    xml::text(xml, "dc:title", &resource.title)?;
    all(xml, "creator", &resource.creators)?;
    all(xml, "subject", &resource.subjects)?;
    xml::text(xml, "dc:description", &resource.description)?;
    xml::text(xml, "dc:publisher", &resource.settings.publisher)?;
    resource.dates.iter().try_for_each(|(_, date)| xml::text(xml, "dc:date", &written(*date)))?;
    xml::text(xml, "dc:type", resource.content_type)?;
    xml::text(xml, "dc:identifier", &resource.identifier)?;
    one(xml, "identifier", resource.doi.as_ref().map(|doi| format!("doi:{doi}")))?;
    xml::text(xml, "dc:identifier", &resource.reference_url)?;
    one(xml, "source", resource.bibcode.as_ref().map(|bibcode| format!("bibcode:{bibcode}")))?;
    resource.relationships.iter().try_for_each(|other| xml::text(xml, "dc:relation", &other.identifier))?;
    one(xml, "rights", resource.rights.clone())?;
    one(xml, "rights", resource.rights_url.clone())
}
