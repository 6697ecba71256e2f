//! TAP 1.1 and what goes with it: VOSI 1.1, DALI examples, tables of users.

mod ask;
mod availability;
mod capabilities;
mod examples;
mod fetch;
mod job;
mod sync;
mod table_file;
mod table_update;
mod tables;
mod upload;
mod user_tables;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::service::Service;
use crate::uws::{self, JobKind};

pub(crate) use ask::{check, check_language, format, maxrec};
pub(crate) use capabilities::{NAMESPACES, Offer, write as write_capabilities, write_auxiliary};
pub(crate) use job::run_query;
pub(crate) use table_update::{check_update, run_update};
pub(crate) use tables::{Detail, write_schema};
pub(crate) use upload::{kept, uploaded};

/// The resources below `/tap`. TAP 1.1 section 2.
pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/", get(root))
        .route("/sync", get(sync::sync).post(sync::sync))
        .nest("/async", uws::routes(JobKind::Query))
        .route("/tables", get(tables::tables))
        .route(
            "/tables/{table}",
            get(tables::table).put(user_tables::put).post(user_tables::post).delete(user_tables::delete),
        )
        .route("/load/{table}", post(user_tables::load))
        .nest("/table-update", uws::routes(JobKind::TableUpdate))
        .route(tables::ESA_TAP_PLUS_PATH, get(tables::esa_tap_plus))
        .route("/capabilities", get(capabilities::capabilities))
        .route("/availability", get(availability::availability))
        .route("/examples", get(examples::examples))
}

/// The service as a whole, for people: the page says it.
async fn root() -> Redirect {
    Redirect::to("/")
}
