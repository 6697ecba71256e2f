//! Tables of users: whose they are, what columns they have, which shard group keeps them, and until when.
//!
//! A user's tables lie in a schema of the user's own, and all of them on one node. A table is noted here before it is made there, and
//! dropped here before it is dropped there, so that none is ever lost.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Json;

use crate::column_type::ColumnType;
use crate::control::Control;
use crate::error::{Act, CatalogueError};

/// What the names of users' schemas begin with; no collection's does.
pub const USER_SCHEMA: &str = "user_";
/// Seconds for which a node keeps a table that nobody has any more: a query that knows of it begins to read it within these.
const LEFT_ALONE_S: f64 = 10.0;
/// Hours after which a table that was noted and not made counts as given up.
const MAKING_HOURS: i32 = 1;
/// Bytes of the definitions of a user's tables at most: all of them are read with each query of that user.
pub(crate) const MOST_SAID: i64 = 2 << 20;

/// A column of a user's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserColumn {
    /// Its name, which need not be a regular identifier.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// What its owner says of it: entries `unit`, `ucd`, `utype`, `xtype`, `arraysize` and `description` of a VOTable's FIELD.
    #[serde(default)]
    pub meaning: std::collections::BTreeMap<String, String>,
    /// True when its node keeps an index on it.
    #[serde(default)]
    pub indexed: bool,
}

/// What a user's table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTableDef {
    /// What it holds, as its owner says.
    #[serde(default)]
    pub description: Option<String>,
    /// Its columns.
    #[serde(rename = "column")]
    pub columns: Vec<UserColumn>,
}

/// The schema of a user's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSchema {
    /// Whose it is.
    pub owner: String,
    /// Its name in queries.
    pub name: String,
    /// The shard group whose node keeps its tables.
    pub group: i32,
}

/// A user's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTable {
    /// Its number, by which its node knows it.
    pub number: i32,
    /// Where it is.
    pub schema: UserSchema,
    /// Its name, without the schema.
    pub name: String,
    /// What it is.
    pub definition: UserTableDef,
    /// Its rows, when they last changed.
    pub rows: i64,
    /// The bytes that it takes on its node, when they last changed.
    pub bytes: i64,
    /// When it will be dropped.
    pub destruction: DateTime<Utc>,
}

/// A table that is to be made.
#[derive(Debug, Clone)]
pub struct NewUserTable<'a> {
    /// Where it is to be.
    pub schema: &'a UserSchema,
    /// Its name, without the schema.
    pub name: &'a str,
    /// What it is.
    pub definition: &'a UserTableDef,
    /// When it will be dropped.
    pub destruction: DateTime<Utc>,
    /// Tables that its owner may have at most, with this one.
    pub most: u32,
}

/// What [`UserTable::from_row`] reads, of tables whose definition is that.
fn select(definition: &str) -> String {
    format!(
        "SELECT number, owner, schema_name, shard_group, table_name, {definition}, rows, bytes, destruction \
         FROM spolia.user_table JOIN spolia.user_schema USING (owner)"
    )
}

/// Drops tables whose time is over, and those that were noted and not made within hours: a user's, or all.
const OVER: &str = "UPDATE spolia.user_table SET state = 'dropped', destruction = least(destruction, now()) \
                    WHERE (state = 'kept' AND destruction <= now() \
                        OR state = 'new' AND created < now() - make_interval(hours => $1)) \
                    AND ($2::text IS NULL OR owner = $2)";

impl UserTable {
    /// Its name in queries.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema.name, self.name)
    }

    fn from_row(row: &Row) -> Result<Self, CatalogueError> {
        let damaged = |source| CatalogueError::Document { what: "definition of a user's table", source };
        Ok(Self {
            number: row.get(0),
            schema: UserSchema { owner: row.get(1), name: row.get(2), group: row.get(3) },
            name: row.get(4),
            definition: serde_json::from_value(row.get(5)).map_err(damaged)?,
            rows: row.get(6),
            bytes: row.get(7),
            destruction: row.get(8),
        })
    }
}

impl Control {
    /// The schema of a user's tables; made where there is none, on the shard group of `groups` that has the fewest.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn user_schema(&self, owner: &str, groups: &[i32]) -> Result<UserSchema, CatalogueError> {
        let mut client = self.client().await?;
        let read = "SELECT owner, schema_name, shard_group FROM spolia.user_schema WHERE owner = $1";
        let schema = |row: Row| UserSchema { owner: row.get(0), name: row.get(1), group: row.get(2) };
        if let Some(row) = client.query_opt(read, &[&owner]).await.act("read a user's schema")? {
            return Ok(schema(row));
        }
        let transaction = client.transaction().await.act("begin")?;
        let lock = "LOCK TABLE spolia.user_schema IN SHARE ROW EXCLUSIVE MODE";
        transaction.batch_execute(lock).await.act("lock the users' schemas")?;
        // The first name that is free, on the first of the groups with the fewest users.
        let make = "INSERT INTO spolia.user_schema (owner, schema_name, shard_group)
            SELECT $1, wanted, (SELECT shard_group FROM unnest($3::int[]) AS there(shard_group)
                LEFT JOIN spolia.user_schema AS other USING (shard_group)
                GROUP BY shard_group ORDER BY count(other.owner), shard_group LIMIT 1)
            FROM (SELECT $2 UNION ALL SELECT $2 || '_' || n FROM generate_series(2, 1000000) AS numbers(n)) AS names(wanted)
            WHERE NOT EXISTS (SELECT FROM spolia.user_schema AS other WHERE schema_name = wanted)
                AND NOT EXISTS (SELECT FROM spolia.collection WHERE name = wanted) LIMIT 1
            ON CONFLICT (owner) DO NOTHING";
        transaction.execute(make, &[&owner, &schema_name(owner), &groups]).await.act("make a user's schema")?;
        let row = transaction.query_one(read, &[&owner]).await.act("read a user's schema")?;
        transaction.commit().await.act("make a user's schema")?;
        Ok(schema(row))
    }

    /// The tables that a user has, or all users, by name.
    ///
    /// One whose definition cannot be read is left out, and the log tells.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn user_tables(&self, owner: Option<&str>) -> Result<Vec<UserTable>, CatalogueError> {
        let sql = format!(
            "{} WHERE state = 'kept' AND destruction > now() AND ($1::text IS NULL OR owner = $1) \
             ORDER BY schema_name, table_name",
            select("definition")
        );
        let client = self.client().await?;
        let statement = client.prepare_cached(&sql).await.act("prepare to read users' tables")?;
        let rows = client.query(&statement, &[&owner]).await.act("read users' tables")?;
        let readable = |row: &Row| match UserTable::from_row(row) {
            Ok(table) => Some(table),
            Err(error) => {
                let (number, name) = (row.get::<_, i32>(0), row.get::<_, String>(4));
                tracing::error!(%error, number, name, "a user's table is left out");
                None
            }
        };
        Ok(rows.iter().filter_map(readable).collect())
    }

    /// The numbers of all tables of a user that its node may have, with what each takes as far as is known: those that are kept, those that
    /// are being made, and those that are dropped and still there.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn user_table_sizes(&self, owner: &str) -> Result<Vec<(i32, i64)>, CatalogueError> {
        let sql = "SELECT number, bytes FROM spolia.user_table WHERE owner = $1";
        let rows = self.client().await?.query(sql, &[&owner]).await.act("read what a user's tables take")?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Notes a table that is about to be made on its node; it is not there yet.
    ///
    /// # Errors
    /// [`CatalogueError::Taken`] where its owner has one of that name, [`CatalogueError::TooManyTables`] and
    /// [`CatalogueError::TooMuchSaid`] where there would be too many; otherwise what failed.
    pub async fn note_user_table(&self, table: &NewUserTable<'_>) -> Result<UserTable, CatalogueError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.act("begin")?;
        let owner = &table.schema.owner;
        // Tables of one owner are made one after the other, so that they are counted.
        let lock = "SELECT FROM spolia.user_schema WHERE owner = $1 FOR UPDATE";
        transaction.execute(lock, &[owner]).await.act("wait for other tables to be made")?;
        transaction.execute(OVER, &[&MAKING_HOURS, &Some(owner)]).await.act("drop tables whose time is over")?;
        // Those that are dropped take room as long as they are there.
        let count = "SELECT count(*) FILTER (WHERE state <> 'dropped'), count(*),
                coalesce(sum(octet_length(definition::text)) FILTER (WHERE state <> 'dropped'), 0)
                    + octet_length($2::jsonb::text)
            FROM spolia.user_table WHERE owner = $1";
        let held =
            transaction.query_one(count, &[owner, &Json(table.definition)]).await.act("count a user's tables")?;
        let most = i64::from(table.most);
        if held.get::<_, i64>(0) >= most || held.get::<_, i64>(1) >= most.saturating_mul(2) {
            return Err(CatalogueError::TooManyTables { owner: owner.clone(), most: table.most });
        }
        if held.get::<_, i64>(2) > MOST_SAID {
            return Err(CatalogueError::TooMuchSaid { owner: owner.clone() });
        }
        let sql = "INSERT INTO spolia.user_table (owner, table_name, definition, state, destruction)
            VALUES ($1, $2, $3, 'new', $4) RETURNING number";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [owner, &table.name, &Json(table.definition), &table.destruction];
        let row = transaction.query_one(sql, &values).await.map_err(|source| match source.code() {
            Some(code) if *code == SqlState::UNIQUE_VIOLATION => {
                CatalogueError::Taken(format!("{}.{}", table.schema.name, table.name))
            }
            _ => CatalogueError::Statement { act: "note a user's table", source },
        })?;
        transaction.commit().await.act("note a user's table")?;
        Ok(UserTable {
            number: row.get(0),
            schema: table.schema.clone(),
            name: table.name.to_owned(),
            definition: table.definition.clone(),
            rows: 0,
            bytes: 0,
            destruction: table.destruction,
        })
    }

    /// Shows a table that has been made on its node; returns whether it is still wanted.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn keep_user_table(&self, number: i32) -> Result<bool, CatalogueError> {
        let sql = "UPDATE spolia.user_table SET state = 'kept' WHERE number = $1 AND state = 'new'";
        let kept = self.client().await?.execute(sql, &[&number]).await.act("show a user's table")?;
        Ok(kept > 0)
    }

    /// Gives up a table that is being made, or was and never came to its end; returns whether there was one.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn give_up_user_table(&self, owner: &str, name: &str) -> Result<bool, CatalogueError> {
        let sql = "UPDATE spolia.user_table SET state = 'dropped', destruction = now()
            WHERE owner = $1 AND table_name = $2 AND state = 'new'";
        let given_up = self.client().await?.execute(sql, &[&owner, &name]).await.act("give up a user's table")?;
        Ok(given_up > 0)
    }

    /// Notes what a table holds now, and until when it is kept where that has changed.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn note_user_rows(
        &self,
        number: i32,
        rows: i64,
        bytes: i64,
        destruction: Option<DateTime<Utc>>,
    ) -> Result<(), CatalogueError> {
        // Of two who note at the same time, the one who counted first may be the second; tables only grow.
        let sql = "UPDATE spolia.user_table SET rows = greatest(rows, $2), bytes = greatest(bytes, $3),
            destruction = coalesce($4, destruction) WHERE number = $1 AND state = 'kept'";
        self.client().await?.execute(sql, &[&number, &rows, &bytes, &destruction]).await.act("note a user's rows")?;
        Ok(())
    }

    /// Notes that a table's node keeps an index on some columns.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn note_user_index(&self, number: i32, columns: &[String]) -> Result<(), CatalogueError> {
        let sql = "UPDATE spolia.user_table SET definition = jsonb_set(definition, '{column}', (
                SELECT jsonb_agg(CASE WHEN c->>'name' = ANY($2) THEN c || '{\"indexed\": true}' ELSE c END ORDER BY place)
                FROM jsonb_array_elements(definition->'column') WITH ORDINALITY AS columns(c, place)))
            WHERE number = $1";
        self.client().await?.execute(sql, &[&number, &columns]).await.act("note an index")?;
        Ok(())
    }

    /// Changes when a table will be dropped.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn set_user_destruction(&self, number: i32, destruction: DateTime<Utc>) -> Result<(), CatalogueError> {
        let sql = "UPDATE spolia.user_table SET destruction = $2 WHERE number = $1 AND state = 'kept'";
        let changed = self.client().await?.execute(sql, &[&number, &destruction]).await;
        changed.act("change how long a table is kept").map(drop)
    }

    /// Takes a table away from its owner; its node has it still.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn drop_user_table(&self, number: i32) -> Result<(), CatalogueError> {
        let sql = "UPDATE spolia.user_table SET state = 'dropped', destruction = now() WHERE number = $1 AND state <> 'dropped'";
        self.client().await?.execute(sql, &[&number]).await.act("drop a user's table")?;
        Ok(())
    }

    /// The tables that nobody has had for some seconds, so that no query is about to read them, and that their nodes may still have: dropped
    /// ones, those whose time is over, and those that were never made.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn dropped_user_tables(&self) -> Result<Vec<UserTable>, CatalogueError> {
        let client = self.client().await?;
        client.execute(OVER, &[&MAKING_HOURS, &None::<&str>]).await.act("drop tables whose time is over")?;
        // What they were does not matter any more.
        let select = select("'{\"column\": []}'::jsonb");
        let sql = format!("{select} WHERE state = 'dropped' AND destruction <= now() - make_interval(secs => $1)");
        let rows = client.query(&sql, &[&LEFT_ALONE_S]).await;
        rows.act("read dropped tables")?.iter().map(UserTable::from_row).collect()
    }

    /// Forgets a table that its node no longer has.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn forget_user_table(&self, number: i32) -> Result<(), CatalogueError> {
        let sql = "DELETE FROM spolia.user_table WHERE number = $1 AND state = 'dropped'";
        self.client().await?.execute(sql, &[&number]).await.act("forget a user's table")?;
        Ok(())
    }
}

/// The name of a schema for a user: a regular identifier.
fn schema_name(owner: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    };
    format!("{USER_SCHEMA}{}", owner.chars().map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::schema_name;

    #[test]
    fn a_schema_is_named_after_its_owner() {
        assert_eq!(schema_name("ada"), "user_ada");
        assert_eq!(schema_name("Ada.Lovelace@obs-example.org"), "user_ada_lovelace_obs_example_org");
        assert_eq!(schema_name("é"), "user__");
    }
}
