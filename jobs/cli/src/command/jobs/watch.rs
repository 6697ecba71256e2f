//! Waiting for jobs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use spolia_queue::{ExecutionPhase, Job};

use super::{Office, found, plain};
use crate::command::serve::stop_signal;
use crate::error::CommandError;

/// How often a job is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Steps of the progress bar.
const STEPS: u64 = 1000;

/// Waits until all of them have ended.
pub async fn wait(office: &Office, jobs: &[String]) -> Result<(), CommandError> {
    let mut unfinished = Vec::new();
    for job in jobs {
        let job = found(office, job).await?;
        let job = until_its_end(office, &job.job_id).await?;
        if job.phase != ExecutionPhase::Completed {
            unfinished.push(told(&job));
        }
    }
    if unfinished.is_empty() { Ok(()) } else { Err(CommandError::Said(unfinished.join("\n"))) }
}

/// Waits until a job has ended, with a progress bar on standard error where that is a terminal. Ctrl-C leaves it alone.
pub async fn until_its_end(office: &Office, job_id: &str) -> Result<Job, CommandError> {
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template("   {prefix} [{bar:40}] {percent}%, {elapsed} {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let mut stopped = std::pin::pin!(stop_signal());
    loop {
        office.settle().await;
        let job = office.table.get(job_id).await.map_err(spolia_exec::ExecError::from)?;
        if !job.phase.is_active() {
            bar.finish_and_clear();
            return Ok(job);
        }
        bar.set_prefix(job.phase.name().to_lowercase());
        bar.set_message(job.told.unwrap_or_default().chars().map(plain).collect::<String>());
        bar.set_position((job.progress.unwrap_or(0.0) * STEPS as f64) as u64);
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stopped => {
                bar.finish_and_clear();
                let told = format!("job {job_id} goes on: `spolia jobs show {job_id}` shows it, `spolia jobs cancel {job_id}` ends it");
                return Err(CommandError::Said(told));
            }
        }
    }
}

/// How a job ended.
pub fn told(job: &Job) -> String {
    let why = job.error.as_ref().map_or(String::new(), |error| format!(": {}", error.message));
    format!("job {} is {}{why}", job.job_id, job.phase)
}
