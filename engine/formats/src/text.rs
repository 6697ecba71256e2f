//! Text: columns aligned for a terminal.
//!
//! The first rows are kept until there are enough to choose the widths; later cells that are wider push their row out of line.
//! Control characters become spaces, so that no value can speak to the terminal.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::cell::{Cell, columns};
use crate::delimited::write_plain;
use crate::encoder::{Encode, Status, overflow_message};
use crate::error::Result;
use crate::field::{Shape, VoField};

/// Rows and bytes that are looked at to choose the widths.
const SAMPLE_ROWS: u64 = 1000;
const SAMPLE_BYTES: usize = 4 << 20;
/// No column is made wider than this, in characters.
const WIDEST: usize = 80;

pub(crate) struct Text {
    columns: Vec<TextColumn>,
    /// Cells of the kept rows one after the other, and where each ends.
    kept: Vec<u8>,
    ends: Vec<usize>,
    widths_chosen: bool,
    rows: u64,
}

struct TextColumn {
    name: String,
    right: bool,
    width: usize,
}

impl Text {
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self> {
        let column = |field: VoField| {
            let right = field.shape == Shape::Scalar && field.datatype != crate::Datatype::Boolean;
            TextColumn { width: width(field.name.as_bytes()), name: field.name, right }
        };
        let columns =
            schema.fields().iter().map(|field| VoField::from_arrow(field).map(column)).collect::<Result<_>>()?;
        Ok(Text { columns, kept: Vec::new(), ends: Vec::new(), widths_chosen: false, rows: 0 })
    }

    fn choose_widths(&mut self, out: &mut Vec<u8>) {
        self.widths_chosen = true;
        let kept = std::mem::take(&mut self.kept);
        let cells = spans(&std::mem::take(&mut self.ends));
        for (at, cell) in cells.iter().enumerate() {
            let at = at % self.columns.len();
            self.columns[at].width = self.columns[at].width.max(width(&kept[cell.clone()]).min(WIDEST));
        }
        self.write_header(out);
        for row in cells.chunks(self.columns.len().max(1)) {
            write_row(&self.columns, row, &kept, out);
        }
    }

    fn write_header(&self, out: &mut Vec<u8>) {
        let (mut names, mut ends) = (Vec::new(), Vec::new());
        for column in &self.columns {
            push_printable(column.name.as_bytes(), &mut names);
            ends.push(names.len());
        }
        write_row(&self.columns, &spans(&ends), &names, out);
        for (at, column) in self.columns.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b"-+-" } else { b"" });
            out.resize(out.len() + column.width, b'-');
        }
        out.push(b'\n');
    }
}

impl Encode for Text {
    fn start(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = columns(batch)?;
        let (mut cell_text, mut row_text, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            row_text.clear();
            ends.clear();
            for column in &columns {
                cell_text.clear();
                write_plain(column.cell(row), &mut cell_text);
                match column.cell(row) {
                    Cell::Text(_) => push_printable(&cell_text, &mut row_text),
                    _ => row_text.extend_from_slice(&cell_text),
                }
                ends.push(row_text.len());
            }
            if self.widths_chosen {
                write_row(&self.columns, &spans(&ends), &row_text, out);
            } else {
                self.ends.extend(ends.iter().map(|end| end + self.kept.len()));
                self.kept.extend_from_slice(&row_text);
            }
            self.rows += 1;
            if !self.widths_chosen && (self.rows >= SAMPLE_ROWS || self.kept.len() >= SAMPLE_BYTES) {
                self.choose_widths(out);
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        if !self.widths_chosen {
            self.choose_widths(out);
        }
        let rows = self.rows;
        let last = match status {
            Status::Ok => format!("({rows} {})", if rows == 1 { "row" } else { "rows" }),
            Status::Overflow { maxrec } => format!("({rows} rows: {})", overflow_message(*maxrec)),
            Status::Error(message) => format!("({rows} rows, then the query failed: {message})"),
        };
        push_printable(last.as_bytes(), out);
        out.push(b'\n');
        Ok(())
    }
}

fn spans(ends: &[usize]) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| start..*end).collect()
}

fn write_row(columns: &[TextColumn], cells: &[Range<usize>], bytes: &[u8], out: &mut Vec<u8>) {
    for (at, (column, cell)) in columns.iter().zip(cells).enumerate() {
        let cell = &bytes[cell.clone()];
        let padding = column.width.saturating_sub(width(cell));
        out.extend_from_slice(if at > 0 { b" | " } else { b"" });
        if column.right {
            out.resize(out.len() + padding, b' ');
        }
        out.extend_from_slice(cell);
        if !column.right && at + 1 < columns.len() {
            out.resize(out.len() + padding, b' ');
        }
    }
    out.push(b'\n');
}

/// Characters in a UTF-8 text.
fn width(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

/// Appends a UTF-8 text with spaces for control characters (C0, DEL and, as two bytes, C1).
fn push_printable(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            0..=0x1F | 0x7F => out.push(b' '),
            0xC2 => match rest.next_if(|next| (0x80..=0x9F).contains(next)) {
                Some(_) => out.push(b' '),
                None => out.push(byte),
            },
            _ => out.push(byte),
        }
    }
}
