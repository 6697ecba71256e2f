//! One column being filled.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, ListArray,
    StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Field;
use chrono::NaiveDateTime;

use super::values::Values;
use crate::error::CutoutError;
use crate::row_model::{FieldType, RowField};

fn refused(place: &str, what: impl std::fmt::Display) -> CutoutError {
    CutoutError::Refused(format!("{place}: {what}"))
}

/// A column of the answer: the values of all elements, none for an absent one.
pub(super) struct Column {
    field: RowField,
    ints: Vec<Option<i64>>,
    floats: Vec<Option<f64>>,
    texts: Vec<Option<String>>,
    bools: Vec<Option<bool>>,
    present: Vec<bool>,
}

impl Column {
    /// An empty column.
    pub(super) fn new(field: &RowField) -> Self {
        let field = field.clone();
        Self { field, ints: Vec::new(), floats: Vec::new(), texts: Vec::new(), bools: Vec::new(), present: Vec::new() }
    }

    /// Appends the values of `rows` rows; none where the field is absent.
    pub(super) fn append(&mut self, values: Option<Values>, rows: usize, place: &str) -> Result<(), CutoutError> {
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
                        return Err(refused(place, "it is NaN, where a value is required"));
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

    fn ranged(&self, value: i64, place: &str) -> Result<i64, CutoutError> {
        let fits = match self.field.data_type {
            FieldType::Int32 => i32::try_from(value).is_ok(),
            FieldType::Int16 => i16::try_from(value).is_ok(),
            _ => true,
        };
        if fits { Ok(value) } else { Err(refused(place, format!("{value} does not fit {:?}", self.field.data_type))) }
    }

    /// The finished array.
    pub(super) fn finish(self) -> ArrayRef {
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
fn microseconds(text: &str, place: &str) -> Result<i64, CutoutError> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let parsed = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(bare, f).ok());
    parsed
        .map(|time| time.and_utc().timestamp_micros())
        .ok_or_else(|| refused(place, format!("{:?} is no ISO 8601 time", text.chars().take(40).collect::<String>())))
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
