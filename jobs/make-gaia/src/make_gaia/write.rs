//! Records as HDF5, in either layout.

use std::path::Path;

use hdf5_metno::types::{FixedAscii, VarLenUnicode};
use hdf5_metno::{Dataset, DatasetBuilderEmpty, File, Group, H5Type, Location, Result};

use crate::error::{At, MakeError};
use crate::make_gaia::records::{Field, MeanFlux, Record, Value, VariabilityFlag};

/// Rows in one chunk of a table.
const CHUNK_ROWS: usize = 4096;
/// The level of gzip in tables.
const GZIP: u8 = 4;

/// A class of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class(&'static str);

impl Class {
    /// Sources.
    pub const COMPLETE_SOURCE: Self = Self("CompleteSource");
    /// Transits.
    pub const ASTRO_ELEMENTARY: Self = Self("AstroElementary");
    /// Matches of transits with sources.
    pub const CROSS_MATCH: Self = Self("CrossMatch");
}

/// Writes a group per object, `<class>Impl_<n>`, numbered from `first`.
pub fn write_objects(
    path: &Path,
    class: Class,
    first: usize,
    records: &[Record],
) -> std::result::Result<(), MakeError> {
    let place = path.display().to_string();
    let write = || {
        let file = File::create(path)?;
        for (number, record) in (first..).zip(records) {
            let group = file.create_group(&format!("{}Impl_{number}", class.0))?;
            record.iter().try_for_each(|field| write_field(&group, field))?;
        }
        file.close()
    };
    write().at("write", place)
}

fn write_field(group: &Group, field: &Field) -> Result<()> {
    let Some(value) = &field.value else { return Ok(()) };
    if field.attribute {
        return match value {
            Value::Long(v) => attribute(group, field.name, v),
            Value::Short(v) => attribute(group, field.name, v),
            Value::Flag(v) => attribute(group, field.name, v),
            Value::Text(v) => attribute(group, field.name, &text(v)?),
            other => Err(format!("{other:?} is not kept as an attribute").into()),
        };
    }
    let dataset = match value {
        Value::Long(v) => scalar(group, field.name, v),
        Value::Int(v) => scalar(group, field.name, v),
        Value::Short(v) => scalar(group, field.name, v),
        Value::Double(v) => scalar(group, field.name, v),
        Value::Float(v) => scalar(group, field.name, v),
        Value::Flux(v) => scalar(group, field.name, v),
        Value::Flag(v) => scalar(group, field.name, v),
        Value::Text(v) => scalar(group, field.name, &text(v)?),
        Value::Ints(v) => array(group, field.name, v),
        Value::Floats(v) => array(group, field.name, v),
    }?;
    unit(&dataset, field)
}

fn text(text: &str) -> Result<VarLenUnicode> {
    text.parse().map_err(|_| "a text holds a zero byte".into())
}

fn unit(dataset: &Dataset, field: &Field) -> Result<()> {
    if field.unit.is_empty() {
        return Ok(());
    }
    let unit = FixedAscii::<12>::from_ascii(field.unit).map_err(|error| hdf5_metno::Error::from(error.to_string()))?;
    attribute(dataset, "unit", &unit)
}

fn attribute<T: H5Type>(object: &Location, name: &str, value: &T) -> Result<()> {
    object.new_attr::<T>().create(name)?.write_scalar(value)
}

/// A builder of datasets without times, so that equal content gives equal bytes.
fn builder<T: H5Type>(group: &Group) -> DatasetBuilderEmpty {
    group.new_dataset::<T>().obj_track_times(false)
}

fn scalar<T: H5Type>(group: &Group, name: &str, value: &T) -> Result<Dataset> {
    let dataset = builder::<T>(group).create(name)?;
    dataset.write_scalar(value)?;
    Ok(dataset)
}

fn array<T: H5Type>(group: &Group, name: &str, values: &[T]) -> Result<Dataset> {
    let dataset = builder::<T>(group).shape(values.len()).create(name)?;
    dataset.write_raw(values)?;
    Ok(dataset)
}

/// Writes a group named by the class, with a chunked, shuffled and gzipped dataset per field and a row per object.
pub fn write_table(path: &Path, class: Class, records: &[Record]) -> std::result::Result<(), MakeError> {
    let place = path.display().to_string();
    let write = || {
        let file = File::create(path)?;
        let group = file.create_group(class.0)?;
        attribute(&group, "class", &text(class.0)?)?;
        let fields = records.first().map_or(0, Vec::len);
        for field in 0..fields {
            let values: Vec<Option<&Value>> = records.iter().map(|record| record[field].value.as_ref()).collect();
            let column = write_column(&group, records[0][field].name, &values)?;
            unit(&column, &records[0][field])?;
        }
        file.close()
    };
    write().at("write", place)
}

/// Writes one column. Only doubles may be absent: they are NaN then.
fn write_column(group: &Group, name: &str, values: &[Option<&Value>]) -> Result<Dataset> {
    /// The values of one kind.
    macro_rules! of {
        ($kind:ident, $absent:expr) => {
            values
                .iter()
                .map(|value| if let Some(Value::$kind(v)) = value { v.clone() } else { $absent })
                .collect::<Vec<_>>()
        };
    }
    match values.iter().flatten().next() {
        None | Some(Value::Double(_)) => column(group, name, &of!(Double, f64::NAN), 1),
        Some(Value::Long(_)) => column(group, name, &of!(Long, 0), 1),
        Some(Value::Int(_)) => column(group, name, &of!(Int, 0), 1),
        Some(Value::Short(_)) => column(group, name, &of!(Short, 0), 1),
        Some(Value::Float(_)) => column(group, name, &of!(Float, f32::NAN), 1),
        Some(Value::Flux(_)) => {
            column(group, name, &of!(Flux, MeanFlux { nobs: 0, flux: f64::NAN, error: f64::NAN }), 1)
        }
        Some(Value::Flag(_)) => column(group, name, &of!(Flag, VariabilityFlag::NotAvailable), 1),
        Some(Value::Ints(first)) => column(group, name, &of!(Ints, vec![0; first.len()]).concat(), first.len()),
        Some(Value::Floats(first)) => {
            column(group, name, &of!(Floats, vec![f32::NAN; first.len()]).concat(), first.len())
        }
        Some(Value::Text(_)) => {
            let texts = of!(Text, String::new()).iter().map(|value| text(value)).collect::<Result<Vec<_>>>()?;
            column(group, name, &texts, 1)
        }
    }
}

fn column<T: H5Type>(group: &Group, name: &str, values: &[T], width: usize) -> Result<Dataset> {
    let rows = values.len() / width.max(1);
    let chunk_rows = CHUNK_ROWS.min(rows.max(1));
    let filtered = builder::<T>(group).shuffle().deflate(GZIP);
    let dataset = if width == 1 {
        filtered.chunk(chunk_rows).shape(rows).create(name)?
    } else {
        filtered.chunk((chunk_rows, width)).shape((rows, width)).create(name)?
    };
    dataset.write_raw(values)?;
    Ok(dataset)
}
