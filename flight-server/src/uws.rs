//! Jobs as UWS 1.1 has them, under `/tap/async`.

mod create;
mod document;
mod job;
mod list;
mod parameters;
mod result;
mod time;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, put};
use spolia_queue::{Job, QueueError};

use crate::fault::{Fault, Kind};
use crate::service::Service;

/// The resources below `/tap/async`. UWS 1.1 section 2.2.1.
pub(crate) fn routes() -> Router<Service> {
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
}

/// The address of the list of jobs, or of something below it.
fn address(service: &Service, below: &str) -> String {
    format!("{}/tap/async{below}", service.base_url)
}

/// See other: the job. UWS 1.1 section 2.2.3.
fn to_job(service: &Service, job_id: &str) -> Response<Body> {
    Redirect::to(&address(service, &format!("/{job_id}"))).into_response()
}

fn plain(text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=utf-8"));
    response
}

/// The job of that id, which is whoever's it is, or anybody's who knows its id where it was made without a name.
async fn own_job(service: &Service, job_id: &str) -> Result<Job, Fault> {
    let job = service.jobs.table.get(job_id).await?;
    let who = service.archive.who();
    match (job.owner.as_deref(), who.name()) {
        (None, _) => Ok(job),
        (owner, name) if owner == name => Ok(job),
        (_, None) => Err(Fault::unauthorized("this job has an owner; say who you are")),
        (_, Some(name)) => Err(Fault::forbidden(format!("this job is not one of {name}'s"))),
    }
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
