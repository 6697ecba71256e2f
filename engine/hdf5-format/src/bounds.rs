//! Bounds on what a file may make a reader do.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Hdf5Error, Result};

/// Bounds on reading a file's metadata.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Bytes of one piece of metadata: a node, a block, an object header.
    pub piece: u64,
    /// Bytes of metadata of a whole file, read again and again ones included.
    pub metadata: u64,
    /// Chunks of one dataset.
    pub chunks: u64,
    /// Links, attributes or messages of one object.
    pub members: u64,
    /// Groups inside groups, types inside types.
    pub depth: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { piece: 64 << 20, metadata: 16 << 30, chunks: 1 << 28, members: 1 << 26, depth: 64 }
    }
}

/// What has been read so far.
#[derive(Debug)]
pub(crate) struct Meter {
    bounds: Bounds,
    read: AtomicU64,
}

impl Meter {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, read: AtomicU64::new(0) }
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Counts a piece of metadata that is about to be read.
    pub(crate) fn count(&self, length: u64) -> Result<()> {
        if length > self.bounds.piece {
            return Err(Hdf5Error::Bound { what: "a piece of metadata", bound: self.bounds.piece });
        }
        let read = self.read.fetch_add(length, Ordering::Relaxed);
        if read.saturating_add(length) > self.bounds.metadata {
            return Err(Hdf5Error::Bound { what: "the metadata read from this file", bound: self.bounds.metadata });
        }
        Ok(())
    }
}

/// Refuses more than `bound` of something.
pub(crate) fn at_most(what: &'static str, found: u64, bound: u64) -> Result<()> {
    if found > bound { Err(Hdf5Error::Bound { what, bound }) } else { Ok(()) }
}
