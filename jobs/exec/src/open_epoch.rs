//! An epoch opened for queries and cuts, and kept for those that come after.

use std::sync::Arc;

use datafusion::catalog::{TableProvider, default_table_source::DefaultTableSource, view::ViewTable};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlanBuilder, ScalarUDF};
use datafusion::prelude::{col, ident};
use spolia_adql::TapSchema;
use spolia_catalogue::{CatalogueError, Collection, Edition, SigningKey, TableDef};
use spolia_planner::{DERIVED_FROM, PlanError, Session, SessionBase};
use spolia_shard_router::{Snapshot, arrow_schema};

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
        let (link, collections) = (access_url(snapshot.manifest().epoch, key), snapshot.collections());
        let tables = snapshot.tables().into_iter().map(|table| {
            let (schema, name) = (table.name().0.to_owned(), table.name().1.to_owned());
            linked(schema, name, table, &link)
        });
        let mut tables: Vec<NamedTable> = tables.collect::<Result<_, _>>()?;
        let Some(query) = obscore::query(collections, self.authority()) else {
            return self.base(tap_schema(collections, false)?, tables, link);
        };
        let base = self.base(tap_schema(collections, false)?, tables.clone(), link.clone())?;
        match base.session(Arc::new(self.router().planner()))?.plan(&query, None).await {
            Ok(plan) => {
                let view = Arc::new(ViewTable::new(plan, None));
                tables.push((obscore::SCHEMA.to_owned(), obscore::NAME.to_owned(), view));
                self.base(tap_schema(collections, true)?, tables, link)
            }
            // All else is to be had without it.
            Err(error) => {
                tracing::error!(%error, "there is no ivoa.obscore: a data model's products cannot be asked for");
                Ok(base)
            }
        }
    }

    fn base(&self, schema: TapSchema, tables: Vec<NamedTable>, link: ScalarUDF) -> Result<SessionBase, ExecError> {
        Ok(SessionBase::new(schema, tables, vec![link], Arc::clone(&self.memory), &self.query)?)
    }

    /// Checks that queries of a collection can be planned, of its tables and of its products, before it is in the archive.
    ///
    /// # Errors
    /// [`ExecError::Request`] with what its data model has to change.
    pub async fn check_collection(&self, collection: &Collection) -> Result<(), ExecError> {
        let link = access_url(0, self.keys().first().cloned().ok_or(LinkError::Forged)?);
        let empty = |table: &TableDef| {
            let provider = Arc::new(EmptyTable::new(arrow_schema(table)));
            linked(collection.name.clone(), table.name.clone(), provider, &link)
        };
        let tables = collection.tables.iter().map(empty).collect::<Result<_, _>>()?;
        let base = self.base(tap_schema(std::slice::from_ref(collection), false)?, tables, link)?;
        let session = base.session(Arc::new(self.router().planner()))?;
        for table in &collection.tables {
            let whole = [(table.name.as_str(), format!("SELECT * FROM {}.{}", collection.name, table.name))];
            for (what, query) in whole.into_iter().chain(obscore::said(collection, table)) {
                let wrong = |error: PlanError| {
                    let place = format!("{}.{}", collection.name, table.name);
                    ExecError::Request(format!("the data model is not usable: {place}: {what} in {query:?}: {error}"))
                };
                let plan = session.plan(&query, None).await.map_err(wrong)?;
                session.physical(&plan).await.map_err(wrong)?;
            }
        }
        Ok(())
    }

    /// A session over an epoch, whose rows carry links under `links`, with tables of whoever asks and tables that came along.
    pub(crate) async fn session(
        &self,
        epoch: &OpenEpoch,
        links: &LinkBase,
        uploads: &[Upload],
    ) -> Result<Session, ExecError> {
        let mut session = epoch.base.session(Arc::new(self.router().planner()))?;
        session.set_option(links.clone());
        let own = self.user_schemas().await?;
        if !own.is_empty() {
            own.into_iter().try_for_each(|(schema, tables)| session.add_schema(schema, tables))?;
            session.list_added()?;
        }
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
fn linked(
    schema: String,
    name: String,
    table: Arc<dyn TableProvider>,
    link: &ScalarUDF,
) -> Result<NamedTable, DataFusionError> {
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
