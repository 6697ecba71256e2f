//! Users' tables on their nodes: each is one table on one node, under its number, with its columns under theirs.
//!
//! So nothing that a user names becomes SQL, and all tables of a user can be joined on their node. Queries see them by the names they
//! have, as [`ShardedTable`]s of an epoch of their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deadpool_postgres::{Object, Transaction};
use spolia_catalogue::{Chunk, ChunkStats, ColumnType, Manifest, UserColumn, UserTable, Visibility};
use tokio_postgres::error::SqlState;

use crate::cancel::CancelOnDrop;
use crate::error::RouterError;
use crate::load::send_rows;
use crate::node::{Node, READER};
use crate::router::Router;
use crate::sharded_table::{Epoch, ShardedTable, data_type};

/// Indexes of a table at most: the planner looks at all of them.
const MOST_INDEXES: i64 = 16;
/// How long a drop waits for queries that read the table.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '5s'";
/// How long a node may look at a table after a load.
const AFTER_LOAD: Duration = Duration::from_secs(60);
/// A value that is longer is not given back by nodes.
const LONGEST_VALUE: usize = 32 << 20;

/// What a user's table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its rows.
    pub rows: i64,
    /// The bytes that it takes, with its indexes.
    pub bytes: i64,
}

impl Router {
    /// Makes a user's table on its node, without rows.
    ///
    /// # Errors
    /// When the node does not answer, or refuses the table.
    pub async fn make_user_table(&self, table: &UserTable) -> Result<(), RouterError> {
        let node = self.node_of(table.schema.group)?;
        let (relation, number) = (relation(table), table.number);
        let column = |(place, column): (usize, &UserColumn)| format!("c{place} {}", column.column_type.sql_name());
        let columns: Vec<String> = table.definition.columns.iter().enumerate().map(column).collect();
        let sql = format!(
            "{}; {} CREATE TABLE {relation} ({}); GRANT SELECT ON {relation} TO {READER};
             INSERT INTO spolia_user.held VALUES ({number}, 0)",
            node.bounded(),
            schema_sql(),
            columns.join(", ")
        );
        let made = node.writer().await?.batch_execute(&sql).await;
        made.map_err(refused(node, table, "make a user's table"))
    }

    /// Adds rows to a user's table: all of them, or none. Their columns are those of the table, in its order and types; `others` are the
    /// numbers of all tables of its owner, which may take `quota_bytes` together.
    ///
    /// # Errors
    /// [`RouterError::UserTable`] for rows that the table cannot take; otherwise what failed.
    pub async fn load_user_table(
        &self,
        table: &UserTable,
        rows: &[RecordBatch],
        others: &[i32],
        quota_bytes: i64,
    ) -> Result<Held, RouterError> {
        check_lengths(table, rows)?;
        let node = self.node_of(table.schema.group)?;
        let mut connection = CancelOnDrop::new(node.writer().await?);
        let failed = || refused(node, table, "take a user's rows");
        let loading = async {
            let transaction = begin(connection.client_mut(), node, table).await.map_err(failed())?;
            if !rows.is_empty() {
                let columns: Vec<String> =
                    (0..table.definition.columns.len()).map(|place| format!("c{place}")).collect();
                let copy = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", relation(table), columns.join(", "));
                let sink = transaction.copy_in(&copy).await.map_err(failed())?;
                send_rows(sink, rows, failed()).await.map_err(|error| match error {
                    RouterError::Encode(fault) => RouterError::UserTable { table: table.full_name(), fault },
                    other => other,
                })?;
            }
            let added: i64 = rows.iter().map(|rows| rows.num_rows() as i64).sum();
            let count = "UPDATE spolia_user.held SET rows = rows + $2 WHERE number = $1";
            transaction.execute(count, &[&table.number, &added]).await.map_err(failed())?;
            let held = held_within(&transaction, table, others, quota_bytes, failed()).await?;
            transaction.commit().await.map_err(failed())?;
            Ok(held)
        };
        let loaded = loading.await;
        // What was taken back still takes room; what was added is not yet known to the planner.
        let after = if loaded.is_ok() { "ANALYZE" } else { "VACUUM" };
        let sql = format!("{after} {}", relation(table));
        match tokio::time::timeout(AFTER_LOAD, connection.client().batch_execute(&sql)).await {
            Ok(Ok(())) => connection.finished(),
            failed => tracing::warn!(?failed, table = table.full_name(), "{after} failed after a load"),
        }
        loaded
    }

    /// Makes an index on columns of a user's table, by their places. Together they have each value once, if it is `unique`.
    ///
    /// # Errors
    /// [`RouterError::UserTable`] where they do not, or cannot have an index; otherwise what failed.
    pub async fn index_user_table(
        &self,
        table: &UserTable,
        columns: &[usize],
        unique: bool,
        others: &[i32],
        quota_bytes: i64,
    ) -> Result<Held, RouterError> {
        let node = self.node_of(table.schema.group)?;
        let mut connection = CancelOnDrop::new(node.writer().await?);
        let failed = || refused(node, table, "make an index");
        let transaction = begin(connection.client_mut(), node, table).await.map_err(failed())?;
        let names: Vec<String> = columns.iter().map(|place| format!("c{place}")).collect();
        let (kind, word) = if unique { ("UNIQUE INDEX", "u") } else { ("INDEX", "i") };
        let index = format!("t{}_{word}_{}", table.number, names.join("_"));
        let sql = format!("CREATE {kind} IF NOT EXISTS {index} ON {} ({})", relation(table), names.join(", "));
        transaction.batch_execute(&sql).await.map_err(failed())?;
        let count = "SELECT count(*) FROM pg_index WHERE indrelid = to_regclass($1)";
        let indexes: i64 = transaction.query_one(count, &[&relation(table)]).await.map_err(failed())?.get(0);
        if indexes > MOST_INDEXES {
            let fault = format!("a table has {MOST_INDEXES} indexes at most; nothing has changed");
            return Err(RouterError::UserTable { table: table.full_name(), fault });
        }
        let held = held_within(&transaction, table, others, quota_bytes, failed()).await?;
        transaction.commit().await.map_err(failed())?;
        connection.finished();
        Ok(held)
    }

    /// Drops a user's table on its node, if it is there.
    ///
    /// # Errors
    /// When the node does not answer, or queries read the table for long.
    pub async fn drop_user_table(&self, table: &UserTable) -> Result<(), RouterError> {
        let node = self.node_of(table.schema.group)?;
        let number = table.number;
        let sql = format!(
            "{LOCK_WAIT}; DROP TABLE IF EXISTS {};
             DO $$ BEGIN IF to_regclass('spolia_user.held') IS NOT NULL THEN
                 DELETE FROM spolia_user.held WHERE number = {number};
             END IF; END $$",
            relation(table)
        );
        node.writer().await?.batch_execute(&sql).await.map_err(node.failed("drop a user's table"))
    }

    /// Users' tables, as queries see them.
    pub fn user_tables(&self, tables: &[UserTable]) -> Vec<Arc<ShardedTable>> {
        as_queried(tables, self.nodes())
    }
}

/// Users' tables in an epoch of their own, in which a chunk stands for each shard group.
pub(crate) fn as_queried(tables: &[UserTable], nodes: &[Arc<Node>]) -> Vec<Arc<ShardedTable>> {
    // A table whose rows were never counted may have some.
    let stats =
        |table: &UserTable| (table.full_name(), ChunkStats { rows: table.rows.max(1), ..ChunkStats::default() });
    let chunk = |group: i32| {
        let here = tables.iter().filter(|table| table.schema.group == group);
        Chunk { chunk: group, pixels: 0..0, group, tables: here.map(stats).collect() }
    };
    // A table whose node is gone must be missed, not passed over.
    let known = nodes.iter().map(|node| node.group()).chain(tables.iter().map(|table| table.schema.group));
    let groups = known.map(|group| group + 1).max().unwrap_or(0);
    let chunks = (0..groups).map(chunk).collect();
    let manifest = Manifest { epoch: 0, visibility: Visibility::default(), chunks };
    let epoch = Arc::new(Epoch { manifest, nodes: nodes.to_vec(), known_everywhere: false });
    let queried = |table: &UserTable| {
        let (schema, epoch) = (user_schema(&table.definition.columns), Arc::clone(&epoch));
        Arc::new(ShardedTable::of_user(&table.schema.name, &table.name, relation(table), schema, epoch))
    };
    tables.iter().map(queried).collect()
}

/// The columns of a user's table as Arrow fields.
pub fn user_schema(columns: &[UserColumn]) -> SchemaRef {
    let field = |column: &UserColumn| {
        let metadata: HashMap<String, String> = column.meaning.clone().into_iter().collect();
        Field::new(&column.name, user_type(column.column_type), true).with_metadata(metadata)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The Arrow type of a column, whose elements may be null if it has any.
fn user_type(column_type: ColumnType) -> DataType {
    let nullable = |item: Arc<Field>| Arc::new(Field::clone(&item).with_nullable(true));
    match data_type(column_type) {
        DataType::List(item) => DataType::List(nullable(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(nullable(item), length),
        other => other,
    }
}

/// What a node has for users' tables.
fn schema_sql() -> String {
    format!(
        "SELECT pg_advisory_xact_lock(hashtextextended('spolia_user', 0));
         CREATE SCHEMA IF NOT EXISTS spolia_user; GRANT USAGE ON SCHEMA spolia_user TO {READER};
         CREATE TABLE IF NOT EXISTS spolia_user.held (number integer PRIMARY KEY, rows bigint NOT NULL);"
    )
}

fn relation(table: &UserTable) -> String {
    format!("spolia_user.t{}", table.number)
}

/// Refuses values that a node would not give back.
fn check_lengths(table: &UserTable, rows: &[RecordBatch]) -> Result<(), RouterError> {
    let longest = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().offsets().lengths().max(),
        // Elements have eight bytes at most, and four of their lengths.
        DataType::List(_) => column.as_list::<i32>().offsets().lengths().max().map(|length| length.saturating_mul(12)),
        _ => None,
    };
    for (place, column) in table.definition.columns.iter().enumerate() {
        if rows.iter().filter_map(|rows| longest(rows.column(place))).any(|length| length > LONGEST_VALUE) {
            let fault = format!("column {:?}: a value has more than {} MB", column.name, LONGEST_VALUE >> 20);
            return Err(RouterError::UserTable { table: table.full_name(), fault });
        }
    }
    Ok(())
}

/// Begins to write for the owner of a table: for some time at most, and after others who write for the same one, so that what is there is
/// counted.
async fn begin<'a>(
    client: &'a mut Object,
    node: &Node,
    table: &UserTable,
) -> Result<Transaction<'a>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(&node.bounded()).await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('spolia tables of ' || $1, 0))";
    transaction.execute(lock, &[&table.schema.owner]).await?;
    Ok(transaction)
}

/// What a table holds; an error where all tables of its owner take more than they may.
async fn held_within(
    transaction: &Transaction<'_>,
    table: &UserTable,
    others: &[i32],
    quota_bytes: i64,
    failed: impl Fn(tokio_postgres::Error) -> RouterError,
) -> Result<Held, RouterError> {
    let sql = "SELECT (SELECT rows FROM spolia_user.held WHERE number = $1::int),
            coalesce(sum(size) FILTER (WHERE number = $1::int), 0)::bigint, coalesce(sum(size), 0)::bigint
        FROM (SELECT DISTINCT number, pg_total_relation_size(to_regclass('spolia_user.t' || number)) AS size
              FROM unnest(array_append($2::int[], $1::int)) AS owned(number)) AS sizes";
    let row = transaction.query_one(sql, &[&table.number, &others]).await.map_err(failed)?;
    let rows = row.get::<_, Option<i64>>(0).ok_or_else(|| RouterError::UserTableGone(table.full_name()))?;
    if row.get::<_, i64>(2) <= quota_bytes {
        return Ok(Held { rows, bytes: row.get(1) });
    }
    let most = format!("the tables of {} may take {} MB together", table.schema.owner, quota_bytes >> 20);
    Err(RouterError::UserTable {
        table: table.full_name(),
        fault: format!(
            "{most}, which would be exceeded; nothing has changed: drop a table, whose room is free within a minute"
        ),
    })
}

/// What a node says of a user's table: a fault of what was to be put into it, or a failure.
fn refused(node: &Node, table: &UserTable, act: &'static str) -> impl Fn(tokio_postgres::Error) -> RouterError {
    let name = table.full_name();
    let columns: Vec<String> = table.definition.columns.iter().map(|column| column.name.clone()).collect();
    move |source| {
        let Some(error) = source.as_db_error() else { return node.failed(act)(source) };
        let fault = match error.code() {
            code if *code == SqlState::UNIQUE_VIOLATION => {
                format!("its index wants each value once: {}", named(error.detail().unwrap_or_default(), &columns))
            }
            code if *code == SqlState::CHARACTER_NOT_IN_REPERTOIRE => "a text has the character NUL in it".to_owned(),
            code if *code == SqlState::UNDEFINED_TABLE => return RouterError::UserTableGone(name.clone()),
            code if *code == SqlState::LOCK_NOT_AVAILABLE => return node.busy_writing(),
            code if *code == SqlState::DATETIME_FIELD_OVERFLOW => "a time is out of range".to_owned(),
            code if *code == SqlState::PROGRAM_LIMIT_EXCEEDED && error.message().starts_with("index row") => {
                "a value is too long for an index, which takes about 2,700 bytes".to_owned()
            }
            code if *code == SqlState::PROGRAM_LIMIT_EXCEEDED => {
                "a row is too wide for the node: texts and arrays aside, about 8,000 bytes".to_owned()
            }
            _ => return node.failed(act)(source),
        };
        RouterError::UserTable { table: name.clone(), fault }
    }
}

/// PostgreSQL's `Key (c0, c12)=(5, 7) is duplicated.` with the columns' own names.
fn named(message: &str, columns: &[String]) -> String {
    let Some((before, rest)) = message.split_once("Key (") else { return message.to_owned() };
    let Some((keys, after)) = rest.split_once(")=") else { return message.to_owned() };
    let name = |key: &str| {
        let place = key.strip_prefix('c').and_then(|place| place.parse::<usize>().ok());
        place.and_then(|place| columns.get(place)).map_or(key, String::as_str).to_owned()
    };
    format!("{before}Key ({})={after}", keys.split(", ").map(name).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_node_speaks_of_columns_by_their_names() {
        let columns = ["id".to_owned(), "RA (J2000)".to_owned()];
        assert_eq!(named("Key (c0, c1)=(5, 7) is duplicated.", &columns), "Key (id, RA (J2000))=(5, 7) is duplicated.");
        assert_eq!(named("Key (c7)=(5) exists", &columns), "Key (c7)=(5) exists");
        assert_eq!(named("something else", &columns), "something else");
    }
}
