//! What can go wrong between the router and its nodes.

use datafusion::error::DataFusionError;

/// An act of the router that failed.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// A node gave no connection.
    #[error("node {node} does not answer; the query needs its rows (see `spolia status`)")]
    Connect {
        /// The node's name.
        node: String,
        /// Why.
        #[source]
        source: deadpool_postgres::PoolError,
    },
    /// All connections to a node are taken.
    #[error(
        "node {node} is busy: all {connections} connections to it have been taken for {seconds} s; ask again later, or raise \
         connections in [router]"
    )]
    Busy {
        /// The node's name.
        node: String,
        /// The bound on them.
        connections: usize,
        /// How long one was waited for.
        seconds: u64,
    },
    /// A node takes rows of others.
    #[error("node {node} has been taking rows of others for {seconds} s; try again later")]
    BusyWriting {
        /// The node's name.
        node: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The pool for a node could not be made.
    #[error("cannot set up connections to node {node}")]
    Pool {
        /// The node's name.
        node: String,
        /// Why.
        #[source]
        source: deadpool_postgres::BuildError,
    },
    /// A statement on a node failed, or the node went away.
    #[error("node {node} failed to {act}")]
    Statement {
        /// The node's name.
        node: String,
        /// What was being done.
        act: &'static str,
        /// PostgreSQL's answer.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A file whose rows are being sent was taken off the nodes again.
    #[error(
        "{file} was taken off node {node} while its rows were being sent: another ingest has begun since; begin again"
    )]
    TakenBack {
        /// The file's name.
        file: String,
        /// The node's name.
        node: String,
    },
    /// A query computes a number that its type cannot hold.
    #[error("a computed number is out of the range of {0}")]
    OutOfRange(&'static str),
    /// A statement took longer than a node allows.
    #[error("node {node} gave up after {seconds} s; ask for less, or raise statement_timeout_s in [router]")]
    Timeout {
        /// The node's name.
        node: String,
        /// What it allows.
        seconds: u64,
    },
    /// A statement wrote more temporary files than a node allows.
    #[error(
        "the query takes more temporary space on node {node} than it may; ask for less, or raise temporary_mb in [router]"
    )]
    TemporarySpace {
        /// The node's name.
        node: String,
    },
    /// A query reads more rows than it may.
    #[error(
        "the query reads more than {0} rows of the nodes, which is as many as it may; ask for less, or raise rows_per_query in [router]"
    )]
    TooManyRows(u64),
    /// A node has stopped answering in the middle of something.
    #[error("node {node} has been silent for {seconds} s in the middle of an answer (see `spolia status`)")]
    Silent {
        /// The node's name.
        node: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A node's binary answer is not what was asked for.
    #[error("node {node} answered with a damaged COPY stream: {fault}")]
    CopyFormat {
        /// The node's name.
        node: String,
        /// What is wrong with it.
        fault: String,
    },
    /// Rows could not be turned into COPY's binary form.
    #[error("rows cannot be encoded for COPY: {0}")]
    Encode(String),
    /// Arrow refused the rows.
    #[error("rows do not fit their table")]
    Arrow(#[from] datafusion::arrow::error::ArrowError),
    /// A row has a position that is no position.
    #[error("object {ordinal} of file {file}: {source}")]
    Position {
        /// The file's name.
        file: String,
        /// The object's number.
        ordinal: i64,
        /// What is wrong with it.
        source: spolia_sky::SkyError,
    },
    /// A row's key lies outside every chunk.
    #[error(
        "object {ordinal} of file {file}: {key} is not the id of a Gaia source (its pixel lies outside HEALPix order 12)"
    )]
    Unplaceable {
        /// The file's name.
        file: String,
        /// The object's number.
        ordinal: i64,
        /// The key.
        key: i64,
    },
    /// What was asked of a user's table cannot be done with it.
    #[error("{table}: {fault}")]
    UserTable {
        /// The table.
        table: String,
        /// Why not.
        fault: String,
    },
    /// A user's table is no longer there.
    #[error("{0} has been dropped meanwhile")]
    UserTableGone(String),
    /// A group of the manifest has no node in the settings.
    #[error("no node serves shard group {0}; the settings name fewer nodes than the archive was laid out for")]
    NoNode(i32),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] spolia_catalogue::CatalogueError),
}

impl RouterError {
    /// True when the query itself is at fault: what it computes, or how much it takes.
    pub fn is_query(&self) -> bool {
        matches!(
            self,
            Self::OutOfRange(_)
                | Self::TemporarySpace { .. }
                | Self::TooManyRows(_)
                | Self::UserTable { .. }
                | Self::UserTableGone(_)
        )
    }
}

impl From<RouterError> for DataFusionError {
    fn from(error: RouterError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}
