//! Which fields of a file's objects become which columns.

use serde::{Deserialize, Serialize};

/// The type a field is read as. Values are never rounded: a field of another kind is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Microseconds since 1970, UTC; in the file an ISO 8601 text.
    TimestampUs,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowField {
    /// The column's name.
    pub name: String,
    /// The dataset or attribute of the object that fills it.
    pub field: String,
    /// What it is read as.
    pub data_type: FieldType,
    /// The number of elements where it is an array.
    pub length: Option<u32>,
    /// True when an object without it is an error.
    pub required: bool,
}

/// What to read from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowModel {
    /// The class of objects; in the table layout, the group that holds a dataset per field.
    pub class: String,
    /// The name of one object without its number; in the object layout, a group per object.
    pub object: String,
    /// The fields.
    pub fields: Vec<RowField>,
}
