//! A request's line in the operation log, and its part in the metrics.

use std::sync::Arc;

use serde_json::{Value, json};
use spolia_exec::Operation;
use spolia_shard_router::NodeTiming;

use crate::door::Door;
use crate::metrics::{Metrics, Outcome};

/// A request under way. Dropped before it has ended, it counts as aborted.
#[derive(Debug)]
pub(crate) struct Record {
    operation: Option<Operation>,
    door: Door,
    metrics: Arc<Metrics>,
    rows: u64,
    bytes: u64,
}

impl Record {
    /// Begins to count a request whose line is `operation`.
    pub(crate) fn new(mut operation: Operation, door: Door, metrics: Arc<Metrics>) -> Self {
        operation.note("door", door.name());
        metrics.begin(door);
        Self { operation: Some(operation), door, metrics, rows: 0, bytes: 0 }
    }

    /// Adds a fact.
    pub(crate) fn note(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(operation) = &mut self.operation {
            operation.note(key, value);
        }
    }

    /// Adds what the nodes did.
    pub(crate) fn note_nodes(&mut self, timings: &[NodeTiming]) {
        let node = |timing: &NodeTiming| {
            let ms = (timing.elapsed.as_secs_f64() * 1e6).round() / 1e3;
            json!({ "node": timing.node, "table": timing.table, "rows": timing.rows, "ms": ms })
        };
        self.note("nodes", timings.iter().map(node).collect::<Vec<_>>());
    }

    /// Sets the rows of the answer.
    pub(crate) fn rows(&mut self, rows: u64) {
        self.rows = rows;
    }

    /// Counts bytes that leave.
    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Milliseconds since the request began.
    pub(crate) fn elapsed_ms(&self) -> f64 {
        self.operation.as_ref().map_or(0.0, Operation::elapsed_ms)
    }

    /// Ends it well.
    pub(crate) fn succeed(mut self) {
        if let Some(operation) = self.close(Outcome::Ok) {
            operation.succeed();
        }
    }

    /// Ends it with an error.
    pub(crate) fn fail(mut self, message: &str) {
        if let Some(operation) = self.close(Outcome::Error) {
            operation.fail(message);
        }
    }

    fn close(&mut self, outcome: Outcome) -> Option<Operation> {
        let mut operation = self.operation.take()?;
        operation.note("rows", self.rows);
        operation.note("bytes", self.bytes);
        self.metrics.end(self.door, outcome, self.rows, self.bytes, operation.elapsed_ms());
        Some(operation)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        drop(self.close(Outcome::Aborted));
    }
}
