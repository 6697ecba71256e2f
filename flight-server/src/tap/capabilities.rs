//! `/tap/capabilities`: what the service can do. VOSI 1.1 section 4, TAPRegExt 1.0.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use spolia_adql::FeatureType;
use spolia_catalogue::Collection;
use spolia_exec::Act;
use spolia_formats::Format;

use crate::datalink::{LINKS_CONTENT_TYPE, LINKS_STANDARD};
use crate::fault::Fault;
use crate::service::Service;
use crate::settings::ServerSettings;
use crate::xml::{self, Xml};

/// The namespace of the first element.
const VOSI: (&str, &str) = ("xmlns:vosi", "http://www.ivoa.net/xml/VOSICapabilities/v1.0");
/// The namespaces that capabilities use, which an element around them declares.
pub(crate) const NAMESPACES: [(&str, &str); 4] = [
    ("xmlns:tr", "http://www.ivoa.net/xml/TAPRegExt/v1.0"),
    ("xmlns:vr", "http://www.ivoa.net/xml/VOResource/v1.0"),
    ("xmlns:vs", "http://www.ivoa.net/xml/VODataService/v1.1"),
    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];
/// The ways to be known at the doors; none is one of them. IVOA SSO 2.0 section 2.
const SECURITY_METHODS: [Option<&str>; 3] =
    [None, Some("ivo://ivoa.net/sso#BasicAA"), Some("ivo://ivoa.net/sso#OAuth")];
/// The data model of `ivoa.obscore`.
const OBSCORE: &str = "ivo://ivoa.net/std/ObsCore#core-1.1";

/// The capabilities document.
pub(crate) async fn capabilities(State(service): State<Service>) -> Response<Body> {
    let document = async {
        let products = service.archive.collections(Act::Query).await?.iter().any(Collection::has_products);
        xml::respond(|xml| document(xml, Offer::of(&service, products)))
    };
    document.await.unwrap_or_else(|fault: Fault| fault.text())
}

/// What there is to be told of.
#[derive(Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) base_url: &'a str,
    pub(crate) settings: &'a ServerSettings,
    /// Whether there is `ivoa.obscore`.
    pub(crate) products: bool,
    /// Whether users may keep tables.
    pub(crate) user_tables: bool,
}

impl<'a> Offer<'a> {
    /// What a service offers.
    pub(crate) fn of(service: &'a Service, products: bool) -> Self {
        let user_tables = service.archive.user_table_settings().quota_mb > 0;
        Self { base_url: &service.base_url, settings: &service.settings, products, user_tables }
    }
}

fn document(xml: &mut Xml, offer: Offer<'_>) -> io::Result<()> {
    let namespaces = [VOSI].into_iter().chain(NAMESPACES);
    xml.create_element("vosi:capabilities")
        .with_attributes(namespaces)
        .write_inner_content(|xml| write_with(xml, offer, &SECURITY_METHODS))?;
    Ok(())
}

/// What the service can do, a `capability` element each, as its registry record has it: as `/tap/capabilities` has it, but for the ways to be
/// known. TAP 1.1 section 2.4 has them all in one interface, VOResource's schema one at most in each, and registries would list the same
/// address once for each interface; so a record says no more than that everybody may ask.
pub(crate) fn write(xml: &mut Xml, offer: Offer<'_>) -> io::Result<()> {
    write_with(xml, offer, &[])
}

fn write_with(xml: &mut Xml, offer: Offer<'_>, security_methods: &[Option<&str>]) -> io::Result<()> {
    let base_url = offer.base_url;
    let vosi = [
        ("ivo://ivoa.net/std/VOSI#capabilities", "capabilities"),
        ("ivo://ivoa.net/std/VOSI#availability", "availability"),
        ("ivo://ivoa.net/std/VOSI#tables-1.1", "tables"),
    ];
    tap(xml, offer, security_methods)?;
    for (standard, resource) in vosi {
        capability(xml, standard, |xml| {
            // What there is to be seen of tables, and to be done with them, depends on who asks.
            let (version, methods) = if resource == "tables" { ("1.1", security_methods) } else { ("1.0", &[][..]) };
            interface(xml, "vs:ParamHTTP", version, "full", &format!("{base_url}/tap/{resource}"), methods)
        })?;
    }
    if offer.user_tables {
        // Proposals for TAP 1.2, by the names that youcat's clients know; those with a token look for what may be used without a name, too.
        for (standard, resource) in [("table-load-sync-1.x", "load"), ("table-update-async-1.x", "table-update")] {
            capability(xml, &format!("ivo://ivoa.net/std/VOSI#{standard}"), |xml| {
                interface(xml, "vs:ParamHTTP", "1.0", "base", &format!("{base_url}/tap/{resource}"), security_methods)
            })?;
        }
    }
    capability(xml, "ivo://ivoa.net/std/DALI#examples", |xml| {
        interface(xml, "vr:WebBrowser", "1.0", "full", &format!("{base_url}/tap/examples"), &[])
    })?;
    links(xml, base_url)
}

/// That a collection can be queried by a TAP service which has a record of its own. Discovering Data Collections Within Services 1.1
/// section 3.
pub(crate) fn write_auxiliary(xml: &mut Xml, base_url: &str) -> io::Result<()> {
    capability(xml, "ivo://ivoa.net/std/TAP#aux", |xml| query_interface(xml, base_url, &[]))
}

fn capability(xml: &mut Xml, standard: &str, content: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
    xml.create_element("capability").with_attribute(("standardID", standard)).write_inner_content(content)?;
    Ok(())
}

fn interface(
    xml: &mut Xml,
    kind: &str,
    version: &str,
    usage: &str,
    url: &str,
    security_methods: &[Option<&str>],
) -> io::Result<()> {
    let attributes = [("xsi:type", kind), ("role", "std"), ("version", version)];
    xml.create_element("interface").with_attributes(attributes).write_inner_content(|xml| {
        access_url(xml, usage, url)?;
        security_methods.iter().try_for_each(|method| security_method(xml, *method))
    })?;
    Ok(())
}

fn access_url(xml: &mut Xml, usage: &str, url: &str) -> io::Result<()> {
    let text = quick_xml::events::BytesText::new(url);
    xml.create_element("accessURL").with_attribute(("use", usage)).write_text_content(text)?;
    Ok(())
}

fn tap(xml: &mut Xml, offer: Offer<'_>, security_methods: &[Option<&str>]) -> io::Result<()> {
    let Offer { base_url, settings, products, .. } = offer;
    let attributes = [("standardID", "ivo://ivoa.net/std/TAP"), ("xsi:type", "tr:TableAccess")];
    xml.create_element("capability").with_attributes(attributes).write_inner_content(|xml| {
        query_interface(xml, base_url, security_methods)?;
        if products {
            let text = quick_xml::events::BytesText::new("ObsCore-1.1");
            xml.create_element("dataModel").with_attribute(("ivo-id", OBSCORE)).write_text_content(text)?;
        }
        language(xml)?;
        Format::all().iter().try_for_each(|format| output_format(xml, *format))?;
        upload_methods(settings).into_iter().try_for_each(|method| {
            let id = format!("ivo://ivoa.net/std/TAPRegExt#upload-{method}");
            xml.create_element("uploadMethod").with_attribute(("ivo-id", id.as_str())).write_empty()?;
            Ok::<_, io::Error>(())
        })?;
        let kept_s = u64::from(settings.destruction_days) * 86_400;
        limits(xml, "retentionPeriod", &[("default", None, kept_s), ("hard", None, kept_s)])?;
        let duration_s = u64::from(settings.execution_duration_s);
        limits(xml, "executionDuration", &[("default", None, duration_s), ("hard", None, duration_s)])?;
        let (row, byte) = (Some("row"), Some("byte"));
        let (default, hard) = (settings.maxrec_default as u64, settings.maxrec_hard as u64);
        limits(xml, "outputLimit", &[("default", row, default), ("hard", row, hard)])?;
        limits(xml, "uploadLimit", &[("hard", byte, (settings.upload_mb as u64) << 20)])
    })?;
    Ok(())
}

/// Where queries go. TAP 1.1 section 2.4.
fn query_interface(xml: &mut Xml, base_url: &str, security_methods: &[Option<&str>]) -> io::Result<()> {
    interface(xml, "vs:ParamHTTP", "1.1", "base", &format!("{base_url}/tap"), security_methods)
}

/// The ways in which tables can be uploaded, by the ends of their ids. TAPRegExt 1.0 section 2.5.
fn upload_methods(settings: &ServerSettings) -> Vec<&'static str> {
    let fetched = ["http", "https"].into_iter().filter(|_| settings.upload_urls);
    ["inline"].into_iter().chain(fetched).collect()
}

/// How to be known, or not: an interface may be used without a name. VOResource 1.1 section 3.2.2.
fn security_method(xml: &mut Xml, id: Option<&str>) -> io::Result<()> {
    let element = xml.create_element("securityMethod");
    let element = match id {
        Some(id) => element.with_attribute(("standardID", id)),
        None => element,
    };
    element.write_empty()?;
    Ok(())
}

/// Bounds, with their units.
fn limits(xml: &mut Xml, name: &str, bounds: &[(&str, Option<&str>, u64)]) -> io::Result<()> {
    xml.create_element(name).write_inner_content(|xml| {
        bounds.iter().try_for_each(|(name, unit, bound)| {
            let element = xml.create_element(*name);
            let element = match unit {
                Some(unit) => element.with_attribute(("unit", *unit)),
                None => element,
            };
            element.write_text_content(quick_xml::events::BytesText::new(&bound.to_string()))?;
            Ok(())
        })
    })?;
    Ok(())
}

fn language(xml: &mut Xml) -> io::Result<()> {
    xml.create_element("language").write_inner_content(|xml| {
        xml::text(xml, "name", "ADQL")?;
        for version in ["2.1", "2.0"] {
            let id = format!("ivo://ivoa.net/std/ADQL#v{version}");
            let text = quick_xml::events::BytesText::new(version);
            xml.create_element("version").with_attribute(("ivo-id", id.as_str())).write_text_content(text)?;
        }
        xml::text(xml, "description", "ADQL 2.1, checked against its grammar; geometry is in ICRS degrees")?;
        FeatureType::ALL.into_iter().try_for_each(|group| features(xml, group))
    })?;
    Ok(())
}

/// A group of optional features, each with its form and what it does.
fn features(xml: &mut Xml, group: FeatureType) -> io::Result<()> {
    let element = xml.create_element("languageFeatures").with_attribute(("type", group.id()));
    element.write_inner_content(|xml| {
        group.features().try_for_each(|feature| {
            xml.create_element("feature").write_inner_content(|xml| {
                xml::text(xml, "form", feature.form)?;
                if feature.description.is_empty() { Ok(()) } else { xml::text(xml, "description", feature.description) }
            })?;
            Ok(())
        })
    })?;
    Ok(())
}

fn output_format(xml: &mut Xml, format: Format) -> io::Result<()> {
    let known = match format {
        Format::VotableTabledata => Some("ivo://ivoa.net/std/TAPRegExt#output-votable-td"),
        Format::VotableBinary => Some("ivo://ivoa.net/std/TAPRegExt#output-votable-binary"),
        Format::VotableBinary2 => Some("ivo://ivoa.net/std/TAPRegExt#output-votable-binary2"),
        _ => None,
    };
    let element = xml.create_element("outputFormat");
    let element = match known {
        Some(id) => element.with_attribute(("ivo-id", id)),
        None => element,
    };
    element.write_inner_content(|xml| {
        xml::text(xml, "mime", format.content_type())?;
        format.aliases().iter().try_for_each(|alias| xml::text(xml, "alias", alias))
    })?;
    Ok(())
}

/// The DataLink service. DataLink 1.1 section 2.2.
fn links(xml: &mut Xml, base_url: &str) -> io::Result<()> {
    capability(xml, LINKS_STANDARD, |xml| {
        let attributes = [("xsi:type", "vs:ParamHTTP"), ("role", "std"), ("version", "1.1")];
        xml.create_element("interface").with_attributes(attributes).write_inner_content(|xml| {
            access_url(xml, "base", &format!("{base_url}/datalink/links"))?;
            xml::text(xml, "queryType", "GET")?;
            xml::text(xml, "queryType", "POST")?;
            xml::text(xml, "resultType", LINKS_CONTENT_TYPE)?;
            let attributes = [("std", "true"), ("use", "required")];
            xml.create_element("param").with_attributes(attributes).write_inner_content(|xml| {
                xml::text(xml, "name", "ID")?;
                xml::text(xml, "description", "A row's access_url, or the id in it")?;
                xml::text(xml, "ucd", "meta.id;meta.main")?;
                xml::text(xml, "dataType", "string")
            })?;
            Ok(())
        })?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_what_the_service_does() {
        let settings = ServerSettings { maxrec_default: 7, maxrec_hard: 70, ..ServerSettings::default() };
        let offer = Offer { base_url: "http://localhost:1", settings: &settings, products: true, user_tables: true };
        let written = xml::document(|xml| document(xml, offer)).unwrap();
        let written = String::from_utf8(written).unwrap();
        for part in [
            "<capability standardID=\"ivo://ivoa.net/std/TAP\" xsi:type=\"tr:TableAccess\">",
            "<accessURL use=\"base\">http://localhost:1/tap</accessURL>",
            "<version ivo-id=\"ivo://ivoa.net/std/ADQL#v2.1\">2.1</version>",
            "<form>CONTAINS</form>",
            "<languageFeatures type=\"ivo://ivoa.net/std/TAPRegExt#features-adql-unit\">",
            "<form>IN_UNIT</form>",
            "<form>ivo_to_jd(d TIMESTAMP) -&gt; DOUBLE</form>",
            "<description>A timestamp as a Julian date</description>",
            "<mime>application/x-votable+xml;serialization=BINARY2</mime>",
            "<alias>votable/td</alias>",
            "<default unit=\"row\">7</default>",
            "<hard unit=\"row\">70</hard>",
            "<accessURL use=\"full\">http://localhost:1/tap/examples</accessURL>",
            "<accessURL use=\"base\">http://localhost:1/tap/load</accessURL>",
            "<capability standardID=\"ivo://ivoa.net/std/DataLink#links-1.1\">",
        ] {
            assert!(written.contains(part), "{part} is not in\n{written}");
        }
        // At TAP, at its tables, and at both ways to change these.
        assert_eq!(written.matches("<securityMethod").count(), 4 * SECURITY_METHODS.len());
        assert_eq!(written.matches("standardID=\"ivo://ivoa.net/std/TAP\"").count(), 1);
        let record = xml::fragment(|xml| write(xml, offer)).unwrap();
        let written = String::from_utf8(record).unwrap();
        assert!(written.contains("<form>CONTAINS</form>") && !written.contains("securityMethod"), "{written}");
    }
}
