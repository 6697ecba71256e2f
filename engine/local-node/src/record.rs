//! `node.json`: what was made for a node, and where.

use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

use crate::files::{read_small, write_private};
use crate::{Error, Result};

/// The lasting facts of one node. Everything else follows from them, so that a site can be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeRecord {
    /// Random, lower-case hexadecimal; tells this node's processes and folders from those of any other site's `n1`.
    pub(crate) token: String,
    /// False until the data folder was complete once. After that it is never made again.
    pub(crate) created: bool,
    /// Folder that holds `data/` and `socket/` when they are not in the node's own folder.
    pub(crate) place: Option<PathBuf>,
}

impl NodeRecord {
    /// A record for a node that is about to be made.
    pub(crate) fn new() -> Self {
        Self { token: format!("{:016x}", rand::random::<u64>()), created: false, place: None }
    }

    /// Reads a record; `None` when there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read_small(path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|source| Error::ReadRecord { path: path.to_owned(), source })
    }

    /// Writes the record, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self);
        write_private(path, &text.map_err(|source| Error::ReadRecord { path: path.to_owned(), source })?)
    }

    /// The `cluster_name` by which the server's processes are known.
    pub(crate) fn cluster_name(&self, node: &str) -> String {
        format!("spolia_{node}_{}", self.token)
    }
}

/// Reads the password of a `pgpass` file, or makes a new one (32 letters and digits) and writes the file.
pub(crate) fn password(pgpass: &Path, user: &str) -> Result<String> {
    if let Some(text) = read_small(pgpass)?
        && let Some((_, password)) = text.trim_end().rsplit_once(':')
    {
        return Ok(password.to_owned());
    }
    let password: String = rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect();
    write_private(pgpass, &format!("*:*:*:{user}:{password}\n"))?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let pgpass = folder.path().join("pgpass");
        let made = password(&pgpass, "spolia").unwrap();
        assert_eq!(made.len(), 32);
        assert_eq!(password(&pgpass, "spolia").unwrap(), made);
    }

    #[test]
    fn a_damaged_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.json");
        std::fs::write(&path, "{\"token\":").unwrap();
        assert!(NodeRecord::read(&path).unwrap_err().to_string().contains("node.json"));
    }
}
