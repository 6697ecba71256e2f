//! A site opened for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::{TableProvider, default_table_source::DefaultTableSource, view::ViewTable};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::{LogicalPlanBuilder, ScalarUDF};
use datafusion::prelude::{col, ident};
use object_store::ObjectStore;
use spolia_adql::TapSchema;
use spolia_catalogue::{Control, SigningKey};
use spolia_cutout::Files;
use spolia_planner::{DERIVED_FROM, QuerySettings, Session};
use spolia_shard_router::{FederatedPlanner, NodeAddress, Router, RouterSettings, ShardedTable, Snapshot};

use crate::cut::CutSettings;
use crate::error::ExecError;
use crate::link::{LinkBase, LinkError, RowLink, access_url};
use crate::operation_log::{LogSettings, OperationLog};
use crate::store::{Store, StoreSettings};
use crate::tap_schema::{ACCESS_URL_COLUMN, ACCESS_URL_DESCRIPTION, ACCESS_URL_UCD, tap_schema};
use crate::upload::{self, Upload};

/// What it takes to open a site.
#[derive(Debug, Clone)]
pub struct ArchiveSettings {
    /// The site's folder.
    pub site: PathBuf,
    /// The nodes; the control database lies on the first one.
    pub nodes: Vec<NodeAddress>,
    /// How to reach the control database.
    pub control: NodeAddress,
    /// The object store.
    pub store: StoreSettings,
    /// Bounds on nodes.
    pub router: RouterSettings,
    /// Bounds on queries.
    pub query: QuerySettings,
    /// Bounds on cuts.
    pub cut: CutSettings,
    /// The operation log.
    pub log: LogSettings,
}

/// A site opened for reading.
#[derive(Clone)]
pub struct Archive {
    router: Router,
    store: Store,
    site: PathBuf,
    keys: Vec<SigningKey>,
    memory: Arc<dyn MemoryPool>,
    query: QuerySettings,
    log: OperationLog,
}

impl Archive {
    /// Opens a site: checks the control database's version and reads the signing keys.
    ///
    /// # Errors
    /// When the control node does not answer, or the site needs `spolia init`.
    pub async fn open(settings: ArchiveSettings) -> Result<Self, ExecError> {
        let control = Control::new(settings.control.config.clone())?;
        control.check_version().await?;
        Ok(Self {
            keys: control.signing_keys().await?,
            router: Router::new(control, settings.nodes, &settings.router)?,
            store: Store::open(&settings.store, &settings.site, settings.cut.memory_mib)?,
            log: OperationLog::new(&settings.site.join("log"), settings.log),
            memory: Session::memory_pool(&settings.query),
            query: settings.query,
            site: settings.site,
        })
    }

    /// The router.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The object store of the archived files.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store.objects
    }

    /// Whether the store is a server's, whose ETags tell versions of an object apart.
    pub fn store_is_remote(&self) -> bool {
        self.store.is_remote
    }

    /// The archived files as cuts read them.
    pub fn files(&self) -> &Arc<Files> {
        &self.store.files
    }

    /// The site's folder.
    pub fn site(&self) -> &Path {
        &self.site
    }

    /// The operation log.
    pub fn log(&self) -> &OperationLog {
        &self.log
    }

    /// What the archive offers now, as TAP_SCHEMA describes it.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn tap_schema(&self) -> Result<TapSchema, ExecError> {
        Ok(tap_schema(&self.router.control().collections().await?)?)
    }

    /// The row that a link id stands for.
    ///
    /// # Errors
    /// [`LinkError`] for an id that this site did not make.
    pub fn verify_link(&self, text: &str) -> Result<RowLink, LinkError> {
        RowLink::verify(text, &self.keys)
    }

    /// A signed link id for a row.
    pub fn sign_link(&self, link: RowLink) -> String {
        self.keys.first().map(|key| link.sign(key)).unwrap_or_default()
    }

    /// A session over one epoch, whose rows carry links under `links`, with tables that came along.
    pub(crate) fn session(
        &self,
        snapshot: &Snapshot,
        links: &LinkBase,
        uploads: &[Upload],
    ) -> Result<Session, ExecError> {
        let key = self.keys.first().cloned().unwrap_or(SigningKey { version: 0, secret: Vec::new() });
        let link = access_url(links.clone(), snapshot.manifest().epoch, key);
        let tables = snapshot.tables().into_iter().map(|table| linked(table, &link)).collect::<Result<_, _>>()?;
        let schema = tap_schema(snapshot.collections())?;
        let planner = Arc::new(FederatedPlanner);
        let mut session = Session::new(schema, tables, vec![link], planner, Arc::clone(&self.memory), &self.query)?;
        if let Some(schema) = upload::described(uploads)? {
            let table = |upload: &Upload| Ok((upload.name.clone(), upload.provider()?));
            session.add_schema(schema, uploads.iter().map(table).collect::<Result<_, ExecError>>()?)?;
        }
        Ok(session)
    }
}

/// A table with the column that leads to DataLink.
fn linked(
    table: Arc<ShardedTable>,
    link: &ScalarUDF,
) -> Result<(String, String, Arc<dyn TableProvider>), DataFusionError> {
    let (schema, name) = (table.name().0.to_owned(), table.name().1.to_owned());
    let mut columns: Vec<_> = table.schema().fields().iter().map(|field| ident(field.name())).collect();
    let metadata = [("ucd", ACCESS_URL_UCD), ("description", ACCESS_URL_DESCRIPTION), (DERIVED_FROM, "id")];
    let metadata: std::collections::BTreeMap<_, _> = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    columns.push(link.call(vec![col("id")]).alias_with_metadata(ACCESS_URL_COLUMN, Some(metadata.into())));
    let source = Arc::new(DefaultTableSource::new(table));
    let plan = LogicalPlanBuilder::scan(&name, source, None)?.project(columns)?.build()?;
    Ok((schema, name, Arc::new(ViewTable::new(plan, None))))
}
