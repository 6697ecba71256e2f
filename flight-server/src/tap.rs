//! TAP 1.1 and what goes with it: VOSI 1.1, DALI examples.

mod availability;
mod capabilities;
mod examples;
mod sync;
mod tables;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::response::Redirect;
use axum::routing::{any, get};

use crate::fault::Fault;
use crate::service::Service;

pub(crate) use sync::{format, maxrec};

/// The resources below `/tap`. TAP 1.1 section 2.
pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/", get(root))
        .route("/sync", get(sync::sync).post(sync::sync))
        .route("/async", any(no_async))
        .route("/async/{*job}", any(no_async))
        .route("/tables", get(tables::tables))
        .route("/tables/{table}", get(tables::table))
        .route("/capabilities", get(capabilities::capabilities))
        .route("/availability", get(availability::availability))
        .route("/examples", get(examples::examples))
}

/// The service as a whole, for people: the page says it.
async fn root() -> Redirect {
    Redirect::to("/")
}

async fn no_async(_: Request) -> Response<Body> {
    Fault::not_offered("asynchronous queries are not offered by this service; send the query to /tap/sync").votable()
}
