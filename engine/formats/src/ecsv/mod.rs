//! ECSV 1.0: CSV behind comment lines that say in YAML what its columns are (astropy's APE 6). [`read`] reads it, the rest writes it.
//!
//! A null is `""`, and so is an empty text. Arrays are JSON. Readers go by lines, whatever stands in quotes: line breaks in text become
//! spaces. The head has the query and INFOs. An overflow is known only after the rows, where readers have no place for it (some take a
//! comment there for a row): the head may have room for it, `QUERY_STATUS`, to be filled in by who has held it back.

mod read;
mod yaml;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::cell::{Cell, columns};
use crate::delimited::write_plain;
use crate::encoder::{Encode, LONGEST_STATUS, Status, refuse_failure};
use crate::error::Result;
use crate::field::{Datatype, Shape, VoField};
use crate::info::ResultInfo;
use crate::literal;

pub use self::read::{EcsvReadError, read_ecsv};

pub(crate) struct Ecsv {
    fields: Vec<VoField>,
    info: ResultInfo,
}

impl Ecsv {
    pub(crate) fn new(schema: &SchemaRef, info: ResultInfo) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| VoField::from_arrow(field)).collect::<Result<_>>()?;
        Ok(Ecsv { fields, info })
    }

    /// The head; its length does not depend on the status.
    fn head(&self, status: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n");
        for field in &self.fields {
            describe(field, out);
        }
        let query = self.info.query.iter().map(|query| ("QUERY", query.as_str()));
        let infos = self.info.infos.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let told = self.info.room_for_status.then_some(("QUERY_STATUS", status));
        let entries: Vec<(&str, &str)> = query.chain(infos).chain(told).collect();
        if !entries.is_empty() {
            out.extend_from_slice(b"# meta: ");
            yaml::map(entries, out);
            let room = if told.is_some() { LONGEST_STATUS.len() - status.len() } else { 0 };
            out.resize(out.len() + room, b' ');
            out.push(b'\n');
        }
        out.extend_from_slice(b"# schema: astropy-2.0\n");
        for (at, field) in self.fields.iter().enumerate() {
            separate(at, out);
            text(&field.name, out);
        }
        out.push(b'\n');
    }
}

impl Encode for Ecsv {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.head("", out);
        Ok(())
    }

    fn beginning(&self, status: &Status) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        self.info.room_for_status.then(|| self.head(status.name(), &mut head)).map(|()| head)
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            for (at, column) in columns.iter().enumerate() {
                separate(at, out);
                write_cell(column.cell(row), out);
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(self: Box<Self>, status: &Status, _out: &mut Vec<u8>) -> Result<()> {
        refuse_failure(status)
    }
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

/// A column's entry in the list of datatypes.
fn describe(field: &VoField, out: &mut Vec<u8>) {
    let datatype = datatype(field.datatype);
    out.extend_from_slice(b"# - {name: ");
    yaml::string(&field.name, out);
    for (key, value) in [("unit", &field.unit), ("description", &field.description)] {
        if let Some(value) = value {
            out.extend_from_slice(format!(", {key}: ").as_bytes());
            yaml::string(value, out);
        }
    }
    let is_scalar = field.shape == Shape::Scalar || field.datatype.is_text();
    out.extend_from_slice(b", datatype: ");
    out.extend_from_slice(if is_scalar { datatype } else { "string" }.as_bytes());
    match field.shape {
        Shape::Fixed(size) => out.extend_from_slice(format!(", subtype: '{datatype}[{size}]'").as_bytes()),
        Shape::Variable if !is_scalar => out.extend_from_slice(format!(", subtype: '{datatype}[null]'").as_bytes()),
        Shape::Variable | Shape::Scalar => {}
    }
    let meta = [("ucd", &field.ucd), ("utype", &field.utype), ("xtype", &field.xtype)];
    let meta: Vec<(&str, &str)> = meta.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))).collect();
    if !meta.is_empty() {
        out.extend_from_slice(b", meta: ");
        yaml::map(meta, out);
    }
    out.extend_from_slice(b"}\n");
}

fn datatype(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Boolean => "bool",
        Datatype::UnsignedByte => "uint8",
        Datatype::Short => "int16",
        Datatype::Int => "int32",
        Datatype::Long => "int64",
        Datatype::Float => "float32",
        Datatype::Double => "float64",
        Datatype::Char | Datatype::UnicodeChar => "string",
    }
}

fn write_cell(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"\"\""),
        Cell::Boolean(value) => out.extend_from_slice(if value { b"True" } else { b"False" }),
        Cell::Float(value) => literal::float(value, &literal::PYTHON, out),
        Cell::Double(value) => literal::double(value, &literal::PYTHON, out),
        Cell::Text(value) => text(value, out),
        // Infinities and NaN among elements are as Python's JSON has them.
        Cell::Array(_) => {
            out.push(b'"');
            write_plain(cell, out);
            out.push(b'"');
        }
        cell => write_plain(cell, out),
    }
}

/// A text in quotes, where it is not a plain word; on one line.
fn text(value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/+".contains(&byte)) {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    out.push(b'"');
    for character in value.chars() {
        match character {
            '"' => out.extend_from_slice(b"\"\""),
            breaks if breaks_line(breaks) => out.push(b' '),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// What Python's `splitlines`, by which astropy reads, takes for the end of a line.
fn breaks_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{1C}'..='\u{1E}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
