//! One cell of a record batch, whatever Arrow type its column has.
//!
//! [`Column`] looks at the type once per batch; [`Column::cell`] then only picks a value, without allocating.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, LargeBinaryArray,
    LargeStringArray, RecordBatch, StringArray, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::error::{FormatError, Result};

/// A value, in the type VOTable gives it.
#[derive(Clone, Copy)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    Byte(u8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(&'a str),
    /// Ticks since 1970-01-01T00:00:00 UTC.
    Timestamp(i64, TimeUnit),
    /// Days since 1970-01-01.
    Date(i32),
    /// Unscaled value and number of decimals.
    Decimal(i128, i8),
    Array(Elements<'a>),
}

/// The elements of an array cell.
#[derive(Clone, Copy)]
pub(crate) enum Elements<'a> {
    Bytes(&'a [u8]),
    Cells { items: &'a Column<'a>, start: usize, len: usize },
}

impl<'a> Elements<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Elements::Bytes(bytes) => bytes.len(),
            Elements::Cells { len, .. } => *len,
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Cell<'a>> {
        (0..self.len()).map(move |at| match self {
            Elements::Bytes(bytes) => Cell::Byte(bytes[at]),
            Elements::Cells { items, start, .. } => items.cell(start + at),
        })
    }
}

/// A column of a batch, ready to be read cell by cell.
pub(crate) struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    /// Checked to be within the signed range.
    UInt64(&'a [u64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Timestamp(&'a [i64], TimeUnit),
    Date(&'a [i32]),
    Decimal(&'a [i128], i8),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedSizeBinary(&'a FixedSizeBinaryArray),
    Dictionary {
        keys: Vec<usize>,
        values: Box<Column<'a>>,
    },
    List {
        offsets: &'a [i32],
        items: Box<Column<'a>>,
    },
    LargeList {
        offsets: &'a [i64],
        items: Box<Column<'a>>,
    },
    FixedSizeList {
        size: usize,
        items: Box<Column<'a>>,
    },
}

/// Prepares every column of a batch.
pub(crate) fn columns(batch: &RecordBatch) -> Result<Vec<Column<'_>>> {
    let schema = batch.schema_ref();
    batch.columns().iter().zip(schema.fields()).map(|(array, field)| Column::new(array, field.name())).collect()
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef, name: &str) -> Result<Self> {
        let values = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Values::List { offsets: list.value_offsets(), items: Box::new(Self::new(list.values(), name)?) }
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Values::LargeList { offsets: list.value_offsets(), items: Box::new(Self::new(list.values(), name)?) }
            }
            DataType::FixedSizeList(_, size) => {
                let items = Box::new(Self::new(array.as_fixed_size_list().values(), name)?);
                Values::FixedSizeList { size: usize::try_from(*size).unwrap_or(0), items }
            }
            DataType::Dictionary(..) => dictionary(array, name)?,
            DataType::UInt64 => signed(array, name)?,
            _ => scalars(array).ok_or_else(|| FormatError::UnsupportedColumn {
                column: name.to_owned(),
                arrow_type: array.data_type().clone(),
            })?,
        };
        Ok(Column { nulls: array.nulls(), values })
    }

    /// The value in a row.
    #[inline]
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Cell::Null;
        }
        match &self.values {
            Values::Null => Cell::Null,
            Values::Boolean(values) => Cell::Boolean(values.value(row)),
            Values::Int8(values) => Cell::Short(i16::from(values[row])),
            Values::Int16(values) => Cell::Short(values[row]),
            Values::Int32(values) => Cell::Int(values[row]),
            Values::Int64(values) => Cell::Long(values[row]),
            Values::UInt8(values) => Cell::Byte(values[row]),
            Values::UInt16(values) => Cell::Int(i32::from(values[row])),
            Values::UInt32(values) => Cell::Long(i64::from(values[row])),
            Values::UInt64(values) => Cell::Long(values[row].cast_signed()),
            Values::Float32(values) => Cell::Float(values[row]),
            Values::Float64(values) => Cell::Double(values[row]),
            Values::Utf8(values) => Cell::Text(values.value(row)),
            Values::LargeUtf8(values) => Cell::Text(values.value(row)),
            Values::Utf8View(values) => Cell::Text(values.value(row)),
            Values::Timestamp(values, unit) => Cell::Timestamp(values[row], *unit),
            Values::Date(values) => Cell::Date(values[row]),
            Values::Decimal(values, scale) => Cell::Decimal(values[row], *scale),
            Values::Dictionary { keys, values } => values.cell(keys[row]),
            arrays => Cell::Array(elements(arrays, row)),
        }
    }
}

#[inline]
fn elements<'a>(values: &'a Values<'a>, row: usize) -> Elements<'a> {
    match values {
        Values::Binary(values) => Elements::Bytes(values.value(row)),
        Values::LargeBinary(values) => Elements::Bytes(values.value(row)),
        Values::BinaryView(values) => Elements::Bytes(values.value(row)),
        Values::FixedSizeBinary(values) => Elements::Bytes(values.value(row)),
        Values::List { offsets, items } => span(items, offsets[row] as usize, offsets[row + 1] as usize),
        Values::LargeList { offsets, items } => span(items, offsets[row] as usize, offsets[row + 1] as usize),
        Values::FixedSizeList { size, items } => span(items, row * size, (row + 1) * size),
        _ => Elements::Bytes(&[]),
    }
}

fn span<'a>(items: &'a Column<'a>, start: usize, end: usize) -> Elements<'a> {
    Elements::Cells { items, start, len: end - start }
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

fn scalars(array: &ArrayRef) -> Option<Values<'_>> {
    Some(match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Boolean(array.as_boolean()),
        DataType::Int8 => Values::Int8(primitive::<Int8Type>(array)),
        DataType::Int16 => Values::Int16(primitive::<Int16Type>(array)),
        DataType::Int32 => Values::Int32(primitive::<Int32Type>(array)),
        DataType::Int64 => Values::Int64(primitive::<Int64Type>(array)),
        DataType::UInt8 => Values::UInt8(primitive::<UInt8Type>(array)),
        DataType::UInt16 => Values::UInt16(primitive::<UInt16Type>(array)),
        DataType::UInt32 => Values::UInt32(primitive::<UInt32Type>(array)),
        DataType::Float32 => Values::Float32(primitive::<Float32Type>(array)),
        DataType::Float64 => Values::Float64(primitive::<Float64Type>(array)),
        DataType::Utf8 => Values::Utf8(array.as_string()),
        DataType::LargeUtf8 => Values::LargeUtf8(array.as_string()),
        DataType::Utf8View => Values::Utf8View(array.as_string_view()),
        DataType::Date32 => Values::Date(primitive::<Date32Type>(array)),
        DataType::Timestamp(unit, _) => Values::Timestamp(ticks(array, *unit), *unit),
        DataType::Decimal128(_, scale) => Values::Decimal(primitive::<Decimal128Type>(array), *scale),
        DataType::Binary => Values::Binary(array.as_binary()),
        DataType::LargeBinary => Values::LargeBinary(array.as_binary()),
        DataType::BinaryView => Values::BinaryView(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => Values::FixedSizeBinary(array.as_fixed_size_binary()),
        _ => return None,
    })
}

fn ticks(array: &ArrayRef, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Second => primitive::<TimestampSecondType>(array),
        TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(array),
        TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(array),
        TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(array),
    }
}

fn dictionary<'a>(array: &'a ArrayRef, name: &str) -> Result<Values<'a>> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        return Ok(Values::Null);
    }
    let values = Box::new(Column::new(dictionary.values(), name)?);
    Ok(Values::Dictionary { keys: dictionary.normalized_keys(), values })
}

/// Takes unsigned 64-bit values if each fits a `long`: neither VOTable nor FITS has an unsigned one.
fn signed<'a>(array: &'a ArrayRef, name: &str) -> Result<Values<'a>> {
    let values = array.as_primitive::<UInt64Type>();
    match values.iter().flatten().find(|value| i64::try_from(*value).is_err()) {
        Some(value) => Err(FormatError::BeyondLong { column: name.to_owned(), value }),
        None => Ok(Values::UInt64(values.values())),
    }
}
