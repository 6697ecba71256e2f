//! Which fields of a file's objects become which columns.

use std::fmt;

/// The type a field is read as. Values are never rounded: a field of another kind is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// 64-bit integer.
    Int64,
    /// 32-bit integer.
    Int32,
    /// 16-bit integer.
    Int16,
    /// 64-bit float.
    Float64,
    /// 32-bit float.
    Float32,
    /// Text.
    Utf8,
    /// Truth value.
    Bool,
    /// Microseconds since 1970, UTC, of the years 1 to 9999; in the file an ISO 8601 text.
    TimestampUs,
    /// Days since 1970, of the years 1 to 9999; in the file an integer, or an ISO 8601 text.
    Date,
    /// A UUID; in the file 16 bytes, or a text.
    Uuid,
    /// A decimal number; in the file a text, an integer, or a float, of which the shortest text is meant that it is read back from.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Those behind the point.
        scale: u8,
    },
    /// Bytes; in the file opaque, or any number of 8-bit integers without sign.
    Binary,
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int64 => f.write_str("a 64-bit integer"),
            Self::Int32 => f.write_str("a 32-bit integer"),
            Self::Int16 => f.write_str("a 16-bit integer"),
            Self::Float64 => f.write_str("a 64-bit float"),
            Self::Float32 => f.write_str("a 32-bit float"),
            Self::Utf8 => f.write_str("a text"),
            Self::Bool => f.write_str("a truth value"),
            Self::TimestampUs => f.write_str("a time"),
            Self::Date => f.write_str("a date"),
            Self::Uuid => f.write_str("a UUID"),
            Self::Decimal { precision, scale } => write!(f, "a numeric({precision},{scale})"),
            Self::Binary => f.write_str("bytes"),
        }
    }
}

/// How many values of a field a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// A single one.
    One,
    /// An array of so many.
    Exactly(u32),
    /// An array of any number.
    Any,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowField {
    /// The column's name.
    pub name: String,
    /// The dataset or attribute of the object that fills it, or a member of one that is a compound: `fit.chi2`.
    pub field: String,
    /// What it is read as.
    pub data_type: FieldType,
    /// How many of these.
    pub count: Count,
    /// True when an object without it is an error.
    pub required: bool,
}

/// What to read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowModel {
    /// The class of objects; in the table layout, the group that holds a dataset per field.
    pub class: String,
    /// The name of one object without its number; in the object layout, a group per object.
    pub object: String,
    /// The fields.
    pub fields: Vec<RowField>,
}
