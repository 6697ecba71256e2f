//! Reading FITS: the first binary table of a file that a stranger wrote, as record batches. FITS 4.0 section 7.3.
//!
//! Rows are read one after the other, so that nothing is held but the header, a row, and what was put together; arrays in the heap behind
//! the rows are refused for it. `cards` reads headers, `column` what TFORMn and its companions say and a column's cells.

mod cards;
mod column;

use std::io::Read;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use self::cards::Cards;
use self::column::FitsField;
use super::BLOCK;
use crate::incoming::{Exceeded, IncomingTable, ReadBounds, quoted};

/// Bytes of a row.
const WIDEST_ROW: usize = 16 << 20;

/// A FITS file whose table could not be read: what is wrong, where, and what to do about it. Rows and columns count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitsReadError {
    /// The bytes did not come, or there are fewer than the header says.
    #[error("the FITS file ends in {place}, or cannot be read there; is it cut off?")]
    Input {
        /// Where it ends.
        place: String,
        /// What was found.
        #[source]
        source: std::io::Error,
    },
    /// A header that isn't FITS, or not of a table that is read.
    #[error("{0}")]
    Header(String),
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
    /// A value that its column does not hold.
    #[error("row {row}, column {name:?}: {problem}")]
    Value {
        /// The row, from 1.
        row: usize,
        /// The column's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// There are too many rows or too much in them.
    #[error("{0}")]
    TooLarge(String),
}

type Result<T> = std::result::Result<T, FitsReadError>;

impl From<Exceeded> for FitsReadError {
    fn from(exceeded: Exceeded) -> Self {
        FitsReadError::TooLarge(exceeded.to_string())
    }
}

/// The first binary table of a FITS file.
///
/// Columns of `L`, `B`, `I`, `J`, `K`, `E`, `D` and `A` have the types that queries know; arrays are lists of their size. Scaled integers
/// are doubles, but for those that stand for unsigned ones (TZERO), which are wider integers. Unit, UCD, utype and description are taken
/// from TUNITn, TUCDn, TUTYPn and TCOMMn. A null is what TNULLn says, an empty text, or NaN.
///
/// # Errors
/// [`FitsReadError`]: for what is no FITS, has no binary table, or columns of bits, complex numbers or arrays in the heap; for what is
/// cut off; for what meets a bound.
pub fn read_fits(mut input: impl Read, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let cards = find_table(&mut input, bounds.document_bytes)?;
    let fields = fields(&cards)?;
    let (row_width, rows) = (cards.size("NAXIS1")?, cards.size("NAXIS2")?);
    let width: usize = fields.iter().map(FitsField::width).sum();
    if row_width != width as u64 || width > WIDEST_ROW {
        let problem = format!(
            "NAXIS1 says that rows have {row_width} bytes, the columns have {width}; at most {WIDEST_ROW} are read"
        );
        return Err(FitsReadError::Header(problem));
    }
    if rows > bounds.rows as u64 {
        return Err(Exceeded::Rows(bounds.rows).into());
    }
    if rows.saturating_mul(row_width) > bounds.document_bytes {
        return Err(Exceeded::Bytes(usize::try_from(bounds.document_bytes).unwrap_or(usize::MAX)).into());
    }
    read_rows(&mut input, &fields, rows, *bounds)
}

fn read_rows(
    input: &mut impl Read,
    fields: &[FitsField],
    rows: u64,
    bounds: ReadBounds,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let (arrow, columns) = fields.iter().map(FitsField::incoming).unzip();
    let mut table = IncomingTable::new(arrow, columns, bounds);
    let mut row = vec![0; fields.iter().map(FitsField::width).sum()];
    for _ in 0..rows {
        let number = table.rows() + 1;
        let place = || format!("row {number} of {rows}");
        input.read_exact(&mut row).map_err(|source| FitsReadError::Input { place: place(), source })?;
        let mut rest = row.as_slice();
        for (at, field) in fields.iter().enumerate() {
            let (cell, behind) = rest.split_at(field.width());
            rest = behind;
            let wrong = |problem| FitsReadError::Value { row: number, name: quoted(field.name()), problem };
            field.push(cell, table.column(at)).map_err(wrong)?;
            table.end_cell(at)?;
        }
        table.end_row()?;
    }
    Ok(table.finish()?)
}

fn fields(cards: &Cards) -> Result<Vec<FitsField>> {
    let count = cards.size("TFIELDS")?;
    if !(1..=super::MOST_COLUMNS as u64).contains(&count) {
        return Err(FitsReadError::Header(format!(
            "TFIELDS says {count}; a binary table has 1 to {} columns",
            super::MOST_COLUMNS
        )));
    }
    let mut fields: Vec<FitsField> = Vec::new();
    for number in 1..=usize::try_from(count).unwrap_or(0) {
        let name = cards.text(&format!("TTYPE{number}")).map_or_else(|| format!("col{number}"), str::to_owned);
        let refused = |problem| FitsReadError::Column { column: number, name: quoted(&name), problem };
        let field = FitsField::declared(cards, number, name.clone()).map_err(refused)?;
        if fields.iter().any(|other| other.name() == field.name()) {
            return Err(refused("another column has the same name; rename one".to_owned()));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// Reads up to the rows of the first binary table; its header.
fn find_table(input: &mut impl Read, most_bytes: u64) -> Result<Cards> {
    let first = Cards::read(input, "the first header")?.filter(|cards| cards.has("SIMPLE"));
    let mut cards =
        first.ok_or_else(|| FitsReadError::Header("the file does not begin with SIMPLE; it is no FITS".to_owned()))?;
    let mut skipped: u64 = 0;
    let mut number = 1;
    while cards.text("XTENSION") != Some("BINTABLE") || cards.has("ZIMAGE") {
        let size = cards.data_size()?.next_multiple_of(BLOCK as u64);
        skipped = skipped.saturating_add(size).saturating_add(BLOCK as u64);
        if skipped > most_bytes {
            return Err(FitsReadError::TooLarge(
                "the table lies behind more bytes than may be brought along".to_owned(),
            ));
        }
        let place = || format!("the data of HDU {number}");
        let copied = std::io::copy(&mut input.by_ref().take(size), &mut std::io::sink());
        let copied = copied.map_err(|source| FitsReadError::Input { place: place(), source })?;
        if copied < size {
            return Err(FitsReadError::Input { place: place(), source: std::io::ErrorKind::UnexpectedEof.into() });
        }
        number += 1;
        let next = Cards::read(input, &format!("the header of HDU {number}"))?;
        let none = || FitsReadError::Header("the file has no binary table (XTENSION BINTABLE)".to_owned());
        cards = next.ok_or_else(none)?;
    }
    Ok(cards)
}
