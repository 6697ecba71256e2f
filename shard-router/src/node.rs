//! One PostgreSQL node and its connections.

use std::fmt;
use std::time::{Duration, Instant};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use crate::error::RouterError;

/// The role that queries run under; it can read and nothing else.
pub(crate) const READER: &str = "spolia_reader";

/// Connections of a process that write, and how long one is waited for: those who write take their time.
const WRITERS: usize = 4;
const WRITER_WAIT: Duration = Duration::from_secs(60);

/// Bounds on what the router asks of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouterSettings {
    /// Reading connections to each node at most.
    pub connections: usize,
    /// Statements that one query asks of a node at the same time, each over some of its chunks, where it has many rows to look at.
    pub range_scans: usize,
    /// Seconds to wait for a connection before the node counts as down.
    pub connect_timeout_s: u64,
    /// Seconds after which a node gives up a statement.
    pub statement_timeout_s: u64,
    /// Rows that nodes may send for one query.
    pub rows_per_query: u64,
    /// Temporary files that one statement may write on a node, in MB.
    pub temporary_mb: u32,
    /// Seconds of silence in an answer after which a node must show a sign of life.
    pub silence_s: u64,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            connections: 16,
            range_scans: 2,
            connect_timeout_s: 10,
            statement_timeout_s: 600,
            rows_per_query: 1_000_000_000,
            temporary_mb: 20_480,
            silence_s: 15,
        }
    }
}

/// Where a node is, and which shard group it serves.
#[derive(Clone)]
pub struct NodeAddress {
    /// Its name, used in messages.
    pub name: String,
    /// The shard group whose chunks it holds.
    pub group: i32,
    /// How to connect.
    pub config: Config,
    /// The same as text, with the password.
    connection: String,
}

impl fmt::Debug for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeAddress").field("name", &self.name).field("group", &self.group).finish_non_exhaustive()
    }
}

/// One node.
#[derive(Debug)]
pub struct Node {
    name: String,
    group: i32,
    config: Config,
    settings: RouterSettings,
    reader: Pool,
    writer: Pool,
}

impl Node {
    /// Prepares the pools; the first statement connects.
    ///
    /// # Errors
    /// [`RouterError::Pool`] when the settings cannot make a pool.
    pub fn new(address: NodeAddress, settings: &RouterSettings) -> Result<Self, RouterError> {
        // Where the site's user may not bound temporary files, the node's own settings do; some messages are read here, in English.
        let privileged = |setting: &str| {
            format!("DO $$ BEGIN SET {setting}; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;")
        };
        let english = privileged("lc_messages = 'C'");
        let session = format!(
            "{}{english} SET ROLE {READER}; SET default_transaction_read_only = on; SET statement_timeout = '{}s'; SET jit = off",
            privileged(&format!("temp_file_limit = '{}MB'", settings.temporary_mb)),
            settings.statement_timeout_s
        );
        let pool = |size: usize, session: String| {
            let manager = Manager::from_config(
                address.config.clone(),
                NoTls,
                ManagerConfig { recycling_method: RecyclingMethod::Fast },
            );
            let wait = Some(Duration::from_secs(settings.connect_timeout_s));
            Pool::builder(manager)
                .max_size(size)
                .wait_timeout(wait)
                .create_timeout(wait)
                .post_create(Hook::async_fn(move |client, _| {
                    let session = session.clone();
                    Box::pin(async move { client.batch_execute(&session).await.map_err(HookError::Backend) })
                }))
                .runtime(Runtime::Tokio1)
                .build()
                .map_err(|source| RouterError::Pool { node: address.name.clone(), source })
        };
        let reader = pool(settings.connections, session)?;
        // A writer whose machine is lost is not to hold what it has begun.
        let alive = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";
        let writer = pool(WRITERS, format!("{english} SET timezone = 'UTC'; {alive}"))?;
        let NodeAddress { name, group, config, .. } = address;
        Ok(Self { name, group, config, settings: settings.clone(), reader, writer })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shard group it serves.
    pub fn group(&self) -> i32 {
        self.group
    }

    /// Statements that one query may ask at the same time.
    pub(crate) fn range_scans(&self) -> usize {
        self.settings.range_scans.clamp(1, self.settings.connections.max(1))
    }

    /// A connection that can only read.
    pub(crate) async fn reader(&self) -> Result<Object, RouterError> {
        let RouterSettings { connections, connect_timeout_s: seconds, .. } = self.settings;
        self.reader.get().await.map_err(|source| match source {
            PoolError::Timeout(TimeoutType::Wait) => {
                RouterError::Busy { node: self.name.clone(), connections, seconds }
            }
            source => RouterError::Connect { node: self.name.clone(), source },
        })
    }

    /// What bounds the statements of a transaction that writes for a user.
    pub(crate) fn bounded(&self) -> String {
        let (seconds, wait) = (self.settings.statement_timeout_s, WRITER_WAIT.as_secs());
        format!("SET LOCAL statement_timeout = '{seconds}s'; SET LOCAL lock_timeout = '{wait}s'")
    }

    /// A connection that loads rows.
    pub(crate) async fn writer(&self) -> Result<Object, RouterError> {
        let waits = Timeouts { wait: Some(WRITER_WAIT), ..self.writer.timeouts() };
        self.writer.timeout_get(&waits).await.map_err(|source| match source {
            PoolError::Timeout(TimeoutType::Wait) => self.busy_writing(),
            source => RouterError::Connect { node: self.name.clone(), source },
        })
    }

    /// That others have written for long.
    pub(crate) fn busy_writing(&self) -> RouterError {
        RouterError::BusyWriting { node: self.name.clone(), seconds: WRITER_WAIT.as_secs() }
    }

    /// Names the node and the act beside PostgreSQL's own answer; what a query itself is at fault for is told in its own words.
    pub(crate) fn failed(&self, act: &'static str) -> impl FnOnce(tokio_postgres::Error) -> RouterError {
        let (node, seconds) = (self.name.clone(), self.settings.statement_timeout_s);
        move |source| match source.as_db_error() {
            Some(error) if *error.code() == SqlState::NUMERIC_VALUE_OUT_OF_RANGE => {
                RouterError::OutOfRange(type_out_of_range(error.message()))
            }
            Some(error) if *error.code() == SqlState::QUERY_CANCELED && error.message().contains("timeout") => {
                RouterError::Timeout { node, seconds }
            }
            // A query that knew of it was not quick enough.
            Some(error) if *error.code() == SqlState::UNDEFINED_TABLE && error.message().contains("spolia_user.") => {
                RouterError::UserTableGone("a table of a user".to_owned())
            }
            Some(error) if *error.code() == SqlState::CONFIGURATION_LIMIT_EXCEEDED => {
                RouterError::TemporarySpace { node }
            }
            _ => RouterError::Statement { node, act, source },
        }
    }

    /// Waits for a part of an answer. A node that stays silent must show a sign of life on a connection of its own now and
    /// then, and nothing may take much longer than the node itself allows a statement: a node that hangs would never say so.
    pub(crate) async fn answer<T>(&self, part: impl Future<Output = T>) -> Result<T, RouterError> {
        tokio::pin!(part);
        // Of rows, nearly all are there already: no clock is looked at for them.
        if let Some(part) = part.as_mut().now_or_never() {
            return Ok(part);
        }
        let allowed = Duration::from_secs(self.settings.statement_timeout_s.saturating_add(30));
        let started = Instant::now();
        loop {
            match tokio::time::timeout(Duration::from_secs(self.settings.silence_s.max(1)), &mut part).await {
                Ok(part) => return Ok(part),
                Err(_) if started.elapsed() < allowed && self.is_alive().await => {}
                Err(_) => {
                    return Err(RouterError::Silent { node: self.name.clone(), seconds: started.elapsed().as_secs() });
                }
            }
        }
    }

    /// Whether the node takes a new connection and answers on it.
    async fn is_alive(&self) -> bool {
        let sign = async {
            let (client, connection) = self.config.connect(NoTls).await?;
            let task = tokio::spawn(connection);
            let answer = client.simple_query("SELECT 1").await;
            task.abort();
            answer.map(drop)
        };
        let wait = Duration::from_secs(self.settings.connect_timeout_s);
        matches!(tokio::time::timeout(wait, sign).await, Ok(Ok(())))
    }

    /// Asks the node for its server version, as a sign of life.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ping(&self) -> Result<String, RouterError> {
        let row = self.reader().await?.query_one("SHOW server_version", &[]).await.map_err(self.failed("answer"))?;
        Ok(row.get(0))
    }
}

/// The type that PostgreSQL names as it says that a number is out of its range.
fn type_out_of_range(message: &str) -> &'static str {
    match message.split_whitespace().next() {
        Some("bigint") => "BIGINT",
        Some("integer") => "INTEGER",
        Some("smallint") => "SMALLINT",
        _ => "DOUBLE PRECISION",
    }
}

impl NodeAddress {
    /// A node reached by a Unix socket in `folder`.
    pub fn unix_socket(
        name: &str,
        group: i32,
        folder: &std::path::Path,
        port: u16,
        user: &str,
        password: &str,
        dbname: &str,
    ) -> Self {
        let quoted = |text: &str| text.replace('\\', r"\\").replace('\'', r"\'");
        let connection = format!(
            "host='{}' port={port} user='{}' password='{}' dbname='{}'",
            quoted(&folder.to_string_lossy()),
            quoted(user),
            quoted(password),
            quoted(dbname)
        );
        let mut config = Config::new();
        config.host_path(folder).port(port).user(user).password(password).dbname(dbname).application_name("spolia");
        Self { name: name.to_owned(), group, config, connection }
    }

    /// How to connect, as [`NodeAddress::from_url`] reads it: with the password, for a file that only its owner can read.
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// A node given by a connection URL, `postgresql://user:password@host:port/dbname`, or by `host=… port=…` and so on.
    ///
    /// # Errors
    /// When the URL does not parse.
    pub fn from_url(name: &str, group: i32, url: &str) -> Result<Self, RouterError> {
        let mut config: Config = url.parse().map_err(|source| RouterError::Statement {
            node: name.to_owned(),
            act: "read its URL",
            source,
        })?;
        config.application_name("spolia");
        Ok(Self { name: name.to_owned(), group, config, connection: url.to_owned() })
    }
}
