//! One column being filled: values read from datasets and attributes without rounding.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, ListArray,
    StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Field;
use chrono::NaiveDateTime;
use hdf5_metno::types::{FixedAscii, FixedUnicode, FloatSize, IntSize, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5_metno::{Container, H5Type};
use spolia_cutout::{FieldType, RowField};

use crate::error::{At, ChildError};

/// Longest fixed-length text that is read.
const FIXED_TEXT: usize = 1024;

/// Values of one field, flat: for arrays, all elements of all rows.
pub enum Values {
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Vec<String>),
    Bool(Vec<bool>),
}

/// Reads a field: whole, or some rows of it.
pub fn values(
    source: &Container,
    rows: Option<Range<usize>>,
    field: &RowField,
    place: &str,
) -> Result<Values, ChildError> {
    let shape = source.shape();
    let own = if rows.is_some() { shape.get(1..).unwrap_or_default() } else { &shape[..] };
    let found: usize = own.iter().product();
    let expected = field.length.map_or(1, |length| length as usize);
    if found != expected {
        let what =
            if field.length.is_some() { format!("{expected} elements are") } else { "a single value is".to_owned() };
        return Err(ChildError::content(place, format!("it has {found} elements where {what} expected")));
    }
    let descriptor = source.dtype().and_then(|dtype| dtype.to_descriptor()).at("read the type of", place)?;
    let read = Read { source, rows, place };
    let mismatch =
        || ChildError::content(place, format!("it is of type {descriptor:?}, which is not {:?}", field.data_type));
    use FieldType as F;
    use TypeDescriptor as T;
    Ok(match (field.data_type, &descriptor) {
        (F::Int64 | F::Int32 | F::Int16, T::Integer(_) | T::Unsigned(IntSize::U1 | IntSize::U2 | IntSize::U4)) => {
            Values::Int(read.all()?)
        }
        (F::Int64, T::Unsigned(IntSize::U8)) => {
            Values::Int(read.all::<u64>()?.into_iter().map(|v| exact(v, place)).collect::<Result<_, _>>()?)
        }
        (F::Float64, T::Float(FloatSize::U4 | FloatSize::U8)) | (F::Float32, T::Float(FloatSize::U4)) => {
            Values::Float(read.all()?)
        }
        (F::Bool, T::Boolean) => Values::Bool(read.all()?),
        (F::Utf8 | F::TimestampUs, T::VarLenUnicode) => Values::Text(read.texts::<VarLenUnicode>()?),
        (F::Utf8 | F::TimestampUs, T::VarLenAscii) => Values::Text(read.texts::<VarLenAscii>()?),
        (F::Utf8 | F::TimestampUs, T::FixedAscii(n)) if *n <= FIXED_TEXT => {
            Values::Text(read.texts::<FixedAscii<FIXED_TEXT>>()?)
        }
        (F::Utf8 | F::TimestampUs, T::FixedUnicode(n)) if *n <= FIXED_TEXT => {
            Values::Text(read.texts::<FixedUnicode<FIXED_TEXT>>()?)
        }
        _ => return Err(mismatch()),
    })
}

fn exact(value: u64, place: &str) -> Result<i64, ChildError> {
    i64::try_from(value)
        .map_err(|_| ChildError::content(place, format!("{value} does not fit a signed 64-bit integer")))
}

struct Read<'a> {
    source: &'a Container,
    rows: Option<Range<usize>>,
    place: &'a str,
}

impl Read<'_> {
    fn all<T: H5Type>(&self) -> Result<Vec<T>, ChildError> {
        let read = match (&self.rows, self.source.ndim()) {
            (None, _) => self.source.read_raw(),
            (Some(rows), 1) => self.source.read_slice_1d::<T, _>(rows.clone()).map(|array| array.into_iter().collect()),
            (Some(rows), 2) => {
                self.source.read_slice_2d::<T, _>((rows.clone(), ..)).map(|array| array.into_iter().collect())
            }
            (Some(_), _) => {
                return Err(ChildError::content(self.place, "a column of a table has at most two dimensions"));
            }
        };
        read.at("read", self.place)
    }

    fn texts<T: H5Type + std::fmt::Display>(&self) -> Result<Vec<String>, ChildError> {
        Ok(self.all::<T>()?.iter().map(T::to_string).collect())
    }
}

/// A column of the answer: the values of all elements, none for an absent one.
pub struct Column {
    field: RowField,
    ints: Vec<Option<i64>>,
    floats: Vec<Option<f64>>,
    texts: Vec<Option<String>>,
    bools: Vec<Option<bool>>,
    present: Vec<bool>,
}

impl Column {
    /// An empty column.
    pub fn new(field: &RowField) -> Self {
        let field = field.clone();
        Self { field, ints: Vec::new(), floats: Vec::new(), texts: Vec::new(), bools: Vec::new(), present: Vec::new() }
    }

    /// Appends the values of `rows` rows; none where the field is absent.
    pub fn append(&mut self, values: Option<Values>, rows: usize, place: &str) -> Result<(), ChildError> {
        self.present.extend(std::iter::repeat_n(values.is_some(), rows));
        let Some(values) = values else {
            self.append_absent(rows * self.elements());
            return Ok(());
        };
        match values {
            Values::Int(values) => {
                for value in values {
                    self.ints.push(Some(self.ranged(value, place)?));
                }
            }
            Values::Float(values) => {
                for value in values {
                    let value = (!value.is_nan()).then_some(value);
                    if value.is_none() && self.field.required {
                        return Err(ChildError::content(place, "it is NaN, where a value is required"));
                    }
                    self.floats.push(value);
                }
            }
            Values::Text(values) if self.field.data_type == FieldType::TimestampUs => {
                for value in values {
                    self.ints.push(Some(microseconds(&value, place)?));
                }
            }
            Values::Text(values) => self.texts.extend(values.into_iter().map(Some)),
            Values::Bool(values) => self.bools.extend(values.into_iter().map(Some)),
        }
        Ok(())
    }

    fn elements(&self) -> usize {
        self.field.length.map_or(1, |length| length as usize)
    }

    fn append_absent(&mut self, count: usize) {
        match self.field.data_type {
            FieldType::Float64 | FieldType::Float32 => self.floats.extend(std::iter::repeat_n(None, count)),
            FieldType::Utf8 => self.texts.extend(std::iter::repeat_n(None, count)),
            FieldType::Bool => self.bools.extend(std::iter::repeat_n(None, count)),
            _ => self.ints.extend(std::iter::repeat_n(None, count)),
        }
    }

    fn ranged(&self, value: i64, place: &str) -> Result<i64, ChildError> {
        let fits = match self.field.data_type {
            FieldType::Int32 => i32::try_from(value).is_ok(),
            FieldType::Int16 => i16::try_from(value).is_ok(),
            _ => true,
        };
        if fits {
            Ok(value)
        } else {
            Err(ChildError::content(place, format!("{value} does not fit {:?}", self.field.data_type)))
        }
    }

    /// The finished array.
    pub fn finish(self) -> ArrayRef {
        let elements = self.elements();
        let ints = self.ints.into_iter();
        let array: ArrayRef = match self.field.data_type {
            FieldType::Int64 => Arc::new(ints.collect::<Int64Array>()),
            FieldType::Int32 => Arc::new(ints.map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
            FieldType::Int16 => Arc::new(ints.map(|v| v.map(|v| v as i16)).collect::<Int16Array>()),
            FieldType::Float64 => Arc::new(self.floats.into_iter().collect::<Float64Array>()),
            FieldType::Float32 => {
                Arc::new(self.floats.into_iter().map(|v| v.map(|v| v as f32)).collect::<Float32Array>())
            }
            FieldType::Utf8 => Arc::new(self.texts.into_iter().collect::<StringArray>()),
            FieldType::Bool => Arc::new(self.bools.into_iter().collect::<BooleanArray>()),
            FieldType::TimestampUs => Arc::new(ints.collect::<TimestampMicrosecondArray>()),
        };
        if self.field.length.is_none() {
            return array;
        }
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(elements, self.present.len()));
        let item = Arc::new(Field::new("item", array.data_type().clone(), true));
        Arc::new(ListArray::new(item, offsets, array, Some(NullBuffer::from(self.present))))
    }
}

/// Microseconds since 1970 of an ISO 8601 text, UTC; a `Z` at the end is allowed.
fn microseconds(text: &str, place: &str) -> Result<i64, ChildError> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let parsed = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(bare, f).ok());
    parsed.map(|time| time.and_utc().timestamp_micros()).ok_or_else(|| {
        ChildError::content(place, format!("{:?} is no ISO 8601 time", text.chars().take(40).collect::<String>()))
    })
}

#[cfg(test)]
mod tests {
    use super::microseconds;

    #[test]
    fn times_are_exact_to_the_microsecond() {
        assert_eq!(microseconds("2017-05-05T15:27:27.522425", "").unwrap(), 1_493_998_047_522_425);
        assert_eq!(microseconds("1969-12-31 23:59:59.999999Z", "").unwrap(), -1);
        assert!(microseconds("yesterday", "").is_err());
    }
}
