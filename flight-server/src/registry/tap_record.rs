//! The record of the TAP service. VODataService 1.2 section 3.1, TAPRegExt 1.0.

use std::collections::BTreeMap;
use std::io;

use spolia_adql::TapSchema;
use spolia_exec::Holdings;

use super::collection_record;
use super::resource::{Relationship, Resource};
use super::settings::RegistrySettings;
use crate::tap::{self, Detail, Offer};
use crate::xml::Xml;

/// The key of its identifier.
pub(super) const TAP_KEY: &str = "tap";

/// The service.
pub(super) fn tap<'a>(settings: &'a RegistrySettings, base_url: &str, holdings: &[Holdings]) -> Resource<'a> {
    let serves = |holdings: &Holdings| Relationship {
        kind: "IsServiceFor",
        identifier: collection_record::identifier_of(settings, &holdings.collection.name),
        title: collection_record::title(settings, &holdings.collection),
    };
    Resource {
        title: title(settings),
        short_name: Some(format!("{} TAP", settings.short_name)),
        description: format!(
            "{}\n\nThe tables are asked in ADQL 2.1. DataLink leads from each row to its object, cut out of its file, to the whole file, \
             and to what belongs to it.",
            settings.description
        ),
        content_type: "Archive",
        relationships: holdings.iter().map(serves).collect(),
        ..Resource::of(settings, base_url, "vs:CatalogService", TAP_KEY)
    }
}

/// What it is called.
pub(super) fn title(settings: &RegistrySettings) -> String {
    format!("{}: TAP service", settings.title)
}

/// What only records of such services have: what it can do, and its tables.
pub(super) fn write(
    xml: &mut Xml,
    resource: &Resource<'_>,
    offer: Offer<'_>,
    schema: &TapSchema,
    rows: &BTreeMap<String, u64>,
) -> io::Result<()> {
    resource.write_rights(xml)?;
    tap::write_capabilities(xml, offer)?;
    xml.create_element("tableset").write_inner_content(|xml| {
        let mut schemas = schema.schemas.iter();
        schemas.try_for_each(|part| tap::write_schema(xml, part, &schema.keys, Detail::Record(rows)))
    })?;
    Ok(())
}
