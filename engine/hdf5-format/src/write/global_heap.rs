//! Global heap collections: the data of variable-length elements. HDF5 File Format Specification 3.0, section III.E.

use std::io::Write;

use super::{WriteError, Writer};

/// The least bytes of a collection that libhdf5 makes.
const LEAST: usize = 4096;
/// Objects in a collection at most: their number has 16 bits, and 0 is free space.
const MOST_OBJECTS: usize = 65_535;
/// Bytes after which another collection is begun.
const ENOUGH: usize = 1 << 20;

/// Data that are collected and written together.
#[derive(Debug, Default)]
pub struct HeapBuilder {
    collections: Vec<Collection>,
}

#[derive(Debug, Default)]
struct Collection {
    objects: usize,
    bytes: Vec<u8>,
    /// Where in it data point to other data.
    inner: Vec<(usize, u32, HeapPlace)>,
}

/// Where data will be: their collection's number, and their own in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapPlace {
    collection: usize,
    object: u32,
    /// Where its data begin in the collection's objects.
    start: usize,
}

impl HeapBuilder {
    /// Adds data.
    pub fn add(&mut self, data: &[u8]) -> HeapPlace {
        let full = |collection: &Collection| collection.objects == MOST_OBJECTS || collection.bytes.len() >= ENOUGH;
        if self.collections.last().is_none_or(full) {
            self.collections.push(Collection::default());
        }
        let number = self.collections.len() - 1;
        let collection = &mut self.collections[number];
        collection.objects += 1;
        let object = collection.objects as u32;
        collection.bytes.extend_from_slice(&(object as u16).to_le_bytes());
        // A reference count of 0, as libhdf5 writes it for variable-length data.
        collection.bytes.extend_from_slice(&[0; 6]);
        collection.bytes.extend_from_slice(&(data.len() as u64).to_le_bytes());
        let start = collection.bytes.len();
        collection.bytes.extend_from_slice(data);
        collection.bytes.resize(collection.bytes.len().next_multiple_of(8), 0);
        HeapPlace { collection: number, object, start }
    }

    /// Lets the element that begins at byte `at` of data added before point to other data.
    pub fn point(&mut self, data: HeapPlace, at: usize, count: u32, target: HeapPlace) {
        if let Some(collection) = self.collections.get_mut(data.collection) {
            collection.inner.push((data.start + at, count, target));
        }
    }

    /// Writes all collections; their addresses are returned for [`HeapPlace::id`].
    ///
    /// # Errors
    /// When the output fails.
    pub fn write<W: Write>(self, writer: &mut Writer<W>) -> Result<Vec<u64>, WriteError> {
        let mut next = writer.position().next_multiple_of(8);
        let mut addresses = Vec::with_capacity(self.collections.len());
        for collection in &self.collections {
            addresses.push(next);
            next += collection.size() as u64;
        }
        for mut collection in self.collections {
            for (at, count, target) in std::mem::take(&mut collection.inner) {
                collection.bytes[at..at + 16].copy_from_slice(&target.id(count, &addresses));
            }
            writer.put(&collection.block())?;
        }
        Ok(addresses)
    }
}

impl Collection {
    /// Bytes of the whole collection; a multiple of eight.
    fn size(&self) -> usize {
        LEAST.max(16 + self.bytes.len())
    }

    fn block(self) -> Vec<u8> {
        let (size, content) = (self.size(), 16 + self.bytes.len());
        // The rest is an object 0, unless there is no room for its header.
        let mut block = b"GCOL\x01\0\0\0".to_vec();
        block.extend_from_slice(&(size as u64).to_le_bytes());
        block.extend_from_slice(&self.bytes);
        if size - content >= 16 {
            block.extend_from_slice(&[0; 8]);
            block.extend_from_slice(&((size - content) as u64).to_le_bytes());
        }
        block.resize(size, 0);
        block
    }
}

impl HeapPlace {
    /// What an element holds: how many there are, and where.
    #[must_use]
    pub fn id(self, count: u32, collections: &[u64]) -> [u8; 16] {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&count.to_le_bytes());
        id[4..12].copy_from_slice(&collections.get(self.collection).copied().unwrap_or(0).to_le_bytes());
        id[12..].copy_from_slice(&self.object.to_le_bytes());
        id
    }
}
