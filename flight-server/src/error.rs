//! What can go wrong when the doors are opened or kept open.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The server could not be started, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A port could not be taken.
    #[error("cannot listen on {address}: {source}; another program may use the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The base URL is none.
    #[error("[server] base_url {0:?} is no URL such as https://archive.example.org")]
    BaseUrl(String),
    /// A bound lets nothing through.
    #[error("[server] {0} is 0, which lets nothing through")]
    Bound(&'static str),
    /// What the registry would publish is missing, or no valid record.
    #[error("[registry] {setting} {fault}")]
    Registry {
        /// The setting.
        setting: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The folder for merged files cannot be used.
    #[error("the spool folder {path} cannot be used: {source}")]
    Spool {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What the server says of itself could not be put together.
    #[error("the Flight SQL server cannot describe itself: {0}")]
    Describe(arrow_flight::error::FlightError),
    /// The HTTP door broke.
    #[error("the HTTP server ended: {0}")]
    Http(std::io::Error),
    /// The Flight door broke.
    #[error("the Flight server ended: {0}")]
    Flight(#[from] tonic::transport::Error),
}
