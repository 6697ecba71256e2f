//! The `[local_nodes]` section of a site's settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How local PostgreSQL nodes are found, placed and waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalNodeSettings {
    /// Folder of `initdb` and `postgres`; searched for when absent.
    pub bin_dir: Option<PathBuf>,
    /// Where data folders go when root runs a site that the server's user can't reach.
    pub fallback_root: PathBuf,
    /// The user root runs servers as.
    pub server_user: String,
    /// How long a server may take until it answers; recovery after a crash counts.
    pub start_timeout_s: u64,
    /// How long a fast shutdown may take before an immediate one follows.
    pub stop_timeout_s: u64,
}

impl Default for LocalNodeSettings {
    fn default() -> Self {
        Self {
            bin_dir: None,
            fallback_root: PathBuf::from("/var/lib/postgresql/spolia"),
            server_user: "postgres".to_owned(),
            start_timeout_s: 120,
            stop_timeout_s: 60,
        }
    }
}
