//! Selections that are kept: many rows under one id, and the baskets that rows gather in which are opened one after the other.
//!
//! An id is signed, names the client that it was made for, and ends with its time; so a store is asked only for what this site has put
//! there. A store forgets by itself; what it gives back is compared with the id again.

mod id;
mod memory;
mod redis;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use spolia_catalogue::SigningKey;

pub use self::redis::RedisSelections;
pub(crate) use id::Bearer;
pub use id::SelectionId;
pub use memory::MemorySelections;
pub use rows::SelectedRows;

use crate::access::Act;
use crate::archive::Archive;
use crate::error::ExecError;
use crate::link::{LinkError, RowLink};
use crate::selection::{Chooser, Selection};
use crate::store::Secret;
use crate::upload::Upload;
use id::Kind;

/// Where selections are kept, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectionSettings {
    /// A Redis server, as `redis://user:password@host:port/db`; in the memory of `spolia serve` where none is given.
    pub redis: Secret,
    /// The memory that selections may take where there is no Redis, in MB; then the least used go.
    pub memory_mb: usize,
    /// Seconds that a selection is kept.
    pub lifetime_s: u32,
    /// Seconds that a basket is kept after the last row has been opened.
    pub basket_s: u32,
    /// Rows of a basket at most; those opened later stay outside.
    pub basket_rows: usize,
    /// Rows of a selection at most.
    pub rows: usize,
}

impl Default for SelectionSettings {
    fn default() -> Self {
        Self {
            redis: Secret::default(),
            memory_mb: 256,
            lifetime_s: 86_400,
            basket_s: 3600,
            basket_rows: 20_000,
            rows: 2_000_000,
        }
    }
}

/// The store of selections failed.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// It has no room for it.
    #[error("the selection is larger than all the memory that there is for selections (memory_mb in [selections])")]
    NoRoom,
    /// Its address is none.
    #[error("redis in [selections] is no address of a Redis server")]
    Address(#[source] ::redis::RedisError),
    /// It does not answer, or refuses.
    #[error("the Redis server that keeps selections failed to {act}")]
    Redis {
        /// What was to be done.
        act: &'static str,
        /// Why.
        #[source]
        source: ::redis::RedisError,
    },
}

/// Keeps selections and baskets for a time. Names are of letters and digits.
#[async_trait]
pub trait SelectionStore: std::fmt::Debug + Send + Sync {
    /// Keeps a selection; under a name that is there already, its time begins anew.
    ///
    /// # Errors
    /// When there is no room for it, or the store does not answer.
    async fn keep(&self, name: &str, rows: Bytes, lifetime: Duration) -> Result<(), SelectionError>;

    /// The selection of that name, unless its time is over.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn find(&self, name: &str) -> Result<Option<Bytes>, SelectionError>;

    /// Forgets a selection; true if it was there.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn forget(&self, name: &str) -> Result<bool, SelectionError>;

    /// Adds a row to the end of a basket, unless it is in it or `most` are; how many are in it then. The basket's time begins anew.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn gather(
        &self,
        basket: &str,
        row: RowLink,
        most: usize,
        lifetime: Duration,
    ) -> Result<usize, SelectionError>;

    /// The first rows of a basket, so many at most, in the order in which they came.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn gathered(&self, basket: &str, first: usize) -> Result<Vec<RowLink>, SelectionError>;
}

/// The selections of a site.
#[derive(Debug, Clone)]
pub(crate) struct Selections {
    store: Arc<dyn SelectionStore>,
    settings: Arc<SelectionSettings>,
}

impl Selections {
    /// Does not reach out to a Redis server before it is needed.
    ///
    /// # Errors
    /// [`SelectionError::Address`].
    pub(crate) fn open(settings: SelectionSettings) -> Result<Self, SelectionError> {
        let store: Arc<dyn SelectionStore> = match settings.redis.expose() {
            "" => Arc::new(MemorySelections::new(settings.memory_mb << 20)),
            address => Arc::new(RedisSelections::new(address)?),
        };
        Ok(Self { store, settings: Arc::new(settings) })
    }

    /// Keeps rows for a client.
    pub(crate) async fn keep(
        &self,
        rows: &SelectedRows,
        bearer: &Bearer<'_>,
        key: &SigningKey,
    ) -> Result<SelectionId, ExecError> {
        let packed = Bytes::from(rows.packed());
        let lifetime = Duration::from_secs(self.settings.lifetime_s.into());
        let name = bearer.name(&packed, key);
        let until = Utc::now() + lifetime;
        self.store.keep(&id::store_name(name), packed, lifetime).await?;
        Ok(SelectionId::new(Kind::Kept, rows.ids.len(), name, until))
    }

    /// The rows that an id stands for.
    pub(crate) async fn find(
        &self,
        id: &SelectionId,
        bearer: &Bearer<'_>,
        keys: &[SigningKey],
    ) -> Result<SelectedRows, ExecError> {
        if id.is_over(Utc::now()) {
            return Err(LinkError::Over.into());
        }
        // What is there under a name may have begun anew, or been spoilt.
        let is_it = |packed: &Bytes, key: &SigningKey| bearer.name(packed, key) == id.name();
        let mut found = None;
        if id.is_basket() {
            for key in keys {
                let packed = self.basket(id.count(), bearer, key).await?;
                found = found.or(Some(packed).filter(|packed| is_it(packed, key)));
            }
        } else {
            let packed = self.store.find(&id::store_name(id.name())).await?;
            found = packed.filter(|packed| keys.iter().any(|key| is_it(packed, key)));
        }
        found.and_then(|packed| SelectedRows::unpack(&packed)).ok_or_else(|| LinkError::Over.into())
    }

    /// The first rows of a client's basket.
    async fn basket(&self, first: usize, bearer: &Bearer<'_>, key: &SigningKey) -> Result<Bytes, ExecError> {
        let rows = self.store.gathered(&bearer.basket(key), first).await?;
        Ok(SelectedRows::of_links(&rows).packed().into())
    }

    /// Forgets the rows that an id stands for.
    pub(crate) async fn forget(&self, id: &SelectionId) -> Result<bool, ExecError> {
        Ok(!id.is_basket() && self.store.forget(&id::store_name(id.name())).await?)
    }

    /// Adds a row to the client's basket.
    pub(crate) async fn gather(
        &self,
        row: RowLink,
        bearer: &Bearer<'_>,
        key: &SigningKey,
    ) -> Result<SelectionId, ExecError> {
        let lifetime = Duration::from_secs(self.settings.basket_s.into());
        let until = Utc::now() + lifetime;
        let count = self.store.gather(&bearer.basket(key), row, self.settings.basket_rows, lifetime).await?;
        let rows = self.basket(count, bearer, key).await?;
        Ok(SelectionId::new(Kind::Basket, count, bearer.name(&rows, key), until))
    }
}

impl Archive {
    /// The rows that were chosen, with `uploads` for the query that chooses them.
    ///
    /// # Errors
    /// When nothing is chosen, or too much, or what is chosen is not there or may not be queried.
    pub async fn select(
        &self,
        selection: &Selection,
        uploads: &[Upload],
        epoch: Option<i64>,
    ) -> Result<SelectedRows, ExecError> {
        let epoch = self.open_epoch(epoch, Act::Query).await?;
        let chosen = Chooser::new(self, &epoch, uploads, Act::Query).await?.choose(selection, false, true).await?;
        let ids: Vec<i64> = chosen.tables.values().flat_map(|rows| rows.keys().copied()).collect();
        let most = self.selections.settings.rows;
        if ids.len() > most {
            return Err(ExecError::Request(format!(
                "{} rows are selected; a selection takes at most {most}",
                ids.len()
            )));
        }
        Ok(SelectedRows::new(epoch.snapshot.manifest().epoch, ids))
    }

    /// Rows of a selection at most.
    pub fn selection_rows(&self) -> usize {
        self.selections.settings.rows
    }

    /// Keeps rows for a client; the text is the id that stands for them.
    ///
    /// # Errors
    /// When the store has no room or does not answer.
    pub async fn keep_selection(&self, rows: &SelectedRows, client: &str) -> Result<(String, SelectionId), ExecError> {
        let (key, bearer) = (self.key()?, self.bearer(client));
        let id = self.selections.keep(rows, &bearer, &key).await?;
        Ok((id.sign(&bearer, &key), id))
    }

    /// The selection that an id stands for, as far as the id tells.
    ///
    /// # Errors
    /// [`LinkError`] for an id that this site did not make for this client.
    pub fn verify_selection(&self, text: &str, client: &str) -> Result<SelectionId, LinkError> {
        SelectionId::verify(text, &self.bearer(client), &self.keys())
    }

    /// The rows of a selection.
    ///
    /// # Errors
    /// [`LinkError::Over`] when they are no longer kept; when the store does not answer.
    pub async fn selected(&self, id: &SelectionId, client: &str) -> Result<SelectedRows, ExecError> {
        self.selections.find(id, &self.bearer(client), &self.keys()).await
    }

    /// Forgets a selection; true if it was there. Baskets end by themselves.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn forget_selection(&self, id: &SelectionId) -> Result<bool, ExecError> {
        self.selections.forget(id).await
    }

    /// Adds a row to the client's basket; the text is the id of all that is in it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn gather(&self, row: RowLink, client: &str) -> Result<(String, SelectionId), ExecError> {
        let (key, bearer) = (self.key()?, self.bearer(client));
        let id = self.selections.gather(row, &bearer, &key).await?;
        Ok((id.sign(&bearer, &key), id))
    }

    fn bearer<'a>(&'a self, client: &'a str) -> Bearer<'a> {
        Bearer { client, owner: self.who().name() }
    }

    fn key(&self) -> Result<SigningKey, ExecError> {
        self.keys().first().cloned().ok_or_else(|| LinkError::Forged.into())
    }
}

/// The time as ids have it, in seconds since 1970, UTC.
fn seconds(time: DateTime<Utc>) -> u32 {
    u32::try_from(time.timestamp()).unwrap_or(u32::MAX)
}
