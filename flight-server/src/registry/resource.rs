//! What all records have in common, and how VOResource writes it. VOResource 1.1 section 3.1.

use std::io;

use chrono::{DateTime, Utc};
use quick_xml::events::BytesText;
use spolia_catalogue::RecordDates;

use super::datestamp::written;
use super::format::Format;
use super::settings::RegistrySettings;
use crate::tap;
use crate::xml::{self, Xml};

/// The version of VOResource that records follow.
const VERSION: &str = "1.1";
/// Namespaces of a record beside those that its capabilities use, and that of the first element.
const NAMESPACES: [(&str, &str); 2] =
    [("xmlns:ri", Format::VoResource.namespace()), ("xmlns:vg", "http://www.ivoa.net/xml/VORegistry/v1.0")];
/// Who records are for, of http://www.ivoa.net/rdf/voresource/content_level.
const CONTENT_LEVEL: &str = "Research";

/// How a resource is related to another one.
#[derive(Debug, Clone)]
pub(super) struct Relationship {
    /// A term of http://www.ivoa.net/rdf/voresource/relationship_type.
    pub(super) kind: &'static str,
    /// The other resource.
    pub(super) identifier: String,
    /// What that one is called.
    pub(super) title: String,
}

/// What all records have in common.
#[derive(Debug, Clone)]
pub(super) struct Resource<'a> {
    /// Who publishes it, and whom to ask.
    pub(super) settings: &'a RegistrySettings,
    /// The type of the record, with its prefix.
    pub(super) class: &'static str,
    pub(super) identifier: String,
    pub(super) title: String,
    pub(super) short_name: Option<String>,
    pub(super) doi: Option<String>,
    pub(super) creators: Vec<String>,
    /// Dates of what is described, with terms of http://www.ivoa.net/rdf/voresource/date_role.
    pub(super) dates: Vec<(&'static str, DateTime<Utc>)>,
    pub(super) version: Option<String>,
    pub(super) subjects: Vec<String>,
    pub(super) description: String,
    pub(super) bibcode: Option<String>,
    pub(super) reference_url: String,
    /// A term of http://www.ivoa.net/rdf/voresource/content_type.
    pub(super) content_type: &'static str,
    pub(super) relationships: Vec<Relationship>,
    pub(super) rights: Option<String>,
    pub(super) rights_url: Option<String>,
}

impl<'a> Resource<'a> {
    /// A resource of this archive: `ivo://<authority>/<key>`, described as the archive is.
    pub(super) fn of(settings: &'a RegistrySettings, base_url: &str, class: &'static str, key: &str) -> Self {
        Self {
            settings,
            class,
            identifier: identifier(settings, key),
            title: settings.title.clone(),
            short_name: None,
            doi: None,
            creators: settings.creators.clone(),
            dates: Vec::new(),
            version: None,
            subjects: settings.subjects.clone(),
            description: settings.description.clone(),
            bibcode: None,
            reference_url: settings.reference_url.clone().unwrap_or_else(|| format!("{base_url}/")),
            content_type: "Other",
            relationships: Vec::new(),
            rights: settings.rights.clone(),
            rights_url: settings.rights_url.clone(),
        }
    }

    /// Everything inside of the record's first element that records of all types have.
    pub(super) fn write(&self, xml: &mut Xml) -> io::Result<()> {
        xml::text(xml, "title", &self.title)?;
        xml::optional(xml, "shortName", self.short_name.as_deref())?;
        xml::text(xml, "identifier", &self.identifier)?;
        xml::optional(xml, "altIdentifier", self.doi.as_ref().map(|doi| format!("doi:{doi}")).as_deref())?;
        xml.create_element("curation").write_inner_content(|xml| self.curation(xml))?;
        xml.create_element("content").write_inner_content(|xml| self.content(xml))?;
        Ok(())
    }

    fn curation(&self, xml: &mut Xml) -> io::Result<()> {
        let ivoid = self.settings.publisher_ivoid.as_deref();
        named(xml, "publisher", ("ivo-id", ivoid), &self.settings.publisher)?;
        for (place, name) in self.creators.iter().enumerate() {
            xml.create_element("creator").write_inner_content(|xml| {
                xml::text(xml, "name", name)?;
                xml::optional(xml, "logo", self.settings.logo.as_deref().filter(|_| place == 0))
            })?;
        }
        for (role, date) in &self.dates {
            let text = written(*date);
            xml.create_element("date").with_attribute(("role", *role)).write_text_content(BytesText::new(&text))?;
        }
        xml::optional(xml, "version", self.version.as_deref())?;
        xml.create_element("contact").write_inner_content(|xml| {
            xml::text(xml, "name", &self.settings.contact_name)?;
            xml::text(xml, "email", &self.settings.contact_email)
        })?;
        Ok(())
    }

    fn content(&self, xml: &mut Xml) -> io::Result<()> {
        self.subjects.iter().try_for_each(|subject| xml::text(xml, "subject", subject))?;
        xml::text(xml, "description", &self.description)?;
        if let Some(bibcode) = &self.bibcode {
            named(xml, "source", ("format", Some("bibcode")), bibcode)?;
        }
        xml::text(xml, "referenceURL", &self.reference_url)?;
        xml::text(xml, "type", self.content_type)?;
        xml::text(xml, "contentLevel", CONTENT_LEVEL)?;
        self.relationships.iter().try_for_each(|other| {
            xml.create_element("relationship").write_inner_content(|xml| {
                xml::text(xml, "relationshipType", other.kind)?;
                named(xml, "relatedResource", ("ivo-id", Some(&other.identifier)), &other.title)
            })?;
            Ok(())
        })
    }

    /// Under which terms a service may be used: the first element that services have beyond other resources.
    pub(super) fn write_rights(&self, xml: &mut Xml) -> io::Result<()> {
        let text = self.rights.as_deref().or(self.rights_url.as_deref());
        text.map_or(Ok(()), |text| named(xml, "rights", ("rightsURI", self.rights_url.as_deref()), text))
    }
}

/// The identifier of a resource of this archive; that of its naming authority for an empty key. In lower case, since both cases are alike
/// and some compare them as texts. IVOA Identifiers 2.0 section 2.3.
pub(super) fn identifier(settings: &RegistrySettings, key: &str) -> String {
    let separator = if key.is_empty() { "" } else { "/" };
    format!("ivo://{}{separator}{key}", settings.authority.to_ascii_lowercase())
}

/// A text with an attribute, if there is one.
fn named(xml: &mut Xml, name: &str, attribute: (&str, Option<&str>), text: &str) -> io::Result<()> {
    let attributes = attribute.1.map(|value| (attribute.0, value));
    let text = xml::allowed(text);
    xml.create_element(name).with_attributes(attributes).write_text_content(BytesText::new(&text))?;
    Ok(())
}

/// The first element of a record, around what is in it already. Registry Interfaces 1.1 section 2.2.
pub(super) fn write_around(xml: &mut Xml, class: &str, content: &[u8], dates: &RecordDates) -> io::Result<()> {
    let namespaces: Vec<_> = NAMESPACES.into_iter().chain(tap::NAMESPACES).collect();
    // The IVOA's namespaces lead to their schemas.
    let schemas = namespaces.iter().map(|(_, namespace)| *namespace).filter(|name| name.contains("ivoa.net"));
    let locations = schemas.map(|namespace| format!("{namespace} {namespace}")).collect::<Vec<_>>().join(" ");
    let (created, updated) = (written(dates.created), written(dates.updated));
    let attributes = [
        ("xsi:type", class),
        ("created", &created),
        ("updated", &updated),
        ("status", "active"),
        ("version", VERSION),
        ("xsi:schemaLocation", &locations),
    ];
    let element = xml.create_element("ri:Resource").with_attributes(namespaces).with_attributes(attributes);
    element.write_inner_content(|xml| {
        xml.get_mut().push(b'\n');
        xml.get_mut().extend_from_slice(content);
        Ok(())
    })?;
    Ok(())
}
