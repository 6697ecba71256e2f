//! The connection to the control node.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls};

use crate::error::CatalogueError;
use crate::migrations;

/// Connections to the control node kept at most; the control database is small and its statements short.
const CONNECTIONS: usize = 8;
/// How long a request waits for a connection before the control node counts as down.
const WAIT: Duration = Duration::from_secs(10);

/// The control database.
#[derive(Clone)]
pub struct Control {
    pool: Pool,
}

impl Control {
    /// Prepares connections to the control database; the first statement opens one.
    ///
    /// # Errors
    /// [`CatalogueError::Pool`] when the settings cannot make a pool.
    pub fn new(config: Config) -> Result<Self, CatalogueError> {
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(CatalogueError::Pool)?;
        Ok(Self { pool })
    }

    /// Makes or upgrades the tables. Only `spolia init` calls this: a migration is never a side effect.
    ///
    /// # Errors
    /// [`CatalogueError::TooNew`] for a database of a later version; otherwise the statement that failed.
    pub async fn migrate(&self) -> Result<(), CatalogueError> {
        migrations::migrate(&mut *self.client().await?).await
    }

    /// Checks that the database is of this program's version.
    ///
    /// # Errors
    /// [`CatalogueError::TooOld`] or [`CatalogueError::TooNew`] where it is not.
    pub async fn check_version(&self) -> Result<(), CatalogueError> {
        let found = migrations::version(&**self.client().await?).await?;
        match found.cmp(&migrations::VERSION) {
            std::cmp::Ordering::Less => Err(CatalogueError::TooOld { found, needed: migrations::VERSION }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(CatalogueError::TooNew { found, known: migrations::VERSION }),
        }
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// [`CatalogueError::Connect`] when the control node does not answer.
    pub async fn client(&self) -> Result<Object, CatalogueError> {
        self.pool.get().await.map_err(CatalogueError::Connect)
    }
}
