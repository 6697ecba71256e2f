//! The peers written in Python, in one process that has imported everything already.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::picks::{Picks, Set, fastest};

pub struct Peers {
    process: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What a peer answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    pub seconds: f64,
    pub index_seconds: f64,
    pub index_bytes: u64,
    tuned: Vec<String>,
}

/// The peers of a kind over local files, the fastest last.
pub fn names(kind: &str) -> &'static [&'static str] {
    match kind {
        "tables" => &["h5py naive", "h5py fancy", "kerchunk"],
        _ => &["h5py naive", "h5py copy", "h5o.copy"],
    }
}

impl Peers {
    /// `SPOLIA_PYTHON`, or `python3`, must have h5py, and kerchunk for what is read over the model of a store.
    pub fn start() -> Result<Self> {
        let python = std::env::var_os("SPOLIA_PYTHON").unwrap_or_else(|| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers.py");
        let mut process = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("its output")?);
        Ok(Self { process, input, answers })
    }

    /// The ways of caching that fsspec has.
    pub fn tuned(&mut self) -> Result<Vec<String>> {
        Ok(self.ask(&serde_json::json!({ "peer": "tuned" }).to_string())?.tuned)
    }

    /// The answer with the seconds of the fastest run. Files are below `base`, a folder or a URL.
    pub fn run(
        &mut self,
        (kind, peer): (&str, &str),
        base: &str,
        set: &Set,
        picks: &Picks,
        output: &Path,
        runs: usize,
    ) -> Result<Answer> {
        let chosen = set.files.iter().zip(&picks.0).filter(|(_, numbers)| !numbers.is_empty());
        let picks: Vec<_> = chosen.map(|(file, numbers)| (format!("{base}/{file}"), numbers)).collect();
        let request = serde_json::json!({ "peer": peer, "kind": kind, "picks": picks, "output": output }).to_string();
        let mut first = None;
        let seconds = fastest(runs, Some(output), || {
            let answer = self.ask(&request).with_context(|| format!("{peer} failed"))?;
            let seconds = answer.seconds;
            // An index is made once.
            first.get_or_insert(answer);
            Ok(seconds)
        })?;
        Ok(Answer { seconds, ..first.unwrap_or_default() })
    }

    fn ask(&mut self, request: &str) -> Result<Answer> {
        let input = self.input.as_mut().context("its input")?;
        input.write_all(request.as_bytes())?;
        input.write_all(b"\n")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(answer.trim()).context("no answer")
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.process.wait();
    }
}
