//! The rows that come in, as batches.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::{IncomingColumn, ReadBounds};

/// A batch ends at so many rows or bytes.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 16 << 20;
/// More in one batch could not be addressed by its columns' 32-bit offsets.
const MOST_MEMORY: usize = 1 << 30;

/// Why a row cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("the table has more than {0} rows, which is as much as may be brought along")]
    Rows(usize),
    #[error("the values take more than {} MB, which is as much as may be brought along", .0 >> 20)]
    Bytes(usize),
    #[error("cannot put the columns together")]
    Arrow(#[from] ArrowError),
}

pub(crate) struct IncomingTable {
    schema: SchemaRef,
    columns: Vec<IncomingColumn>,
    batches: Vec<RecordBatch>,
    bounds: ReadBounds,
    rows: usize,
    batch_rows: usize,
    bytes: usize,
    batch_bytes: usize,
}

impl IncomingTable {
    /// A table of these columns; the fields have the columns' types.
    pub(crate) fn new(fields: Vec<Field>, columns: Vec<IncomingColumn>, bounds: ReadBounds) -> Self {
        let bounds = ReadBounds { memory_bytes: bounds.memory_bytes.min(MOST_MEMORY), ..bounds };
        let schema = Arc::new(Schema::new(fields));
        IncomingTable { schema, columns, batches: Vec::new(), bounds, rows: 0, batch_rows: 0, bytes: 0, batch_bytes: 0 }
    }

    pub(crate) fn column(&mut self, at: usize) -> &mut IncomingColumn {
        &mut self.columns[at]
    }

    /// Whole rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that may still be taken.
    pub(crate) fn free_bytes(&self) -> usize {
        self.bounds.memory_bytes.saturating_sub(self.bytes)
    }

    /// To be called after each cell, so that one row cannot take more than the bound either.
    pub(crate) fn end_cell(&mut self, at: usize) -> Result<(), Exceeded> {
        let bytes = self.columns[at].take_bytes();
        self.add_bytes(bytes)
    }

    fn add_bytes(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.bytes += bytes;
        self.batch_bytes += bytes;
        if self.bytes > self.bounds.memory_bytes { Err(Exceeded::Bytes(self.bounds.memory_bytes)) } else { Ok(()) }
    }

    pub(crate) fn end_row(&mut self) -> Result<(), Exceeded> {
        self.rows += 1;
        self.batch_rows += 1;
        if self.rows > self.bounds.rows {
            return Err(Exceeded::Rows(self.bounds.rows));
        }
        if self.batch_rows >= BATCH_ROWS || self.batch_bytes >= BATCH_BYTES {
            self.end_batch()?;
        }
        Ok(())
    }

    fn end_batch(&mut self) -> Result<(), ArrowError> {
        let arrays = self.columns.iter_mut().map(IncomingColumn::take).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.batch_rows));
        self.batches.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?);
        (self.batch_rows, self.batch_bytes) = (0, 0);
        Ok(())
    }

    /// The schema and the batches, none of which is empty.
    pub(crate) fn finish(mut self) -> Result<(SchemaRef, Vec<RecordBatch>), Exceeded> {
        if self.batch_rows > 0 {
            self.end_batch()?;
        }
        Ok((self.schema, self.batches))
    }
}
