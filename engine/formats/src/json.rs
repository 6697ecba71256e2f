//! JSON: `{"metadata": [{"name", "datatype", …}], "data": [[…], …], "status": "OK"}`.
//!
//! 64-bit integers and decimals are strings of digits, so that no reader passes them through a double; NaN and infinities are
//! the strings `"NaN"`, `"Infinity"`, `"-Infinity"`; a null is `null`. `status` is `OK`, `OVERFLOW` (with `maxrec`) or `ERROR`
//! (with `message`).

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::cell::{Cell, columns};
use crate::encoder::{Encode, Status};
use crate::error::{FormatError, Result};
use crate::field::VoField;
use crate::info::ResultInfo;
use crate::literal;

pub(crate) struct Json {
    fields: Vec<VoField>,
    info: ResultInfo,
    any_row: bool,
}

impl Json {
    pub(crate) fn new(schema: &SchemaRef, info: ResultInfo) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| VoField::from_arrow(field)).collect::<Result<_>>()?;
        Ok(Json { fields, info, any_row: false })
    }
}

impl Encode for Json {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        if let Some(query) = &self.info.query {
            member("query", query, out)?;
            out.extend_from_slice(b",\n");
        }
        out.extend_from_slice(b"\"info\":[");
        for (at, (name, value)) in self.info.infos.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            member("name", name, out)?;
            out.push(b',');
            member("value", value, out)?;
            out.push(b'}');
        }
        out.extend_from_slice(b"],\n\"metadata\":[\n");
        for (at, field) in self.fields.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",\n" } else { b"" });
            write_field(field, out)?;
        }
        out.extend_from_slice(b"],\n\"data\":[");
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if self.any_row || row > 0 { b",\n[" } else { b"\n[" });
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(column.cell(row), out)?;
            }
            out.push(b']');
        }
        self.any_row |= batch.num_rows() > 0;
        Ok(())
    }

    fn finish(self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"],\n");
        match status {
            Status::Ok => member("status", "OK", out)?,
            Status::Overflow { maxrec } => {
                member("status", "OVERFLOW", out)?;
                out.push(b',');
                out.extend_from_slice(b"\"maxrec\":");
                literal::integer(*maxrec, out);
            }
            Status::Error(message) => {
                member("status", "ERROR", out)?;
                out.push(b',');
                member("message", message, out)?;
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

fn write_field(field: &VoField, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'{');
    member("name", &field.name, out)?;
    out.push(b',');
    member("datatype", field.datatype.name(), out)?;
    let entries = [
        ("arraysize", &field.arraysize),
        ("unit", &field.unit),
        ("ucd", &field.ucd),
        ("utype", &field.utype),
        ("xtype", &field.xtype),
        ("description", &field.description),
    ];
    for (key, value) in entries {
        if let Some(value) = value {
            out.push(b',');
            member(key, value, out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

/// `"key":"value"`; the key needs no escape.
fn member(key: &str, value: &str, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    string(value, out)
}

fn string(value: &str, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(|source| FormatError::WriteJson { source })
}

#[inline]
fn write_value(cell: Cell<'_>, out: &mut Vec<u8>) -> Result<()> {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Byte(value) => literal::integer(value, out),
        Cell::Short(value) => literal::integer(value, out),
        Cell::Int(value) => literal::integer(value, out),
        Cell::Long(value) => quoted(|out| literal::integer(value, out), out),
        Cell::Float(value) if value.is_finite() => literal::float(value, &literal::PLAIN, out),
        Cell::Float(value) => quoted(|out| literal::float(value, &literal::PLAIN, out), out),
        Cell::Double(value) if value.is_finite() => literal::double(value, &literal::PLAIN, out),
        Cell::Double(value) => quoted(|out| literal::double(value, &literal::PLAIN, out), out),
        Cell::Text(value) => string(value, out)?,
        Cell::Timestamp(ticks, unit) => quoted(|out| literal::timestamp(ticks, unit, out), out),
        Cell::Date(days) => quoted(|out| literal::date(days, out), out),
        Cell::Decimal(value, scale) => quoted(|out| literal::decimal(value, scale, out), out),
        Cell::Array(elements) => {
            out.push(b'[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(element, out)?;
            }
            out.push(b']');
        }
    }
    Ok(())
}

/// What `write` appends, in quotes; it holds nothing to escape.
fn quoted(write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
