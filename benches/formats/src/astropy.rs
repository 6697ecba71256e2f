//! astropy, in a process of its own that has the table loaded.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

use crate::Writes;
use crate::ours::Ours;

/// A Python that has astropy and the table.
pub struct Astropy {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Astropy {
    /// Starts it, and waits until it has the table.
    pub fn start(python: &Path, ours: &Ours) -> Result<Self> {
        let stream = ours.file("ARROW");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/astropy_peer.py");
        let mut command = Command::new(python);
        command.arg(script).arg(&stream).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("no Python to be started (SPOLIA_PYTHON)")?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("its output")?);
        let folder = stream.parent().context("a folder")?.to_owned();
        let mut peer = Self { process, requests, answers, folder };
        peer.ask("")?;
        Ok(peer)
    }

    fn ask(&mut self, line: &str) -> Result<usize> {
        writeln!(self.requests.as_mut().context("its input")?, "{line}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        answer.trim().parse().with_context(|| format!("astropy does not {line}"))
    }
}

impl Writes for Astropy {
    fn name(&self) -> &'static str {
        "astropy"
    }

    fn write(&mut self, format: &str) -> Result<Option<usize>> {
        self.ask(&format!("write {format}")).map(Some)
    }

    fn read(&mut self, format: &str) -> Result<Option<usize>> {
        self.ask(&format!("read {format} {}", self.folder.join(format).display())).map(Some)
    }
}

impl Drop for Astropy {
    fn drop(&mut self) {
        drop(self.requests.take());
        // Nothing is left to do for one that does not end.
        let _ = self.process.wait();
    }
}
