//! Rows as big-endian values, with null flags (BINARY2) or without (BINARY). VOTable 1.4 sections 5.3 and 5.4.
//!
//! In BINARY a NaN is a null, for nothing else could be; in BINARY2 the flags tell, and a NaN is one.

use std::io::BufRead;

use super::base64::Base64;
use super::error::{Result, VotableError};
use super::field::VoColumn;
use super::rows::{Refusal, Rows, push_text};
use super::xml::{Node, Xml};
use crate::cell::Cell;
use crate::field::Datatype;
use crate::incoming::{Arity, IncomingColumn};

type Pushed = std::result::Result<(), Refusal>;

/// Reads a BINARY or BINARY2 whose start was read, to its end.
pub(super) fn read<R: BufRead>(xml: &mut Xml<R>, rows: &mut Rows, has_flags: bool) -> Result<()> {
    if let Some(column) = rows.columns.iter().find(|column| column.size == Arity::Any && column.inner > 1) {
        let problem =
            "readers disagree about arrays of several axes whose last is of any length; send them as TABLEDATA";
        return Err(xml.structure(format!("column {:?}: {problem}", super::error::quoted(&column.name))));
    }
    let outside = xml.depth() - 1;
    let mut streams = 0;
    while xml.depth() > outside {
        let Node::Open(tag) = xml.next()? else { continue };
        if tag.name() != "STREAM" || streams > 0 {
            return Err(xml.structure("BINARY and BINARY2 have one STREAM and nothing else"));
        }
        let attributes = tag.attributes()?;
        if attributes.get("href").is_some() {
            return Err(xml.structure("a STREAM elsewhere (href) is not read; write the rows into the document"));
        }
        let encoding = attributes.get("encoding").unwrap_or("none").trim().to_lowercase();
        if encoding != "base64" {
            return Err(xml.structure("a STREAM is read with encoding=\"base64\" only; write it so"));
        }
        streams += 1;
        read_rows(&mut Base64::new(xml), rows, has_flags)?;
    }
    Ok(())
}

fn read_rows<R: BufRead>(stream: &mut Base64<'_, R>, rows: &mut Rows, has_flags: bool) -> Result<()> {
    let flag_bytes = if has_flags { rows.columns.len().div_ceil(8) } else { 0 };
    while !stream.is_at_end()? {
        let flags = match stream.take(flag_bytes)? {
            Ok(flags) => flags.to_vec(),
            Err(found) => {
                let problem = format!("the STREAM ends {} bytes short of its null flags", flag_bytes - found);
                return Err(VotableError::Row { row: rows.number(), line: stream.line(), problem });
            }
        };
        for at in 0..rows.columns.len() {
            let free = rows.free_bytes();
            let is_null = has_flags && flags[at / 8] & (0x80 >> (at % 8)) != 0;
            rows.push(at, |column, incoming| {
                let mut cell = BinaryCell { stream, column, incoming, free, is_null, has_flags };
                if column.datatype.is_text() { cell.push_text() } else { cell.push_numbers() }
            })?;
        }
        rows.end_row()?;
    }
    Ok(())
}

/// One cell, from the stream into its column.
struct BinaryCell<'a, 'x, R> {
    stream: &'a mut Base64<'x, R>,
    column: &'a VoColumn,
    incoming: &'a mut IncomingColumn,
    free: usize,
    is_null: bool,
    has_flags: bool,
}

impl<R: BufRead> BinaryCell<'_, '_, R> {
    fn push_numbers(&mut self) -> Pushed {
        let count = self.count()?;
        let width = self.column.datatype.width();
        let (column, is_scalar) = (self.column, self.incoming.arity() == Arity::One);
        let nan_is_null = is_scalar && !self.has_flags;
        let bytes = take(self.stream, count * width)?;
        if self.is_null {
            self.incoming.push_null();
            return Ok(());
        }
        for bytes in bytes.chunks_exact(width) {
            self.incoming.push(match column.number_of_bytes(bytes)? {
                Cell::Float(value) if nan_is_null && value.is_nan() => Cell::Null,
                Cell::Double(value) if nan_is_null && value.is_nan() => Cell::Null,
                value => value,
            });
        }
        if !is_scalar {
            self.incoming.end_array();
        }
        Ok(())
    }

    fn push_text(&mut self) -> Pushed {
        let count = self.count()?;
        let is_wide = self.column.datatype == Datatype::UnicodeChar;
        let bytes = take(self.stream, count * self.column.datatype.width())?;
        if self.is_null {
            self.incoming.push_null();
            return Ok(());
        }
        let text = if is_wide { wide_text(bytes)? } else { narrow_text(bytes)? };
        if text.is_empty() && self.has_flags && !self.column.is_time {
            self.incoming.push(Cell::Text(""));
            return Ok(());
        }
        Ok(push_text(self.column, self.incoming, &text)?)
    }

    /// How many primitives follow: as declared, or as the stream says; never more than may still be held.
    fn count(&mut self) -> std::result::Result<usize, Refusal> {
        let count = match self.column.size {
            Arity::One => return Ok(1),
            Arity::Fixed(count) => return Ok(count),
            Arity::Any => take(self.stream, 4)?.iter().fold(0, |count, byte| count << 8 | usize::from(*byte)),
        };
        if count.saturating_mul(self.column.datatype.width()) > self.free {
            return Err(format!("it says that it has {count} elements, more than may be brought along").into());
        }
        Ok(count)
    }
}

/// The next bytes of the stream, all of them.
fn take<'a, R: BufRead>(stream: &'a mut Base64<'_, R>, count: usize) -> std::result::Result<&'a [u8], Refusal> {
    match stream.take(count)? {
        Ok(bytes) => Ok(bytes),
        Err(found) => Err(format!(
            "the STREAM ends {} bytes short of it; is it cut off, or are the FIELDs others?",
            count - found
        )
        .into()),
    }
}

/// Characters of one byte, up to a NUL; UTF-8 as VOTable 1.5 has it.
fn narrow_text(bytes: &[u8]) -> std::result::Result<String, String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end]);
    text.map(str::to_owned).map_err(|_| "it is not UTF-8; write it as unicodeChar".to_owned())
}

/// Characters of two bytes, up to a NUL.
fn wide_text(bytes: &[u8]) -> std::result::Result<String, String> {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).take_while(|unit| *unit != 0);
    char::decode_utf16(units).collect::<std::result::Result<_, _>>().map_err(|_| "it is not UTF-16".to_owned())
}
