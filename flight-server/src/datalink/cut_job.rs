//! Cut & Merge as a job: the merged file lies in the job's folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use spolia_exec::{CutAnswer, Principal, SelectedRows};
use spolia_queue::{CutJob, Inputs, Job, JobResult, JobSpec};

use super::HDF5;
use super::choice::Choice;
use super::cut::{note, options, request_of};
use super::rows::client;
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::tap::kept;

/// The name of the only result.
const RESULT: &str = "merged";
/// Its file.
const FILE: &str = "merged.h5";
/// The file of the chosen rows.
const ROWS: &str = "rows";

/// Checks all values but what is chosen.
///
/// # Errors
/// [`Fault`] for a value that is none.
pub(crate) fn check(parameters: &Parameters) -> Result<(), Fault> {
    options(parameters)?;
    parameters.flag("WITH_TRANSITS")?;
    parameters.flag("KEEP_UNMATCHED")?;
    parameters.one("QUERY").map(drop)
}

/// What a job is to do that was asked for like this; `asked` has the ids of rows, of which the job keeps what they stand for now.
///
/// # Errors
/// [`Fault`] for what is no id, or too many.
pub(crate) async fn spec(
    service: &Service,
    asked: &Parameters,
    inputs: Inputs,
) -> Result<(JobSpec, Option<SelectedRows>), Fault> {
    let mut cut = CutJob { inputs, rows: None };
    if !asked.all("ID").any(|id| !id.trim().is_empty()) {
        return Ok((JobSpec::Cut(cut), None));
    }
    let most = service.archive.selection_rows();
    let Choice::Rows(rows) = Choice::read(service, asked, Vec::new(), &client(asked), most).await? else {
        return Err(Fault::usage("ID is given beside QUERY; rows are chosen in one way"));
    };
    cut.inputs.parameters.retain(|(name, _)| name != "ID");
    cut.inputs.parameters.push(("ROWS".to_owned(), rows.ids.len().to_string()));
    cut.rows = Some(ROWS.to_owned());
    Ok((JobSpec::Cut(cut), Some(rows)))
}

/// Puts the chosen rows into a job's folder.
///
/// # Errors
/// [`Fault`] when they cannot be written.
pub(crate) async fn keep_rows(service: &Service, job_id: &str, rows: &SelectedRows) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::internal("keep the chosen rows", &error);
    let folder = service.jobs.make_folder(job_id).await.map_err(failed)?;
    tokio::fs::write(folder.join(ROWS), rows.packed()).await.map_err(failed)
}

/// Cuts, as whoever made the job may.
///
/// # Errors
/// [`Fault`] for what failed.
pub(crate) async fn run_cut(service: &Service, job: &Job, cut: &CutJob) -> Result<JobResult, Fault> {
    let groups = cut.inputs.groups.iter().cloned();
    let who = job.owner.as_ref().map_or_else(Principal::anonymous, |owner| Principal::named(owner, groups));
    let service = service.seen_by(who);
    let parameters = Parameters::of(cut.inputs.parameters.iter().cloned());
    let mut record = service.begin("cut", Door::Job, parameters.one("QUERY")?.unwrap_or_default());
    record.note("job", job.job_id.as_str());
    let made = make(&service, job, cut, &parameters, &mut record).await;
    match &made {
        Ok(result) => {
            record.add_bytes(usize::try_from(result.size).unwrap_or(usize::MAX));
            record.succeed();
        }
        Err(fault) => record.fail(&fault.message),
    }
    made
}

async fn make(
    service: &Service,
    job: &Job,
    cut: &CutJob,
    parameters: &Parameters,
    record: &mut Record,
) -> Result<JobResult, Fault> {
    let failed = |error: std::io::Error| Fault::internal("keep the merged file", &error);
    let folder = service.jobs.make_folder(&job.job_id).await.map_err(failed)?;
    let choice = match &cut.rows {
        Some(_) => {
            let packed = tokio::fs::read(folder.join(ROWS)).await.map_err(failed)?;
            let rows = SelectedRows::unpack(&packed);
            Choice::Rows(rows.ok_or_else(|| Fault::internal("read the chosen rows", &job.job_id))?)
        }
        None => {
            let uploads = kept(folder.clone(), cut.inputs.uploads.clone()).await?;
            Choice::read(service, parameters, uploads, "", service.archive.selection_rows()).await?
        }
    };
    let request = request_of(service, parameters, choice, None).await?;
    let path = folder.join(FILE);
    let answer = service.archive.cut(&request, &path, &Arc::default()).await?;
    note(record, &answer);
    let size = tokio::fs::metadata(&path).await.map_err(failed)?.len();
    if size > service.result_bytes() {
        let most = service.settings.result_mb;
        return Err(Fault::usage(format!("the merged file has {size} bytes; a job's result has at most {most} MB")));
    }
    Ok(JobResult {
        id: RESULT.to_owned(),
        content_type: HDF5.to_owned(),
        size,
        file: FILE.to_owned(),
        rows: None,
        overflow: None,
        notes: notes(&answer),
    })
}

/// What the job's owner is told of the file.
fn notes(answer: &CutAnswer) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::from([
        ("epoch".to_owned(), answer.epoch.to_string()),
        ("files".to_owned(), answer.files.to_string()),
        ("objects".to_owned(), answer.objects.values().sum::<usize>().to_string()),
    ]);
    if !answer.messages.is_empty() {
        notes.insert("message".to_owned(), answer.messages.join("; "));
    }
    notes
}
