//! `spolia jobs`: work that a scheduler runs.

mod report;
mod submit;
mod watch;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use spolia_exec::{Archive, Dispatcher, ExecError, JOBS_FOLDER, read_log};
use spolia_queue::{Attempt, ExecutionPhase, Job, JobFilter, JobSpec, JobTable, Scheduler};

use crate::arguments::{Jobs, List};
use crate::error::CommandError;
use crate::site::Site;

pub use submit::{cut as cut_as_job, ingest as ingest_as_job};

/// The schedulers that jobs may be with.
const SCHEDULERS: [&str; 2] = ["local", "slurm"];

/// Does what is asked for.
pub async fn run(site: Site, command: Jobs) -> Result<(), CommandError> {
    let office = Office::open(site).await?;
    match command {
        Jobs::Submit(submit) => submit::run(&office, *submit).await,
        Jobs::List(list) => list_jobs(&office, &list).await,
        Jobs::Show { job, json } => show(&office, &job, json).await,
        Jobs::Logs { job } => logs(&office, &job).await,
        Jobs::Wait { jobs } => watch::wait(&office, &jobs).await,
        Jobs::Cancel { jobs } => cancel(&office, &jobs).await,
        Jobs::Retry(retry) => submit::retry(&office, *retry).await,
        Jobs::Report(asked) => report::run(&office, &asked).await,
    }
}

/// Where jobs are made and looked after.
pub struct Office {
    site: Site,
    archive: Archive,
    table: JobTable,
}

impl Office {
    async fn open(site: Site) -> Result<Self, CommandError> {
        let archive = site.archive().await?;
        let table = JobTable::new(archive.router().control().clone());
        Ok(Self { site, archive, table })
    }

    /// The scheduler of a name, or that of the settings.
    fn scheduler(&self, name: Option<&str>) -> Result<Arc<dyn Scheduler>, CommandError> {
        let settings = &self.site.settings.jobs;
        let name = name.unwrap_or(&settings.scheduler);
        let program = std::env::current_exe().map_err(CommandError::file("find", Path::new("spolia")))?;
        let none = "servers do jobs by themselves here: name a scheduler (--scheduler local, --scheduler slurm), or set one in [jobs]";
        settings.scheduler(name, &program)?.ok_or_else(|| CommandError::Said(none.to_owned()))
    }

    fn dispatcher(&self, name: Option<&str>) -> Result<Dispatcher, CommandError> {
        Ok(Dispatcher::new(&self.archive, self.scheduler(name)?, self.site.settings.jobs.clone()))
    }

    /// Hands over what waits for it, and sees what has become of what is with schedulers. What cannot be seen now is told, and does not keep
    /// from what is known.
    async fn settle(&self) {
        for name in SCHEDULERS {
            let settled = async {
                let dispatcher = self.dispatcher(Some(name))?;
                let waiting = JobFilter {
                    phases: vec![ExecutionPhase::Queued, ExecutionPhase::Executing],
                    ..JobFilter::default()
                };
                // Those whose objects are still to be found are a server's business.
                let ready = |job: &&Job| job.scheduler.as_deref() == Some(name) && dispatcher.has_order(&job.job_id);
                for job in self.table.all(None, &waiting).await.map_err(ExecError::from)?.iter().rev().filter(ready) {
                    if let Some(job) = dispatcher.claim(Some(&job.job_id)).await? {
                        dispatcher.hand_over(&job).await?;
                    }
                }
                dispatcher.settle().await?;
                Ok::<_, CommandError>(())
            };
            if let Err(error) = settled.await {
                eprintln!("note: {}", error.message());
            }
        }
    }

    /// Whose jobs are meant.
    fn owner(&self, given: Option<&str>) -> String {
        let name = given.map(str::to_owned).or_else(|| std::env::var("USER").ok().filter(|name| !name.is_empty()));
        name.unwrap_or_else(|| "operator".to_owned())
    }
}

async fn list_jobs(office: &Office, list: &List) -> Result<(), CommandError> {
    office.settle().await;
    let filter = JobFilter { phases: list.phase.clone(), after: None, last: Some(list.last) };
    let owner = (!list.all).then(|| office.owner(list.owner.as_deref()));
    let jobs = office.table.all(owner.as_deref(), &filter).await.map_err(ExecError::from)?;
    if !list.json && !jobs.is_empty() {
        println!(
            "{:<36}  {:<16}  {:<12}  {:<9}  {:>5}  {:<9}  TOLD",
            "JOB", "NAME", "OWNER", "PHASE", "DONE", "SCHEDULER"
        );
    }
    for job in jobs {
        if list.json {
            println!("{}", of_job(&job));
            continue;
        }
        let short =
            |text: Option<&str>, most: usize| -> String { text.unwrap_or("-").chars().take(most).map(plain).collect() };
        let done = job.progress.map_or("-".to_owned(), |part| format!("{:.0}%", part * 100.0));
        let told = job.told.as_deref().or(job.error.as_ref().map(|error| error.message.as_str()));
        println!(
            "{:<36}  {:<16}  {:<12}  {:<9}  {done:>5}  {:<9}  {}",
            job.job_id,
            short(job.run_id.as_deref(), 16),
            short(job.owner.as_deref(), 12),
            job.phase.name(),
            job.scheduler.as_deref().unwrap_or("server"),
            short(told.or(Some("")), 200),
        );
    }
    Ok(())
}

/// A letter as a terminal may be given it.
fn plain(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}

/// A job by its id or the beginning of it.
async fn found(office: &Office, job: &str) -> Result<Job, CommandError> {
    Ok(office.table.find(job).await.map_err(ExecError::from)?)
}

async fn show(office: &Office, job: &str, as_json: bool) -> Result<(), CommandError> {
    office.settle().await;
    let job = found(office, job).await?;
    let attempts = office.table.attempts(&job.job_id).await.map_err(ExecError::from)?;
    if as_json {
        let mut shown = of_job(&job);
        shown["spec"] = serde_json::to_value(&job.spec).unwrap_or_default();
        shown["attempts"] = attempts.iter().map(of_attempt).collect();
        println!("{shown}");
        return Ok(());
    }
    let line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            println!("{name:<12}{}", value.chars().map(plain).collect::<String>());
        }
    };
    let time =
        |time: Option<chrono::DateTime<chrono::Utc>>| time.map(|time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    line("job", Some(job.job_id.clone()));
    line("name", job.run_id.clone());
    line("owner", job.owner.clone());
    line("kind", Some(job.spec.kind().to_owned()));
    line("phase", Some(job.phase.name().to_owned()));
    line("", job.told.clone());
    line("done", job.progress.map(|part| format!("{:.0}%", part * 100.0)));
    for (name, moment) in [("created", Some(job.created)), ("started", job.started), ("ended", job.ended)] {
        line(name, time(moment));
    }
    line("kept until", time(Some(job.destruction)));
    line("error", job.error.as_ref().map(|error| error.message.clone()));
    for Attempt { number, scheduler, external_id, state, raw, reason, nodes, exit_code, restarts, .. } in &attempts {
        let mut told = format!(
            "{number}: {scheduler} {}, {}",
            external_id.as_deref().unwrap_or("-"),
            raw.as_deref().unwrap_or(state.name())
        );
        told.extend(reason.iter().map(|reason| format!(" ({reason})")));
        told.extend(nodes.iter().map(|nodes| format!(" on {nodes}")));
        told.extend(exit_code.iter().map(|code| format!(", exit status {code}")));
        told.extend((*restarts > 0).then(|| format!(", begun anew {restarts} times")));
        line("attempt", Some(told));
    }
    let folder = office.site.folder().join(JOBS_FOLDER).join(&job.job_id);
    for result in &job.results {
        line("result", Some(format!("{} ({} bytes)", folder.join(&result.file).display(), result.size)));
    }
    Ok(())
}

fn of_job(job: &Job) -> Value {
    json!({
        "job": job.job_id, "name": job.run_id, "owner": job.owner, "kind": job.spec.kind(), "phase": job.phase.name(),
        "part": job.progress, "told": job.told, "scheduler": job.scheduler, "attempts": job.attempts,
        "created": job.created, "started": job.started, "ended": job.ended, "destruction": job.destruction,
        "error": job.error, "results": job.results,
    })
}

fn of_attempt(attempt: &Attempt) -> Value {
    json!({
        "number": attempt.number, "scheduler": attempt.scheduler, "id": attempt.external_id, "state": attempt.state.name(),
        "raw": attempt.raw, "reason": attempt.reason, "exit_code": attempt.exit_code, "nodes": attempt.nodes,
        "restarts": attempt.restarts, "submitted": attempt.submitted, "started": attempt.started, "ended": attempt.ended,
    })
}

async fn logs(office: &Office, job: &str) -> Result<(), CommandError> {
    let job = found(office, job).await?;
    let folder = office.site.folder().join(JOBS_FOLDER).join(&job.job_id);
    for line in read_log(&folder).map_err(CommandError::file("read the logs in", &folder))? {
        println!("{line}");
    }
    // What came before a rank could write a log of its own, and what the scheduler had to say.
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut said: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "out")).collect();
    said.sort();
    for path in said {
        let bytes = std::fs::read(&path).map_err(CommandError::file("read", &path))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().for_each(|line| println!("{name}: {}", line.chars().map(plain).collect::<String>()));
    }
    Ok(())
}

async fn cancel(office: &Office, jobs: &[String]) -> Result<(), CommandError> {
    for job in jobs {
        let job = found(office, job).await?;
        if !job.phase.is_active() {
            eprintln!("{} has ended already: {}", job.job_id, job.phase);
            continue;
        }
        let (JobSpec::Cut(_) | JobSpec::Ingest(_) | JobSpec::Verify(_)) = &job.spec else {
            return Err(CommandError::Said(format!("{} is the job of a server; end it where it was made", job.job_id)));
        };
        office.table.abort(&job.job_id).await.map_err(ExecError::from)?;
        eprintln!("{} is ended", job.job_id);
    }
    office.settle().await;
    Ok(())
}
