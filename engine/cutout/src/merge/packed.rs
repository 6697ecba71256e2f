//! Objects with groups of their own as rows of columns: a column for each dataset and attribute that they have.
//!
//! Row n of a column is object n. Where objects have different numbers of elements along the first dimension, these stand one
//! after the other, and `<field>_offsets` says where each object's begin and the last one's end. Where not all objects have a
//! field, `<field>_present` is 1 for those that do.

mod field;
mod filling;
mod loose;
mod schema;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use spolia_hdf5_format::datatype::Datatype;
use spolia_hdf5_format::write::{AttributeOut, HeapBuilder};

use super::Output;
use super::columns::{Column, ColumnGroup, Columns, Place};
use super::item::heap_size;
use super::object_group::is_full;
use super::objects::{Found, Objects};
use crate::error::CutoutError;
use crate::fetch::{Fetcher, Unit};
use crate::index::template::Picked;
use field::{FieldAttribute, fields, template_fields};
use filling::{Filling, RowsWork, TemplateKind};
use schema::{Kinds, Schema};

/// Objects without a template that are read one after the other before others are looked at.
const TOGETHER: usize = 256;

/// Objects that are going to be rows.
#[derive(Default)]
pub(super) struct Packing {
    /// In the order of rows: the place of their file among the class's, what was found, and the number of their kind.
    objects: Vec<(usize, Found)>,
    numbers: Vec<usize>,
    kinds: Kinds,
    /// Of each template: its kind, and where the elements of the kind's fields stand in the image.
    templates: HashMap<usize, Arc<TemplateKind>>,
    /// What keeps the templates where they are.
    picked: Vec<Arc<Picked>>,
}

impl Packing {
    /// Takes a part of a file's objects; `place` is the file's among the class's.
    pub(super) fn add(
        &mut self,
        place: usize,
        objects: &Objects,
        part: Range<usize>,
        found: Vec<Found>,
    ) -> Result<(), CutoutError> {
        for (ordinal, found) in objects.file.ordinals[part].iter().zip(found) {
            let path = || objects.path(&objects.file.name(*ordinal));
            let number = match &found {
                Found::Item(item) => self.template(item.picked(), path)?.number,
                Found::Copy(address) => {
                    let damaged = |source| CutoutError::Hdf5 { file: path(), source };
                    let fields = fields(&*objects.reader()?, *address, objects.fields()).map_err(damaged)?;
                    self.kinds.number(&fields, &path())
                }
            };
            self.kinds.count(number);
            self.numbers.push(number);
            self.objects.push((place, found));
        }
        Ok(())
    }

    fn template(&mut self, picked: &Arc<Picked>, path: impl Fn() -> String) -> Result<Arc<TemplateKind>, CutoutError> {
        let key = Arc::as_ptr(picked) as usize;
        if let Some(known) = self.templates.get(&key) {
            return Ok(Arc::clone(known));
        }
        let (fields, places) = template_fields(&picked.template).map_err(|_| CutoutError::Index)?;
        let number = self.kinds.number(&fields, &path());
        let kind = Arc::new(TemplateKind { number, places });
        self.templates.insert(key, Arc::clone(&kind));
        self.picked.push(Arc::clone(picked));
        Ok(kind)
    }

    /// Gives the columns their places and hands out the work of filling them. `files` are those of the class.
    pub(super) fn lay_out(
        self,
        name: &str,
        files: &[Objects],
        columns: &mut Columns,
        writer: &mut Output,
        fetcher: &mut Fetcher,
    ) -> Result<Packed, CutoutError> {
        let schema = Schema::find(&self.kinds.all, &self.numbers)?;
        let rows = self.numbers.len() as u64;
        let (mut made, mut places) = (Vec::new(), Vec::new());
        for column in &schema.columns {
            let shape = [&[column.rows(rows)], &column.row[..]].concat();
            let mut room = |name: &str, datatype: &Datatype, shape: &[u64]| {
                let place = columns.place(datatype, shape, writer)?;
                place.ok_or_else(|| CutoutError::Refused(format!("{name}: {rows} rows of it are too many")))
            };
            let place = room(&column.name, &column.datatype, &shape)?;
            if let Some(offsets) = &column.offsets {
                let (name, datatype, shape) = (column.offsets_name(), Datatype::int64(), vec![rows + 1]);
                let place = room(&name, &datatype, &shape)?;
                place.put(0, &offsets.iter().flat_map(|at| at.to_le_bytes()).collect::<Vec<_>>())?;
                made.push(plain_column(&name, datatype, shape, place));
            }
            if let Some(present) = &column.present {
                let (name, datatype, shape) = (column.present_name(), Datatype::uint8(), vec![rows]);
                let place = room(&name, &datatype, &shape)?;
                place.put(0, present)?;
                made.push(plain_column(&name, datatype, shape, place));
            }
            places.push(place.clone());
            let attributes = column.attributes.iter().map(|attribute| written(attribute, writer));
            made.push(Column {
                attributes: attributes.collect::<Result<_, _>>()?,
                fill_value: column.fill_value.clone().filter(|_| !column.datatype.points_elsewhere()),
                ..plain_column(&column.name, column.datatype.clone(), shape, place)
            });
        }
        let messages = schema.messages.clone();
        let filling = Arc::new(Filling { schema, places, templates: self.templates, sink: Arc::clone(fetcher.sink()) });
        hand_out(self.objects, &self.numbers, &filling, files, writer, fetcher)?;
        Ok(Packed { group: ColumnGroup { name: name.to_owned(), attributes: Vec::new(), columns: made }, messages })
    }
}

/// Objects that are rows.
pub(super) struct Packed {
    /// Their columns, whose headers are still to be written.
    pub(super) group: ColumnGroup,
    /// What had to be done for it.
    pub(super) messages: Vec<String>,
}

fn plain_column(name: &str, datatype: Datatype, shape: Vec<u64>, place: Place) -> Column {
    let path = name.split('/').map(str::to_owned).collect();
    Column { path, datatype, shape, fill_value: None, attributes: Vec::new(), place }
}

/// An attribute of a column, its texts written.
fn written(attribute: &FieldAttribute, writer: &mut Output) -> Result<AttributeOut, CutoutError> {
    let mut heap = HeapBuilder::default();
    let value = attribute.value.as_ref().ok_or(CutoutError::Index)?;
    let add = |(at, count, data): &(usize, u32, Vec<u8>)| (*count > 0).then(|| (*at, *count, heap.add(data)));
    let pointed: Vec<_> = value.pointed.iter().filter_map(add).collect();
    let heap = heap.write(writer)?;
    let mut bytes = value.bytes.clone();
    for (at, count, place) in pointed {
        bytes[at..at + 16].copy_from_slice(&place.id(count, heap));
    }
    let (name, datatype) = (attribute.name.clone().into_bytes(), attribute.datatype.clone());
    Ok(AttributeOut { name, datatype, space: attribute.space.clone(), value: bytes })
}

/// Makes units of objects with templates, and reads the others at once.
fn hand_out(
    objects: Vec<(usize, Found)>,
    numbers: &[usize],
    filling: &Arc<Filling>,
    files: &[Objects],
    writer: &mut Output,
    fetcher: &mut Fetcher,
) -> Result<(), CutoutError> {
    let mut rest = objects.into_iter().zip(0u64..).peekable();
    while let Some(((place, found), row)) = rest.next() {
        let objects = &files[place];
        match found {
            Found::Item(item) => {
                let (mut size, mut items) = (item.size(), vec![item]);
                while let Some(((_, Found::Item(item)), _)) = rest.next_if(|((next, found), _)| {
                    *next == place && matches!(found, Found::Item(item) if !is_full(items.len(), size, item))
                }) {
                    size += item.size();
                    items.push(item);
                }
                let heap = heap_size(&items);
                let heap_start = writer.reserve(heap)?;
                let work = RowsWork { filling: Arc::clone(filling), row, items, heap, heap_start, size };
                fetcher.add(Unit { file: objects.number, work: Box::new(work) })?;
            }
            Found::Copy(address) => {
                let mut addresses = vec![address];
                while let Some(((_, Found::Copy(address)), _)) = rest.next_if(|((next, found), _)| {
                    *next == place && addresses.len() < TOGETHER && matches!(found, Found::Copy(_))
                }) {
                    addresses.push(address);
                }
                let kinds = &numbers[row as usize..][..addresses.len()];
                loose::read(&addresses, kinds, row, filling, objects, writer, fetcher)?;
            }
        }
    }
    Ok(())
}
