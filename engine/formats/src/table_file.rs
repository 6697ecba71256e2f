//! Tables that someone brings along: files of CSV, TSV, ECSV, VOTable, FITS, Parquet or Arrow, as record batches of the types that queries know.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchReader};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::csv_head;
use crate::ecsv::{EcsvReadError, read_ecsv};
use crate::field::FIELD_KEYS;
use crate::fits::{FitsReadError, read_fits};
use crate::fitted::{FitError, fitted};
use crate::incoming::{MOST_COLUMNS, ReadBounds, quoted};
use crate::votable::{VotableError, read_votable};

/// Rows of a CSV file that its columns' types are found from.
const ROWS_FOR_TYPES: usize = 100_000;

/// Bytes of what a file says of a column.
const LONGEST_TEXT: usize = 64 << 10;

/// A table that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableFileError {
    /// The name says nothing of the format.
    #[error("{0} is none of .csv, .tsv, .ecsv, .vot, .fits, .parquet and .arrow, so that its format is not known")]
    Extension(PathBuf),
    /// The file does not open.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what its name says.
    #[error("cannot read the table in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: ArrowError,
    },
    /// The file is no VOTable that is read.
    #[error("cannot read the VOTable in {path}")]
    Votable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: VotableError,
    },
    /// The file is no FITS table that is read.
    #[error("cannot read the FITS table in {path}")]
    Fits {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: FitsReadError,
    },
    /// The file is no ECSV that is read.
    #[error("cannot read the ECSV table in {path}")]
    Ecsv {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: EcsvReadError,
    },
    /// There is too much in it.
    #[error("the table in {path} has more than {} rows or {} MB, which is as much as may be brought along", bounds.rows, bounds.memory_bytes >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How much there may be.
        bounds: ReadBounds,
    },
    /// It does not fit the table that it is for.
    #[error("the rows in {path} do not fit")]
    Fit {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: FitError,
    },
    /// There are too many columns.
    #[error("the table in {0} has more than {MOST_COLUMNS} columns")]
    Columns(PathBuf),
    /// A column of a type that no query knows.
    #[error(
        "column {column:?} of {path} is of type {data_type}, which queries do not know; leave it out or write it as text or number"
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its Arrow type.
        data_type: DataType,
    },
}

/// The table in a file, by its extension; within these bounds.
///
/// Integers become 16, 32 or 64 bits wide with a sign, texts plain ones, times microseconds without a zone; arrays stay lists of such
/// numbers. VOTable, FITS and ECSV are read as [`read_votable`], [`read_fits`] and [`read_ecsv`] say.
///
/// # Errors
/// [`TableFileError`], which names the file and what is wrong in it.
pub fn read_table(path: &Path, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>), TableFileError> {
    match extension(path).as_deref() {
        Some("vot" | "votable" | "xml") => {
            let table = read_votable(BufReader::new(open(path)?), bounds);
            table.map_err(|source| TableFileError::Votable { path: path.to_owned(), source })
        }
        Some("fits" | "fit") => {
            let table = read_fits(BufReader::new(open(path)?), bounds);
            table.map_err(|source| TableFileError::Fits { path: path.to_owned(), source })
        }
        Some("ecsv") => {
            let table = read_ecsv(BufReader::new(open(path)?), bounds);
            table.map_err(|source| TableFileError::Ecsv { path: path.to_owned(), source })
        }
        _ => {
            let (schema, rows) = read_by_arrow(path, reader(path)?, bounds)?;
            // As texts, they tell numbers that are too large from infinity.
            let rows = match delimiter(path) {
                Some(_) if rows.iter().any(has_infinity) => read_rows_for(path, &schema, bounds)?,
                _ => rows,
            };
            Ok((schema, rows))
        }
    }
}

/// The rows in a file, for a table with the columns of `wanted`; within these bounds. What CSV and TSV say is read as of the types that
/// are wanted; otherwise as [`read_table`] and [`fitted`] say.
///
/// # Errors
/// [`TableFileError`], which names the file and what is wrong in it.
pub fn read_rows_for(path: &Path, wanted: &SchemaRef, bounds: &ReadBounds) -> Result<Vec<RecordBatch>, TableFileError> {
    let (schema, rows) = match delimiter(path) {
        Some(delimiter) => {
            let reader = delimited([open(path)?, open(path)?, open(path)?], delimiter, true);
            let reader = reader.map_err(|source| TableFileError::Read { path: path.to_owned(), source })?;
            read_by_arrow(path, reader, bounds)?
        }
        None => read_table(path, bounds)?,
    };
    fitted(&schema, rows, wanted).map_err(|source| TableFileError::Fit { path: path.to_owned(), source })
}

/// A table of a format that Arrow's crates read.
fn read_by_arrow(
    path: &Path,
    reader: Box<dyn RecordBatchReader>,
    bounds: &ReadBounds,
) -> Result<(SchemaRef, Vec<RecordBatch>), TableFileError> {
    let read = |source| TableFileError::Read { path: path.to_owned(), source };
    let schema = queryable(path, &reader.schema())?;
    let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
    for batch in reader {
        let batch = batch.map_err(read)?;
        rows += batch.num_rows();
        bytes += bytes_of(&batch);
        if rows > bounds.rows || bytes > bounds.memory_bytes {
            return Err(TableFileError::TooLarge { path: path.to_owned(), bounds: *bounds });
        }
        let columns =
            batch.columns().iter().zip(schema.fields()).map(|(column, field)| exact(column, field.data_type()));
        let columns = columns.collect::<Result<_, _>>().map_err(read)?;
        batches.push(RecordBatch::try_new(Arc::clone(&schema), columns).map_err(read)?);
    }
    Ok((schema, batches))
}

/// The bytes that rows take; buffers that they share with others, as those that came in one message do, count as far as these rows go.
pub fn bytes_of(rows: &RecordBatch) -> usize {
    let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
    rows.columns().iter().map(bytes).fold(0, usize::saturating_add)
}

/// Whether a 64-bit float is infinite.
fn has_infinity(rows: &RecordBatch) -> bool {
    let floats = rows.columns().iter().filter_map(|column| column.as_primitive_opt::<Float64Type>());
    floats.flatten().flatten().any(f64::is_infinite)
}

/// The values in another type; one that this cannot hold is an error, not a null.
fn exact(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(values, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}

fn extension(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase())
}

fn open(path: &Path) -> Result<File, TableFileError> {
    File::open(path).map_err(|source| TableFileError::Open { path: path.to_owned(), source })
}

fn reader(path: &Path) -> Result<Box<dyn RecordBatchReader>, TableFileError> {
    let made: Result<Box<dyn RecordBatchReader>, ArrowError> = match extension(path).as_deref() {
        Some("csv" | "tsv") => {
            delimited([open(path)?, open(path)?, open(path)?], delimiter(path).unwrap_or(b','), false)
        }
        Some("parquet") => ParquetRecordBatchReaderBuilder::try_new(open(path)?)
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(ArrowError::from)
            .map(|reader| Box::new(reader) as _),
        Some("arrow") => arrow::ipc::reader::StreamReader::try_new_buffered(open(path)?, None)
            .map(|reader| Box::new(reader) as _)
            .or_else(|_| {
                let file = open(path).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
                Ok(Box::new(arrow::ipc::reader::FileReader::try_new_buffered(file, None)?) as _)
            }),
        _ => return Err(TableFileError::Extension(path.to_owned())),
    };
    made.map_err(|source| TableFileError::Read { path: path.to_owned(), source })
}

/// What divides the columns of a file of CSV or TSV.
fn delimiter(path: &Path) -> Option<u8> {
    match extension(path)?.as_str() {
        "csv" => Some(b','),
        "tsv" => Some(b'\t'),
        _ => None,
    }
}

/// The first row has the names; the first rows tell the types, unless everything is to be taken as text.
fn delimited(
    [first, head, file]: [File; 3],
    delimiter: u8,
    as_text: bool,
) -> Result<Box<dyn RecordBatchReader>, ArrowError> {
    if let Some(excess) = csv_head::excess(first, delimiter)? {
        return Err(ArrowError::CsvError(excess));
    }
    let format = arrow::csv::reader::Format::default().with_header(true).with_delimiter(delimiter);
    let rows = if as_text { 0 } else { ROWS_FOR_TYPES };
    let (schema, _) = format.infer_schema(std::io::BufReader::new(head), Some(rows))?;
    let named = |field: &Arc<Field>| {
        let data_type = if as_text { DataType::Utf8 } else { field.data_type().clone() };
        Field::new(field.name().trim_start_matches('\u{feff}').trim(), data_type, true)
    };
    let schema = Schema::new(schema.fields().iter().map(named).collect::<Vec<_>>());
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(schema)).with_header(true).with_delimiter(delimiter);
    Ok(Box::new(reader.build(file)?))
}

/// The schema with types that queries know.
fn queryable(path: &Path, schema: &Schema) -> Result<SchemaRef, TableFileError> {
    let field = |field: &Arc<Field>| {
        let data_type = queryable_type(field.data_type()).ok_or_else(|| TableFileError::Column {
            path: path.to_owned(),
            column: quoted(field.name()),
            data_type: field.data_type().clone(),
        })?;
        let mut metadata = field.metadata().clone();
        metadata.retain(|key, text| FIELD_KEYS.contains(&key.as_str()) && text.len() <= LONGEST_TEXT);
        Ok(Field::new(field.name(), data_type, true).with_metadata(metadata))
    };
    if schema.fields().len() > MOST_COLUMNS {
        return Err(TableFileError::Columns(path.to_owned()));
    }
    let fields = schema.fields().iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn queryable_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::List(item) | DataType::LargeList(item) => DataType::List(queryable_item(item)?),
        DataType::FixedSizeList(item, size) if *size > 0 => DataType::FixedSizeList(queryable_item(item)?, *size),
        // A column without any value.
        DataType::Null => DataType::Utf8,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, value) if value.is_string() => DataType::Utf8,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        other => queryable_number(other)?,
    })
}

fn queryable_item(item: &Field) -> Option<Arc<Field>> {
    Some(Arc::new(Field::new("item", queryable_number(item.data_type())?, true)))
}

fn queryable_number(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Int16,
        DataType::UInt16 | DataType::Int32 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 | DataType::Int64 => DataType::Int64,
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Float64 => DataType::Float64,
        DataType::Boolean => DataType::Boolean,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int8Array, StringArray, UInt64Array};
    use arrow::datatypes::{Int16Type, Int64Type};

    use super::*;
    use crate::{Encoder, Format, ResultInfo, Status};

    const TWO_ROWS: ReadBounds = ReadBounds { rows: 2, document_bytes: 1 << 20, memory_bytes: 1 << 20 };

    fn check_refused(name: &str, content: &str, words: &str) {
        let folder = std::env::temp_dir().join(format!("spolia-table-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        let error = read_table(&path, &TWO_ROWS).unwrap_err();
        let said = format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(said.contains(words), "{said}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn tables_that_cannot_be_taken_are_refused() {
        check_refused("stars.txt", "", "none of .csv");
        check_refused("three.csv", "id\n1\n2\n3\n", "more than 2 rows");
        check_refused("huge.csv", "a\n1e999\n", "cannot hold 1e999");
        check_refused("stars.parquet", "no parquet", "cannot read the table");
        check_refused("stars.arrow", "no arrow", "cannot read the table");
        check_refused("stars.vot", "no votable", "cannot read the VOTable");
        check_refused("stars.fits", "no fits", "cannot read the FITS table");
        check_refused("stars.xml", "<a/>", "not a VOTABLE");
        assert!(matches!(read_table(Path::new("/nowhere/stars.csv"), &TWO_ROWS), Err(TableFileError::Open { .. })));
    }

    #[test]
    fn a_table_is_the_same_from_every_format() {
        let folder = std::env::temp_dir().join(format!("spolia-tables-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(UInt64Array::from(vec![1, 4_611_686_018_427_387_905]))),
            ("flag", Arc::new(Int8Array::from(vec![Some(-1), None]))),
            ("name", Arc::new(StringArray::from(vec!["a", "b"]))),
            ("ra", Arc::new(arrow::array::Float64Array::from(vec![0.1, 359.5]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = |name: &str| File::create(folder.join(name)).unwrap();
        arrow::csv::WriterBuilder::new().with_header(true).build(file("t.csv")).write(&batch).unwrap();
        let mut parquet = parquet::arrow::ArrowWriter::try_new(file("t.parquet"), batch.schema(), None).unwrap();
        parquet.write(&batch).unwrap();
        parquet.close().unwrap();
        let mut stream = arrow::ipc::writer::StreamWriter::try_new(file("t.arrow"), &batch.schema()).unwrap();
        stream.write(&batch).unwrap();
        stream.finish().unwrap();
        for (name, format) in [
            ("t.vot", Format::VotableTabledata),
            ("t.xml", Format::VotableBinary2),
            ("t.fits", Format::Fits),
            ("t.ecsv", Format::Ecsv),
        ] {
            let mut encoder = Encoder::new(format, batch.schema(), ResultInfo::default()).unwrap();
            let mut bytes = Vec::new();
            encoder.batch(&batch, &mut bytes).unwrap();
            encoder.finish(&Status::Ok, &mut bytes).unwrap();
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        for name in ["t.csv", "t.parquet", "t.arrow", "t.vot", "t.xml", "t.fits", "t.ecsv"] {
            let (schema, batches) = read_table(&folder.join(name), &TWO_ROWS).unwrap();
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            assert_eq!(names, ["id", "flag", "name", "ra"], "{name}");
            let ids = batches[0].column(0).as_primitive::<Int64Type>();
            assert_eq!(ids.values(), &[1, 4_611_686_018_427_387_905], "{name}");
            assert_eq!(batches[0].column(3).as_primitive::<Float64Type>().values(), &[0.1, 359.5], "{name}");
            assert_eq!(batches[0].column(1).null_count(), 1, "{name}");
            if name != "t.csv" {
                assert_eq!(batches[0].column(1).as_primitive::<Int16Type>().value(0), -1, "{name}");
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
