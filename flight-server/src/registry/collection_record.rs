//! The record of a collection: data that are queried by a service which has a record of its own. VODataService 1.2 section 3.1, Discovering
//! Data Collections Within Services 1.1.

use std::io;

use spolia_adql::TapSchema;
use spolia_catalogue::Collection;
use spolia_exec::Holdings;

use super::own_records::REGISTRY_KEY;
use super::resource::{Relationship, Resource, identifier};
use super::settings::{CollectionRecordSettings, RegistrySettings};
use super::tap_record::{self, TAP_KEY};
use crate::tap::{self, Detail};
use crate::xml::{self, Xml};

/// Letters of a short name at most. VOResource 1.1 section 3.1.1.
const SHORT_NAME_LENGTH: usize = 16;

/// The identifier of a collection: the authority and its name, with a word before names that services have.
pub(super) fn identifier_of(settings: &RegistrySettings, name: &str) -> String {
    match name {
        TAP_KEY | REGISTRY_KEY => identifier(settings, &format!("collection/{name}")),
        _ => identifier(settings, name),
    }
}

/// What a collection is called.
pub(super) fn title(settings: &RegistrySettings, collection: &Collection) -> String {
    let given = settings.collections.get(&collection.name).and_then(|said| said.title.clone());
    given.unwrap_or_else(|| format!("{}: {}", settings.title, collection.name))
}

/// The collection.
pub(super) fn collection<'a>(settings: &'a RegistrySettings, base_url: &str, holdings: &Holdings) -> Resource<'a> {
    let collection = &holdings.collection;
    let said = settings.collection(&collection.name);
    let archive = Resource::of(settings, base_url, "vs:CatalogResource", &collection.name);
    let or = |own: Vec<String>, other: Vec<String>| if own.is_empty() { other } else { own };
    let declared = Some(&collection.description).filter(|text| !text.trim().is_empty()).cloned();
    // A licence and its URL belong together.
    let (rights, rights_url) = match (said.rights, said.rights_url) {
        (None, None) => (archive.rights, archive.rights_url),
        own => own,
    };
    let short = Some(&collection.name).filter(|name| name.len() <= SHORT_NAME_LENGTH).cloned();
    Resource {
        identifier: identifier_of(settings, &collection.name),
        title: title(settings, collection),
        short_name: said.short_name.or(short),
        doi: said.doi,
        creators: or(said.creators, archive.creators),
        dates: vec![("Available", holdings.available), ("Updated", holdings.updated)],
        version: said.version,
        subjects: or(said.subjects, archive.subjects),
        description: said.description.or(declared).unwrap_or(archive.description),
        bibcode: said.bibcode,
        reference_url: said.reference_url.or(collection.reference_url.clone()).unwrap_or(archive.reference_url),
        content_type: "Catalog",
        relationships: vec![Relationship {
            kind: "IsServedBy",
            identifier: identifier(settings, TAP_KEY),
            title: tap_record::title(settings),
        }],
        rights,
        rights_url,
        ..archive
    }
}

/// What only records of collections have: that TAP serves it, where on the sky its rows are, and its tables.
pub(super) fn write(
    xml: &mut Xml,
    resource: &Resource<'_>,
    base_url: &str,
    holdings: &Holdings,
    schema: &TapSchema,
) -> io::Result<()> {
    let name = &holdings.collection.name;
    let said = resource.settings.collection(name);
    resource.write_rights(xml)?;
    tap::write_auxiliary(xml, base_url)?;
    said.facilities.iter().try_for_each(|facility| xml::text(xml, "facility", facility))?;
    said.instruments.iter().try_for_each(|instrument| xml::text(xml, "instrument", instrument))?;
    coverage(xml, holdings, &said)?;
    xml.create_element("tableset").write_inner_content(|xml| {
        let mut schemas = schema.schemas.iter().filter(|schema| schema.name == *name);
        schemas.try_for_each(|part| tap::write_schema(xml, part, &schema.keys, Detail::Record(&holdings.rows)))
    })?;
    Ok(())
}

fn coverage(xml: &mut Xml, holdings: &Holdings, said: &CollectionRecordSettings) -> io::Result<()> {
    if holdings.coverage.is_empty() && said.wavebands.is_empty() {
        return Ok(());
    }
    xml.create_element("coverage").write_inner_content(|xml| {
        xml::optional(xml, "spatial", Some(&holdings.coverage.moc_ascii()))?;
        said.wavebands.iter().try_for_each(|waveband| xml::text(xml, "waveband", waveband))
    })?;
    Ok(())
}
