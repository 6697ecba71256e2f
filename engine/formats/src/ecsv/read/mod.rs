//! Reading ECSV 0.9 and 1.0 that a stranger wrote, as record batches.
//!
//! `yaml` reads the head, `column` what it says of a column and a column's cells, `records` the rows.

mod column;
mod records;
mod yaml;

use std::io::BufRead;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::column::EcsvColumn;
use self::records::Records;
use self::yaml::Yaml;
use crate::incoming::{Exceeded, IncomingTable, MOST_COLUMNS, ReadBounds, quoted};

/// Bytes of the head.
const LONGEST_HEAD: usize = 4 << 20;

/// An ECSV table that could not be read: what is wrong, where, and what to do about it. Lines, rows and columns count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EcsvReadError {
    /// The bytes did not come.
    #[error("cannot read the ECSV after line {line}")]
    Input {
        /// The line that was reached.
        line: u64,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A head that isn't ECSV's.
    #[error("the head of the ECSV: {0}")]
    Head(String),
    /// A column that isn't taken.
    #[error("column {column} ({name:?}): {problem}")]
    Column {
        /// The column, from 1.
        column: usize,
        /// Its name.
        name: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A line that isn't a row of these columns.
    #[error("line {line}: {problem}")]
    Row {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A value that its column does not hold.
    #[error("line {line}, column {name:?}: {problem}")]
    Value {
        /// The line, from 1.
        line: u64,
        /// The column's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// There are too many rows or too much in them.
    #[error("{0}")]
    TooLarge(String),
}

type Result<T> = std::result::Result<T, EcsvReadError>;

impl From<Exceeded> for EcsvReadError {
    fn from(exceeded: Exceeded) -> Self {
        EcsvReadError::TooLarge(exceeded.to_string())
    }
}

/// A table of ECSV (astropy's APE 6).
///
/// Columns have the types that queries know: bytes 16 bits, unsigned integers the next wider ones, texts of xtype `timestamp` microseconds;
/// arrays are lists, of their size if it is declared, of several axes all elements one after the other. Unit, description and from `meta` UCD,
/// utype and xtype stand in the fields' metadata. An empty cell is a null.
///
/// # Errors
/// [`EcsvReadError`]: for what is no ECSV, for objects and arrays of texts, for values that their column does not hold, for what meets a bound.
pub fn read_ecsv(input: impl BufRead, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let mut records = Records::new(input.take(bounds.document_bytes));
    let head = Yaml::read(&head(&mut records)?).map_err(EcsvReadError::Head)?;
    match head.text("delimiter") {
        None | Some(" ") => {}
        Some(",") => records.separator = b',',
        Some(other) => {
            return Err(EcsvReadError::Head(format!(
                "the delimiter {:?} is neither a space nor a comma",
                quoted(other)
            )));
        }
    }
    let columns = columns(&head)?;
    check_names(&mut records, &columns)?;
    let (fields, incoming) = columns.iter().map(EcsvColumn::incoming).unzip();
    let mut table = IncomingTable::new(fields, incoming, *bounds);
    while records.next()? {
        let line = records.line();
        if records.len() != columns.len() {
            let problem = format!("it has {} cells where there are {} columns", records.len(), columns.len());
            return Err(EcsvReadError::Row { line, problem });
        }
        for (at, column) in columns.iter().enumerate() {
            let cell = records.cell(at)?;
            let wrong = |problem| EcsvReadError::Value { line, name: quoted(&column.name), problem };
            column.push(cell, table.column(at)).map_err(wrong)?;
            table.end_cell(at)?;
        }
        table.end_row()?;
    }
    if records.bytes() >= bounds.document_bytes {
        return Err(EcsvReadError::TooLarge("the file has more bytes than may be brought along".to_owned()));
    }
    Ok(table.finish()?)
}

/// The lines of the head without what makes them comments.
fn head(records: &mut Records<impl BufRead>) -> Result<String> {
    let mut head = String::new();
    while let Some(line) = records.comment()? {
        if head.is_empty() && !(line.trim().starts_with("%ECSV 0.") || line.trim().starts_with("%ECSV 1.")) {
            return Err(EcsvReadError::Head("the first line is not \"# %ECSV 1.0\"".to_owned()));
        }
        head.push_str(line.strip_prefix(' ').unwrap_or(&line));
        head.push('\n');
        if head.len() > LONGEST_HEAD {
            return Err(EcsvReadError::Head(format!("it has more than {LONGEST_HEAD} bytes")));
        }
    }
    if head.is_empty() {
        return Err(EcsvReadError::Head("there is none; the first line of ECSV is \"# %ECSV 1.0\"".to_owned()));
    }
    Ok(head)
}

fn columns(head: &Yaml) -> Result<Vec<EcsvColumn>> {
    let Some(Yaml::List(entries)) = head.get("datatype") else {
        return Err(EcsvReadError::Head("it has no list of datatypes".to_owned()));
    };
    if !(1..=MOST_COLUMNS).contains(&entries.len()) {
        return Err(EcsvReadError::Head(format!("it has {} columns; 1 to {MOST_COLUMNS} are read", entries.len())));
    }
    let mut columns: Vec<EcsvColumn> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let name = entry.text("name").unwrap_or_default();
        let refused = |problem| EcsvReadError::Column { column: at + 1, name: quoted(name), problem };
        let column = EcsvColumn::declared(entry).map_err(refused)?;
        if columns.iter().any(|other| other.name == column.name) {
            return Err(refused("another column has the same name; rename one".to_owned()));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// The first line that is no comment has the names again.
fn check_names(records: &mut Records<impl BufRead>, columns: &[EcsvColumn]) -> Result<()> {
    let found = records.next()?;
    let same = records.len() == columns.len();
    for (at, column) in columns.iter().enumerate().take(if found && same { columns.len() } else { 0 }) {
        if records.cell(at)? != column.name {
            let problem =
                format!("it names {:?} where the head has {:?}", quoted(records.cell(at)?), quoted(&column.name));
            return Err(EcsvReadError::Row { line: records.line(), problem });
        }
    }
    match found && same {
        true => Ok(()),
        false => Err(EcsvReadError::Row {
            line: records.line(),
            problem: "the names of the columns are not there, as many as the head has".to_owned(),
        }),
    }
}
