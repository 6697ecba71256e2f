//! Filling the columns with the rows of objects.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use spolia_hdf5_format::write::WriteError;

use super::schema::Schema;
use crate::error::CutoutError;
use crate::fetch::{Fetched, Work, Worker};
use crate::merge::columns::Place;
use crate::merge::heap::HeapFilling;
use crate::merge::item::Item;
use crate::sink::Sink;

/// What all units that fill the columns share.
pub(super) struct Filling {
    pub(super) schema: Schema,
    /// The place of each column.
    pub(super) places: Vec<Place>,
    pub(super) templates: HashMap<usize, Arc<TemplateKind>>,
    pub(super) sink: Arc<Sink>,
}

/// The kind of a template's objects, and where the elements of the kind's fields stand in the image.
pub(super) struct TemplateKind {
    pub(super) number: usize,
    pub(super) places: Vec<Option<u64>>,
}

/// Rows of some objects, one after the other, column by column.
pub(super) struct Gathered<'a> {
    filling: &'a Filling,
    /// The row of the first one.
    row: u64,
    bytes: Vec<Vec<u8>>,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(filling: &'a Filling, row: u64) -> Self {
        Self { filling, row, bytes: vec![Vec::new(); filling.places.len()] }
    }

    /// Adds an object of a kind; `elements` gives those of one of the kind's fields, if any were written.
    pub(super) fn add<'b>(&mut self, kind: usize, elements: impl Fn(usize) -> Option<&'b [u8]>) {
        let schema = &self.filling.schema;
        for ((column, going), bytes) in schema.columns.iter().zip(&schema.goings[kind]).zip(&mut self.bytes) {
            match going.as_ref().map(|going| (going, elements(going.field))) {
                Some((going, Some(elements))) => match &going.conversion {
                    None => bytes.extend_from_slice(elements),
                    Some(conversion) => conversion.run(elements, bytes),
                },
                Some((going, None)) if column.offsets.is_some() => column.fill(going.rows, bytes),
                None if column.offsets.is_some() => {}
                _ => column.fill(1, bytes),
            }
        }
    }

    /// Puts all rows into their columns.
    pub(super) fn put(&self) -> Result<(), CutoutError> {
        for ((column, place), bytes) in self.filling.schema.columns.iter().zip(&self.filling.places).zip(&self.bytes) {
            place.put(column.row_of(self.row) * column.row_size(), bytes)?;
        }
        Ok(())
    }
}

/// Filling in the rows of objects with templates.
pub(super) struct RowsWork {
    pub(super) filling: Arc<Filling>,
    /// The row of the first one.
    pub(super) row: u64,
    pub(super) items: Vec<Item>,
    /// Bytes of the heap of what they point to, and where it begins in the merged file.
    pub(super) heap: u64,
    pub(super) heap_start: u64,
    pub(super) size: u64,
}

impl Work for RowsWork {
    fn weight(&self) -> u64 {
        self.size
    }

    fn pieces(&self) -> usize {
        self.items.len()
    }

    fn ranges(&self, ranges: &mut Vec<Range<u64>>) -> u64 {
        self.items.iter().map(|item| item.ranges(ranges)).sum()
    }

    fn run(&self, fetched: &Fetched, worker: &mut Worker) -> Result<(), CutoutError> {
        let mut heap_bytes = vec![0; self.heap as usize];
        let mut heap = HeapFilling::new(&mut heap_bytes);
        let mut gathered = Gathered::new(&self.filling, self.row);
        let image = &mut worker.made;
        for item in &self.items {
            image.clear();
            image.extend_from_slice(item.template().image());
            item.fill(fetched, image, &mut heap, self.heap_start)?;
            let template = Arc::as_ptr(item.picked()) as usize;
            let kind = self.filling.templates.get(&template).ok_or(CutoutError::Index)?;
            let sizes = &self.filling.schema.sizes[kind.number];
            gathered.add(kind.number, |field| image.get(kind.places[field]? as usize..)?.get(..sizes[field]));
        }
        heap.finish();
        self.filling.sink.put(self.heap_start, &heap_bytes).map_err(WriteError::from)?;
        gathered.put()
    }
}
