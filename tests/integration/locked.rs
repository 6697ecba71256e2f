//! A table that cannot be read for a while, so that whoever asks for it waits.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::site::TestSite;

/// Keeps a table of a node from being read, for some seconds or until it is opened.
pub struct Locked<'a> {
    child: Child,
    site: &'a TestSite,
    node: String,
}

impl<'a> Locked<'a> {
    pub fn new(site: &'a TestSite, node: &str, table: &str, seconds: u32) -> Self {
        let sql = format!("BEGIN; LOCK TABLE {table}; SELECT pg_sleep({seconds})");
        let child = site.psql_command(node, "postgres", &sql).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let waiting = "SELECT COUNT(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted";
        let begun = Instant::now();
        while site.psql(node, "postgres", waiting).ok().trim() == "0" {
            assert!(begun.elapsed() < Duration::from_secs(30), "the table is never locked");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child: child.unwrap(), site, node: node.to_owned() }
    }

    /// Waits for the end of the time.
    pub fn end(mut self) {
        self.child.wait().unwrap();
    }

    /// Lets others read at once.
    pub fn open(mut self) {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE%'";
        self.site.psql(&self.node, "postgres", sql).ok();
        self.child.wait().unwrap();
    }
}
