//! Tables that users keep: `user_<name>.<table>` in queries, for their owner alone.
//!
//! Everybody who is known by name has a schema of tables, within a quota and for some time. The schema is made with its first table.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Field;
use datafusion::catalog::TableProvider;
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use spolia_adql::{Column, Schema, Table, as_written};
use spolia_catalogue::{CatalogueError, NewUserTable, UserColumn, UserSchema, UserTable, UserTableDef};
use spolia_formats::bytes_of;
use spolia_shard_router::{Held, RouterError, user_schema};

use crate::archive::Archive;
use crate::error::ExecError;
use crate::tap_schema::column;
use crate::user_table_def::{check, own_name, shown};

/// How long a drop may take, whatever its node waits for; the next sweep tries again.
const DROP_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// How much users may keep, and for how long; section `[user_tables]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserTableSettings {
    /// What all tables of one user may take on their node, in MB, with their indexes; 0 lets nobody have any.
    pub quota_mb: u32,
    /// Tables of one user at most.
    pub tables: u32,
    /// Days for which a table is kept after it was made or last loaded, and at most.
    pub lifetime_days: u32,
}

impl Default for UserTableSettings {
    fn default() -> Self {
        Self { quota_mb: 1024, tables: 100, lifetime_days: 90 }
    }
}

impl UserTableSettings {
    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), &'static str> {
        match self {
            Self { lifetime_days: 0, .. } => {
                Err("[user_tables] lifetime_days is at least 1; quota_mb = 0 lets nobody keep tables")
            }
            Self { lifetime_days: 36_526.., .. } => {
                Err("[user_tables] lifetime_days is at most 36525, a hundred years")
            }
            _ => Ok(()),
        }
    }

    fn quota_bytes(&self) -> i64 {
        i64::from(self.quota_mb) << 20
    }

    /// The last moment to which a table may be kept that is loaded now.
    fn latest(&self) -> DateTime<Utc> {
        Utc::now() + Duration::days(i64::from(self.lifetime_days))
    }
}

impl Archive {
    /// How much users may keep.
    pub fn user_table_settings(&self) -> &UserTableSettings {
        &self.user_tables
    }

    /// The tables of whoever asks; of all users for the operator, and of nobody for those without a name.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn user_tables(&self) -> Result<Vec<UserTable>, ExecError> {
        let owner = match self.who().name() {
            _ if self.who().is_operator() => None,
            Some(name) => Some(name),
            None => return Ok(Vec::new()),
        };
        Ok(self.router().control().user_tables(owner).await?)
    }

    /// A table of whoever asks, by its name with or without its schema.
    ///
    /// # Errors
    /// [`ExecError::Denied`] for those without a name, [`ExecError::NotFound`] where they have no such table.
    pub async fn user_table(&self, name: &str) -> Result<UserTable, ExecError> {
        self.named()?;
        let wanted = name.to_ascii_lowercase();
        let is_wanted = |table: &UserTable| table.full_name() == wanted || table.name == wanted;
        let mut found = self.user_tables().await?.into_iter().filter(is_wanted);
        match (found.next(), found.next()) {
            (Some(table), None) => Ok(table),
            _ => Err(ExecError::NotFound(format!("you have no table {:?}", shown(name)))),
        }
    }

    /// Checks that whoever asks may make a table of that name, as far as that can be told before it is tried.
    ///
    /// # Errors
    /// As [`Archive::create_user_table`].
    pub async fn check_user_table_name(&self, name: &str) -> Result<(), ExecError> {
        let schema = self.own_schema().await?;
        let name = own_name(&schema, name)?;
        match self.user_tables().await?.iter().find(|table| table.name == name) {
            Some(table) => Err(CatalogueError::Taken(table.full_name()).into()),
            None => Ok(()),
        }
    }

    /// Makes a table with these rows for whoever asks; it is there when all of them are. They are of the types that [`user_schema`] says.
    ///
    /// # Errors
    /// [`ExecError::Denied`] where they may not, [`ExecError::Request`] for what cannot be a table; otherwise what failed. Then there is none.
    pub async fn create_user_table(
        &self,
        name: &str,
        definition: &UserTableDef,
        rows: &[RecordBatch],
    ) -> Result<UserTable, ExecError> {
        let schema = self.own_schema().await?;
        let name = own_name(&schema, name)?;
        check(definition)?;
        let control = self.router().control();
        let (destruction, most) = (self.user_tables.latest(), self.user_tables.tables);
        let new = NewUserTable { schema: &schema, name: &name, definition, destruction, most };
        let table = control.note_user_table(&new).await?;
        let made = async {
            self.router().make_user_table(&table).await?;
            let held = if rows.is_empty() { None } else { Some(self.add_rows(&table, rows).await?) };
            if !control.keep_user_table(table.number).await? {
                return Err(RouterError::UserTableGone(table.full_name()).into());
            }
            match held {
                Some(held) => self.noted(&table, held, None).await,
                None => Ok(table.clone()),
            }
        };
        let made = made.await;
        if made.is_err() {
            self.abandon(&table).await;
        }
        made
    }

    /// Adds rows to a table of whoever asks: all of them, or none. They are of the types that [`user_schema`] says.
    ///
    /// # Errors
    /// When the rows cannot be in the table, or are too many; then nothing has changed.
    pub async fn load_user_table(&self, table: &UserTable, rows: &[RecordBatch]) -> Result<UserTable, ExecError> {
        let held = self.add_rows(table, rows).await?;
        self.noted(table, held, Some(self.user_tables.latest())).await
    }

    async fn add_rows(&self, table: &UserTable, rows: &[RecordBatch]) -> Result<Held, ExecError> {
        let owned = self.router().control().user_table_sizes(&table.schema.owner).await?;
        let (quota_bytes, taken) = (self.user_tables.quota_bytes(), owned.iter().map(|(_, bytes)| bytes).sum::<i64>());
        let coming = rows.iter().map(bytes_of).fold(0, usize::saturating_add);
        // A node takes about as much for rows as memory does, and tells exactly; by far too much is not sent to it.
        if taken.saturating_add(i64::try_from(coming).unwrap_or(i64::MAX)) > quota_bytes.saturating_mul(2) {
            return Err(ExecError::Request(format!(
                "{}: the tables of {} may take {} MB together, which these rows would exceed by far; nothing has changed",
                table.full_name(),
                table.schema.owner,
                self.user_tables.quota_mb
            )));
        }
        let numbers: Vec<i32> = owned.iter().map(|(number, _)| *number).collect();
        Ok(self.router().load_user_table(table, rows, &numbers, quota_bytes).await?)
    }

    /// Makes an index on columns of a table of whoever asks, by their places ([`indexable`]).
    ///
    /// # Errors
    /// When their values are to be `unique` and are not, or cannot be in an index.
    pub async fn index_user_table(
        &self,
        table: &UserTable,
        columns: &[usize],
        unique: bool,
    ) -> Result<UserTable, ExecError> {
        let owned = self.router().control().user_table_sizes(&table.schema.owner).await?;
        let (numbers, quota_bytes) =
            (owned.iter().map(|(number, _)| *number).collect::<Vec<_>>(), self.user_tables.quota_bytes());
        let held = self.router().index_user_table(table, columns, unique, &numbers, quota_bytes).await?;
        // Of several columns, it is the first that is found by it.
        let first = columns.iter().take(1).map(|place| table.definition.columns[*place].name.clone());
        self.router().control().note_user_index(table.number, &first.collect::<Vec<_>>()).await?;
        self.noted(table, held, None).await
    }

    /// Changes until when a table of whoever asks is kept; times beyond what the site allows become the last that it does.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn keep_user_table_until(
        &self,
        table: &UserTable,
        until: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, ExecError> {
        // One whose time is over is dropped now, and left to queries that know of it for as long as any other.
        let until = until.clamp(Utc::now(), self.user_tables.latest());
        self.router().control().set_user_destruction(table.number, until).await?;
        Ok(until)
    }

    /// Drops a table of whoever asks. It is gone at once; its node frees the room at the next sweep, when no query reads it any more.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn drop_user_table(&self, table: &UserTable) -> Result<(), ExecError> {
        Ok(self.router().control().drop_user_table(table.number).await?)
    }

    /// Gives up a table of whoever asks that is being made, or never came to its end.
    ///
    /// # Errors
    /// [`ExecError::NotFound`] where there is none.
    pub async fn give_up_user_table(&self, name: &str) -> Result<(), ExecError> {
        let none = || ExecError::NotFound(format!("you have no table {:?}", shown(name)));
        let schema = self.own_schema().await?;
        let name = own_name(&schema, name).map_err(|_| none())?;
        match self.router().control().give_up_user_table(&schema.owner, &name).await? {
            true => Ok(()),
            false => Err(none()),
        }
    }

    /// Drops tables whose time is over, and has nodes free the room of dropped ones.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn sweep_user_tables(&self) -> Result<(), ExecError> {
        let mut by_node: BTreeMap<i32, Vec<UserTable>> = BTreeMap::new();
        for table in self.router().control().dropped_user_tables().await? {
            by_node.entry(table.schema.group).or_default().push(table);
        }
        // A node that does not answer keeps no other from its work.
        let swept = by_node.into_values().map(|tables| async move {
            for table in &tables {
                self.abandon(table).await;
            }
        });
        join_all(swept).await;
        Ok(())
    }

    /// Frees the room of a table that nobody has any more; what cannot be done now is done by the next sweep.
    async fn abandon(&self, table: &UserTable) {
        let control = self.router().control();
        let freed = async {
            control.drop_user_table(table.number).await?;
            let dropping = tokio::time::timeout(DROP_WAIT, self.router().drop_user_table(table));
            dropping.await.map_err(|_| RouterError::BusyWriting {
                node: "that has it".to_owned(),
                seconds: DROP_WAIT.as_secs(),
            })??;
            control.forget_user_table(table.number).await?;
            Ok::<_, ExecError>(())
        };
        if let Err(error) = freed.await {
            tracing::warn!(error = error.message(), table = table.full_name(), "a dropped table still takes room");
        }
    }

    /// Notes what a table holds, and returns it as it is then. It holds that, whether it can be noted or not.
    async fn noted(&self, table: &UserTable, held: Held, until: Option<DateTime<Utc>>) -> Result<UserTable, ExecError> {
        let noted = async {
            let control = self.router().control();
            control.note_user_rows(table.number, held.rows, held.bytes, until).await?;
            Ok::<_, ExecError>(control.user_tables(Some(&table.schema.owner)).await?)
        };
        match noted.await {
            Ok(now) => {
                let gone = || ExecError::NotFound(format!("{} has been dropped meanwhile", table.full_name()));
                now.into_iter().find(|other| other.number == table.number).ok_or_else(gone)
            }
            Err(error) => {
                tracing::warn!(error = error.message(), table = table.full_name(), "its rows could not be noted");
                Ok(UserTable { rows: held.rows, bytes: held.bytes, ..table.clone() })
            }
        }
    }

    fn named(&self) -> Result<&str, ExecError> {
        let unknown = || ExecError::Denied {
            message: "tables are kept for those who are known by name; say who you are".to_owned(),
            anonymous: true,
        };
        self.who().name().ok_or_else(unknown)
    }

    async fn own_schema(&self) -> Result<UserSchema, ExecError> {
        let owner = self.named()?;
        let denied = |message: &str| ExecError::Denied { message: message.to_owned(), anonymous: false };
        if self.user_tables.quota_mb == 0 {
            return Err(denied("this archive keeps no tables of users (quota_mb in [user_tables])"));
        }
        if self.who().is_operator() {
            return Err(denied("tables are kept for users; the operator is none"));
        }
        let groups: Vec<i32> = (0..self.router().groups()).collect();
        Ok(self.router().control().user_schema(owner, &groups).await?)
    }

    /// Users' schemas that whoever asks may query, with the providers of their tables.
    pub(crate) async fn user_schemas(&self) -> Result<Vec<(Schema, Vec<NamedProvider>)>, ExecError> {
        let tables = self.user_tables().await?;
        let mut schemas: BTreeMap<&str, (Schema, Vec<NamedProvider>)> = BTreeMap::new();
        for (table, provider) in tables.iter().zip(self.router().user_tables(&tables)) {
            let described = match described(table) {
                Ok(described) => described,
                Err(error) => {
                    tracing::error!(error = error.message(), table = table.full_name(), "a user's table is left out");
                    continue;
                }
            };
            let name = &table.schema.name;
            let (schema, providers) =
                schemas.entry(name).or_insert_with(|| (self.user_schema_of(table, &tables), Vec::new()));
            schema.tables.push(described);
            providers.push((table.name.clone(), provider as Arc<dyn TableProvider>));
        }
        Ok(schemas.into_values().collect())
    }

    /// The schema of a table, still empty, with what is said of its owner's tables.
    fn user_schema_of(&self, table: &UserTable, tables: &[UserTable]) -> Schema {
        let owned = || tables.iter().filter(|other| other.schema.owner == table.schema.owner);
        let UserTableSettings { quota_mb, tables: most, .. } = *self.user_tables;
        let (owner, count) = (&table.schema.owner, owned().count());
        let mb = (owned().map(|table| table.bytes).sum::<i64>() + (1 << 20) - 1) >> 20;
        let description =
            format!("Tables of {owner}, whom alone they are for: {count} of {most}, {mb} of {quota_mb} MB");
        Schema { name: table.schema.name.clone(), description: Some(description), tables: Vec::new() }
    }
}

/// A table under its name.
type NamedProvider = (String, Arc<dyn TableProvider>);

fn described(table: &UserTable) -> Result<Table, ExecError> {
    let schema = user_schema(&table.definition.columns);
    let of = |(declared, field): (&UserColumn, &Arc<Field>)| {
        let unwritten = || ExecError::Request(format!("{:?} cannot be the name of a column", field.name()));
        let name = as_written(field.name()).ok_or_else(unwritten)?;
        Ok(Column { name, indexed: declared.indexed, principal: true, ..column(field)? })
    };
    let columns = table.definition.columns.iter().zip(schema.fields()).map(of).collect::<Result<_, ExecError>>()?;
    let until = format!("kept until {}", table.destruction.format("%Y-%m-%d"));
    let description = match &table.definition.description {
        Some(said) => format!("{said} ({until})"),
        None => format!("A table of {}, {until}", table.schema.owner),
    };
    Ok(Table { name: table.full_name(), description: Some(description), columns })
}
