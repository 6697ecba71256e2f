//! What making files fails with.

use std::path::{Path, PathBuf};

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// An operation of the system.
    #[error("{path}: cannot {act}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done.
        act: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// libhdf5 refused.
    #[error("{place}: cannot {act}")]
    Hdf5 {
        /// The file, and the object in it.
        place: String,
        /// What was being done.
        act: &'static str,
        /// What libhdf5 said.
        #[source]
        source: hdf5_metno::Error,
    },
    /// The content is not what was expected.
    #[error("{place}: {fault}")]
    Content {
        /// The file, and the object in it.
        place: String,
        /// What is wrong.
        fault: String,
    },
}

impl MakeError {
    /// The error and what caused it, on one line.
    pub fn message(&self) -> String {
        let mut message = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            message = format!("{message}: {error}");
            source = error.source();
        }
        message
    }

    /// The content of `place` is not what was expected.
    pub fn content(place: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Content { place: place.into(), fault: fault.into() }
    }

    /// Names the file and the act beside the system's own answer.
    pub fn file(path: &Path, act: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, act, source }
    }
}

/// Names the place and the act beside libhdf5's own answer.
pub trait At<T> {
    /// What was being done, where.
    fn at(self, act: &'static str, place: impl Into<String>) -> Result<T, MakeError>;
}

impl<T> At<T> for hdf5_metno::Result<T> {
    fn at(self, act: &'static str, place: impl Into<String>) -> Result<T, MakeError> {
        self.map_err(|source| MakeError::Hdf5 { place: place.into(), act, source })
    }
}
