//! The operation log: one JSON line for each query, cut and download.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::principal::Principal;

/// Letters of a query or message kept in a line; the rest is counted.
const MAX_TEXT: usize = 8192;

/// Where the log goes and how much of it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Bytes after which a new file is begun.
    pub rotate_bytes: u64,
    /// Older files kept, `operations.jsonl.1` being the youngest.
    pub keep: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { rotate_bytes: 64 << 20, keep: 8 }
    }
}

/// The log of one site. Several processes may write to it: each line is one write to a file opened for appending.
#[derive(Debug, Clone)]
pub struct OperationLog {
    path: Arc<PathBuf>,
    settings: LogSettings,
}

impl OperationLog {
    /// A log in `folder`, which is made with the first line.
    pub fn new(folder: &Path, settings: LogSettings) -> Self {
        Self { path: Arc::new(folder.join("operations.jsonl")), settings }
    }

    /// Begins an operation; its line is written when it ends, or when it is dropped unfinished.
    pub fn begin(&self, what: &'static str, who: &Principal, text: &str) -> Operation {
        let mut fields = Map::new();
        fields.insert("time".to_owned(), json!(chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()));
        fields.insert("what".to_owned(), json!(what));
        fields.insert("who".to_owned(), json!(bounded(who.logged())));
        fields.insert("text".to_owned(), json!(bounded(text)));
        Operation { log: self.clone(), started: Instant::now(), fields: Some(fields) }
    }

    fn write(&self, fields: Map<String, Value>) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        self.rotate_when_full()?;
        // JSON escapes every line break, so hostile text stays inside its line.
        let line = format!("{}\n", Value::Object(fields));
        OpenOptions::new().create(true).append(true).open(self.path.as_path())?.write_all(line.as_bytes())
    }

    fn rotate_when_full(&self) -> std::io::Result<()> {
        let full = || std::fs::metadata(self.path.as_path()).is_ok_and(|file| file.len() >= self.settings.rotate_bytes);
        if !full() {
            return Ok(());
        }
        let lock = File::create(self.path.with_extension("lock"))?;
        lock.lock()?;
        if full() {
            let numbered = |n: u32| self.path.with_extension(format!("jsonl.{n}"));
            for n in (1..self.settings.keep).rev().filter(|n| numbered(*n).exists()) {
                std::fs::rename(numbered(n), numbered(n + 1))?;
            }
            std::fs::rename(self.path.as_path(), numbered(1))?;
        }
        Ok(())
    }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}… ({} bytes more)", &text[..at], text.len() - at),
    }
}

/// An operation under way.
#[derive(Debug)]
pub struct Operation {
    log: OperationLog,
    started: Instant,
    fields: Option<Map<String, Value>>,
}

impl Operation {
    /// Adds a fact to the line: `epoch`, `rows`, `bytes`, a timing in `…_ms`.
    pub fn note(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(fields) = &mut self.fields {
            fields.insert(key.to_owned(), value.into());
        }
    }

    /// Milliseconds since it began.
    pub fn elapsed_ms(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }

    /// Ends it well.
    pub fn succeed(mut self) {
        self.end("ok", None);
    }

    /// Ends it with an error.
    pub fn fail(mut self, message: &str) {
        self.end("error", Some(message));
    }

    fn end(&mut self, status: &str, message: Option<&str>) {
        let elapsed_ms = self.elapsed_ms();
        let Some(mut fields) = self.fields.take() else { return };
        fields.insert("status".to_owned(), json!(status));
        fields.insert("total_ms".to_owned(), json!(elapsed_ms));
        if let Some(message) = message {
            fields.insert("error".to_owned(), json!(bounded(message)));
        }
        if let Err(error) = self.log.write(fields) {
            tracing::error!(%error, path = %self.log.path.display(), "the operation log cannot be written");
        }
    }
}

impl Drop for Operation {
    /// The client went away, or the request was given up.
    fn drop(&mut self) {
        self.end("aborted", None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<Value> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn one_line_each_whatever_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let log = OperationLog::new(folder.path(), LogSettings::default());
        let hostile = "SELECT 1\n{\"what\":\"forged\"}\r\n\u{2028}\0\"";
        let mut operation = log.begin("query", &Principal::anonymous(), hostile);
        operation.note("rows", 5);
        operation.succeed();
        log.begin("cut", &Principal::anonymous(), &"x".repeat(100_000)).fail("no\nsuch row");
        drop(log.begin("file", &Principal::anonymous(), ""));
        let lines = lines(&folder.path().join("operations.jsonl"));
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (lines[0]["text"].as_str(), lines[0]["rows"].as_i64(), lines[0]["status"].as_str()),
            (Some(hostile), Some(5), Some("ok"))
        );
        assert!(lines[1]["text"].as_str().unwrap().len() < 2 * MAX_TEXT && lines[1]["error"] == "no\nsuch row");
        assert_eq!(lines[2]["status"], "aborted");
    }

    #[test]
    fn it_rotates_and_keeps_a_few() {
        let folder = tempfile::tempdir().unwrap();
        let log = OperationLog::new(folder.path(), LogSettings { rotate_bytes: 500, keep: 2 });
        for i in 0..40 {
            log.begin("query", &Principal::anonymous(), &format!("query {i}")).succeed();
        }
        let newest = lines(&folder.path().join("operations.jsonl"));
        assert_eq!(newest.last().unwrap()["text"], "query 39");
        assert!(
            folder.path().join("operations.jsonl.2").exists() && !folder.path().join("operations.jsonl.3").exists()
        );
    }
}
