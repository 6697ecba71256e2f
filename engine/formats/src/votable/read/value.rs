//! One primitive, from its text or from its bytes.

use super::error::quoted;
use super::field::{Null, VoColumn, integer};
use crate::cell::Cell;
use crate::field::Datatype;

impl VoColumn {
    /// A number or boolean from its text. VOTable 1.4 section 6.
    pub(super) fn number(&self, text: &str) -> Result<Cell<'static>, String> {
        let text = text.trim();
        if text.is_empty() || self.null.as_ref().is_some_and(|null| null.text == text) {
            return Ok(Cell::Null);
        }
        let wrong = || format!("{:?} is no {}", quoted(text), self.datatype);
        match self.datatype {
            Datatype::Boolean => boolean(text).ok_or_else(wrong),
            Datatype::Float => float(text).ok_or_else(wrong),
            Datatype::Double => double(text).ok_or_else(wrong),
            _ => self.whole(integer(text).ok_or_else(wrong)?).ok_or_else(wrong),
        }
    }

    /// An integer, if the datatype holds it; the value that stands for null is a null.
    fn whole(&self, value: i64) -> Option<Cell<'static>> {
        if self.null.as_ref().and_then(|null| null.integer) == Some(value) {
            return Some(Cell::Null);
        }
        Some(match self.datatype {
            Datatype::UnsignedByte => Cell::Byte(u8::try_from(value).ok()?),
            Datatype::Short => Cell::Short(i16::try_from(value).ok()?),
            Datatype::Int => Cell::Int(i32::try_from(value).ok()?),
            _ => Cell::Long(value),
        })
    }

    /// A number or boolean from the big-endian bytes of its width.
    pub(super) fn number_of_bytes(&self, bytes: &[u8]) -> Result<Cell<'static>, String> {
        let wrong = || format!("the bytes {bytes:02x?} are no {}", self.datatype);
        let cell = match (self.datatype, bytes) {
            // The first bit by the standard, the fifth as astropy writes it.
            (Datatype::Boolean, [byte]) if self.is_bit => Some(Cell::Boolean(*byte != 0)),
            (Datatype::Boolean, [byte]) => boolean_of_byte(*byte),
            (Datatype::Float, bytes) => bytes.try_into().ok().map(|bytes| Cell::Float(f32::from_be_bytes(bytes))),
            (Datatype::Double, bytes) => bytes.try_into().ok().map(|bytes| Cell::Double(f64::from_be_bytes(bytes))),
            (Datatype::UnsignedByte, [byte]) => self.whole(i64::from(*byte)),
            (_, bytes) => signed(bytes).and_then(|value| self.whole(value)),
        };
        cell.map(|cell| self.null_of(cell)).ok_or_else(wrong)
    }

    /// A null for a floating-point number that stands for it.
    fn null_of(&self, cell: Cell<'static>) -> Cell<'static> {
        let null = self.null.as_ref().and_then(|Null { double, .. }| *double);
        match (cell, null) {
            (Cell::Float(value), Some(null)) if f64::from(value) == null => Cell::Null,
            (Cell::Double(value), Some(null)) if value == null => Cell::Null,
            (cell, _) => cell,
        }
    }
}

/// VOTable 1.4 section 6: letters and words of either case, 0 and 1; `?` is null.
fn boolean(text: &str) -> Option<Cell<'static>> {
    match text {
        "T" | "t" | "1" | "true" | "True" | "TRUE" => Some(Cell::Boolean(true)),
        "F" | "f" | "0" | "false" | "False" | "FALSE" => Some(Cell::Boolean(false)),
        "?" => Some(Cell::Null),
        _ => None,
    }
}

fn boolean_of_byte(byte: u8) -> Option<Cell<'static>> {
    match byte {
        b'T' | b't' | b'1' => Some(Cell::Boolean(true)),
        b'F' | b'f' | b'0' => Some(Cell::Boolean(false)),
        b'?' | b' ' | 0 => Some(Cell::Null),
        _ => None,
    }
}

/// Digits too large for the type are refused: they would read as infinite.
fn float(text: &str) -> Option<Cell<'static>> {
    let value: f32 = text.parse().ok()?;
    (value.is_finite() || names_nonfinite(text)).then_some(Cell::Float(value))
}

fn double(text: &str) -> Option<Cell<'static>> {
    let value: f64 = text.parse().ok()?;
    (value.is_finite() || names_nonfinite(text)).then_some(Cell::Double(value))
}

fn names_nonfinite(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_digit())
}

fn signed(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.first()? & 0x80 != 0;
    let mut wide = [if negative { 0xFF } else { 0 }; 8];
    wide.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i64::from_be_bytes(wide))
}
