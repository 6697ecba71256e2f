//! What can go wrong while answering.

use std::path::PathBuf;

use datafusion::error::DataFusionError;
use spolia_catalogue::CatalogueError;
use spolia_cutout::CutoutError;
use spolia_formats::FormatError;
use spolia_ingest::IngestError;
use spolia_planner::{PlanError, plain};
use spolia_queue::{QueueError, SchedulerError};
use spolia_shard_router::RouterError;

use crate::link::LinkError;
use crate::selections::SelectionError;

/// A request that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The query cannot be planned; the user can mend it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The request makes no sense; the user can mend it.
    #[error("{0}")]
    Request(String),
    /// What was asked for is not in the archive.
    #[error("{0}")]
    NotFound(String),
    /// Whoever asks may not do that.
    #[error("{message}")]
    Denied {
        /// What may not be done, and why.
        message: String,
        /// Whether whoever asks has shown no name.
        anonymous: bool,
    },
    /// A link id is not one of ours.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A selection could not be kept or found.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The control database failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A node failed.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The cut failed.
    #[error(transparent)]
    Cutout(#[from] CutoutError),
    /// Files could not come in.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A column has no form that could be told.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A query failed while running.
    #[error("{}", cause(.0))]
    Run(#[from] DataFusionError),
    /// The job table failed.
    #[error(transparent)]
    Queue(QueueError),
    /// A scheduler did not do what was asked of it.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// The folder of an order cannot be worked in.
    #[error("{}: {fault}", .folder.display())]
    Work {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// Others work on an order; they may have been given up, and not know it yet.
    #[error("{}: others are at work on it already", .0.display())]
    Occupied(PathBuf),
    /// The object store could not be opened.
    #[error("the object store {place} cannot be opened")]
    Store {
        /// Its folder or URL.
        place: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
}

impl ExecError {
    /// True when the request was at fault, not the archive.
    pub fn is_request(&self) -> bool {
        match self {
            Self::Plan(_) | Self::Request(_) | Self::NotFound(_) | Self::Link(_) | Self::Denied { .. } => true,
            Self::Catalogue(error) => {
                matches!(
                    error,
                    CatalogueError::Taken(_)
                        | CatalogueError::TooManyTables { .. }
                        | CatalogueError::TooMuchSaid { .. }
                )
            }
            Self::Router(error) => error.is_query(),
            Self::Run(error) => match router_error(error) {
                Some(router) => router.is_query(),
                // Values that a function does not take.
                None => matches!(error.find_root(), DataFusionError::Execution(_)),
            },
            _ => false,
        }
    }

    /// The message for a user: the error and what caused it, on one line.
    pub fn message(&self) -> String {
        chain(self)
    }
}

/// The innermost error that says something to a user: a node's own, else DataFusion's.
fn cause(error: &DataFusionError) -> String {
    router_error(error).map_or_else(|| plain(error), |router| chain(router))
}

/// The node's or router's error that is the cause of another.
fn router_error(error: &DataFusionError) -> Option<&RouterError> {
    let mut innermost: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = innermost {
        if let Some(router) = error.downcast_ref() {
            return Some(router);
        }
        innermost = error.source();
    }
    None
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    // DataFusion's errors repeat their causes in their own words, which `plain` has said already.
    while let Some(error) = source.filter(|error| !error.is::<DataFusionError>()) {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = error.source();
    }
    message
}
