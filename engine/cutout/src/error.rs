//! What can go wrong between a plan and a merged file.

use std::path::PathBuf;

/// A cut or a reading that failed.
#[derive(Debug, thiserror::Error)]
pub enum CutoutError {
    /// What was asked for cannot be done, and why.
    #[error("{0}")]
    Refused(String),
    /// Values could not be put into a record batch.
    #[error("values cannot be put into a record batch: {0}")]
    Rows(#[from] arrow::error::ArrowError),
    /// Nobody waits for the merged file any more.
    #[error("the cut was given up")]
    Stopped,
    /// Those who make a merged file together lost each other.
    #[error("the cut cannot go on together: {0}")]
    Team(#[source] std::io::Error),
    /// A local file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is damaged, or no HDF5 file.
    #[error("{file}: {source}")]
    Hdf5 {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: spolia_hdf5_format::Hdf5Error,
    },
    /// The bytes of a file could not be read.
    #[error("{file}: its bytes cannot be read: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// An index leads to bytes that it does not ask for.
    #[error(
        "the index of a file contradicts itself; delete it (the .index beside the file), and the file itself is read"
    )]
    Index,
    /// An index cannot be read.
    #[error(
        "{file}: its index cannot be used: {why}; without it (delete the .index beside the file) the file itself is read"
    )]
    DamagedIndex {
        /// The file that is indexed.
        file: String,
        /// Why not.
        why: String,
    },
    /// An index could not be made.
    #[error("the index cannot be written: {0}")]
    Encode(#[from] postcard::Error),
    /// An object could not be copied.
    #[error(transparent)]
    Copy(#[from] spolia_hdf5_format::copy::CopyError),
    /// The merged file could not be written.
    #[error("the merged file cannot be written: {0}")]
    Write(#[from] spolia_hdf5_format::write::WriteError),
    /// A file of the store could not be fetched.
    #[error("{location} cannot be fetched from the object store: {source}")]
    Fetch {
        /// Its key.
        location: String,
        /// Why not.
        source: object_store::Error,
    },
}
