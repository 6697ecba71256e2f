//! The peers written in Python, in one process that has imported everything already.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

use crate::picks::{Picks, Set, fastest};

pub struct Peers {
    process: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The peers of a kind, the fastest last.
pub fn names(kind: &str) -> &'static [&'static str] {
    match kind {
        "tables" => &["h5py naive", "h5py fancy"],
        _ => &["h5py naive", "h5py copy", "h5o.copy"],
    }
}

impl Peers {
    /// `SPOLIA_PYTHON`, or `python3`, must have h5py.
    pub fn start() -> Result<Self> {
        let python = std::env::var_os("SPOLIA_PYTHON").unwrap_or_else(|| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers.py");
        let mut process = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("its output")?);
        Ok(Self { process, input, answers })
    }

    /// Seconds of the fastest run.
    pub fn run(&mut self, kind: &str, peer: &str, set: &Set, picks: &Picks, output: &Path, runs: usize) -> Result<f64> {
        let chosen = set.files.iter().zip(&picks.0).filter(|(_, numbers)| !numbers.is_empty());
        let picks: Vec<_> = chosen.map(|(file, numbers)| (set.folder.join(file), numbers)).collect();
        let request = serde_json::json!({ "peer": peer, "kind": kind, "picks": picks, "output": output }).to_string();
        fastest(runs, || {
            let input = self.input.as_mut().context("its input")?;
            input.write_all(request.as_bytes())?;
            input.write_all(b"\n")?;
            let mut answer = String::new();
            self.answers.read_line(&mut answer)?;
            answer.trim().parse().with_context(|| format!("{peer} failed"))
        })
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.process.wait();
    }
}
