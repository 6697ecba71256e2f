//! The jobs of this process: who waits for them, who is at work on them, and the folders they lie in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use spolia_exec::Dispatcher;
use spolia_queue::{
    CUT, Ended, Job, JobError, JobQuota, JobSpec, JobTable, QueueError, TABLE_UPDATE, TAP_QUERY, Worker,
};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::datalink::{hand_over, run_cut};
use crate::fault::{Fault, Kind};
use crate::service::Service;
use crate::tap::{run_query, run_update};

/// The kinds of jobs that this process does.
const KINDS: [&str; 3] = [TAP_QUERY, CUT, TABLE_UPDATE];
/// How long another process leaves this one's jobs alone after it was last heard of.
const LEASE: Duration = Duration::from_secs(10);
/// How often it says that it is at work, and sees whether others have ended its jobs.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How often it looks for work that another process has taken in.
const LOOK: Duration = Duration::from_secs(1);
/// How often jobs are looked for whose time is over.
const SWEEP: Duration = Duration::from_secs(5);
/// Changes that a waiting client may lag behind.
const CHANGES: usize = 1024;

/// The jobs of this process.
#[derive(Clone)]
pub(crate) struct Jobs {
    pub(crate) table: JobTable,
    worker: Worker,
    folder: Arc<PathBuf>,
    queued: Arc<Notify>,
    changed: broadcast::Sender<String>,
    at_work: Arc<Mutex<HashMap<String, CancellationToken>>>,
    /// Who hands large cuts to a scheduler, where there is one.
    dispatcher: Option<Dispatcher>,
}

impl Jobs {
    /// The jobs in a table, whose files lie in `folder`; large cuts are handed to a scheduler, if there is one.
    pub(crate) fn new(table: JobTable, folder: PathBuf, dispatcher: Option<Dispatcher>) -> Self {
        Self {
            worker: Worker::new(table.clone(), LEASE),
            table,
            folder: Arc::new(folder),
            queued: Arc::default(),
            changed: broadcast::Sender::new(CHANGES),
            at_work: Arc::default(),
            dispatcher,
        }
    }

    /// The folder of a job's files.
    pub(crate) fn folder(&self, job_id: &str) -> PathBuf {
        self.folder.join(job_id)
    }

    /// Makes the folder of a job.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) async fn make_folder(&self, job_id: &str) -> std::io::Result<PathBuf> {
        let folder = self.folder(job_id);
        tokio::fs::create_dir_all(&folder).await?;
        Ok(folder)
    }

    /// Asks a job to run.
    ///
    /// # Errors
    /// As [`JobTable::run`].
    pub(crate) async fn run(&self, job_id: &str) -> Result<Job, QueueError> {
        if let Some(dispatcher) = &self.dispatcher
            && self.table.get(job_id).await?.spec.kind() == CUT
        {
            self.table.hand_to(job_id, dispatcher.scheduler().name()).await?;
        }
        let job = self.table.run(job_id).await?;
        self.queued.notify_one();
        self.tell(job_id);
        Ok(job)
    }

    /// Ends a job.
    ///
    /// # Errors
    /// As [`JobTable::abort`].
    pub(crate) async fn abort(&self, job_id: &str) -> Result<Job, QueueError> {
        let job = self.table.abort(job_id).await?;
        self.stop(job_id);
        self.tell(job_id);
        Ok(job)
    }

    /// Deletes a job and its files.
    ///
    /// # Errors
    /// As [`JobTable::delete`].
    pub(crate) async fn delete(&self, job_id: &str) -> Result<(), QueueError> {
        self.table.delete(job_id).await?;
        self.stop(job_id);
        self.tell(job_id);
        remove(self.folder(job_id)).await;
        Ok(())
    }

    /// Tells of changes of jobs by this process.
    pub(crate) fn changes(&self) -> broadcast::Receiver<String> {
        self.changed.subscribe()
    }

    fn tell(&self, job_id: &str) {
        // Nobody may be waiting.
        let _ = self.changed.send(job_id.to_owned());
    }

    fn stop(&self, job_id: &str) {
        if let Some(token) = self.held().get(job_id) {
            token.cancel();
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that it is at work, and stops what others have ended or deleted.
    async fn heartbeat(&self) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let held: Vec<String> = self.held().keys().cloned().collect();
            if held.is_empty() {
                continue;
            }
            match self.worker.renew().await {
                Ok(own) => held.iter().filter(|job_id| !own.contains(job_id)).for_each(|job_id| self.stop(job_id)),
                Err(error) => tracing::warn!(?error, "claims on jobs could not be renewed"),
            }
        }
    }

    /// Deletes jobs whose time is over.
    async fn sweep(&self) {
        loop {
            match self.table.delete_expired().await {
                Ok(gone) => {
                    for job_id in gone {
                        self.stop(&job_id);
                        self.tell(&job_id);
                        remove(self.folder(&job_id)).await;
                    }
                }
                Err(error) => tracing::warn!(?error, "old jobs could not be deleted"),
            }
            tokio::time::sleep(SWEEP).await;
        }
    }
}

async fn remove(folder: PathBuf) {
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, folder = %folder.display(), "a job's folder could not be removed");
        }
        _ => {}
    }
}

/// Does jobs until `stop`; what is under way then goes back into the queue.
pub(crate) async fn work(service: Service, stop: impl Future<Output = ()>) {
    let jobs = service.jobs.clone();
    let places = (0..service.settings.jobs).map(|_| one_after_the_other(&service));
    tokio::select! {
        _ = futures::future::join_all(places) => {}
        () = jobs.heartbeat() => {}
        () = jobs.sweep() => {}
        () = hand_over_jobs(&service) => {}
        () = settle_jobs(&jobs) => {}
        () = stop => {}
    }
    if let Err(error) = jobs.worker.give_back().await {
        tracing::warn!(?error, "jobs under way could not be given back; others take them up in {LEASE:?}");
    }
}

async fn one_after_the_other(service: &Service) {
    let jobs = &service.jobs;
    loop {
        match jobs.worker.claim(&KINDS).await {
            Ok(Some(job)) => do_job(service, job).await,
            Ok(None) => drop(tokio::time::timeout(LOOK, jobs.queued.notified()).await),
            Err(error) => {
                tracing::warn!(?error, "the job table cannot be read");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Hands large cuts to the scheduler; without one, it waits for ever.
async fn hand_over_jobs(service: &Service) {
    let Some(dispatcher) = &service.jobs.dispatcher else { return std::future::pending().await };
    loop {
        match dispatcher.claim(None).await {
            Ok(Some(job)) => {
                if let Err(fault) = hand_over(service, dispatcher, &job).await {
                    not_handed_over(dispatcher, &job, &fault).await;
                }
                service.jobs.tell(&job.job_id);
                // It may have been left to the servers.
                service.jobs.queued.notify_one();
            }
            Ok(None) => tokio::time::sleep(LOOK).await,
            Err(error) => {
                tracing::warn!(error = error.message(), "jobs cannot be handed over");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// What becomes of a job that could not be handed over: later it may, or it never can.
async fn not_handed_over(dispatcher: &Dispatcher, job: &Job, fault: &Fault) {
    let noted = match is_transient(fault.kind) {
        true => dispatcher.put_off(&job.job_id, &fault.message).await,
        false => dispatcher.refuse(&job.job_id, &fault.message, false).await,
    };
    if let Err(error) = noted {
        tracing::warn!(error = error.message(), job = job.job_id, "it cannot be noted why a job was not handed over");
    }
}

/// Looks again and again at what is with the scheduler.
async fn settle_jobs(jobs: &Jobs) {
    let Some(dispatcher) = &jobs.dispatcher else { return std::future::pending().await };
    loop {
        if let Err(error) = dispatcher.settle().await {
            tracing::warn!(error = error.message(), "it cannot be seen what has become of jobs");
        }
        tokio::time::sleep(Duration::from_secs(dispatcher.settings().poll_s.max(1))).await;
    }
}

fn is_transient(kind: Kind) -> bool {
    matches!(kind, Kind::Busy | Kind::Unavailable | Kind::Internal)
}

async fn do_job(service: &Service, job: Job) {
    let jobs = &service.jobs;
    let token = CancellationToken::new();
    jobs.held().insert(job.job_id.clone(), token.clone());
    jobs.tell(&job.job_id);
    let allowed = Duration::from_secs(job.execution_duration_s.into());
    let ended = tokio::select! {
        done = tokio::time::timeout(allowed, done(service, &job)) => Some(done.unwrap_or_else(|_| timed_out(&job))),
        () = token.cancelled() => None,
    };
    jobs.held().remove(&job.job_id);
    let noted = match &ended {
        Some(ended) => noted(jobs, &job.job_id, ended).await,
        None => false,
    };
    if !noted || !matches!(ended, Some(Ended::Completed(_))) {
        remove(jobs.folder(&job.job_id)).await;
    }
    jobs.tell(&job.job_id);
}

/// Notes how a job ended, and does not give up while the control node is away for a moment.
async fn noted(jobs: &Jobs, job_id: &str, ended: &Ended) -> bool {
    for _ in 0..LEASE.as_secs() {
        match jobs.worker.end(job_id, ended).await {
            Ok(noted) => return noted,
            Err(error) => tracing::warn!(?error, job_id, "how a job ended could not be noted"),
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

async fn done(service: &Service, job: &Job) -> Ended {
    let result = match &job.spec {
        JobSpec::TapQuery(query) => run_query(service, job, query).await.map(|result| vec![result]),
        JobSpec::Cut(cut) => run_cut(service, job, cut).await.map(|result| vec![result]),
        JobSpec::TableUpdate(update) => run_update(service, job, update).await.map(|()| Vec::new()),
        // None is claimed here.
        JobSpec::Ingest(_) | JobSpec::Verify(_) => Err(Fault::usage("a scheduler does that")),
    };
    match result {
        Ok(results) => Ended::Completed(results),
        Err(Fault { kind, message }) => Ended::Failed(JobError { message, transient: is_transient(kind) }),
    }
}

fn timed_out(job: &Job) -> Ended {
    let message = format!(
        "timeout: the job was ended after {} s, its execution duration; ask for less, or for a longer EXECUTIONDURATION",
        job.execution_duration_s
    );
    Ended::Aborted(JobError { message, transient: false })
}

/// How many jobs an owner may have.
pub(crate) fn quota(service: &Service) -> JobQuota {
    JobQuota { active: service.settings.jobs_active, kept: service.settings.jobs_kept }
}

/// A file in a job's folder, if its name is one.
pub(crate) fn file_in(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    (plain && !name.starts_with('.')).then(|| folder.join(name))
}
