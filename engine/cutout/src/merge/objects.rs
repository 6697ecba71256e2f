//! Objects with groups of their own, on their way into the merged file.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use spolia_hdf5_format::Reader;
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::link::{Target, find};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::write::{HeapCursor, Written, collection_header};

use super::{Member, Output};
use crate::error::CutoutError;
use crate::fetch::{Fetched, Fetcher, Unit, Work, Worker};
use crate::files::Files;
use crate::index::block::{Block, NO_PLACEMENT, PointerPlace, Record};
use crate::index::build::{Builder, ROUND};
use crate::index::sidecar::{Sidecar, SidecarError, numbered};
use crate::index::template::{Picked, Template};
use crate::index::walk::POINTER;
use crate::plan::CutFile;
use crate::sink::Sink;

/// Objects that are written together at most.
const TOGETHER: usize = 256;
/// Bytes of them at most, where it is more than one.
const TOGETHER_BYTES: u64 = 4 << 20;
/// Bytes that an object's values may be apart to be read in one piece.
const EXTENT: u64 = 32 << 10;
/// Objects that are looked up by name; for more, all names are read.
const BY_NAME: usize = 64;

/// The objects of one file.
pub(super) struct Objects<'a> {
    pub(super) number: usize,
    pub(super) file: &'a CutFile,
    files: &'a Files,
    /// The file's index.
    sidecar: Option<Arc<Sidecar>>,
    /// The file, where it has none.
    live: Mutex<Option<Arc<Live>>>,
    /// The members and attributes that are wanted; all where nothing is said.
    fields: Option<&'a BTreeSet<String>>,
    /// Templates of the index, or what is wanted of them.
    picked: Mutex<HashMap<u32, Arc<Picked>>>,
}

/// A file without an index.
struct Live {
    reader: Reader,
    group: ObjectHeader,
    /// All objects by number, where many are wanted.
    all: Option<Vec<(i64, u64)>>,
}

/// An object that has been looked up.
pub(super) enum Found {
    /// With a template.
    Item(Item),
    /// To be copied from the address of its header.
    Copy(u64),
}

impl<'a> Objects<'a> {
    pub(super) fn new(
        number: usize,
        file: &'a CutFile,
        files: &'a Files,
        sidecar: Option<Arc<Sidecar>>,
        fields: Option<&'a BTreeSet<String>>,
    ) -> Self {
        Self { number, file, files, sidecar, live: Mutex::default(), fields, picked: Mutex::default() }
    }

    /// What is wanted of a template.
    fn picked(&self, template: &Template) -> Result<Arc<Picked>, CutoutError> {
        let picked = match self.fields {
            None => Some(Picked { template: template.clone(), holes: None, pointers: None }),
            Some(fields) => template.only(fields),
        };
        picked.map(Arc::new).ok_or_else(|| {
            let fields = self.fields.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
            CutoutError::Refused(format!(
                "{}: an object of it cannot be cut down to the fields {fields}",
                self.file.file_name
            ))
        })
    }

    /// Parts of the wanted objects that are looked up together.
    pub(super) fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let count = self.file.ordinals.len();
        (0..count).step_by(ROUND).map(move |start| start..(start + ROUND).min(count))
    }

    /// Looks a part of the wanted objects up.
    pub(super) fn look_up(&self, part: Range<usize>) -> Result<Vec<Found>, CutoutError> {
        match &self.sidecar {
            Some(sidecar) => self.indexed(sidecar, &self.file.ordinals[part]),
            None => self.made(&self.file.ordinals[part]),
        }
    }

    fn indexed(&self, sidecar: &Sidecar, wanted: &[i64]) -> Result<Vec<Found>, CutoutError> {
        let unusable = |error: SidecarError| {
            let (file, why) = (self.file.file_name.clone(), error.to_string());
            CutoutError::DamagedIndex { file, why }
        };
        let mut known: Option<(usize, Arc<Block>)> = None;
        let found = wanted.iter().map(|ordinal| {
            let number = sidecar.block_of(*ordinal).ok_or_else(|| self.missing(*ordinal))?;
            let block = match &known {
                Some((last, block)) if *last == number => block,
                _ => &known.insert((number, Arc::new(sidecar.block(number).map_err(unusable)?))).1,
            };
            let record = block.find(*ordinal).ok_or_else(|| self.missing(*ordinal))?;
            Found::new(block, record, |number| {
                let mut known = self.picked.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(picked) = known.get(&number) {
                    return Ok(Arc::clone(picked));
                }
                let picked = self.picked(&*sidecar.template(number).map_err(unusable)?)?;
                known.insert(number, Arc::clone(&picked));
                Ok(picked)
            })
        });
        found.collect()
    }

    /// Looks objects up in a file without an index, which is made for them.
    fn made(&self, wanted: &[i64]) -> Result<Vec<Found>, CutoutError> {
        let live = self.live()?;
        let mut builder = Builder::new(&live.reader, ROUND);
        for ordinal in wanted {
            let damaged = |source| {
                let file = format!("{}/{}", self.file.file_name, self.file.name(*ordinal));
                CutoutError::Hdf5 { file, source }
            };
            builder.add(*ordinal, self.address(&live, *ordinal)?).map_err(damaged)?;
        }
        let (templates, mut blocks) = builder.finish();
        let templates = templates.iter().map(|template| self.picked(template)).collect::<Result<Vec<_>, _>>()?;
        let block = Arc::new(blocks.pop().ok_or(CutoutError::Index)?);
        let template = |number: u32| templates.get(number as usize).map(Arc::clone).ok_or(CutoutError::Index);
        block.records.iter().map(|record| Found::new(&block, *record, template)).collect()
    }

    /// Lets go of the file, whose objects all have a place.
    pub(super) fn close(&self) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn live(&self) -> Result<Arc<Live>, CutoutError> {
        // Whoever comes second waits for the first: names are read once.
        let mut kept = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = &*kept {
            return Ok(Arc::clone(live));
        }
        let reader = self.files.reader(self.file)?;
        let group = group_at(&reader, &self.file.group).map_err(self.damaged())?;
        let group = group.ok_or_else(|| {
            CutoutError::Refused(format!("{}: it has no group {:?}", self.file.file_name, self.file.group))
        })?;
        let many = self.file.names.is_empty() && self.file.ordinals.len() > BY_NAME;
        let all = many.then(|| numbered(&reader, &group, &self.file.object)).transpose();
        let live = Arc::new(Live { all: all.map_err(self.damaged())?, reader, group });
        *kept = Some(Arc::clone(&live));
        Ok(live)
    }

    fn address(&self, live: &Live, ordinal: i64) -> Result<u64, CutoutError> {
        let missing = || self.missing(ordinal);
        if let Some(all) = &live.all {
            let place = all.binary_search_by_key(&ordinal, |(number, _)| *number).map_err(|_| missing())?;
            return Ok(all[place].1);
        }
        let name = self.file.name(ordinal);
        let link = find(&live.reader, &live.group, name.as_bytes()).map_err(self.damaged())?;
        match link.ok_or_else(missing)?.target {
            Target::Object(address) => Ok(address),
            _ => Err(CutoutError::Refused(format!(
                "{}/{name}: it is a link by name, which a cut does not follow",
                self.file.file_name
            ))),
        }
    }

    fn missing(&self, ordinal: i64) -> CutoutError {
        let (file, name) = (&self.file.file_name, self.file.name(ordinal));
        CutoutError::Refused(format!("{file}/{name}: the file has no such object"))
    }

    fn damaged(&self) -> impl Fn(spolia_hdf5_format::Hdf5Error) -> CutoutError + use<> {
        let file = self.file.file_name.clone();
        move |source| CutoutError::Hdf5 { file: file.clone(), source }
    }
}

/// The group at a path from the root on, which is the root for an empty path.
pub(crate) fn group_at(reader: &Reader, path: &str) -> spolia_hdf5_format::Result<Option<ObjectHeader>> {
    let mut group = ObjectHeader::read(reader, reader.superblock().root)?;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        match find(reader, &group, name.as_bytes())?.map(|link| link.target) {
            Some(Target::Object(address)) => group = ObjectHeader::read(reader, address)?,
            _ => return Ok(None),
        }
    }
    Ok(Some(group))
}

/// The group of a file's objects in the merged file, which is being filled.
#[derive(Default)]
pub(super) struct Group {
    members: Vec<Member>,
    batch: Batch,
    /// The file, where objects of it are copied.
    copied: Option<Reader>,
}

impl Group {
    /// Lays out a part of a file's objects: those with a template by units, the others at once.
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
                Found::Copy(address) => {
                    let reader = match &mut self.copied {
                        Some(reader) => reader,
                        None => self.copied.insert(objects.files.reader(objects.file)?),
                    };
                    let path = format!("{}/{name}", objects.file.file_name);
                    let copied = Copier::new(reader).only(objects.fields).copy(address, &path, writer)?;
                    self.members.push((name.into_bytes(), copied));
                }
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
        Ok(writer.group(self.members, &[])?)
    }
}

/// An object with a template.
pub(super) struct Item {
    picked: Arc<Picked>,
    block: Arc<Block>,
    record: Record,
    /// Bytes of all that its pointers lead to, with what a heap adds to them, about.
    heap: u64,
}

impl Found {
    fn new(
        block: &Arc<Block>,
        record: Record,
        picked: impl Fn(u32) -> Result<Arc<Picked>, CutoutError>,
    ) -> Result<Self, CutoutError> {
        if record.placement == NO_PLACEMENT {
            return Ok(Self::Copy(record.base));
        }
        let picked = picked(block.template(&record).ok_or(CutoutError::Index)?)?;
        Item::new(picked, Arc::clone(block), record).map(Self::Item).ok_or(CutoutError::Index)
    }
}

impl Item {
    /// Nothing where the block does not say where all its values are.
    fn new(picked: Arc<Picked>, block: Arc<Block>, record: Record) -> Option<Self> {
        let needed = |places: &Option<Vec<usize>>, all: usize| match places {
            Some(places) => places.iter().max().map_or(0, |last| last + 1),
            None => all,
        };
        let varying = picked.template.pointers.iter().filter(|pointer| pointer.same.is_none()).count();
        block.offsets(&record, needed(&picked.holes, picked.template.holes.len()))?;
        block.pointed(&record, needed(&picked.pointers, varying))?;
        let mut item = Self { picked, block, record, heap: 0 };
        item.heap = item.pointed().map(|pointed| 24 + pointed.length).sum();
        Some(item)
    }

    fn template(&self) -> &Template {
        &self.picked.template
    }

    /// Its values: where they are in the file and in the image.
    fn values(&self) -> impl Iterator<Item = (Range<u64>, Range<usize>)> + Clone {
        let offsets = self.block.placements.get(self.record.placement as usize + 1..).unwrap_or_default();
        let places = self.picked.holes.as_deref();
        self.template().holes.iter().enumerate().map(move |(number, hole)| {
            let place = places.map_or(number, |places| places[number]);
            let offset = offsets.get(place).copied().unwrap_or(0);
            let start = self.record.base.saturating_add(offset.into());
            let image = hole.at as usize;
            (start..start.saturating_add(hole.length.into()), image..image + hole.length as usize)
        })
    }

    /// What its pointers lead to, in their order.
    fn pointed(&self) -> impl Iterator<Item = Pointed<'_>> {
        let all = self.block.pointers.get(self.record.pointers as usize..).unwrap_or_default();
        let places = self.picked.pointers.as_deref();
        let mut number = 0;
        self.template().pointers.iter().map(move |pointer| match &pointer.same {
            Some((count, data)) => {
                Pointed { at: pointer.at, count: *count, length: data.len() as u64, data: Data::Here(data) }
            }
            None => {
                let place = places.map_or(number, |places| places[number]);
                number += 1;
                let place = all.get(place).copied().unwrap_or(PointerPlace { at: 0, count: 0 });
                let length = u64::from(place.count) * u64::from(pointer.size);
                Pointed { at: pointer.at, count: place.count, length, data: Data::There(place.at) }
            }
        })
    }

    /// Bytes of its image and of what its pointers lead to, about.
    fn size(&self) -> u64 {
        self.template().length() + self.heap
    }
}

/// What a pointer leads to.
struct Pointed<'a> {
    /// Where the pointer is in the image.
    at: u32,
    count: u32,
    length: u64,
    data: Data<'a>,
}

enum Data<'a> {
    /// The same in all objects.
    Here(&'a [u8]),
    /// At an offset of the file.
    There(u64),
}

/// Objects that are written together: their images one after the other, then a heap with what they point to.
#[derive(Default)]
struct Batch {
    names: Vec<Vec<u8>>,
    items: Vec<Item>,
    size: u64,
}

impl Batch {
    fn is_full(&self, next: &Item) -> bool {
        self.items.len() >= TOGETHER || (!self.items.is_empty() && self.size + next.size() > TOGETHER_BYTES)
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
        let mut heap = HeapCursor::default();
        for pointed in items.iter().flat_map(Item::pointed).filter(|pointed| pointed.count > 0) {
            heap.add(pointed.length);
        }
        let start = writer.reserve(images + heap.end())?;
        let mut at = start;
        for (name, item) in names.into_iter().zip(&items) {
            members.push((name, item.template().written(at)));
            at += item.template().length();
        }
        fetcher.add(Unit { file, work: Box::new(ObjectsWork { start, images, heap: heap.end(), items }) })
    }
}

/// Filling in the objects of a batch.
struct ObjectsWork {
    /// Where the images begin in the merged file.
    start: u64,
    /// Bytes of all images; the heap follows them.
    images: u64,
    /// Bytes of the heap.
    heap: u64,
    items: Vec<Item>,
}

impl Work for ObjectsWork {
    fn weight(&self) -> u64 {
        self.images + self.heap
    }

    fn ranges(&self, ranges: &mut Vec<Range<u64>>) -> u64 {
        let mut asked = 0;
        for item in &self.items {
            let values = item.values().map(|(range, _)| range);
            asked += values.clone().map(|range| range.end - range.start).sum::<u64>();
            let start = values.clone().map(|range| range.start).min().unwrap_or(0);
            let end = values.clone().map(|range| range.end).max().unwrap_or(0);
            match end - start {
                0 => {}
                1..=EXTENT => ranges.push(start..end),
                _ => ranges.extend(values),
            }
            for pointed in item.pointed().filter(|pointed| pointed.length > 0) {
                if let Data::There(start) = pointed.data {
                    ranges.push(start..start.saturating_add(pointed.length));
                    asked += pointed.length;
                }
            }
        }
        asked
    }

    fn run(&self, fetched: &Fetched, worker: &mut Worker, sink: &Sink) -> Result<(), CutoutError> {
        let made = &mut worker.made;
        made.clear();
        made.resize((self.images + self.heap) as usize, 0);
        let (images, heap_bytes) = made.split_at_mut(self.images as usize);
        let heap_start = self.start + self.images;
        let mut filling = Filling { bytes: heap_bytes, cursor: HeapCursor::default(), collection: None };
        let mut at = 0;
        for item in &self.items {
            let image = &mut images[at..at + item.template().length() as usize];
            item.template().place(image, self.start + at as u64);
            for (range, place) in item.values() {
                let values = fetched.get(range.start, range.end - range.start);
                image[place].copy_from_slice(values.ok_or(CutoutError::Index)?);
            }
            for pointed in item.pointed() {
                let id = filling.add(&pointed, fetched, heap_start)?;
                image[pointed.at as usize..][..POINTER as usize].copy_from_slice(&id);
            }
            at += item.template().length() as usize;
        }
        filling.finish();
        sink.put(self.start, made).map_err(spolia_hdf5_format::write::WriteError::from)?;
        Ok(())
    }
}

/// A heap that is being filled.
struct Filling<'a> {
    bytes: &'a mut [u8],
    cursor: HeapCursor,
    /// Where the collection begins that is being filled.
    collection: Option<u64>,
}

impl Filling<'_> {
    /// Adds data; returns what the element that points to them holds.
    fn add(&mut self, pointed: &Pointed, fetched: &Fetched, heap_start: u64) -> Result<[u8; 16], CutoutError> {
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

    fn finish(mut self) {
        if let Some(start) = self.collection {
            self.head(start, self.cursor.end() - start);
            let (at, tail) = self.cursor.tail();
            self.bytes[at as usize..][..tail.len()].copy_from_slice(&tail);
        }
    }
}
