//! The collections as TAP_SCHEMA describes them.

use datafusion::arrow::datatypes::Field;
use spolia_adql::{Column, ForeignKey, Schema, Table, TapSchema};
use spolia_catalogue::{Collection, FILE_COLUMNS, TableDef};
use spolia_formats::{FormatError, VoField};
use spolia_planner::tap_schema_declaration;
use spolia_shard_router::arrow_schema;

use crate::obscore;

/// The columns every table has beside its own, with what they are for: made for each answer, never stored. Both lead to the same; TOPCAT
/// offers to show the links of a column with `datalink` in its name.
pub(crate) const LINK_COLUMNS: [(&str, &str); 2] = [
    ("access_url", "DataLink of the row: its Cut & Merge, its whole file, its counterparts"),
    ("datalink_url", "The same as access_url, by a name that clients know links by"),
];
/// The UCD of a link.
pub(crate) const LINK_UCD: &str = "meta.ref.url";

/// What the service offers: every collection, their `products` as ObsCore has them, and TAP_SCHEMA itself.
///
/// # Errors
/// When a column has no form in VOTable, which would be a fault here.
pub(crate) fn tap_schema(collections: &[Collection], products: bool) -> Result<TapSchema, FormatError> {
    let (own, own_keys) = tap_schema_declaration();
    let others = products.then(obscore::schema).into_iter().chain([own]);
    Ok(TapSchema {
        schemas: collections.iter().map(schema).chain(others.map(Ok)).collect::<Result<_, _>>()?,
        keys: collections.iter().flat_map(keys).chain(own_keys).collect(),
    })
}

fn schema(collection: &Collection) -> Result<Schema, FormatError> {
    Ok(Schema {
        name: collection.name.clone(),
        description: Some(collection.description.clone()),
        tables: collection.tables.iter().map(|table| described(&collection.name, table)).collect::<Result<_, _>>()?,
    })
}

fn described(schema: &str, table: &TableDef) -> Result<Table, FormatError> {
    let indexed =
        |name: &str| name == "id" || table.column(name).is_some_and(|column| column.indexed) || table.shard_key == name;
    let of_file = |name: &str| FILE_COLUMNS.iter().any(|(column, ..)| *column == name);
    let column = |field: &Field| {
        let (indexed, principal) = (indexed(field.name()), !of_file(field.name()));
        Ok(Column { indexed, principal, ..column(field)? })
    };
    let mut columns = arrow_schema(table).fields().iter().map(|field| column(field)).collect::<Result<Vec<_>, _>>()?;
    columns.extend(LINK_COLUMNS.map(|(name, description)| Column {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        datatype: "char".to_owned(),
        arraysize: Some("*".to_owned()),
        ucd: Some(LINK_UCD.to_owned()),
        principal: true,
        ..Column::default()
    }));
    let name = format!("{schema}.{}", table.name);
    Ok(Table { name, description: Some(table.description.clone()), columns })
}

/// A column as answers have it.
///
/// # Errors
/// When it has no form in VOTable.
pub(crate) fn column(field: &Field) -> Result<Column, FormatError> {
    let field = VoField::from_arrow(field)?;
    Ok(Column {
        name: field.name,
        description: field.description,
        datatype: field.datatype.name().to_owned(),
        arraysize: field.arraysize,
        xtype: field.xtype,
        unit: field.unit,
        ucd: field.ucd,
        utype: field.utype,
        ..Column::default()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_form() {
        let columns = [
            ("bigint", "long", None, None),
            ("integer", "int", None, None),
            ("smallint", "short", None, None),
            ("double", "double", None, None),
            ("real", "float", None, None),
            ("boolean", "boolean", None, None),
            ("text", "char", Some("*"), None),
            ("timestamp", "char", Some("*"), Some("timestamp")),
            ("date", "char", Some("*"), Some("timestamp")),
            ("uuid", "char", Some("*"), Some("uuid")),
            ("numeric(12,3)", "char", Some("*"), None),
            ("bytea", "unsignedByte", Some("*"), None),
            ("double[10]", "double", Some("10"), None),
            ("boolean[3]", "boolean", Some("3"), None),
            ("real[]", "float", Some("*"), None),
            ("smallint[]", "short", Some("*"), None),
        ];
        let declared =
            columns.iter().enumerate().map(|(i, (name, ..))| format!(r#"{{"name": "c{i}", "type": "{name}"}}"#));
        let table = format!(
            r#"{{"name": "t", "description": "", "class": "T", "object": "T", "shard_key": "c0", "column": [{}]}}"#,
            declared.collect::<Vec<_>>().join(", ")
        );
        let table = described("s", &serde_json::from_str(&table).unwrap()).unwrap();
        for (i, (name, datatype, arraysize, xtype)) in columns.into_iter().enumerate() {
            let column = table.column(&format!("c{i}")).unwrap();
            let found = (column.datatype.as_str(), column.arraysize.as_deref(), column.xtype.as_deref());
            assert_eq!(found, (datatype, arraysize, xtype), "{name}");
        }
    }
}
