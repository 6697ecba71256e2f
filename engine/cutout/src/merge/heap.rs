//! A global heap that is filled in memory, its places known beforehand.

use spolia_hdf5_format::write::{HeapCursor, collection_header};

use super::item::{Data, Pointed};
use crate::error::CutoutError;
use crate::fetch::Fetched;

/// A heap that is being filled.
pub(super) struct HeapFilling<'a> {
    bytes: &'a mut [u8],
    cursor: HeapCursor,
    /// Where the collection begins that is being filled.
    collection: Option<u64>,
}

impl<'a> HeapFilling<'a> {
    /// All of it is in `bytes`, which are zeros.
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, cursor: HeapCursor::default(), collection: None }
    }

    /// Adds data; returns what the element that points to them holds.
    pub(super) fn add(
        &mut self,
        pointed: &Pointed,
        fetched: &Fetched,
        heap_start: u64,
    ) -> Result<[u8; 16], CutoutError> {
        if pointed.count == 0 {
            return Ok([0; 16]);
        }
        let data = match pointed.data {
            Data::Here(data) => data,
            Data::There(_) if pointed.length == 0 => &[],
            Data::There(at) => fetched.get(at, pointed.length).ok_or(CutoutError::Index)?,
        };
        let place = self.cursor.add(pointed.length);
        if place.object == 1 {
            self.begin(place.collection);
        }
        let at = place.at as usize;
        self.bytes[at..at + 16].copy_from_slice(&place.header(pointed.length));
        self.bytes[at + 16..at + 16 + data.len()].copy_from_slice(data);
        Ok(place.id(pointed.count, heap_start))
    }

    fn begin(&mut self, start: u64) {
        if let Some(before) = self.collection.replace(start) {
            self.head(before, start - before);
        }
    }

    fn head(&mut self, start: u64, size: u64) {
        self.bytes[start as usize..][..16].copy_from_slice(&collection_header(size));
    }

    /// Writes what ends the last collection.
    pub(super) fn finish(mut self) {
        if let Some(start) = self.collection {
            self.head(start, self.cursor.end() - start);
            let (at, tail) = self.cursor.tail();
            self.bytes[at as usize..][..tail.len()].copy_from_slice(&tail);
        }
    }
}
