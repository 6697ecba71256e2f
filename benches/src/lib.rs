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

/// A site with one node that holds Gaia-shaped files.
pub struct BenchSite {
    folder: TempDir,
}

impl BenchSite {
    /// Makes files (options of `make-gaia`), a site, and ingests.
    pub fn new(options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("spolia-bench-").tempdir().expect("a temporary folder");
        // The server's user must be able to enter it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("our own folder");
        let site = Self { folder };
        let files = site.files();
        site.spolia(&[&["make-gaia", "--out", &files.to_string_lossy()], options].concat());
        site.spolia(&["init", "--shards", "1"]);
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

    /// How to connect to its node.
    pub fn connection(&self) -> Connection {
        let nodes = LocalNodes::new(self.path(), Default::default()).expect("a site");
        nodes.open("n1").expect("its node").connection().clone()
    }

    /// The site, opened.
    pub async fn archive(&self) -> Archive {
        let c = self.connection();
        let node = NodeAddress::unix_socket("n1", 0, &c.host, c.port, &c.user, &c.password, &c.dbname);
        let settings = ArchiveSettings {
            site: self.path().to_owned(),
            nodes: vec![node.clone()],
            control: node,
            store: StoreSettings::default(),
            router: RouterSettings::default(),
            cut: Default::default(),
            query: QuerySettings::default(),
            log: LogSettings::default(),
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
