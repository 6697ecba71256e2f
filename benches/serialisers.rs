//! Rows of a table in memory to TABLEDATA, BINARY2, CSV and FITS, against astropy's `Table.write` of the same rows, also to memory.
//!
//! Needs `SPOLIA_PYTHON`, a Python with astropy and pyarrow; it has read the table before the first run is timed.

#![allow(clippy::expect_used, missing_docs, clippy::print_stderr, reason = "a bench that cannot run ends there")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spolia_formats::{Encoder, Format, ResultInfo, Status};

const ROWS: usize = 100_000;
/// As they come from the nodes, more or less.
const BATCH_ROWS: usize = 8192;
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
const FORMATS: [(&str, Format); 4] = [
    ("TABLEDATA", Format::VotableTabledata),
    ("BINARY2", Format::VotableBinary2),
    ("CSV", Format::Csv),
    ("FITS", Format::Fits),
];

fn serialisers(criterion: &mut Criterion) {
    let table = table();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stream = folder.path().join("table.arrows");
    std::fs::write(&stream, encode(&table, Format::Arrow)).expect("the table for astropy");
    let mut peer = Astropy::start(&stream);
    let mut group = criterion.benchmark_group("serialisers");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    for (name, format) in FORMATS {
        group.bench_function(BenchmarkId::new("spolia", name), |bencher| bencher.iter(|| encode(&table, format).len()));
        if let Some(peer) = &mut peer {
            group.bench_function(BenchmarkId::new("astropy", name), |bencher| bencher.iter(|| peer.write(name)));
        }
    }
    group.finish();
    if let Some(peer) = peer {
        peer.end();
    }
}

/// A source_id and seven doubles of all their digits. What golden-ratio steps draw is spread evenly and the same every time.
fn table() -> RecordBatch {
    let described = |name: &str, data_type, unit: Option<&str>| {
        let metadata: HashMap<String, String> =
            unit.map(|unit| ("unit".to_owned(), unit.to_owned())).into_iter().collect();
        Field::new(name, data_type, true).with_metadata(metadata)
    };
    let mut fields = vec![described("source_id", DataType::Int64, None)];
    let ids = (0..ROWS as i64).map(|row| row * 68_719_476_735_007 + 4_295_806_720);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(ids))];
    for (number, (name, unit, start, width)) in COLUMNS.into_iter().enumerate() {
        let step = 0.618_033_988_749_894_9 + number as f64 * 0.01;
        let values = (0..ROWS).map(|row| start + width * ((row + 1) as f64 * step).fract());
        fields.push(described(name, DataType::Float64, Some(unit)));
        columns.push(Arc::new(Float64Array::from_iter_values(values)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

fn encode(table: &RecordBatch, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(format, table.schema(), ResultInfo::default()).expect("columns of every format");
    for start in (0..ROWS).step_by(BATCH_ROWS) {
        let batch = table.slice(start, BATCH_ROWS.min(ROWS - start));
        encoder.batch(&batch, &mut out).expect("rows of every format");
    }
    encoder.finish(&Status::Ok, &mut out).expect("an end");
    out
}

/// A Python that has astropy and the table loaded.
struct Astropy {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Astropy {
    fn start(stream: &Path) -> Option<Self> {
        let Some(python) = std::env::var_os("SPOLIA_PYTHON") else {
            eprintln!("skipped: no Python with astropy (SPOLIA_PYTHON)");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/astropy_write.py");
        let mut command = Command::new(python);
        command.arg(script).arg(stream).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python runs");
        let requests = process.stdin.take().expect("its input");
        let answers = BufReader::new(process.stdout.take().expect("its output"));
        let mut peer = Self { process, requests, answers };
        peer.ask("");
        Some(peer)
    }

    /// Writes the table once in this format; the bytes that it became.
    fn write(&mut self, format: &str) -> usize {
        let bytes = self.ask(format);
        assert!(bytes > ROWS, "astropy wrote {bytes} bytes of {format}");
        bytes
    }

    fn ask(&mut self, line: &str) -> usize {
        writeln!(self.requests, "{line}").expect("python listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("python answers");
        answer.trim().parse().expect("a number of bytes")
    }

    fn end(mut self) {
        drop(self.requests);
        self.process.wait().expect("python ends");
    }
}

criterion_group!(benches, serialisers);
criterion_main!(benches);
