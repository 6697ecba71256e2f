//! A file's objects as rows: the fields a model asks for, as an Arrow IPC stream.

mod column;
mod layout;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::writer::StreamWriter;
use hdf5_metno::File;
use spolia_cutout::{FieldType, RowField, RowModel};

use crate::error::{At, ChildError};
use crate::rows::column::{Column, values};
use crate::rows::layout::Layout;

/// Rows in one batch.
const BATCH_ROWS: usize = 8192;

/// Writes the rows of `file` to standard output.
pub fn write(path: &Path, model: &RowModel) -> Result<(), ChildError> {
    let place = path.display().to_string();
    let file = open(path)?;
    let schema = schema(model);
    let output = BufWriter::new(std::io::stdout().lock());
    let mut writer = StreamWriter::try_new(output, &schema)?;
    match Layout::find(&file, model, &place)? {
        Layout::Objects(numbers) => {
            for numbers in numbers.chunks(BATCH_ROWS) {
                writer.write(&objects(&file, model, &schema, numbers, &place)?)?;
            }
        }
        Layout::Table { group, rows } => {
            for start in (0..rows).step_by(BATCH_ROWS) {
                let end = rows.min(start + BATCH_ROWS);
                writer.write(&table_rows(&group, model, &schema, start..end, &place)?)?;
            }
        }
    }
    writer.finish()?;
    writer.into_inner()?.flush().map_err(ChildError::file(path, "write the rows of"))
}

/// Opens a file, telling a file that is no HDF5 from one that is damaged.
pub fn open(path: &Path) -> Result<File, ChildError> {
    let metadata = std::fs::metadata(path).map_err(ChildError::file(path, "read"))?;
    if !metadata.is_file() {
        return Err(ChildError::content(path.display().to_string(), "it is no file"));
    }
    File::open(path).at("open as HDF5; it is damaged, cut short, or no HDF5 file at all", path.display().to_string())
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
        // Lists of any length on the wire: PostgreSQL's arrays have no length either. The length has been checked.
        Some(_) => DataType::List(Arc::new(Field::new("item", element, true))),
        None => element,
    }
}

/// The rows of some objects of the object layout.
fn objects(
    file: &File,
    model: &RowModel,
    schema: &SchemaRef,
    numbers: &[i64],
    place: &str,
) -> Result<RecordBatch, ChildError> {
    let mut columns: Vec<Column> = model.fields.iter().map(Column::new).collect();
    for number in numbers {
        let name = format!("{}_{number}", model.object);
        let place = format!("{place}/{name}");
        let group = file.group(&name).at("open", place.as_str())?;
        for (column, field) in columns.iter_mut().zip(&model.fields) {
            let place = format!("{place}/{}", field.field);
            let value = if group.link_exists(&field.field) {
                Some(values(&*crate::links::dataset(&group, &field.field, &place)?, None, field, &place)?)
            } else {
                match group.attr(&field.field) {
                    Ok(attribute) => Some(values(&attribute, None, field, &place)?),
                    Err(_) if !field.required => None,
                    Err(_) => return Err(ChildError::content(place, "the object has no such dataset or attribute")),
                }
            };
            column.append(value, 1, &place)?;
        }
    }
    batch(schema, Arc::new(Int64Array::from(numbers.to_vec())), columns)
}

/// Some rows of the table layout.
fn table_rows(
    group: &hdf5_metno::Group,
    model: &RowModel,
    schema: &SchemaRef,
    rows: std::ops::Range<usize>,
    place: &str,
) -> Result<RecordBatch, ChildError> {
    let mut columns = Vec::new();
    for field in &model.fields {
        let place = format!("{place}/{}/{}", model.class, field.field);
        let mut column = Column::new(field);
        let value = match group.link_exists(&field.field) {
            true => {
                Some(values(&*crate::links::dataset(group, &field.field, &place)?, Some(rows.clone()), field, &place)?)
            }
            false if !field.required => None,
            false => return Err(ChildError::content(place, "the table has no such column")),
        };
        column.append(value, rows.len(), &place)?;
        columns.push(column);
    }
    batch(schema, Arc::new((rows.start as i64..rows.end as i64).collect::<Int64Array>()), columns)
}

fn batch(schema: &SchemaRef, ordinals: ArrayRef, columns: Vec<Column>) -> Result<RecordBatch, ChildError> {
    let arrays = std::iter::once(ordinals).chain(columns.into_iter().map(Column::finish)).collect();
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
}
