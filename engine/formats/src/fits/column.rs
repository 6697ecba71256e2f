//! One column of a FITS table while its rows are collected.

use std::collections::HashSet;

use super::header::Header;
use crate::cell::{Cell, Elements};
use crate::error::{FormatError, Result};
use crate::field::{Datatype, Shape, VoField};
use crate::literal;

/// Bytes of a heap descriptor: two 64-bit integers (`Q`).
const DESCRIPTOR: usize = 16;

/// Values as big-endian bytes in row order.
pub(super) struct FitsColumn {
    field: VoField,
    bytes: Vec<u8>,
    /// Where each row's value ends in `bytes`; for text and arrays of varying length only.
    ends: Vec<usize>,
    /// Positions in `bytes` of integers that are null, to be filled in when a free value is known.
    nulls: Vec<usize>,
    null: Option<i64>,
    /// Bytes of the longest text or array.
    longest: usize,
    /// Characters that FITS can't hold.
    pub(super) replaced: u64,
}

impl FitsColumn {
    pub(super) fn new(mut field: VoField, nullable: bool) -> Self {
        // A byte has no value to spare for null.
        if nullable && field.datatype == Datatype::UnsignedByte && field.shape == Shape::Scalar {
            field.datatype = Datatype::Short;
        }
        FitsColumn {
            field,
            bytes: Vec::new(),
            ends: Vec::new(),
            nulls: Vec::new(),
            null: None,
            longest: 0,
            replaced: 0,
        }
    }

    fn varies(&self) -> bool {
        self.field.shape == Shape::Variable
    }

    /// Whether the rows hold descriptors of values in the heap.
    fn in_heap(&self) -> bool {
        self.varies() && !self.field.datatype.is_text()
    }

    /// Bytes of a row.
    pub(super) fn width(&self) -> usize {
        match self.field.shape {
            Shape::Scalar => self.field.datatype.width(),
            Shape::Fixed(size) => size * self.field.datatype.width(),
            Shape::Variable if self.in_heap() => DESCRIPTOR,
            Shape::Variable => self.longest.max(1),
        }
    }

    /// The column's part of the heap.
    pub(super) fn heap(&self) -> &[u8] {
        if self.in_heap() { &self.bytes } else { &[] }
    }

    /// Bytes kept in memory.
    pub(super) fn kept_bytes(&self) -> usize {
        self.bytes.len() + size_of::<usize>() * (self.ends.len() + self.nulls.len())
    }

    pub(super) fn push(&mut self, cell: Cell<'_>) -> Result<()> {
        let start = self.bytes.len();
        match (cell, self.field.shape) {
            (Cell::Array(elements), shape) => self.push_array(elements, shape)?,
            (Cell::Null, Shape::Variable) => {}
            (Cell::Null, Shape::Fixed(size)) => (0..size).for_each(|_| self.push_null()),
            (Cell::Null, Shape::Scalar) => self.push_null(),
            (scalar, _) => self.push_scalar(scalar),
        }
        if self.varies() {
            self.ends.push(self.bytes.len());
            self.longest = self.longest.max(self.bytes.len() - start);
        }
        Ok(())
    }

    fn push_array(&mut self, elements: Elements<'_>, shape: Shape) -> Result<()> {
        self.field.check_length(shape, elements.len())?;
        for element in elements.iter() {
            match element {
                Cell::Null => self.push_null(),
                element => self.push_scalar(element),
            }
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match self.field.datatype {
            Datatype::Float => self.bytes.extend_from_slice(&f32::NAN.to_be_bytes()),
            Datatype::Double => self.bytes.extend_from_slice(&f64::NAN.to_be_bytes()),
            Datatype::Boolean => self.bytes.push(0),
            datatype => {
                self.nulls.push(self.bytes.len());
                self.bytes.resize(self.bytes.len() + datatype.width(), 0);
            }
        }
    }

    fn push_scalar(&mut self, cell: Cell<'_>) {
        match cell {
            Cell::Boolean(value) => self.bytes.push(if value { b'T' } else { b'F' }),
            Cell::Byte(value) if self.field.datatype == Datatype::Short => {
                self.bytes.extend_from_slice(&i16::from(value).to_be_bytes());
            }
            Cell::Byte(value) => self.bytes.push(value),
            Cell::Short(value) => self.bytes.extend_from_slice(&value.to_be_bytes()),
            Cell::Int(value) => self.bytes.extend_from_slice(&value.to_be_bytes()),
            Cell::Long(value) => self.bytes.extend_from_slice(&value.to_be_bytes()),
            Cell::Float(value) => self.bytes.extend_from_slice(&value.to_be_bytes()),
            Cell::Double(value) => self.bytes.extend_from_slice(&value.to_be_bytes()),
            Cell::Text(value) => self.push_text(value),
            Cell::Timestamp(ticks, unit) => literal::timestamp(ticks, unit, &mut self.bytes),
            Cell::Date(days) => literal::date(days, &mut self.bytes),
            Cell::Decimal(value, scale) => literal::decimal(value, scale, &mut self.bytes),
            Cell::Null | Cell::Array(_) => {}
        }
    }

    fn push_text(&mut self, value: &str) {
        for character in value.chars() {
            match u8::try_from(character) {
                Ok(byte @ b' '..=b'~') => self.bytes.push(byte),
                _ => {
                    self.bytes.push(b'?');
                    self.replaced += 1;
                }
            }
        }
    }

    /// Finds an integer that doesn't occur and writes it where nulls are.
    pub(super) fn choose_null(&mut self) -> Result<()> {
        if self.nulls.is_empty() {
            return Ok(());
        }
        let null = self.free_value().ok_or_else(|| FormatError::NoNullValue { column: self.field.name.clone() })?;
        let width = self.field.datatype.width();
        for at in &self.nulls {
            self.bytes[*at..at + width].copy_from_slice(&null.to_be_bytes()[8 - width..]);
        }
        self.null = Some(null);
        Ok(())
    }

    /// The least value that doesn't occur: it is among the first n + 1, if n values are there.
    fn free_value(&self) -> Option<i64> {
        let least = self.field.datatype.least();
        let bits = 8 * self.field.datatype.width();
        let last = i64::MAX >> (64 - bits);
        let values = self.bytes.chunks_exact(self.field.datatype.width()).map(|bytes| {
            let negative = self.field.datatype != Datatype::UnsignedByte && bytes[0] & 0x80 != 0;
            let mut wide = [if negative { 0xFF } else { 0 }; 8];
            wide[8 - bytes.len()..].copy_from_slice(bytes);
            i64::from_be_bytes(wide)
        });
        let count = i64::try_from(self.bytes.len() / self.field.datatype.width()).unwrap_or(i64::MAX);
        let highest = least.saturating_add(count).min(last);
        let taken: HashSet<i64> = values.filter(|value| *value <= highest).collect();
        (least..=highest).find(|value| !taken.contains(value))
    }

    /// The column's keywords; `number` counts from 1.
    pub(super) fn describe(&self, number: usize, header: &mut Header) {
        header.text(&format!("TTYPE{number}"), &self.field.name);
        header.text(&format!("TFORM{number}"), &self.tform());
        match self.null {
            // astropy can't read a table with TNULL on a heap column.
            Some(null) if self.in_heap() => {
                header.comment(&format!("null elements in the arrays of TTYPE{number} are written as {null}"));
            }
            Some(null) => header.integer(&format!("TNULL{number}"), null),
            None => {}
        }
        if let Some(arraysize) = self.field.arraysize.as_ref().filter(|size| size.contains('x')) {
            header.text(&format!("TDIM{number}"), &format!("({})", arraysize.replace('x', ",")));
        }
        let entries = [
            ("TUNIT", &self.field.unit),
            ("TUCD", &self.field.ucd),
            ("TUTYP", &self.field.utype),
            ("TCOMM", &self.field.description),
        ];
        for (keyword, value) in entries {
            if let Some(value) = value {
                header.text(&format!("{keyword}{number}"), value);
            }
        }
    }

    /// FITS 4.0 section 7.3.1, table 18.
    fn tform(&self) -> String {
        let letter = match self.field.datatype {
            Datatype::Boolean => 'L',
            Datatype::UnsignedByte => 'B',
            Datatype::Short => 'I',
            Datatype::Int => 'J',
            Datatype::Long => 'K',
            Datatype::Float => 'E',
            Datatype::Double => 'D',
            Datatype::Char | Datatype::UnicodeChar => 'A',
        };
        match self.field.shape {
            Shape::Scalar => format!("1{letter}"),
            Shape::Fixed(size) => format!("{size}{letter}"),
            Shape::Variable if self.in_heap() => format!("1Q{letter}({})", self.longest / self.field.datatype.width()),
            Shape::Variable => format!("{}{letter}", self.width()),
        }
    }

    /// Appends a row's bytes; the column's heap part begins `heap_base` bytes into the heap.
    pub(super) fn write_row(&self, row: usize, heap_base: usize, out: &mut Vec<u8>) {
        let width = self.width();
        if !self.varies() {
            out.extend_from_slice(&self.bytes[row * width..(row + 1) * width]);
            return;
        }
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let value = &self.bytes[start..self.ends[row]];
        if self.in_heap() {
            let elements = value.len() / self.field.datatype.width();
            out.extend_from_slice(&(elements as u64).to_be_bytes());
            out.extend_from_slice(&((heap_base + start) as u64).to_be_bytes());
        } else {
            // NUL ends a shorter text, so its own trailing spaces stay.
            out.extend_from_slice(value);
            out.resize(out.len() + width - value.len(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn shorts(values: impl Iterator<Item = i16>) -> FitsColumn {
        let mut column = FitsColumn::new(VoField::from_arrow(&Field::new("c", DataType::Int16, true)).unwrap(), true);
        column.push(Cell::Null).unwrap();
        values.for_each(|value| column.push(Cell::Short(value)).unwrap());
        column
    }

    #[test]
    fn tnull_is_a_value_that_does_not_occur() {
        let mut column = shorts([i16::MIN, 0, -1, i16::MIN + 1].into_iter());
        column.choose_null().unwrap();
        assert_eq!(column.null, Some(i64::from(i16::MIN) + 2));
        assert_eq!(column.bytes[..2], (i16::MIN + 2).to_be_bytes());
    }

    #[test]
    fn a_column_that_uses_every_value_has_none_for_null() {
        assert!(matches!(shorts(i16::MIN..=i16::MAX).choose_null(), Err(FormatError::NoNullValue { .. })));
        let mut column = shorts(i16::MIN..=i16::MAX - 1);
        column.choose_null().unwrap();
        assert_eq!(column.null, Some(i64::from(i16::MAX)));
    }
}
