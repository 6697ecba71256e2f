//! The local heap: the names of a symbol-table group. HDF5 File Format Specification 3.0, section III.D.

use bytes::Bytes;

use crate::cursor::before_zero;
use crate::error::{Hdf5Error, Result};
use crate::reader::Reader;

/// A group's names.
#[derive(Debug, Clone)]
pub struct LocalHeap {
    address: u64,
    size: u64,
    /// All names, once they have been read.
    data: Option<Bytes>,
}

impl LocalHeap {
    /// Reads the heap's header; names are read one by one.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn open(reader: &Reader, address: u64) -> Result<Self> {
        let widths = reader.widths();
        let length = 8 + 2 * u64::from(widths.length) + u64::from(widths.address);
        let mut header = reader.piece(address, length, "a local heap")?;
        header.signature(b"HEAP")?;
        header.version(0..=0)?;
        header.skip(3)?;
        let size = header.length()?;
        header.length()?;
        Ok(Self { address: header.defined_address()?, size, data: None })
    }

    /// Reads the heap with all its names.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(reader: &Reader, address: u64) -> Result<Self> {
        let heap = Self::open(reader, address)?;
        let data = reader.piece(heap.address, heap.size, "the names of a local heap")?.rest();
        Ok(Self { data: Some(data), ..heap })
    }

    /// The name that begins at `offset`, without its zero byte.
    ///
    /// # Errors
    /// When it lies outside of the heap or has no end.
    pub fn name(&self, reader: &Reader, offset: u64) -> Result<Bytes> {
        const STRUCTURE: &str = "a name in a local heap";
        let damaged =
            |fault: &str| Hdf5Error::Damaged { structure: STRUCTURE, offset: self.address, fault: fault.to_owned() };
        let left = self.size.checked_sub(offset).filter(|left| *left > 0);
        let left = left.ok_or_else(|| damaged("it lies outside of the heap"))?;
        if let Some(data) = &self.data {
            let rest = data.slice(offset as usize..);
            return ended(&rest).ok_or_else(|| damaged("it has no end"));
        }
        let mut length = 64;
        loop {
            let part = reader.piece(self.address.saturating_add(offset), left.min(length), STRUCTURE)?.rest();
            match ended(&part) {
                Some(name) => return Ok(name),
                None if length >= left => return Err(damaged("it has no end")),
                None => length *= 16,
            }
        }
    }
}

/// The bytes before the first zero, if there is one.
fn ended(bytes: &Bytes) -> Option<Bytes> {
    let name = before_zero(bytes);
    (name.len() < bytes.len()).then(|| bytes.slice(..name.len()))
}
