//! Work on an order: a folder with all that processes on any machine need to make a merged file, without the archive's database.
//!
//! An [`Order`] and a plan are written into the folder by whoever takes the job on. One process works alone, or several do by way of one
//! [`Desk`]; what is done is in the [`Ledger`], so that the work goes on from there when it is begun again.

mod desk;
mod ledger;
mod log;
mod member;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spolia_cutout::{CutPlan, CutProgress, CutReport, CutoutError, Files, cut_together};

use crate::error::ExecError;
use crate::store::{Store, StoreKey, StoreSettings};

pub use desk::{Desk, Reply, Request};
pub use ledger::{Ledger, Line, Note, read_ledger};
pub use log::{read_log, write_log};
pub use member::{Member, Way};

/// The shape of the documents in a folder.
const VERSION: u32 = 1;
/// The files of an order in its folder.
const ORDER: &str = "order.json";
const PLAN: &str = "plan.json";
const KEY: &str = "key.json";
const PROGRESS: &str = "progress.json";
const FAILURE: &str = "failure.json";
/// Bytes of a document at most.
const LONGEST: u64 = 4 << 30;
/// How often it is told how far the work is.
const TELLING: Duration = Duration::from_secs(1);

/// What makes merged files.
const SOFTWARE: &str = concat!("spolia ", env!("CARGO_PKG_VERSION"));

/// What is to be made, beside the plan. It holds no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The shape of this document.
    pub version: u32,
    /// The job that it is for.
    pub job_id: String,
    /// The name of the merged file in the folder.
    pub output: String,
    /// Where the files lie; the key to it is in a file of its own, that only its owner can read.
    pub store: StoreSettings,
    /// Mebibytes of memory that each process may take, about.
    pub memory_mib: u64,
    /// The epoch that the objects were chosen in.
    #[serde(default)]
    pub epoch: Option<i64>,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The part that is done, from 0 to 1.
    pub part: f64,
    /// Objects of the merged file; 0 before that is known.
    pub objects: u64,
}

/// Why the work failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For whoever wants the file.
    pub message: String,
    /// Whether it may succeed another time.
    pub transient: bool,
}

/// How work ended that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// The merged file is whole; the leader tells what was done in all.
    Whole(Option<CutReport>),
    /// It was to end before its time. What is done stays done.
    Stopped,
}

impl Order {
    /// The order of a job, whose files lie in a store of the site in a folder.
    pub fn new(job_id: &str, output: &str, store: &StoreSettings, site: &Path, memory_mib: u64) -> Self {
        let store = StoreSettings { root: site.join(&store.root), ..store.clone() };
        Self { version: VERSION, job_id: job_id.to_owned(), output: output.to_owned(), store, memory_mib, epoch: None }
    }

    /// Writes it into a folder, which is there, with its plan and the key to the store.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(mut self, plan: &CutPlan, folder: &Path) -> io::Result<()> {
        self.epoch = Some(plan.provenance.epoch).filter(|_| plan.provenance.archived);
        put(folder, PLAN, plan, 0o644)?;
        match self.store.key() {
            Some(key) => put(folder, KEY, &key, 0o600)?,
            None => forget(folder, KEY)?,
        }
        // It comes last: a folder with an order has everything.
        put(folder, ORDER, &self, 0o644)
    }

    fn read(folder: &Path) -> io::Result<(Self, CutPlan, Option<StoreKey>)> {
        let order: Self = take(folder, ORDER)?;
        if order.version != VERSION {
            let fault = format!("{ORDER} is of version {}; this program knows version {VERSION}", order.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        let key = if folder.join(KEY).exists() { Some(take(folder, KEY)?) } else { None };
        Ok((order, take(folder, PLAN)?, key))
    }
}

/// An order that is worked on.
pub struct Bench {
    folder: PathBuf,
    order: Order,
    plan: CutPlan,
    files: Arc<Files>,
    progress: Arc<CutProgress>,
}

impl Bench {
    /// Reads the order in a folder.
    ///
    /// # Errors
    /// When it is not there, not whole, or its files cannot be reached.
    pub fn open(folder: &Path) -> Result<Self, ExecError> {
        let read = Order::read(folder);
        let (order, plan, key) = read.map_err(|error| at_work(folder, &error))?;
        let store = order.store.clone().with(key);
        let files = Store::open(&store, folder, order.memory_mib)?.files;
        Ok(Self { folder: folder.to_owned(), order, plan, files, progress: Arc::default() })
    }

    /// The desk for so many who work on it.
    ///
    /// # Errors
    /// When others are at work on it already, or the ledger cannot be kept.
    pub fn desk(&self, ranks: u32) -> Result<Desk, ExecError> {
        let ledger = Ledger::open(&self.folder, &self.plan.fingerprint(), SOFTWARE, ranks);
        let ledger = ledger.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ExecError::Occupied(self.folder.clone()),
            _ => at_work(&self.folder, &error),
        })?;
        forget(&self.folder, FAILURE).map_err(|error| at_work(&self.folder, &error))?;
        Ok(Desk::new(ledger, self.order.output.clone(), Arc::clone(&self.progress)))
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
    /// When a file fails, the others are lost, or the merged file cannot be written; whoever meets that first writes it into the folder.
    pub async fn work(&self, member: Arc<Member>) -> Result<Done, ExecError> {
        let failed = |error: io::Error| at_work(&self.folder, &error);
        let (leads, asked) = (spolia_cutout::Team::leads(&*member), Arc::clone(&member));
        if self.aside(move || asked.begin()).await.map_err(failed)? {
            return Ok(Done::Whole(None));
        }
        let cutting = cut_together(&self.files, &self.plan, &self.folder, Arc::clone(&member) as _, &self.progress);
        let cut = if leads { self.telling(cutting).await } else { cutting.await };
        let report = match cut {
            Ok(report) => report,
            Err(CutoutError::Stopped) => return Ok(Done::Stopped),
            Err(error) => return Err(error.into()),
        };
        let noted = report.clone();
        let ending = move || if leads { member.end(&noted).and_then(|()| member.leave()) } else { member.leave() };
        self.aside(ending).await.map_err(failed)?;
        if leads {
            self.tell();
        }
        Ok(Done::Whole(leads.then_some(report)))
    }

    /// Does something that waits for others.
    async fn aside<T: Send + 'static>(&self, wait: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        tokio::task::spawn_blocking(wait).await.map_err(io::Error::other)?
    }

    /// Tells again and again how far the work is.
    async fn telling<T>(&self, cutting: impl Future<Output = T>) -> T {
        let (mut cutting, mut ticks) = (std::pin::pin!(cutting), tokio::time::interval(TELLING));
        loop {
            tokio::select! {
                done = &mut cutting => return done,
                _ = ticks.tick() => self.tell(),
            }
        }
    }

    fn tell(&self) {
        let progress = Progress { part: self.progress.part(), objects: self.progress.objects() };
        if let Err(error) = put(&self.folder, PROGRESS, &progress, 0o644) {
            tracing::warn!(%error, "it cannot be told how far the work is");
        }
    }
}

/// Writes down why the work in a folder failed.
pub fn note_failure(folder: &Path, error: &ExecError) {
    let failure = Failure { message: error.message(), transient: is_transient(error) };
    if let Err(error) = put(folder, FAILURE, &failure, 0o644) {
        tracing::error!(%error, "it cannot be written down why the work failed");
    }
}

/// Whether the same work may succeed another time: where a disk, a store or another rank failed.
fn is_transient(error: &ExecError) -> bool {
    match error {
        ExecError::Store { .. } | ExecError::Occupied(_) => true,
        ExecError::Cutout(error) => matches!(
            error,
            CutoutError::Team(_) | CutoutError::File { .. } | CutoutError::Read { .. } | CutoutError::Fetch { .. }
        ),
        _ => false,
    }
}

/// The order in a folder; nothing where there is none that can be read.
pub fn order_in(folder: &Path) -> Option<Order> {
    take(folder, ORDER).ok()
}

/// Gives the work in a folder, with all that was done of it, to another job, each of whose processes may take so much memory.
///
/// # Errors
/// When the folder cannot be written, or has no order.
pub(crate) fn renew(folder: &Path, job_id: &str, memory_mib: u64) -> io::Result<()> {
    let order = Order { job_id: job_id.to_owned(), memory_mib, ..take(folder, ORDER)? };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Attempts at the job that had it before.
        if entry.file_name().to_string_lossy().starts_with("attempt-") {
            fs::remove_file(entry.path())?;
        }
    }
    forget(folder, FAILURE)?;
    put(folder, ORDER, &order, 0o644)
}

/// Removes the key to the store from a folder where nothing more is to be done.
pub(crate) fn forget_key(folder: &Path) {
    if let Err(error) = forget(folder, KEY) {
        tracing::warn!(%error, folder = %folder.display(), "the key to the store is still beside an order that is done");
    }
}

/// How far the work in a folder is; nothing where it has not begun.
pub fn progress_in(folder: &Path) -> Option<Progress> {
    take(folder, PROGRESS).ok()
}

/// Why the work in a folder failed, if it has.
pub fn failure_in(folder: &Path) -> Option<Failure> {
    take(folder, FAILURE).ok()
}

/// A fault of the folder where the work is done.
fn at_work(folder: &Path, error: &io::Error) -> ExecError {
    ExecError::Work { folder: folder.to_owned(), fault: error.to_string() }
}

/// Writes a document, which is there whole or not at all.
fn put(folder: &Path, name: &str, document: &impl Serialize, mode: u32) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    forget(folder, &format!("{name}.part"))?;
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&part)?;
    file.write_all(&serde_json::to_vec(document)?)?;
    fs::rename(part, folder.join(name))
}

fn take<T: DeserializeOwned>(folder: &Path, name: &str) -> io::Result<T> {
    let file =
        File::open(folder.join(name)).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    if file.metadata()?.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} is too large")));
    }
    let read = serde_json::from_reader(io::BufReader::new(file));
    read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}")))
}

fn forget(folder: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
