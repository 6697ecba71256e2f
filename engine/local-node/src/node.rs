//! The nodes of a site, and one of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::{failed, read_small, remove_folder};
use crate::lock::NodeLock;
use crate::place::{self, PORT};
use crate::record::{NodeRecord, password};
use crate::server_user::ServerUser;
use crate::{Connection, Error, LocalNodeSettings, Result};

/// The superuser of every local node.
pub(crate) const SUPERUSER: &str = "spolia";
/// Longest name of a node, so that `cluster_name` stays under PostgreSQL's 63 bytes.
const NAME_BYTES: usize = 32;

/// All local nodes of one site.
#[derive(Debug, Clone)]
pub struct LocalNodes {
    site_dir: PathBuf,
    settings: LocalNodeSettings,
}

impl LocalNodes {
    /// The nodes of the site in `site_dir`, which must exist.
    ///
    /// # Errors
    /// [`Error::File`] when the folder is not there, [`Error::CheckSite`] when its path has control characters in it.
    pub fn new(site_dir: &Path, settings: LocalNodeSettings) -> Result<Self> {
        let site_dir = fs::canonicalize(site_dir).map_err(failed("find", site_dir))?;
        if site_dir.to_string_lossy().chars().any(char::is_control) {
            return Err(Error::CheckSite { path: site_dir, why: "it contains a control character" });
        }
        Ok(Self { site_dir, settings })
    }

    /// Names of the nodes that were made, sorted.
    ///
    /// # Errors
    /// [`Error::File`] when the site can't be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let nodes = self.site_dir.join("nodes");
        let entries = match fs::read_dir(&nodes) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed("read", &nodes))?,
        };
        let made = entries.flatten().filter(|entry| entry.path().join("node.json").exists());
        let mut names: Vec<String> = made.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Makes a node (`n1`), or finishes making it, or finds it made. It is not started.
    ///
    /// # Errors
    /// Without PostgreSQL, without a place the server's user can reach, when `initdb` fails.
    pub async fn create(&self, name: &str) -> Result<LocalNode> {
        check_name(name)?;
        crate::create::create(&self.node_dir(name), name, &self.settings).await?;
        self.open(name)
    }

    /// A node that was made before.
    ///
    /// # Errors
    /// [`Error::OpenNode`] when it never was, [`Error::FindData`] when its data are gone, [`Error::CheckOwner`] when it is
    /// somebody else's.
    pub fn open(&self, name: &str) -> Result<LocalNode> {
        check_name(name)?;
        LocalNode::open(self.node_dir(name), name, &self.site_dir, &self.settings)
    }

    /// Stops a node and removes all it has, its data included. A node that is not there is fine.
    ///
    /// # Errors
    /// When it can't be stopped or a folder can't be removed.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let node_dir = self.node_dir(name);
        match self.open(name) {
            Ok(node) => node.remove().await,
            Err(Error::OpenNode { .. }) => remove_folder(&node_dir),
            Err(other) => Err(other),
        }
    }

    fn node_dir(&self, name: &str) -> PathBuf {
        self.site_dir.join("nodes").join(name)
    }
}

/// Names go into paths, process titles and messages.
fn check_name(name: &str) -> Result<()> {
    let body = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let good = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(body) && name.len() <= NAME_BYTES;
    if good { Ok(()) } else { Err(Error::CheckName { name: name.to_owned() }) }
}

/// One PostgreSQL server of a site; it may run or not.
#[derive(Debug, Clone)]
pub struct LocalNode {
    pub(crate) name: String,
    /// `<site>/nodes/<name>`.
    pub(crate) node_dir: PathBuf,
    pub(crate) record: NodeRecord,
    pub(crate) user: ServerUser,
    pub(crate) settings: LocalNodeSettings,
    connection: Connection,
}

impl LocalNode {
    fn open(node_dir: PathBuf, name: &str, site: &Path, settings: &LocalNodeSettings) -> Result<Self> {
        let record_path = node_dir.join("node.json");
        let record = NodeRecord::read(&record_path)?.filter(|record| record.created);
        let record = record.ok_or_else(|| Error::OpenNode { node: name.to_owned(), site: site.to_owned() })?;
        let place = record.place.clone().unwrap_or_else(|| node_dir.clone());
        let data_dir = place.join("data");
        if !data_dir.is_dir() {
            return Err(Error::FindData { node: name.to_owned(), data_dir, record: record_path });
        }
        let connection = Connection {
            host: place::socket_dir(&place, &record),
            port: PORT,
            user: SUPERUSER.to_owned(),
            password: password(&node_dir.join("pgpass"), SUPERUSER)?,
            dbname: "postgres".to_owned(),
        };
        let user = ServerUser::of_node(name, &data_dir)?;
        Ok(Self { name: name.to_owned(), node_dir, record, user, settings: settings.clone(), connection })
    }

    /// Its name in the site, such as `n1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How to connect to it, once it runs.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A libpq password file for it: `PGPASSFILE=… psql -h <host> -U spolia postgres`.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.node_dir.join("pgpass")
    }

    /// The server's log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.node_dir.join("server.log")
    }

    /// The server's data folder (PGDATA).
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.place().join("data")
    }

    /// Folder of `data` and `socket`.
    fn place(&self) -> &Path {
        self.record.place.as_deref().unwrap_or(&self.node_dir)
    }

    /// The `cluster_name` in the command line and process titles of this node's server.
    pub(crate) fn cluster_name(&self) -> String {
        self.record.cluster_name(&self.name)
    }

    /// The major version that made the data folder.
    pub(crate) fn major(&self) -> Result<u32> {
        let path = self.data_dir().join("PG_VERSION");
        let text = read_small(&path)?.unwrap_or_default();
        let number = text.trim().parse().map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e));
        number.map_err(failed("read", &path))
    }

    /// Takes the node's lock; a start and a stop may come before, so it waits as long as both may take.
    pub(crate) async fn lock(&self) -> Result<NodeLock> {
        let patience = Duration::from_secs(self.settings.start_timeout_s + self.settings.stop_timeout_s);
        NodeLock::take(&self.node_dir.join("lock"), &self.name, patience).await
    }

    async fn remove(&self) -> Result<()> {
        self.stop().await?;
        let _lock = self.lock().await?;
        remove_folder(&self.connection.host)?;
        if let Some(place) = &self.record.place {
            remove_folder(place)?;
        }
        remove_folder(&self.node_dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        let check = |name: &str, good: bool| assert_eq!(check_name(name).is_ok(), good, "{name:?}");
        check("n1", true);
        check("n_12", true);
        check("", false);
        check("1n", false);
        check("N1", false);
        check("../n1", false);
        check("n1\n", false);
        check(&"n".repeat(33), false);
    }

    #[test]
    fn a_node_that_was_never_made_is_named_with_its_site() {
        let site = tempfile::tempdir().unwrap();
        let nodes = LocalNodes::new(site.path(), LocalNodeSettings::default()).unwrap();
        assert_eq!(nodes.names().unwrap(), Vec::<String>::new());
        let message = nodes.open("n1").unwrap_err().to_string();
        assert!(message.contains("n1") && message.contains("spolia init"), "{message}");
    }
}
