//! The files of a plan: their bytes and their indexes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use spolia_hdf5_format::source::{LocalFile, Paged};
use spolia_hdf5_format::{Bounds, Reader};

use crate::error::CutoutError;
use crate::index::index_location;
use crate::index::sidecar::{Sidecar, SidecarError};
use crate::plan::CutFile;

/// Bytes of a page of metadata, and how many are kept of each file.
const PAGE: (usize, usize) = (64 << 10, 256);
/// Files that are open at the same time.
const MOST_OPEN: usize = 256;

/// Opens the files of a plan, in a folder.
pub(crate) struct Files {
    root: PathBuf,
    open: Mutex<HashMap<String, Arc<LocalFile>>>,
}

impl Files {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, open: Mutex::default() }
    }

    /// A file's bytes.
    pub(crate) fn source(&self, file: &CutFile) -> Result<Arc<LocalFile>, CutoutError> {
        let path = self.root.join(&file.location);
        let failed = |source| CutoutError::File { path: path.clone(), source };
        let poisoned = |_| failed(std::io::Error::other("another reader has failed"));
        if let Some(source) = self.open.lock().map_err(poisoned)?.get(&file.location) {
            return Ok(Arc::clone(source));
        }
        let source = Arc::new(LocalFile::open(&path).map_err(failed)?);
        let mut open = self.open.lock().map_err(poisoned)?;
        if open.len() >= MOST_OPEN {
            open.clear();
        }
        open.insert(file.location.clone(), Arc::clone(&source));
        Ok(source)
    }

    /// A file as HDF5.
    pub(crate) fn reader(&self, file: &CutFile) -> Result<Reader, CutoutError> {
        let reader = Reader::open(Paged::new(self.source(file)?, PAGE.0, PAGE.1), Bounds::default());
        reader.map_err(|source| CutoutError::Hdf5 { file: file.file_name.clone(), source })
    }

    /// A file's index, where there is one that can be used.
    pub(crate) fn sidecar(&self, file: &CutFile) -> Option<Sidecar> {
        let source = LocalFile::open(&self.root.join(index_location(&file.location))).ok()?;
        let sidecar = Sidecar::open(source, file.size, &file.checksum);
        sidecar.inspect_err(|error| unusable(file, error)).ok()
    }
}

/// Says that an index is not used; the cut goes on with the file itself.
pub(crate) fn unusable(file: &CutFile, error: &SidecarError) {
    tracing::warn!(file = file.location, %error, "the index of a file is not used");
}
