//! Making jobs.

use std::path::Path;

use chrono::{Duration, Utc};
use serde_json::json;
use spolia_exec::{CutOptions, CutRequest, Dispatcher, ExecError, Handed, JOBS_FOLDER, MERGED, Selection};
use spolia_queue::{CutJob, ExecutionPhase, Inputs, Job, JobQuota, JobSpec, Launch, NewJob, Resources};

use super::watch::{told, until_its_end};
use super::{Office, found};
use crate::arguments::{Asked, CutWhat, Retry, SubmitCut, Wait};
use crate::command::cut::source_ids;
use crate::error::CommandError;
use crate::site::Site;

/// The shape of the document that says what a job is to do.
const SPEC_VERSION: u32 = 1;
/// The file of the ids of chosen sources.
const IDS: &str = "source-ids";
/// Jobs that one file of queries makes at most.
const MOST_QUERIES: usize = 10_000;
/// Letters of a name at most.
const LONGEST_NAME: usize = 200;

/// Makes a job, or one for each query of a file.
pub async fn run(office: &Office, mut submit: SubmitCut) -> Result<(), CommandError> {
    let Some(file) = submit.array.take() else {
        return one(office, &submit).await;
    };
    let text = std::fs::read_to_string(&file).map_err(CommandError::file("read", &file))?;
    let queries: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !(1..=MOST_QUERIES).contains(&queries.len()) {
        return Err(CommandError::Said(format!(
            "{} has {} queries; 1 to {MOST_QUERIES} make jobs",
            file.display(),
            queries.len()
        )));
    }
    let name = submit.asked.name.clone();
    for (number, query) in (1..).zip(queries) {
        submit.what.adql = Some(query.to_owned());
        submit.asked.name = Some(name.as_ref().map_or(number.to_string(), |name| format!("{name}.{number}")));
        one(office, &submit).await?;
    }
    Ok(())
}

async fn one(office: &Office, submit: &SubmitCut) -> Result<(), CommandError> {
    let dispatcher = office.dispatcher(submit.asked.scheduler.as_deref())?;
    if submit.dry_run {
        let resources = resources(office, &submit.asked).await?;
        print!("{}", script(office, &dispatcher, &submit.asked, resources));
        return Ok(());
    }
    let (job, handed) = made(office, &dispatcher, &submit.what, &submit.asked).await?;
    tell(&job, &handed, dispatcher.scheduler().name(), submit.json);
    if let Handed::Refused(why) = handed {
        return Err(CommandError::Said(why));
    }
    waited(office, &job, &submit.wait).await
}

/// Cuts by a job, and waits for it: `spolia cut --scheduler`.
pub async fn cut(site: Site, what: &CutWhat, asked: &Asked, output: &Path) -> Result<(), CommandError> {
    let office = Office::open(site).await?;
    let dispatcher = office.dispatcher(asked.scheduler.as_deref())?;
    let (job, handed) = made(&office, &dispatcher, what, asked).await?;
    if let Handed::Refused(why) = handed {
        return Err(CommandError::Said(why));
    }
    waited(&office, &job, &Wait { wait: true, output: Some(output.to_owned()) }).await
}

/// Finds the objects, makes the job, and hands it over.
async fn made(
    office: &Office,
    dispatcher: &Dispatcher,
    what: &CutWhat,
    asked: &Asked,
) -> Result<(Job, Handed), CommandError> {
    let resources = resources(office, asked).await?;
    let (spec, request) = spec(what, resources)?;
    let prepared = office.archive.prepare_cut(&request).await?;
    let job = create(office, dispatcher, spec, asked).await?;
    if let Selection::SourceIds(ids) = &request.selection {
        let folder = dispatcher.folder(&job.job_id);
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(IDS), bytes));
        written.map_err(CommandError::file("write into", &folder))?;
    }
    dispatcher.write_order(&job, prepared.plan()).await?;
    Ok((job.clone(), handed_over(office, dispatcher, &job).await?))
}

async fn create(office: &Office, dispatcher: &Dispatcher, spec: JobSpec, asked: &Asked) -> Result<Job, CommandError> {
    if asked.name.as_ref().is_some_and(|name| name.len() > LONGEST_NAME) {
        return Err(CommandError::Said(format!("a job's name has {LONGEST_NAME} bytes at most")));
    }
    let settings = &office.site.settings.server;
    let resources = spec.inputs().resources.or(&dispatcher.settings().resources);
    let job = NewJob {
        spec,
        owner: Some(office.owner(asked.owner.as_deref())),
        run_id: asked.name.clone(),
        destruction: Utc::now() + Duration::days(i64::from(settings.destruction_days)),
        execution_duration_s: resources
            .minutes
            .map_or(settings.execution_duration_s, |minutes| minutes.saturating_mul(60)),
        scheduler: Some(dispatcher.scheduler().name().to_owned()),
    };
    let quota = JobQuota { active: settings.jobs_active, kept: settings.jobs_kept };
    Ok(office.table.create(&job, quota).await.map_err(ExecError::from)?)
}

/// Has a job run whose order is in its folder.
async fn handed_over(office: &Office, dispatcher: &Dispatcher, job: &Job) -> Result<Handed, CommandError> {
    office.table.run(&job.job_id).await.map_err(ExecError::from)?;
    match dispatcher.claim(Some(&job.job_id)).await? {
        Some(job) => Ok(dispatcher.hand_over(&job).await?),
        // A server was faster, or the scheduler has as many as it may.
        None => Ok(Handed::PutOff("it is handed over when the scheduler has fewer jobs".to_owned())),
    }
}

fn tell(job: &Job, handed: &Handed, scheduler: &str, as_json: bool) {
    let (id, why) = match handed {
        Handed::Over(id) => (Some(id), None),
        Handed::PutOff(why) | Handed::Refused(why) => (None, Some(why)),
        Handed::Taken => (None, None),
    };
    if as_json {
        println!("{}", json!({"job": job.job_id, "scheduler": scheduler, "id": id, "told": why}));
        return;
    }
    println!("{}", job.job_id);
    match (id, why) {
        (Some(id), _) => eprintln!("{scheduler} has it as {id}"),
        (None, Some(why)) => eprintln!("note: {why}"),
        (None, None) => {}
    }
}

async fn waited(office: &Office, job: &Job, wait: &Wait) -> Result<(), CommandError> {
    if !wait.wait {
        return Ok(());
    }
    let job = until_its_end(office, &job.job_id).await?;
    if job.phase != ExecutionPhase::Completed {
        return Err(CommandError::Said(told(&job)));
    }
    let Some(output) = &wait.output else { return Ok(()) };
    let merged = office.site.folder().join(JOBS_FOLDER).join(&job.job_id).join(MERGED.1);
    // Beside its place first: it appears whole.
    let part = output.with_extension("spolia-part");
    std::fs::copy(&merged, &part).map_err(CommandError::file("write", &part))?;
    std::fs::rename(&part, output).map_err(CommandError::file("write", output))?;
    eprintln!(
        "{}: {} bytes, by job {}",
        output.display(),
        job.results.first().map_or(0, |result| result.size),
        job.job_id
    );
    Ok(())
}

/// What is asked for, with the jobs that it waits for by their whole ids.
async fn resources(office: &Office, asked: &Asked) -> Result<Resources, CommandError> {
    let mut resources = asked.resources();
    if let Some(dependency) = &asked.dependency {
        let jobs = dependency.strip_prefix("afterok:").filter(|jobs| !jobs.is_empty());
        let wrong = || CommandError::Said(format!("--dependency is afterok:JOB:JOB, not {dependency:?}"));
        for job in jobs.ok_or_else(wrong)?.split(':') {
            let earlier = found(office, job).await?;
            if matches!(earlier.phase, ExecutionPhase::Error | ExecutionPhase::Aborted | ExecutionPhase::Archived) {
                let (id, phase) = (&earlier.job_id, earlier.phase);
                return Err(CommandError::Said(format!(
                    "job {id} has ended as {phase}; what follows it would never begin"
                )));
            }
            resources.after.push(earlier.job_id);
        }
    }
    resources.check().map_err(CommandError::Said)?;
    Ok(resources)
}

/// What the job is to do, by the parameters that doors know, and what is cut.
fn spec(what: &CutWhat, resources: Resources) -> Result<(JobSpec, CutRequest), CommandError> {
    let mut parameters = Vec::new();
    let selection = match (&what.ids, &what.adql) {
        (_, Some(adql)) => {
            let adql = crate::command::query::text(adql)?;
            parameters.push(("QUERY".to_owned(), adql.clone()));
            Selection::Adql(adql)
        }
        (Some(ids), None) => Selection::SourceIds(source_ids(ids)?),
        (None, None) => return Err(CommandError::Said("give --ids, --adql or --array".to_owned())),
    };
    let mut fields: Vec<String> =
        what.fields.iter().map(|field| field.trim().to_owned()).filter(|field| !field.is_empty()).collect();
    fields.sort();
    fields.dedup();
    parameters.extend(fields.iter().map(|field| ("FIELD".to_owned(), field.clone())));
    let flags =
        [("WITH_TRANSITS", what.with_transits), ("KEEP_UNMATCHED", what.keep_unmatched), ("PACKED", what.packed)];
    parameters.extend(flags.iter().filter(|(_, set)| *set).map(|(name, _)| ((*name).to_owned(), "true".to_owned())));
    parameters.extend(what.compress.map(|level| ("COMPRESSION".to_owned(), level.to_string())));
    let source_ids = matches!(selection, Selection::SourceIds(_)).then(|| IDS.to_owned());
    let inputs = Inputs { version: SPEC_VERSION, parameters, resources, ..Inputs::default() };
    let request = CutRequest {
        selection,
        options: CutOptions { fields, packed: what.packed, compression: what.compress },
        with_transits: what.with_transits,
        keep_unmatched: what.keep_unmatched,
        epoch: None,
        most_objects: None,
    };
    Ok((JobSpec::Cut(CutJob { inputs, rows: None, source_ids }), request))
}

/// What the scheduler would be given.
fn script(office: &Office, dispatcher: &Dispatcher, asked: &Asked, resources: Resources) -> String {
    let job_id = "JOB".to_owned();
    let folder = office.site.folder().join(JOBS_FOLDER).join(&job_id);
    let resources = resources.or(&dispatcher.settings().resources);
    let after = resources.after.clone();
    let launch = Launch { job_id, attempt: 1, run_id: asked.name.clone(), folder, resources, after };
    dispatcher.scheduler().script(&launch)
}

/// Makes a new job of one that has ended otherwise than well: it takes over its folder, and goes on from what was done.
pub async fn retry(office: &Office, retry: Retry) -> Result<(), CommandError> {
    let Retry { job, asked, wait } = retry;
    office.settle().await;
    let old = found(office, &job).await?;
    if !matches!(old.phase, ExecutionPhase::Error | ExecutionPhase::Aborted) {
        return Err(CommandError::Said(format!(
            "job {} is {}; what failed or was ended can be tried again",
            old.job_id, old.phase
        )));
    }
    let attempts = office.table.attempts(&old.job_id).await.map_err(ExecError::from)?;
    if attempts.iter().any(|attempt| attempt.ended.is_none()) {
        return Err(CommandError::Said(format!("job {} is still ending; try again in a moment", old.job_id)));
    }
    let scheduler = asked.scheduler.as_deref().or(old.scheduler.as_deref());
    let dispatcher = office.dispatcher(scheduler)?;
    let mut spec = old.spec.clone();
    let resources = resources(office, &asked).await?.or(&spec.inputs().resources);
    spec.inputs_mut().resources =
        Resources { after: asked.dependency.as_ref().map_or(Vec::new(), |_| resources.after.clone()), ..resources };
    if !dispatcher.has_order(&old.job_id) {
        return Err(CommandError::Said(format!("nothing was done of job {}; submit it anew", old.job_id)));
    }
    let name = asked.name.clone().or(old.run_id.clone());
    let owner = asked.owner.clone().or(old.owner.clone());
    let job = create(office, &dispatcher, spec, &Asked { name, owner, ..asked }).await?;
    dispatcher.take_over(&old.job_id, &job).await?;
    let handed = handed_over(office, &dispatcher, &job).await?;
    tell(&job, &handed, dispatcher.scheduler().name(), false);
    if let Handed::Refused(why) = handed {
        return Err(CommandError::Said(why));
    }
    waited(office, &job, &wait).await
}
