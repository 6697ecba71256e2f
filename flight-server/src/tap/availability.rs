//! `/tap/availability`. VOSI 1.1 section 5.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use chrono::SecondsFormat;

use crate::health;
use crate::service::Service;
use crate::xml;

/// Whether queries can be answered: they can while the control node is up, and a note names other nodes that are not.
pub(crate) async fn availability(State(service): State<Service>) -> Response<Body> {
    let health = health::check(&service).await;
    let up_since = service.up_since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let document = xml::respond(|xml| {
        xml.create_element("vosi:availability")
            .with_attribute(("xmlns:vosi", "http://www.ivoa.net/xml/VOSIAvailability/v1.0"))
            .write_inner_content(|xml| {
                xml::text(xml, "vosi:available", if health.answers() { "true" } else { "false" })?;
                xml::text(xml, "vosi:upSince", &up_since)?;
                health.faults().iter().try_for_each(|fault| xml::text(xml, "vosi:note", fault))
            })?;
        Ok(())
    });
    document.unwrap_or_else(|fault| fault.text())
}
