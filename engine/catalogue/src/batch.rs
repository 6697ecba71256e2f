//! Batches of ingested files: each becomes visible whole, in one epoch, or not at all.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Json;

use crate::control::Control;
use crate::error::{Act, CatalogueError};
use crate::manifest::Manifest;

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// Its files are being loaded; nothing of it is visible.
    Loading,
    /// An epoch shows it.
    Visible,
    /// It was given up.
    Abandoned,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number, from 1.
    pub batch: i32,
    /// The collection it loads.
    pub collection: String,
    /// How far it has come.
    pub state: BatchState,
    /// Whether another ingest had begun it, and was interrupted.
    pub interrupted: bool,
}

impl Control {
    /// The batch being loaded into `collection`: an interrupted one is taken up again, else a new one begins.
    ///
    /// # Errors
    /// When the control database fails or does not know the collection.
    pub async fn open_batch(&self, collection: &str) -> Result<Batch, CatalogueError> {
        let client = self.client().await?;
        let sql = "INSERT INTO spolia.batch (collection, state) VALUES ($1, 'loading')
                   ON CONFLICT (collection) WHERE state = 'loading' DO UPDATE SET state = 'loading' RETURNING batch, xmax <> 0";
        let row = client.query_one(sql, &[&collection]).await.act("open a batch")?;
        let (collection, state) = (collection.to_owned(), BatchState::Loading);
        Ok(Batch { batch: row.get(0), collection, state, interrupted: row.get(1) })
    }

    /// Publishes the next epoch: the batch becomes visible, the files it replaces are noted, all in one transaction of the connection that
    /// holds the collection. Whoever has lost it meanwhile publishes nothing.
    ///
    /// # Errors
    /// When the control database fails, and [`CatalogueError::EpochTaken`] where another collection was faster; then nothing has changed.
    pub async fn publish(
        lock: &mut CollectionLock,
        manifest: &Manifest,
        batch: i32,
        superseded: &[i32],
    ) -> Result<(), CatalogueError> {
        let transaction = lock.client.transaction().await.act("begin an epoch")?;
        let sql = "INSERT INTO spolia.manifest (epoch, document) VALUES ($1, $2)";
        match transaction.execute(sql, &[&manifest.epoch, &Json(manifest)]).await {
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                return Err(CatalogueError::EpochTaken(manifest.epoch));
            }
            published => published.act("publish a manifest")?,
        };
        let sql = "UPDATE spolia.file SET superseded = $1 WHERE file_id = ANY($2)";
        transaction.execute(sql, &[&batch, &superseded]).await.act("supersede files")?;
        let sql = "UPDATE spolia.batch SET state = 'visible', ended = now() WHERE batch = $1 AND state = 'loading'";
        transaction.execute(sql, &[&batch]).await.act("show a batch")?;
        transaction.commit().await.act("publish an epoch")
    }

    /// Closes a batch that loaded nothing.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn abandon_batch(&self, batch: i32) -> Result<(), CatalogueError> {
        let sql = "UPDATE spolia.batch SET state = 'abandoned', ended = now() WHERE batch = $1 AND state = 'loading'";
        self.client().await?.execute(sql, &[&batch]).await.act("abandon a batch")?;
        Ok(())
    }

    /// Keeps other ingests out of `collection` until the returned guard is dropped, or this process dies.
    ///
    /// # Errors
    /// [`CatalogueError::Busy`] when another ingest is running.
    pub async fn lock_collection(&self, collection: &str) -> Result<CollectionLock, CatalogueError> {
        let client = self.client().await?;
        // Whoever is lost with its machine gives it up within a minute.
        let alive = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";
        client.batch_execute(alive).await.act("lock a collection")?;
        let sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
        let row = client.query_one(sql, &[&format!("spolia ingest {collection}")]).await.act("lock a collection")?;
        if !row.get::<_, bool>(0) {
            return Err(CatalogueError::Busy(collection.to_owned()));
        }
        // The lock belongs to the connection, so the connection leaves the pool and dies with the guard.
        Ok(CollectionLock { client: deadpool_postgres::Object::take(client) })
    }
}

/// Holds a collection for one ingest.
pub struct CollectionLock {
    client: deadpool_postgres::ClientWrapper,
}

impl CollectionLock {
    /// Sees whether it still holds the collection: what was done before, nobody has done to it since.
    ///
    /// # Errors
    /// When it was lost.
    pub async fn check(&self) -> Result<(), CatalogueError> {
        self.client.simple_query("SELECT 1").await.act("hold a collection").map(drop)
    }
}
