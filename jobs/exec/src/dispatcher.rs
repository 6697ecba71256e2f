//! Handing cuts to a scheduler, and taking in what becomes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spolia_queue::{
    Attempt, CUT, Dispatch, Ended, ExecutionPhase, Job, JobError, JobResult, JobTable, Known, Launch, LocalScheduler,
    MOST_ATTEMPTS, QueueError, Resources, Scheduler, SchedulerError, Seen, SlurmScheduler, SlurmSettings, State,
    TO_BE_CONTINUED, left_behind,
};

use crate::archive::Archive;
use crate::error::ExecError;
use crate::store::StoreSettings;
use crate::work::{
    Line, NodeKeys, Order, Plan, REPORT, Report, Work, failure_in, forget_keys, order_in, progress_in, read_ledger,
};

/// The folder of jobs in a site's.
pub const JOBS_FOLDER: &str = "jobs";
/// The name of the result of a cut, its file in the job's folder, and its media type.
pub const MERGED: (&str, &str, &str) = ("merged", "merged.h5", "application/x-hdf5");
/// Whose order it is that somebody has done by hand.
const BY_HAND: &str = "by-hand";
/// How long others leave a job alone that is being handed over.
const LEASE: Duration = Duration::from_secs(300);
/// Bytes of what SLURM wrote that are looked at for why a job ended.
const LOOKED_AT: u64 = 64 << 10;
/// Seconds that a scheduler may know nothing of what it has just taken.
const GRACE_S: i64 = 30;

/// Who runs large cuts, and what they ask for; section `[jobs]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobSettings {
    /// `server`: each server by itself; `local`: processes of their own on its machine; `slurm`: a cluster.
    pub scheduler: String,
    /// Objects from which on a cut that came by a door is handed to the scheduler.
    pub objects: u64,
    /// Jobs that are with the scheduler at the same time.
    pub most: u32,
    /// Seconds between two looks at what has become of them; all are looked at together.
    pub poll_s: u64,
    /// What jobs ask for that say nothing else.
    pub resources: Resources,
    /// How SLURM is reached.
    pub slurm: SlurmSettings,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            scheduler: "server".to_owned(),
            objects: 100_000,
            most: 100,
            poll_s: 5,
            resources: Resources::default(),
            slurm: SlurmSettings::default(),
        }
    }
}

impl JobSettings {
    /// Checks that they can be used.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        if !["server", "local", "slurm"].contains(&self.scheduler.as_str()) {
            return Err(format!("[jobs] scheduler is server, local or slurm, not {:?}", self.scheduler));
        }
        self.resources.check().map_err(|fault| format!("[jobs.resources] {fault}"))
    }

    /// The scheduler of a name; nothing for `server`. `spolia` is the program that works alone.
    ///
    /// # Errors
    /// [`ExecError::Request`] where there is none of that name, or the settings do not tell how to reach it.
    pub fn scheduler(&self, name: &str, spolia: &Path) -> Result<Option<Arc<dyn Scheduler>>, ExecError> {
        match name {
            "server" => Ok(None),
            "local" => Ok(Some(Arc::new(LocalScheduler::new(spolia.to_owned(), &["work"])))),
            "slurm" => {
                let worker = spolia.with_file_name("spolia-worker");
                let slurm = SlurmScheduler::new(&self.slurm, &worker).map_err(ExecError::Request)?;
                Ok(Some(Arc::new(slurm)))
            }
            other => Err(ExecError::Request(format!("{other:?} is no scheduler; there are local and slurm"))),
        }
    }
}

/// One who hands cuts to a scheduler.
#[derive(Clone)]
pub struct Dispatcher {
    dispatch: Dispatch,
    scheduler: Arc<dyn Scheduler>,
    settings: Arc<JobSettings>,
    store: StoreSettings,
    nodes: Arc<NodeKeys>,
    site: PathBuf,
    memory_mib: u64,
}

/// The jobs that one is to follow.
enum Earlier {
    /// The scheduler sees to it by itself, by these ids of its own.
    Known(Vec<String>),
    /// It has to wait.
    Awaited(String),
    /// It can never begin.
    Never(String),
}

/// What became of handing a job over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// The scheduler has it, under an id of its own.
    Over(String),
    /// The scheduler is away; it is tried again.
    PutOff(String),
    /// It cannot be handed over, and has failed.
    Refused(String),
    /// It is no longer to be handed over.
    Taken,
}

impl Dispatcher {
    /// One for the jobs of an archive.
    pub fn new(archive: &Archive, scheduler: Arc<dyn Scheduler>, settings: JobSettings) -> Self {
        let table = JobTable::new(archive.router().control().clone());
        Self {
            dispatch: Dispatch::new(table, scheduler.name(), LEASE),
            scheduler,
            settings: Arc::new(settings),
            store: archive.store_settings().clone(),
            nodes: Arc::clone(archive.node_keys()),
            site: archive.site().to_owned(),
            memory_mib: archive.cut_settings().memory_mib,
        }
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &Arc<dyn Scheduler> {
        &self.scheduler
    }

    /// What jobs ask for, and when they are looked at.
    pub fn settings(&self) -> &JobSettings {
        &self.settings
    }

    /// The folder of a job.
    pub fn folder(&self, job_id: &str) -> PathBuf {
        self.site.join(JOBS_FOLDER).join(job_id)
    }

    /// The next job to hand over, if there is one and the scheduler has not too many; or the one with an id.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn claim(&self, job_id: Option<&str>) -> Result<Option<Job>, ExecError> {
        Ok(self.dispatch.claim(job_id, self.settings.most).await?)
    }

    /// Whether all is in the folder of a job that its work needs.
    pub fn has_order(&self, job_id: &str) -> bool {
        order_in(&self.folder(job_id)).is_some()
    }

    /// Writes what the work on a job needs into its folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn write_order(&self, job: &Job, plan: Plan) -> Result<(), ExecError> {
        self.write(&self.folder(&job.job_id), &job.job_id, plan, &job.spec.inputs().resources).await
    }

    /// Writes what work of a kind needs into a folder, for somebody to have it done; returns the command that does it.
    ///
    /// # Errors
    /// [`ExecError::Request`] where there is an order already; when it cannot be written.
    pub async fn prepare(
        &self,
        folder: &Path,
        (kind, name): (&'static str, Option<&str>),
        plan: Plan,
        resources: &Resources,
    ) -> Result<String, ExecError> {
        if order_in(folder).is_some() {
            return Err(ExecError::Request(format!("{} has an order already", folder.display())));
        }
        self.write(folder, BY_HAND, plan, resources).await?;
        let launch = Launch {
            job_id: BY_HAND.to_owned(),
            kind,
            // Each time that it is submitted is one.
            attempt: 0,
            run_id: Some(name.unwrap_or(BY_HAND).to_owned()),
            folder: folder.to_owned(),
            resources: resources.or(&self.settings.resources),
            after: Vec::new(),
        };
        Ok(self.scheduler.prepare(&launch)?)
    }

    async fn write(&self, folder: &Path, job_id: &str, plan: Plan, resources: &Resources) -> Result<(), ExecError> {
        let order = self.order(job_id, plan.work(MERGED.1), resources);
        let (to, nodes) = (folder.to_owned(), Arc::clone(&self.nodes));
        let written = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&to)?;
            order.write(&plan, &nodes, &to)
        });
        let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|error| ExecError::Work { folder: folder.to_owned(), fault: error.to_string() })
    }

    fn order(&self, job_id: &str, work: Work, resources: &Resources) -> Order {
        let memory_mib = self.rank_memory(&resources.or(&self.settings.resources));
        Order::new(job_id, work, &self.store, &self.site, memory_mib)
    }

    /// Has a job take over what was done of another one, which has ended.
    ///
    /// # Errors
    /// When its folder is not there, or cannot be written.
    pub async fn take_over(&self, before: &str, job: &Job) -> Result<(), ExecError> {
        let (from, to) = (self.folder(before), self.folder(&job.job_id));
        let lost = || ExecError::NotFound(format!("nothing was done of job {before}; submit it anew"));
        let work = order_in(&from).ok_or_else(lost)?.work;
        // Of what it needs to know of the site, what is so now.
        let (order, nodes) = (self.order(&job.job_id, work, &job.spec.inputs().resources), Arc::clone(&self.nodes));
        let moved = tokio::task::spawn_blocking(move || {
            std::fs::rename(&from, &to)?;
            order.take_over(&nodes, &to)
        });
        let moved = moved.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        moved.map_err(|error| ExecError::Work { folder: self.folder(before), fault: error.to_string() })
    }

    /// What a cut by one rank may take: its part of what a node has for the job, as far as that is known.
    fn rank_memory(&self, resources: &Resources) -> u64 {
        let ranks = u64::from(resources.tasks.unwrap_or(1).div_ceil(resources.nodes.unwrap_or(1).max(1)).max(1));
        let share = resources.memory_mib.map(|memory_mib| (u64::from(memory_mib) * 3 / 4 / ranks).max(64));
        share.map_or(self.memory_mib, |share| share.min(self.memory_mib))
    }

    /// Hands a claimed job over, whose order is in its folder.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn hand_over(&self, job: &Job) -> Result<Handed, ExecError> {
        let after = match self.earlier(job).await? {
            Earlier::Known(ids) => ids,
            Earlier::Awaited(why) => {
                self.dispatch.put_off(&job.job_id, &why).await?;
                return Ok(Handed::PutOff(why));
            }
            Earlier::Never(why) => {
                self.refuse(&job.job_id, &why, false).await?;
                return Ok(Handed::Refused(why));
            }
        };
        let Some((attempt, is_new)) = self.dispatch.attempt(&job.job_id).await? else { return Ok(Handed::Taken) };
        let launch = Launch {
            job_id: job.job_id.clone(),
            kind: job.spec.kind(),
            attempt: attempt.number,
            run_id: job.run_id.clone(),
            folder: self.folder(&job.job_id),
            resources: job.spec.inputs().resources.or(&self.settings.resources),
            after,
        };
        let submitted = async {
            // One whose taking was never noted is not submitted twice.
            match if is_new { None } else { self.scheduler.find(&launch).await? } {
                Some(id) => Ok(id),
                None => self.scheduler.submit(&launch).await,
            }
        };
        match submitted.await {
            Ok(id) => {
                self.dispatch.taken(&attempt, &id).await?;
                Ok(Handed::Over(id))
            }
            Err(error @ SchedulerError::Away { .. }) => {
                self.dispatch.put_off(&job.job_id, &error.to_string()).await?;
                Ok(Handed::PutOff(error.to_string()))
            }
            Err(error @ SchedulerError::Refused { .. }) => {
                self.refuse(&job.job_id, &error.to_string(), false).await?;
                Ok(Handed::Refused(error.to_string()))
            }
        }
    }

    /// Ends a claimed job that cannot be handed over.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn refuse(&self, job_id: &str, message: &str, transient: bool) -> Result<(), ExecError> {
        let error = JobError { message: message.to_owned(), transient };
        Ok(self.dispatch.refuse(job_id, &Ended::Failed(error)).await?)
    }

    /// Leaves a claimed job to the servers, each of which may do it by itself.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn give_up(&self, job_id: &str) -> Result<(), ExecError> {
        Ok(self.dispatch.give_up(job_id).await?)
    }

    /// Puts a claimed job off that cannot be handed over now.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn put_off(&self, job_id: &str, why: &str) -> Result<(), ExecError> {
        Ok(self.dispatch.put_off(job_id, why).await?)
    }

    /// What there is to be known of the jobs that one is to follow.
    async fn earlier(&self, job: &Job) -> Result<Earlier, ExecError> {
        let mut ids = Vec::new();
        for id in &job.spec.inputs().resources.after {
            let earlier = match self.dispatch.table().get(id).await {
                Ok(earlier) => earlier,
                Err(QueueError::NotFound(_)) => {
                    return Ok(Earlier::Never(format!("there is no job {id} any more, which it was to follow")));
                }
                Err(error) => return Err(error.into()),
            };
            match earlier.phase {
                ExecutionPhase::Completed => continue,
                phase if !phase.is_active() => {
                    return Ok(Earlier::Never(format!("job {id}, which it was to follow, has ended as {phase}")));
                }
                _ => {}
            }
            let last = self.dispatch.table().attempts(id).await?.into_iter().next_back();
            let with = last.filter(|last| last.scheduler == self.scheduler.name()).and_then(|last| last.external_id);
            match with.filter(|_| self.scheduler.orders_jobs()) {
                Some(external_id) => ids.push(external_id),
                None => return Ok(Earlier::Awaited(format!("waits for job {id}"))),
            }
        }
        Ok(Earlier::Known(ids))
    }

    /// Looks at everything that is with the scheduler, once and together; returns how many there are.
    ///
    /// # Errors
    /// When the control node fails, or the scheduler is away.
    pub async fn settle(&self) -> Result<usize, ExecError> {
        for attempt in self.dispatch.unnoted().await? {
            let launch = Launch {
                job_id: attempt.job_id.clone(),
                kind: CUT,
                attempt: attempt.number,
                run_id: None,
                folder: self.folder(&attempt.job_id),
                resources: Resources::default(),
                after: Vec::new(),
            };
            let id = self.scheduler.find(&launch).await?;
            self.dispatch.found(&attempt, id.as_deref()).await?;
        }
        let open = self.dispatch.open().await?;
        if open.is_empty() {
            return Ok(0);
        }
        let known = |attempt: &Attempt| Known {
            job_id: attempt.job_id.clone(),
            attempt: attempt.number,
            id: attempt.external_id.clone().unwrap_or_default(),
        };
        let is_over = |job: &Job| !job.phase.is_active() || (!self.scheduler.keeps_time() && is_overdue(job));
        let unwanted = open.iter().filter(|(_, job)| job.as_ref().is_none_or(is_over));
        self.scheduler.cancel(&unwanted.map(|(attempt, _)| known(attempt)).collect::<Vec<_>>()).await?;
        let seen = self.scheduler.look(&open.iter().map(|(attempt, _)| known(attempt)).collect::<Vec<_>>()).await?;
        // What is lost may still be held somewhere.
        let lost = open.iter().zip(&seen).filter(|(_, seen)| seen.state == State::Lost);
        self.scheduler.cancel(&lost.map(|((attempt, _), _)| known(attempt)).collect::<Vec<_>>()).await?;
        for ((attempt, job), seen) in open.iter().zip(&seen) {
            self.take_in(attempt, job.as_ref(), seen).await?;
        }
        Ok(open.len())
    }

    async fn take_in(&self, attempt: &Attempt, job: Option<&Job>, seen: &Seen) -> Result<(), ExecError> {
        let folder = self.folder(&attempt.job_id);
        let is_new = (chrono::Utc::now() - attempt.submitted).num_seconds() < GRACE_S;
        let seen = match seen.state {
            // Who has just taken something may not know of it at once.
            State::Gone if is_new && attempt.state == State::Pending && seen.raw == "GONE" => return Ok(()),
            State::Gone => left_behind(&folder, attempt.number, seen),
            _ => seen.clone(),
        };
        let (looked, at) = (seen.clone(), attempt.clone());
        let looked_at = folder.clone();
        let overdue = job.is_some_and(|job| !self.scheduler.keeps_time() && is_overdue(job));
        let found = tokio::task::spawn_blocking(move || {
            let ended = ended(&looked_at, &at, &looked, overdue);
            // Whoever tries it again writes them anew.
            if ended.is_some() {
                forget_keys(&looked_at);
            }
            (progress_in(&looked_at), ended)
        });
        let (progress, ended) = found.await.unwrap_or_default();
        let ended = ended.filter(|_| job.is_some());
        let part = match &ended {
            Some(Ended::Completed(_)) => Some(1.0),
            _ => progress.map(|progress| progress.part),
        };
        Ok(self.dispatch.note(attempt, &seen, part, ended.as_ref()).await?)
    }
}

/// Whether a job has been at work for longer than it may.
fn is_overdue(job: &Job) -> bool {
    let most = chrono::Duration::seconds(job.execution_duration_s.into());
    job.started.is_some_and(|started| chrono::Utc::now() - started > most)
}

/// How a job ends with an attempt that is over; nothing while it is not, and where another attempt is to be made. One that is overdue was told to
/// end, however it took that.
fn ended(folder: &Path, attempt: &Attempt, seen: &Seen, overdue: bool) -> Option<Ended> {
    let last = attempt.number >= MOST_ATTEMPTS;
    let told = seen.reason.as_deref().map_or(String::new(), |reason| format!(" ({reason})"));
    let failed = |message: String, transient: bool| Some(Ended::Failed(JobError { message, transient }));
    let aborted = |message: &str| Some(Ended::Aborted(JobError { message: message.to_owned(), transient: true }));
    if seen.state.is_over()
        && let Some(ended) = whole(folder)
    {
        // What is whole is whole, whatever ended whoever made it.
        return Some(ended);
    }
    let go_on = "what was done is kept: `spolia jobs retry` goes on from there";
    let out_of_time = || aborted(&format!("timeout: its time was over; {go_on}, and can be given more time"));
    match seen.state {
        State::Pending | State::Held | State::Running | State::Suspended | State::Unknown | State::Gone => None,
        _ if overdue && failure_in(folder).is_none() => out_of_time(),
        State::Completed if last => failed("the work ended well, and left nothing that is whole".to_owned(), true),
        State::Completed => None,
        State::Cancelled => aborted(&format!("it was ended{told}; {go_on}")),
        State::Timeout => out_of_time(),
        State::Failed if seen.exit_code == Some(TO_BE_CONTINUED) => {
            aborted(&format!("timeout: it was told to end before its time was over; {go_on}"))
        }
        State::OutOfMemory => failed(out_of_memory(seen), false),
        State::Failed if exceeded(folder, attempt) => failed(out_of_memory(seen), false),
        State::Failed => match failure_in(folder) {
            Some(failure) if failure.transient && !last => None,
            Some(failure) => failed(failure.message, failure.transient),
            None if last => {
                let code = seen.exit_code.map_or(String::new(), |code| format!(", exit status {code}"));
                failed(format!("the work failed: {}{told}{code}; `spolia jobs logs` has more", seen.raw), true)
            }
            // Whoever works says why it fails: something else has ended this one, or kept it from beginning.
            None => None,
        },
        State::Lost if last => failed(format!("it was lost {MOST_ATTEMPTS} times: {}{told}", seen.raw), true),
        State::Lost => None,
    }
}

fn out_of_memory(seen: &Seen) -> String {
    let place = seen.nodes.as_deref().map_or(String::new(), |nodes| format!(" on {nodes}"));
    format!("it took more memory than it had asked for{place}; give it more (--mem), or fewer ranks on each node")
}

/// Whether SLURM wrote that a job took too much memory; not each version says so of its state.
fn exceeded(folder: &Path, attempt: &Attempt) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let Some(id) = attempt.external_id.as_ref().filter(|id| id.chars().all(|c| c.is_ascii_digit())) else {
        return false;
    };
    let end = || {
        let mut file = std::fs::File::open(folder.join(format!("slurm-{id}.out")))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOOKED_AT)))?;
        let mut text = Vec::new();
        file.take(LOOKED_AT).read_to_end(&mut text)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    };
    let text = end().unwrap_or_default();
    ["Exceeded job memory limit", "oom-kill", "oom_kill", "OOM Killed"].iter().any(|words| text.contains(words))
}

/// How a job ends whose work is all done.
fn whole(folder: &Path) -> Option<Ended> {
    let lines = read_ledger(folder).ok()?;
    let report = lines.iter().rev().find_map(|line| match line {
        Line::Whole { report, .. } => Some(report),
        _ => None,
    })?;
    let fault = if let Report::Verify(report) = report { report.fault() } else { None };
    match fault {
        Some(message) => Some(Ended::Failed(JobError { message, transient: false })),
        None => Some(Ended::Completed(vec![result(folder, report)?])),
    }
}

/// What came out of the work in a folder that is all done.
fn result(folder: &Path, report: &Report) -> Option<JobResult> {
    let ((id, file, content_type), mut notes) = match report {
        Report::Cut(report) => {
            let mut notes = counted([("files", report.files), ("objects", report.objects)]);
            if !report.messages.is_empty() {
                notes.insert("message".to_owned(), report.messages.join("; "));
            }
            (MERGED, notes)
        }
        Report::Ingest(report) => {
            let counts = [
                ("files", report.loaded as u64),
                ("superseded", report.superseded as u64),
                ("unchanged", report.unchanged as u64),
                ("objects", report.objects),
            ];
            (("report", REPORT, "application/json"), counted(counts))
        }
        Report::Verify(report) => {
            let counts = [
                ("files", report.files as u64),
                ("bytes", report.bytes),
                ("without_index", report.without_index as u64),
            ];
            (("report", REPORT, "application/json"), counted(counts))
        }
    };
    let epoch = match (report, order_in(folder).map(|order| order.work)) {
        (Report::Ingest(report), _) => report.epoch,
        (Report::Cut(_), Some(Work::Cut { epoch, .. })) => epoch,
        _ => None,
    };
    notes.extend(epoch.map(|epoch| ("epoch".to_owned(), epoch.to_string())));
    let size = std::fs::metadata(folder.join(file)).ok()?.len();
    let (id, file, content_type) = (id.to_owned(), file.to_owned(), content_type.to_owned());
    Some(JobResult { id, content_type, size, file, rows: None, overflow: None, notes })
}

fn counted<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, String> {
    counts.map(|(name, count)| (name.to_owned(), count.to_string())).into()
}

impl From<QueueError> for ExecError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NotFound(_) => Self::NotFound(error.to_string()),
            QueueError::Phase { .. } | QueueError::Quota { .. } => Self::Request(error.to_string()),
            error => Self::Queue(error),
        }
    }
}
