//! What the benches share: a site of their own, made by the real program.
//!
//! Each bench runs its named peer in the same run, on the same rows, so that only the ratio needs to be believed. `make bench`
//! builds the programs optimised and runs them all.

#![allow(clippy::expect_used, reason = "a bench that cannot be set up ends there")]

use std::path::{Path, PathBuf};
use std::process::Command;

use spolia_exec::{Archive, ArchiveSettings, LogSettings, StoreSettings};
use spolia_local_node::{Connection, LocalNodes};
use spolia_planner::QuerySettings;
use spolia_shard_router::{NodeAddress, RouterSettings};
use tempfile::TempDir;

/// A site that holds Gaia-shaped files.
pub struct BenchSite {
    folder: TempDir,
    shards: usize,
}

impl BenchSite {
    /// Makes files (options of `make-gaia`), a site with one node, and ingests.
    pub fn new(options: &[&str]) -> Self {
        Self::with_nodes(1, options)
    }

    /// The same with some nodes.
    pub fn with_nodes(shards: usize, options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("spolia-bench-").tempdir().expect("a temporary folder");
        // The server's user must be able to enter it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("our own folder");
        let site = Self { folder, shards };
        let files = site.files();
        site.spolia(&[&["make-gaia", "--out", &files.to_string_lossy()], options].concat());
        site.spolia(&["init", "--shards", &shards.to_string()]);
        site.spolia(&["up"]);
        let paths: Vec<String> = files
            .read_dir()
            .expect("the files")
            .map(|entry| entry.expect("a file").path().to_string_lossy().into_owned())
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        site.spolia(&[&["ingest", "gaia"], &paths[..]].concat());
        site
    }

    /// The folder of the files that were ingested.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The site's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// How to connect to its first node.
    pub fn connection(&self) -> Connection {
        self.connections().swap_remove(0)
    }

    /// How to connect to its nodes, n1 and so on.
    pub fn connections(&self) -> Vec<Connection> {
        let nodes = LocalNodes::new(self.path(), Default::default()).expect("a site");
        let one = |number| nodes.open(&format!("n{number}")).expect("its node").connection().clone();
        (1..=self.shards).map(one).collect()
    }

    /// The site, opened.
    pub async fn archive(&self) -> Archive {
        self.archive_with(RouterSettings::default().range_scans).await
    }

    /// The site, opened, where one query asks so many statements of a node at the same time.
    pub async fn archive_with(&self, range_scans: usize) -> Archive {
        let node = |(group, c): (usize, &Connection)| {
            let name = format!("n{}", group + 1);
            NodeAddress::unix_socket(&name, group as i32, &c.host, c.port, &c.user, &c.password, &c.dbname)
        };
        let nodes: Vec<NodeAddress> = self.connections().iter().enumerate().map(node).collect();
        let settings = ArchiveSettings {
            site: self.path().to_owned(),
            control: nodes[0].clone(),
            nodes,
            store: StoreSettings::default(),
            router: RouterSettings { range_scans, ..RouterSettings::default() },
            cut: Default::default(),
            selections: Default::default(),
            query: QuerySettings::default(),
            user_tables: Default::default(),
            log: LogSettings::default(),
            access: Default::default(),
            authority: "unregistered".to_owned(),
        };
        Archive::open(settings).await.expect("the archive")
    }

    fn spolia(&self, arguments: &[&str]) {
        let done = Command::new(program("spolia")).env("SPOLIA_SITE", self.path()).args(arguments).status();
        assert!(done.expect("spolia runs").success(), "spolia {:?}", arguments.first());
    }
}

impl Drop for BenchSite {
    fn drop(&mut self) {
        self.spolia(&["down"]);
    }
}

/// A program of the workspace, beside the folder of the benches.
pub fn program(name: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("the bench");
    bench.parent().and_then(Path::parent).expect("a target folder").join(name)
}
