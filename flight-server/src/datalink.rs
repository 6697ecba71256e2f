//! DataLink 1.1 and what its links lead to.

mod choice;
mod columns;
mod counterpart;
mod cut;
mod cut_job;
mod identifier;
mod links;
mod plot;
mod preview;
mod row_links;
mod rows;
mod selections;
mod services;

use axum::Router;
use axum::routing::{get, post};

use crate::service::Service;
use crate::uws::{self, JobKind};

pub(crate) use cut_job::{check as check_cut, hand_over, keep_rows, run_cut, spec as cut_spec};
pub(crate) use links::links;
pub(crate) use services::{
    Ids, cut as cut_service, cut_job as cut_job_service, cut_query as cut_query_service, links as links_service,
};

/// The standard that the links endpoint follows.
pub(crate) const LINKS_STANDARD: &str = "ivo://ivoa.net/std/DataLink#links-1.1";
/// The media type of its answer. DataLink 1.1 section 3.1.
pub(crate) const LINKS_CONTENT_TYPE: &str = "application/x-votable+xml;content=datalink";
/// The media type of a merged file.
const HDF5: &str = "application/x-hdf5";

/// The resources below `/datalink`.
pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/links", get(links).post(links))
        .route("/gaiamerger", get(cut::cut).post(cut::cut))
        .nest("/gaiamerger/async", uws::routes(JobKind::Cut))
        .route("/selections", post(selections::keep))
        .route("/selections/{id}", get(selections::tell).delete(selections::forget))
        .route("/preview", get(preview::preview))
        .route("/transits", get(counterpart::transits).post(counterpart::transits))
        .route("/sources", get(counterpart::sources).post(counterpart::sources))
}
