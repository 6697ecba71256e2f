//! The index of a file: where the values of its objects are, so that a cut reads these and nothing else.
//!
//! Objects with groups of their own are kept as a template for each structure that occurs and, per object, the places of what
//! differs ([`block`]); tables as their columns without rows, and the place of each chunk ([`table`]). An index is made at ingest
//! and lies beside its file ([`sidecar`]), or is made for just the objects that are cut.

pub(crate) mod block;
pub(crate) mod build;
pub(crate) mod sidecar;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod walk;

use std::path::Path;

use spolia_hdf5_format::source::{LocalFile, Paged};
use spolia_hdf5_format::{Bounds, Reader};

use crate::error::CutoutError;

/// Where the index of a stored file lies.
#[must_use]
pub fn index_location(location: &str) -> String {
    format!("{location}.index")
}

/// The content of a stored file, which its index belongs to, as its size does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its MD5, 32 hexadecimal digits.
    pub checksum: String,
    /// Its ETag, where it lies on a server. A file with another one is not read any more.
    pub etag: Option<String>,
}

/// Makes the index of a local file, which is stored under that identity and whose objects are groups named `<object>_<number>`, or
/// rows of the table `class`.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn index(path: &Path, identity: &Identity, class: &str, object: &str) -> Result<Vec<u8>, CutoutError> {
    let name = path.display().to_string();
    let source = LocalFile::open(path).map_err(|source| CutoutError::File { path: path.to_owned(), source })?;
    let reader = Reader::open(Paged::new(source, 64 << 10, 256), Bounds::default());
    let reader = reader.map_err(|source| CutoutError::Hdf5 { file: name.clone(), source })?;
    sidecar::build(&reader, &name, identity, class, object)
}
