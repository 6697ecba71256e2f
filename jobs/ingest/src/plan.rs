//! What an ingest will do with each file, decided before anything is written.

use std::path::{Path, PathBuf};

use spolia_catalogue::{ArchivedFile, Collection, Control, FileState, TableDef};

use crate::checksum::{Checksums, checksums};
use crate::error::IngestError;

/// A file and what it is.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub path: PathBuf,
    pub table: TableDef,
    pub file_name: String,
    pub file_extension: String,
    pub sums: Checksums,
}

/// What is to be done with a file.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The archive has it.
    Skip,
    /// It is loaded, by this batch, before an interruption.
    Loaded(ArchivedFile),
    /// It comes in as this version, instead of the older one if there is any.
    Load { version: i32, instead_of: Option<ArchivedFile> },
}

impl Candidate {
    /// Tells from its name what a file is, and sums it up.
    pub(crate) async fn new(collection: &Collection, path: &Path) -> Result<Self, IngestError> {
        let table = class_of(collection, path)?.clone();
        let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let file_name = part(path.file_stem()).unwrap_or_default();
        let file_extension = part(path.extension()).map(|extension| format!(".{extension}")).unwrap_or_default();
        Ok(Self { table, file_name, file_extension, sums: checksums(path).await?, path: path.to_owned() })
    }

    /// What is to be done with it, given what the archive holds under its name. Versions that `batch` itself brought are
    /// not visible yet.
    pub(crate) async fn step(
        &self,
        control: &Control,
        collection: &str,
        batch: i32,
        supersede: bool,
    ) -> Result<Step, IngestError> {
        let versions = control.file_versions(collection, &self.file_name).await?;
        let ours = versions.iter().find(|file| file.batch == batch && file.state == FileState::Loaded);
        if let Some(ours) = ours.filter(|file| file.file.checksum == self.sums.md5) {
            return Ok(Step::Loaded(ours.clone()));
        }
        let Some(newest) = versions.into_iter().find(|file| file.batch != batch) else {
            return Ok(Step::Load { version: 0, instead_of: None });
        };
        if newest.file.checksum == self.sums.md5 {
            return Ok(Step::Skip);
        }
        if !supersede {
            return Err(IngestError::Changed {
                path: self.path.clone(),
                version: newest.file.file_version,
                archived: newest.file.checksum,
                found: self.sums.md5.clone(),
            });
        }
        Ok(Step::Load { version: newest.file.file_version + 1, instead_of: Some(newest) })
    }
}

/// The table whose class the file's name begins with: `CompleteSource_130097_0003.h5` is of class `CompleteSource`.
fn class_of<'a>(collection: &'a Collection, path: &Path) -> Result<&'a TableDef, IngestError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let of_class = |table: &&TableDef| name.strip_prefix(&table.class).is_some_and(|rest| rest.starts_with('_'));
    collection.tables.iter().find(of_class).ok_or_else(|| IngestError::UnknownClass {
        path: path.to_owned(),
        expected: collection.tables.iter().map(|table| format!("{}_….h5", table.class)).collect::<Vec<_>>().join(", "),
    })
}

/// Refuses two files of one name.
pub(crate) fn refuse_doubles(candidates: &[Candidate]) -> Result<(), IngestError> {
    let mut seen = std::collections::BTreeMap::new();
    for candidate in candidates {
        if let Some(first) = seen.insert(&candidate.file_name, &candidate.path) {
            return Err(IngestError::Twice { first: first.clone(), second: candidate.path.clone() });
        }
    }
    Ok(())
}
