//! Variable-length data on their way from one file's heap into another's.

use crate::bounds::at_most;
use crate::datatype::{Class, Datatype};
use crate::error::{Hdf5Error, Result};
use crate::heap::global::HeapId;
use crate::reader::Reader;
use crate::write::{HeapBuilder, HeapPlace};

/// What is bounded, as errors call it.
pub(super) const HEAP: &str = "what elements of variable length lead to";
/// Bytes of an element that points into the heap, in the new file.
const POINTER: usize = 16;

/// An element that is to point into the new file's heap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer {
    at: usize,
    count: u32,
    place: HeapPlace,
}

impl Pointer {
    /// Writes it, now that the heap has an address.
    pub(super) fn set(&self, bytes: &mut [u8], heap: u64) {
        if let Some(element) = bytes.get_mut(self.at..self.at + POINTER) {
            element.copy_from_slice(&self.place.id(self.count, heap));
        }
    }
}

/// Takes all data that `elements` point to into `heap`; the pointers that are to be set when it is written.
pub(super) fn relocate(
    reader: &Reader,
    datatype: &Datatype,
    elements: &mut [u8],
    heap: &mut HeapBuilder,
    bound: u64,
    depth: u32,
) -> Result<Vec<Pointer>> {
    let mut pointers = Vec::new();
    let mut relocation = Relocation { reader, heap, bound, pointers: &mut pointers };
    let size = datatype.size.max(1) as usize;
    for at in (0..elements.len() / size).map(|number| number * size) {
        relocation.element(datatype, elements, at, depth)?;
    }
    Ok(pointers)
}

struct Relocation<'a> {
    reader: &'a Reader,
    heap: &'a mut HeapBuilder,
    bound: u64,
    pointers: &'a mut Vec<Pointer>,
}

impl Relocation<'_> {
    /// The element that begins at `at`.
    fn element(&mut self, datatype: &Datatype, elements: &mut [u8], at: usize, depth: u32) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or(Hdf5Error::Bound { what: "data inside data", bound: 0 })?;
        match &datatype.class {
            Class::VariableLength { base } | Class::VariableString { base, .. } => {
                self.variable(base, elements, at, depth)
            }
            Class::Array { base, .. } if base.points_elsewhere() => {
                let (size, whole) = (base.size.max(1) as usize, datatype.size as usize);
                (0..whole / size).try_for_each(|number| self.element(base, elements, at + number * size, depth))
            }
            Class::Compound { members } => members
                .iter()
                .filter(|member| member.datatype.points_elsewhere())
                .try_for_each(|member| self.element(&member.datatype, elements, at + member.offset as usize, depth)),
            _ => Ok(()),
        }
    }

    fn variable(&mut self, base: &Datatype, elements: &mut [u8], at: usize, depth: u32) -> Result<()> {
        let short = || Hdf5Error::Unsupported("an element that is cut short".to_owned());
        let element = elements.get_mut(at..at + POINTER).ok_or_else(short)?;
        let id = HeapId::from_element(self.reader, element)?;
        let data = id.data(self.reader, base.size)?;
        element.fill(0);
        if data.is_empty() {
            return Ok(());
        }
        // Many elements may lead to the same data.
        at_most(HEAP, self.heap.bytes().saturating_add(data.len() as u64), self.bound)?;
        let mut data = data.to_vec();
        let inner = match base.points_elsewhere() {
            true => relocate(self.reader, base, &mut data, self.heap, self.bound, depth)?,
            false => Vec::new(),
        };
        let place = self.heap.add(&data);
        for pointer in inner {
            self.heap.point(place, pointer.at, pointer.count, pointer.place);
        }
        self.pointers.push(Pointer { at, count: id.count, place });
        Ok(())
    }
}
