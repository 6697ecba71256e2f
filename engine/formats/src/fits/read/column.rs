//! One column: what TFORMn and its companions say, and its cells. FITS 4.0 sections 7.3.2 and 7.3.3.

use std::collections::HashMap;

use arrow::datatypes::Field;

use super::cards::Cards;
use crate::cell::Cell;
use crate::incoming::{Arity, IncomingColumn, LONGEST_FIXED, Primitive, quoted};

pub(super) struct FitsField {
    name: String,
    /// The letter of TFORMn.
    letter: u8,
    /// How many primitives a cell has.
    repeat: usize,
    null: Option<i64>,
    scale: Scale,
    metadata: HashMap<String, String>,
}

/// What a stored number becomes: TSCALn and TZEROn.
enum Scale {
    None,
    /// Of integers: stands for unsigned ones, or signed bytes.
    Offset(i128),
    /// `factor * stored + zero`.
    Linear(f64, f64),
}

type Said<T> = Result<T, String>;

impl FitsField {
    pub(super) fn declared(cards: &Cards, number: usize, name: String) -> Said<Self> {
        let form = cards.text(&format!("TFORM{number}")).ok_or("it has no TFORM")?.trim();
        let digits = form.bytes().take_while(u8::is_ascii_digit).count();
        let (repeat, letter) = form.split_at(digits);
        let repeat: usize = if repeat.is_empty() { 1 } else { repeat.parse().unwrap_or(usize::MAX) };
        if repeat > LONGEST_FIXED {
            return Err(format!("TFORM {:?} has more than {LONGEST_FIXED} elements", quoted(form)));
        }
        let letter = match letter.as_bytes() {
            // The width of each of several texts in a cell.
            [b'A', width @ ..] if !width.is_empty() && width != repeat.to_string().as_bytes() => {
                return Err("arrays of texts have no type in queries; write a column for each".to_owned());
            }
            [letter @ (b'L' | b'B' | b'I' | b'J' | b'K' | b'E' | b'D' | b'A'), ..] => *letter,
            [b'P' | b'Q', ..] => {
                return Err(
                    "arrays of any length are not read of FITS; write a VOTable, or arrays of one size".to_owned()
                );
            }
            [b'C' | b'M', ..] => {
                return Err("complex numbers have no type in queries; write their parts as two columns".to_owned());
            }
            [b'X', ..] => return Err("bits have no type in queries; write them as logical or bytes".to_owned()),
            _ => return Err(format!("TFORM {:?} is none of FITS's", quoted(form))),
        };
        let scale = scale(cards, number, letter);
        let entries = [("unit", "TUNIT"), ("ucd", "TUCD"), ("utype", "TUTYP"), ("description", "TCOMM")];
        let text = |keyword: &str| cards.text(&format!("{keyword}{number}")).map(|text| text.trim().to_owned());
        let mut metadata: HashMap<String, String> =
            entries.iter().filter_map(|(key, keyword)| Some(((*key).to_owned(), text(keyword)?))).collect();
        if letter != b'A' && repeat > 1 {
            metadata.insert("arraysize".to_owned(), arraysize(text("TDIM").as_deref(), repeat));
        }
        Ok(FitsField { name, letter, repeat, null: cards.number(&format!("TNULL{number}")), scale, metadata })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of a cell.
    pub(super) fn width(&self) -> usize {
        self.repeat * self.item_width()
    }

    fn item_width(&self) -> usize {
        match self.letter {
            b'I' => 2,
            b'J' | b'E' => 4,
            b'K' | b'D' => 8,
            _ => 1,
        }
    }

    fn primitive(&self) -> Primitive {
        match (self.letter, &self.scale) {
            (b'A', _) => Primitive::Text,
            (b'L', _) => Primitive::Boolean,
            (_, Scale::Linear(..)) | (b'D', _) => Primitive::Double,
            (b'E', _) => Primitive::Float,
            (b'B', _) | (b'I', Scale::None) => Primitive::Short,
            (b'I', _) | (b'J', Scale::None) => Primitive::Int,
            _ => Primitive::Long,
        }
    }

    /// The Arrow field, and what collects its cells.
    pub(super) fn incoming(&self) -> (Field, IncomingColumn) {
        let arity = match (self.letter, self.repeat) {
            (b'A', _) | (_, 1) => Arity::One,
            (_, 0) => Arity::Any,
            (_, size) => Arity::Fixed(size),
        };
        let column = IncomingColumn::new(self.primitive(), arity);
        (Field::new(&self.name, column.data_type(), true).with_metadata(self.metadata.clone()), column)
    }

    /// Takes a cell of [`FitsField::width`] bytes.
    pub(super) fn push(&self, bytes: &[u8], incoming: &mut IncomingColumn) -> Said<()> {
        if self.letter == b'A' {
            return push_text(bytes, incoming);
        }
        let is_scalar = incoming.arity() == Arity::One;
        for bytes in bytes.chunks_exact(self.item_width()) {
            incoming.push(match self.value(bytes)? {
                Cell::Float(value) if is_scalar && value.is_nan() => Cell::Null,
                Cell::Double(value) if is_scalar && value.is_nan() => Cell::Null,
                value => value,
            });
        }
        match is_scalar {
            true => {}
            false if self.repeat == 0 => incoming.push_null(),
            false => incoming.end_array(),
        }
        Ok(())
    }

    fn value(&self, bytes: &[u8]) -> Said<Cell<'static>> {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        match self.letter {
            b'L' => return logical(bytes[0]),
            b'E' => {
                let value = f32::from_be_bytes([wide[0], wide[1], wide[2], wide[3]]);
                return Ok(self.scaled(f64::from(value)).unwrap_or(Cell::Float(value)));
            }
            b'D' => {
                let value = f64::from_be_bytes(wide);
                return Ok(self.scaled(value).unwrap_or(Cell::Double(value)));
            }
            _ => {}
        }
        // The bytes stand at the upper end, so that a shift takes the sign along.
        let shift = 64 - 8 * bytes.len();
        let stored = i64::from_be_bytes(wide) >> shift;
        let stored = if self.letter == b'B' { stored & 0xFF } else { stored };
        if self.null == Some(stored) {
            return Ok(Cell::Null);
        }
        if let Some(scaled) = self.scaled(stored as f64) {
            return Ok(scaled);
        }
        let value = i128::from(stored) + if let Scale::Offset(offset) = self.scale { offset } else { 0 };
        let beyond = |_| format!("{value} is beyond the 64-bit signed range");
        Ok(match self.primitive() {
            Primitive::Short => Cell::Short(value as i16),
            Primitive::Int => Cell::Int(value as i32),
            _ => Cell::Long(i64::try_from(value).map_err(beyond)?),
        })
    }

    fn scaled(&self, stored: f64) -> Option<Cell<'static>> {
        match self.scale {
            Scale::Linear(factor, zero) => Some(Cell::Double(factor * stored + zero)),
            Scale::None | Scale::Offset(_) => None,
        }
    }
}

/// FITS 4.0 table 19 has the offsets that stand for other integers.
fn scale(cards: &Cards, number: usize, letter: u8) -> Scale {
    let factor: f64 = cards.number(&format!("TSCAL{number}")).unwrap_or(1.0);
    let zero: f64 = cards.number(&format!("TZERO{number}")).unwrap_or(0.0);
    let offset: i128 = match letter {
        b'B' => -128,
        b'I' => 1 << 15,
        b'J' => 1 << 31,
        b'K' => 1 << 63,
        _ => 0,
    };
    match (factor, zero) {
        _ if matches!(letter, b'L' | b'A') => Scale::None,
        (1.0, 0.0) => Scale::None,
        (1.0, zero) if offset != 0 && zero == offset as f64 => Scale::Offset(offset),
        (factor, zero) => Scale::Linear(factor, zero),
    }
}

/// `(2,5)` as `2x5`, if it describes so many elements.
fn arraysize(dimensions: Option<&str>, repeat: usize) -> String {
    let axes = dimensions.and_then(|text| text.trim().strip_prefix('(')?.strip_suffix(')')).map(|text| text.split(','));
    let axes: Option<Vec<usize>> = axes.and_then(|axes| axes.map(|axis| axis.trim().parse().ok()).collect());
    match axes {
        Some(axes) if axes.iter().try_fold(1_usize, |size, axis| size.checked_mul(*axis)) == Some(repeat) => {
            axes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
        }
        _ => repeat.to_string(),
    }
}

fn logical(byte: u8) -> Said<Cell<'static>> {
    match byte {
        b'T' => Ok(Cell::Boolean(true)),
        b'F' => Ok(Cell::Boolean(false)),
        0 | b' ' => Ok(Cell::Null),
        _ => Err(format!("the byte {byte:#04x} is no logical value")),
    }
}

/// A text ends at a NUL; its trailing spaces don't count.
fn push_text(bytes: &[u8], incoming: &mut IncomingColumn) -> Said<()> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "it is neither ASCII nor UTF-8".to_owned())?.trim_end();
    incoming.push(if text.is_empty() { Cell::Null } else { Cell::Text(text) });
    Ok(())
}
