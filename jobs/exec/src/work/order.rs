//! What is to be done, as it lies in a folder: `order.json` says what for whom, `plan.json` what with. Keys lie in files of their own, which
//! only their owner can read, and only as long as there is something to be done.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spolia_catalogue::{Collection, Control};
use spolia_cutout::CutPlan;
use spolia_ingest::{ArchivedBytes, is_whole};
use spolia_shard_router::{NodeAddress, Router, RouterSettings};

use super::folder::{OPEN, SECRET, forget, put, take};
use super::ledger::reopen;
use super::outcome;
use crate::error::ExecError;
use crate::store::{StoreKey, StoreSettings};

/// The shape of the documents.
const VERSION: u32 = 2;
/// Their names.
const ORDER: &str = "order.json";
const PLAN: &str = "plan.json";
const STORE_KEY: &str = "key.json";
const NODES: &str = "nodes.json";

/// What is to be done, and where. It holds no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The shape of this document.
    pub version: u32,
    /// The job that it is for.
    pub job_id: String,
    /// What is to be done.
    pub work: Work,
    /// Where the archive's files lie; the key to it is in a file of its own.
    pub store: StoreSettings,
    /// Mebibytes of memory that each process may take, about.
    pub memory_mib: u64,
}

/// What is to be done, beside its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Cut & Merge.
    Cut {
        /// The name of the merged file in the folder.
        output: String,
        /// The epoch that the objects were chosen in.
        epoch: Option<i64>,
    },
    /// Bringing files into the archive.
    Ingest {
        /// The collection that they belong to.
        collection: String,
    },
    /// Comparing the archive's files with the catalogue.
    Verify,
}

/// What it is to be done with.
#[derive(Debug, Clone)]
pub enum Plan {
    /// The objects to cut.
    Cut(Box<CutPlan>),
    /// The files to ingest.
    Ingest(Box<IngestPlan>),
    /// The files to compare.
    Verify(Vec<ArchivedBytes>),
}

impl Plan {
    /// What is to be done with it; a file that is made has this name.
    pub(crate) fn work(&self, output: &str) -> Work {
        match self {
            Self::Cut(plan) => Work::Cut {
                output: output.to_owned(),
                epoch: Some(plan.provenance.epoch).filter(|_| plan.provenance.archived),
            },
            Self::Ingest(plan) => Work::Ingest { collection: plan.collection.name.clone() },
            Self::Verify(_) => Work::Verify,
        }
    }
}

/// Files that are to be brought into the archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestPlan {
    /// What they hold.
    pub collection: Collection,
    /// Replace files of the same name and other content.
    pub supersede: bool,
    /// Where they are, as all nodes of a cluster see them.
    pub files: Vec<PathBuf>,
}

/// How PostgreSQL nodes are reached, with their passwords.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NodeKeys {
    control: String,
    nodes: Vec<NodeKey>,
    settings: RouterSettings,
}

#[derive(Clone, Serialize, Deserialize)]
struct NodeKey {
    name: String,
    group: i32,
    connection: String,
}

impl NodeKeys {
    pub(crate) fn new(control: &NodeAddress, nodes: &[NodeAddress], settings: &RouterSettings) -> Self {
        let key = |node: &NodeAddress| NodeKey {
            name: node.name.clone(),
            group: node.group,
            connection: node.connection().to_owned(),
        };
        let nodes = nodes.iter().map(key).collect();
        Self { control: control.connection().to_owned(), nodes, settings: settings.clone() }
    }

    /// A router over the nodes.
    pub(super) fn open(&self) -> Result<Router, ExecError> {
        let node = |key: &NodeKey| NodeAddress::from_url(&key.name, key.group, &key.connection);
        let nodes = self.nodes.iter().map(node).collect::<Result<_, _>>()?;
        let control = Control::new(NodeAddress::from_url("control", 0, &self.control)?.config)?;
        Ok(Router::new(control, nodes, &self.settings)?)
    }
}

/// An order with all that is needed for it.
pub(super) struct Papers {
    pub(super) order: Order,
    pub(super) plan: Plan,
    pub(super) store: StoreSettings,
    pub(super) nodes: Option<NodeKeys>,
}

impl Order {
    /// The order of a job, whose archive's files lie in a store of the site in a folder.
    pub(crate) fn new(job_id: &str, work: Work, store: &StoreSettings, site: &Path, memory_mib: u64) -> Self {
        let store = StoreSettings { root: site.join(&store.root), ..store.clone() };
        Self { version: VERSION, job_id: job_id.to_owned(), work, store, memory_mib }
    }

    /// Writes it into a folder, which is there, with its plan and the keys that it takes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn write(&self, plan: &Plan, nodes: &NodeKeys, folder: &Path) -> io::Result<()> {
        match plan {
            Plan::Cut(plan) => put(folder, PLAN, plan, OPEN)?,
            Plan::Ingest(plan) => put(folder, PLAN, plan, OPEN)?,
            Plan::Verify(files) => put(folder, PLAN, files, OPEN)?,
        }
        self.write_with_keys(nodes, folder)
    }

    /// Writes it into a folder that has its plan, with the keys that it takes.
    fn write_with_keys(&self, nodes: &NodeKeys, folder: &Path) -> io::Result<()> {
        forget_keys_in(folder)?;
        if let Work::Ingest { .. } = self.work {
            put(folder, NODES, nodes, SECRET)?;
        }
        if let Some(key) = self.store.key() {
            put(folder, STORE_KEY, &key, SECRET)?;
        }
        // It comes last: a folder with an order has everything.
        put(folder, ORDER, self, OPEN)
    }

    /// Takes the place of the order of another job in a folder, with all that was done of it.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub(crate) fn take_over(&self, nodes: &NodeKeys, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // Attempts at the job that had it before.
            if entry.file_name().to_string_lossy().starts_with("attempt-") {
                fs::remove_file(entry.path())?;
            }
        }
        outcome::forget_failure(folder)?;
        if self.work == Work::Verify {
            // What was not whole may be so now.
            reopen(folder, |share| !is_whole(&share.told))?;
        }
        self.write_with_keys(nodes, folder)
    }
}

impl Papers {
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let order: Order = take(folder, ORDER)?;
        if order.version != VERSION {
            let fault = format!("{ORDER} is of version {}; this program knows version {VERSION}", order.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        let key: Option<StoreKey> = if folder.join(STORE_KEY).exists() { Some(take(folder, STORE_KEY)?) } else { None };
        let (plan, nodes) = match order.work {
            Work::Cut { .. } => (Plan::Cut(take(folder, PLAN)?), None),
            Work::Ingest { .. } => (Plan::Ingest(take(folder, PLAN)?), Some(take(folder, NODES)?)),
            Work::Verify => (Plan::Verify(take(folder, PLAN)?), None),
        };
        Ok(Self { store: order.store.clone().with(key), order, plan, nodes })
    }
}

/// The order in a folder; nothing where there is none that can be read.
pub fn order_in(folder: &Path) -> Option<Order> {
    take(folder, ORDER).ok()
}

/// Removes the keys from a folder where nothing more is to be done.
pub(crate) fn forget_keys(folder: &Path) {
    if let Err(error) = forget_keys_in(folder) {
        tracing::warn!(%error, folder = %folder.display(), "keys are still beside an order that is done");
    }
}

fn forget_keys_in(folder: &Path) -> io::Result<()> {
    forget(folder, STORE_KEY)?;
    forget(folder, NODES)
}
