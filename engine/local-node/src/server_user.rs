//! Which user a server runs as, and how its programs are started as that user.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::files::failed;
use crate::{Error, LocalNodeSettings, Result};

/// The owner of a node's data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerUser {
    pub(crate) uid: u32,
    gid: u32,
    /// True when the caller is root and has to change into this user.
    switch: bool,
}

impl ServerUser {
    /// For a node to be made: the caller, or for root the user of the settings.
    pub(crate) async fn for_new_node(settings: &LocalNodeSettings) -> Result<Self> {
        if !is_root() {
            return Ok(Self::caller());
        }
        let user = &settings.server_user;
        let missing = || Error::FindServerUser { user: user.clone() };
        let uid = id_of(user, "-u").await.filter(|uid| *uid != 0).ok_or_else(missing)?;
        let gid = id_of(user, "-g").await.ok_or_else(missing)?;
        Ok(Self { uid, gid, switch: true })
    }

    /// For a node that is there: the owner of its data folder. Root may act for anybody, others for themselves.
    pub(crate) fn of_node(node: &str, data_dir: &Path) -> Result<Self> {
        let owner = data_dir.metadata().map_err(failed("look at", data_dir))?;
        let caller = rustix::process::geteuid().as_raw();
        if owner.uid() == 0 || (caller != 0 && caller != owner.uid()) {
            let owner = owner.uid();
            return Err(Error::CheckOwner { node: node.to_owned(), data_dir: data_dir.to_owned(), owner });
        }
        Ok(Self { uid: owner.uid(), gid: owner.gid(), switch: caller != owner.uid() })
    }

    fn caller() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw(), switch: false }
    }

    /// True when this is not the caller.
    pub(crate) fn is_other(&self) -> bool {
        self.switch
    }

    /// Gives a file or folder to this user; links are not followed.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        if !self.switch {
            return Ok(());
        }
        lchown(path, Some(self.uid), Some(self.gid)).map_err(failed("give to the server's user", path))
    }

    /// A command that runs `program` as this user in the folder `/`, without input and with a small, fixed environment.
    ///
    /// With `die_with_parent` the kernel sends it SIGINT, PostgreSQL's fast shutdown, when the *thread* that spawned it
    /// ends. `setpriv` asks for that after the change of user, which would clear it, and an exec keeps it.
    pub(crate) fn command(&self, program: &Path, die_with_parent: bool) -> Command {
        let mut command = Command::new("setpriv");
        if self.switch {
            command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid)).arg("--clear-groups");
        }
        if die_with_parent {
            command.arg("--pdeathsig=INT");
        }
        command.arg("--").arg(program).current_dir("/").stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C");
        command
    }

    /// True when this user can write into a folder and enter it, by the system's own judgement.
    pub(crate) async fn can_use(&self, folder: &Path) -> bool {
        let mut test = self.command(Path::new("test"), false);
        test.args([OsStr::new("-w"), folder.as_os_str(), OsStr::new("-a"), OsStr::new("-x"), folder.as_os_str()]);
        tokio::process::Command::from(test).status().await.is_ok_and(|status| status.success())
    }
}

/// True when the caller is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A user's numeric id (`-u`) or main group (`-g`), by the system's user database.
async fn id_of(user: &str, which: &str) -> Option<u32> {
    let output = tokio::process::Command::new("id").args([which, "--", user]).output().await.ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
