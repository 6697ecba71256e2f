//! Reading the fields of a file's objects into record batches.

mod column;
pub(crate) mod values;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::Stream;
use spolia_hdf5_format::attribute::attributes;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::link::{Target, find, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::RowReader;
use spolia_hdf5_format::source::{LocalFile, Paged};
use spolia_hdf5_format::{Bounds, Reader};
use tokio::sync::mpsc;

use crate::error::CutoutError;
use crate::index::sidecar::numbered;
use crate::row_model::{FieldType, RowField, RowModel};
use column::Column;
use values::Place;

/// Rows in one batch.
const BATCH_ROWS: usize = 8192;
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
    for some in numbers.chunks(BATCH_ROWS) {
        let mut columns: Vec<Column> = model.fields.iter().map(Column::new).collect();
        for (number, address) in some {
            let path = format!("{path}/{}_{number}", model.object);
            object(&Place { reader: &reader, path: &path }, *address, model, &mut columns)?;
        }
        let ordinals = some.iter().map(|(number, _)| *number).collect::<Int64Array>();
        if !taken(batch(&schema, Arc::new(ordinals), columns)?) {
            break;
        }
    }
    Ok(())
}

fn schema(model: &RowModel) -> SchemaRef {
    let ordinal = Field::new("ordinal", DataType::Int64, false);
    let fields = model.fields.iter().map(|field| Field::new(&field.name, data_type(field), !field.required));
    Arc::new(Schema::new(std::iter::once(ordinal).chain(fields).collect::<Vec<_>>()))
}

fn data_type(field: &RowField) -> DataType {
    let element = match field.data_type {
        FieldType::Int64 => DataType::Int64,
        FieldType::Int32 => DataType::Int32,
        FieldType::Int16 => DataType::Int16,
        FieldType::Float64 => DataType::Float64,
        FieldType::Float32 => DataType::Float32,
        FieldType::Utf8 => DataType::Utf8,
        FieldType::Bool => DataType::Boolean,
        FieldType::TimestampUs => DataType::Timestamp(TimeUnit::Microsecond, None),
    };
    match field.length {
        // Lists of any length: PostgreSQL's arrays have no length either. The length has been checked.
        Some(_) => DataType::List(Arc::new(Field::new("item", element, true))),
        None => element,
    }
}

/// Appends the fields of one object, datasets or attributes.
fn object(place: &Place, address: u64, model: &RowModel, columns: &mut [Column]) -> Result<(), CutoutError> {
    let reader = place.reader;
    let header = ObjectHeader::read(reader, address).map_err(place.damaged())?;
    let members: HashMap<_, _> =
        links(reader, &header).map_err(place.damaged())?.into_iter().map(|link| (link.name, link.target)).collect();
    let own = attributes(reader, &header).map_err(place.damaged())?;
    for (column, field) in columns.iter_mut().zip(&model.fields) {
        let path = format!("{}/{}", place.path, field.field);
        let place = Place { reader, path: &path };
        let value = match members.get(field.field.as_bytes()) {
            Some(target) => {
                let (_, dataset) = dataset(&place, target)?;
                let content = elements(reader, &dataset, MOST_BYTES).map_err(place.damaged())?;
                let found = dataset.space.elements().unwrap_or(u64::MAX);
                Some(place.values(&dataset.datatype, &content, found, field)?)
            }
            None => match own.iter().find(|attribute| attribute.name == field.field) {
                Some(attribute) => {
                    let found = attribute.space.elements().unwrap_or(u64::MAX);
                    Some(place.values(&attribute.datatype, &attribute.value, found, field)?)
                }
                None if !field.required => None,
                None => return Err(place.refused("the object has no such dataset or attribute")),
            },
        };
        column.append(value, 1, &path)?;
    }
    Ok(())
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
    let mut readers = Vec::new();
    for field in &model.fields {
        let path = format!("{}/{}", place.path, field.field);
        let place = Place { reader, path: &path };
        let rows = match datasets.get(field.field.as_bytes()) {
            Some(dataset) => Some((dataset, RowReader::new(reader, dataset).map_err(place.damaged())?)),
            None if !field.required => None,
            None => return Err(place.refused("the table has no such column")),
        };
        readers.push((path, field, rows));
    }
    for start in (0..length).step_by(BATCH_ROWS) {
        let some: Vec<u64> = (start..length.min(start + BATCH_ROWS as u64)).collect();
        let mut columns = Vec::with_capacity(readers.len());
        for (path, field, rows) in &mut readers {
            let place = Place { reader, path };
            let mut column = Column::new(field);
            let value = match rows {
                Some((dataset, rows)) => {
                    let mut content = Vec::new();
                    rows.read(&some, &mut content).map_err(place.damaged())?;
                    let found = dataset.space.shape()[1..].iter().product();
                    Some(place.values(&dataset.datatype, &content, found, field)?)
                }
                None => None,
            };
            column.append(value, some.len(), path)?;
            columns.push(column);
        }
        let ordinals = some.iter().map(|row| *row as i64).collect::<Int64Array>();
        if !taken(batch(schema, Arc::new(ordinals), columns)?) {
            break;
        }
    }
    Ok(())
}

fn batch(schema: &SchemaRef, ordinals: ArrayRef, columns: Vec<Column>) -> Result<RecordBatch, CutoutError> {
    let arrays = std::iter::once(ordinals).chain(columns.into_iter().map(Column::finish)).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
}
