//! The collections as TAP_SCHEMA describes them.

use datafusion::arrow::datatypes::{DataType, Field};
use spolia_adql::{Column, ForeignKey, Schema, Table, TapSchema};
use spolia_catalogue::{Collection, FILE_COLUMNS, TableDef};
use spolia_planner::tap_schema_declaration;
use spolia_shard_router::arrow_schema;

/// The column every table has beside its own: made for each answer, never stored.
pub(crate) const ACCESS_URL_COLUMN: &str = "access_url";
/// What that column is for.
pub(crate) const ACCESS_URL_DESCRIPTION: &str =
    "DataLink of the row: its Cut & Merge, its whole file, its counterparts";
/// The UCD of a link.
pub(crate) const ACCESS_URL_UCD: &str = "meta.ref.url";

/// What the service offers: every collection, and TAP_SCHEMA itself.
pub(crate) fn tap_schema(collections: &[Collection]) -> TapSchema {
    let (own, own_keys) = tap_schema_declaration();
    TapSchema {
        schemas: collections.iter().map(schema).chain([own]).collect(),
        keys: collections.iter().flat_map(keys).chain(own_keys).collect(),
    }
}

fn schema(collection: &Collection) -> Schema {
    Schema {
        name: collection.name.clone(),
        description: Some(collection.description.clone()),
        tables: collection.tables.iter().map(|table| described(&collection.name, table)).collect(),
    }
}

fn described(schema: &str, table: &TableDef) -> Table {
    let indexed =
        |name: &str| name == "id" || table.column(name).is_some_and(|column| column.indexed) || table.shard_key == name;
    let of_file = |name: &str| FILE_COLUMNS.iter().any(|(column, ..)| *column == name);
    let mut columns: Vec<Column> = arrow_schema(table)
        .fields()
        .iter()
        .map(|field| Column { indexed: indexed(field.name()), principal: !of_file(field.name()), ..column(field) })
        .collect();
    columns.push(Column {
        name: ACCESS_URL_COLUMN.to_owned(),
        description: Some(ACCESS_URL_DESCRIPTION.to_owned()),
        datatype: "char".to_owned(),
        arraysize: Some("*".to_owned()),
        ucd: Some(ACCESS_URL_UCD.to_owned()),
        principal: true,
        ..Column::default()
    });
    Table { name: format!("{schema}.{}", table.name), description: Some(table.description.clone()), columns }
}

/// A column of a type, with what its metadata say.
pub(crate) fn column(field: &Field) -> Column {
    let (datatype, arraysize, xtype) = votable_type(field.data_type());
    let metadata = |key: &str| field.metadata().get(key).cloned();
    Column {
        name: field.name().clone(),
        description: metadata("description"),
        datatype: datatype.to_owned(),
        arraysize,
        xtype: xtype.map(str::to_owned),
        unit: metadata("unit"),
        ucd: metadata("ucd"),
        utype: metadata("utype"),
        ..Column::default()
    }
}

/// VOTable datatype, arraysize and xtype of an Arrow type. VOTable 1.4 section 2.1, DALI 1.1 section 3.3.
fn votable_type(data_type: &DataType) -> (&'static str, Option<String>, Option<&'static str>) {
    match data_type {
        DataType::Boolean => ("boolean", None, None),
        DataType::Int16 => ("short", None, None),
        DataType::Int32 => ("int", None, None),
        DataType::Int64 => ("long", None, None),
        DataType::Float32 => ("float", None, None),
        DataType::Float64 => ("double", None, None),
        DataType::Timestamp(..) => ("char", Some("*".to_owned()), Some("timestamp")),
        DataType::FixedSizeList(element, length) => {
            (votable_type(element.data_type()).0, Some(length.to_string()), None)
        }
        _ => ("char", Some("*".to_owned()), None),
    }
}

/// Transits refer to their sources.
fn keys(collection: &Collection) -> Vec<ForeignKey> {
    let key = |table: &TableDef| {
        let target = collection.table(table.transits_of.as_ref()?)?;
        Some(ForeignKey {
            key_id: format!("{}_{}_{}", collection.name, table.name, target.name),
            from_table: format!("{}.{}", collection.name, table.name),
            target_table: format!("{}.{}", collection.name, target.name),
            description: Some("The source of a transit".to_owned()),
            columns: vec![(table.shard_key.clone(), target.shard_key.clone())],
        })
    };
    collection.tables.iter().filter_map(key).collect()
}
