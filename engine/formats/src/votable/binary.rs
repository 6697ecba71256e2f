//! BINARY and BINARY2: rows as base64 of big-endian values. VOTable 1.4 sections 5.3 and 5.4.
//!
//! BINARY2 has null flags before each row. BINARY has none: an integer that may be null keeps the least value of its type for that,
//! which its FIELD declares, and a result that has the value itself is refused; a null text is empty, a null float NaN.
//!
//! Text columns are `unicodeChar`: `char` with non-ASCII bytes is refused by astropy and misread by STILTS.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Document;
use crate::cell::{Cell, Column, Elements, columns};
use crate::encoder::{Encode, Status};
use crate::error::Result;
use crate::field::{Datatype, Shape, VoField};
use crate::info::ResultInfo;
use crate::literal;

pub(crate) struct Binary {
    document: Document,
    has_flags: bool,
    /// Bytes not yet encoded; between batches fewer than three, for base64 takes three at a time.
    pending: Vec<u8>,
}

impl Binary {
    /// BINARY2 has null flags, BINARY has not.
    pub(crate) fn new(schema: &SchemaRef, info: ResultInfo, has_flags: bool) -> Result<Self> {
        let mut document = Document::new(schema, info)?;
        for field in document.fields.iter_mut().filter(|field| field.free_text) {
            field.datatype = Datatype::UnicodeChar;
        }
        if !has_flags {
            let nullable = document.fields.iter_mut().zip(schema.fields()).filter(|(_, field)| field.is_nullable());
            nullable.for_each(|(field, _)| field.reserve_null_value());
        }
        Ok(Binary { document, has_flags, pending: Vec::new() })
    }

    fn element(&self) -> &'static str {
        if self.has_flags { "BINARY2" } else { "BINARY" }
    }

    fn write_rows(&mut self, columns: &[Column<'_>], rows: usize) -> Result<()> {
        let fields = &self.document.fields;
        let flag_bytes = if self.has_flags { fields.len().div_ceil(8) } else { 0 };
        for row in 0..rows {
            let flags = self.pending.len();
            self.pending.resize(flags + flag_bytes, 0);
            for (at, (column, field)) in columns.iter().zip(fields).enumerate() {
                let cell = column.cell(row);
                if self.has_flags && matches!(cell, Cell::Null) {
                    self.pending[flags + at / 8] |= 0x80 >> (at % 8);
                }
                write_cell(cell, field, &mut self.pending)?;
            }
        }
        Ok(())
    }
}

impl Encode for Binary {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.document.head(out);
        out.extend_from_slice(format!("<DATA><{}><STREAM encoding=\"base64\">\n", self.element()).as_bytes());
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let before = self.pending.len();
        self.write_rows(&columns(batch)?, batch.num_rows()).inspect_err(|_| self.pending.truncate(before))?;
        let whole = self.pending.len() - self.pending.len() % 3;
        if whole > 0 {
            encode(&self.pending[..whole], out);
            self.pending.drain(..whole);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        encode(&self.pending, out);
        out.extend_from_slice(format!("</STREAM></{}></DATA>\n", self.element()).as_bytes());
        self.document.tail(status, out);
        Ok(())
    }
}

/// Appends one line of base64.
fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The slice has exactly the size that base64 needs, the only thing encode_slice can complain of.
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'\n');
}

#[inline]
fn write_cell(cell: Cell<'_>, field: &VoField, out: &mut Vec<u8>) -> Result<()> {
    match (cell, field.shape) {
        (Cell::Array(elements), shape) => write_array(elements, shape, field, out)?,
        (Cell::Null, Shape::Scalar) => write_null(field, out),
        (Cell::Null, Shape::Variable) => out.extend_from_slice(&[0; 4]),
        (Cell::Null, Shape::Fixed(size)) => (0..size).for_each(|_| write_null(field, out)),
        (Cell::Text(value), _) => write_text(value, field.datatype, out),
        (Cell::Timestamp(ticks, unit), _) => write_chars(|out| literal::timestamp(ticks, unit, out), out),
        (Cell::Date(days), _) => write_chars(|out| literal::date(days, out), out),
        (Cell::Decimal(value, scale), _) => write_chars(|out| literal::decimal(value, scale, out), out),
        (number, _) => {
            field.check_not_null(&number)?;
            write_number(number, field.datatype, out);
        }
    }
    Ok(())
}

fn write_array(elements: Elements<'_>, shape: Shape, field: &VoField, out: &mut Vec<u8>) -> Result<()> {
    field.check_length(shape, elements.len())?;
    if shape == Shape::Variable {
        write_count(elements.len(), out);
    }
    for element in elements.iter() {
        match element {
            Cell::Null => write_null(field, out),
            element => {
                field.check_not_null(&element)?;
                write_number(element, field.datatype, out);
            }
        }
    }
    Ok(())
}

fn write_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&count_bytes(count));
}

/// A 32-bit count. One cell with more elements can't occur: it alone would exceed the memory a batch may take.
fn count_bytes(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()
}

fn write_text(value: &str, datatype: Datatype, out: &mut Vec<u8>) {
    if datatype != Datatype::UnicodeChar {
        return write_chars(|out| out.extend_from_slice(value.as_bytes()), out);
    }
    let count = out.len();
    out.extend_from_slice(&[0; 4]);
    for unit in value.encode_utf16() {
        // Readers end a text at NUL.
        let unit = if unit == 0 { 0xFFFD } else { unit };
        out.extend_from_slice(&unit.to_be_bytes());
    }
    let units = (out.len() - count - 4) / 2;
    patch_count(count, units, out);
}

/// Appends characters behind their count.
fn write_chars(write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    let count = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = out.len() - count - 4;
    patch_count(count, length, out);
}

fn patch_count(at: usize, count: usize, out: &mut [u8]) {
    out[at..at + 4].copy_from_slice(&count_bytes(count));
}

/// The value under a null flag or for a null element.
fn write_null(field: &VoField, out: &mut Vec<u8>) {
    match field.datatype {
        Datatype::Boolean => out.push(b'?'),
        Datatype::Float => out.extend_from_slice(&f32::NAN.to_be_bytes()),
        Datatype::Double => out.extend_from_slice(&f64::NAN.to_be_bytes()),
        datatype => write_integer(field.null_element.unwrap_or(0), datatype, out),
    }
}

#[inline]
fn write_number(cell: Cell<'_>, datatype: Datatype, out: &mut Vec<u8>) {
    match cell {
        Cell::Boolean(value) => out.push(if value { b'T' } else { b'F' }),
        Cell::Byte(value) => write_integer(i64::from(value), datatype, out),
        Cell::Short(value) => out.extend_from_slice(&value.to_be_bytes()),
        Cell::Int(value) => out.extend_from_slice(&value.to_be_bytes()),
        Cell::Long(value) => out.extend_from_slice(&value.to_be_bytes()),
        Cell::Float(value) => out.extend_from_slice(&value.to_be_bytes()),
        Cell::Double(value) => out.extend_from_slice(&value.to_be_bytes()),
        _ => {}
    }
}

/// The low bytes of an integer, as many as the datatype has.
fn write_integer(value: i64, datatype: Datatype, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes()[8 - datatype.width()..]);
}
