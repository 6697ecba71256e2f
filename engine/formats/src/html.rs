//! HTML: a page of its own, for people.
//!
//! The head of each column has what is known of it as a tooltip; numbers stand to the right. Links of the archive
//! (`meta.ref.url`, `http` or `https`) can be followed. The last paragraph says how the result ended.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::cell::{Cell, columns};
use crate::delimited::write_plain;
use crate::encoder::{Encode, Status, overflow_message};
use crate::error::Result;
use crate::field::{Shape, VoField};
use crate::info::ResultInfo;
use crate::votable::xml;

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:1em}\
    table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
    th,td{border:1px solid #ccc;padding:.2em .5em;text-align:left;vertical-align:top}\
    th{position:sticky;top:0;background:#eee}th span{display:block;font-weight:normal;color:#555}\
    td.n{text-align:right}pre{white-space:pre-wrap}.overflow,.error{padding:.5em;border:2px solid #b00;font-weight:bold}";

pub(crate) struct Html {
    fields: Vec<VoField>,
    info: ResultInfo,
    rows: u64,
}

impl Html {
    pub(crate) fn new(schema: &SchemaRef, info: ResultInfo) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| VoField::from_arrow(field)).collect::<Result<_>>()?;
        Ok(Html { fields, info, rows: 0 })
    }
}

impl Encode for Html {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(
            b"<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Result</title><style>",
        );
        out.extend_from_slice(STYLE.as_bytes());
        out.extend_from_slice(b"</style></head>\n<body>\n");
        if let Some(query) = &self.info.query {
            element("pre", query, out);
        }
        out.extend_from_slice(b"<table>\n<thead><tr>");
        for field in &self.fields {
            write_head(field, out);
        }
        out.extend_from_slice(b"</tr></thead>\n<tbody>\n");
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = columns(batch)?;
        let mut plain = Vec::new();
        for row in 0..batch.num_rows() {
            out.extend_from_slice(b"<tr>");
            for (column, field) in columns.iter().zip(&self.fields) {
                write_cell(column.cell(row), field, &mut plain, out);
            }
            out.extend_from_slice(b"</tr>\n");
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"</tbody>\n</table>\n");
        let rows = format!("{} {}", self.rows, if self.rows == 1 { "row" } else { "rows" });
        let (class, said) = match status {
            Status::Ok => ("ok", rows),
            Status::Overflow { maxrec } => ("overflow", format!("{rows}: {}", overflow_message(*maxrec))),
            Status::Error(message) => ("error", format!("{rows}, then the query failed: {message}")),
        };
        out.extend_from_slice(b"<p id=\"status\"");
        xml::attribute("class", class, out);
        out.push(b'>');
        xml::text(&said, out);
        out.extend_from_slice(b"</p>\n</body>\n</html>\n");
        Ok(())
    }
}

/// `<name>text</name>`.
fn element(name: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    xml::text(text, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b">\n");
}

/// The column's name and unit, and as a tooltip all that is known of it.
fn write_head(field: &VoField, out: &mut Vec<u8>) {
    let datatype = Some(match &field.arraysize {
        Some(size) => format!("{}[{size}]", field.datatype),
        None => field.datatype.to_string(),
    });
    let facts = [
        ("", &field.description),
        ("unit: ", &field.unit),
        ("UCD: ", &field.ucd),
        ("utype: ", &field.utype),
        ("xtype: ", &field.xtype),
        ("type: ", &datatype),
    ];
    let facts: Vec<String> =
        facts.iter().filter_map(|(label, value)| Some(format!("{label}{}", value.as_ref()?))).collect();
    out.extend_from_slice(b"<th scope=\"col\"");
    xml::attribute("title", &facts.join("\n"), out);
    out.push(b'>');
    xml::text(&field.name, out);
    if let Some(unit) = &field.unit {
        out.extend_from_slice(b"<span>");
        xml::text(unit, out);
        out.extend_from_slice(b"</span>");
    }
    out.extend_from_slice(b"</th>");
}

fn write_cell(cell: Cell<'_>, field: &VoField, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
    let is_number = field.shape == Shape::Scalar && field.datatype != crate::Datatype::Boolean;
    out.extend_from_slice(if is_number { b"<td class=\"n\">" } else { b"<td>" });
    match cell {
        Cell::Text(value) if is_link(field, value) => {
            out.extend_from_slice(b"<a rel=\"noopener noreferrer\"");
            xml::attribute("href", value, out);
            out.push(b'>');
            xml::text(value, out);
            out.extend_from_slice(b"</a>");
        }
        Cell::Text(value) => xml::text(value, out),
        cell => {
            plain.clear();
            // Digits, brackets and words: nothing to escape.
            write_plain(cell, plain);
            out.append(plain);
        }
    }
    out.extend_from_slice(b"</td>");
}

/// Whether a text of this column may be followed: never a `javascript:` or `data:` that someone put into a table.
fn is_link(field: &VoField, value: &str) -> bool {
    let is_url = field.xtype.as_deref().is_some_and(|xtype| ["url", "uri"].contains(&xtype))
        || field.ucd.as_deref().is_some_and(|ucd| ucd.split(';').any(|word| word == "meta.ref.url"));
    let begins = |scheme: &str| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    is_url && (begins("http://") || begins("https://"))
}
