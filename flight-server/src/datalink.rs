//! DataLink 1.1 and what its links lead to.

mod columns;
mod counterpart;
mod cut;
mod links;
mod rows;

use axum::Router;
use axum::routing::get;

use crate::service::Service;

pub(crate) use links::links;

/// The standard that the links endpoint follows.
pub(crate) const LINKS_STANDARD: &str = "ivo://ivoa.net/std/DataLink#links-1.1";
/// The media type of its answer. DataLink 1.1 section 3.1.
pub(crate) const LINKS_CONTENT_TYPE: &str = "application/x-votable+xml;content=datalink";

/// The resources below `/datalink`.
pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/links", get(links).post(links))
        .route("/gaiamerger", get(cut::cut).post(cut::cut))
        .route("/transits", get(counterpart::transits).post(counterpart::transits))
        .route("/sources", get(counterpart::sources).post(counterpart::sources))
}
