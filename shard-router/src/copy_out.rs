//! PostgreSQL's binary COPY format, decoded straight into Arrow. PostgreSQL 15 manual, COPY, "Binary Format".

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use datafusion::arrow::array::builder::NullBufferBuilder;
use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder,
    FixedSizeListArray, Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, ListArray,
    RecordBatch, RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::buffer::{OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, FieldRef, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const PG_EPOCH_US: i64 = 946_684_800_000_000;
/// The same in days.
const PG_EPOCH_DAYS: i32 = 10_957;
/// Bytes of a node's answer that make a batch, however few rows they are.
const BATCH_BYTES: usize = 32 << 20;
/// Elements of arrays for which room is made before they are there.
const MOST_AHEAD: usize = 1 << 20;
/// A field longer than this is refused: no metadata value comes near it.
const MAX_FIELD: usize = 64 << 20;

/// What is wrong with a stream, in words.
type Fault = String;

/// Turns the bytes of one `COPY … TO STDOUT (FORMAT binary)` into record batches, however the bytes are cut.
pub(crate) struct CopyDecoder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    pending: BytesMut,
    rows: usize,
    /// Bytes of these rows as the node sent them.
    bytes: usize,
    batch_rows: usize,
    stage: Stage,
}

#[derive(PartialEq)]
enum Stage {
    Header,
    Rows,
    Done,
}

impl CopyDecoder {
    /// A decoder for rows of `schema`; batches hold `batch_rows` rows.
    pub(crate) fn new(schema: SchemaRef, batch_rows: usize) -> Result<Self, Fault> {
        let columns =
            schema.fields().iter().map(|f| ColumnBuilder::new(f.data_type(), batch_rows)).collect::<Result<_, _>>()?;
        Ok(Self { schema, columns, pending: BytesMut::new(), rows: 0, bytes: 0, batch_rows, stage: Stage::Header })
    }

    /// Takes the next bytes; returns the batches that became full.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<RecordBatch>, Fault> {
        let mut full = Vec::new();
        // A message is nearly always a whole row, so the copy into `pending` is the exception.
        let mut held = std::mem::take(&mut self.pending);
        if held.is_empty() {
            let used = self.decode(bytes, &mut full)?;
            self.pending.extend_from_slice(&bytes[used..]);
        } else {
            held.extend_from_slice(bytes);
            let used = self.decode(&held, &mut full)?;
            held.advance(used);
            self.pending = held;
        }
        Ok(full)
    }

    /// Ends the stream; returns the last rows.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>, Fault> {
        if self.stage != Stage::Done || !self.pending.is_empty() {
            return Err("it ended before its trailer".to_owned());
        }
        if self.rows == 0 { Ok(None) } else { self.take_batch().map(Some) }
    }

    /// Decodes whole rows from the front of `bytes`; returns how many bytes they took.
    fn decode(&mut self, bytes: &[u8], full: &mut Vec<RecordBatch>) -> Result<usize, Fault> {
        let mut at = 0;
        if self.stage == Stage::Header {
            match header_length(bytes)? {
                Some(length) => at = length,
                None => return Ok(0),
            }
            self.stage = Stage::Rows;
        }
        while self.stage == Stage::Rows {
            let Some(length) = self.row_length(&bytes[at..])? else { break };
            if length == 2 && bytes[at..at + 2] == [0xff, 0xff] {
                self.stage = Stage::Done;
                at += 2;
                break;
            }
            self.append_row(&bytes[at + 2..at + length])?;
            at += length;
            self.bytes += length;
            if self.rows == self.batch_rows || self.bytes >= BATCH_BYTES {
                full.push(self.take_batch()?);
            }
        }
        if self.stage == Stage::Done && at != bytes.len() {
            return Err("bytes follow its trailer".to_owned());
        }
        Ok(at)
    }

    /// The length of the row at the front of `bytes`, or nothing when it is not all there yet.
    fn row_length(&self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let Some(count) = bytes.first_chunk::<2>() else { return Ok(None) };
        let count = i16::from_be_bytes(*count);
        if count == -1 {
            return Ok(Some(2));
        }
        if usize::try_from(count) != Ok(self.columns.len()) {
            return Err(format!("a row has {count} fields, not {}", self.columns.len()));
        }
        let mut at = 2;
        for _ in 0..count {
            let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else { return Ok(None) };
            at += 4 + field_length(i32::from_be_bytes(*length))?.unwrap_or(0);
        }
        Ok((at <= bytes.len()).then_some(at))
    }

    fn append_row(&mut self, mut fields: &[u8]) -> Result<(), Fault> {
        for column in &mut self.columns {
            let value = match field_length(fields.get_i32())? {
                None => None,
                Some(length) => {
                    let (value, rest) = fields.split_at(length);
                    fields = rest;
                    Some(value)
                }
            };
            column.append(value)?;
        }
        self.rows += 1;
        Ok(())
    }

    fn take_batch(&mut self) -> Result<RecordBatch, Fault> {
        let arrays = self.columns.iter_mut().map(ColumnBuilder::finish).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(|error| error.to_string())
    }
}

/// The length of the stream's header, or nothing when it is not all there yet.
fn header_length(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    if bytes.len() < 19 {
        return Ok(None);
    }
    if &bytes[..11] != SIGNATURE {
        return Err("it does not begin with COPY's signature".to_owned());
    }
    let extension = u32::from_be_bytes([bytes[15], bytes[16], bytes[17], bytes[18]]);
    if extension != 0 { Err("its header has an extension".to_owned()) } else { Ok(Some(19)) }
}

/// The length of a field; nothing for a null.
fn field_length(length: i32) -> Result<Option<usize>, Fault> {
    match usize::try_from(length) {
        Err(_) if length == -1 => Ok(None),
        Ok(length) if length <= MAX_FIELD => Ok(Some(length)),
        _ => Err(format!("a field claims {length} bytes")),
    }
}

/// One column being filled.
enum ColumnBuilder {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u32),
    Utf8(StringBuilder),
    Binary(BinaryBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Array(Box<ArrayBuilder>),
}

/// A column of arrays of one dimension.
struct ArrayBuilder {
    item: FieldRef,
    items: ColumnBuilder,
    /// How many elements each has; any number where nothing is said.
    length: Option<usize>,
    /// Where each array ends among all elements.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ColumnBuilder {
    fn new(data_type: &DataType, rows: usize) -> Result<Self, Fault> {
        Ok(match data_type {
            DataType::Boolean => Self::Bool(BooleanBuilder::with_capacity(rows)),
            DataType::Int16 => Self::Int16(Int16Builder::with_capacity(rows)),
            DataType::Int32 => Self::Int32(Int32Builder::with_capacity(rows)),
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            DataType::Float32 => Self::Float32(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            DataType::Decimal128(_, scale) if *scale >= 0 => {
                let builder = Decimal128Builder::with_capacity(rows).with_data_type(data_type.clone());
                Self::Decimal(builder, scale.unsigned_abs().into())
            }
            DataType::Utf8 => Self::Utf8(StringBuilder::with_capacity(rows, rows * 16)),
            DataType::Binary => Self::Binary(BinaryBuilder::with_capacity(rows, rows * 16)),
            DataType::FixedSizeBinary(16) => Self::Uuid(FixedSizeBinaryBuilder::with_capacity(rows, 16)),
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows))
            }
            DataType::FixedSizeList(item, length) => {
                Self::Array(Box::new(ArrayBuilder::new(item, usize::try_from(*length).ok(), rows)?))
            }
            DataType::List(item) => Self::Array(Box::new(ArrayBuilder::new(item, None, rows)?)),
            other => return Err(format!("columns of type {other} cannot be read from a node")),
        })
    }

    fn append(&mut self, value: Option<&[u8]>) -> Result<(), Fault> {
        match self {
            Self::Bool(builder) => builder.append_option(value.map(|v| fixed::<1>(v).map(|b| b[0] != 0)).transpose()?),
            Self::Int16(builder) => builder.append_option(value.map(|v| fixed(v).map(i16::from_be_bytes)).transpose()?),
            Self::Int32(builder) => builder.append_option(value.map(|v| fixed(v).map(i32::from_be_bytes)).transpose()?),
            Self::Int64(builder) => builder.append_option(value.map(|v| fixed(v).map(i64::from_be_bytes)).transpose()?),
            Self::Float32(builder) => {
                builder.append_option(value.map(|v| fixed(v).map(f32::from_be_bytes)).transpose()?)
            }
            Self::Float64(builder) => {
                builder.append_option(value.map(|v| fixed(v).map(f64::from_be_bytes)).transpose()?)
            }
            Self::Decimal(builder, scale) => builder.append_option(value.map(|v| decimal(v, *scale)).transpose()?),
            Self::Utf8(builder) => builder.append_option(value.map(text).transpose()?),
            Self::Binary(builder) => builder.append_option(value),
            Self::Uuid(builder) => match value {
                Some(value) => builder.append_value(fixed::<16>(value)?).map_err(|error| error.to_string())?,
                None => builder.append_null(),
            },
            Self::Date(builder) => builder.append_option(value.map(date).transpose()?),
            Self::Timestamp(builder) => builder.append_option(value.map(timestamp).transpose()?),
            Self::Array(builder) => builder.append(value)?,
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        Ok(match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int16(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, _) => Arc::new(builder.finish()),
            Self::Utf8(builder) => Arc::new(builder.finish()),
            Self::Binary(builder) => Arc::new(builder.finish()),
            Self::Uuid(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Array(builder) => return builder.finish(),
        })
    }
}

impl ArrayBuilder {
    fn new(item: &FieldRef, length: Option<usize>, rows: usize) -> Result<Self, Fault> {
        Ok(Self {
            item: Arc::clone(item),
            // Long arrays take their room as they come.
            items: ColumnBuilder::new(item.data_type(), (rows * length.unwrap_or(4)).min(MOST_AHEAD))?,
            length,
            ends: vec![0],
            nulls: NullBufferBuilder::new(rows),
        })
    }

    /// Appends one PostgreSQL array: dimensions, a null flag, the element type, then length and bytes of each element.
    fn append(&mut self, value: Option<&[u8]>) -> Result<(), Fault> {
        let mut count = self.length.unwrap_or(0);
        match value {
            None => (0..count).try_for_each(|_| self.items.append(None))?,
            Some(value) => count = self.append_elements(value)?,
        }
        self.nulls.append(value.is_some());
        let end = self.ends.last().copied().unwrap_or(0).checked_add(count as i32);
        self.ends.push(end.ok_or("the arrays of a batch are too long")?);
        Ok(())
    }

    fn append_elements(&mut self, mut value: &[u8]) -> Result<usize, Fault> {
        if value.len() < 12 {
            return Err("an array ends early".to_owned());
        }
        let dimensions = value.get_i32();
        value.advance(8);
        let count = match dimensions {
            0 => 0,
            1 if value.len() >= 8 => {
                let count = value.get_i32();
                value.advance(4);
                usize::try_from(count).map_err(|_| format!("an array has {count} elements"))?
            }
            _ => return Err("an array has not one dimension".to_owned()),
        };
        if self.length.is_some_and(|length| length != count) {
            return Err(format!("an array has {count} elements, not {}", self.length.unwrap_or(0)));
        }
        for _ in 0..count {
            if value.len() < 4 {
                return Err("an array ends early".to_owned());
            }
            let element = match field_length(value.get_i32())? {
                None => None,
                Some(length) if length <= value.len() => {
                    let (element, rest) = value.split_at(length);
                    value = rest;
                    Some(element)
                }
                Some(_) => return Err("an array ends early".to_owned()),
            };
            self.items.append(element)?;
        }
        Ok(count)
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        let (items, nulls) = (self.items.finish()?, self.nulls.finish());
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let rows = ends.len() - 1;
        let item = Arc::clone(&self.item);
        let fault = |error: ArrowError| error.to_string();
        Ok(match self.length {
            Some(length) => {
                let array = FixedSizeListArray::try_new_with_length(item, length as i32, items, nulls, rows);
                Arc::new(array.map_err(fault)?)
            }
            None => {
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(ListArray::try_new(item, ends, items, nulls).map_err(fault)?)
            }
        })
    }
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Fault> {
    <[u8; N]>::try_from(value).map_err(|_| format!("a field has {} bytes, not {N}", value.len()))
}

fn text(value: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(value).map_err(|_| "a text field is not UTF-8".to_owned())
}

fn date(value: &[u8]) -> Result<i32, Fault> {
    i32::from_be_bytes(fixed(value)?).checked_add(PG_EPOCH_DAYS).ok_or_else(|| "a date is infinite".to_owned())
}

fn timestamp(value: &[u8]) -> Result<i64, Fault> {
    let us = i64::from_be_bytes(fixed(value)?);
    us.checked_add(PG_EPOCH_US).ok_or_else(|| "a timestamp is infinite".to_owned())
}

/// A numeric: how many digits to the base of 10,000, the power of the first, the sign, how many decimals are shown, the digits.
fn decimal(mut value: &[u8], scale: u32) -> Result<i128, Fault> {
    let damaged = || "a numeric is damaged".to_owned();
    if value.len() < 8 {
        return Err(damaged());
    }
    let (count, weight, sign) = (value.get_u16(), i32::from(value.get_i16()), value.get_u16());
    value.advance(2);
    if value.len() != 2 * usize::from(count) {
        return Err(damaged());
    }
    if !matches!(sign, 0 | 0x4000) {
        return Err("a numeric is not a finite number".to_owned());
    }
    let too_long = || "a numeric has more digits than its column".to_owned();
    let mut sum = 0i128;
    for place in 0..i32::from(count) {
        let digit = i128::from(value.get_u16());
        // The power of ten of the digit's last decimal, counted from the column's last.
        let power = 4 * (weight - place) + scale as i32;
        let part = match u32::try_from(power) {
            Ok(power) => 10i128.checked_pow(power).and_then(|unit| unit.checked_mul(digit)),
            Err(_) => {
                let unit = 10i128.checked_pow(power.unsigned_abs()).unwrap_or(i128::MAX);
                (digit % unit == 0).then_some(digit / unit)
            }
        };
        sum = part.and_then(|part| sum.checked_add(part)).ok_or_else(too_long)?;
    }
    Ok(if sign == 0 { sum } else { -sum })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray, FixedSizeListArray};
    use datafusion::arrow::datatypes::{Field, Float64Type, Int32Type, Int64Type, Schema};

    use super::*;

    fn schema() -> SchemaRef {
        let list = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int32, true)), 2);
        Arc::new(Schema::new(vec![
            Field::new("source_id", DataType::Int64, true),
            Field::new("alpha", DataType::Float64, true),
            Field::new("name", DataType::Utf8, true),
            Field::new("ac", list, true),
        ]))
    }

    fn field(out: &mut Vec<u8>, value: Option<&[u8]>) {
        match value {
            None => out.extend((-1i32).to_be_bytes()),
            Some(value) => {
                out.extend((value.len() as i32).to_be_bytes());
                out.extend(value);
            }
        }
    }

    fn stream(rows: usize) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        out.extend([0; 8]);
        for i in 0..rows as i64 {
            out.extend(4i16.to_be_bytes());
            field(&mut out, Some(&(3425114617586286848 + i).to_be_bytes()));
            field(&mut out, (i % 3 != 0).then_some(&(i as f64).to_be_bytes()[..]));
            field(&mut out, Some(format!("né{i}").as_bytes()));
            let mut list = [1i32, 0, 23, 2, 1].map(i32::to_be_bytes).concat();
            field(&mut list, Some(&(i as i32).to_be_bytes()));
            field(&mut list, None);
            field(&mut out, (i % 2 == 0).then_some(&list[..]));
        }
        out.extend((-1i16).to_be_bytes());
        out
    }

    fn decode(bytes: &[u8], piece: usize) -> Result<Vec<RecordBatch>, Fault> {
        let mut decoder = CopyDecoder::new(schema(), 4)?;
        let mut batches = Vec::new();
        for piece in bytes.chunks(piece) {
            batches.extend(decoder.push(piece)?);
        }
        batches.extend(decoder.finish()?);
        Ok(batches)
    }

    #[test]
    fn rows_come_back_however_the_bytes_are_cut() {
        let bytes = stream(10);
        let whole = decode(&bytes, bytes.len()).unwrap();
        assert_eq!(whole.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(whole[2].column(0).as_primitive::<Int64Type>().value(1), 3425114617586286857);
        assert!(whole[0].column(1).is_null(0) && whole[0].column(1).as_primitive::<Float64Type>().value(1) == 1.0);
        let lists: &FixedSizeListArray = whole[1].column(3).as_fixed_size_list();
        assert!(lists.is_valid(0) && lists.is_null(1));
        assert_eq!(lists.value(0).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(4), None]);
        for piece in [1, 2, 7, 19, 20, 33] {
            assert_eq!(decode(&bytes, piece).unwrap(), whole, "cut every {piece} bytes");
        }
    }

    #[test]
    fn numerics_are_exact() {
        // As PostgreSQL sends them: digits, weight, sign, scale, then the digits to the base of 10,000.
        let numeric = |head: [u16; 4], digits: &[u16]| {
            head.iter().chain(digits).flat_map(|part| part.to_be_bytes()).collect::<Vec<u8>>()
        };
        assert_eq!(decimal(&numeric([2, 1, 0, 0], &[1234, 5678]), 0), Ok(12_345_678));
        assert_eq!(decimal(&numeric([2, 0, 0x4000, 2], &[12, 3400]), 2), Ok(-1234));
        assert_eq!(decimal(&numeric([2, 0, 0, 2], &[12, 3400]), 4), Ok(123_400));
        assert_eq!(decimal(&numeric([1, 4, 0, 0], &[9]), 0), Ok(90_000_000_000_000_000));
        assert_eq!(decimal(&numeric([0, 0, 0, 0], &[]), 3), Ok(0));
        assert!(decimal(&numeric([1, 0xffff, 0, 4], &[1]), 2).is_err(), "digits would be lost");
        assert!(decimal(&numeric([0, 0, 0xc000, 0], &[]), 0).is_err(), "NaN");
        assert!(decimal(&numeric([1, 20, 0, 0], &[1]), 0).is_err(), "too large");
        assert!(decimal(&[0, 1], 0).is_err());
    }

    #[test]
    fn damage_is_found() {
        let bytes = stream(3);
        assert!(decode(&bytes[..bytes.len() - 1], 50).unwrap_err().contains("ended before"));
        assert!(decode(&[&bytes[..], b"x"].concat(), 1000).unwrap_err().contains("follow"));
        let mut text = bytes.clone();
        text[0] = b'Q';
        assert!(decode(&text, 1000).unwrap_err().contains("signature"));
        let mut count = bytes;
        count[20] = 9;
        assert!(decode(&count, 1000).unwrap_err().contains("9 fields"));
    }
}
