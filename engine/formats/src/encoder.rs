//! The encoder: one public face over the formats' writers.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::arrow_stream::ArrowStream;
use crate::delimited::{Delimited, Dialect};
use crate::ecsv::Ecsv;
use crate::error::{FormatError, Result};
use crate::fits::Fits;
use crate::format::Format;
use crate::html::Html;
use crate::info::ResultInfo;
use crate::json::Json;
use crate::text::Text;
use crate::voparquet::VoParquet;
use crate::votable::{Binary, Tabledata};

/// What FITS may take if nothing else is said, in bytes: 256 MiB.
pub const DEFAULT_FITS_BYTES: usize = 256 << 20;

/// How a result ended. DALI 1.1 section 4.4.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// All rows were written.
    Ok,
    /// There are more rows than MAXREC let through.
    Overflow {
        /// The limit that was reached, in rows.
        maxrec: u64,
    },
    /// The query failed after the start was written; says why.
    Error(String),
}

impl Status {
    /// The value of `QUERY_STATUS`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Overflow { .. } => "OVERFLOW",
            Status::Error(_) => "ERROR",
        }
    }
}

/// The longest value of `QUERY_STATUS`.
pub(crate) const LONGEST_STATUS: &str = "OVERFLOW";

/// A format's writer. An error may leave a part of a batch in `out`; [`Encoder`] takes it back.
pub(crate) trait Encode: Send {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()>;
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;
    /// What `start` has written, with a status in its place.
    fn beginning(&self, _status: &Status) -> Option<Vec<u8>> {
        None
    }
    fn finish(self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()>;
}

/// Writes one result: [`start`](Encoder::start), any number of [`batch`](Encoder::batch), then [`finish`](Encoder::finish).
///
/// Each call appends to `out`, which the caller sends off and clears as it likes. Memory is that of one batch, except:
/// text keeps its first 1000 rows to choose the column widths, Parquet a row group of some 32 MiB, FITS all rows up to a bound.
pub struct Encoder {
    writer: Box<dyn Encode>,
    schema: SchemaRef,
    started: bool,
    rows: u64,
}

impl Encoder {
    /// Prepares to write a result of these columns; FITS may take [`DEFAULT_FITS_BYTES`].
    ///
    /// # Errors
    /// A column that the format can't carry or whose metadata is wrong: [`VoField::from_arrow`](crate::VoField::from_arrow).
    pub fn new(format: Format, schema: SchemaRef, info: ResultInfo) -> Result<Self> {
        Self::with_fits_bytes(format, schema, info, DEFAULT_FITS_BYTES)
    }

    /// As [`Encoder::new`], with the bytes a FITS result may take before [`FormatError::FitsTooBig`]; while it is written
    /// out it takes twice as much memory.
    ///
    /// # Errors
    /// As [`Encoder::new`].
    pub fn with_fits_bytes(format: Format, schema: SchemaRef, info: ResultInfo, fits_bytes: usize) -> Result<Self> {
        let columns = &schema;
        let writer: Box<dyn Encode> = match format {
            Format::VotableTabledata => Box::new(Tabledata::new(columns, info)?),
            Format::VotableBinary => Box::new(Binary::new(columns, info, false)?),
            Format::VotableBinary2 => Box::new(Binary::new(columns, info, true)?),
            Format::Csv => Box::new(Delimited::new(columns, Dialect::Csv, true)?),
            Format::CsvHeaderless => Box::new(Delimited::new(columns, Dialect::Csv, false)?),
            Format::Tsv => Box::new(Delimited::new(columns, Dialect::Tsv, true)?),
            Format::Ecsv => Box::new(Ecsv::new(columns, info)?),
            Format::Json => Box::new(Json::new(columns, info)?),
            Format::Text => Box::new(Text::new(columns)?),
            Format::Html => Box::new(Html::new(columns, info)?),
            Format::Arrow => Box::new(ArrowStream::new(columns, &info)?),
            Format::Parquet => Box::new(VoParquet::new(columns, info)?),
            Format::Fits => Box::new(Fits::new(columns, info, fits_bytes)?),
        };
        Ok(Encoder { writer, schema, started: false, rows: 0 })
    }

    /// Writes what comes before the rows. Done by the first [`batch`](Encoder::batch) or [`finish`](Encoder::finish) if
    /// not called.
    ///
    /// # Errors
    /// A failure of the format's writer.
    pub fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        self.writer.start(out)
    }

    /// Writes the rows of a batch with the result's columns (by position and type; its own metadata isn't looked at).
    ///
    /// # Errors
    /// [`FormatError::BatchSchema`] for other columns; a value that the format can't carry. Then nothing of the batch is in
    /// `out`, and the result can still be ended with [`Status::Error`].
    pub fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.start(out)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())
            .map_err(|source| FormatError::BatchSchema { source })?;
        let before = out.len();
        self.writer.batch(&batch, out).inspect_err(|_| out.truncate(before))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// What [`start`](Encoder::start) has written, in as many bytes, but that it says how the result ended (`QUERY_STATUS`, which is
    /// empty before). None where [`ResultInfo::room_for_status`] did not ask for it, and in formats that have their status elsewhere or
    /// nowhere.
    #[must_use]
    pub fn beginning(&self, status: &Status) -> Option<Vec<u8>> {
        self.writer.beginning(status)
    }

    /// Writes what comes after the rows and says how the result ended, where the format can
    /// ([`Format::reports_status`]).
    ///
    /// # Errors
    /// [`FormatError::Unreported`] if the result failed and the format can't say so: break the transfer. A failure of the
    /// format's writer, among them all that only FITS finds out at the end.
    pub fn finish(mut self, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        self.start(out)?;
        self.writer.finish(status, out)
    }

    /// Rows written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Fails with the message of a failed result; for formats that can't carry it.
pub(crate) fn refuse_failure(status: &Status) -> Result<()> {
    match status {
        Status::Error(message) => Err(FormatError::Unreported { message: message.clone() }),
        Status::Ok | Status::Overflow { .. } => Ok(()),
    }
}

/// The sentence that goes with an overflow.
pub(crate) fn overflow_message(maxrec: u64) -> String {
    format!("the result was cut after {maxrec} rows (MAXREC); there are more")
}
