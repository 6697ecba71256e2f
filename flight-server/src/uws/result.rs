//! What came out of a job. UWS 1.1 section 2.1.10, TAP 1.1 section 2.2.

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{Method, Response};

use super::{Desk, document};
use crate::answer::overflow_header;
use crate::delivery::{Artefact, Asked, Source, deliver};
use crate::door::Door;
use crate::fault::{Fault, Kind};
use crate::jobs::file_in;

/// The results of a job.
pub(super) async fn results(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    let answered = async { document::results(&desk, &desk.own_job(&job_id).await?) };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// Why a job failed or was ended, as a VOTable document like that of a synchronous query.
pub(super) async fn error(desk: Desk, Path(job_id): Path<String>) -> Response<Body> {
    let answered = async {
        let job = desk.own_job(&job_id).await?;
        let nothing = || Fault::not_found(format!("the job is {}; it has no error", job.phase));
        let error = job.error.as_ref().ok_or_else(nothing)?;
        Ok(Fault { kind: Kind::Internal, message: error.message.clone() }.document())
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

/// A result: the whole, or a range of it.
pub(super) async fn result(desk: Desk, Path((job_id, id)): Path<(String, String)>, request: Request) -> Response<Body> {
    let asked = Asked { headers: request.headers().clone(), head: request.method() == Method::HEAD };
    let answered = async {
        let record = desk.service.begin("result", Door::Job, &job_id);
        let place = desk.service.downloads.enter().await?;
        match artefact(&desk, &job_id, &id).await {
            Ok(artefact) => deliver(&desk.service, &asked, artefact, record, place).await,
            Err(fault) => {
                record.fail(&fault.message);
                Err(fault)
            }
        }
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.votable())
}

async fn artefact(desk: &Desk, job_id: &str, id: &str) -> Result<Artefact, Fault> {
    let job = desk.own_job(job_id).await?;
    let found = job.results.iter().find(|result| result.id == id);
    let result = found.ok_or_else(|| Fault::not_found(format!("the job is {}; it has no result {id}", job.phase)))?;
    let path = file_in(&desk.service.jobs.folder(job_id), &result.file);
    let path = path.ok_or_else(|| Fault::internal("find the result", &result.file))?;
    let opened = tokio::fs::File::open(&path).await;
    Ok(Artefact {
        source: Source::Local(opened.map_err(|error| Fault::internal("open the result", &error))?),
        size: result.size,
        etag: format!("{job_id}-{id}-{}", job.attempts),
        content_type: result.content_type.clone().into(),
        file_name: result.file.clone(),
        headers: result.overflow.into_iter().map(overflow_header).collect(),
    })
}
