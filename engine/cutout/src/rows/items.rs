//! Values as an array of the type that a column has.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};

use super::literal::{counted_day, day, decimal, microseconds, uuid};
use super::values::Values;
use crate::row_model::FieldType;

/// What is wrong with a value, and its number among all values.
pub(super) type Fault = (usize, String);

/// The Arrow type of a field's items.
pub(super) fn item_type(data_type: FieldType) -> DataType {
    match data_type {
        FieldType::Int64 => DataType::Int64,
        FieldType::Int32 => DataType::Int32,
        FieldType::Int16 => DataType::Int16,
        FieldType::Float64 => DataType::Float64,
        FieldType::Float32 => DataType::Float32,
        FieldType::Utf8 => DataType::Utf8,
        FieldType::Bool => DataType::Boolean,
        FieldType::TimestampUs => DataType::Timestamp(TimeUnit::Microsecond, None),
        FieldType::Date => DataType::Date32,
        FieldType::Uuid => DataType::FixedSizeBinary(16),
        FieldType::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
        FieldType::Binary => DataType::Binary,
    }
}

/// Makes an array of values. NaN is null, and so is an empty text of what is no text; of bytes each row's `counts` are an item.
pub(super) fn items(values: Values, counts: &[u64], data_type: FieldType) -> Result<ArrayRef, Fault> {
    use FieldType as F;
    let array: ArrayRef = match (data_type, values) {
        (F::Int64, Values::Int(values)) => Arc::new(Int64Array::from(values)),
        (F::Int32, Values::Int(values)) => {
            Arc::new(each(values, |value| in_range(value, data_type))?.collect::<Int32Array>())
        }
        (F::Int16, Values::Int(values)) => {
            Arc::new(each(values, |value| in_range(value, data_type))?.collect::<Int16Array>())
        }
        (F::Date, Values::Int(values)) => {
            Arc::new(each(values, |value| counted_day(value).map(Some))?.collect::<Date32Array>())
        }
        (F::Date, Values::Text(texts)) => Arc::new(each(texts, |text| told(&text, day))?.collect::<Date32Array>()),
        (F::TimestampUs, Values::Text(texts)) => {
            Arc::new(each(texts, |text| told(&text, microseconds))?.collect::<TimestampMicrosecondArray>())
        }
        (F::Float64, Values::Float(values)) => {
            Arc::new(values.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect::<Float64Array>())
        }
        (F::Float32, Values::Float(values)) => {
            let values = values.into_iter().map(|value| (!value.is_nan()).then_some(value as f32));
            Arc::new(values.collect::<Float32Array>())
        }
        (F::Decimal { precision, scale }, Values::Text(texts)) => {
            let digits = each(texts, |text| told(&text, |text| decimal(text, precision, scale)))?;
            Arc::new(digits.collect::<Decimal128Array>().with_data_type(item_type(data_type)))
        }
        (F::Utf8, Values::Text(texts)) => Arc::new(StringArray::from(texts)),
        (F::Bool, Values::Bool(values)) => Arc::new(BooleanArray::from(values)),
        (F::Uuid, Values::Text(texts)) => uuids(each(texts, |text| told(&text, uuid))?)?,
        (F::Uuid, Values::Bytes(bytes)) => uuids(each_of(&bytes, counts).map(|uuid| uuid.try_into().ok()))?,
        (F::Binary, Values::Bytes(bytes)) => Arc::new(BinaryArray::from_iter_values(each_of(&bytes, counts))),
        // Values are read as what the field is of.
        (data_type, _) => return Err((0, format!("it is not {data_type}"))),
    };
    Ok(array)
}

/// What is made of each value.
fn each<T, U>(
    values: Vec<T>,
    convert: impl Fn(T) -> Result<Option<U>, String>,
) -> Result<impl Iterator<Item = Option<U>>, Fault> {
    let converted = values.into_iter().enumerate().map(|(at, value)| convert(value).map_err(|fault| (at, fault)));
    Ok(converted.collect::<Result<Vec<_>, _>>()?.into_iter())
}

/// What a text tells; nothing for an empty one, which is how files leave out what is no text.
fn told<U>(text: &str, read: impl Fn(&str) -> Result<U, String>) -> Result<Option<U>, String> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn in_range<N: TryFrom<i64>>(value: i64, data_type: FieldType) -> Result<Option<N>, String> {
    N::try_from(value).map(Some).map_err(|_| format!("{value} does not fit {data_type}"))
}

/// Bytes, so many at a time.
fn each_of<'a>(bytes: &'a [u8], counts: &[u64]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    counts.iter().map(move |count| {
        let (value, behind) = rest.split_at((*count as usize).min(rest.len()));
        rest = behind;
        value
    })
}

fn uuids(values: impl Iterator<Item = Option<[u8; 16]>>) -> Result<ArrayRef, Fault> {
    let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 16);
    Ok(Arc::new(array.map_err(|error| (0, error.to_string()))?))
}
