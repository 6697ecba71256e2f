//! Tables that come with a query: `TAP_UPLOAD.name` in it. TAP 1.1 section 2.5.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, TableProvider};
use spolia_adql::{Schema, Table, as_written};

use crate::error::ExecError;
use crate::tap_schema::column;

/// The schema that uploaded tables are in.
pub(crate) const UPLOADS: &str = "tap_upload";

/// A table that comes with a query, and is gone with it.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its name in the query, after `TAP_UPLOAD.`.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub rows: Vec<RecordBatch>,
}

impl Upload {
    pub(crate) fn provider(&self) -> Result<Arc<dyn TableProvider>, ExecError> {
        Ok(Arc::new(MemTable::try_new(Arc::clone(&self.schema), vec![self.rows.clone()])?))
    }

    fn described(&self) -> Result<Table, ExecError> {
        let refused = |name: &str| {
            ExecError::Request(format!("{name:?} cannot be the name of an uploaded table or of its column"))
        };
        let columns = self.schema.fields().iter().map(|field| {
            let mut column = column(field).map_err(|error| ExecError::Request(error.to_string()))?;
            column.name = as_written(field.name()).ok_or_else(|| refused(field.name()))?;
            Ok(column)
        });
        let name = as_written(&self.name).ok_or_else(|| refused(&self.name))?;
        Ok(Table {
            name: format!("{UPLOADS}.{name}"),
            description: Some("A table that came with the query".to_owned()),
            columns: columns.collect::<Result<_, ExecError>>()?,
        })
    }
}

/// The schema of uploaded tables; nothing where there is none.
pub(crate) fn described(uploads: &[Upload]) -> Result<Option<Schema>, ExecError> {
    let tables = uploads.iter().map(Upload::described).collect::<Result<Vec<_>, _>>()?;
    let description = Some("Tables that came with the query".to_owned());
    Ok((!tables.is_empty()).then(|| Schema { name: UPLOADS.to_owned(), description, tables }))
}
