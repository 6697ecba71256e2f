//! The group of a file's objects in the merged file.

use std::collections::BTreeSet;
use std::io::BufWriter;
use std::ops::Range;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use spolia_hdf5_format::Reader;
use spolia_hdf5_format::copy::{Copier, CopyError};
use spolia_hdf5_format::write::{WriteError, Writer, Written};

use super::heap::HeapFilling;
use super::item::{Item, heap_size};
use super::objects::{Found, Objects};
use super::{Member, Output};
use crate::error::CutoutError;
use crate::fetch::{Fetched, Fetcher, Unit, Work, Worker};
use crate::sink::{Sink, SinkWriter};

/// Objects that are written together at most.
const TOGETHER: usize = 256;
/// Bytes of them at most, where it is more than one.
const TOGETHER_BYTES: u64 = 4 << 20;
/// Bytes of one dataset's elements that point elsewhere, which are held all at once: in many objects at the same time, and at most.
const POINTING: u64 = 1 << 20;
const MOST_POINTING: u64 = 64 << 20;

/// The group of a file's objects, which is being filled.
#[derive(Default)]
pub(super) struct Group {
    members: Vec<Member>,
    batch: Batch,
    copies: Copies,
}

impl Group {
    /// Lays out a part of a file's objects, and hands out the work on them.
    pub(super) fn add(
        &mut self,
        objects: &Objects,
        part: Range<usize>,
        found: Vec<Found>,
        writer: &mut Output,
        fetcher: &mut Fetcher,
    ) -> Result<(), CutoutError> {
        for (ordinal, found) in objects.file.ordinals[part].iter().zip(found) {
            let name = objects.file.name(*ordinal);
            match found {
                Found::Item(item) => {
                    if self.batch.is_full(&item) {
                        self.batch.close(objects.number, writer, &mut self.members, fetcher)?;
                    }
                    self.batch.add(name.into_bytes(), item);
                }
                Found::Copy(address) => self.copies.waiting.push((name, address)),
            }
            if self.copies.waiting.len() >= TOGETHER {
                self.copies.close(objects, writer, &mut self.members, fetcher)?;
            }
        }
        Ok(())
    }

    /// Writes the group when all its objects have a place.
    pub(super) fn close(
        mut self,
        objects: &Objects,
        writer: &mut Output,
        fetcher: &mut Fetcher,
    ) -> Result<Written, CutoutError> {
        self.batch.close(objects.number, writer, &mut self.members, fetcher)?;
        self.copies.close(objects, writer, &mut self.members, fetcher)?;
        Ok(writer.group(self.members, &[])?)
    }
}

/// Objects with templates that are written together: their images one after the other, then a heap with what they point to.
#[derive(Default)]
pub(super) struct Batch {
    names: Vec<Vec<u8>>,
    items: Vec<Item>,
    size: u64,
}

impl Batch {
    fn is_full(&self, next: &Item) -> bool {
        is_full(self.items.len(), self.size, next)
    }

    fn add(&mut self, name: Vec<u8>, item: Item) {
        self.size += item.size();
        self.names.push(name);
        self.items.push(item);
    }

    /// Gives the objects their places, and hands out the work on them.
    fn close(
        &mut self,
        file: usize,
        writer: &mut Output,
        members: &mut Vec<Member>,
        fetcher: &mut Fetcher,
    ) -> Result<(), CutoutError> {
        let Self { names, items, .. } = std::mem::take(self);
        if items.is_empty() {
            return Ok(());
        }
        let images: u64 = items.iter().map(|item| item.template().length()).sum();
        let heap = heap_size(&items);
        let start = writer.reserve(images + heap)?;
        let mut at = start;
        for (name, item) in names.into_iter().zip(&items) {
            members.push((name, item.template().written(at)));
            at += item.template().length();
        }
        let work = ImagesWork { sink: Arc::clone(fetcher.sink()), start, images, heap, items };
        fetcher.add(Unit { file, work: Box::new(work) })
    }
}

/// Whether so many objects of so many bytes are enough without the next one.
pub(super) fn is_full(count: usize, bytes: u64, next: &Item) -> bool {
    count >= TOGETHER || (count > 0 && bytes + next.size() > TOGETHER_BYTES)
}

/// Filling in the objects of a batch.
struct ImagesWork {
    sink: Arc<Sink>,
    /// Where the images begin in the merged file.
    start: u64,
    /// Bytes of all images; the heap follows them.
    images: u64,
    /// Bytes of the heap.
    heap: u64,
    items: Vec<Item>,
}

impl Work for ImagesWork {
    fn weight(&self) -> u64 {
        self.images + self.heap
    }

    fn pieces(&self) -> usize {
        self.items.len()
    }

    fn ranges(&self, ranges: &mut Vec<Range<u64>>) -> u64 {
        self.items.iter().map(|item| item.ranges(ranges)).sum()
    }

    fn run(&self, fetched: &Fetched, worker: &mut Worker) -> Result<(), CutoutError> {
        let made = &mut worker.made;
        made.clear();
        made.resize((self.images + self.heap) as usize, 0);
        let (images, heap_bytes) = made.split_at_mut(self.images as usize);
        let heap_start = self.start + self.images;
        let mut heap = HeapFilling::new(heap_bytes);
        let mut at = 0;
        for item in &self.items {
            let image = &mut images[at..at + item.template().length() as usize];
            item.template().place(image, self.start + at as u64);
            item.fill(fetched, image, &mut heap, heap_start)?;
            at += item.template().length() as usize;
        }
        heap.finish();
        self.sink.put(self.start, made).map_err(WriteError::from)?;
        Ok(())
    }
}

/// Objects without a template, which are copied from their file as it stands.
#[derive(Default)]
struct Copies {
    /// Names and addresses.
    waiting: Vec<(String, u64)>,
}

impl Copies {
    /// Measures the objects, which gives them their places, and hands out the work of copying them.
    fn close(
        &mut self,
        objects: &Objects,
        writer: &mut Output,
        members: &mut Vec<Member>,
        fetcher: &mut Fetcher,
    ) -> Result<(), CutoutError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let (reader, fields) = (objects.reader()?, objects.fields().cloned().map(Arc::new));
        let measure = |(name, address): &(String, u64), pointing: u64| {
            fetcher.check_stopped()?;
            let mut measuring = Writer::at(std::io::sink(), 0);
            let mut copier = Copier::measuring(&reader).only(fields.as_deref()).pointing(pointing);
            let copied = copier.copy(*address, &objects.path(name), &mut measuring)?;
            Ok::<_, CutoutError>((copied, measuring.position().next_multiple_of(8)))
        };
        let all = || waiting.par_iter().map(|object| measure(object, POINTING)).collect::<Vec<_>>();
        let measured = waiting.iter().zip(objects.install(all)).map(|(object, measured)| match measured {
            // Those that take much memory are looked at one by one.
            Err(CutoutError::Copy(CopyError::Pointing { .. })) => Ok((measure(object, MOST_POINTING)?, true)),
            measured => Ok((measured?, false)),
        });
        let measured = measured.collect::<Result<Vec<_>, CutoutError>>()?;
        for ((name, address), ((copied, bytes), large)) in waiting.into_iter().zip(measured) {
            let start = writer.reserve(bytes)?;
            let path = objects.path(&name);
            members.push((name.into_bytes(), copied.moved(start)));
            let (reader, fields, sink) = (Arc::clone(&reader), fields.clone(), Arc::clone(fetcher.sink()));
            let work = CopyWork { reader, address, path, fields, sink, start, bytes, large };
            fetcher.add(Unit { file: objects.number, work: Box::new(work) })?;
        }
        Ok(())
    }
}

/// Copying one object.
struct CopyWork {
    reader: Arc<Reader>,
    address: u64,
    path: String,
    fields: Option<Arc<BTreeSet<String>>>,
    sink: Arc<Sink>,
    /// Where it goes in the merged file, and the bytes that it takes there.
    start: u64,
    bytes: u64,
    /// Whether it takes much memory.
    large: bool,
}

impl Work for CopyWork {
    /// Elements are carried over piece by piece, but for those that point elsewhere.
    fn weight(&self) -> u64 {
        if self.large { 3 * MOST_POINTING } else { self.bytes.min(3 * POINTING) }
    }

    fn pieces(&self) -> usize {
        0
    }

    /// It reads by itself.
    fn ranges(&self, _: &mut Vec<Range<u64>>) -> u64 {
        0
    }

    fn run(&self, _: &Fetched, _: &mut Worker) -> Result<(), CutoutError> {
        let room = self.bytes.min(1 << 20) as usize;
        let output = BufWriter::with_capacity(room, SinkWriter::at(Arc::clone(&self.sink), self.start));
        let mut writer = Writer::at(output, self.start);
        let pointing = if self.large { MOST_POINTING } else { POINTING };
        let mut copier = Copier::new(&self.reader).only(self.fields.as_deref()).pointing(pointing);
        copier.copy(self.address, &self.path, &mut writer)?;
        let end = writer.position().next_multiple_of(8);
        writer.into_output()?;
        match end == self.start + self.bytes {
            true => Ok(()),
            false => Err(CutoutError::Refused(format!("{}: it has changed while it was cut", self.path))),
        }
    }
}
