//! How far the work in a folder is, and how it ended.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use spolia_cutout::{CutReport, CutoutError};
use spolia_ingest::{IngestReport, VerifyReport};

use super::folder::{OPEN, forget, put, take};
use crate::error::ExecError;

/// The documents' names.
const PROGRESS: &str = "progress.json";
const FAILURE: &str = "failure.json";

/// How far the work is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The part that is done, from 0 to 1.
    pub part: f64,
    /// Objects of the merged file; 0 before that is known, and where none is made.
    pub objects: u64,
}

/// Why the work failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For whoever wants it done.
    pub message: String,
    /// Whether it may succeed another time.
    pub transient: bool,
}

/// What was done in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// A merged file was made.
    Cut(CutReport),
    /// Files came in.
    Ingest(IngestReport),
    /// Files were compared with the catalogue.
    Verify(VerifyReport),
}

/// Writes down how far the work in a folder is.
pub(super) fn note_progress(folder: &Path, progress: Progress) {
    if let Err(error) = put(folder, PROGRESS, &progress, OPEN) {
        tracing::warn!(%error, "it cannot be told how far the work is");
    }
}

/// How far the work in a folder is; nothing where it has not begun.
pub fn progress_in(folder: &Path) -> Option<Progress> {
    take(folder, PROGRESS).ok()
}

/// Writes down why the work in a folder failed.
pub fn note_failure(folder: &Path, error: &ExecError) {
    let failure = Failure { message: error.message(), transient: is_transient(error) };
    if let Err(error) = put(folder, FAILURE, &failure, OPEN) {
        tracing::error!(%error, "it cannot be written down why the work failed");
    }
}

/// Why the work in a folder failed, if it has.
pub fn failure_in(folder: &Path) -> Option<Failure> {
    take(folder, FAILURE).ok()
}

/// Forgets why the work in a folder failed: it is begun again.
pub(super) fn forget_failure(folder: &Path) -> io::Result<()> {
    forget(folder, FAILURE)
}

/// Whether the same work may succeed another time: where a disk, a store, a node or another rank failed.
fn is_transient(error: &ExecError) -> bool {
    match error {
        ExecError::Store { .. } | ExecError::Occupied(_) => true,
        ExecError::Cutout(error) => matches!(
            error,
            CutoutError::Team(_) | CutoutError::File { .. } | CutoutError::Read { .. } | CutoutError::Fetch { .. }
        ),
        ExecError::Ingest(error) => error.is_transient(),
        _ => false,
    }
}
