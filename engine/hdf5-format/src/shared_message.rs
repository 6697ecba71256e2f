//! Messages that are kept once for many objects: committed types, and the shared message heaps of a file.
//! HDF5 File Format Specification 3.0, sections IV.A.2 ("shared message") and III.I.

use crate::cursor::Cursor;
use crate::error::{Hdf5Error, Result};
use crate::heap::fractal::FractalHeap;
use crate::object_header::{ObjectHeader, message_type, raw};
use crate::reader::Reader;

/// The heaps of a file's shared messages, by the message types that they hold.
#[derive(Debug, Default)]
pub struct SharedMessages {
    indexes: Vec<(u16, u64)>,
}

impl SharedMessages {
    /// From the superblock extension; nothing where the file shares no messages.
    pub(crate) fn read(reader: &Reader, extension: u64) -> Result<Self> {
        let header = ObjectHeader::read(reader, extension)?;
        let Some(message) = header.first(message_type::SHARED_MESSAGE_TABLE) else { return Ok(Self::default()) };
        let mut content = message.content(reader)?;
        content.version(0..=0)?;
        let (address, count) = (content.defined_address()?, content.u8()?);
        let widths = reader.widths();
        let entry = 1 + 1 + 2 + 4 + 2 + 2 + 2 + 2 * u64::from(widths.address);
        let mut table = reader.summed(address, 4 + u64::from(count) * entry + 4, "the table of shared messages")?;
        table.signature(b"SMTB")?;
        let mut indexes = Vec::new();
        for _ in 0..count {
            table.skip(2)?;
            let kinds = table.u16()?;
            table.skip(4 + 2 + 2 + 2)?;
            table.address()?;
            // An index without messages has no heap yet.
            indexes.extend(table.address()?.map(|heap| (kinds, heap)));
        }
        Ok(Self { indexes })
    }

    fn heap(&self, kind: u16) -> Option<u64> {
        let bit = 1u16.checked_shl(kind.into())?;
        self.indexes.iter().find(|(kinds, _)| kinds & bit != 0).map(|(_, heap)| *heap)
    }
}

/// A message of `kind` out of the file's shared heap, by its heap id.
pub(crate) fn from_heap(reader: &Reader, kind: u16, id: &[u8]) -> Result<Cursor> {
    let heap = reader.shared().heap(kind);
    let heap = heap.ok_or_else(|| Hdf5Error::Unsupported(format!("a shared message of type {kind} without a heap")))?;
    let bytes = FractalHeap::open(reader, heap)?.object(reader, id)?;
    Ok(raw(kind, bytes, reader, reader.offset(heap)?))
}

/// Follows a shared message to its content.
pub(crate) fn resolve(reader: &Reader, kind: u16, mut place: Cursor) -> Result<Cursor> {
    let version = place.version(1..=3)?;
    let in_heap = place.u8()? == 1 && version >= 2;
    if in_heap {
        let id = place.take(8)?;
        return from_heap(reader, kind, &id);
    }
    if version == 1 {
        place.skip(6)?;
        place.length()?;
    }
    let address = place.defined_address()?;
    let header = ObjectHeader::read(reader, address)?;
    let message = header.first(kind).filter(|message| !message.is_shared());
    let message = message.ok_or_else(|| place.damaged("the object it refers to has no such message"))?;
    message.content(reader)
}

/// The object header that a committed message is kept in; nothing for one in the shared heap.
pub(crate) fn committed_at(mut place: Cursor) -> Result<Option<u64>> {
    let version = place.version(1..=3)?;
    if place.u8()? == 1 && version >= 2 {
        return Ok(None);
    }
    if version == 1 {
        place.skip(6)?;
        place.length()?;
    }
    place.address()
}
