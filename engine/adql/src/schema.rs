//! The tables and columns that queries may name: the content of TAP_SCHEMA (TAP 1.1, section 4).

use crate::words::is_reserved;

/// All schemas that a service offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapSchema {
    /// The schemas, in the order in which the service lists them.
    pub schemas: Vec<Schema>,
    /// The foreign keys between their tables.
    pub keys: Vec<ForeignKey>,
}

/// One schema, a row of `TAP_SCHEMA.schemas`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// Its name, such as `gaia`.
    pub name: String,
    /// What it holds, for people.
    pub description: Option<String>,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// One table, a row of `TAP_SCHEMA.tables`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name as a query writes it, schema included: `gaia.completesource`. Parts that are no regular
    /// identifiers are delimited with double quotes.
    pub name: String,
    /// What it holds, for people.
    pub description: Option<String>,
    /// Its columns, in the order of `SELECT *`.
    pub columns: Vec<Column>,
}

/// One column, a row of `TAP_SCHEMA.columns`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name as a query writes it; delimited with double quotes if it is no regular identifier.
    pub name: String,
    /// What it holds, for people.
    pub description: Option<String>,
    /// VOTable datatype: `boolean`, `short`, `int`, `long`, `float`, `double`, `char`, `unicodeChar`, …
    pub datatype: String,
    /// VOTable arraysize: none for a scalar, `*` or `32` for a string, `10` for ten numbers.
    pub arraysize: Option<String>,
    /// DALI xtype, such as `timestamp` or `point`.
    pub xtype: Option<String>,
    /// Unit in VOUnits.
    pub unit: Option<String>,
    /// Unified Content Descriptor.
    pub ucd: Option<String>,
    /// Data model role.
    pub utype: Option<String>,
    /// Whether looking up by it is fast.
    pub indexed: bool,
    /// Whether a default selection should show it.
    pub principal: bool,
    /// Whether a standard defines it.
    pub std: bool,
}

/// A foreign key, a row of `TAP_SCHEMA.keys` with its rows of `TAP_SCHEMA.key_columns`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its identifier.
    pub key_id: String,
    /// The table that refers.
    pub from_table: String,
    /// The table that is referred to.
    pub target_table: String,
    /// What it relates, for people.
    pub description: Option<String>,
    /// Pairs of the referring and the referred-to column.
    pub columns: Vec<(String, String)>,
}

impl TapSchema {
    /// All tables of all schemas.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.schemas.iter().flat_map(|schema| &schema.tables)
    }

    /// The table of that full name, as TAP_SCHEMA spells it.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables().find(|table| table.name == name)
    }
}

impl Table {
    /// The column of that name, as TAP_SCHEMA spells it.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A name as a query writes it: delimited with double quotes where it is no regular identifier or a reserved word (ADQL 2.1 section
/// 2.1.3); nothing for what is no name.
pub fn as_written(name: &str) -> Option<String> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let regular = begins && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    match name {
        "" => None,
        _ if regular && !is_reserved(name) => Some(name.to_owned()),
        _ => (!name.contains(['"', '\0'])).then(|| format!("\"{name}\"")),
    }
}

/// The parts of a dotted name without their double quotes: `TAP_SCHEMA."my.table"` is `TAP_SCHEMA` and `my.table`.
pub(crate) fn name_parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut delimited = false;
    for character in name.chars() {
        match character {
            '"' => delimited = !delimited,
            '.' if !delimited => parts.push(String::new()),
            other => parts.last_mut().into_iter().for_each(|part| part.push(other)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{as_written, name_parts};

    #[test]
    fn names_are_delimited_where_they_must_be() {
        let written = |name| as_written(name).unwrap_or_default();
        assert_eq!([written("ra"), written("Gmag_2"), written("size")], ["ra", "Gmag_2", "\"size\""]);
        assert_eq!([written("my col"), written("2mass"), written("a\"b")], ["\"my col\"", "\"2mass\"", ""]);
    }

    #[test]
    fn dots_separate_parts_except_in_double_quotes() {
        assert_eq!(name_parts("gaia.completesource"), ["gaia", "completesource"]);
        assert_eq!(name_parts("TAP_UPLOAD.\"my.table\""), ["TAP_UPLOAD", "my.table"]);
        assert_eq!(name_parts("\"size\""), ["size"]);
    }
}
