//! What can go wrong while files come in.

use std::path::PathBuf;

use spolia_catalogue::{CatalogueError, ValidationError};
use spolia_cutout::CutoutError;
use spolia_shard_router::RouterError;

/// An ingest that did not finish. Nothing of it is visible; running it again goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No such data model.
    #[error("no data model {name:?}; built in are {known}; a path to a .toml file works too")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The data model does not parse.
    #[error("the data model {name} does not parse: {source}")]
    ModelSyntax {
        /// The model.
        name: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The data model contradicts itself.
    #[error("the data model is not usable: {0}")]
    Model(#[from] ValidationError),
    /// An example of the data model is no query.
    #[error("the data model's example {name:?} is not ADQL: {message}")]
    Example {
        /// The example.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// The archive already holds the collection under another declaration.
    #[error("collection {0:?} is already declared with other tables or columns; its rows cannot change their form")]
    ModelChanged(String),
    /// A file cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Reading a file ended in a panic.
    #[error("{path}: reading it broke off: {source}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// How.
        source: tokio::task::JoinError,
    },
    /// A file's name says nothing about what it holds.
    #[error("{path}: its name begins with no class of this collection (expected {expected})")]
    UnknownClass {
        /// The file.
        path: PathBuf,
        /// The classes.
        expected: String,
    },
    /// Two files of one ingest have the same name.
    #[error("{first} and {second} have the same name; a name stands for one file of a collection")]
    Twice {
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The archive holds another file of that name.
    #[error(
        "{path}: the archive holds another file of this name (version {version}, MD5 {archived}; this one has MD5 {found}); \
         --supersede replaces it"
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The archived version.
        version: i32,
        /// Its checksum.
        archived: String,
        /// The checksum of the file at hand.
        found: String,
    },
    /// The file changed while it was being ingested.
    #[error("{path}: it changed while it was being ingested; start again when it is complete")]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// The object store failed.
    #[error("{path}: the object store did not take it: {source}")]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: object_store::Error,
    },
    /// The work was to end before its time.
    #[error("the ingest was told to end before its time; begun again, it goes on from what is done")]
    Stopped,
    /// Those who do it together lost each other.
    #[error("the ingest cannot go on: {0}")]
    Team(std::io::Error),
    /// The file's content is not what its name and the data model say, or it is damaged.
    #[error(transparent)]
    Content(CutoutError),
    /// A node failed, or refused a row.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The control database failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl IngestError {
    /// Whether the same ingest may succeed another time: where a disk, the store, a node or another of the team failed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.kind() != std::io::ErrorKind::NotFound,
            Self::Store { .. } | Self::Team(_) => true,
            Self::Router(error) => matches!(
                error,
                RouterError::Connect { .. }
                    | RouterError::Busy { .. }
                    | RouterError::BusyWriting { .. }
                    | RouterError::TakenBack { .. }
                    | RouterError::Statement { .. }
            ),
            Self::Catalogue(error) => matches!(
                error,
                CatalogueError::Connect(_)
                    | CatalogueError::Statement { .. }
                    | CatalogueError::TakenBack(_)
                    | CatalogueError::EpochTaken(_)
            ),
            _ => false,
        }
    }
}
