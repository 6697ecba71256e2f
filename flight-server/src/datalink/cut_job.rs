//! Cut & Merge as a job: the merged file lies in the job's folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use spolia_exec::{
    CutAnswer, Dispatcher, ExecError, Handed, MERGED, Plan, PreparedCut, SelectedRows, Selection, outline,
};
use spolia_queue::{CutJob, Inputs, Job, JobResult, JobSpec, Resources};

use super::choice::Choice;
use super::cut::{note, options, request_of};
use super::rows::{all_rows, client};
use crate::door::Door;
use crate::fault::Fault;
use crate::jobs::file_in;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::tap::kept;

/// The file of the chosen rows.
const ROWS: &str = "rows";
/// The parameter that tells how many they are.
const COUNT: &str = "ROWS";

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

/// The work of a job that has all of `inputs`, of which `asked` was given last, and the rows whose ids are in it: a job keeps rows, not ids
/// that end. Rows that are chosen anew, by ids or in another way, take the place of those of `before`.
///
/// # Errors
/// [`Fault`] for what is no id, for too many, and for rows that are chosen in two ways.
pub(crate) async fn spec(
    service: &Service,
    asked: &Parameters,
    mut inputs: Inputs,
    before: Option<&CutJob>,
) -> Result<(CutJob, Option<SelectedRows>), Fault> {
    let given = |name: &str| asked.all(name).any(|value| !value.trim().is_empty());
    let found = ["QUERY", "UPLOAD"].into_iter().find(|name| given(name));
    match (given("ID"), found) {
        (true, Some(found)) => Err(Fault::usage(format!("ID is given beside {found}; rows are chosen in one way"))),
        (true, None) => {
            let rows = all_rows(service, asked, &client(asked), service.archive.selection_rows()).await?;
            inputs.parameters.retain(|(name, _)| !["ID", "QUERY", "UPLOAD", COUNT].contains(&name.as_str()));
            inputs.parameters.push((COUNT.to_owned(), rows.ids.len().to_string()));
            inputs.uploads.clear();
            Ok((CutJob { inputs, rows: Some(ROWS.to_owned()), source_ids: None }, Some(rows)))
        }
        (false, Some(_)) => {
            inputs.parameters.retain(|(name, _)| name != COUNT);
            Ok((CutJob { inputs, ..CutJob::default() }, None))
        }
        (false, None) => {
            let (rows, source_ids) = before.cloned().map(|before| (before.rows, before.source_ids)).unwrap_or_default();
            Ok((CutJob { inputs, rows, source_ids }, None))
        }
    }
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
    let service = service.of_job(job);
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
    let (id, file, content_type) = MERGED;
    let path = service.jobs.make_folder(&job.job_id).await.map_err(failed)?.join(file);
    let prepared = prepare(service, job, cut, parameters).await?;
    let answer = service.archive.make_cut(prepared, &path, &Arc::default()).await?;
    note(record, &answer);
    let size = tokio::fs::metadata(&path).await.map_err(failed)?.len();
    if let Err(fault) = check_size(service, size) {
        tokio::fs::remove_file(&path).await.map_err(failed)?;
        return Err(fault);
    }
    Ok(JobResult {
        id: id.to_owned(),
        content_type: content_type.to_owned(),
        size,
        file: file.to_owned(),
        rows: None,
        overflow: None,
        notes: notes(&answer),
    })
}

/// The objects of a job and their files.
async fn prepare(service: &Service, job: &Job, cut: &CutJob, parameters: &Parameters) -> Result<PreparedCut, Fault> {
    let failed = |error: std::io::Error| Fault::internal("read what was chosen", &error);
    let folder = service.jobs.make_folder(&job.job_id).await.map_err(failed)?;
    let lost = || Fault::internal("read what was chosen", &job.job_id);
    let choice = match (&cut.rows, &cut.source_ids) {
        (Some(_), _) => {
            let packed = tokio::fs::read(folder.join(ROWS)).await.map_err(failed)?;
            Choice::Rows(SelectedRows::unpack(&packed).ok_or_else(lost)?)
        }
        (None, Some(file)) => {
            let ids = tokio::fs::read(file_in(&folder, file).ok_or_else(lost)?).await.map_err(failed)?;
            let ids = ids.as_chunks::<8>().0.iter().map(|id| i64::from_le_bytes(*id)).collect();
            Choice::Found(Selection::SourceIds(ids), Vec::new())
        }
        (None, None) => {
            let uploads = kept(folder.clone(), cut.inputs.uploads.clone()).await?;
            Choice::read(service, parameters, uploads, "", service.archive.selection_rows()).await?
        }
    };
    let request = request_of(service, parameters, choice, None).await?;
    let prepared = service.archive.prepare_cut(&request).await?;
    // What is compressed or packed is as large as it is only once it is made.
    let outline = outline(service.archive.files(), prepared.plan()).await.map_err(ExecError::from)?;
    outline.map_or(Ok(()), |outline| check_size(service, outline.bytes()))?;
    Ok(prepared)
}

/// Hands a claimed job over to the scheduler, or leaves it to the servers where it is small, or nothing for a scheduler.
///
/// # Errors
/// [`Fault`] for what failed; then the job has not ended yet.
pub(crate) async fn hand_over(service: &Service, dispatcher: &Dispatcher, job: &Job) -> Result<(), Fault> {
    if !dispatcher.has_order(&job.job_id) {
        let JobSpec::Cut(cut) = &job.spec else {
            let lost = "what it was to work on is not in its folder any more; submit it anew";
            return Ok(dispatcher.refuse(&job.job_id, lost, false).await?);
        };
        let service = service.of_job(job);
        let parameters = Parameters::of(cut.inputs.parameters.iter().cloned());
        let prepared = prepare(&service, job, cut, &parameters).await?;
        let asked_for = cut.inputs.resources != Resources::default();
        if !asked_for && (prepared.objects() as u64) < dispatcher.settings().objects {
            return Ok(dispatcher.give_up(&job.job_id).await?);
        }
        dispatcher.write_order(job, Plan::Cut(Box::new(prepared.plan().clone()))).await?;
    }
    let mut record = service.of_job(job).begin("hand over", Door::Job, &job.job_id);
    match dispatcher.hand_over(job).await {
        Ok(Handed::Over(id)) => {
            record.note(dispatcher.scheduler().name(), id);
            record.succeed();
        }
        Ok(Handed::PutOff(why) | Handed::Refused(why)) => record.fail(&why),
        Ok(Handed::Taken) => record.succeed(),
        Err(error) => {
            record.fail(&error.message());
            return Err(error.into());
        }
    }
    Ok(())
}

fn check_size(service: &Service, bytes: u64) -> Result<(), Fault> {
    let most = service.settings.result_mb;
    match bytes > service.result_bytes() {
        true => Err(Fault::usage(format!("the merged file has {bytes} bytes; a job's result has at most {most} MB"))),
        false => Ok(()),
    }
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
