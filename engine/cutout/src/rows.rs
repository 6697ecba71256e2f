//! Reading the fields of a file's objects into record batches.

mod column;
mod items;
mod literal;
mod unfolded;
pub(crate) mod values;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::Stream;
use spolia_hdf5_format::attribute::attributes;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::datatype::Datatype;
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::link::{Target, find, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::RowReader;
use spolia_hdf5_format::source::{LocalFile, Paged};
use spolia_hdf5_format::{Bounds, Reader};
use tokio::sync::mpsc;

use crate::error::CutoutError;
use crate::index::sidecar::numbered;
use crate::row_model::{RowField, RowModel};
use column::{At, Column, Found};
use unfolded::{Unfolded, led_to, member};
use values::{Place, Values};

/// Rows in one batch at most, and bytes after which no more rows are added to it.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 32 << 20;
/// Batches that wait to be taken.
const WAITING: usize = 2;
/// Bytes of one field of one object at most.
const MOST_BYTES: u64 = 64 << 20;
/// Bytes of a page of metadata, and how many are kept.
const PAGE: (usize, usize) = (64 << 10, 256);

/// Reads a local file's objects: `ordinal` (the object's number in the file) first, then a column per field. It is read no
/// faster than the stream is taken, and no longer than there is one.
///
/// From the stream come errors for a file that is no HDF5 or damaged, a missing field, a value of another type.
pub fn rows(file: &Path, model: &RowModel) -> impl Stream<Item = Result<RecordBatch, CutoutError>> + Send + use<> {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let (file, model) = (file.to_owned(), model.clone());
    // Reading the disk, inflating and parsing block.
    let reading = tokio::task::spawn_blocking(move || {
        let taken = |batch| sender.blocking_send(Ok(batch)).is_ok();
        if let Err(error) = read(&file, &model, &taken) {
            let _ = sender.blocking_send(Err(error));
        }
    });
    let mut reading = Some(reading);
    futures::stream::poll_fn(move |context| {
        use std::future::Future;
        use std::task::Poll;
        match receiver.poll_recv(context) {
            Poll::Ready(None) => {}
            other => return other,
        }
        // All has been taken; it remains to see that the reading did not break off.
        let Some(task) = &mut reading else { return Poll::Ready(None) };
        match std::pin::Pin::new(task).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => {
                reading = None;
                let broken = |error| CutoutError::Refused(format!("reading the file broke off: {error}"));
                Poll::Ready(ended.err().map(|error| Err(broken(error))))
            }
        }
    })
}

/// Hands out batches until one is not taken.
fn read(path: &Path, model: &RowModel, taken: &dyn Fn(RecordBatch) -> bool) -> Result<(), CutoutError> {
    let source = LocalFile::open(path).map_err(|source| CutoutError::File { path: path.to_owned(), source })?;
    let path = path.display().to_string();
    let damaged = |source| CutoutError::Hdf5 { file: path.clone(), source };
    let reader = Reader::open(Paged::new(source, PAGE.0, PAGE.1), Bounds::default()).map_err(damaged)?;
    let root = ObjectHeader::read(&reader, reader.superblock().root).map_err(damaged)?;
    let schema = schema(model);
    if let Some(table) = find(&reader, &root, model.class.as_bytes()).map_err(damaged)? {
        let path = format!("{path}/{}", model.class);
        let place = Place { reader: &reader, path: &path };
        let Target::Object(address) = table.target else {
            return Err(place.refused("it is a link by name, which is not followed"));
        };
        let group = ObjectHeader::read(&reader, address).map_err(place.damaged())?;
        return table_rows(&place, &group, model, &schema, taken);
    }
    let numbers = numbered(&reader, &root, &model.object).map_err(damaged)?;
    let numbers: Vec<(i64, u64)> =
        numbers.into_iter().filter(|(number, _)| (0..=i64::from(u32::MAX)).contains(number)).collect();
    if numbers.is_empty() {
        let what = format!("it holds no object {}_<n> and no table {}", model.object, model.class);
        return Err(Place { reader: &reader, path: &path }.refused(what));
    }
    let mut rest = numbers.into_iter().peekable();
    while rest.peek().is_some() {
        let mut columns: Vec<Column> = model.fields.iter().map(Column::new).collect();
        let mut ordinals = Vec::new();
        while ordinals.len() < BATCH_ROWS && columns.iter().map(Column::bytes).sum::<usize>() < BATCH_BYTES {
            let Some((number, address)) = rest.next() else { break };
            let path = format!("{path}/{}_{number}", model.object);
            object(&Place { reader: &reader, path: &path }, address, model, &mut columns)?;
            ordinals.push(number);
        }
        if !taken(batch(&schema, ordinals.into(), columns)?) {
            break;
        }
    }
    Ok(())
}

fn schema(model: &RowModel) -> SchemaRef {
    let ordinal = Field::new("ordinal", DataType::Int64, false);
    let fields = model.fields.iter().map(|field| Field::new(&field.name, Column::data_type(field), !field.required));
    Arc::new(Schema::new(std::iter::once(ordinal).chain(fields).collect::<Vec<_>>()))
}

/// The dataset or attribute that a field is of, and the path of a member in it: `fit.chi2` is member chi2 of fit, unless something
/// has that whole name.
fn parts(field: &RowField, is_there: impl Fn(&str) -> bool) -> (&str, &str) {
    match field.field.split_once('.') {
        Some(parts) if !is_there(&field.field) => parts,
        _ => (&field.field, ""),
    }
}

/// Appends the fields of one object, datasets or attributes.
fn object(place: &Place, address: u64, model: &RowModel, columns: &mut [Column]) -> Result<(), CutoutError> {
    let reader = place.reader;
    let header = ObjectHeader::read(reader, address).map_err(place.damaged())?;
    let members: HashMap<_, _> =
        links(reader, &header).map_err(place.damaged())?.into_iter().map(|link| (link.name, link.target)).collect();
    let own = attributes(reader, &header).map_err(place.damaged())?;
    let attribute = |name: &str| own.iter().find(|attribute| attribute.name == name);
    for (column, field) in columns.iter_mut().zip(&model.fields) {
        let path = format!("{}/{}", place.path, field.field);
        let (place, at) = (Place { reader, path: &path }, At { path: &path, first_row: None });
        let is_there = |name: &str| members.contains_key(name.as_bytes()) || attribute(name).is_some();
        let (name, inside) = parts(field, is_there);
        let found = match (members.get(name.as_bytes()), attribute(name)) {
            (Some(target), _) => {
                let (_, dataset) = dataset(&place, target)?;
                let content = elements(reader, &dataset, MOST_BYTES).map_err(place.damaged())?;
                let width = dataset.space.elements().unwrap_or(u64::MAX);
                found(&place, (&dataset.datatype, content.into(), inside), (width, 1), field)?
            }
            (None, Some(attribute)) => {
                let width = attribute.space.elements().unwrap_or(u64::MAX);
                found(&place, (&attribute.datatype, Cow::Borrowed(&attribute.value), inside), (width, 1), field)?
            }
            (None, None) if !field.required => {
                column.append_absent(1)?;
                continue;
            }
            (None, None) => return Err(place.refused("the object has no such dataset or attribute")),
        };
        column.append(found, &at)?;
    }
    Ok(())
}

/// The values of a field in the elements of some rows, or in a member of these.
fn found(
    place: &Place,
    (datatype, elements, inside): (&Datatype, Cow<[u8]>, &str),
    (width, rows): (u64, usize),
    field: &RowField,
) -> Result<Found, CutoutError> {
    let (datatype, elements) = member(place, datatype, elements, inside)?;
    let Unfolded { datatype, elements, mut counts } = Unfolded::new(place, datatype, elements, width, rows)?;
    let values = place.values(datatype, &elements, field.data_type)?;
    if matches!(values, Values::Bytes(_)) {
        counts.iter_mut().for_each(|count| *count = count.saturating_mul(datatype.size.into()));
    }
    Ok(Found { values, counts })
}

fn dataset(place: &Place, target: &Target) -> Result<(ObjectHeader, Dataset), CutoutError> {
    let Target::Object(address) = target else {
        return Err(place.refused("it is a link by name, which is not followed"));
    };
    let header = ObjectHeader::read(place.reader, *address).map_err(place.damaged())?;
    if !Dataset::is_one(&header) {
        return Err(place.refused("it is no dataset"));
    }
    let dataset = Dataset::read(place.reader, &header).map_err(place.damaged())?;
    Ok((header, dataset))
}

/// Hands out the rows of a table.
fn table_rows(
    place: &Place,
    group: &ObjectHeader,
    model: &RowModel,
    schema: &SchemaRef,
    taken: &dyn Fn(RecordBatch) -> bool,
) -> Result<(), CutoutError> {
    let reader = place.reader;
    let mut datasets = HashMap::new();
    let mut length = None;
    for link in links(reader, group).map_err(place.damaged())? {
        let path = format!("{}/{}", place.path, String::from_utf8_lossy(&link.name));
        let place = Place { reader, path: &path };
        let (_, dataset) = dataset(&place, &link.target)?;
        let rows = *dataset.space.shape().first().ok_or_else(|| place.refused("a column of a table has no rows"))?;
        if *length.get_or_insert(rows) != rows {
            let others = length.unwrap_or(0);
            return Err(place.refused(format!("it has {rows} rows where other columns have {others}")));
        }
        datasets.insert(link.name, dataset);
    }
    let length = length.ok_or_else(|| place.refused("the table has no columns"))?;
    let mut columns = Vec::new();
    for field in &model.fields {
        let path = format!("{}/{}", place.path, field.field);
        let place = Place { reader, path: &path };
        let (name, inside) = parts(field, |name| datasets.contains_key(name.as_bytes()));
        let rows = match datasets.get(name.as_bytes()) {
            Some(dataset) => Some((dataset, RowReader::new(reader, dataset).map_err(place.damaged())?)),
            None if !field.required => None,
            None => return Err(place.refused("the table has no such column")),
        };
        columns.push(TableColumn { path, field, inside, rows, content: Vec::new() });
    }
    let row_size = columns.iter().filter_map(|column| Some(column.rows.as_ref()?.1.row_size())).sum::<u64>();
    let at_once = (BATCH_BYTES as u64 / row_size.max(1)).clamp(1, BATCH_ROWS as u64);
    for start in (0..length).step_by(at_once as usize) {
        let some: Vec<u64> = (start..length.min(start + at_once)).collect();
        columns.iter_mut().try_for_each(|column| column.read(reader, &some))?;
        for rows in together(reader, &columns, some.len())? {
            let ordinals = some[rows.clone()].iter().map(|row| *row as i64).collect::<Int64Array>();
            let filled = columns.iter().map(|column| column.filled(reader, &some, rows.clone()));
            if !taken(batch(schema, ordinals, filled.collect::<Result<_, _>>()?)?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A column of a table that is being read.
struct TableColumn<'a> {
    path: String,
    field: &'a RowField,
    /// The member of its elements that is wanted.
    inside: &'a str,
    /// Nothing where the table has no such column.
    rows: Option<(&'a Dataset, RowReader<'a>)>,
    /// Elements of the rows at hand.
    content: Vec<u8>,
}

impl TableColumn<'_> {
    fn place<'b>(&'b self, reader: &'b Reader) -> Place<'b> {
        Place { reader, path: &self.path }
    }

    fn read(&mut self, reader: &Reader, rows: &[u64]) -> Result<(), CutoutError> {
        self.content.clear();
        let Some((_, of_rows)) = &mut self.rows else { return Ok(()) };
        let read = of_rows.read(rows, &mut self.content);
        read.map_err(self.place(reader).damaged())
    }

    /// The part of the rows at hand, whose numbers are `all`, as a column of the answer.
    fn filled(&self, reader: &Reader, all: &[u64], rows: Range<usize>) -> Result<Column, CutoutError> {
        let mut column = Column::new(self.field);
        let Some((dataset, of_rows)) = &self.rows else {
            column.append_absent(rows.len())?;
            return Ok(column);
        };
        let size = of_rows.row_size() as usize;
        let content = Cow::Borrowed(&self.content[rows.start * size..rows.end * size]);
        let width = dataset.space.shape()[1..].iter().product();
        let place = self.place(reader);
        let found = found(&place, (&dataset.datatype, content, self.inside), (width, rows.len()), self.field)?;
        column.append(found, &At { path: &self.path, first_row: all.get(rows.start).copied() })?;
        Ok(column)
    }
}

/// The rows at hand in parts that lead to no more data of variable length than a batch may have, or to those of a single row.
fn together(reader: &Reader, columns: &[TableColumn], rows: usize) -> Result<Vec<Range<usize>>, CutoutError> {
    let mut sizes = vec![0; rows];
    for column in columns {
        let Some((dataset, _)) = &column.rows else { continue };
        let of_column = led_to(&column.place(reader), &dataset.datatype, &column.content, rows)?;
        sizes.iter_mut().zip(of_column).for_each(|(size, more)| *size += more);
    }
    let (mut parts, mut begin, mut held) = (Vec::new(), 0, 0);
    for (row, size) in sizes.into_iter().enumerate() {
        if row > begin && held + size > BATCH_BYTES as u64 {
            parts.push(begin..row);
            (begin, held) = (row, 0);
        }
        held += size;
    }
    parts.push(begin..rows);
    Ok(parts)
}

fn batch(schema: &SchemaRef, ordinals: Int64Array, columns: Vec<Column>) -> Result<RecordBatch, CutoutError> {
    let columns = columns.into_iter().map(Column::finish);
    let arrays = std::iter::once(Ok(Arc::new(ordinals) as ArrayRef)).chain(columns).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
}
