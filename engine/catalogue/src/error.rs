//! What can go wrong between the archive and its control database.

use crate::user_table::MOST_SAID;

/// An act on the control database that failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// No connection to the control node.
    #[error("the control node does not answer; the archive cannot plan queries without it (is its PostgreSQL up?)")]
    Connect(#[source] deadpool_postgres::PoolError),
    /// The pool of connections could not be made.
    #[error("cannot set up connections to the control node")]
    Pool(#[source] deadpool_postgres::BuildError),
    /// A statement failed.
    #[error("the control database failed to {act}")]
    Statement {
        /// What was being done.
        act: &'static str,
        /// PostgreSQL's answer.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A stored document has another shape than this version writes.
    #[error("the control database holds a damaged {what}")]
    Document {
        /// Which kind of document.
        what: &'static str,
        /// How it failed to parse.
        #[source]
        source: serde_json::Error,
    },
    /// The database was made by a newer version.
    #[error("the control database is at version {found}, this program knows up to {known}; use a newer spolia")]
    TooNew {
        /// The version found.
        found: i32,
        /// The newest version known here.
        known: i32,
    },
    /// The database has not been set up, or is older than this program.
    #[error(
        "the control database is at version {found}, this program needs {needed}; run `spolia init` to bring it up"
    )]
    TooOld {
        /// The version found.
        found: i32,
        /// The version needed.
        needed: i32,
    },
    /// No manifest has been published.
    #[error("the archive holds no collection; ingest files first (`spolia ingest gaia FILES…`)")]
    Empty,
    /// No manifest of that number has been published.
    #[error("the archive has no epoch {0}")]
    UnknownEpoch(i64),
    /// The collection is not in the archive.
    #[error("collection {0:?} is not in this archive")]
    UnknownCollection(String),
    /// Another ingest holds the collection.
    #[error("another ingest into collection {0:?} is running; wait for it to end")]
    Busy(String),
    /// Another collection was published under the number of an epoch.
    #[error("epoch {0} was published for another collection meanwhile; try again")]
    EpochTaken(i64),
    /// A file was taken back while it was being loaded.
    #[error("file {0} was taken back while it was being loaded: another ingest has begun since; begin again")]
    TakenBack(i32),
    /// A user has a table of that name already.
    #[error("there is a table {0} already, or it is being made; drop it first, or give the new one another name")]
    Taken(String),
    /// A user has as many tables as one may have.
    #[error("{owner} may have {most} tables, and as many that were dropped within the last minute; drop one, or wait")]
    TooManyTables {
        /// The user.
        owner: String,
        /// The bound.
        most: u32,
    },
    /// What is said of a user's tables is too much.
    #[error("the columns of the tables of {owner} and what is said of them take more than {} MB; drop a table, or say less of each column", MOST_SAID >> 20)]
    TooMuchSaid {
        /// The user.
        owner: String,
    },
}

/// Names the act beside PostgreSQL's own answer.
pub(crate) trait Act<T> {
    fn act(self, act: &'static str) -> Result<T, CatalogueError>;
}

impl<T> Act<T> for Result<T, tokio_postgres::Error> {
    fn act(self, act: &'static str) -> Result<T, CatalogueError> {
        self.map_err(|source| CatalogueError::Statement { act, source })
    }
}
