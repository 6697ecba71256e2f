//! Query results as bytes: Arrow record batches in, the formats that astronomers ask for out; and tables that they bring along
//! ([`read_table`]).
//!
//! An [`Encoder`] is fed batch by batch and appends to a byte buffer, so that a server can send the first rows before the
//! last one is read; it does no I/O. [`Format`] knows the names and media types of TAP 1.1, [`ResultInfo`] carries what is
//! said beside the table (INFO elements, DataLink service descriptors).
//!
//! Column metadata travels in the Arrow field's metadata under the keys `unit`, `ucd`, `utype`, `xtype`, `description` and
//! `arraysize` ([`VoField`]). **Invariant:** a 64-bit integer never passes through a double or a JSON number
//! (but in ECSV's arrays, which are JSON by definition and whose readers keep all digits).
//!
//! | format | null | NaN, infinities | 64-bit integers | overflow told | failure told |
//! |---|---|---|---|---|---|
//! | VOTable TABLEDATA | empty cell (text: same as empty) | `NaN`, `+Inf`, `-Inf` | digits | INFO after the table | INFO after the table |
//! | VOTable BINARY | integers as their column declares, NaN, text: same as empty | IEEE (NaN: same as null) | 8 bytes | INFO after the table | INFO after the table |
//! | VOTable BINARY2 | null flag | IEEE | 8 bytes | INFO after the table | INFO after the table |
//! | CSV | nothing (empty text: `""`) | `NaN`, `Infinity`, `-Infinity` | digits | no | no |
//! | TSV | nothing (text: same as empty) | as CSV | digits | no | no |
//! | ECSV | `""` (text: same as empty) | `nan`, `inf`, `-inf`; in arrays `NaN`, `Infinity`, `-Infinity` | digits | in the head, where there is room for it | no |
//! | JSON | `null` | the strings `"NaN"`, `"Infinity"`, `"-Infinity"` | **strings** of digits | `status` | `status` |
//! | text | blank | as CSV | digits | last line | last line |
//! | HTML | blank | as CSV | digits | last paragraph | last paragraph |
//! | Arrow | validity bitmap | IEEE | 8 bytes | in the schema's metadata, where there is room for it | no |
//! | Parquet | definition level | IEEE | 8 bytes | INFO in the VOTable header | no |
//! | FITS | TNULL, NaN, NUL | IEEE | 8 bytes | keyword `QSTATUS` | no |
//!
//! Where an overflow isn't told to readers ([`Format::reports_status`]), a server spools the result, up to a bound of its own, and tells it
//! before the rows: in a header, and where there is room for it in the result's beginning ([`Encoder::beginning`]). Where a failure can't
//! be told, [`Encoder::finish`] returns [`FormatError::Unreported`] and the caller breaks the transfer, so that a cut-off result is never
//! taken for a whole one.

mod arrow_stream;
mod cell;
mod csv_head;
mod delimited;
mod ecsv;
mod encoder;
mod error;
mod field;
mod fits;
mod fitted;
mod format;
mod html;
mod incoming;
mod info;
mod json;
mod literal;
mod table_file;
mod text;
mod voparquet;
mod votable;

pub use ecsv::{EcsvReadError, read_ecsv};
pub use encoder::{DEFAULT_FITS_BYTES, Encoder, Status};
pub use error::FormatError;
pub use field::{Datatype, FIELD_KEYS, Shape, VoField};
pub use fits::{FitsReadError, read_fits};
pub use fitted::{FitError, fitted};
pub use format::Format;
pub use incoming::ReadBounds;
pub use info::{Param, ResultInfo, ServiceDescriptor, Values};
pub use table_file::{TableFileError, bytes_of, read_rows_for, read_table};
pub use votable::{DescribedTable, VotableError, error_votable, read_vosi_table, read_votable};
