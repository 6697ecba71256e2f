//! An epoch opened for queries and cuts, and kept for those that come after.

use std::sync::Arc;

use datafusion::catalog::{TableProvider, default_table_source::DefaultTableSource, view::ViewTable};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlanBuilder, ScalarUDF};
use datafusion::prelude::{col, ident};
use spolia_catalogue::{CatalogueError, Edition, SigningKey};
use spolia_planner::{DERIVED_FROM, Session, SessionBase};
use spolia_shard_router::{ShardedTable, Snapshot};

use crate::access::Act;
use crate::archive::Archive;
use crate::error::ExecError;
use crate::link::{LinkBase, LinkError, access_url};
use crate::obscore;
use crate::tap_schema::{LINK_COLUMNS, LINK_UCD, tap_schema};
use crate::upload::{self, Upload};

/// Epochs kept open: the newest, and some that older links lead to.
pub(crate) const EPOCHS_KEPT: usize = 8;

/// What tells one open epoch from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct View {
    edition: Edition,
    /// The collections that are not in it.
    closed: Vec<String>,
    /// The version of the key that signs its links.
    key: i32,
}

/// One epoch, ready for queries and cuts; all that read it share it.
pub(crate) struct OpenEpoch {
    pub(crate) snapshot: Snapshot,
    base: SessionBase,
}

impl Archive {
    /// The epoch of a number, or the newest, with the collections that may be used like that.
    ///
    /// # Errors
    /// When the control node fails, or has no such epoch.
    pub(crate) async fn open_epoch(&self, epoch: Option<i64>, act: Act) -> Result<Arc<OpenEpoch>, ExecError> {
        let edition = self.router().control().edition(epoch).await?.ok_or(CatalogueError::Empty)?;
        let key = self.keys().first().cloned().ok_or(LinkError::Forged)?;
        let view = View { edition, closed: self.access.closed(&self.who, act), key: key.version };
        let open = async {
            let snapshot = self.router().snapshot(&view.edition).await?.without(&view.closed);
            Ok(Arc::new(OpenEpoch { base: self.session_base(&snapshot, key).await?, snapshot }))
        };
        self.epochs.get_or_insert_async(&view, open).await
    }

    async fn session_base(&self, snapshot: &Snapshot, key: SigningKey) -> Result<SessionBase, ExecError> {
        let link = access_url(snapshot.manifest().epoch, key);
        let tables = snapshot.tables().into_iter().map(|table| linked(table, &link));
        let mut tables: Vec<NamedTable> = tables.collect::<Result<_, _>>()?;
        let base = |schema, tables| {
            SessionBase::new(schema, tables, vec![link.clone()], Arc::clone(&self.memory), &self.query)
        };
        let schema = tap_schema(snapshot.collections())?;
        if let Some(query) = obscore::query(snapshot.collections(), self.authority()) {
            let session = base(schema.clone(), tables.clone())?.session(Arc::new(self.router().planner()))?;
            let view = ViewTable::new(session.plan(&query, None).await?, None);
            tables.push((obscore::SCHEMA.to_owned(), obscore::NAME.to_owned(), Arc::new(view)));
        }
        Ok(base(schema, tables)?)
    }

    /// A session over an epoch, whose rows carry links under `links`, with tables that came along.
    pub(crate) fn session(
        &self,
        epoch: &OpenEpoch,
        links: &LinkBase,
        uploads: &[Upload],
    ) -> Result<Session, ExecError> {
        let mut session = epoch.base.session(Arc::new(self.router().planner()))?;
        session.set_option(links.clone());
        if let Some(schema) = upload::described(uploads)? {
            let table = |upload: &Upload| Ok((upload.name.clone(), upload.provider()?));
            session.add_schema(schema, uploads.iter().map(table).collect::<Result<_, ExecError>>()?)?;
        }
        Ok(session)
    }
}

/// A table under the names of its schema and of its own.
type NamedTable = (String, String, Arc<dyn TableProvider>);

/// A table with the columns that lead to DataLink.
fn linked(table: Arc<ShardedTable>, link: &ScalarUDF) -> Result<NamedTable, DataFusionError> {
    let (schema, name) = (table.name().0.to_owned(), table.name().1.to_owned());
    let mut columns: Vec<_> = table.schema().fields().iter().map(|field| ident(field.name())).collect();
    columns.extend(LINK_COLUMNS.map(|(name, description)| {
        let metadata = [("ucd", LINK_UCD), ("description", description), (DERIVED_FROM, "id")];
        let metadata: std::collections::BTreeMap<_, _> = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        link.call(vec![col("id")]).alias_with_metadata(name, Some(metadata.into()))
    }));
    let source = Arc::new(DefaultTableSource::new(table));
    let plan = LogicalPlanBuilder::scan(&name, source, None)?.project(columns)?.build()?;
    Ok((schema, name, Arc::new(ViewTable::new(plan, None))))
}
