//! Tables that users keep: `user_<name>.<table>` in queries, for their owner alone.
//!
//! Everybody who is known by name has a schema of tables, within a quota and for some time. The schema is made with its first table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use datafusion::catalog::TableProvider;
use serde::{Deserialize, Serialize};
use spolia_adql::{Column, Schema, Table, as_written};
use spolia_catalogue::{ColumnType, ElementType, NewUserTable, UserColumn, UserSchema, UserTable, UserTableDef};
use spolia_formats::{FIELD_KEYS, bytes_of};
use spolia_shard_router::{Held, RouterError, user_schema};

use crate::archive::Archive;
use crate::error::ExecError;
use crate::tap_schema::column;

/// Columns of a table at most: as many as a node takes if they are numbers.
const MOST_COLUMNS: usize = 1000;
/// Elements of arrays of fixed length in a row: null ones take as much memory as others.
const MOST_FIXED: u64 = 1024;
/// Bytes of what is kept of a table's columns: all of it is read with each query of its owner.
const LONGEST_DEFINITION: usize = 256 << 10;
/// Letters of a name, and of what is said of a column, at most.
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 2000;
/// Columns of an index at most.
const MOST_INDEXED: usize = 8;
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
        own_name(&self.own_schema().await?, name).map(drop)
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
            control.keep_user_table(table.number).await?;
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
        let names: Vec<String> = columns.iter().map(|place| table.definition.columns[*place].name.clone()).collect();
        self.router().control().note_user_index(table.number, &names).await?;
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
        let until = until.min(self.user_tables.latest());
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

    /// Drops tables whose time is over, and has nodes free the room of dropped ones.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn sweep_user_tables(&self) -> Result<(), ExecError> {
        for table in self.router().control().dropped_user_tables().await? {
            self.abandon(&table).await;
        }
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
        let mut tables = self.user_tables().await?;
        tables.retain(|table| match described(table) {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(error = error.message(), table = table.full_name(), "a user's table is left out");
                false
            }
        });
        let providers = self.router().user_tables(&tables);
        let mut schemas: BTreeMap<&str, (Vec<&UserTable>, Vec<NamedProvider>)> = BTreeMap::new();
        for (table, provider) in tables.iter().zip(providers) {
            let (held, providers) = schemas.entry(&table.schema.name).or_default();
            held.push(table);
            providers.push((table.name.clone(), provider as Arc<dyn TableProvider>));
        }
        let described = |(name, (tables, providers)): (&str, (Vec<&UserTable>, Vec<NamedProvider>))| {
            Ok((self.described(name, &tables)?, providers))
        };
        schemas.into_iter().map(described).collect()
    }

    fn described(&self, name: &str, tables: &[&UserTable]) -> Result<Schema, ExecError> {
        let bytes: i64 = tables.iter().map(|table| table.bytes).sum();
        let UserTableSettings { quota_mb, tables: most, .. } = *self.user_tables;
        let owner = tables.first().map_or("", |table| table.schema.owner.as_str());
        let (count, mb) = (tables.len(), (bytes + (1 << 20) - 1) >> 20);
        let description =
            format!("Tables of {owner}, whom alone they are for: {count} of {most}, {mb} of {quota_mb} MB");
        let tables = tables.iter().map(|table| described(table)).collect::<Result<_, _>>()?;
        Ok(Schema { name: name.to_owned(), description: Some(description), tables })
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

/// What a table is that has the columns of an Arrow schema: those types that queries know, with `unit`, `ucd`, `utype`, `xtype`, `arraysize`
/// and `description` as field metadata.
///
/// # Errors
/// [`ExecError::Request`] for a column that no table of a user can have.
pub fn user_table_def(schema: &ArrowSchema, description: Option<String>) -> Result<UserTableDef, ExecError> {
    let of = |field: &Arc<Field>| {
        let column_type = column_type(field.data_type()).ok_or_else(|| {
            ExecError::Request(format!(
                "column {:?} is of type {}, which no table here has",
                field.name(),
                field.data_type()
            ))
        })?;
        let said = |key: &str| field.metadata().get(key).filter(|text| !text.is_empty());
        let meaning = FIELD_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), said(key)?.clone()))).collect();
        Ok(UserColumn { name: field.name().clone(), column_type, meaning, indexed: false })
    };
    Ok(UserTableDef { description, columns: schema.fields().iter().map(of).collect::<Result<_, ExecError>>()? })
}

/// The type that a node keeps values of an Arrow type in.
fn column_type(data_type: &DataType) -> Option<ColumnType> {
    let element = |item: &Field| element_type(item.data_type());
    Some(match data_type {
        DataType::Utf8 => ColumnType::Text,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::List(item) => ColumnType::Array { element: element(item)?, length: None },
        DataType::FixedSizeList(item, length) => {
            ColumnType::Array { element: element(item)?, length: Some(u32::try_from(*length).ok()?) }
        }
        other => element_type(other)?.into(),
    })
}

fn element_type(data_type: &DataType) -> Option<ElementType> {
    Some(match data_type {
        DataType::Boolean => ElementType::Boolean,
        DataType::Int16 => ElementType::Smallint,
        DataType::Int32 => ElementType::Integer,
        DataType::Int64 => ElementType::Bigint,
        DataType::Float32 => ElementType::Real,
        DataType::Float64 => ElementType::Double,
        _ => return None,
    })
}

/// The name of a table in a schema, as it is kept, from what its owner calls it.
fn own_name(schema: &UserSchema, given: &str) -> Result<String, ExecError> {
    let folded = given.to_ascii_lowercase();
    let name = match folded.split_once('.') {
        Some((first, name)) if first == schema.name => name,
        Some(_) => {
            let message = format!("your tables are in the schema {}, not where {:?} is", schema.name, shown(given));
            return Err(ExecError::Denied { message, anonymous: false });
        }
        None => &folded,
    };
    let regular = as_written(name).is_some_and(|written| written == name) && name.len() <= LONGEST_NAME;
    let refused = || {
        ExecError::Request(format!(
            "{:?} cannot be the name of a table: letters, digits and _ only, a letter first, {LONGEST_NAME} at most, and no word of ADQL's",
            shown(given)
        ))
    };
    regular.then(|| name.to_owned()).ok_or_else(refused)
}

/// Checks that a table can be as its owner wants it.
fn check(definition: &UserTableDef) -> Result<(), ExecError> {
    let refused = |message: String| Err(ExecError::Request(message));
    let count = definition.columns.len();
    if !(1..=MOST_COLUMNS).contains(&count) {
        return refused(format!("a table has 1 to {MOST_COLUMNS} columns, not {count}"));
    }
    let mut names = BTreeSet::new();
    for UserColumn { name, meaning, .. } in &definition.columns {
        if name.len() > LONGEST_NAME || as_written(name).is_none() || name.chars().any(char::is_control) {
            let rule = format!("of 1 to {LONGEST_NAME} bytes without double quotes and control characters");
            return refused(format!("{:?} cannot be the name of a column: names are texts {rule}", shown(name)));
        }
        if !names.insert(name.to_lowercase()) {
            return refused(format!("there are two columns {name:?}; capitals do not tell them apart"));
        }
        if let Some((key, _)) = meaning.iter().find(|(_, text)| !is_text(text)) {
            return refused(format!("column {name:?}: its {key} is no text of at most {LONGEST_TEXT} bytes"));
        }
    }
    let written = serde_json::to_string(definition).map_or(usize::MAX, |text| text.len());
    if written > LONGEST_DEFINITION {
        let most = LONGEST_DEFINITION >> 10;
        return refused(format!("what is said of the columns is more than {most} kB; shorten their descriptions"));
    }
    if let Some(column) = definition.columns.iter().find(|c| c.column_type.to_string().parse() != Ok(c.column_type)) {
        return refused(format!("column {:?}: an array has at most 1048576 elements", column.name));
    }
    let fixed = |column: &UserColumn| match column.column_type {
        ColumnType::Array { length, .. } => length.map_or(0, u64::from),
        _ => 0,
    };
    if definition.columns.iter().map(fixed).sum::<u64>() > MOST_FIXED {
        return refused(format!(
            "arrays of fixed length have {MOST_FIXED} elements at most in a row; declare them as of any length"
        ));
    }
    // All answers tell of all tables.
    for field in user_schema(&definition.columns).fields() {
        column(field).map_err(|error| ExecError::Request(error.to_string()))?;
    }
    match &definition.description {
        Some(text) if !is_text(text) => refused(format!("the description is no text of at most {LONGEST_TEXT} bytes")),
        _ => Ok(()),
    }
}

/// Whether a text can stand in any document.
fn is_text(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && !text.chars().any(|letter| letter.is_control() && !letter.is_whitespace())
}

/// The places of columns that an index is wanted on.
///
/// # Errors
/// [`ExecError::Request`] where the table has no such column, or no index is made on it.
pub fn indexable(table: &UserTable, columns: &[String]) -> Result<Vec<usize>, ExecError> {
    if !(1..=MOST_INDEXED).contains(&columns.len()) {
        return Err(ExecError::Request(format!("an index is on 1 to {MOST_INDEXED} columns")));
    }
    let place = |wanted: &String| {
        let bare = wanted.trim().trim_matches('"').to_lowercase();
        let place = table.definition.columns.iter().position(|column| column.name.to_lowercase() == bare);
        let place = place
            .ok_or_else(|| ExecError::Request(format!("{} has no column {:?}", table.full_name(), shown(wanted))))?;
        match table.definition.columns[place].column_type {
            ColumnType::Array { .. } => {
                Err(ExecError::Request(format!("column {:?} is an array, which no index is made on", shown(wanted))))
            }
            _ => Ok(place),
        }
    };
    columns.iter().map(place).collect()
}

/// The names in a list that commas divide; one with a comma in it stands between double quotes.
pub fn column_list(text: &str) -> Vec<String> {
    let mut quoted = false;
    let divides = |letter: char| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    };
    text.split(divides).map(|name| name.trim().to_owned()).collect()
}

/// The beginning of what someone wrote, for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> UserSchema {
        UserSchema { owner: "ada".to_owned(), name: "user_ada".to_owned(), group: 0 }
    }

    #[test]
    fn names_are_of_ones_own_schema() {
        let name = |given| own_name(&schema(), given);
        for given in ["stars", "STARS", "user_ada.stars", "User_Ada.Stars"] {
            assert_eq!(name(given).unwrap(), "stars");
        }
        for given in ["user_bob.stars", "gaia.stars", "tap_schema.tables"] {
            assert!(matches!(name(given), Err(ExecError::Denied { anonymous: false, .. })), "{given}");
        }
        for given in ["", "2mass", "my-stars", "a.b.c", "user_ada.a.b", "\"x\"", "select", &"x".repeat(65), "é"] {
            assert!(name(given).is_err(), "{given}");
        }
    }

    #[test]
    fn commas_between_double_quotes_divide_nothing() {
        assert_eq!(column_list("a, \"b, c\" ,d"), ["a", "\"b, c\"", "d"]);
    }

    #[test]
    fn tables_that_cannot_be_are_refused() {
        let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
        let def = |fields: Vec<Field>| user_table_def(&ArrowSchema::new(fields), None).and_then(|def| check(&def));
        let refused = |fields, words: &str| {
            let message = def(fields).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        def(vec![field("RA (J2000)", DataType::Float64), field("size", DataType::Int64)]).unwrap();
        refused(Vec::new(), "1 to 1000 columns");
        refused((0..1001).map(|n| field(&format!("c{n}"), DataType::Int16)).collect(), "not 1001");
        refused(vec![field("ra", DataType::Int16), field("RA", DataType::Int16)], "capitals");
        refused(vec![field("a\"b", DataType::Int16)], "double quote");
        refused(vec![field(&"x".repeat(65), DataType::Int16)], "64 bytes");
        refused(vec![field("d", DataType::Date32)], "which no table here has");
        let long = [("unit".to_owned(), "m".repeat(2001))].into();
        refused(vec![field("a", DataType::Int16).with_metadata(long)], "its unit");
        refused(vec![field("a\u{1}", DataType::Int16)], "control");
        let long = DataType::FixedSizeList(Arc::new(field("item", DataType::Int16)), 2_000_000);
        refused(vec![field("a", long)], "1048576 elements");
        let wide = DataType::FixedSizeList(Arc::new(field("item", DataType::Float64)), 1025);
        refused(vec![field("a", wide)], "1024 elements at most in a row");
        let said: std::collections::HashMap<_, _> = [("description".to_owned(), "x".repeat(1900))].into();
        let many = (0..200).map(|n| field(&format!("c{n}"), DataType::Int16).with_metadata(said.clone()));
        refused(many.collect(), "more than 256 kB");
        let list = DataType::FixedSizeList(Arc::new(field("item", DataType::Int32)), 2);
        let size = |size: &str| [("arraysize".to_owned(), size.to_owned())].into();
        refused(vec![field("a", list.clone()).with_metadata(size("3"))], "arraysize");
        def(vec![field("a", list).with_metadata(size("2"))]).unwrap();
    }
}
