//! What a job is to do: a versioned document that holds all a rerun needs, and no secret.

use serde::{Deserialize, Serialize};

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobSpec {
    /// A TAP query.
    TapQuery(TapQuery),
}

/// A query as TAP takes it. TAP 1.1 section 2.7.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapQuery {
    /// The shape of this document.
    pub version: u32,
    /// The parameters as they were given, names in upper case.
    pub parameters: Vec<(String, String)>,
    /// The tables that came with it.
    #[serde(default)]
    pub uploads: Vec<UploadedTable>,
    /// The groups of whoever asks, at the time the job was made.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// A table that came with a query and lies in the job's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedTable {
    /// Its name in the query, after `TAP_UPLOAD.`.
    pub name: String,
    /// The file in the job's folder: an Arrow IPC stream.
    pub file: String,
}

impl JobSpec {
    /// The name of its kind, as the job table has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TapQuery(_) => "tap_query",
        }
    }
}
