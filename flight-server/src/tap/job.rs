//! A query as a job: its answer becomes a file in the job's folder.

use std::collections::BTreeMap;

use spolia_queue::{Inputs, Job, JobResult};

use super::ask::ask;
use super::sync::note_run;
use super::upload::kept;
use crate::answer::answer_into;
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::pump::Poured;
use crate::service::Service;

/// The name of a query's only result. TAP 1.1 section 2.2.
const RESULT: &str = "result";

/// Answers a job's query, as whoever made the job may see the archive.
///
/// # Errors
/// [`Fault`] for what failed.
pub(crate) async fn run_query(service: &Service, job: &Job, query: &Inputs) -> Result<JobResult, Fault> {
    let service = service.of_job(job);
    let parameters = Parameters::of(query.parameters.iter().cloned());
    let mut record = service.begin("query", Door::Job, parameters.one("QUERY")?.unwrap_or_default());
    record.note("job", job.job_id.as_str());
    note_run(&mut record, &parameters);
    let failed = |error: std::io::Error| Fault::internal("keep the result", &error);
    let prepared = async {
        let folder = service.jobs.make_folder(&job.job_id).await.map_err(failed)?;
        let uploads = kept(folder.clone(), query.uploads.clone()).await?;
        Ok::<_, Fault>((ask(&service, &parameters, uploads, false)?, folder))
    };
    let (ask, folder) = match prepared.await {
        Ok(prepared) => prepared,
        Err(fault) => {
            record.fail(&fault.message);
            return Err(fault);
        }
    };
    let name = format!("{RESULT}.{}", ask.format.extension());
    let file = tokio::fs::File::create(folder.join(&name)).await.map_err(failed)?;
    let Poured { bytes, rows, overflow } = answer_into(&service, &ask, record, file, service.result_bytes()).await?;
    let content_type = ask.content_type.to_str().unwrap_or_default().to_owned();
    Ok(JobResult {
        id: RESULT.to_owned(),
        content_type,
        size: bytes,
        file: name,
        rows: Some(rows),
        overflow: Some(overflow),
        notes: BTreeMap::new(),
    })
}
