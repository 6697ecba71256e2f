//! Telling whether a node's server runs, from `postmaster.pid` and `/proc`.
//!
//! A pid alone proves nothing: after a crash it may be a stranger's, or a dead process nobody has reaped (which
//! PostgreSQL itself takes for a living server). A process counts when its command line is that of a `postgres` with this
//! node's `cluster_name`, which holds the node's random token. Command lines are readable for everyone, other than
//! `/proc/<pid>/cwd` or `exe`.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::files::read_small;
use crate::machine::Machine;
use crate::{Error, LocalNode, Result};

/// Setting on a server's command line that names the process it shall end with.
pub(crate) const OWNER_SETTING: &str = "spolia.owner";

/// Whether a node's server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStatus {
    /// It runs.
    Running {
        /// Process of the server (postmaster).
        pid: i32,
        /// The process it was started to end with, if any.
        owner: Option<i32>,
    },
    /// It does not run.
    Stopped,
    /// It does not run and was not shut down; the next start recovers.
    Stale,
    /// It was started on another machine that shares the site's files, and not stopped there.
    Elsewhere {
        /// Name of that machine.
        host: String,
    },
}

/// What `postmaster.pid` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) state: ServerState,
}

/// The last line of `postmaster.pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerState {
    Starting,
    Ready,
    Stopping,
}

impl PidFile {
    /// Lines are: pid, data folder, start time, port, socket folder, address, shared memory, state.
    fn parse(text: &str) -> Option<Self> {
        let pid = text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
        let state = match text.lines().nth(7).map(str::trim) {
            Some("ready") => ServerState::Ready,
            Some("stopping") => ServerState::Stopping,
            _ => ServerState::Starting,
        };
        Some(Self { pid, state })
    }
}

impl LocalNode {
    /// Whether the server runs now.
    ///
    /// # Errors
    /// [`Error::File`] when the node's folder can't be read.
    pub fn status(&self) -> Result<NodeStatus> {
        let Some(text) = read_small(&self.pid_path())? else { return Ok(NodeStatus::Stopped) };
        if let Some(file) = PidFile::parse(&text)
            && let Some(arguments) = self.postmaster_arguments(file.pid)
        {
            return Ok(NodeStatus::Running { pid: file.pid, owner: owner_of(&arguments) });
        }
        match Machine::read(&self.machine_path())? {
            Some(last) if last.differs(&Machine::this()?) => Ok(NodeStatus::Elsewhere { host: last.host }),
            _ => Ok(NodeStatus::Stale),
        }
    }

    /// `postmaster.pid`, when there is one that makes sense.
    pub(crate) fn pid_file(&self) -> Result<Option<PidFile>> {
        Ok(read_small(&self.pid_path())?.and_then(|text| PidFile::parse(&text)))
    }

    pub(crate) fn pid_path(&self) -> std::path::PathBuf {
        self.data_dir().join("postmaster.pid")
    }

    pub(crate) fn machine_path(&self) -> std::path::PathBuf {
        self.node_dir.join("started_on")
    }

    /// True while `pid` is a living server of this node.
    pub(crate) fn is_postmaster(&self, pid: i32) -> bool {
        self.postmaster_arguments(pid).is_some()
    }

    /// True while `pid` is a living server of this node's name and token, be it in another folder.
    pub(crate) fn is_twin(&self, pid: i32) -> bool {
        let wanted = cluster_argument(&self.cluster_name());
        command_line(pid).is_some_and(|arguments| arguments.contains(&wanted))
    }

    /// The command line of `pid`, if it is a living server of this node.
    fn postmaster_arguments(&self, pid: i32) -> Option<Vec<Vec<u8>>> {
        let arguments = command_line(pid)?;
        is_server_of(&arguments, &self.cluster_name(), &self.data_dir()).then_some(arguments)
    }

    /// All living processes of this node: a server, and the backends that may outlive one that was killed.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse().ok());
        pids.filter(|pid| self.is_process(*pid)).collect()
    }

    fn is_process(&self, pid: i32) -> bool {
        let title = format!("postgres: {}: ", self.cluster_name());
        command_line(pid).is_some_and(|arguments| {
            arguments[0].starts_with(title.as_bytes())
                || is_server_of(&arguments, &self.cluster_name(), &self.data_dir())
        })
    }

    /// Signals a process of this node; one that has ended meanwhile is fine. The process is held by a pidfd while it is
    /// looked at, so that its number can't pass to another in between.
    pub(crate) fn signal(&self, pid: i32, signal: Signal) -> Result<()> {
        let failed = |e: rustix::io::Errno| Error::Signal { node: self.name.clone(), pid, source: e.into() };
        let Some(number) = Pid::from_raw(pid) else { return Ok(()) };
        let held = match pidfd_open(number, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            other => other.map_err(failed)?,
        };
        if !self.is_process(pid) {
            return Ok(());
        }
        match pidfd_send_signal(&held, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => other.map_err(failed),
        }
    }
}

/// The arguments of a living process; a dead one that is not reaped has none.
fn command_line(pid: i32) -> Option<Vec<Vec<u8>>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|bytes| !bytes.is_empty())?;
    Some(bytes.split(|b| *b == 0).map(<[u8]>::to_vec).collect())
}

/// True for `…/postgres -D <data_dir> … -c cluster_name=<cluster_name>`.
///
/// The folder in the command line may be one that is gone, for a site can be moved while its nodes run; if it is another
/// one that exists, this site is a copy, and the server belongs to the original.
fn is_server_of(arguments: &[Vec<u8>], cluster_name: &str, data_dir: &Path) -> bool {
    let program = Path::new(std::ffi::OsStr::from_bytes(&arguments[0]));
    let named = arguments.contains(&cluster_argument(cluster_name));
    let folder = arguments.iter().skip_while(|argument| *argument != b"-D").nth(1);
    let here = folder.is_some_and(|folder| {
        let folder = Path::new(std::ffi::OsStr::from_bytes(folder));
        folder == data_dir || !folder.exists()
    });
    program.file_name().is_some_and(|name| name == "postgres") && named && here
}

fn cluster_argument(cluster_name: &str) -> Vec<u8> {
    format!("cluster_name={cluster_name}").into_bytes()
}

/// The owner a server's command line names.
fn owner_of(arguments: &[Vec<u8>]) -> Option<i32> {
    let prefix = format!("{OWNER_SETTING}=");
    let value = arguments.iter().find_map(|argument| argument.strip_prefix(prefix.as_bytes()))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The parent of a process.
pub(crate) fn parent_of(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|argument| argument.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_pid_file_as_postgres_writes_it() {
        let check = |text: &str, pid_file| assert_eq!(PidFile::parse(text), pid_file, "{text:?}");
        let full = |state: &str| format!("4711\n/d\n1700000000\n5432\n/s\n\n  123 45\n{state}\n");
        check(&full("ready   "), Some(PidFile { pid: 4711, state: ServerState::Ready }));
        check(&full("stopping"), Some(PidFile { pid: 4711, state: ServerState::Stopping }));
        check("4711\n/d\n", Some(PidFile { pid: 4711, state: ServerState::Starting }));
        check("", None);
        check("-4711\n", None);
        check("1\n", None);
    }

    #[test]
    fn only_the_server_of_this_node_and_folder_is_trusted() {
        let check = |line: &str, ours: bool| {
            assert_eq!(is_server_of(&arguments(line), "spolia_n1_ab", Path::new("/usr")), ours, "{line}");
        };
        check("/usr/lib/postgresql/15/bin/postgres -D /usr -c cluster_name=spolia_n1_ab", true);
        check("/usr/lib/postgresql/15/bin/postgres -D /moved/away -c cluster_name=spolia_n1_ab", true);
        check("/usr/lib/postgresql/15/bin/postgres -D /etc -c cluster_name=spolia_n1_ab", false);
        check("/usr/lib/postgresql/15/bin/postgres -D /usr -c cluster_name=spolia_n1_abc", false);
        check("/usr/bin/vim -D /usr -c cluster_name=spolia_n1_ab", false);
        check("postgres", false);
    }

    #[test]
    fn the_owner_is_read_from_the_command_line() {
        assert_eq!(owner_of(&arguments("postgres -c spolia.owner=42")), Some(42));
        assert_eq!(owner_of(&arguments("postgres -c jit=off")), None);
    }
}
