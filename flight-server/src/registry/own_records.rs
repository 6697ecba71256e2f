//! The records of the registry itself and of its naming authority. Registry Interfaces 1.1 section 3.

use std::io;

use quick_xml::events::BytesText;

use super::resource::Resource;
use super::settings::RegistrySettings;
use crate::xml::{self, Xml};

/// The key of the registry's identifier.
pub(super) const REGISTRY_KEY: &str = "registry";

/// The registry.
pub(super) fn registry<'a>(settings: &'a RegistrySettings, base_url: &str) -> Resource<'a> {
    Resource {
        title: format!("{}: publishing registry", settings.title),
        short_name: Some(format!("{} Reg", settings.short_name)),
        description: format!("The publishing registry of {}: records of its services and collections.", settings.title),
        subjects: vec!["virtual-observatories".to_owned()],
        content_type: "Registry",
        ..Resource::of(settings, base_url, "vg:Registry", REGISTRY_KEY)
    }
}

/// What only records of registries have: how to harvest from it.
pub(super) fn write_registry(
    xml: &mut Xml,
    resource: &Resource<'_>,
    settings: &RegistrySettings,
    base_url: &str,
) -> io::Result<()> {
    resource.write_rights(xml)?;
    let attributes = [("standardID", "ivo://ivoa.net/std/Registry"), ("xsi:type", "vg:Harvest")];
    xml.create_element("capability").with_attributes(attributes).write_inner_content(|xml| {
        let attributes = [("xsi:type", "vg:OAIHTTP"), ("role", "std"), ("version", "1.0")];
        xml.create_element("interface").with_attributes(attributes).write_inner_content(|xml| {
            let url = format!("{base_url}/oai");
            let element = xml.create_element("accessURL").with_attribute(("use", "base"));
            element.write_text_content(BytesText::new(&url))?;
            Ok(())
        })?;
        xml::text(xml, "maxRecords", &settings.page_records.min(i32::MAX as usize).to_string())
    })?;
    xml::text(xml, "full", "false")?;
    settings.authorities().try_for_each(|authority| xml::text(xml, "managedAuthority", &authority.to_ascii_lowercase()))
}

/// The naming authority.
pub(super) fn authority<'a>(settings: &'a RegistrySettings, base_url: &str) -> Resource<'a> {
    Resource {
        title: format!("{}: naming authority", settings.title),
        short_name: Some(format!("{} Auth", settings.short_name)),
        description: format!(
            "The naming authority {}, under which {} gives identifiers.",
            settings.authority, settings.publisher
        ),
        subjects: vec!["virtual-observatories".to_owned()],
        ..Resource::of(settings, base_url, "vg:Authority", "")
    }
}

/// What only records of authorities have.
pub(super) fn write_authority(xml: &mut Xml, settings: &RegistrySettings) -> io::Result<()> {
    let publisher = xml::allowed(&settings.publisher);
    let ivoid = settings.publisher_ivoid.as_deref().map(|ivoid| ("ivo-id", ivoid));
    xml.create_element("managingOrg").with_attributes(ivoid).write_text_content(BytesText::new(&publisher))?;
    Ok(())
}
