//! Why a server broke down while something was done with it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::node::LocalNode;

/// Bytes of a log that are searched.
const LIMIT_BYTES: u64 = 1 << 20;

/// A place in a node's log, to look from later.
#[derive(Debug, Clone)]
pub struct LogMark {
    node: String,
    log_file: PathBuf,
    from: u64,
}

impl LocalNode {
    /// The end of the server's log as it is now.
    #[must_use]
    pub fn mark_log(&self) -> LogMark {
        let log_file = self.log_file();
        let from = log_file.metadata().map_or(0, |log| log.len());
        LogMark { node: self.name.clone(), log_file, from }
    }
}

impl LogMark {
    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// What the server broke down over since then: the message of its first PANIC. Clients are only told that their connection
    /// was closed.
    #[must_use]
    pub fn panic(&self) -> Option<String> {
        let mut log = File::open(&self.log_file).ok()?;
        log.seek(SeekFrom::Start(self.from)).ok()?;
        let mut bytes = Vec::new();
        log.take(LIMIT_BYTES).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        text.lines().find_map(|line| Some(line.split_once("PANIC:  ")?.1.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_since_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let log_file = folder.path().join("server.log");
        let before = "2026-11-23 10:00:00.000 UTC [7] PANIC:  an old one\n";
        std::fs::write(&log_file, before).unwrap();
        let mark = LogMark { node: "n1".to_owned(), log_file: log_file.clone(), from: before.len() as u64 };
        assert_eq!(mark.panic(), None);
        let since = "2026-11-23 10:00:01.000 UTC [8] spolia@postgres PANIC:  could not write to file \"x\": No space left on device\n";
        std::fs::write(&log_file, format!("{before}{since}")).unwrap();
        assert_eq!(mark.panic().as_deref(), Some("could not write to file \"x\": No space left on device"));
    }
}
