//! What can go wrong between a plan and a merged file.

use std::path::PathBuf;

/// A cut or a reading that failed.
#[derive(Debug, thiserror::Error)]
pub enum CutoutError {
    /// The child program could not be run.
    #[error("cannot run {program}: {source}; it belongs beside the spolia program")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The child refused, and said why.
    #[error("{0}")]
    Refused(String),
    /// The child took too long.
    #[error("reading took more than {0} s and was given up ([hdf5] timeout_s)")]
    Timeout(u64),
    /// The child died: a fault of libhdf5 on the file's bytes, or one of the child's bounds.
    #[error(
        "the HDF5 reader ended with {0}; the file is damaged, or needs more than [hdf5] max_memory_mb or max_cpu_s allow"
    )]
    Died(String),
    /// The pipe to the child broke.
    #[error("the HDF5 reader cannot be talked to: {0}")]
    Pipe(#[from] std::io::Error),
    /// The child's answer does not parse.
    #[error("the HDF5 reader's answer does not parse: {0}")]
    Answer(#[from] serde_json::Error),
    /// The child's rows do not parse.
    #[error("the HDF5 reader's rows do not parse: {0}")]
    Rows(#[from] arrow::error::ArrowError),
    /// Nobody waits for the merged file any more.
    #[error("the cut was given up")]
    Stopped,
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
