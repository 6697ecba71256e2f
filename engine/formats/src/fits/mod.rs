//! FITS: one binary table. FITS 4.0 section 7.3. [`read`] reads it, the rest writes it.
//!
//! Row count, text widths and null values stand in the header, so all rows are collected first, column by column in the bytes
//! they will have in the file, up to a bound. FITS text is printable ASCII; other characters become `?` and a COMMENT counts
//! them. Arrays of varying length lie in the heap behind the rows.

mod column;
mod header;
mod read;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::column::FitsColumn;
use self::header::Header;
pub use self::read::{FitsReadError, read_fits};
use crate::cell::columns;
use crate::encoder::{Encode, Status, overflow_message, refuse_failure};
use crate::error::{FormatError, Result};
use crate::field::VoField;
use crate::info::ResultInfo;

/// A FITS file is made of blocks of this size.
const BLOCK: usize = 2880;
/// FITS 4.0 section 7.3.1, keyword TFIELDS.
const MOST_COLUMNS: usize = 999;

pub(crate) struct Fits {
    columns: Vec<FitsColumn>,
    info: ResultInfo,
    rows: usize,
    limit_bytes: usize,
}

impl Fits {
    pub(crate) fn new(schema: &SchemaRef, info: ResultInfo, limit_bytes: usize) -> Result<Self> {
        if schema.fields().len() > MOST_COLUMNS {
            return Err(FormatError::FitsColumns { columns: schema.fields().len() });
        }
        let columns = schema
            .fields()
            .iter()
            .map(|field| Ok(FitsColumn::new(VoField::from_arrow(field)?, field.is_nullable())))
            .collect::<Result<_>>()?;
        Ok(Fits { columns, info, rows: 0, limit_bytes })
    }

    /// The bigger of what the columns take now and what they will take in the file, where each text is as wide as the widest.
    fn check_size(&self) -> Result<()> {
        let row_width: usize = self.columns.iter().map(FitsColumn::width).sum();
        let heap: usize = self.columns.iter().map(|column| column.heap().len()).sum();
        let kept: usize = self.columns.iter().map(FitsColumn::kept_bytes).sum();
        let size = kept.max(row_width.saturating_mul(self.rows).saturating_add(heap));
        if size > self.limit_bytes { Err(FormatError::FitsTooBig { limit_bytes: self.limit_bytes }) } else { Ok(()) }
    }

    fn header(&self, status: &Status) -> Header {
        let row_width: usize = self.columns.iter().map(FitsColumn::width).sum();
        let heap: usize = self.columns.iter().map(|column| column.heap().len()).sum();
        let mut header = Header::table(row_width, self.rows, heap, self.columns.len());
        for (at, column) in self.columns.iter().enumerate() {
            column.describe(at + 1, &mut header);
        }
        if let Some(query) = &self.info.query {
            header.comment(&format!("QUERY: {query}"));
        }
        for (name, value) in &self.info.infos {
            header.comment(&format!("{name}: {value}"));
        }
        match status {
            Status::Overflow { maxrec } => {
                header.text("QSTATUS", "OVERFLOW");
                header.comment(&overflow_message(*maxrec));
            }
            Status::Ok | Status::Error(_) => header.text("QSTATUS", "OK"),
        }
        let replaced: u64 = self.columns.iter().map(|column| column.replaced).sum();
        if replaced > 0 {
            header.comment(&format!("{replaced} characters are not printable ASCII and were replaced by '?'"));
        }
        header
    }

    fn write_table(&self, out: &mut Vec<u8>) {
        let bases: Vec<usize> = self
            .columns
            .iter()
            .scan(0, |next, column| {
                let base = *next;
                *next += column.heap().len();
                Some(base)
            })
            .collect();
        for row in 0..self.rows {
            for (column, heap_base) in self.columns.iter().zip(&bases) {
                column.write_row(row, *heap_base, out);
            }
        }
        for column in &self.columns {
            out.extend_from_slice(column.heap());
        }
    }
}

impl Encode for Fits {
    fn start(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, _out: &mut Vec<u8>) -> Result<()> {
        for (cells, column) in columns(batch)?.iter().zip(&mut self.columns) {
            for row in 0..batch.num_rows() {
                column.push(cells.cell(row))?;
            }
        }
        self.rows += batch.num_rows();
        self.check_size()
    }

    fn finish(mut self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        refuse_failure(status)?;
        for column in &mut self.columns {
            column.choose_null()?;
        }
        Header::primary().write(out);
        self.header(status).write(out);
        let start = out.len();
        self.write_table(out);
        let length = out.len() - start;
        out.resize(start + length.next_multiple_of(BLOCK), 0);
        Ok(())
    }
}
