//! What can go wrong when a result is written.

use arrow::datatypes::DataType;

/// A failure to choose a format or to write a result in it; names the act that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The format asked for is none of ours.
    #[error("output format {asked:?} is not offered; ask for one of {offered}")]
    UnknownFormat {
        /// What was asked for, cut to a printable length.
        asked: String,
        /// The short names of the formats on offer.
        offered: String,
    },
    /// The column's type has no form in the format.
    #[error("column {column:?} is of type {arrow_type}, which this format can't carry; CAST it to a number or to text")]
    UnsupportedColumn {
        /// The column's name.
        column: String,
        /// Its Arrow type.
        arrow_type: DataType,
    },
    /// The declared `arraysize` is unreadable, or isn't the size of the column's arrays.
    #[error(
        "column {column:?}: the declared arraysize {declared:?} doesn't describe arrays of type {arrow_type}; correct the column's metadata"
    )]
    Arraysize {
        /// The column's name.
        column: String,
        /// The `arraysize` in its metadata.
        declared: String,
        /// Its Arrow type.
        arrow_type: DataType,
    },
    /// An array isn't as long as its column declares.
    #[error(
        "column {column:?} declares arrays of {declared} elements but a row has {found}; correct the column's arraysize"
    )]
    ArrayLength {
        /// The column's name.
        column: String,
        /// Elements per array as declared.
        declared: usize,
        /// Elements found.
        found: usize,
    },
    /// An unsigned value is beyond the signed 64-bit range, the widest integer of VOTable and FITS.
    #[error("column {column:?}: {value} is beyond the 64-bit signed range; CAST the column to text")]
    BeyondLong {
        /// The column's name.
        column: String,
        /// The value.
        value: u64,
    },
    /// A value or an element of an array is the very one that stands for null in its column.
    #[error(
        "column {column:?}: a value equals {value}, which stands for null there; choose another format or exclude it"
    )]
    NullCollision {
        /// The column's name.
        column: String,
        /// The value.
        value: i64,
    },
    /// Every value of the column's type occurs, so that none is free to stand for null (FITS).
    #[error(
        "column {column:?} has nulls but uses every value of its type, so none is left for TNULL; CAST it to a wider type"
    )]
    NoNullValue {
        /// The column's name.
        column: String,
    },
    /// The result is too big to be collected for FITS, whose header holds the row count.
    #[error(
        "the FITS result is bigger than the {limit_bytes} bytes it may take; ask for fewer rows (TOP) or for votable, csv, arrow or parquet"
    )]
    FitsTooBig {
        /// The bound in bytes.
        limit_bytes: usize,
    },
    /// A FITS table can't have that many columns.
    #[error("a FITS table has at most 999 columns, the result has {columns}; select fewer or choose another format")]
    FitsColumns {
        /// Columns in the result.
        columns: usize,
    },
    /// A batch doesn't have the schema the encoder was made for.
    #[error("can't take a batch whose columns differ from the result's schema")]
    BatchSchema {
        /// What differs.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// The result failed and its format has no place to say so: break the transfer.
    #[error("the result failed and its format can't say so: {message}")]
    Unreported {
        /// Why the result failed.
        message: String,
    },
    /// Writing a JSON string failed.
    #[error("can't write JSON")]
    WriteJson {
        /// The writer's error.
        #[source]
        source: serde_json::Error,
    },
    /// Writing the Arrow stream failed.
    #[error("can't write the Arrow stream")]
    WriteArrow {
        /// The writer's error.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// Writing the Parquet file failed.
    #[error("can't write the Parquet file")]
    WriteParquet {
        /// The writer's error.
        #[source]
        source: parquet::errors::ParquetError,
    },
}

/// The crate's result.
pub(crate) type Result<T> = std::result::Result<T, FormatError>;
