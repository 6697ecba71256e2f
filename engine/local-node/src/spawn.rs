//! Starting a server process on a thread that lives as long as the server, or as this program.
//!
//! The kernel's "signal me when my parent dies" means the parent *thread*: a server spawned on a worker thread of a pool
//! would be shut down when the pool lets that thread go. So each server has a thread of its own, which spawns it and waits
//! for it; that also reaps it, without which PostgreSQL would take a dead server for a living one.

use std::fs::File;
use std::process::{Command, ExitStatus};
use std::thread;

use tokio::sync::oneshot;

use crate::{Error, Result};

/// A server process of ours.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: i32,
    /// Tells how it ended.
    pub(crate) ended: oneshot::Receiver<String>,
}

/// Spawns the server with its output in `log`, in a process group of its own: a Ctrl-C in the terminal is for this program,
/// which then stops its servers in order.
pub(crate) async fn spawn(node: &str, mut command: Command, log: File) -> Result<Spawned> {
    use std::os::unix::process::CommandExt;
    let failed = |source| Error::RunProgram { program: format!("setpriv (for PostgreSQL node {node})"), source };
    command.stdout(log.try_clone().map_err(failed)?).stderr(log).process_group(0);
    let (pid_sender, pid) = oneshot::channel();
    let (end_sender, ended) = oneshot::channel();
    let name = node.to_owned();
    let body = move || match command.spawn() {
        Ok(mut child) => {
            let _ = pid_sender.send(Ok(child.id()));
            let outcome = describe(child.wait());
            tracing::debug!(node = name, outcome, "postgres server ended");
            let _ = end_sender.send(outcome);
        }
        Err(e) => {
            let _ = pid_sender.send(Err(e));
        }
    };
    thread::Builder::new().name(format!("node-{node}")).spawn(body).map_err(failed)?;
    let pid = pid.await.map_err(|e| failed(std::io::Error::other(e)))?.map_err(failed)?;
    Ok(Spawned { pid: i32::try_from(pid).map_err(|e| failed(std::io::Error::other(e)))?, ended })
}

/// How a server ended, in words.
fn describe(waited: std::io::Result<ExitStatus>) -> String {
    waited.map_or_else(|e| format!("its end is unknown: {e}"), |status| status.to_string())
}
