//! The global heap: variable-length data. HDF5 File Format Specification 3.0, section III.E.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::error::{Hdf5Error, Result};
use crate::reader::Reader;

/// Bytes of collections kept at most; one that is larger is kept alone.
const MAX_KEPT: u64 = 8 << 20;
/// The least size of a collection, header included.
const SMALLEST: u64 = 16;

/// Collections that have been read: data of neighbouring elements lie in the same one.
#[derive(Debug, Default)]
pub struct Collections {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    collections: HashMap<u64, Arc<Collection>>,
    bytes: u64,
}

/// One collection's objects by their index.
#[derive(Debug)]
pub struct Collection {
    objects: HashMap<u16, Object>,
    size: u64,
}

#[derive(Debug)]
struct Object {
    data: Bytes,
    /// Where they begin in the source.
    at: u64,
}

/// Where a variable-length element's data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapId {
    /// Elements (letters of a string) that it has.
    pub count: u32,
    /// Address of the collection; 0 for data that were never written.
    pub collection: u64,
    /// The object in it.
    pub index: u32,
}

impl HeapId {
    /// Bytes of an element that holds one: count, address, index.
    #[must_use]
    pub fn size(reader: &Reader) -> usize {
        4 + usize::from(reader.widths().address) + 4
    }

    /// From an element's bytes.
    ///
    /// # Errors
    /// When they are too few.
    pub fn from_element(reader: &Reader, element: &[u8]) -> Result<Self> {
        let bytes = Bytes::copy_from_slice(element);
        let mut cursor = Cursor::new(bytes, reader.widths(), "a variable-length element", 0);
        Ok(Self { count: cursor.u32()?, collection: cursor.address()?.unwrap_or(0), index: cursor.u32()? })
    }

    /// The data, `size` bytes for each of its elements; nothing for an empty one.
    ///
    /// # Errors
    /// When the collection is damaged or has no such object, or it is too short.
    pub fn data(&self, reader: &Reader, size: u32) -> Result<Bytes> {
        Ok(self.found(reader, size)?.map_or_else(Bytes::new, |(data, _)| data))
    }

    /// Where the data begin in the source, and how many bytes they are; nothing for an empty element.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn place(&self, reader: &Reader, size: u32) -> Result<Option<(u64, u64)>> {
        Ok(self.found(reader, size)?.map(|(data, at)| (at, data.len() as u64)).filter(|(_, length)| *length > 0))
    }

    fn found(&self, reader: &Reader, size: u32) -> Result<Option<(Bytes, u64)>> {
        if self.count == 0 || self.collection == 0 {
            return Ok(None);
        }
        let collection = reader.collections().get(reader, self.collection)?;
        let length = u64::from(self.count).saturating_mul(size.into());
        let damaged = |fault: String| Hdf5Error::Damaged {
            structure: "a global heap collection",
            offset: self.collection,
            fault,
        };
        let index = u16::try_from(self.index).ok();
        let object = index.and_then(|index| collection.objects.get(&index));
        let object = object.ok_or_else(|| damaged(format!("it has no object {}", self.index)))?;
        match usize::try_from(length).ok().filter(|length| *length <= object.data.len()) {
            Some(length) => Ok(Some((object.data.slice(..length), object.at))),
            None => {
                let found = object.data.len();
                Err(damaged(format!("object {} has {found} bytes instead of {length}", self.index)))
            }
        }
    }
}

impl Collections {
    fn get(&self, reader: &Reader, address: u64) -> Result<Arc<Collection>> {
        let poisoned = |_| Hdf5Error::Unsupported("a file whose other reader has failed".to_owned());
        if let Some(collection) = self.kept.lock().map_err(poisoned)?.collections.get(&address) {
            return Ok(Arc::clone(collection));
        }
        let collection = Arc::new(Collection::read(reader, address)?);
        let mut kept = self.kept.lock().map_err(poisoned)?;
        if kept.bytes + collection.size > MAX_KEPT {
            *kept = Kept::default();
        }
        kept.bytes += collection.size;
        kept.collections.insert(address, Arc::clone(&collection));
        Ok(collection)
    }
}

impl Collection {
    /// Reads a whole collection.
    fn read(reader: &Reader, address: u64) -> Result<Self> {
        let prefix = 8 + u64::from(reader.widths().length);
        let mut header = reader.piece(address, prefix, "a global heap collection")?;
        header.signature(b"GCOL")?;
        header.version(1..=1)?;
        header.skip(3)?;
        let size = header.length()?;
        if size < SMALLEST.max(prefix) {
            return Err(header.damaged(format!("it has {size} bytes")));
        }
        let mut cursor = reader.piece(address, size, "a global heap collection")?;
        cursor.skip(prefix as usize)?;
        let mut objects = HashMap::new();
        let header_size = 8 + usize::from(reader.widths().length);
        while cursor.left() >= header_size {
            let index = cursor.u16()?;
            // Object 0 is the free space at the end.
            if index == 0 {
                break;
            }
            cursor.skip(2 + 4)?;
            let length = cursor.length()?;
            let length = usize::try_from(length).ok().filter(|length| *length <= cursor.left());
            let length = length.ok_or_else(|| cursor.damaged(format!("object {index} reaches beyond it")))?;
            let at = cursor.position().unwrap_or_default();
            objects.insert(index, Object { data: cursor.take(length)?, at });
            cursor.skip((length.next_multiple_of(8) - length).min(cursor.left()))?;
        }
        Ok(Self { objects, size })
    }
}
