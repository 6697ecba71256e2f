//! What an ingest will do with each file, decided before anything is written.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use spolia_catalogue::{ArchivedFile, Collection, FileState, TableDef};

use crate::checksum::Checksums;
use crate::error::IngestError;

/// A file and what its name says of it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub path: &'a Path,
    pub table: &'a TableDef,
    pub file_name: String,
    pub file_extension: String,
}

/// What is to be done with a file.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The archive has it.
    Skip,
    /// It is loaded under this number, by this batch, before an interruption, instead of the older version if there is any.
    Loaded { file_id: i32, instead_of: Option<ArchivedFile> },
    /// It comes in as this version, instead of the older one if there is any.
    Load { version: i32, instead_of: Option<ArchivedFile> },
}

/// The files by their places.
///
/// # Errors
/// [`IngestError::UnknownClass`], and [`IngestError::Twice`] for two files of one name.
pub(crate) fn candidates<'a>(
    collection: &'a Collection,
    paths: &'a [PathBuf],
) -> Result<Vec<Candidate<'a>>, IngestError> {
    let candidates = paths.iter().map(|path| Candidate::new(collection, path)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeMap::new();
    for candidate in &candidates {
        if let Some(first) = seen.insert(&candidate.file_name, candidate.path) {
            let (first, second) = (first.to_owned(), candidate.path.to_owned());
            return Err(IngestError::Twice { first, second });
        }
    }
    Ok(candidates)
}

/// Checks what can be told from the names of files: that each is of a class of the collection, and that no two have the same.
///
/// # Errors
/// [`IngestError::UnknownClass`] and [`IngestError::Twice`].
pub fn check_names(collection: &Collection, paths: &[PathBuf]) -> Result<(), IngestError> {
    candidates(collection, paths).map(drop)
}

impl<'a> Candidate<'a> {
    fn new(collection: &'a Collection, path: &'a Path) -> Result<Self, IngestError> {
        let part = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        Ok(Self {
            path,
            table: class_of(collection, path)?,
            file_name: part(path.file_stem()).unwrap_or_default(),
            file_extension: part(path.extension()).map(|extension| format!(".{extension}")).unwrap_or_default(),
        })
    }

    /// What is to be done with it, given what the archive holds under its name. Versions that `batch` itself brought are
    /// not visible yet.
    pub(crate) fn step(
        &self,
        sums: &Checksums,
        versions: Vec<ArchivedFile>,
        batch: i32,
        supersede: bool,
    ) -> Result<Step, IngestError> {
        let is_ours = |file: &&ArchivedFile| {
            file.batch == batch && file.state == FileState::Loaded && file.file.checksum == sums.md5
        };
        let ours = versions.iter().find(is_ours).map(|file| file.file_id);
        let newest = versions.into_iter().find(|file| file.batch != batch);
        if let Some(file_id) = ours {
            return Ok(Step::Loaded { file_id, instead_of: newest });
        }
        let Some(newest) = newest else { return Ok(Step::Load { version: 0, instead_of: None }) };
        if newest.file.checksum == sums.md5 {
            return Ok(Step::Skip);
        }
        if !supersede {
            return Err(IngestError::Changed {
                path: self.path.to_owned(),
                version: newest.file.file_version,
                archived: newest.file.checksum,
                found: sums.md5.clone(),
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
