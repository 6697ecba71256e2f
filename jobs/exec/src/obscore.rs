//! `ivoa.obscore`: the products of all collections as ObsCore describes them, a view over the tables whose data models say how.
//!
//! Nothing is stored: a query of the view becomes one of the tables, so that its conditions go to the nodes as theirs do.

use spolia_adql::{Column, Schema, Table};
use spolia_catalogue::{Collection, OBSCORE_COLUMNS, ObsCoreColumn, ObsCoreKind, TableDef};

/// The schema that standards give to their tables.
pub(crate) const SCHEMA: &str = "ivoa";
/// The view's name in it.
pub(crate) const NAME: &str = "obscore";
/// The media type of what `access_url` gives.
const LINKS: &str = "application/x-votable+xml;content=datalink";

/// The query that the view is; none where no data model says how its rows are products.
pub(crate) fn query(collections: &[Collection], authority: &str) -> Option<String> {
    let tables =
        collections.iter().flat_map(|collection| collection.tables.iter().map(move |table| (collection, table)));
    let products = tables.filter(|(_, table)| table.obscore.is_some());
    let selects: Vec<String> = products.map(|(collection, table)| select(collection, table, authority)).collect();
    (!selects.is_empty()).then(|| selects.join(" UNION ALL "))
}

/// What a data model says of the columns of products of a table: each column's name, and a query of it alone.
pub(crate) fn said(collection: &Collection, table: &TableDef) -> Vec<(&'static str, String)> {
    let one = |column: &ObsCoreColumn| {
        let value = table.obscore.as_ref()?.get(column.name)?;
        Some((column.name, format!("SELECT {} FROM {}.{}", cast(value, column), collection.name, table.name)))
    };
    OBSCORE_COLUMNS.iter().filter_map(one).collect()
}

fn select(collection: &Collection, table: &TableDef, authority: &str) -> String {
    let value = |column: &ObsCoreColumn| {
        let said = table.obscore.iter().find_map(|said| said.get(column.name)).cloned();
        let value = said.or_else(|| usual(collection, table, column.name, authority));
        cast(value.as_deref().unwrap_or("NULL"), column)
    };
    let columns: Vec<String> = OBSCORE_COLUMNS.iter().map(value).collect();
    format!("SELECT {} FROM {}.{}", columns.join(", "), collection.name, table.name)
}

/// A value of a column, in its type and under its name.
fn cast(value: &str, column: &ObsCoreColumn) -> String {
    let as_type = match column.kind {
        // A region is a text here, as its declaration is read by clients of today.
        ObsCoreKind::Text | ObsCoreKind::Region => "VARCHAR",
        ObsCoreKind::Integer => "INTEGER",
        ObsCoreKind::Long => "BIGINT",
        ObsCoreKind::Double => "DOUBLE PRECISION",
    };
    format!("CAST({value} AS {as_type}) AS {}", column.name)
}

/// What a column has where the data model says nothing of it.
fn usual(collection: &Collection, table: &TableDef, column: &str, authority: &str) -> Option<String> {
    // In the file's version that the row is of, an object has its name for ever.
    let object = "file_name || '/' || key_name";
    Some(match column {
        "obs_collection" => format!("'{}'", collection.name),
        "obs_id" => object.to_owned(),
        "obs_publisher_did" => format!("'ivo://{}/{}?' || {object}", authority.replace('\'', "''"), collection.name),
        "access_url" => "access_url".to_owned(),
        "access_format" => format!("'{LINKS}'"),
        "s_ra" => format!("DEGREES(\"{}\")", table.position.as_ref()?.lon),
        "s_dec" => format!("DEGREES(\"{}\")", table.position.as_ref()?.lat),
        _ => return None,
    })
}

/// The schema as TAP_SCHEMA describes it.
pub(crate) fn schema() -> Schema {
    let table = Table {
        name: format!("{SCHEMA}.{NAME}"),
        description: Some("What the collections hold as products, ObsCore 1.1".to_owned()),
        columns: OBSCORE_COLUMNS.iter().map(described).collect(),
    };
    let description = Some("Tables that standards of the IVOA define".to_owned());
    Schema { name: SCHEMA.to_owned(), description, tables: vec![table] }
}

fn described(column: &ObsCoreColumn) -> Column {
    let (datatype, arraysize, xtype) = match column.kind {
        ObsCoreKind::Text => ("char", Some("*"), None),
        ObsCoreKind::Integer => ("int", None, None),
        ObsCoreKind::Long => ("long", None, None),
        ObsCoreKind::Double => ("double", None, None),
        ObsCoreKind::Region => ("char", Some("*"), Some("adql:REGION")),
    };
    Column {
        name: column.name.to_owned(),
        description: Some(column.description.to_owned()),
        datatype: datatype.to_owned(),
        arraysize: arraysize.map(str::to_owned),
        xtype: xtype.map(str::to_owned),
        unit: Some(column.unit.to_owned()).filter(|unit| !unit.is_empty()),
        ucd: Some(column.ucd.to_owned()),
        utype: Some(format!("obscore:{}", column.utype)),
        indexed: ["s_ra", "s_dec"].contains(&column.name),
        principal: true,
        std: true,
    }
}
