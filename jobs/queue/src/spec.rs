//! What a job is to do: a versioned document that holds all a rerun needs, and no secret.

use serde::{Deserialize, Serialize};

use crate::resources::Resources;

/// The kind of [`JobSpec::TapQuery`].
pub const TAP_QUERY: &str = "tap_query";
/// The kind of [`JobSpec::Cut`].
pub const CUT: &str = "cut";
/// The kind of [`JobSpec::Ingest`].
pub const INGEST: &str = "ingest";
/// The kind of [`JobSpec::Verify`].
pub const VERIFY: &str = "verify";
/// The kind of [`JobSpec::TableUpdate`].
pub const TABLE_UPDATE: &str = "table_update";

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobSpec {
    /// A query as TAP takes it. TAP 1.1 section 2.7.
    TapQuery(Inputs),
    /// Cut & Merge.
    Cut(CutJob),
    /// Bringing files into the archive; which ones is in the plan in the job's folder.
    Ingest(Inputs),
    /// Comparing the archive's files with the catalogue.
    Verify(Inputs),
    /// A change of a user's table.
    TableUpdate(Inputs),
}

/// What a job was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The shape of this document.
    pub version: u32,
    /// The parameters as they were given, names in upper case.
    pub parameters: Vec<(String, String)>,
    /// The tables that came along.
    #[serde(default)]
    pub uploads: Vec<UploadedTable>,
    /// The groups of whoever asks, at the time the job was made.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What it asks of a scheduler.
    #[serde(default)]
    pub resources: Resources,
}

/// Cut & Merge of some objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutJob {
    /// What it was asked for; without the ids of rows, where these are in a file.
    #[serde(flatten)]
    pub inputs: Inputs,
    /// The file of the chosen rows in the job's folder; none where a query or ids choose them.
    #[serde(default)]
    pub rows: Option<String>,
    /// The file of the ids of chosen sources in the job's folder.
    #[serde(default)]
    pub source_ids: Option<String>,
}

/// A table that came along and lies in the job's folder.
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
            Self::TapQuery(_) => TAP_QUERY,
            Self::Cut(_) => CUT,
            Self::Ingest(_) => INGEST,
            Self::Verify(_) => VERIFY,
            Self::TableUpdate(_) => TABLE_UPDATE,
        }
    }

    /// What the job was asked for.
    pub fn inputs(&self) -> &Inputs {
        match self {
            Self::TapQuery(inputs)
            | Self::Ingest(inputs)
            | Self::Verify(inputs)
            | Self::TableUpdate(inputs)
            | Self::Cut(CutJob { inputs, .. }) => inputs,
        }
    }

    /// What the job was asked for.
    pub fn inputs_mut(&mut self) -> &mut Inputs {
        match self {
            Self::TapQuery(inputs)
            | Self::Ingest(inputs)
            | Self::Verify(inputs)
            | Self::TableUpdate(inputs)
            | Self::Cut(CutJob { inputs, .. }) => inputs,
        }
    }
}
