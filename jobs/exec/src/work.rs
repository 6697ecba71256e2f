//! Work on an order: a folder with all that processes on any machine need for it. A merged file takes no database; files that come in do.
//!
//! An [`Order`] and a [`Plan`] are written into the folder by whoever takes the job on. One process works alone, or several do by way of one
//! [`Desk`]; what is done is in the [`Ledger`], so that the work goes on from there when it is begun again.

mod desk;
mod folder;
mod ledger;
mod log;
mod member;
mod order;
mod outcome;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};
use spolia_cutout::{CutPlan, CutProgress, CutoutError, Files, TOGETHER, cut_together};
use spolia_ingest::{ArchivedBytes, Event, Ingest, IngestError, Verify};
use spolia_shard_router::Router;
use spolia_team::Team;

use crate::error::ExecError;
use crate::store::Store;

pub use desk::{Desk, Reply, Request};
pub use ledger::{Ledger, Line, Note, read_ledger};
pub use log::{read_log, write_log};
pub use member::{Member, Way};
pub use order::{IngestPlan, Order, Plan, Work, order_in};
pub(crate) use order::{NodeKeys, forget_keys};
use outcome::forget_failure;
pub use outcome::{Failure, Progress, Report, failure_in, note_failure, progress_in};

/// How often it is told how far the work is.
const TELLING: Duration = Duration::from_secs(1);
/// How long another ingest into a collection is waited for: one that was killed may still seem to be there.
const PATIENCE: Duration = Duration::from_secs(120);
/// What was done in all, for whoever wants to read it.
pub(crate) const REPORT: &str = "report.json";

/// What does the work.
const SOFTWARE: &str = concat!("spolia ", env!("CARGO_PKG_VERSION"));

/// How work ended that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// All is done; the leader tells what was done in all.
    Whole(Option<Report>),
    /// It was to end before its time. What is done stays done.
    Stopped,
}

/// An order that is worked on.
pub struct Bench {
    folder: PathBuf,
    task: Task,
    progress: Arc<CutProgress>,
}

/// What is to be done, with what it takes.
enum Task {
    Cut { plan: Box<CutPlan>, output: String, files: Arc<Files> },
    Ingest { plan: Box<IngestPlan>, router: Router, store: Store },
    Verify { files: Vec<ArchivedBytes>, store: Store },
}

impl Bench {
    /// Reads the order in a folder.
    ///
    /// # Errors
    /// When it is not there, not whole, or the files or nodes that it takes cannot be reached.
    pub fn open(folder: &Path) -> Result<Self, ExecError> {
        let papers = order::Papers::read(folder).map_err(|error| at_work(folder, &error))?;
        let store = Store::open(&papers.store, folder, papers.order.memory_mib)?;
        let task = match (papers.plan, papers.order.work, papers.nodes) {
            (Plan::Cut(plan), Work::Cut { output, .. }, _) => Task::Cut { plan, output, files: store.files },
            (Plan::Ingest(plan), _, Some(nodes)) => Task::Ingest { plan, router: nodes.open()?, store },
            (Plan::Verify(files), ..) => Task::Verify { files, store },
            _ => return Err(at_work(folder, &io::Error::other("the order and its plan are not of the same kind"))),
        };
        Ok(Self { folder: folder.to_owned(), task, progress: Arc::default() })
    }

    /// The desk for so many who work on it.
    ///
    /// # Errors
    /// When others are at work on it already, or the ledger cannot be kept.
    pub fn desk(&self, ranks: u32) -> Result<Desk, ExecError> {
        let (fingerprint, made, output) = match &self.task {
            Task::Cut { plan, output, .. } => (plan.fingerprint(), &TOGETHER[..], output.clone()),
            Task::Ingest { plan, .. } => (fingerprint(plan), &[][..], String::new()),
            Task::Verify { files, .. } => (fingerprint(files), &[][..], String::new()),
        };
        let ledger = Ledger::open(&self.folder, &fingerprint, SOFTWARE, ranks, made);
        let ledger = ledger.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ExecError::Occupied(self.folder.clone()),
            _ => at_work(&self.folder, &error),
        })?;
        forget_failure(&self.folder).map_err(|error| at_work(&self.folder, &error))?;
        Ok(Desk::new(ledger, output, Arc::clone(&self.progress)))
    }

    /// Works alone, until `stopped` is set.
    ///
    /// # Errors
    /// As [`Bench::work`], and as [`Bench::desk`].
    pub async fn work_alone(&self, stopped: Arc<AtomicBool>) -> Result<Done, ExecError> {
        let desk = Arc::new(Mutex::new(self.desk(1)?));
        self.work(Arc::new(Member::new(desk, 0, stopped))).await
    }

    /// Does what one of those can do who work on it. Rank 0 tells in the folder how far the work is.
    ///
    /// # Errors
    /// When a file or a node fails, the others are lost, or nothing can be written; whoever meets that first writes it into the folder.
    pub async fn work(&self, member: Arc<Member>) -> Result<Done, ExecError> {
        let failed = |error: io::Error| at_work(&self.folder, &error);
        let (leads, asked) = (member.leads(), Arc::clone(&member));
        if self.aside(move || asked.begin()).await.map_err(failed)? {
            return Ok(Done::Whole(None));
        }
        let team: Arc<dyn Team> = Arc::clone(&member) as _;
        let worked = if leads { self.telling(self.share_in(&team)).await } else { self.share_in(&team).await };
        let report = match worked {
            Ok(report) => report,
            Err(ExecError::Cutout(CutoutError::Stopped) | ExecError::Ingest(IngestError::Stopped)) => {
                return Ok(Done::Stopped);
            }
            Err(error) => return Err(error),
        };
        let noted = report.clone();
        let ending = move || noted.map_or(Ok(()), |report| member.end(&report)).and_then(|()| member.leave());
        self.aside(ending).await.map_err(failed)?;
        if leads {
            self.tell();
        }
        Ok(Done::Whole(report))
    }

    /// Does this one's part; the leader tells what was done in all.
    async fn share_in(&self, team: &Arc<dyn Team>) -> Result<Option<Report>, ExecError> {
        match &self.task {
            Task::Cut { plan, files, .. } => {
                let report = cut_together(files, plan, &self.folder, Arc::clone(team), &self.progress).await?;
                Ok(team.leads().then_some(Report::Cut(report)))
            }
            Task::Ingest { plan, router, store } => {
                let progress = |event: Event| match event {
                    // Each file is read twice.
                    Event::Checking { bytes, .. } => self.progress.hand_out(2 * bytes),
                    Event::Loaded { file_name, objects } => tracing::info!(file = file_name, objects, "loaded"),
                    _ => {}
                };
                let ingest = Ingest {
                    router,
                    store: &store.objects,
                    store_is_remote: store.is_remote,
                    collection: &plan.collection,
                    supersede: plan.supersede,
                    patience: PATIENCE,
                    team,
                    progress: &progress,
                };
                let Some(report) = ingest.run(&plan.files).await? else { return Ok(None) };
                self.write_report(&report)?;
                Ok(Some(Report::Ingest(report)))
            }
            Task::Verify { files, store } => {
                let progress = |bytes| self.progress.hand_out(bytes);
                let verify = Verify { store: &store.objects, team, progress: &progress };
                let Some(report) = verify.run(files).await? else { return Ok(None) };
                self.write_report(&report)?;
                Ok(Some(Report::Verify(report)))
            }
        }
    }

    fn write_report(&self, report: &impl Serialize) -> Result<(), ExecError> {
        let written = folder::put(&self.folder, REPORT, report, folder::OPEN);
        written.map_err(|error| at_work(&self.folder, &error))
    }

    /// Does something that waits for others.
    async fn aside<T: Send + 'static>(&self, wait: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        tokio::task::spawn_blocking(wait).await.map_err(io::Error::other)?
    }

    /// Tells again and again how far the work is.
    async fn telling<T>(&self, working: impl Future<Output = T>) -> T {
        let (mut working, mut ticks) = (std::pin::pin!(working), tokio::time::interval(TELLING));
        loop {
            tokio::select! {
                done = &mut working => return done,
                _ = ticks.tick() => self.tell(),
            }
        }
    }

    fn tell(&self) {
        let progress = Progress { part: self.progress.part(), objects: self.progress.objects() };
        outcome::note_progress(&self.folder, progress);
    }
}

/// What tells a plan from others.
fn fingerprint(plan: &impl Serialize) -> String {
    let document = serde_json::to_vec(plan).unwrap_or_default();
    Sha256::digest(document).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fault of the folder where the work is done.
fn at_work(folder: &Path, error: &io::Error) -> ExecError {
    ExecError::Work { folder: folder.to_owned(), fault: error.to_string() }
}
