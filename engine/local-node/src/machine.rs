//! Which machine a node was last started on.
//!
//! On a file system that several machines share, a `postmaster.pid` may name a process of another one; to take it for stale
//! would put two servers on one data folder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::files::{read_small, write_private};

/// A machine, by its host name and by its kernel's boot id.
///
/// One of the two stays after a reboot (the name) or in a container made anew on the same host (the boot id).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) host: String,
    boot_id: String,
}

impl Machine {
    /// This machine.
    pub(crate) fn this() -> Result<Self> {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let boot_id = read_small(Path::new("/proc/sys/kernel/random/boot_id"))?.unwrap_or_default();
        Ok(Self { host, boot_id: boot_id.trim().to_owned() })
    }

    /// The machine a file written by [`Machine::write`] names; `None` when there is no such file, or no sense in it.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        Ok(read_small(path)?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Writes this machine down.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::json!({ "host": self.host, "boot_id": self.boot_id }).to_string();
        write_private(path, &text)
    }

    /// True when nothing speaks for the two being one.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.host != other.host && self.boot_id != other.boot_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(host: &str, boot_id: &str) -> Machine {
        Machine { host: host.to_owned(), boot_id: boot_id.to_owned() }
    }

    #[test]
    fn a_reboot_or_a_new_container_is_the_same_machine() {
        let before = machine("login1", "aa");
        assert!(!before.differs(&machine("login1", "bb")), "rebooted");
        assert!(!before.differs(&machine("f00ba4", "aa")), "container made anew");
        assert!(before.differs(&machine("login2", "cc")));
    }
}
