//! Where the merged file is put together: piece by piece, in any order, from many threads.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::checksum::{self, Checksum};

/// A file that is being put together.
pub(crate) struct Sink {
    /// Nothing where nothing is to be written.
    file: Option<File>,
    /// The file's bytes, until they are too many.
    memory: Mutex<Option<Vec<u8>>>,
    /// Bytes that are put together in memory and written at once.
    most: usize,
    /// Checksums of the first blocks, as far as these have been settled.
    checksums: Mutex<Vec<Checksum>>,
    /// Tells how many bytes from the beginning on are settled, where someone reads along.
    reader: Option<watch::Sender<u64>>,
}

impl Sink {
    /// One that keeps so many bytes in memory before it writes.
    pub(crate) fn new(file: File, most: usize) -> Self {
        Self { file: Some(file), memory: Mutex::new(Some(Vec::new())), most, checksums: Mutex::default(), reader: None }
    }

    /// One that others put pieces into, too.
    pub(crate) fn shared(file: File) -> Self {
        Self { file: Some(file), memory: Mutex::new(None), most: 0, checksums: Mutex::default(), reader: None }
    }

    /// One that someone reads along.
    pub(crate) fn read_along(file: File, reader: watch::Sender<u64>) -> Self {
        Self { reader: Some(reader), ..Self::shared(file) }
    }

    /// One that takes everything and keeps nothing.
    pub(crate) fn nowhere() -> Self {
        Self { file: None, memory: Mutex::new(None), most: 0, checksums: Mutex::default(), reader: None }
    }

    /// Whether someone reads along.
    pub(crate) fn is_read_along(&self) -> bool {
        self.reader.is_some()
    }

    /// What is before `end` will not change any more.
    pub(crate) fn settle(&self, end: u64) -> io::Result<()> {
        let Some(reader) = &self.reader else { return Ok(()) };
        // The last block goes on beyond what can be known to be settled.
        self.hash(end / checksum::BLOCK, u64::MAX, end)?;
        reader.send_replace(end);
        Ok(())
    }

    /// The checksums of all blocks before `end`.
    pub(crate) fn checksums(&self, blocks: u64, end: u64) -> io::Result<Vec<Checksum>> {
        match &self.file {
            Some(_) => self.hash(blocks, blocks, end),
            None => Ok(vec![[0; 32]; blocks as usize]),
        }
    }

    /// Makes the checksums of the first blocks, of so many in all, as far as they have not been made.
    fn hash(&self, first: u64, blocks: u64, end: u64) -> io::Result<Vec<Checksum>> {
        let mut made = self.checksums.lock().map_err(|_| io::Error::other("another writer has failed"))?;
        let from = made.len() as u64;
        if from < first {
            made.extend(self.checksums_of(from..first, blocks, end)?);
        }
        Ok(made.clone())
    }

    /// Puts bytes at their place.
    pub(crate) fn put(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut memory = self.memory.lock().map_err(|_| io::Error::other("another writer has failed"))?;
        if let Some(held) = &mut *memory {
            let end = at.saturating_add(bytes.len() as u64);
            if end <= self.most as u64 {
                let (start, end) = (at as usize, end as usize);
                if held.len() < end {
                    held.resize(end, 0);
                }
                held[start..end].copy_from_slice(bytes);
                return Ok(());
            }
            file.write_all_at(held, 0)?;
            *memory = None;
        }
        drop(memory);
        file.write_all_at(bytes, at)
    }

    /// Waits until what was put is safe, and others see it.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// The checksums of some blocks, of so many in all, before `end`.
    pub(crate) fn checksums_of(&self, numbers: Range<u64>, blocks: u64, end: u64) -> io::Result<Vec<Checksum>> {
        checksum::checksums(numbers, blocks, end, |at, bytes| self.get(at, bytes))
    }

    /// Reads what was put; zeros where nothing was.
    pub(crate) fn get(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let memory = self.memory.lock().map_err(|_| io::Error::other("another writer has failed"))?;
        let Some(held) = &*memory else {
            drop(memory);
            return file.read_exact_at(bytes, at);
        };
        let start = (at as usize).min(held.len());
        let there = &held[start..(start + bytes.len()).min(held.len())];
        bytes[..there.len()].copy_from_slice(there);
        bytes[there.len()..].fill(0);
        Ok(())
    }

    /// Ends the file, which has so many bytes.
    pub(crate) fn finish(&self, bytes: u64) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut memory = self.memory.lock().map_err(|_| io::Error::other("another writer has failed"))?;
        match memory.take() {
            Some(mut held) => {
                held.resize(bytes as usize, 0);
                file.write_all_at(&held, 0)?;
            }
            None => file.set_len(bytes)?,
        }
        if let Some(reader) = &self.reader {
            reader.send_replace(bytes);
        }
        Ok(())
    }
}

/// Writes into a sink from some place on.
pub(crate) struct SinkWriter {
    sink: Arc<Sink>,
    at: u64,
}

impl SinkWriter {
    pub(crate) fn at(sink: Arc<Sink>, at: u64) -> Self {
        Self { sink, at }
    }
}

impl Write for SinkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.put(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SinkWriter {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_MEMORY: usize = 1 << 20;

    #[test]
    fn pieces_come_together_in_memory_and_beyond() {
        for size in [1000u64, IN_MEMORY as u64 + 1000] {
            let file = tempfile::tempfile().unwrap();
            let sink = Arc::new(Sink::new(file.try_clone().unwrap(), IN_MEMORY));
            sink.put(500, b"middle").unwrap();
            sink.put(size - 3, b"end").unwrap();
            let mut writer = SinkWriter::at(Arc::clone(&sink), 0);
            writer.write_all(b"start").unwrap();
            writer.seek(SeekFrom::Start(600)).unwrap();
            writer.write_all(b"later").unwrap();
            sink.finish(size + 2).unwrap();
            let read = |at, length: usize| {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, at).unwrap();
                bytes
            };
            assert_eq!(file.metadata().unwrap().len(), size + 2);
            assert_eq!((read(0, 5), read(500, 7)), (b"start".to_vec(), b"middle\0".to_vec()));
            assert_eq!((read(600, 5), read(size - 3, 5)), (b"later".to_vec(), b"end\0\0".to_vec()));
        }
    }
}
