//! Where jobs of one kind are made and told of.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{Extension, FromRequestParts};
use axum::http::Response;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect};
use spolia_queue::{CUT, Job, QueueError, TABLE_UPDATE, TAP_QUERY};

use crate::fault::Fault;
use crate::service::Service;
use crate::visitor::Visitor;

/// The kinds of jobs that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobKind {
    Query,
    Cut,
    TableUpdate,
}

impl JobKind {
    /// Its name in the job table.
    pub(super) fn name(self) -> &'static str {
        match self {
            JobKind::Query => TAP_QUERY,
            JobKind::Cut => CUT,
            JobKind::TableUpdate => TABLE_UPDATE,
        }
    }

    /// Where jobs of the kind are.
    pub(crate) fn path(self) -> &'static str {
        match self {
            JobKind::Query => "/tap/async",
            JobKind::Cut => "/datalink/gaiamerger/async",
            JobKind::TableUpdate => "/tap/table-update",
        }
    }
}

/// The jobs of one kind, as whoever asks may see them.
pub(super) struct Desk {
    pub(super) service: Service,
    pub(super) kind: JobKind,
}

impl FromRequestParts<Service> for Desk {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &Service) -> Result<Self, Infallible> {
        let Visitor(service) = Visitor::from_request_parts(parts, state).await?;
        let kind = Extension::<JobKind>::from_request_parts(parts, state).await;
        Ok(Self { service, kind: kind.map_or(JobKind::Query, |Extension(kind)| kind) })
    }
}

impl Desk {
    /// The address of the list of jobs, or of something below it.
    pub(super) fn address(&self, below: &str) -> String {
        format!("{}{}{below}", self.service.base_url, self.kind.path())
    }

    /// See other: the job. UWS 1.1 section 2.2.3.
    pub(super) fn to_job(&self, job_id: &str) -> Response<Body> {
        Redirect::to(&self.address(&format!("/{job_id}"))).into_response()
    }

    /// The job of that id, which is whoever's it is, or anybody's who knows its id where it was made without a name. Somebody else's is not
    /// told from one that is not there.
    pub(super) async fn own_job(&self, job_id: &str) -> Result<Job, Fault> {
        let job = self.service.jobs.table.get(job_id).await?;
        let who = self.service.archive.who();
        let is_own = job.owner.is_none() || job.owner.as_deref() == who.name();
        match job.spec.kind() == self.kind.name() && is_own {
            true => Ok(job),
            false => Err(QueueError::NotFound(job_id.to_owned()).into()),
        }
    }
}
