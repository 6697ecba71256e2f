//! Jobs as UWS 1.1 has them: queries under `/tap/async`, cuts under `/datalink/gaiamerger/async`, changes of users' tables under
//! `/tap/table-update`.

mod create;
mod desk;
mod document;
mod job;
mod list;
mod parameters;
mod result;
mod time;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::{HeaderValue, Response, header};
use axum::routing::{get, put};
use spolia_queue::QueueError;

use desk::Desk;
pub(crate) use desk::JobKind;
pub(crate) use time::{instant, written};

use crate::fault::{Fault, Kind};
use crate::service::Service;

/// The resources below the list of jobs of a kind. UWS 1.1 section 2.2.1.
pub(crate) fn routes(kind: JobKind) -> Router<Service> {
    Router::new()
        .route("/", get(list::list).post(create::create))
        .route("/{job}", get(job::job).post(job::change).delete(job::delete))
        .route("/{job}/phase", get(job::phase).post(job::set_phase))
        .route("/{job}/executionduration", get(job::execution_duration).post(job::set_execution_duration))
        .route("/{job}/destruction", get(job::destruction).post(job::set_destruction))
        .route("/{job}/quote", get(job::quote))
        .route("/{job}/owner", get(job::owner))
        .route("/{job}/error", get(result::error))
        .route("/{job}/parameters", get(parameters::all).post(parameters::post))
        .route("/{job}/parameters/{name}", put(parameters::put).get(parameters::one))
        .route("/{job}/results", get(result::results))
        .route("/{job}/results/{id}", get(result::result))
        .layer(Extension(kind))
}

fn plain(text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=utf-8"));
    response
}

impl From<QueueError> for Fault {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NotFound(_) => Self::not_found(error.to_string()),
            QueueError::Phase { .. } | QueueError::Quota { .. } => Self::forbidden(error.to_string()),
            QueueError::Catalogue(error) => spolia_exec::ExecError::from(error).into(),
            QueueError::Statement { .. } => {
                tracing::error!(?error, "request failed");
                Self { kind: Kind::Unavailable, message: error.to_string() }
            }
            error => Self::internal("read the job", &error),
        }
    }
}
