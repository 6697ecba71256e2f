//! The child process that libhdf5 lives in, and its bounds.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};

use crate::error::CutoutError;

/// Bytes of the child's complaint that are read.
const MAX_COMPLAINT: u64 = 64 << 10;

/// Bounds on the program that reads and writes HDF5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChildSettings {
    /// The program; `spolia-hdf5` beside this one by default.
    pub program: PathBuf,
    /// Address space in MB.
    pub max_memory_mb: u64,
    /// Processor time in seconds.
    pub max_cpu_s: u64,
    /// Seconds on the clock.
    pub timeout_s: u64,
}

impl Default for ChildSettings {
    fn default() -> Self {
        let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("spolia-hdf5")));
        // A test binary lies one folder below the programs.
        let above = beside.as_ref().and_then(|path| Some(path.parent()?.parent()?.join("spolia-hdf5")));
        let found = [beside, above].into_iter().flatten().find(|path| path.is_file());
        Self {
            program: found.unwrap_or_else(|| PathBuf::from("spolia-hdf5")),
            max_memory_mb: 4096,
            max_cpu_s: 600,
            timeout_s: 900,
        }
    }
}

impl ChildSettings {
    /// Starts the child with `arguments` and hands it `message`. It is killed when the returned value is dropped.
    pub(crate) async fn start(&self, arguments: &[&Path], message: &impl Serialize) -> Result<Child, CutoutError> {
        let mut child = Command::new(&self.program)
            .arg("--max-memory-mb")
            .arg(self.max_memory_mb.to_string())
            .arg("--max-cpu-s")
            .arg(self.max_cpu_s.to_string())
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| CutoutError::Run { program: self.program.clone(), source })?;
        if let Some(mut stdin) = child.stdin.take() {
            let message = serde_json::to_vec(message)?;
            match stdin.write_all(&message).await {
                // It refused before it had read everything; what it says is on its standard error.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                other => other?,
            }
        }
        Ok(child)
    }

    /// The time the child may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// Reads what a child has to complain about, up to a bound; what exceeds it is read and dropped.
pub(crate) async fn complaint(stderr: Option<ChildStderr>) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(mut stderr) = stderr {
        // A pipe that breaks has nothing more to say.
        let _ = (&mut stderr).take(MAX_COMPLAINT).read_to_end(&mut text).await;
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    }
    text
}

/// What a child's end means.
pub(crate) fn verdict(status: ExitStatus, complaint: &[u8]) -> Result<(), CutoutError> {
    #[derive(Deserialize)]
    struct Complaint {
        error: String,
    }
    if status.success() {
        return Ok(());
    }
    let last = complaint.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    match last.and_then(|line| serde_json::from_slice::<Complaint>(line).ok()) {
        Some(complaint) => Err(CutoutError::Refused(complaint.error)),
        None => Err(CutoutError::Died(status.to_string())),
    }
}
