//! Where a file's bytes come from.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use bytes::{Bytes, BytesMut};

/// Bytes that can be read from any place: a file, an object of a store, memory.
pub trait ReadAt: Send + Sync {
    /// How many there are.
    fn size(&self) -> u64;

    /// Reads `length` bytes from `offset` on.
    ///
    /// # Errors
    /// When they are not all there, or cannot be read.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes>;

    /// Fills `place` with the bytes from `offset` on.
    ///
    /// # Errors
    /// As [`Self::read_at`].
    fn read_into(&self, offset: u64, place: &mut [u8]) -> io::Result<()> {
        self.read_at(offset, place.len()).map(|bytes| place.copy_from_slice(&bytes))
    }
}

impl<S: ReadAt + ?Sized> ReadAt for std::sync::Arc<S> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        (**self).read_at(offset, length)
    }

    fn read_into(&self, offset: u64, place: &mut [u8]) -> io::Result<()> {
        (**self).read_into(offset, place)
    }
}

impl ReadAt for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(length).filter(|end| *end <= self.len());
        end.map(|end| self.slice(start..end)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A file of the local file system.
#[derive(Debug)]
pub struct LocalFile {
    file: std::fs::File,
    size: u64,
}

impl LocalFile {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it cannot be opened, or is no plain file.
    pub fn open(path: &std::path::Path) -> io::Result<Self> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
        }
        Ok(Self { file, size: metadata.len() })
    }
}

impl ReadAt for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = BytesMut::zeroed(length);
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.freeze())
    }

    fn read_into(&self, offset: u64, place: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(place, offset)
    }
}

/// Pages of another source, kept while there is room: metadata are many small pieces that lie close together.
pub struct Paged<S> {
    source: S,
    page: u64,
    max_pages: usize,
    pages: Mutex<HashMap<u64, Bytes>>,
}

impl<S: ReadAt> Paged<S> {
    /// Reads `page` bytes at a time and keeps at most `max_pages` of them.
    pub fn new(source: S, page: usize, max_pages: usize) -> Self {
        Self { source, page: page.max(512) as u64, max_pages: max_pages.max(1), pages: Mutex::default() }
    }

    /// The source itself.
    pub fn inner(&self) -> &S {
        &self.source
    }

    fn page(&self, number: u64) -> io::Result<Bytes> {
        let poisoned = |_| io::Error::other("another reader of this source has failed");
        if let Some(page) = self.pages.lock().map_err(poisoned)?.get(&number) {
            return Ok(page.clone());
        }
        let start = number * self.page;
        let length = self.source.size().saturating_sub(start).min(self.page);
        let page = self.source.read_at(start, length as usize)?;
        let mut pages = self.pages.lock().map_err(poisoned)?;
        if pages.len() >= self.max_pages {
            // Reading goes forward, mostly; what was read may be dropped without keeping book.
            pages.clear();
        }
        pages.insert(number, page.clone());
        Ok(page)
    }
}

impl<S: ReadAt> ReadAt for Paged<S> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if length as u64 > self.page {
            return self.source.read_at(offset, length);
        }
        let (first, within) = (offset / self.page, (offset % self.page) as usize);
        let page = self.page(first)?;
        if let Some(last) = within.checked_add(length).filter(|last| *last <= page.len()) {
            return Ok(page.slice(within..last));
        }
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&page[within..]);
        let left = (end - (first + 1) * self.page) as usize;
        bytes.extend_from_slice(&self.page(first + 1)?[..left]);
        Ok(bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_give_the_same_bytes() {
        let bytes = Bytes::from((0..5000u32).map(|n| n as u8).collect::<Vec<_>>());
        let paged = Paged::new(bytes.clone(), 512, 2);
        for (offset, length) in [(0, 1), (511, 2), (0, 512), (100, 512), (4990, 10), (700, 3000), (5000, 0)] {
            assert_eq!(paged.read_at(offset, length).unwrap(), bytes.read_at(offset, length).unwrap());
        }
        for (offset, length) in [(5000, 1), (4999, 2), (u64::MAX, 1)] {
            assert!(paged.read_at(offset, length).is_err() && bytes.read_at(offset, length).is_err());
        }
    }
}
