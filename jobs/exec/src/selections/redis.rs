//! Selections in a Redis server, which several servers of a site share and which outlive them.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, RedisError, Script, SetExpiry, SetOptions};

use super::{SelectionError, SelectionStore};
use crate::link::RowLink;

/// How long the server may take to be reached, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What every name begins with.
const PREFIX: &str = "spolia:";
/// Bytes of a row in a basket: its epoch and its id.
const ROW_BYTES: usize = 16;

/// Adds a row to the end of a list unless its id is in the set beside it or the list is full; tells the list's length.
/// KEYS: the list, the set. ARGV: the row, its id, the most rows, the lifetime in ms.
const GATHER: &str = "
if redis.call('LLEN', KEYS[1]) < tonumber(ARGV[3]) and redis.call('SADD', KEYS[2], ARGV[2]) == 1 then
  redis.call('RPUSH', KEYS[1], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return redis.call('LLEN', KEYS[1])
";

/// Selections in a Redis server.
pub struct RedisSelections {
    connection: ConnectionManager,
    gather: Script,
}

impl std::fmt::Debug for RedisSelections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisSelections").finish_non_exhaustive()
    }
}

impl RedisSelections {
    /// Those of a server, as `redis://user:password@host:port/db`; it is reached when it is needed, and again when it was lost.
    ///
    /// # Errors
    /// [`SelectionError::Address`].
    pub fn new(address: &str) -> Result<Self, SelectionError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        let client = Client::open(address).map_err(SelectionError::Address)?;
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(SelectionError::Address)?;
        Ok(Self { connection, gather: Script::new(GATHER) })
    }

    /// Asks the server, and once more where the connection is found to be lost: it may have come back since it was last used.
    async fn ask<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        act: &'static str,
        request: impl Fn(ConnectionManager) -> F,
    ) -> Result<T, SelectionError> {
        let answer = match request(self.connection.clone()).await {
            Err(error) if error.is_unrecoverable_error() || error.is_io_error() => {
                request(self.connection.clone()).await
            }
            answer => answer,
        };
        answer.map_err(|source| SelectionError::Redis { act, source })
    }
}

// Each request may be made twice: the second changes nothing that the first has not.
#[async_trait]
impl SelectionStore for RedisSelections {
    async fn keep(&self, name: &str, rows: Bytes, lifetime: Duration) -> Result<(), SelectionError> {
        let (name, options) = (format!("{PREFIX}{name}"), SetOptions::default());
        let options = options.with_expiration(SetExpiry::PX(lifetime.as_millis() as u64));
        let keep = |mut redis: ConnectionManager| {
            let (name, rows, options) = (&name, &rows[..], options.clone());
            async move { redis.set_options(name, rows, options).await }
        };
        self.ask("keep a selection", keep).await
    }

    async fn find(&self, name: &str) -> Result<Option<Bytes>, SelectionError> {
        let name = &format!("{PREFIX}{name}");
        let find = |mut redis: ConnectionManager| async move { redis.get::<_, Option<Vec<u8>>>(name).await };
        Ok(self.ask("find a selection", find).await?.map(Bytes::from))
    }

    async fn forget(&self, name: &str) -> Result<bool, SelectionError> {
        let name = &format!("{PREFIX}{name}");
        let forget = |mut redis: ConnectionManager| async move { redis.del::<_, u64>(name).await };
        Ok(self.ask("forget a selection", forget).await? > 0)
    }

    async fn gather(
        &self,
        basket: &str,
        row: RowLink,
        most: usize,
        lifetime: Duration,
    ) -> Result<usize, SelectionError> {
        let mut gather = self.gather.prepare_invoke();
        gather.key(format!("{PREFIX}{basket}")).key(format!("{PREFIX}{basket}:ids"));
        gather.arg(&written(row)[..]).arg(row.id).arg(most).arg(lifetime.as_millis() as u64);
        let gather = &gather;
        let gather = |mut redis: ConnectionManager| async move { gather.invoke_async(&mut redis).await };
        self.ask("add a row to a basket", gather).await
    }

    async fn gathered(&self, basket: &str, first: usize) -> Result<Vec<RowLink>, SelectionError> {
        if first == 0 {
            return Ok(Vec::new());
        }
        let (basket, last) = (&format!("{PREFIX}{basket}"), isize::try_from(first).unwrap_or(isize::MAX) - 1);
        let read_all =
            |mut redis: ConnectionManager| async move { redis.lrange::<_, Vec<Vec<u8>>>(basket, 0, last).await };
        Ok(self.ask("read a basket", read_all).await?.iter().filter_map(|row| read(row)).collect())
    }
}

fn written(row: RowLink) -> [u8; ROW_BYTES] {
    let mut bytes = [0; ROW_BYTES];
    bytes[..8].copy_from_slice(&row.epoch.to_be_bytes());
    bytes[8..].copy_from_slice(&row.id.to_be_bytes());
    bytes
}

/// None for what was not written so.
fn read(bytes: &[u8]) -> Option<RowLink> {
    let (epoch, id) = bytes.split_first_chunk()?;
    Some(RowLink { epoch: i64::from_be_bytes(*epoch), id: i64::from_be_bytes(id.try_into().ok()?) })
}
