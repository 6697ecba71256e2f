//! CSV (RFC 4180) and TSV.
//!
//! Arrays are written as the archive shows them, `[6008, 10765, null]`. In CSV a null is an empty field and an empty text is
//! `""`; in TSV both are empty, and tabs and line breaks in text become spaces.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::cell::{Cell, columns};
use crate::encoder::{Encode, Status, refuse_failure};
use crate::error::Result;
use crate::field::VoField;
use crate::literal;

/// How fields are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Csv,
    Tsv,
}

impl Dialect {
    fn separator(self) -> u8 {
        match self {
            Dialect::Csv => b',',
            Dialect::Tsv => b'\t',
        }
    }

    /// RFC 4180 asks for CRLF; `text/tab-separated-values` for the line end of text.
    fn line_end(self) -> &'static [u8] {
        match self {
            Dialect::Csv => b"\r\n",
            Dialect::Tsv => b"\n",
        }
    }

    fn text(self, value: &str, out: &mut Vec<u8>) {
        match self {
            Dialect::Csv => csv_text(value, out),
            Dialect::Tsv => {
                out.extend(value.bytes().map(|byte| if matches!(byte, b'\t' | b'\n' | b'\r') { b' ' } else { byte }))
            }
        }
    }
}

pub(crate) struct Delimited {
    names: Vec<String>,
    dialect: Dialect,
    header: bool,
}

impl Delimited {
    pub(crate) fn new(schema: &SchemaRef, dialect: Dialect, header: bool) -> Result<Self> {
        let names = schema
            .fields()
            .iter()
            .map(|field| VoField::from_arrow(field).map(|field| field.name))
            .collect::<Result<_>>()?;
        Ok(Delimited { names, dialect, header })
    }
}

impl Encode for Delimited {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.header {
            for (at, name) in self.names.iter().enumerate() {
                if at > 0 {
                    out.push(self.dialect.separator());
                }
                self.dialect.text(name, out);
            }
            out.extend_from_slice(self.dialect.line_end());
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    out.push(self.dialect.separator());
                }
                match column.cell(row) {
                    Cell::Text(value) => self.dialect.text(value, out),
                    Cell::Array(elements) if self.dialect == Dialect::Csv && elements.len() > 1 => {
                        out.push(b'"');
                        write_plain(Cell::Array(elements), out);
                        out.push(b'"');
                    }
                    cell => write_plain(cell, out),
                }
            }
            out.extend_from_slice(self.dialect.line_end());
        }
        Ok(())
    }

    fn finish(self: Box<Self>, status: &Status, _out: &mut Vec<u8>) -> Result<()> {
        refuse_failure(status)
    }
}

/// Quotes an empty text (a null isn't quoted) and one with a separator, quote, line break or outer space.
fn csv_text(value: &str, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    let outer_space = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b' ' | b'\t'));
    if !(bytes.iter().any(special) || outer_space(bytes.first()) || outer_space(bytes.last())) {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    for (at, part) in bytes.split(|byte| *byte == b'"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part);
    }
    out.push(b'"');
}

/// A cell as plain text, which for anything but text holds no quote and no line break; a null is nothing.
pub(crate) fn write_plain(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Byte(value) => literal::integer(value, out),
        Cell::Short(value) => literal::integer(value, out),
        Cell::Int(value) => literal::integer(value, out),
        Cell::Long(value) => literal::integer(value, out),
        Cell::Float(value) => literal::float(value, &literal::PLAIN, out),
        Cell::Double(value) => literal::double(value, &literal::PLAIN, out),
        Cell::Text(value) => out.extend_from_slice(value.as_bytes()),
        Cell::Timestamp(ticks, unit) => literal::timestamp(ticks, unit, out),
        Cell::Date(days) => literal::date(days, out),
        Cell::Decimal(value, scale) => literal::decimal(value, scale, out),
        Cell::Array(elements) => {
            out.push(b'[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.extend_from_slice(b", ");
                }
                match element {
                    Cell::Null => out.extend_from_slice(b"null"),
                    element => write_plain(element, out),
                }
            }
            out.push(b']');
        }
    }
}
