//! A site opened for reading.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::execution::memory_pool::MemoryPool;
use object_store::ObjectStore;
use quick_cache::sync::Cache;
use spolia_adql::TapSchema;
use spolia_catalogue::{Collection, Control, SigningKey};
use spolia_cutout::Files;
use spolia_planner::{QuerySettings, Session};
use spolia_shard_router::{NodeAddress, Router, RouterSettings};

use crate::access::{AccessSettings, Act};
use crate::cut::CutSettings;
use crate::error::ExecError;
use crate::link::{LinkError, RowLink};
use crate::open_epoch::{EPOCHS_KEPT, OpenEpoch, View};
use crate::operation_log::{LogSettings, OperationLog};
use crate::principal::Principal;
use crate::selections::{SelectionSettings, Selections};
use crate::store::{Store, StoreSettings};
use crate::tap_schema::tap_schema;
use crate::user_tables::UserTableSettings;
use crate::work::NodeKeys;

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
    /// Where selections are kept.
    pub selections: SelectionSettings,
    /// How much users may keep.
    pub user_tables: UserTableSettings,
    /// The operation log.
    pub log: LogSettings,
    /// Who may do what.
    pub access: AccessSettings,
    /// The naming authority that identifiers in the Virtual Observatory begin with: `ivo://<authority>/…`.
    pub authority: String,
}

/// A site opened for reading, as someone sees it.
#[derive(Clone)]
pub struct Archive {
    router: Router,
    store: Store,
    site: PathBuf,
    keys: Arc<RwLock<Arc<[SigningKey]>>>,
    pub(crate) memory: Arc<dyn MemoryPool>,
    pub(crate) query: QuerySettings,
    pub(crate) epochs: Arc<Cache<View, Arc<OpenEpoch>>>,
    pub(crate) access: Arc<AccessSettings>,
    pub(crate) who: Arc<Principal>,
    pub(crate) selections: Selections,
    pub(crate) user_tables: Arc<UserTableSettings>,
    store_settings: Arc<StoreSettings>,
    node_keys: Arc<NodeKeys>,
    cut_settings: CutSettings,
    authority: Arc<str>,
    log: OperationLog,
}

impl Archive {
    /// Opens a site for its operator: checks the control database's version and reads the signing keys.
    ///
    /// # Errors
    /// When the control node does not answer, or the site needs `spolia init`.
    pub async fn open(settings: ArchiveSettings) -> Result<Self, ExecError> {
        let control = Control::new(settings.control.config.clone())?;
        control.check_version().await?;
        let node_keys = NodeKeys::new(&settings.control, &settings.nodes, &settings.router);
        Ok(Self {
            node_keys: Arc::new(node_keys),
            keys: Arc::new(RwLock::new(control.signing_keys().await?.into())),
            router: Router::new(control, settings.nodes, &settings.router)?,
            store: Store::open(&settings.store, &settings.site, settings.cut.memory_mib)?,
            log: OperationLog::new(&settings.site.join("log"), settings.log),
            selections: Selections::open(settings.selections)?,
            user_tables: Arc::new(settings.user_tables),
            store_settings: Arc::new(settings.store),
            cut_settings: settings.cut,
            authority: settings.authority.into(),
            memory: Session::memory_pool(&settings.query),
            query: settings.query,
            epochs: Arc::new(Cache::new(EPOCHS_KEPT)),
            site: settings.site,
            access: Arc::new(settings.access),
            who: Arc::new(Principal::operator()),
        })
    }

    /// The archive as someone else sees it: what they may not query is not there.
    #[must_use]
    pub fn seen_by(&self, who: Principal) -> Self {
        Self { who: Arc::new(who), ..self.clone() }
    }

    /// Who sees it.
    pub fn who(&self) -> &Principal {
        &self.who
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

    /// Where the archived files lie, for those who read them elsewhere.
    pub(crate) fn store_settings(&self) -> &StoreSettings {
        &self.store_settings
    }

    /// How the nodes are reached, for those who write to them elsewhere.
    pub(crate) fn node_keys(&self) -> &Arc<NodeKeys> {
        &self.node_keys
    }

    /// Bounds on cuts.
    pub(crate) fn cut_settings(&self) -> &CutSettings {
        &self.cut_settings
    }

    /// The site's folder.
    pub fn site(&self) -> &Path {
        &self.site
    }

    /// The operation log.
    pub fn log(&self) -> &OperationLog {
        &self.log
    }

    /// What the archive offers now, as TAP_SCHEMA describes it, with the tables of whoever asks.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn tap_schema(&self) -> Result<TapSchema, ExecError> {
        let collections = self.collections(Act::Query).await?;
        let products = collections.iter().any(Collection::has_products);
        let mut schema = tap_schema(&collections, products)?;
        schema.schemas.extend(self.user_schemas().await?.into_iter().map(|(schema, _)| schema));
        Ok(schema)
    }

    /// The naming authority of identifiers.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The keys that sign links, newest first.
    pub(crate) fn keys(&self) -> Arc<[SigningKey]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up what has become of the keys that sign links since they were read.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn refresh_keys(&self) -> Result<(), ExecError> {
        let keys = self.router.control().signing_keys().await?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
        Ok(())
    }

    /// The row that a link id stands for.
    ///
    /// # Errors
    /// [`LinkError`] for an id that this site did not make.
    pub fn verify_link(&self, text: &str) -> Result<RowLink, LinkError> {
        RowLink::verify(text, &self.keys())
    }

    /// A signed link id for a row.
    pub fn sign_link(&self, link: RowLink) -> String {
        self.keys().first().map(|key| link.sign(key)).unwrap_or_default()
    }
}
