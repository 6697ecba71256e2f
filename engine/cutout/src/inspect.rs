//! What is in an HDF5 file, as our own reader sees it: objects, links, layouts, filters, and where each chunk is.

mod describe;
mod text;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use spolia_hdf5_format::source::{LocalFile, Paged, ReadAt};
use spolia_hdf5_format::{Bounds, Reader};

use crate::blocking::Blocking;
use crate::error::CutoutError;
use crate::files::Files;

/// Bytes of a page of metadata, and how many are kept.
const PAGE: (usize, usize) = (64 << 10, 1024);

/// How much is looked at.
#[derive(Debug, Clone)]
pub struct InspectOptions {
    /// Read and decode all elements, and give their SHA-256.
    pub digest: bool,
    /// Bytes of one dataset that are decoded at most.
    pub digest_bytes: u64,
    /// Bounds on reading.
    pub bounds: Bounds,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { digest: false, digest_bytes: 1 << 30, bounds: Bounds::default() }
    }
}

/// A file's content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The file.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// Where the superblock is, after a user block.
    pub superblock_offset: u64,
    /// The superblock's version.
    pub superblock_version: u8,
    /// All objects and links but the root group, in the order of their paths.
    pub objects: Vec<Inspected>,
}

/// An object, or a link that leads to none of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Inspected {
    /// Another name of an object that is listed already.
    HardLink {
        /// The name.
        path: String,
        /// The path that it is listed under.
        hardlink_to: String,
    },
    /// A link by name: `soft`, `external`, or the number of a user's own kind.
    Link {
        /// Its path.
        path: String,
        /// Its kind.
        link: String,
        /// The other file's name.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The path it leads to.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<String>,
    },
    /// A group or a committed type.
    Plain {
        /// Its path.
        path: String,
        /// `group` or `named_type`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// Its members.
        #[serde(skip_serializing_if = "Option::is_none")]
        n: Option<usize>,
        /// Its attributes.
        #[serde(skip_serializing_if = "Option::is_none")]
        attrs: Option<u64>,
    },
    /// A dataset.
    Dataset(Box<InspectedDataset>),
    /// What cannot be read.
    Error {
        /// Its path.
        path: String,
        /// Why not.
        error: String,
    },
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedDataset {
    /// Its path.
    pub path: String,
    /// `dataset`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The class of its type.
    pub class: &'static str,
    /// Bytes of an element in memory.
    pub type_size: u64,
    /// For strings: whether they are of variable length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlen_str: Option<bool>,
    /// `simple`, `scalar` or `null`.
    pub space: &'static str,
    /// Elements along each dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// How many there may be; null where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxshape: Option<Vec<Option<u64>>>,
    /// `contiguous`, `chunked`, `compact` or `virtual`.
    pub layout: &'static str,
    /// What chunks go through.
    pub filters: Vec<InspectedFilter>,
    /// Bytes that the elements take in the file.
    pub storage_size: u64,
    /// Files that hold the elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<usize>,
    /// Where contiguous elements begin; null where nothing was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<Option<u64>>,
    /// Elements of a chunk along each dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<Vec<u64>>,
    /// Chunks that are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_chunks: Option<usize>,
    /// Each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Vec<InspectedChunk>>,
    /// Its attributes.
    pub attrs: u64,
    /// SHA-256 of the elements as the file has them, in row-major order. Not for data that point elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_sha256_filetype: Option<String>,
    /// Why the elements cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_error: Option<String>,
}

/// A chunk: its first element, its byte in the file, its bytes, and the filters that were left out, a bit each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedChunk(pub Vec<u64>, pub u64, pub u64, pub u32);

/// A filter of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedFilter {
    /// Its registered number.
    pub id: u16,
    /// 1 where a chunk that it fails on is stored without it.
    pub flags: u16,
    /// Its own numbers.
    pub cd: Vec<u32>,
    /// Its name, where the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Inspects a local file.
///
/// # Errors
/// When it is no HDF5 file, or too damaged to begin with. What is damaged within is told at its place.
pub fn inspect(path: &Path, options: &InspectOptions) -> Result<Inspection, CutoutError> {
    let failed = |source| CutoutError::File { path: path.to_owned(), source };
    let source = LocalFile::open(path).map_err(failed)?;
    inspect_source(&path.display().to_string(), source, options)
}

/// Inspects a local file, or what is at a URL.
///
/// # Errors
/// As [`inspect`], or when the server does not answer.
pub async fn inspect_at(
    files: &Arc<Files>,
    location: &str,
    options: &InspectOptions,
) -> Result<Inspection, CutoutError> {
    let (files, location, options) = (Arc::clone(files), location.to_owned(), options.clone());
    let mut inspected = Blocking::begin(move |_| {
        let source = files.at(&location)?;
        inspect_source(&location, source, &options)
    });
    inspected.done().await
}

/// Inspects any source of bytes; `file` is how it is called in the answer.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_source(
    file: &str,
    source: impl ReadAt + 'static,
    options: &InspectOptions,
) -> Result<Inspection, CutoutError> {
    let failed = |source| CutoutError::Hdf5 { file: file.to_owned(), source };
    let reader = Reader::open(Paged::new(source, PAGE.0, PAGE.1), options.bounds.clone()).map_err(failed)?;
    let objects = describe::objects(&reader, options).map_err(failed)?;
    let superblock = reader.superblock();
    Ok(Inspection {
        file: file.to_owned(),
        size: reader.size(),
        superblock_offset: superblock.offset,
        superblock_version: superblock.version,
        objects,
    })
}
