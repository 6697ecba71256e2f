//! Starting and stopping a node's server.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::UnixStream;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::task::JoinSet;

use crate::files::{failed, read_small, remove_file, tail};
use crate::installation::Installation;
use crate::machine::Machine;
use crate::place::{PORT, ensure_socket_dir};
use crate::postmaster::{OWNER_SETTING, ServerState, parent_of};
use crate::spawn::{Spawned, spawn};
use crate::{Error, LocalNode, NodeStatus, Result};

/// Between two looks at a server that starts or stops.
const POLL: Duration = Duration::from_millis(20);
/// Backends notice by themselves that their server was killed; after this they are told.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(2);
/// For an immediate shutdown, and for the kernel to end what was killed.
const QUIT_PATIENCE: Duration = Duration::from_secs(10);
/// A log bigger than this is set aside as `server.log.1` at the next start.
const LOG_LIMIT_BYTES: u64 = 8 << 20;

/// How a server shall be started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// The server shuts down when this program ends, however it ends (SIGKILL too). Else it lives on.
    pub die_with_parent: bool,
}

/// What a start found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The server was started.
    Spawned {
        /// Its process.
        pid: i32,
    },
    /// It ran already.
    AlreadyRunning {
        /// Its process.
        pid: i32,
        /// The living process it will end with, if any.
        owner: Option<i32>,
    },
}

/// Starts nodes side by side; the answers stand in the order of the nodes.
pub async fn start_all(nodes: &[LocalNode], options: StartOptions) -> Vec<Result<Started>> {
    let mut tasks = JoinSet::new();
    for (index, node) in nodes.iter().cloned().enumerate() {
        tasks.spawn(async move { (index, node.start(options).await) });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

impl LocalNode {
    /// Starts the server and waits until it answers. One that runs already is left running; what a crash left is cleared.
    ///
    /// # Errors
    /// [`Error::Start`] with the end of the server's log, [`Error::CheckMachine`] when it runs on another machine, and
    /// what finding PostgreSQL or making the socket's folder may bring.
    pub async fn start(&self, options: StartOptions) -> Result<Started> {
        let _lock = self.lock().await?;
        if let NodeStatus::Running { pid, owner } = self.status()?
            && self.is_usable(pid, owner)?
        {
            self.until_ready(pid, None, 0).await?;
            return Ok(Started::AlreadyRunning { pid, owner });
        }
        self.end().await?;
        let spawned = self.spawn_server(options).await?;
        Ok(Started::Spawned { pid: spawned })
    }

    /// Stops the server (a fast shutdown: open transactions are rolled back) and waits until nothing of it is left.
    ///
    /// # Errors
    /// [`Error::Stop`] when something is left, [`Error::CheckMachine`] when it runs on another machine.
    pub async fn stop(&self) -> Result<()> {
        let _lock = self.lock().await?;
        self.end().await
    }

    /// False for a server that is going down, or would (its owner is gone), or that can't be reached any more.
    fn is_usable(&self, pid: i32, owner: Option<i32>) -> Result<bool> {
        let stopping = self.pid_file()?.is_some_and(|file| file.state == ServerState::Stopping);
        let ready = self.pid_file()?.is_some_and(|file| file.state == ServerState::Ready);
        let orphaned = owner.is_some_and(|owner| parent_of(pid) != Some(owner));
        let reachable = !ready || self.socket_path().exists();
        Ok(!stopping && !orphaned && reachable)
    }

    fn socket_path(&self) -> PathBuf {
        self.connection().host.join(format!(".s.PGSQL.{PORT}"))
    }

    /// Ends whatever runs of this node and clears a stale `postmaster.pid`.
    async fn end(&self) -> Result<()> {
        match self.status()? {
            NodeStatus::Elsewhere { host } => {
                return Err(Error::CheckMachine { node: self.name.clone(), host, pid_file: self.pid_path() });
            }
            NodeStatus::Running { pid, .. } => self.shut_down(pid).await?,
            NodeStatus::Stopped | NodeStatus::Stale => {}
        }
        self.clear_processes().await?;
        self.clear_files()
    }

    /// Removes what a server that is gone left: its `postmaster.pid`, its socket and the socket's lock file. PostgreSQL
    /// would refuse to start when a pid in them is a stranger's now, or that of a dead process nobody has reaped.
    fn clear_files(&self) -> Result<()> {
        remove_file(&self.pid_path())?;
        let socket = self.socket_path();
        let lock = socket.with_extension(format!("{PORT}.lock"));
        let holder = read_small(&lock)?.and_then(|text| text.lines().next()?.trim().parse().ok());
        if holder.is_some_and(|pid| self.is_twin(pid)) {
            // This site is a copy of one that runs, and both would use the same folder: PostgreSQL will say so.
            return Ok(());
        }
        remove_file(&lock)?;
        remove_file(&socket)
    }

    /// Fast shutdown, then an immediate one when that takes too long.
    async fn shut_down(&self, pid: i32) -> Result<()> {
        let patience = Duration::from_secs(self.settings.stop_timeout_s);
        self.signal(pid, Signal::INT)?;
        if !until(patience, || !self.is_postmaster(pid)).await {
            tracing::warn!(node = self.name, "fast shutdown takes too long, an immediate one follows");
            self.signal(pid, Signal::QUIT)?;
            until(QUIT_PATIENCE, || !self.is_postmaster(pid)).await;
        }
        Ok(())
    }

    /// Sees the backends off that a killed server left; they hold its shared memory, and must not meet a new server.
    async fn clear_processes(&self) -> Result<()> {
        for (signal, patience) in
            [(None, ORPHAN_PATIENCE), (Some(Signal::QUIT), QUIT_PATIENCE), (Some(Signal::KILL), QUIT_PATIENCE)]
        {
            if let Some(signal) = signal {
                self.processes().into_iter().try_for_each(|pid| self.signal(pid, signal))?;
            }
            if until(patience, || self.processes().is_empty()).await {
                return Ok(());
            }
        }
        let waited_s = (ORPHAN_PATIENCE + 2 * QUIT_PATIENCE).as_secs();
        match self.processes().first() {
            Some(pid) => Err(Error::Stop { node: self.name.clone(), pid: *pid, waited_s, log_file: self.log_file() }),
            None => Ok(()),
        }
    }

    /// Spawns the server and waits until it answers; one that doesn't is ended.
    async fn spawn_server(&self, options: StartOptions) -> Result<i32> {
        let command = self.server_command(options).await?;
        ensure_socket_dir(&self.connection().host, &self.user)?;
        Machine::this()?.write(&self.machine_path())?;
        let (log, log_start) = self.open_log()?;
        let spawned = spawn(&self.name, command, log).await?;
        let pid = spawned.pid;
        let answer = self.until_ready(pid, Some(spawned), log_start).await;
        if answer.is_err() {
            self.end().await?;
        }
        answer.map(|()| pid)
    }

    /// `postgres` with everything that depends on the place.
    async fn server_command(&self, options: StartOptions) -> Result<Command> {
        let installation = Installation::of_major(&self.settings, self.major()?, &self.name).await?;
        let mut command = self.user.command(&installation.program("postgres"), options.die_with_parent);
        command.arg("-D").arg(self.data_dir());
        command.arg("-k").arg(&self.connection().host).arg("-p").arg(PORT.to_string());
        command.arg("-c").arg(format!("cluster_name={}", self.cluster_name()));
        if options.die_with_parent {
            command.arg("-c").arg(format!("{OWNER_SETTING}={}", std::process::id()));
        }
        Ok(command)
    }

    /// The log, open for appending, and its length now.
    fn open_log(&self) -> Result<(File, u64)> {
        let path = self.log_file();
        if path.metadata().is_ok_and(|log| log.len() > LOG_LIMIT_BYTES) {
            fs::rename(&path, path.with_extension("log.1")).map_err(failed("set aside", &path))?;
        }
        let open = || -> std::io::Result<(File, u64)> {
            let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            let length = log.metadata()?.len();
            Ok((log, length))
        };
        let opened = open().map_err(failed("open", &path))?;
        self.user.give(&path)?;
        Ok(opened)
    }

    /// Waits until the server says it is ready and takes a connection.
    async fn until_ready(&self, pid: i32, mut spawned: Option<Spawned>, log_start: u64) -> Result<()> {
        let begun = Instant::now();
        let patience = Duration::from_secs(self.settings.start_timeout_s);
        loop {
            let ready = self.pid_file()?.is_some_and(|file| file.pid == pid && file.state == ServerState::Ready);
            if ready && UnixStream::connect(self.socket_path()).await.is_ok() {
                return Ok(());
            }
            let outcome = match &mut spawned {
                Some(spawned) => match spawned.ended.try_recv() {
                    Ok(outcome) => Some(outcome),
                    Err(TryRecvError::Closed) => Some("its end is unknown".to_owned()),
                    Err(TryRecvError::Empty) => None,
                },
                None => (!self.is_postmaster(pid)).then(|| "it ended".to_owned()),
            };
            let late = (begun.elapsed() > patience).then(|| format!("no answer within {} s", patience.as_secs()));
            if let Some(outcome) = outcome.or(late) {
                let tail = tail(&self.log_file(), log_start);
                return Err(Error::Start { node: self.name.clone(), outcome, log_file: self.log_file(), tail });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Waits until a condition holds; false when it does not within `patience`.
async fn until(patience: Duration, condition: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}
