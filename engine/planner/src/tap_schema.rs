//! TAP_SCHEMA: the archive's tables about its tables. TAP 1.1 section 4.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;
use spolia_adql::{Column, ForeignKey, Schema, Table, TapSchema};

/// What a column of TAP_SCHEMA holds.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Int,
}

use Kind::{Int, Text};

/// A column of TAP_SCHEMA: its name, what it holds, what it means.
type ColumnEntry = (&'static str, Kind, &'static str);
/// A table of TAP_SCHEMA: its name, what it is for, its columns.
type TableEntry = (&'static str, &'static str, &'static [ColumnEntry]);

/// The tables of TAP_SCHEMA and their columns, as TAP 1.1 section 4 lists them.
const TABLES: &[TableEntry] = &[
    (
        "schemas",
        "The schemas of this archive",
        &[
            ("schema_name", Text, "Name of the schema"),
            ("utype", Text, "Data model of the schema, if any"),
            ("description", Text, "What it holds"),
            ("schema_index", Int, "Recommended order"),
        ],
    ),
    (
        "tables",
        "The tables of this archive",
        &[
            ("schema_name", Text, "Schema of the table"),
            ("table_name", Text, "Name of the table as a query writes it"),
            ("table_type", Text, "table or view"),
            ("utype", Text, "Data model of the table, if any"),
            ("description", Text, "What one row is"),
            ("table_index", Int, "Recommended order"),
        ],
    ),
    (
        "columns",
        "The columns of this archive's tables",
        &[
            ("table_name", Text, "Table of the column"),
            ("column_name", Text, "Name of the column as a query writes it"),
            ("datatype", Text, "VOTable datatype"),
            ("arraysize", Text, "VOTable arraysize"),
            ("xtype", Text, "DALI xtype"),
            ("\"size\"", Int, "Length of a fixed-length array (deprecated, see arraysize)"),
            ("description", Text, "What it means"),
            ("utype", Text, "Data model of the column, if any"),
            ("unit", Text, "Unit, VOUnits"),
            ("ucd", Text, "Unified content descriptor"),
            ("indexed", Int, "1 where looking up by it is fast"),
            ("principal", Int, "1 where a default selection shows it"),
            ("std", Int, "1 where a standard defines it"),
            ("column_index", Int, "Recommended order"),
        ],
    ),
    (
        "keys",
        "Foreign keys between tables",
        &[
            ("key_id", Text, "Identifier of the key"),
            ("from_table", Text, "Table that refers"),
            ("target_table", Text, "Table referred to"),
            ("utype", Text, "Data model of the key, if any"),
            ("description", Text, "What it relates"),
        ],
    ),
    (
        "key_columns",
        "Columns of foreign keys",
        &[
            ("key_id", Text, "Identifier of the key"),
            ("from_column", Text, "Column that refers"),
            ("target_column", Text, "Column referred to"),
        ],
    ),
];

/// How the tables refer to each other: from a column, to a table's column.
const KEYS: &[(&str, &str, &str, &str)] = &[
    ("tables", "schema_name", "schemas", "schema_name"),
    ("columns", "table_name", "tables", "table_name"),
    ("keys", "from_table", "tables", "table_name"),
    ("keys", "target_table", "tables", "table_name"),
    ("key_columns", "key_id", "keys", "key_id"),
];

/// TAP_SCHEMA's own entry in a [`TapSchema`], so that it describes itself, and its foreign keys.
pub fn tap_schema_declaration() -> (Schema, Vec<ForeignKey>) {
    let column = |(name, kind, description): &ColumnEntry| Column {
        name: (*name).to_owned(),
        description: Some((*description).to_owned()),
        datatype: if *kind == Text { "char" } else { "int" }.to_owned(),
        arraysize: (*kind == Text).then(|| "*".to_owned()),
        principal: true,
        std: true,
        ..Column::default()
    };
    let table = |(name, description, columns): &TableEntry| Table {
        name: format!("tap_schema.{name}"),
        description: Some((*description).to_owned()),
        columns: columns.iter().map(column).collect(),
    };
    let key = |(from, column, target, target_column): &(&str, &str, &str, &str)| ForeignKey {
        key_id: format!("tap_schema_{from}_{column}"),
        from_table: format!("tap_schema.{from}"),
        target_table: format!("tap_schema.{target}"),
        description: None,
        columns: vec![((*column).to_owned(), (*target_column).to_owned())],
    };
    let schema = Schema {
        name: "tap_schema".to_owned(),
        description: Some("The tables and columns of this archive, TAP 1.1 section 4".to_owned()),
        tables: TABLES.iter().map(table).collect(),
    };
    (schema, KEYS.iter().map(key).collect())
}

/// The five tables with the rows that describe `schema`; names without `tap_schema.`.
///
/// # Errors
/// When Arrow refuses the rows, which would be a fault here.
pub fn tap_schema_tables(schema: &TapSchema) -> Result<Vec<(String, Arc<dyn TableProvider>)>> {
    let cells = [schemas(schema), tables(schema), columns(schema), keys(schema), key_columns(schema)];
    let table =
        |((name, _, columns), rows): (&TableEntry, Vec<Vec<Cell>>)| Ok(((*name).to_owned(), provider(columns, &rows)?));
    TABLES.iter().zip(cells).map(table).collect()
}

enum Cell {
    Text(Option<String>),
    Int(Option<i32>),
}

fn text(value: &str) -> Cell {
    Cell::Text(Some(value.to_owned()))
}

fn maybe(value: &Option<String>) -> Cell {
    Cell::Text(value.clone())
}

fn int(value: impl Into<Option<i32>>) -> Cell {
    Cell::Int(value.into())
}

fn provider(columns: &[ColumnEntry], rows: &[Vec<Cell>]) -> Result<Arc<dyn TableProvider>> {
    let field = |(name, kind, description): &ColumnEntry| {
        let data_type = if *kind == Text { DataType::Utf8 } else { DataType::Int32 };
        Field::new(name.trim_matches('"'), data_type, true)
            .with_metadata([("description".to_owned(), (*description).to_owned())].into())
    };
    let schema = Arc::new(ArrowSchema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let array = |(i, (_, kind, _)): (usize, &ColumnEntry)| -> ArrayRef {
        let texts = || rows.iter().map(|row| if let Cell::Text(text) = &row[i] { text.clone() } else { None });
        let ints = || rows.iter().map(|row| if let Cell::Int(int) = &row[i] { *int } else { None });
        if *kind == Text {
            Arc::new(texts().collect::<StringArray>())
        } else {
            Arc::new(ints().collect::<Int32Array>())
        }
    };
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.iter().enumerate().map(array).collect())?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

fn schemas(schema: &TapSchema) -> Vec<Vec<Cell>> {
    let row = |(i, schema): (i32, &Schema)| vec![text(&schema.name), maybe(&None), maybe(&schema.description), int(i)];
    (0..).zip(&schema.schemas).map(row).collect()
}

fn tables(schema: &TapSchema) -> Vec<Vec<Cell>> {
    let all = schema.schemas.iter().flat_map(|schema| schema.tables.iter().map(move |table| (schema, table)));
    let row = |(i, (schema, table)): (i32, (&Schema, &Table))| {
        vec![text(&schema.name), text(&table.name), text("table"), maybe(&None), maybe(&table.description), int(i)]
    };
    (0..).zip(all).map(row).collect()
}

fn columns(schema: &TapSchema) -> Vec<Vec<Cell>> {
    let row = |table: &Table, (i, column): (i32, &Column)| {
        vec![
            text(&table.name),
            text(&column.name),
            text(&column.datatype),
            maybe(&column.arraysize),
            maybe(&column.xtype),
            int(column.arraysize.as_ref().and_then(|size| size.parse::<i32>().ok())),
            maybe(&column.description),
            maybe(&column.utype),
            maybe(&column.unit),
            maybe(&column.ucd),
            int(i32::from(column.indexed)),
            int(i32::from(column.principal)),
            int(i32::from(column.std)),
            int(i),
        ]
    };
    schema.tables().flat_map(|table| (0..).zip(&table.columns).map(move |column| row(table, column))).collect()
}

fn keys(schema: &TapSchema) -> Vec<Vec<Cell>> {
    let keys = schema.keys.iter();
    keys.map(|key| {
        vec![text(&key.key_id), text(&key.from_table), text(&key.target_table), maybe(&None), maybe(&key.description)]
    })
    .collect()
}

fn key_columns(schema: &TapSchema) -> Vec<Vec<Cell>> {
    let pairs = schema.keys.iter().flat_map(|key| key.columns.iter().map(move |pair| (key, pair)));
    pairs.map(|(key, (from, target))| vec![text(&key.key_id), text(from), text(target)]).collect()
}
