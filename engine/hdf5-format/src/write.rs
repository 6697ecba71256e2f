//! Writing HDF5 files front to back, in the format that every version of libhdf5 since 1.8 reads: superblock version 0, object
//! headers of version 1, symbol-table groups, version 1 B-trees for chunks.
//!
//! Nothing is written twice and nothing depends on a clock: equal calls give equal bytes. Only the superblock, which stands
//! first and leads to the root group, is known last; [`Writer::finish`] returns it.

mod chunks;
mod global_heap;
mod group;
mod header;
mod image;

use std::io::{self, Seek, SeekFrom, Write};

pub use chunks::StoredChunk;
pub use global_heap::{HeapBuilder, HeapCursor, HeapPlace, collection_header};
pub use header::{AttributeOut, DatasetOut, StorageOut};
pub use image::ObjectImage;

use crate::superblock::SIGNATURE;

/// Bytes of the superblock.
pub const SUPERBLOCK_SIZE: u64 = 96;
/// Half of the most symbols in a symbol table node.
const LEAF_K: u16 = 4;
/// Half of the most children of a group's B-tree node.
const INTERNAL_K: u16 = 16;
/// An address that leads nowhere.
const UNDEFINED: u64 = u64::MAX;

/// A file that is being written.
pub struct Writer<W> {
    output: W,
    at: u64,
}

/// Where an object of the new file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The address of its header.
    pub header: u64,
    /// For groups: the addresses of its B-tree and of its names, which the entry of its own name repeats.
    pub symbols: Option<(u64, u64)>,
}

impl Written {
    /// The same object that many bytes further on.
    #[must_use]
    pub fn moved(self, by: u64) -> Self {
        Self { header: self.header + by, symbols: self.symbols.map(|(tree, names)| (tree + by, names + by)) }
    }
}

/// What a file cannot hold.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output does not take the bytes.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// A message of an object header has 16 bits for its length.
    #[error("{what} has {bytes} bytes, more than the 65,528 that an object header takes")]
    TooLong {
        /// What it is.
        what: String,
        /// How long it is.
        bytes: usize,
    },
    /// Two members of a group have the same name.
    #[error("two members of a group have the name {0}")]
    SameName(String),
}

impl<W: Write> Writer<W> {
    /// Begins a file; `output` is at its beginning.
    ///
    /// # Errors
    /// When the output fails, as in all functions.
    pub fn new(mut output: W) -> Result<Self, WriteError> {
        output.write_all(&[0; SUPERBLOCK_SIZE as usize])?;
        Ok(Self { output, at: SUPERBLOCK_SIZE })
    }

    /// Goes on in a file at an address, where `output` stands.
    pub fn at(output: W, address: u64) -> Self {
        Self { output, at: address }
    }

    /// Bytes written so far, which is the address of the next.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Writes bytes at the next address that is a multiple of 8; returns it.
    ///
    /// # Errors
    /// When the output fails.
    pub fn put(&mut self, bytes: &[u8]) -> Result<u64, WriteError> {
        let gap = self.at.next_multiple_of(8) - self.at;
        self.output.write_all(&[0; 8][..gap as usize])?;
        let address = self.at + gap;
        self.output.write_all(bytes)?;
        self.at = address + bytes.len() as u64;
        Ok(address)
    }

    /// Writes bytes right behind those written last.
    ///
    /// # Errors
    /// When the output fails.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.output.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Counts bytes that are not written, where it is only measured what would be.
    pub fn pass_over(&mut self, bytes: u64) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Hands on what was written so far.
    ///
    /// # Errors
    /// When the output fails.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.output.flush()?)
    }

    /// The output, with all that was written.
    ///
    /// # Errors
    /// When the output fails.
    pub fn into_output(mut self) -> Result<W, WriteError> {
        self.output.flush()?;
        Ok(self.output)
    }

    /// Ends the file. The superblock that is returned belongs at its beginning.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self, root: Written) -> Result<(W, [u8; SUPERBLOCK_SIZE as usize]), WriteError> {
        // libhdf5 rounds what it reads up to eight bytes.
        let gap = self.at.next_multiple_of(8) - self.at;
        self.output.write_all(&[0; 8][..gap as usize])?;
        self.output.flush()?;
        Ok((self.output, superblock(root, self.at + gap)))
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Leaves room for bytes that are written by other means; returns where it begins.
    ///
    /// # Errors
    /// When the output cannot seek.
    pub fn reserve(&mut self, bytes: u64) -> Result<u64, WriteError> {
        let address = self.put(&[])?;
        let end = address.checked_add(bytes).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.output.seek(SeekFrom::Start(end))?;
        self.at = end;
        Ok(address)
    }
}

/// HDF5 File Format Specification 3.0, section II.A.
fn superblock(root: Written, end: u64) -> [u8; SUPERBLOCK_SIZE as usize] {
    let mut bytes = Vec::with_capacity(SUPERBLOCK_SIZE as usize);
    bytes.extend_from_slice(SIGNATURE);
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 8, 8, 0]);
    bytes.extend_from_slice(&LEAF_K.to_le_bytes());
    bytes.extend_from_slice(&INTERNAL_K.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for address in [0, UNDEFINED, end, UNDEFINED] {
        bytes.extend_from_slice(&address.to_le_bytes());
    }
    bytes.extend_from_slice(&group::entry(0, root));
    let mut block = [0; SUPERBLOCK_SIZE as usize];
    block.copy_from_slice(&bytes);
    block
}
