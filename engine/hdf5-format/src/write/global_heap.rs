//! Global heap collections: the data of variable-length elements. HDF5 File Format Specification 3.0, section III.E.

use std::io::Write;

use super::{WriteError, Writer};

/// The least bytes of a collection that libhdf5 makes.
const LEAST: u64 = 4096;
/// Objects in a collection at most: their number has 16 bits, and 0 is free space.
const MOST_OBJECTS: u32 = 65_535;
/// Bytes after which another collection is begun.
const ENOUGH: u64 = 1 << 20;

/// Bytes before the first object of a collection, and before the data of each object.
const HEADER: u64 = 16;

/// Lays data out in collections, one after the other, by their lengths alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeapCursor {
    /// Where the collection begins that is being filled, from the first one on.
    start: u64,
    /// Objects in it.
    objects: u32,
    /// Bytes of it that are taken; none before its first object.
    size: u64,
}

/// Where data will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapPlace {
    /// Where the collection begins, from the first one on.
    pub collection: u64,
    /// The object's number in it, from 1 on.
    pub object: u32,
    /// Where the object begins, its header first, from the beginning of the first collection on.
    pub at: u64,
}

impl HeapCursor {
    /// Gives the next data of `length` bytes a place.
    pub fn add(&mut self, length: u64) -> HeapPlace {
        if self.objects == MOST_OBJECTS || self.size >= ENOUGH {
            *self = Self { start: self.end(), ..Self::default() };
        }
        self.size = self.size.max(HEADER);
        self.objects += 1;
        let place = HeapPlace { collection: self.start, object: self.objects, at: self.start + self.size };
        self.size += HEADER + length.next_multiple_of(8);
        place
    }

    /// Bytes that all collections take so far.
    #[must_use]
    pub fn end(&self) -> u64 {
        match self.size {
            0 => self.start,
            size => self.start + size.max(LEAST),
        }
    }

    /// What stands at the end of the last collection behind its objects, and where.
    #[must_use]
    pub fn tail(&self) -> (u64, Vec<u8>) {
        let (at, left) = (self.start + self.size, self.end() - self.start - self.size);
        let mut tail = vec![0; left as usize];
        // The rest is an object 0, unless there is no room for its header.
        if left >= HEADER {
            tail[8..16].copy_from_slice(&left.to_le_bytes());
        }
        (at, tail)
    }
}

impl HeapPlace {
    /// What an element holds: how many there are, and where. The first collection is at the address `heap`.
    #[must_use]
    pub fn id(self, count: u32, heap: u64) -> [u8; 16] {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&count.to_le_bytes());
        id[4..12].copy_from_slice(&(heap + self.collection).to_le_bytes());
        id[12..].copy_from_slice(&self.object.to_le_bytes());
        id
    }

    /// The header of the object, whose data have `length` bytes.
    #[must_use]
    pub fn header(self, length: u64) -> [u8; HEADER as usize] {
        let mut header = [0; HEADER as usize];
        header[..2].copy_from_slice(&(self.object as u16).to_le_bytes());
        // A reference count of 0, as libhdf5 writes it for variable-length data.
        header[8..].copy_from_slice(&length.to_le_bytes());
        header
    }
}

/// The header of a collection of `size` bytes.
#[must_use]
pub fn collection_header(size: u64) -> [u8; HEADER as usize] {
    let mut header = *b"GCOL\x01\0\0\0\0\0\0\0\0\0\0\0";
    header[8..].copy_from_slice(&size.to_le_bytes());
    header
}

/// Data that are collected and written together.
#[derive(Debug, Default)]
pub struct HeapBuilder {
    cursor: HeapCursor,
    /// Where each collection begins.
    starts: Vec<u64>,
    /// All collections, their headers still empty.
    bytes: Vec<u8>,
    /// Where data point to other data.
    inner: Vec<(usize, u32, HeapPlace)>,
}

impl HeapBuilder {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds data.
    pub fn add(&mut self, data: &[u8]) -> HeapPlace {
        let place = self.cursor.add(data.len() as u64);
        if place.object == 1 {
            self.starts.push(place.collection);
        }
        self.bytes.resize(place.at as usize, 0);
        self.bytes.extend_from_slice(&place.header(data.len() as u64));
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        place
    }

    /// Lets the element that begins at byte `at` of data added before point to other data.
    pub fn point(&mut self, data: HeapPlace, at: usize, count: u32, target: HeapPlace) {
        self.inner.push(((data.at + HEADER) as usize + at, count, target));
    }

    /// Writes all collections; the address of the first is returned for [`HeapPlace::id`].
    ///
    /// # Errors
    /// When the output fails.
    pub fn write<W: Write>(mut self, writer: &mut Writer<W>) -> Result<u64, WriteError> {
        let heap = writer.position().next_multiple_of(8);
        self.bytes.extend_from_slice(&self.cursor.tail().1);
        let ends = self.starts.iter().skip(1).copied().chain([self.cursor.end()]);
        for (start, end) in self.starts.iter().zip(ends) {
            let place = *start as usize;
            self.bytes[place..place + HEADER as usize].copy_from_slice(&collection_header(end - start));
        }
        for (at, count, target) in self.inner {
            self.bytes[at..at + 16].copy_from_slice(&target.id(count, heap));
        }
        if self.bytes.is_empty() { Ok(heap) } else { writer.put(&self.bytes) }
    }
}
