//! The table, and our own writers and readers.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use spolia_formats::{Encoder, Format, ReadBounds, ResultInfo, Status, read_ecsv, read_fits, read_votable};

use crate::Writes;

/// Rows of a batch, as they come from the nodes, more or less.
const BATCH_ROWS: usize = 1024;
/// The formats that are timed.
pub const FORMATS: [(&str, Format); 5] = [
    ("TABLEDATA", Format::VotableTabledata),
    ("BINARY2", Format::VotableBinary2),
    ("CSV", Format::Csv),
    ("ECSV", Format::Ecsv),
    ("FITS", Format::Fits),
];
/// Name, unit, and the range of the values.
const COLUMNS: [(&str, &str, f64, f64); 7] = [
    ("alpha", "rad", 0.0, std::f64::consts::TAU),
    ("delta", "rad", -std::f64::consts::FRAC_PI_2, std::f64::consts::PI),
    ("varpi", "mas", 0.0, 20.0),
    ("mu_alpha_star", "mas/yr", -50.0, 100.0),
    ("mu_alpha_star_error", "mas/yr", 0.0, 1.0),
    ("mu_delta", "mas/yr", -50.0, 100.0),
    ("mu_delta_error", "mas/yr", 0.0, 1.0),
];

/// The table, and files of it.
pub struct Ours {
    pub table: RecordBatch,
    folder: PathBuf,
}

impl Ours {
    /// Makes the table, and writes it in each format into the folder.
    pub fn new(rows: usize, folder: &Path) -> Result<Self> {
        let ours = Self { table: table(rows)?, folder: folder.to_owned() };
        for (name, format) in FORMATS {
            std::fs::write(ours.file(name), ours.encode(format)?)?;
        }
        std::fs::write(ours.file("ARROW"), ours.encode(Format::Arrow)?)?;
        Ok(ours)
    }

    /// The file of the table in a format.
    pub fn file(&self, format: &str) -> PathBuf {
        self.folder.join(format)
    }

    fn encode(&self, format: Format) -> Result<Vec<u8>> {
        let (mut out, rows) = (Vec::new(), self.table.num_rows());
        let mut encoder = Encoder::new(format, self.table.schema(), ResultInfo::default())?;
        for start in (0..rows).step_by(BATCH_ROWS) {
            encoder.batch(&self.table.slice(start, BATCH_ROWS.min(rows - start)), &mut out)?;
        }
        encoder.finish(&Status::Ok, &mut out)?;
        Ok(out)
    }
}

impl Writes for Ours {
    fn name(&self) -> &'static str {
        "Spolia"
    }

    fn write(&mut self, name: &str) -> Result<Option<usize>> {
        let format = FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        format.map(|format| Ok(self.encode(format)?.len())).transpose()
    }

    fn read(&mut self, format: &str) -> Result<Option<usize>> {
        let file = BufReader::new(File::open(self.file(format))?);
        let bounds = ReadBounds { rows: self.table.num_rows(), ..ReadBounds::default() };
        let (_, batches) = match format {
            "TABLEDATA" | "BINARY2" => read_votable(file, &bounds)?,
            "ECSV" => read_ecsv(file, &bounds)?,
            "FITS" => read_fits(file, &bounds)?,
            _ => return Ok(None),
        };
        Ok(Some(batches.iter().map(RecordBatch::num_rows).sum()))
    }
}

/// A source_id and seven doubles of all their digits. What golden-ratio steps draw is spread evenly and the same every time.
fn table(rows: usize) -> Result<RecordBatch> {
    let mut fields = vec![Field::new("source_id", DataType::Int64, true)];
    let ids = (0..rows as i64).map(|row| row * 68_719_476_735_007 + 4_295_806_720);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(ids))];
    for (number, (name, unit, start, width)) in COLUMNS.into_iter().enumerate() {
        let step = 0.618_033_988_749_894_9 + number as f64 * 0.01;
        let values = (0..rows).map(|row| start + width * ((row + 1) as f64 * step).fract());
        let metadata = HashMap::from([("unit".to_owned(), unit.to_owned())]);
        fields.push(Field::new(name, DataType::Float64, true).with_metadata(metadata));
        columns.push(Arc::new(Float64Array::from_iter_values(values)));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
