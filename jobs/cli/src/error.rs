//! What a command fails with.

use std::path::PathBuf;

use spolia_catalogue::CatalogueError;
use spolia_exec::{ExecError, TokenError};
use spolia_flight_server::ServerError;
use spolia_formats::{FormatError, TableFileError};
use spolia_ingest::IngestError;
use spolia_shard_router::RouterError;

/// A command that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A file or folder.
    #[error("cannot {act} {path}")]
    File {
        /// What was being done.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The settings do not parse or contradict themselves.
    #[error("the settings are not usable: {0}")]
    Settings(String),
    /// There is no site here.
    #[error("{0} is no site (it has no spolia.toml); make one with `spolia init {0}`, or name one with --site")]
    NoSite(PathBuf),
    /// Something else, said in full.
    #[error("{0}")]
    Said(String),
    /// A local node.
    #[error(transparent)]
    Node(#[from] spolia_local_node::Error),
    /// The archive.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The tokens file.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An ingest.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A node.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The control database.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A file that is looked at.
    #[error(transparent)]
    Cutout(#[from] spolia_cutout::CutoutError),
    /// A result could not be written in its format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A table that comes with a query.
    #[error(transparent)]
    Table(#[from] TableFileError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl CommandError {
    /// Names the act and the file.
    pub fn file(act: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }

    /// The error and what caused it, on one line.
    pub fn message(&self) -> String {
        if let Self::Exec(error) = self {
            return error.message();
        }
        let mut message = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = error.source();
        }
        message
    }
}
