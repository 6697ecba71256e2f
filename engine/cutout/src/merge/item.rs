//! An object with a template, as its index tells of it.

use std::ops::Range;
use std::sync::Arc;

use spolia_hdf5_format::write::HeapCursor;

use super::heap::HeapFilling;
use crate::error::CutoutError;
use crate::fetch::Fetched;
use crate::index::block::{Block, PointerPlace, Record};
use crate::index::template::{Picked, Template};
use crate::index::walk::POINTER;

/// Bytes that an object's values may be apart to be read in one piece.
const EXTENT: u64 = 32 << 10;

/// An object with a template.
pub(super) struct Item {
    picked: Arc<Picked>,
    block: Arc<Block>,
    record: Record,
    /// Bytes of all that its pointers lead to, with what a heap adds to them, about.
    heap: u64,
}

impl Item {
    /// Nothing where the block does not say where all its values are.
    pub(super) fn new(picked: Arc<Picked>, block: Arc<Block>, record: Record) -> Option<Self> {
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

    /// What is wanted of its template.
    pub(super) fn picked(&self) -> &Arc<Picked> {
        &self.picked
    }

    pub(super) fn template(&self) -> &Template {
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
    pub(super) fn pointed(&self) -> impl Iterator<Item = Pointed<'_>> {
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
    pub(super) fn size(&self) -> u64 {
        self.template().length() + self.heap
    }

    /// Adds the ranges of the file that its values and what they point to are in; returns the bytes that it needs.
    pub(super) fn ranges(&self, ranges: &mut Vec<Range<u64>>) -> u64 {
        let values = self.values().map(|(range, _)| range);
        let mut asked = values.clone().map(|range| range.end - range.start).sum::<u64>();
        let start = values.clone().map(|range| range.start).min().unwrap_or(0);
        let end = values.clone().map(|range| range.end).max().unwrap_or(0);
        match end - start {
            0 => {}
            1..=EXTENT => ranges.push(start..end),
            _ => ranges.extend(values),
        }
        for pointed in self.pointed().filter(|pointed| pointed.length > 0) {
            if let Data::There(start) = pointed.data {
                ranges.push(start..start.saturating_add(pointed.length));
                asked += pointed.length;
            }
        }
        asked
    }

    /// Fills its values into its image, and what they point to into a heap that begins at `heap_start` of the merged file.
    pub(super) fn fill(
        &self,
        fetched: &Fetched,
        image: &mut [u8],
        heap: &mut HeapFilling,
        heap_start: u64,
    ) -> Result<(), CutoutError> {
        for (range, place) in self.values() {
            let values = fetched.get(range.start, range.end - range.start);
            image[place].copy_from_slice(values.ok_or(CutoutError::Index)?);
        }
        for pointed in self.pointed() {
            let id = heap.add(&pointed, fetched, heap_start)?;
            image[pointed.at as usize..][..POINTER as usize].copy_from_slice(&id);
        }
        Ok(())
    }
}

/// Bytes of the heap that takes what objects point to.
pub(super) fn heap_size(items: &[Item]) -> u64 {
    let mut heap = HeapCursor::default();
    for pointed in items.iter().flat_map(Item::pointed).filter(|pointed| pointed.count > 0) {
        heap.add(pointed.length);
    }
    heap.end()
}

/// What a pointer leads to.
pub(super) struct Pointed<'a> {
    /// Where the pointer is in the image.
    at: u32,
    pub(super) count: u32,
    pub(super) length: u64,
    pub(super) data: Data<'a>,
}

pub(super) enum Data<'a> {
    /// The same in all objects.
    Here(&'a [u8]),
    /// At an offset of the file.
    There(u64),
}
