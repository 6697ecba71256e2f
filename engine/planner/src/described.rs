//! What a query's columns mean goes along with its plan, as metadata of its fields: `unit`, `ucd`, `utype`, `xtype`, `description`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use spolia_adql::{Meaning, OutputColumn};

/// The plan, whose fields say what `columns` do.
///
/// # Errors
/// When DataFusion refuses the projection that says so.
pub(crate) fn described(plan: LogicalPlan, columns: &[OutputColumn]) -> Result<LogicalPlan> {
    let fields: Vec<_> = plan.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
    let differing = fields.iter().zip(columns).map(|((_, field), column)| differing(field, &column.meaning));
    let differing: Vec<_> = differing.collect();
    if fields.len() != columns.len() || differing.iter().all(BTreeMap::is_empty) {
        return Ok(plan);
    }
    let outputs = fields.into_iter().zip(differing).map(|((table, field), entries)| {
        let column = Expr::Column(Column::new(table.clone(), field.name()));
        match entries.is_empty() {
            true => column,
            false => column.alias_qualified_with_metadata(table, field.name(), Some(FieldMetadata::from(entries))),
        }
    });
    LogicalPlanBuilder::from(plan).project(outputs.collect::<Vec<_>>())?.build()
}

/// What a field does not say yet, or says wrongly: an empty text takes back what it says.
fn differing(field: &Field, meaning: &Meaning) -> BTreeMap<String, String> {
    let entries = [
        ("unit", &meaning.unit),
        ("ucd", &meaning.ucd),
        ("utype", &meaning.utype),
        ("xtype", &meaning.xtype),
        ("description", &meaning.description),
    ];
    let said = |key: &str| field.metadata().get(key).filter(|text| !text.is_empty());
    // Times have their xtype by their type.
    let by_type = |key: &str| key == "xtype" && field.data_type().is_temporal();
    let entries = entries.into_iter().filter(|(key, text)| !by_type(key) && said(key) != text.as_ref());
    entries.map(|(key, text)| (key.to_owned(), text.clone().unwrap_or_default())).collect()
}
