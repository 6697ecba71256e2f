//! The types that columns may have, and how a data model writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Elements of an array at most: as many as a reader of the whole column can be asked to hold for each row.
const MOST_ELEMENTS: u32 = 1 << 20;
/// Digits of a numeric at most: as many as 128 bits hold.
const MOST_DIGITS: u8 = 38;

/// The type of a column. A data model writes it as PostgreSQL does: `double`, `numeric(12,3)`, `integer[10]`, `real[]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// 64-bit integer; VOTable `long`.
    Bigint,
    /// 32-bit integer; VOTable `int`.
    Integer,
    /// 16-bit integer; VOTable `short`.
    Smallint,
    /// 64-bit float; VOTable `double`.
    Double,
    /// 32-bit float; VOTable `float`.
    Real,
    /// Text; VOTable `char` with arraysize `*`.
    Text,
    /// Truth value; VOTable `boolean`.
    Boolean,
    /// Microseconds, UTC, no zone; VOTable `char` with xtype `timestamp`.
    Timestamp,
    /// A day, no zone; VOTable `char` with xtype `timestamp`.
    Date,
    /// 128 bits; VOTable `char` with xtype `uuid`, and text in queries too.
    Uuid,
    /// A decimal number of `precision` digits, `scale` of them behind the point; VOTable `char`, which alone is exact.
    Numeric {
        /// All digits, 1 to 38.
        precision: u8,
        /// Those behind the point, 0 to `precision`.
        scale: u8,
    },
    /// Bytes; VOTable `unsignedByte` with arraysize `*`.
    Bytea,
    /// An array of one dimension; VOTable arraysize `10` or `*`.
    Array {
        /// What it is made of.
        element: ElementType,
        /// How many elements each has; any number where nothing is said.
        length: Option<u32>,
    },
}

/// What arrays are made of: the numbers and truth values of VOTable. Texts and what VOTable writes as text have no arrays there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are types of columns")]
pub enum ElementType {
    Bigint,
    Integer,
    Smallint,
    Double,
    Real,
    Boolean,
}

/// What is wrong with a type in a data model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the type {name:?}: {fault}")]
pub struct TypeError {
    name: String,
    fault: String,
}

impl From<ElementType> for ColumnType {
    fn from(element: ElementType) -> Self {
        match element {
            ElementType::Bigint => Self::Bigint,
            ElementType::Integer => Self::Integer,
            ElementType::Smallint => Self::Smallint,
            ElementType::Double => Self::Double,
            ElementType::Real => Self::Real,
            ElementType::Boolean => Self::Boolean,
        }
    }
}

impl ColumnType {
    /// The type's name in PostgreSQL.
    pub fn sql_name(self) -> String {
        match self {
            Self::Double => "double precision".to_owned(),
            // PostgreSQL takes a length and keeps to none.
            Self::Array { element, .. } => format!("{}[]", Self::from(element).sql_name()),
            other => other.to_string(),
        }
    }

    fn element(self) -> Option<ElementType> {
        Some(match self {
            Self::Bigint => ElementType::Bigint,
            Self::Integer => ElementType::Integer,
            Self::Smallint => ElementType::Smallint,
            Self::Double => ElementType::Double,
            Self::Real => ElementType::Real,
            Self::Boolean => ElementType::Boolean,
            _ => return None,
        })
    }

    /// The type of that name, which is no array.
    fn single(name: &str) -> Result<Self, String> {
        Ok(match name {
            "bigint" => Self::Bigint,
            "integer" => Self::Integer,
            "smallint" => Self::Smallint,
            "double" => Self::Double,
            "real" => Self::Real,
            "text" => Self::Text,
            "boolean" => Self::Boolean,
            "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            "uuid" => Self::Uuid,
            "bytea" => Self::Bytea,
            _ => {
                let digits = name.strip_prefix("numeric").ok_or(
                    "there is no such type; there are bigint, integer, smallint, double, real, boolean, arrays of these, \
                     numeric(p,s), text, timestamp, date, uuid and bytea",
                )?;
                numeric(digits)?
            }
        })
    }
}

/// `(p,s)`, or `(p)` for no digits behind the point.
fn numeric(digits: &str) -> Result<ColumnType, String> {
    let said =
        || "a numeric says how many digits it has, and how many of them behind the point: numeric(12,3)".to_owned();
    let inside = digits.strip_prefix('(').and_then(|digits| digits.strip_suffix(')')).ok_or_else(said)?;
    let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
    let number = |text: &str| text.trim().parse::<u8>().map_err(|_| said());
    let (precision, scale) = (number(precision)?, number(scale)?);
    if !(1..=MOST_DIGITS).contains(&precision) {
        return Err(format!("a numeric has 1 to {MOST_DIGITS} digits"));
    }
    if scale > precision {
        return Err(format!("of {precision} digits no {scale} can stand behind the point"));
    }
    Ok(ColumnType::Numeric { precision, scale })
}

/// An array whose brackets are `length]`.
fn array(element: &str, length: &str) -> Result<ColumnType, String> {
    let length = length.strip_suffix(']').ok_or("a bracket is open")?;
    let element = ColumnType::single(element)?;
    let element = element.element().ok_or_else(|| format!("there are no arrays of {element} (VOTable has none)"))?;
    if length.is_empty() {
        return Ok(ColumnType::Array { element, length: None });
    }
    let length = length.parse::<u32>().ok().filter(|length| (1..=MOST_ELEMENTS).contains(length));
    let length = length.ok_or_else(|| format!("an array has 1 to {MOST_ELEMENTS} elements, or any number: []"))?;
    Ok(ColumnType::Array { element, length: Some(length) })
}

impl FromStr for ColumnType {
    type Err = TypeError;

    fn from_str(name: &str) -> Result<Self, TypeError> {
        let parsed = match name.split_once('[') {
            Some((element, length)) => array(element, length),
            None => Self::single(name),
        };
        parsed.map_err(|fault| TypeError { name: name.to_owned(), fault })
    }
}

impl TryFrom<String> for ColumnType {
    type Error = TypeError;

    fn try_from(name: String) -> Result<Self, TypeError> {
        name.parse()
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bigint => f.write_str("bigint"),
            Self::Integer => f.write_str("integer"),
            Self::Smallint => f.write_str("smallint"),
            Self::Double => f.write_str("double"),
            Self::Real => f.write_str("real"),
            Self::Text => f.write_str("text"),
            Self::Boolean => f.write_str("boolean"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Date => f.write_str("date"),
            Self::Uuid => f.write_str("uuid"),
            Self::Numeric { precision, scale } => write!(f, "numeric({precision},{scale})"),
            Self::Bytea => f.write_str("bytea"),
            Self::Array { element, length: None } => write!(f, "{}[]", Self::from(*element)),
            Self::Array { element, length: Some(length) } => write!(f, "{}[{length}]", Self::from(*element)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_postgresql_writes_them() {
        let check = |name: &str, sql: &str| {
            let parsed: ColumnType = name.parse().unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.sql_name().as_str()), (name, sql));
        };
        for name in ["bigint", "integer", "smallint", "real", "text", "boolean", "timestamp", "date", "uuid", "bytea"] {
            check(name, name);
        }
        check("double", "double precision");
        check("numeric(38,38)", "numeric(38,38)");
        check("double[10]", "double precision[]");
        check("boolean[]", "boolean[]");
        assert_eq!("numeric( 12, 3 )".parse(), Ok(ColumnType::Numeric { precision: 12, scale: 3 }));
        assert_eq!("numeric(5)".parse(), Ok(ColumnType::Numeric { precision: 5, scale: 0 }));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let check = |name: &str, words: &str| {
            let error = name.parse::<ColumnType>().unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?}")) && error.contains(words), "{error}");
        };
        check("float8", "there is no such type");
        check("Bigint", "there is no such type");
        check("numeric", "numeric(12,3)");
        check("numeric(12,x)", "numeric(12,3)");
        check("numeric(12,-3)", "numeric(12,3)");
        check("numeric(50,2)", "1 to 38 digits");
        check("numeric(0,0)", "1 to 38 digits");
        check("numeric(2,3)", "no 3 can stand behind the point");
        check("uuid[]", "no arrays of uuid");
        check("numeric(5,2)[3]", "no arrays of numeric(5,2)");
        check("double[0]", "1 to 1048576 elements");
        check("double[99999999]", "1 to 1048576 elements");
        check("double[-1]", "1 to 1048576 elements");
        check("double[2][2]", "1 to 1048576 elements");
        check("double[3", "a bracket is open");
        check("[]", "there is no such type");
    }
}
