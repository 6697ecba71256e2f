//! How an Arrow column appears in the VO: datatype, arraysize and metadata of a FIELD.

use std::fmt;

use arrow::datatypes::{DataType, Field};

use crate::error::{FormatError, Result};

/// What the metadata of an Arrow field say of a column.
pub const FIELD_KEYS: [&str; 6] = ["unit", "ucd", "utype", "xtype", "arraysize", "description"];

/// The primitive a column is made of. VOTable 1.4 section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datatype {
    /// True, false or null.
    Boolean,
    /// 8 bits, 0 to 255.
    UnsignedByte,
    /// 16 bits, signed.
    Short,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Long,
    /// IEEE single.
    Float,
    /// IEEE double.
    Double,
    /// A character of one byte.
    Char,
    /// A character of two bytes (UTF-16 code unit).
    UnicodeChar,
}

impl Datatype {
    /// The name in a FIELD's `datatype`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Datatype::Boolean => "boolean",
            Datatype::UnsignedByte => "unsignedByte",
            Datatype::Short => "short",
            Datatype::Int => "int",
            Datatype::Long => "long",
            Datatype::Float => "float",
            Datatype::Double => "double",
            Datatype::Char => "char",
            Datatype::UnicodeChar => "unicodeChar",
        }
    }

    /// Bytes of one value in a binary serialization.
    pub(crate) fn width(self) -> usize {
        match self {
            Datatype::Boolean | Datatype::UnsignedByte | Datatype::Char => 1,
            Datatype::Short | Datatype::UnicodeChar => 2,
            Datatype::Int | Datatype::Float => 4,
            Datatype::Long | Datatype::Double => 8,
        }
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Datatype::UnsignedByte | Datatype::Short | Datatype::Int | Datatype::Long)
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Datatype::Char | Datatype::UnicodeChar)
    }

    /// The least value, which stands for null in arrays.
    pub(crate) fn least(self) -> i64 {
        match self {
            Datatype::Short => i64::from(i16::MIN),
            Datatype::Int => i64::from(i32::MIN),
            Datatype::Long => i64::MIN,
            _ => 0,
        }
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many primitives a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One.
    Scalar,
    /// Always this many, at least one.
    Fixed(usize),
    /// Any number; text is always of this shape.
    Variable,
}

/// A result column in the VO's words. VOTable 1.4 section 4.1.
#[derive(Clone, Debug, PartialEq)]
pub struct VoField {
    /// The column's name.
    pub name: String,
    /// Its primitive.
    pub datatype: Datatype,
    /// How many of them.
    pub shape: Shape,
    /// `arraysize` as written: none for a scalar, `*`, `10`, `2x5`.
    pub arraysize: Option<String>,
    /// Unit (VOUnits 1.0).
    pub unit: Option<String>,
    /// Unified content descriptor.
    pub ucd: Option<String>,
    /// Role in a data model.
    pub utype: Option<String>,
    /// Extended type (DALI 1.1 section 3.3), `timestamp` for times and dates.
    pub xtype: Option<String>,
    /// A sentence for people.
    pub description: Option<String>,
    /// The value that stands for null: for an *element* of integer arrays that may have one, in BINARY for integers too.
    pub(crate) null_element: Option<i64>,
    /// Text that may hold any character, as opposed to text we make ourselves (times, decimals).
    pub(crate) free_text: bool,
}

/// No declared array is longer: a null one is written out element by element.
const LONGEST_FIXED: usize = 1 << 20;

impl VoField {
    /// Describes an Arrow column; metadata is taken from the keys `unit`, `ucd`, `utype`, `xtype`, `description`, `arraysize`.
    ///
    /// Integers become the narrowest VOTable type that holds them, unsigned 64-bit ones `long`; times and dates `char` with
    /// xtype `timestamp`; binary `unsignedByte` arrays. Decimals become `char`, whatever their precision: only text is exact, and the
    /// sum of a column may have more digits than a double has, so that its form would hang on the query. A list whose metadata declares a
    /// fixed `arraysize` is of that size. `unsignedByte` arrays with nulls become `short`, so that a value is left for null.
    ///
    /// # Errors
    /// [`FormatError::UnsupportedColumn`] for types with no VOTable form (structs, nested lists, intervals),
    /// [`FormatError::Arraysize`] for a declaration that doesn't describe the column.
    pub fn from_arrow(field: &Field) -> Result<Self> {
        let (datatype, shape, item_nullable) = layout(field)?;
        let (shape, arraysize) = declared_shape(field, datatype, shape)?;
        let entry = |key: &str| field.metadata().get(key).filter(|value| !value.is_empty()).cloned();
        let mut described = VoField {
            name: field.name().clone(),
            datatype,
            shape,
            arraysize,
            unit: entry("unit"),
            ucd: entry("ucd"),
            utype: entry("utype"),
            xtype: entry("xtype").or_else(|| is_time(field.data_type()).then(|| "timestamp".to_owned())),
            description: entry("description"),
            null_element: None,
            free_text: is_string(field.data_type()),
        };
        let null_in_array = match shape {
            Shape::Scalar => false,
            Shape::Variable => item_nullable,
            Shape::Fixed(_) => item_nullable || field.is_nullable(),
        };
        if null_in_array && datatype.is_integer() {
            described.reserve_null();
        }
        Ok(described)
    }

    /// Keeps a value for null, if this is a column of integers.
    pub(crate) fn reserve_null_value(&mut self) {
        if self.shape == Shape::Scalar && self.datatype.is_integer() {
            self.reserve_null();
        }
    }

    fn reserve_null(&mut self) {
        if self.datatype == Datatype::UnsignedByte {
            self.datatype = Datatype::Short;
        }
        self.null_element = Some(self.datatype.least());
    }
}

/// Primitive, natural shape and whether an element may be null.
fn layout(field: &Field) -> Result<(Datatype, Shape, bool)> {
    let unsupported =
        || FormatError::UnsupportedColumn { column: field.name().clone(), arrow_type: field.data_type().clone() };
    match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) => {
            let datatype = number(item.data_type()).ok_or_else(unsupported)?;
            Ok((datatype, Shape::Variable, item.is_nullable()))
        }
        DataType::FixedSizeList(item, size) => {
            let datatype = number(item.data_type()).ok_or_else(unsupported)?;
            let size = usize::try_from(*size).ok().filter(|size| *size <= LONGEST_FIXED).ok_or_else(unsupported)?;
            let shape = if size == 0 { Shape::Variable } else { Shape::Fixed(size) };
            Ok((datatype, shape, item.is_nullable()))
        }
        DataType::Dictionary(_, values) => scalar_layout(values).ok_or_else(unsupported),
        other => scalar_layout(other).ok_or_else(unsupported),
    }
}

fn scalar_layout(data_type: &DataType) -> Option<(Datatype, Shape, bool)> {
    if let Some(datatype) = number(data_type) {
        return Some((datatype, Shape::Scalar, false));
    }
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Some((Datatype::UnsignedByte, Shape::Variable, false))
        }
        DataType::Null | DataType::Decimal128(..) => Some((Datatype::Char, Shape::Variable, false)),
        other if is_string(other) || is_time(other) => Some((Datatype::Char, Shape::Variable, false)),
        _ => None,
    }
}

fn number(data_type: &DataType) -> Option<Datatype> {
    Some(match data_type {
        DataType::Boolean => Datatype::Boolean,
        DataType::UInt8 => Datatype::UnsignedByte,
        DataType::Int8 | DataType::Int16 => Datatype::Short,
        DataType::UInt16 | DataType::Int32 => Datatype::Int,
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Datatype::Long,
        DataType::Float32 => Datatype::Float,
        DataType::Float64 => Datatype::Double,
        _ => return None,
    })
}

fn is_string(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_string(values),
        _ => false,
    }
}

fn is_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(..) | DataType::Date32 => true,
        DataType::Dictionary(_, values) => is_time(values),
        _ => false,
    }
}

/// The shape and `arraysize` to write, given the natural shape and what the metadata declares.
///
/// Scalars and text keep their own: a text longer than its declared size would be cut by readers.
fn declared_shape(field: &Field, datatype: Datatype, natural: Shape) -> Result<(Shape, Option<String>)> {
    let plain = match natural {
        Shape::Scalar => return Ok((natural, None)),
        Shape::Variable => (natural, Some("*".to_owned())),
        Shape::Fixed(size) => (natural, Some(size.to_string())),
    };
    let Some(declared) = field.metadata().get("arraysize").filter(|_| !datatype.is_text()) else { return Ok(plain) };
    let wrong = || FormatError::Arraysize {
        column: field.name().clone(),
        declared: declared.clone(),
        arrow_type: field.data_type().clone(),
    };
    if declared.ends_with('*') {
        return Ok(plain);
    }
    let mut size: usize = 1;
    for axis in declared.split('x') {
        let axis: usize = axis.trim().parse().map_err(|_| wrong())?;
        size = size.checked_mul(axis).filter(|size| (1..=LONGEST_FIXED).contains(size)).ok_or_else(wrong)?;
    }
    if matches!(natural, Shape::Fixed(actual) if actual != size) {
        return Err(wrong());
    }
    Ok((Shape::Fixed(size), Some(declared.clone())))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::datatypes::TimeUnit;

    use super::*;

    fn described(data_type: DataType, arraysize: Option<&str>) -> Result<(Datatype, Option<String>, Option<i64>)> {
        let metadata: HashMap<String, String> =
            arraysize.map(|size| ("arraysize".to_owned(), size.to_owned())).into_iter().collect();
        let field = VoField::from_arrow(&Field::new("c", data_type, true).with_metadata(metadata))?;
        Ok((field.datatype, field.arraysize, field.null_element))
    }

    #[track_caller]
    fn check(data_type: DataType, declared: Option<&str>, datatype: Datatype, arraysize: Option<&str>) {
        let (found, size, _) = described(data_type, declared).unwrap();
        assert_eq!((found, size.as_deref()), (datatype, arraysize));
    }

    fn list(item: DataType) -> DataType {
        DataType::List(Arc::new(Field::new("item", item, true)))
    }

    fn fixed(item: DataType, size: i32) -> DataType {
        DataType::FixedSizeList(Arc::new(Field::new("item", item, false)), size)
    }

    #[test]
    fn arrow_types_become_votable_datatypes() {
        check(DataType::Int8, None, Datatype::Short, None);
        check(DataType::UInt32, None, Datatype::Long, None);
        check(DataType::UInt64, None, Datatype::Long, None);
        check(DataType::Float32, None, Datatype::Float, None);
        check(DataType::Decimal128(38, 2), None, Datatype::Char, Some("*"));
        check(DataType::Utf8View, None, Datatype::Char, Some("*"));
        check(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), None, Datatype::Char, Some("*"));
        check(DataType::Binary, None, Datatype::UnsignedByte, Some("*"));
        check(list(DataType::Float64), None, Datatype::Double, Some("*"));
        check(fixed(DataType::Int32, 10), None, Datatype::Int, Some("10"));
    }

    #[test]
    fn a_declared_arraysize_fixes_a_list_but_never_cuts_text() {
        check(list(DataType::Int32), Some("10"), Datatype::Int, Some("10"));
        check(list(DataType::Int32), Some("2x5"), Datatype::Int, Some("2x5"));
        check(list(DataType::Int32), Some("10*"), Datatype::Int, Some("*"));
        check(fixed(DataType::Int32, 10), Some("2x5"), Datatype::Int, Some("2x5"));
        check(DataType::Utf8, Some("32"), Datatype::Char, Some("*"));
        check(DataType::Int32, Some("1"), Datatype::Int, None);
        for wrong in ["9", "ten", "0", "4000000000x4000000000x4000000000"] {
            assert!(matches!(described(fixed(DataType::Int32, 10), Some(wrong)), Err(FormatError::Arraysize { .. })));
        }
    }

    #[test]
    fn integer_arrays_with_nulls_keep_a_value_for_them() {
        let null_of = |data_type| described(data_type, None).map(|(datatype, _, null)| (datatype, null)).unwrap();
        assert_eq!(null_of(list(DataType::Int64)), (Datatype::Long, Some(i64::MIN)));
        assert_eq!(null_of(list(DataType::UInt8)), (Datatype::Short, Some(-32768)));
        assert_eq!(null_of(list(DataType::Float32)), (Datatype::Float, None));
        assert_eq!(null_of(DataType::Int32), (Datatype::Int, None));
    }

    #[test]
    fn types_without_a_form_are_refused_by_name() {
        let error = described(list(DataType::Utf8), None).unwrap_err().to_string();
        assert!(error.contains("\"c\"") && error.contains("CAST"), "{error}");
    }
}
