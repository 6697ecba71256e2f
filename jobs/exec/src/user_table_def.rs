//! What a user's table may be: its names, its columns, and what is said of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use spolia_adql::as_written;
use spolia_catalogue::{ColumnType, ElementType, UserColumn, UserSchema, UserTable, UserTableDef};
use spolia_formats::FIELD_KEYS;
use spolia_shard_router::user_schema;

use crate::error::ExecError;
use crate::tap_schema::column;

/// Columns of a table at most: as many as a node takes if they are numbers.
const MOST_COLUMNS: usize = 1000;
/// Elements of arrays of fixed length in a row: null ones take as much memory as others.
const MOST_FIXED: u64 = 1024;
/// Bytes of what is kept of a table's columns: all of it is read with each query of its owner.
const LONGEST_DEFINITION: usize = 256 << 10;
/// Letters of a name, and of what is said of a column, at most.
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 2000;
/// Columns of an index at most.
const MOST_INDEXED: usize = 8;

/// What a table is that has the columns of an Arrow schema: those types that queries know, with `unit`, `ucd`, `utype`, `xtype`, `arraysize`
/// and `description` as field metadata.
///
/// # Errors
/// [`ExecError::Request`] for a column that no table of a user can have.
pub fn user_table_def(schema: &ArrowSchema, description: Option<String>) -> Result<UserTableDef, ExecError> {
    let of = |field: &Arc<Field>| {
        let column_type = column_type(field.data_type()).ok_or_else(|| {
            ExecError::Request(format!(
                "column {:?} is of type {}, which no table here has",
                field.name(),
                field.data_type()
            ))
        })?;
        let said = |key: &str| field.metadata().get(key).filter(|text| !text.is_empty());
        let meaning = FIELD_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), said(key)?.clone()))).collect();
        Ok(UserColumn { name: field.name().clone(), column_type, meaning, indexed: false })
    };
    Ok(UserTableDef { description, columns: schema.fields().iter().map(of).collect::<Result<_, ExecError>>()? })
}

/// The type that a node keeps values of an Arrow type in.
fn column_type(data_type: &DataType) -> Option<ColumnType> {
    let element = |item: &Field| element_type(item.data_type());
    Some(match data_type {
        DataType::Utf8 => ColumnType::Text,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::List(item) => ColumnType::Array { element: element(item)?, length: None },
        DataType::FixedSizeList(item, length) => {
            ColumnType::Array { element: element(item)?, length: Some(u32::try_from(*length).ok()?) }
        }
        other => element_type(other)?.into(),
    })
}

fn element_type(data_type: &DataType) -> Option<ElementType> {
    Some(match data_type {
        DataType::Boolean => ElementType::Boolean,
        DataType::Int16 => ElementType::Smallint,
        DataType::Int32 => ElementType::Integer,
        DataType::Int64 => ElementType::Bigint,
        DataType::Float32 => ElementType::Real,
        DataType::Float64 => ElementType::Double,
        _ => return None,
    })
}

/// The name of a table in a schema, as it is kept, from what its owner calls it.
pub(crate) fn own_name(schema: &UserSchema, given: &str) -> Result<String, ExecError> {
    let folded = given.to_ascii_lowercase();
    let name = match folded.split_once('.') {
        Some((first, name)) if first == schema.name => name,
        Some(_) => {
            let message = format!("your tables are in the schema {}, not where {:?} is", schema.name, shown(given));
            return Err(ExecError::Denied { message, anonymous: false });
        }
        None => &folded,
    };
    let regular = as_written(name).is_some_and(|written| written == name) && name.len() <= LONGEST_NAME;
    let refused = || {
        ExecError::Request(format!(
            "{:?} cannot be the name of a table: letters, digits and _ only, a letter first, {LONGEST_NAME} at most, and no word of ADQL's",
            shown(given)
        ))
    };
    regular.then(|| name.to_owned()).ok_or_else(refused)
}

/// Checks that a table can be as its owner wants it.
pub(crate) fn check(definition: &UserTableDef) -> Result<(), ExecError> {
    let refused = |message: String| Err(ExecError::Request(message));
    let count = definition.columns.len();
    if !(1..=MOST_COLUMNS).contains(&count) {
        return refused(format!("a table has 1 to {MOST_COLUMNS} columns, not {count}"));
    }
    let mut names = BTreeSet::new();
    for UserColumn { name, meaning, .. } in &definition.columns {
        if name.len() > LONGEST_NAME || as_written(name).is_none() || name.chars().any(char::is_control) {
            let rule = format!("of 1 to {LONGEST_NAME} bytes without double quotes and control characters");
            return refused(format!("{:?} cannot be the name of a column: names are texts {rule}", shown(name)));
        }
        if !names.insert(name.to_lowercase()) {
            return refused(format!("there are two columns {name:?}; capitals do not tell them apart"));
        }
        if let Some((key, _)) = meaning.iter().find(|(_, text)| !is_text(text)) {
            return refused(format!("column {name:?}: its {key} is no text of at most {LONGEST_TEXT} bytes"));
        }
    }
    let written = serde_json::to_string(definition).map_or(usize::MAX, |text| text.len());
    if written > LONGEST_DEFINITION {
        let most = LONGEST_DEFINITION >> 10;
        return refused(format!("what is said of the columns is more than {most} kB; shorten their descriptions"));
    }
    if let Some(column) = definition.columns.iter().find(|c| c.column_type.to_string().parse() != Ok(c.column_type)) {
        return refused(format!("column {:?}: an array has at most 1048576 elements", column.name));
    }
    let fixed = |column: &UserColumn| match column.column_type {
        ColumnType::Array { length, .. } => length.map_or(0, u64::from),
        _ => 0,
    };
    if definition.columns.iter().map(fixed).sum::<u64>() > MOST_FIXED {
        return refused(format!(
            "arrays of fixed length have {MOST_FIXED} elements at most in a row; declare them as of any length"
        ));
    }
    // All answers tell of all tables.
    for field in user_schema(&definition.columns).fields() {
        column(field).map_err(|error| ExecError::Request(error.to_string()))?;
    }
    match &definition.description {
        Some(text) if !is_text(text) => refused(format!("the description is no text of at most {LONGEST_TEXT} bytes")),
        _ => Ok(()),
    }
}

/// Whether a text can stand in any document.
fn is_text(text: &str) -> bool {
    let is_none = |letter: char| {
        letter.is_control() && !['\t', '\n', '\r'].contains(&letter) || ['\u{FFFE}', '\u{FFFF}'].contains(&letter)
    };
    text.len() <= LONGEST_TEXT && !text.contains(is_none)
}

/// The places of columns that an index is wanted on.
///
/// # Errors
/// [`ExecError::Request`] where the table has no such column, or no index is made on it.
pub fn indexable(table: &UserTable, columns: &[String]) -> Result<Vec<usize>, ExecError> {
    if !(1..=MOST_INDEXED).contains(&columns.len()) {
        return Err(ExecError::Request(format!("an index is on 1 to {MOST_INDEXED} columns")));
    }
    let place = |wanted: &String| {
        let bare = wanted.trim().trim_matches('"').to_lowercase();
        let place = table.definition.columns.iter().position(|column| column.name.to_lowercase() == bare);
        let place = place
            .ok_or_else(|| ExecError::Request(format!("{} has no column {:?}", table.full_name(), shown(wanted))))?;
        match table.definition.columns[place].column_type {
            ColumnType::Array { .. } => {
                Err(ExecError::Request(format!("column {:?} is an array, which no index is made on", shown(wanted))))
            }
            _ => Ok(place),
        }
    };
    columns.iter().map(place).collect()
}

/// The names in a list that commas divide; one with a comma in it stands between double quotes.
pub fn column_list(text: &str) -> Vec<String> {
    let mut quoted = false;
    let divides = |letter: char| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    };
    text.split(divides).map(|name| name.trim().to_owned()).collect()
}

/// The beginning of what someone wrote, for a message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> UserSchema {
        UserSchema { owner: "ada".to_owned(), name: "user_ada".to_owned(), group: 0 }
    }

    #[test]
    fn names_are_of_ones_own_schema() {
        let name = |given| own_name(&schema(), given);
        for given in ["stars", "STARS", "user_ada.stars", "User_Ada.Stars"] {
            assert_eq!(name(given).unwrap(), "stars");
        }
        for given in ["user_bob.stars", "gaia.stars", "tap_schema.tables"] {
            assert!(matches!(name(given), Err(ExecError::Denied { anonymous: false, .. })), "{given}");
        }
        for given in ["", "2mass", "my-stars", "a.b.c", "user_ada.a.b", "\"x\"", "select", &"x".repeat(65), "é"] {
            assert!(name(given).is_err(), "{given}");
        }
    }

    #[test]
    fn commas_between_double_quotes_divide_nothing() {
        assert_eq!(column_list("a, \"b, c\" ,d"), ["a", "\"b, c\"", "d"]);
    }

    #[test]
    fn tables_that_cannot_be_are_refused() {
        let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
        let def = |fields: Vec<Field>| user_table_def(&ArrowSchema::new(fields), None).and_then(|def| check(&def));
        let refused = |fields, words: &str| {
            let message = def(fields).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        def(vec![field("RA (J2000)", DataType::Float64), field("size", DataType::Int64)]).unwrap();
        refused(Vec::new(), "1 to 1000 columns");
        refused((0..1001).map(|n| field(&format!("c{n}"), DataType::Int16)).collect(), "not 1001");
        refused(vec![field("ra", DataType::Int16), field("RA", DataType::Int16)], "capitals");
        refused(vec![field("a\"b", DataType::Int16)], "double quote");
        refused(vec![field(&"x".repeat(65), DataType::Int16)], "64 bytes");
        refused(vec![field("d", DataType::Date32)], "which no table here has");
        let long = [("unit".to_owned(), "m".repeat(2001))].into();
        refused(vec![field("a", DataType::Int16).with_metadata(long)], "its unit");
        refused(vec![field("a\u{1}", DataType::Int16)], "control");
        let unfit = [("xtype".to_owned(), "a\u{c}".to_owned())].into();
        refused(vec![field("a", DataType::Int16).with_metadata(unfit)], "its xtype");
        let long = DataType::FixedSizeList(Arc::new(field("item", DataType::Int16)), 2_000_000);
        refused(vec![field("a", long)], "1048576 elements");
        let wide = DataType::FixedSizeList(Arc::new(field("item", DataType::Float64)), 1025);
        refused(vec![field("a", wide)], "1024 elements at most in a row");
        let said: std::collections::HashMap<_, _> = [("description".to_owned(), "x".repeat(1900))].into();
        let many = (0..200).map(|n| field(&format!("c{n}"), DataType::Int16).with_metadata(said.clone()));
        refused(many.collect(), "more than 256 kB");
        let list = DataType::FixedSizeList(Arc::new(field("item", DataType::Int32)), 2);
        let size = |size: &str| [("arraysize".to_owned(), size.to_owned())].into();
        refused(vec![field("a", list.clone()).with_metadata(size("3"))], "arraysize");
        def(vec![field("a", list).with_metadata(size("2"))]).unwrap();
    }
}
