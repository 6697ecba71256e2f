//! Reading VOTable 1.0 to 1.5: the first TABLE of a document that a stranger wrote, as record batches.
//!
//! Written on quick-xml rather than the `votable` crate (0.7): that one keeps cells as enums or texts and the document as a tree,
//! bounds nothing (rows, nesting, texts, lengths in streams), passes over DTDs, and needs an XML parser of 2022 and readers of YAML and TOML. Here each bound is met before memory is taken for what exceeds it: [`ReadBounds`], `source`, `xml`.
//!
//! `document` goes down to the TABLE, `field` reads what FIELDs declare, `tabledata` and `binary` (over `base64`) the rows, cell by
//! cell (`value`) into [`Rows`](rows::Rows).

mod base64;
mod binary;
mod document;
mod error;
mod field;
mod rows;
mod source;
mod tabledata;
mod value;
mod vosi;
mod xml;

use std::io::BufRead;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub use self::error::VotableError;
pub use self::vosi::{DescribedTable, read_vosi_table};
use crate::incoming::ReadBounds;

/// The first table of a VOTable: TABLEDATA, BINARY or BINARY2 in the document itself. VOTable 1.4.
///
/// Columns are called by their FIELD's `name`, or `ID` if it has none. They have the types that queries know: `bit` is boolean, `unsignedByte` and `short`
/// 16 bits, `int` 32, `long` 64; texts of xtype `timestamp` microseconds without a zone, other texts what they are; arrays of declared
/// size lists of that size, others lists of any, of several axes all elements one after the other. Unit, UCD, utype, xtype, description and
/// `arraysize` stand in the fields' metadata ([`VoField`](crate::VoField) has the keys).
///
/// A null is an empty cell, a set null flag, what `VALUES null` says, an empty text (but in BINARY2), and in BINARY a NaN.
///
/// # Errors
/// [`VotableError`]: for what is no VOTable, has a DTD, entities of its own, other encodings than UTF-8, rows outside of the document, complex
/// numbers, arrays of bits or texts; for values that their FIELD does not hold; for what meets a bound; for the answer of a query
/// that failed.
pub fn read_votable(input: impl BufRead, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>), VotableError> {
    document::read(input, *bounds)
}
