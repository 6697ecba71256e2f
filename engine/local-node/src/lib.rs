//! PostgreSQL servers that a site runs itself, from the PostgreSQL installed on this machine.
//!
//! ```text
//! <site>/nodes/n1/node.json     what was made and where (mode 0600)
//!                 pgpass        the password, in libpq's password-file format (mode 0600)
//!                 lock          held (flock) while the node is made, started or stopped
//!                 started_on    the machine of the last start
//!                 server.log    the server's log
//!                 data/         PGDATA      \  or, when the server's user can't reach the site,
//!                 socket/       mode 0700   /  in a folder of its own below `fallback_root`
//! ```
//!
//! A server answers on its Unix socket only, with SCRAM, and runs as the owner of its data folder: the caller, or for root
//! the user `postgres`. When the socket's path would pass the system's 107 bytes, the socket lies in `/tmp/spolia-<token>`.
//!
//! **Invariants.** No process is trusted or signalled before its command line was seen to be a `postgres` of this very
//! node. Only the holder of a node's lock starts or stops it. A data folder appears whole (by rename) or not at all, and is
//! never made a second time over one that was there.

mod connection;
mod create;
mod error;
mod files;
mod installation;
mod lifecycle;
mod lock;
mod machine;
mod node;
mod panic;
mod place;
mod postmaster;
mod record;
mod server_user;
mod settings;
mod spawn;

pub use connection::Connection;
pub use error::{Error, Result};
pub use lifecycle::{StartOptions, Started, start_all};
pub use node::{LocalNode, LocalNodes};
pub use panic::LogMark;
pub use postmaster::NodeStatus;
pub use settings::LocalNodeSettings;
