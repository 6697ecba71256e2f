//! Templates: what objects of the same structure have in common, ready to be placed in a merged file.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use spolia_hdf5_format::copy::{Copier, CopyError};
use spolia_hdf5_format::write::{ObjectImage, SUPERBLOCK_SIZE, WriteError, Writer, Written};
use spolia_hdf5_format::{Bounds, Hdf5Error, Reader};

use super::walk::{POINTER, Walk, walk, walk_only};

/// An object without its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Template {
    image: Vec<u8>,
    addresses: Vec<u32>,
    header: u64,
    symbols: Option<(u64, u64)>,
    /// Where values belong that are not in the image.
    pub(crate) holes: Vec<Hole>,
    /// Elements that point to variable-length data.
    pub(crate) pointers: Vec<PointerHole>,
}

/// A template, and which of an object's values belong into it.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) template: Template,
    /// Of the values that differ, by their places; all where nothing is said.
    pub(crate) holes: Option<Vec<usize>>,
    /// The same of what its pointers lead to.
    pub(crate) pointers: Option<Vec<usize>>,
}

/// A place for values of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hole {
    pub(crate) at: u32,
    pub(crate) length: u32,
}

/// An element that points to variable-length data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PointerHole {
    pub(crate) at: u32,
    /// Bytes of each of the elements that it points to.
    pub(crate) size: u32,
    /// How many these are, and their bytes, where they are the same in all objects.
    pub(crate) same: Option<(u32, Vec<u8>)>,
}

impl Template {
    /// Of the object at an address, which has been walked through; and for each hole the number of its span. Nothing for an
    /// object that cannot be written without its values.
    pub(crate) fn new(reader: &Reader, address: u64, walked: &Walk) -> Option<(Self, Vec<usize>)> {
        let image = ObjectImage::new(|writer| Copier::blank(reader).copy(address, "", writer).map_err(|_| NoTemplate));
        let image = image.ok()?;
        let file = Reader::open(Bytes::from(image.file()), Bounds::default()).ok()?;
        let own = walk(&file, file.superblock().root).ok()??;
        let lengths = |walk: &Walk| walk.spans.iter().map(|span| span.length).collect::<Vec<_>>();
        let sizes = |walk: &Walk| walk.pointers.iter().map(|pointer| pointer.size).collect::<Vec<_>>();
        if lengths(&own) != lengths(walked) || sizes(&own) != sizes(walked) {
            return None;
        }
        let within = |at: u64| u32::try_from(at - SUPERBLOCK_SIZE).ok();
        // What is nothing but pointers is made anew.
        let pointing = |span: &super::walk::Span| {
            let inside = own.pointers.iter().filter(|pointer| (span.at..span.at + span.length).contains(&pointer.at));
            inside.count() as u64 * POINTER == span.length
        };
        let numbers: Vec<usize> = (0..own.spans.len()).filter(|number| !pointing(&own.spans[*number])).collect();
        let hole = |number: &usize| {
            let span = own.spans[*number];
            Some(Hole { at: within(span.at)?, length: u32::try_from(span.length).ok()? })
        };
        let holes = numbers.iter().map(hole).collect::<Option<Vec<_>>>()?;
        let pointer = |pointer: &super::walk::Pointer| {
            Some(PointerHole { at: within(pointer.at)?, size: pointer.size, same: None })
        };
        let pointers = own.pointers.iter().map(pointer).collect::<Option<Vec<_>>>()?;
        let ObjectImage { bytes, addresses, object } = image;
        let (header, symbols) = (object.header, object.symbols);
        Some((Self { image: bytes, addresses, header, symbols, holes, pointers }, numbers))
    }

    /// The template of objects that only have some of the members and attributes. Nothing where it cannot be made, or nothing is
    /// left.
    pub(crate) fn only(&self, fields: &BTreeSet<String>) -> Option<Picked> {
        let whole = Reader::open(Bytes::from(self.file()), Bounds::default()).ok()?;
        let root = whole.superblock().root;
        let before = walk_only(&whole, root, Some(fields)).ok()??;
        let copied = |writer: &mut Writer<Vec<u8>>| {
            Copier::new(&whole).only(Some(fields)).copy(root, "", writer).map_err(|_| NoTemplate)
        };
        if before.spans.is_empty() {
            return None;
        }
        let image = ObjectImage::new(copied).ok()?;
        let file = Reader::open(Bytes::from(image.file()), Bounds::default()).ok()?;
        let after = walk(&file, file.superblock().root).ok()??;
        if before.spans.len() != after.spans.len() || before.pointers.len() != after.pointers.len() {
            return None;
        }
        let within = |at: u64| u32::try_from(at - SUPERBLOCK_SIZE).ok();
        let (mut holes, mut hole_places) = (Vec::new(), Vec::new());
        for (old, new) in before.spans.iter().zip(&after.spans) {
            let at = within(old.at)?;
            // Those that are no holes are in the image, or nothing but pointers.
            if let Some(place) = self.holes.iter().position(|hole| hole.at == at) {
                holes.push(Hole { at: within(new.at)?, length: u32::try_from(new.length).ok()? });
                hole_places.push(place);
            }
        }
        let (mut pointers, mut pointer_places) = (Vec::new(), Vec::new());
        for (old, new) in before.pointers.iter().zip(&after.pointers) {
            let at = within(old.at)?;
            let place = self.pointers.iter().position(|pointer| pointer.at == at)?;
            pointers.push(PointerHole { at: within(new.at)?, ..self.pointers[place].clone() });
            if self.pointers[place].same.is_none() {
                pointer_places.push(self.pointers[..place].iter().filter(|pointer| pointer.same.is_none()).count());
            }
        }
        let ObjectImage { bytes, addresses, object } = image;
        let (header, symbols) = (object.header, object.symbols);
        let template = Self { image: bytes, addresses, header, symbols, holes, pointers };
        Some(Picked { template, holes: Some(hole_places), pointers: Some(pointer_places) })
    }

    /// The object as a file of its own, whose root it is; the image begins behind the superblock.
    pub(crate) fn file(&self) -> Vec<u8> {
        let object = Written { header: self.header, symbols: self.symbols };
        ObjectImage { bytes: self.image.clone(), addresses: self.addresses.clone(), object }.file()
    }

    /// Bytes of an object.
    pub(crate) fn length(&self) -> u64 {
        self.image.len() as u64
    }

    /// Where the object is whose image is placed at an address.
    pub(crate) fn written(&self, address: u64) -> Written {
        Written { header: self.header, symbols: self.symbols }.moved(address)
    }

    /// The object as it is placed, addresses and values still missing.
    pub(crate) fn image(&self) -> &[u8] {
        &self.image
    }

    /// Puts the image into `target`, which has its length and is at `address` of the merged file.
    pub(crate) fn place(&self, target: &mut [u8], address: u64) {
        ObjectImage::place_parts(&self.image, &self.addresses, target, address);
    }

    /// Makes values a part of the image.
    pub(crate) fn fill(&mut self, hole: Hole, values: &[u8]) {
        self.image[hole.at as usize..(hole.at + hole.length) as usize].copy_from_slice(values);
    }

    /// Whether all places are within the image.
    pub(crate) fn is_sound(&self) -> bool {
        let inside = |at: u32, length: u64| u64::from(at) + length <= self.length();
        self.holes.iter().all(|hole| inside(hole.at, hole.length.into()))
            && self.pointers.iter().all(|pointer| inside(pointer.at, POINTER) && pointer.is_sound())
    }
}

impl PointerHole {
    fn is_sound(&self) -> bool {
        let length = |count: &u32| u64::from(*count) * u64::from(self.size);
        self.same.as_ref().is_none_or(|(count, data)| length(count) == data.len() as u64)
    }
}

/// An object is copied in another way.
struct NoTemplate;

impl From<CopyError> for NoTemplate {
    fn from(_: CopyError) -> Self {
        Self
    }
}

impl From<WriteError> for NoTemplate {
    fn from(_: WriteError) -> Self {
        Self
    }
}

impl From<Hdf5Error> for NoTemplate {
    fn from(_: Hdf5Error) -> Self {
        Self
    }
}
