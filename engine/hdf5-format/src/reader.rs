//! An open file: its source, its superblock, and the bounds on reading it.

use std::sync::Arc;

use bytes::Bytes;

use crate::bounds::{Bounds, Meter};
use crate::checksum::lookup3;
use crate::cursor::{Cursor, Widths};
use crate::error::{Hdf5Error, Result};
use crate::heap::global::Collections;
use crate::shared_message::SharedMessages;
use crate::source::ReadAt;
use crate::superblock::Superblock;

/// A file that is being read.
#[derive(Clone)]
pub struct Reader {
    inner: Arc<Inner>,
}

struct Inner {
    source: Box<dyn ReadAt>,
    superblock: Superblock,
    meter: Meter,
    shared: SharedMessages,
    collections: Collections,
}

impl Reader {
    /// Opens a file. Wrap a slow source in [`crate::source::Paged`]: metadata are read in small pieces.
    ///
    /// # Errors
    /// When it is no HDF5 file, cut short, or its superblock is damaged.
    pub fn open(source: impl ReadAt + 'static, bounds: Bounds) -> Result<Self> {
        let superblock = Superblock::find(&source)?;
        let inner = |source, shared| Inner {
            source,
            superblock: superblock.clone(),
            meter: Meter::new(bounds.clone()),
            shared,
            collections: Collections::default(),
        };
        let first = Self { inner: Arc::new(inner(Box::new(source), SharedMessages::default())) };
        let Some(extension) = superblock.extension else { return Ok(first) };
        let shared = SharedMessages::read(&first, extension)?;
        // Nobody else has it yet.
        let source = Arc::into_inner(first.inner).map(|inner| inner.source);
        let source = source.ok_or_else(|| Hdf5Error::Unsupported("a file that is open twice".to_owned()))?;
        Ok(Self { inner: Arc::new(inner(source, shared)) })
    }

    /// The superblock.
    pub fn superblock(&self) -> &Superblock {
        &self.inner.superblock
    }

    /// Bytes of the source.
    pub fn size(&self) -> u64 {
        self.inner.source.size()
    }

    /// The bounds on reading.
    pub fn bounds(&self) -> &Bounds {
        self.inner.meter.bounds()
    }

    /// The file's messages that are kept once for many objects.
    pub(crate) fn shared(&self) -> &SharedMessages {
        &self.inner.shared
    }

    /// Global heap collections read so far.
    pub(crate) fn collections(&self) -> &Collections {
        &self.inner.collections
    }

    pub(crate) fn widths(&self) -> Widths {
        self.inner.superblock.widths
    }

    /// Where an address of the file is in the source.
    ///
    /// # Errors
    /// When it lies beyond its end.
    pub fn offset(&self, address: u64) -> Result<u64> {
        let offset = self.inner.superblock.offset.checked_add(address).filter(|offset| *offset <= self.size());
        offset.ok_or_else(|| Hdf5Error::Damaged {
            structure: "an address",
            offset: address,
            fault: "it lies beyond the end of the file".to_owned(),
        })
    }

    /// Whether a part of the file is all there, without reading it.
    ///
    /// # Errors
    /// When it is not.
    pub fn has(&self, address: u64, length: u64) -> Result<()> {
        let offset = self.offset(address)?;
        if length <= self.size() - offset {
            return Ok(());
        }
        Err(Hdf5Error::Read { offset, length, source: std::io::ErrorKind::UnexpectedEof.into() })
    }

    /// Reads a part of the file that is data, not metadata.
    ///
    /// # Errors
    /// When it is not all there.
    pub fn bytes(&self, address: u64, length: u64) -> Result<Bytes> {
        let offset = self.offset(address)?;
        self.at(offset, length)
    }

    /// Reads bytes of the source, counted from its very beginning.
    ///
    /// # Errors
    /// When they are not all there.
    pub fn at(&self, offset: u64, length: u64) -> Result<Bytes> {
        let failed = |source| Hdf5Error::Read { offset, length, source };
        if length > self.size().saturating_sub(offset) {
            return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let wanted = usize::try_from(length).map_err(|error| failed(std::io::Error::other(error)))?;
        self.inner.source.read_at(offset, wanted).map_err(failed)
    }

    /// Reads a piece of metadata.
    ///
    /// # Errors
    /// When it is not all there, or too big.
    pub(crate) fn piece(&self, address: u64, length: u64, structure: &'static str) -> Result<Cursor> {
        self.inner.meter.count(length)?;
        let offset = self.offset(address)?;
        Ok(Cursor::new(self.at(offset, length)?, self.widths(), structure, offset))
    }

    /// As [`Self::piece`], of at most `length` bytes, where the file ends earlier.
    pub(crate) fn up_to(&self, address: u64, length: u64, structure: &'static str) -> Result<Cursor> {
        let left = self.size().saturating_sub(self.offset(address)?);
        self.piece(address, length.min(left), structure)
    }

    /// Reads a piece whose last four bytes are the checksum of all before; they are left out of what is returned.
    pub(crate) fn summed(&self, address: u64, length: u64, structure: &'static str) -> Result<Cursor> {
        let cursor = self.piece(address, length, structure)?;
        let whole = cursor.clone().rest();
        let Some((content, sum)) = whole.split_last_chunk::<4>().map(|(content, sum)| (content.len(), *sum)) else {
            return Err(cursor.damaged("it is too short for its checksum"));
        };
        if lookup3(&whole[..content], 0) != u32::from_le_bytes(sum) {
            return Err(cursor.damaged("its checksum is wrong"));
        }
        Ok(Cursor::new(whole.slice(..content), self.widths(), structure, cursor.offset()))
    }
}
