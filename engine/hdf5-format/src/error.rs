//! What can be wrong with a file, or with reading it.

use std::io;

/// Why a file cannot be read, and where in it.
#[derive(Debug, thiserror::Error)]
pub enum Hdf5Error {
    /// The source gave no bytes.
    #[error("{length} bytes at {offset} cannot be read")]
    Read {
        /// From the beginning of the source.
        offset: u64,
        /// How many were wanted.
        length: u64,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no HDF5 signature where one may be.
    #[error("it is no HDF5 file: there is no signature at 0, 512, 1024, …")]
    NoSignature,
    /// The bytes contradict the format.
    #[error("{structure} at {offset}: {fault}")]
    Damaged {
        /// The part of the format.
        structure: &'static str,
        /// Where it begins, from the beginning of the source.
        offset: u64,
        /// What is wrong with it.
        fault: String,
    },
    /// A part of the format that is not read here.
    #[error("{0} is not read here")]
    Unsupported(String),
    /// The file asks for more than a bound allows.
    #[error("{what} exceeds the bound of {bound}")]
    Bound {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        bound: u64,
    },
}

/// What reading a file gives.
pub type Result<T, E = Hdf5Error> = std::result::Result<T, E>;
