//! Making jobs.

mod cut;
mod ingest;
pub mod verify;

use std::path::Path;

use chrono::{Duration, Utc};
use serde_json::json;
use spolia_exec::{Dispatcher, ExecError, Handed, JOBS_FOLDER, Plan};
use spolia_queue::{ExecutionPhase, Inputs, Job, JobQuota, JobSpec, Launch, NewJob, Resources};

use super::watch::{told, until_its_end};
use super::{Office, found};
use crate::arguments::{Asked, Manner, Retry, Submit, Wait};
use crate::error::CommandError;

pub use cut::cut;
pub use ingest::ingest;

/// The shape of the document that says what a job is to do.
const SPEC_VERSION: u32 = 1;
/// Letters of a name at most.
const LONGEST_NAME: usize = 200;

/// Makes a job.
pub async fn run(office: &Office, submit: Submit) -> Result<(), CommandError> {
    match submit {
        Submit::Cut(submit) => cut::run(office, submit).await,
        Submit::Ingest(submit) => ingest::run(office, &submit).await,
        Submit::Verify(submit) => verify::run(office, &submit).await,
    }
}

/// What a job is to do, and with what.
struct Task {
    spec: JobSpec,
    plan: Plan,
    /// A file that the spec names, and its content.
    file: Option<(&'static str, Vec<u8>)>,
}

/// Makes a job of a kind and hands it over, or does what is asked for instead. `task` finds out what it is to do.
async fn submit(
    office: &Office,
    kind: &'static str,
    manner: &Manner,
    task: impl AsyncFnOnce() -> Result<Task, CommandError>,
) -> Result<(), CommandError> {
    let Manner { asked, wait, dry_run, prepare, json } = manner;
    let dispatcher = office.dispatcher(asked.scheduler.as_deref())?;
    let resources = resources(office, asked).await?;
    if *dry_run {
        print!("{}", script(office, &dispatcher, asked, kind, resources));
        return Ok(());
    }
    let task = task().await?;
    if let Some(folder) = prepare {
        let folder = std::path::absolute(folder).map_err(CommandError::file("make", folder))?;
        println!("{}", dispatcher.prepare(&folder, (kind, asked.name.as_deref()), task.plan, &resources).await?);
        return Ok(());
    }
    let (job, handed) = made(office, &dispatcher, asked, resources, task).await?;
    tell(&job, &handed, dispatcher.scheduler().name(), *json)?;
    waited(office, &job, wait).await
}

/// Makes a job and waits for its end, without a word about itself before.
async fn through(
    office: &Office,
    asked: &Asked,
    output: Option<&Path>,
    task: impl AsyncFnOnce() -> Result<Task, CommandError>,
) -> Result<(), CommandError> {
    let dispatcher = office.dispatcher(asked.scheduler.as_deref())?;
    let resources = resources(office, asked).await?;
    let (job, handed) = made(office, &dispatcher, asked, resources, task().await?).await?;
    if let Handed::Refused(why) = handed {
        return Err(CommandError::Said(why));
    }
    waited(office, &job, &Wait { wait: true, output: output.map(Path::to_owned) }).await
}

/// Makes the job and hands it over.
async fn made(
    office: &Office,
    dispatcher: &Dispatcher,
    asked: &Asked,
    resources: Resources,
    task: Task,
) -> Result<(Job, Handed), CommandError> {
    let Task { mut spec, plan, file } = task;
    spec.inputs_mut().resources = resources;
    let job = create(office, dispatcher, spec, asked).await?;
    if let Some((name, content)) = file {
        let folder = dispatcher.folder(&job.job_id);
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(name), content));
        written.map_err(CommandError::file("write into", &folder))?;
    }
    dispatcher.write_order(&job, plan).await?;
    Ok((job.clone(), handed_over(office, dispatcher, &job).await?))
}

/// What a job was asked for.
fn inputs(parameters: Vec<(String, String)>) -> Inputs {
    Inputs { version: SPEC_VERSION, parameters, ..Inputs::default() }
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

/// Tells which job it is, and who has it; one that was refused is an error.
fn tell(job: &Job, handed: &Handed, scheduler: &str, as_json: bool) -> Result<(), CommandError> {
    let (id, why) = match handed {
        Handed::Over(id) => (Some(id), None),
        Handed::PutOff(why) | Handed::Refused(why) => (None, Some(why)),
        Handed::Taken => (None, None),
    };
    if as_json {
        println!("{}", json!({"job": job.job_id, "scheduler": scheduler, "id": id, "told": why}));
    } else {
        println!("{}", job.job_id);
    }
    match (handed, id, why) {
        (Handed::Refused(why), ..) => return Err(CommandError::Said(why.clone())),
        _ if as_json => {}
        (_, Some(id), _) => eprintln!("{scheduler} has it as {id}"),
        (_, None, Some(why)) => eprintln!("note: {why}"),
        (_, None, None) => {}
    }
    Ok(())
}

/// Waits for a job's end where that is wanted, and takes its result where it is to go.
async fn waited(office: &Office, job: &Job, wait: &Wait) -> Result<(), CommandError> {
    if !wait.wait {
        return Ok(());
    }
    let job = until_its_end(office, &job.job_id).await?;
    if job.phase != ExecutionPhase::Completed {
        return Err(CommandError::Said(told(&job)));
    }
    let Some(result) = job.results.first() else { return Ok(()) };
    let made = office.site.folder().join(JOBS_FOLDER).join(&job.job_id).join(&result.file);
    match &job.spec {
        JobSpec::Ingest(_) => eprintln!("{}, by job {}", ingest::told(&made)?, job.job_id),
        JobSpec::Verify(_) => eprintln!("{}, by job {}", verify::told(&made)?, job.job_id),
        _ => {}
    }
    let Some(output) = &wait.output else { return Ok(()) };
    // Beside its place first: it appears whole.
    let part = output.with_extension("spolia-part");
    std::fs::copy(&made, &part).map_err(CommandError::file("write", &part))?;
    std::fs::rename(&part, output).map_err(CommandError::file("write", output))?;
    eprintln!("{}: {} bytes, by job {}", output.display(), result.size, job.job_id);
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

/// What the scheduler would be given for a job of a kind.
fn script(office: &Office, dispatcher: &Dispatcher, asked: &Asked, kind: &'static str, resources: Resources) -> String {
    let job_id = "JOB".to_owned();
    let folder = office.site.folder().join(JOBS_FOLDER).join(&job_id);
    let resources = resources.or(&dispatcher.settings().resources);
    let after = resources.after.clone();
    let launch = Launch { job_id, kind, attempt: 1, run_id: asked.name.clone(), folder, resources, after };
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
    tell(&job, &handed, dispatcher.scheduler().name(), false)?;
    waited(office, &job, &wait).await
}
