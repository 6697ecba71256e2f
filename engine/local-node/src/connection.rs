//! What a client needs to reach a node.

use std::fmt;
use std::path::PathBuf;

/// Parameters of a connection; they are the fields of a `tokio_postgres::Config`.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// Folder of the Unix socket (`host_path`).
    pub host: PathBuf,
    /// Names the socket file, `.s.PGSQL.<port>`; nothing listens on TCP.
    pub port: u16,
    /// The superuser of the node.
    pub user: String,
    /// Its password.
    pub password: String,
    /// A database that is always there.
    pub dbname: String,
}

/// Shows everything but the password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("dbname", &self.dbname)
            .finish_non_exhaustive()
    }
}
