//! Bringing one file in: its bytes and their index to the store, its rows to their nodes.

use std::path::Path;
use std::pin::pin;
use std::time::SystemTime;

use futures::StreamExt;
use object_store::{ObjectStoreExt, path::Path as StorePath};
use spolia_catalogue::{ArchivedFile, Collection, Manifest, NewFile};
use spolia_cutout::{Identity, index, index_location, rows};

use crate::checksum::{Checksums, store};
use crate::error::IngestError;
use crate::ingest::Ingest;
use crate::model::row_model;
use crate::plan::Candidate;

/// The storage element that files in the site's own store belong to.
const RSE: &str = "SPOLIA_LOCAL";

impl Ingest<'_> {
    /// Brings a file in that the nodes know of. Returns how many objects it has.
    pub(crate) async fn load(
        &self,
        candidate: &Candidate<'_>,
        file: &ArchivedFile,
        manifest: &Manifest,
    ) -> Result<u64, IngestError> {
        let changed = || IngestError::ChangedMeanwhile { path: candidate.path.to_owned() };
        let before = last_change(candidate.path)?;
        let copied = store(candidate.path, self.store, &StorePath::from(file.file.location.as_str())).await?;
        if copied.sums.md5 != file.file.checksum {
            return Err(changed());
        }
        let etag = copied.etag.filter(|_| self.store_is_remote);
        self.store_index(candidate, file, etag).await?;
        let mut stream = pin!(rows(candidate.path, &row_model(candidate.table)));
        let mut objects = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(IngestError::Content)?;
            objects += batch.num_rows() as u64;
            self.router.load(candidate.table, file, manifest, &batch).await?;
        }
        // The index and the rows were read from the file itself after its copy was summed up.
        if last_change(candidate.path)? != before {
            return Err(changed());
        }
        self.router.control().finish_file(file.file_id, objects as i64).await?;
        Ok(objects)
    }

    /// Makes the file's index, which cuts read it by, and puts it beside the file.
    async fn store_index(
        &self,
        candidate: &Candidate<'_>,
        file: &ArchivedFile,
        etag: Option<String>,
    ) -> Result<(), IngestError> {
        let (path, identity) = (candidate.path.to_owned(), Identity { checksum: file.file.checksum.clone(), etag });
        let (class, object) = (candidate.table.class.clone(), candidate.table.object.clone());
        // Parsing reads the disk and computes.
        let made = tokio::task::spawn_blocking(move || index(&path, &identity, &class, &object)).await;
        let made = made.map_err(|error| IngestError::Broken { path: candidate.path.to_owned(), source: error })?;
        let made = made.map_err(IngestError::Content)?;
        let put = self.store.put(&StorePath::from(index_location(&file.file.location)), made.into()).await;
        put.map_err(|source| IngestError::Store { path: candidate.path.to_owned(), source })?;
        Ok(())
    }
}

/// A file as the catalogue will have it.
pub(crate) fn new_file(
    collection: &Collection,
    candidate: &Candidate<'_>,
    sums: &Checksums,
    file_version: i32,
) -> NewFile {
    let (name, extension, version) = (&candidate.file_name, &candidate.file_extension, file_version);
    NewFile {
        collection: collection.name.clone(),
        table_name: candidate.table.name.clone(),
        file_name: name.clone(),
        file_extension: extension.clone(),
        file_version,
        did_rse: RSE.to_owned(),
        did_scope: collection.name.clone(),
        // A data identifier is never used again, so it carries the version.
        did_name: format!("{name}.v{version}{extension}"),
        checksum: sums.md5.clone(),
        adler32: sums.adler32.clone(),
        size: sums.size as i64,
        // Its content is in it, so that what another ingest puts there late is the same.
        location: format!("{}/{name}/v{version}-{}/{name}{extension}", collection.name, &sums.md5[..8]),
    }
}

/// When a file was written last.
pub(crate) fn last_change(path: &Path) -> Result<SystemTime, IngestError> {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.map_err(|source| IngestError::Read { path: path.to_owned(), source })
}
