//! Making the index of objects with groups of their own.
//!
//! Objects are taken in rounds. Those of one structure in a round are a family; values that are the same in all of them become
//! a part of the family's template. Objects of later rounds that have the same values too are of that family.

use std::collections::HashMap;

use bytes::Bytes;
use spolia_hdf5_format::{Hdf5Error, HeapId, Reader, Result};

use super::block::{Block, NO_PLACEMENT, PointerPlace, Record};
use super::template::{PointerHole, Template};
use super::walk::{POINTER, Walk, walk};

/// Objects of a round.
pub(crate) const ROUND: usize = 1024;
/// Bytes of all templates at most, and of what the pointers of one object lead to; other objects have no template.
const MOST_BYTES: u64 = 64 << 20;
const MOST_POINTED: u64 = 256 << 10;
/// Families of one structure at most that have values in common.
const MOST_FAMILIES: usize = 4;

/// Makes templates and blocks, object by object.
pub(crate) struct Builder<'a> {
    reader: &'a Reader,
    /// Of every family, in the order of their numbers.
    pub(crate) templates: Vec<Template>,
    families: Vec<Family>,
    by_shape: HashMap<Vec<u8>, Vec<usize>>,
    /// Objects of the round.
    round: Vec<Found>,
    /// Families that the round has brought.
    new: Vec<NewFamily>,
    new_by_shape: HashMap<Vec<u8>, Option<usize>>,
    block_objects: usize,
    /// Bytes of all templates.
    bytes: u64,
    /// Blocks that are complete.
    pub(crate) blocks: Vec<Block>,
}

/// An object that has been found.
struct Found {
    number: i64,
    address: u64,
    family: Where,
    /// Where the values of all spans are.
    spans: Vec<u64>,
    pointers: Vec<PointerPlace>,
}

#[derive(Clone, Copy)]
enum Where {
    Known(usize),
    New(usize),
    None,
}

/// Objects of one structure.
struct Family {
    /// The span of each hole, and the pointers that differ.
    spans: Vec<usize>,
    pointers: Vec<usize>,
    /// Spans that are the same in all objects, with their values.
    same: Vec<(usize, Bytes)>,
    same_data: Vec<(usize, u32, u32, Bytes)>,
}

/// A family that is being made.
struct NewFamily {
    template: Template,
    shape: Vec<u8>,
    /// The span of each hole.
    spans: Vec<usize>,
    /// The first object's values, hole by hole, until another object has others.
    values: Vec<Option<Bytes>>,
    /// The same for what its pointers lead to.
    data: Vec<Option<(u32, Bytes)>>,
}

impl<'a> Builder<'a> {
    /// Blocks are to have so many objects at most.
    pub(crate) fn new(reader: &'a Reader, block_objects: usize) -> Self {
        Self {
            reader,
            templates: Vec::new(),
            families: Vec::new(),
            by_shape: HashMap::new(),
            round: Vec::new(),
            new: Vec::new(),
            new_by_shape: HashMap::new(),
            block_objects,
            bytes: 0,
            blocks: Vec::new(),
        }
    }

    /// Adds an object, whose header is at an address. Numbers ascend.
    ///
    /// # Errors
    /// When it is damaged.
    pub(crate) fn add(&mut self, number: i64, address: u64) -> Result<()> {
        let mut found = Found { number, address, family: Where::None, spans: Vec::new(), pointers: Vec::new() };
        if let Some(walked) = walk(self.reader, address)? {
            found.spans = walked.spans.iter().map(|span| span.at).collect();
            found.pointers = pointers(self.reader, &walked)?;
            let pointed = walked.pointers.iter().zip(&found.pointers);
            let pointed: u64 = pointed.map(|(to, place)| u64::from(to.size) * u64::from(place.count)).sum();
            if pointed <= MOST_POINTED {
                found.family = self.family(address, walked, &found)?;
            }
        }
        self.round.push(found);
        if self.round.len() >= ROUND {
            self.settle();
        }
        Ok(())
    }

    /// Ends the last round.
    pub(crate) fn finish(mut self) -> (Vec<Template>, Vec<Block>) {
        self.settle();
        (self.templates, self.blocks)
    }

    fn family(&mut self, address: u64, walked: Walk, found: &Found) -> Result<Where> {
        for family in self.by_shape.get(&walked.shape).into_iter().flatten() {
            if self.families[*family].fits(self.reader, found)? {
                return Ok(Where::Known(*family));
            }
        }
        let family = match self.new_by_shape.get(&walked.shape) {
            Some(known) => *known,
            None => {
                let made = NewFamily::new(self.reader, address, &walked, found);
                let made = made.filter(|family| self.bytes + family.template.length() <= MOST_BYTES);
                self.bytes += made.as_ref().map_or(0, |family| family.template.length());
                let number = made.map(|family| {
                    self.new.push(family);
                    self.new.len() - 1
                });
                self.new_by_shape.insert(walked.shape, number);
                return Ok(number.map_or(Where::None, Where::New));
            }
        };
        let Some(family) = family else { return Ok(Where::None) };
        self.new[family].compare(self.reader, found)?;
        Ok(Where::New(family))
    }

    /// Ends a round: its new families get their templates, its objects their records.
    fn settle(&mut self) {
        let first = self.families.len();
        for mut family in std::mem::take(&mut self.new) {
            let known = self.by_shape.entry(std::mem::take(&mut family.shape)).or_default();
            if known.len() + 1 >= MOST_FAMILIES {
                // What differs again and again is not the same at all.
                family.values.fill(None);
                family.data.fill(None);
            }
            known.push(self.families.len());
            let (settled, template) = family.settled();
            self.families.push(settled);
            self.templates.push(template);
        }
        self.new_by_shape.clear();
        for objects in std::mem::take(&mut self.round).chunks(self.block_objects) {
            let block = self.block(objects, first);
            self.blocks.push(block);
        }
    }

    /// Equal placements are kept once.
    fn block(&self, objects: &[Found], first_new: usize) -> Block {
        let mut block = Block::default();
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        for found in objects {
            let number = found.number;
            let family = match found.family {
                Where::Known(family) => Some(family),
                Where::New(family) => Some(first_new + family),
                Where::None => None,
            };
            let placed = family.and_then(|number| {
                let family = &self.families[number];
                let values = family.spans.iter().map(|span| found.spans[*span]);
                let base = values.clone().min().unwrap_or(0);
                let offsets = values.map(|at| u32::try_from(at - base).ok());
                let placement: Option<Vec<u32>> = [Some(number as u32)].into_iter().chain(offsets).collect();
                Some((family, base, placement?))
            });
            let Some((family, base, placement)) = placed else {
                block.records.push(Record { number, base: found.address, placement: NO_PLACEMENT, pointers: 0 });
                continue;
            };
            let end = block.placements.len() as u32;
            let placement = *known.entry(placement).or_insert_with_key(|placement| {
                block.placements.extend_from_slice(placement);
                end
            });
            let pointers = block.pointers.len() as u32;
            block.pointers.extend(family.pointers.iter().map(|pointer| found.pointers[*pointer]));
            block.records.push(Record { number, base, placement, pointers });
        }
        block
    }
}

impl Family {
    /// Whether an object of the same structure has the same values where they are all the same.
    fn fits(&self, reader: &Reader, found: &Found) -> Result<bool> {
        for (span, values) in &self.same {
            if reader.at(found.spans[*span], values.len() as u64)? != *values {
                return Ok(false);
            }
        }
        for (pointer, size, count, data) in &self.same_data {
            let place = found.pointers[*pointer];
            if place.count != *count || datum(reader, place, *size)? != *data {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl NewFamily {
    fn new(reader: &Reader, address: u64, walked: &Walk, found: &Found) -> Option<Self> {
        let (template, spans) = Template::new(reader, address, walked)?;
        let value = |span: &usize| Some(Some(reader.at(walked.spans[*span].at, walked.spans[*span].length).ok()?));
        let values = spans.iter().map(value).collect::<Option<_>>()?;
        let data = |(place, hole): (&PointerPlace, &PointerHole)| {
            Some(Some((place.count, datum(reader, *place, hole.size).ok()?)))
        };
        let data = found.pointers.iter().zip(&template.pointers).map(data).collect::<Option<_>>()?;
        Some(Self { template, shape: walked.shape.clone(), spans, values, data })
    }

    /// Forgets the values that another object has not.
    fn compare(&mut self, reader: &Reader, found: &Found) -> Result<()> {
        for (value, span) in self.values.iter_mut().zip(&self.spans) {
            if let Some(first) = value
                && reader.at(found.spans[*span], first.len() as u64)? != *first
            {
                *value = None;
            }
        }
        for ((value, place), hole) in self.data.iter_mut().zip(&found.pointers).zip(&self.template.pointers) {
            if let Some((count, first)) = value
                && (*count != place.count || datum(reader, *place, hole.size)? != *first)
            {
                *value = None;
            }
        }
        Ok(())
    }

    /// The family, and its template with the values that are the same in all objects.
    fn settled(self) -> (Family, Template) {
        let mut template = self.template;
        let mut family = Family { spans: Vec::new(), pointers: Vec::new(), same: Vec::new(), same_data: Vec::new() };
        let holes = std::mem::take(&mut template.holes);
        for ((hole, span), value) in holes.into_iter().zip(self.spans).zip(self.values) {
            match value {
                Some(value) => {
                    template.fill(hole, &value);
                    family.same.push((span, value));
                }
                None => {
                    template.holes.push(hole);
                    family.spans.push(span);
                }
            }
        }
        for (number, (pointer, data)) in template.pointers.iter_mut().zip(self.data).enumerate() {
            match data {
                Some((count, data)) => {
                    pointer.same = Some((count, data.to_vec()));
                    family.same_data.push((number, pointer.size, count, data));
                }
                None => family.pointers.push(number),
            }
        }
        (family, template)
    }
}

/// Where the data are that pointers lead to.
fn pointers(reader: &Reader, walked: &Walk) -> Result<Vec<PointerPlace>> {
    let place = |pointer: &super::walk::Pointer| {
        let id = HeapId::from_element(reader, &reader.at(pointer.at, POINTER)?)?;
        Ok(match id.place(reader, pointer.size)? {
            Some((at, _)) => PointerPlace { at, count: id.count },
            None => PointerPlace { at: 0, count: 0 },
        })
    };
    walked.pointers.iter().map(place).collect()
}

/// Data that a pointer leads to, of elements of `size` bytes.
fn datum(reader: &Reader, place: PointerPlace, size: u32) -> Result<Bytes> {
    let length = u64::from(place.count).checked_mul(size.into());
    reader.at(place.at, length.ok_or(Hdf5Error::Bound { what: "variable-length data", bound: u64::MAX })?)
}
