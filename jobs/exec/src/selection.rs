//! Which objects a cut takes: from ids, links or a query to numbers of files and objects in them.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use futures::TryStreamExt;
use spolia_catalogue::{Collection, TableDef};
use spolia_planner::Session;
use spolia_shard_router::{NodeTiming, Snapshot, timings};

use crate::access::Act;
use crate::archive::Archive;
use crate::error::ExecError;
use crate::link::LinkBase;
use crate::open_epoch::OpenEpoch;
use crate::upload::Upload;

/// Ids sent to the nodes in one statement.
const IDS_AT_ONCE: usize = 20_000;
/// Objects in one cut on a server; more belong into a job.
const MAX_OBJECTS: usize = 2_000_000;

/// What the user chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Sources by their ids.
    SourceIds(Vec<i64>),
    /// Rows by their row ids, of any table.
    RowIds(Vec<i64>),
    /// The rows of a query: it must return `id` (row ids) or else `source_id`.
    Adql(String),
}

/// The chosen rows of one epoch.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// Row id to shard key, by table (`collection.table`).
    pub tables: BTreeMap<String, BTreeMap<i64, Option<i64>>>,
    /// What a user should know about the choice.
    pub messages: Vec<String>,
    /// What the nodes did.
    pub timings: Vec<NodeTiming>,
}

/// Finds chosen rows in one epoch.
pub(crate) struct Chooser<'a> {
    archive: &'a Archive,
    snapshot: &'a Snapshot,
    session: Session,
    /// What is going to be done with the rows.
    act: Act,
    chosen: Chosen,
}

impl<'a> Chooser<'a> {
    /// One of rows with which `act` is going to be done; a query that chooses them may read `uploads`.
    pub(crate) async fn new(
        archive: &'a Archive,
        epoch: &'a OpenEpoch,
        uploads: &[Upload],
        act: Act,
    ) -> Result<Self, ExecError> {
        let links = LinkBase { base_url: String::new(), client_id: String::new() };
        let session = archive.session(epoch, &links, uploads).await?;
        Ok(Self { archive, snapshot: &epoch.snapshot, session, act, chosen: Chosen::default() })
    }

    /// Finds the rows of `selection`; `with_transits` adds the transits of chosen sources; `keep_unmatched` keeps
    /// transits whose source is not chosen.
    pub(crate) async fn choose(
        mut self,
        selection: &Selection,
        with_transits: bool,
        keep_unmatched: bool,
    ) -> Result<Chosen, ExecError> {
        match selection {
            Selection::SourceIds(ids) => self.choose_sources(ids).await?,
            Selection::RowIds(ids) => self.choose_rows(ids).await?,
            Selection::Adql(adql) => self.choose_by_query(adql).await?,
        }
        if with_transits {
            self.add_transits().await?;
        }
        if !keep_unmatched {
            self.drop_unmatched().await?;
        }
        let count: usize = self.chosen.tables.values().map(BTreeMap::len).sum();
        if count > MAX_OBJECTS {
            return Err(ExecError::Request(format!("{count} objects are chosen; a cut takes at most {MAX_OBJECTS}")));
        }
        Ok(self.chosen)
    }

    /// The tables that hold objects of their own, those that transits refer to.
    fn source_tables(&self) -> Vec<(&Collection, &TableDef)> {
        let all = self.snapshot.collections().iter();
        all.flat_map(|collection| {
            let is_target = |table: &&TableDef| {
                collection.tables.iter().any(|other| other.transits_of.as_ref() == Some(&table.name))
            };
            collection.tables.iter().filter(is_target).map(move |table| (collection, table))
        })
        .collect()
    }

    async fn choose_sources(&mut self, ids: &[i64]) -> Result<(), ExecError> {
        let wanted: BTreeSet<i64> = ids.iter().copied().collect();
        let tables: Vec<(String, String)> =
            self.source_tables().iter().map(|(c, t)| (format!("{}.{}", c.name, t.name), t.shard_key.clone())).collect();
        let mut found = BTreeSet::new();
        for (table, key) in tables {
            let rows = self.rows_where(&table, &key, &key, &wanted).await?;
            found.extend(rows.values().flatten().copied());
            self.add(&table, rows);
        }
        let missing: Vec<i64> = wanted.difference(&found).copied().collect();
        if found.is_empty() && !missing.is_empty() {
            return Err(ExecError::NotFound(format!(
                "no source with id {} in epoch {}",
                listed(&missing),
                self.epoch()
            )));
        }
        if !missing.is_empty() {
            self.chosen.messages.push(format!("{} ids are not in the archive: {}", missing.len(), listed(&missing)));
        }
        Ok(())
    }

    async fn choose_rows(&mut self, ids: &[i64]) -> Result<(), ExecError> {
        let wanted: BTreeSet<i64> = ids.iter().copied().collect();
        let file_ids: BTreeSet<i32> = wanted.iter().map(|id| (id >> 32) as i32).collect();
        let files = self.archive.router().control().files(&file_ids.into_iter().collect::<Vec<_>>()).await?;
        let mut by_table: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for file in files {
            let table = format!("{}.{}", file.file.collection, file.file.table_name);
            let of_file = wanted.iter().filter(|id| (**id >> 32) as i32 == file.file_id);
            by_table.entry(table).or_default().extend(of_file);
        }
        let mut found = 0;
        for (table, ids) in by_table {
            let collection = table.split('.').next().unwrap_or_default();
            self.archive.require(collection, self.act)?;
            let Some(key) = self.table(&table).map(|table| table.row_key().to_owned()) else { continue };
            let rows = self.rows_where(&table, "id", &key, &ids).await?;
            found += rows.len();
            self.add(&table, rows);
        }
        if found == wanted.len() {
            return Ok(());
        }
        let chosen: BTreeSet<i64> = self.chosen.tables.values().flat_map(BTreeMap::keys).copied().collect();
        let missing: Vec<i64> = wanted.difference(&chosen).copied().collect();
        Err(ExecError::NotFound(format!("no row with id {} in epoch {}", listed(&missing), self.epoch())))
    }

    async fn choose_by_query(&mut self, adql: &str) -> Result<(), ExecError> {
        let plan = self.session.plan(adql, Some(MAX_OBJECTS + 1)).await;
        let plan = plan.map_err(|error| self.archive.or_forbidden(adql, self.act, error.into()))?;
        let has = |name: &str| {
            plan.schema().fields().iter().any(|field| field.name() == name && field.data_type() == &DataType::Int64)
        };
        let column = ["id", "source_id"].into_iter().find(|name| has(name)).ok_or_else(|| {
            ExecError::Request(
                "a query that chooses objects must return the column id (of any table) or source_id".to_owned(),
            )
        })?;
        let (batches, timings) = self.run(&plan).await?;
        self.chosen.timings.extend(timings);
        let ids: Vec<i64> = batches.iter().flat_map(|batch| longs(batch, column)).flatten().collect();
        if ids.len() > MAX_OBJECTS {
            return Err(ExecError::Request(format!("the query chooses more than {MAX_OBJECTS} objects; choose fewer")));
        }
        if ids.is_empty() {
            return Err(ExecError::NotFound("the query chooses no object".to_owned()));
        }
        if column == "id" { self.choose_rows(&ids).await } else { self.choose_sources(&ids).await }
    }

    async fn add_transits(&mut self) -> Result<(), ExecError> {
        for (transits, key, sources) in self.transit_tables() {
            let ids: BTreeSet<i64> =
                self.chosen.tables.get(&sources).into_iter().flat_map(BTreeMap::values).flatten().copied().collect();
            let rows = self.rows_where(&transits, &key, &key, &ids).await?;
            self.add(&transits, rows);
        }
        Ok(())
    }

    /// Drops chosen transits without a chosen source; where no source is chosen, those without one in the archive.
    async fn drop_unmatched(&mut self) -> Result<(), ExecError> {
        for (transits, _, sources) in self.transit_tables() {
            let Some(rows) = self.chosen.tables.get(&transits) else { continue };
            let keys: BTreeSet<i64> = rows.values().flatten().copied().collect();
            let (matched, whose): (BTreeSet<i64>, &str) =
                match self.chosen.tables.get(&sources).filter(|rows| !rows.is_empty()) {
                    Some(sources) => (sources.values().flatten().copied().collect(), "chosen"),
                    None => {
                        let Some(key) = self.table(&sources).map(|table| table.shard_key.clone()) else { continue };
                        (
                            self.rows_where(&sources, &key, &key, &keys).await?.values().flatten().copied().collect(),
                            "archived",
                        )
                    }
                };
            let Some(rows) = self.chosen.tables.get_mut(&transits) else { continue };
            let before = rows.len();
            rows.retain(|_, key| key.is_some_and(|key| matched.contains(&key)));
            let dropped = before - rows.len();
            if dropped > 0 {
                self.chosen
                    .messages
                    .push(format!("{dropped} of {before} transits dropped: no {whose} source matches them"));
            }
        }
        self.chosen.tables.retain(|_, rows| !rows.is_empty());
        Ok(())
    }

    /// Tables of transits, their key, and the table of their sources.
    fn transit_tables(&self) -> Vec<(String, String, String)> {
        let all = self.snapshot.collections().iter().flat_map(|c| c.tables.iter().map(move |t| (c, t)));
        all.filter_map(|(collection, table)| {
            let sources = table.transits_of.as_ref()?;
            let full = |name: &str| format!("{}.{name}", collection.name);
            Some((full(&table.name), table.shard_key.clone(), full(sources)))
        })
        .collect()
    }

    fn table(&self, full: &str) -> Option<&TableDef> {
        let (collection, table) = full.split_once('.')?;
        self.snapshot.collections().iter().find(|c| c.name == collection)?.table(table)
    }

    fn add(&mut self, table: &str, rows: BTreeMap<i64, Option<i64>>) {
        self.chosen.tables.entry(table.to_owned()).or_default().extend(rows);
    }

    fn epoch(&self) -> i64 {
        self.snapshot.manifest().epoch
    }

    /// Row ids and keys of the rows whose `column` is among `values`.
    async fn rows_where(
        &mut self,
        table: &str,
        column: &str,
        key: &str,
        values: &BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, Option<i64>>, ExecError> {
        let values: Vec<i64> = values.iter().copied().collect();
        let mut rows = BTreeMap::new();
        for some in values.chunks(IDS_AT_ONCE) {
            let list = some.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let adql = format!("SELECT id, \"{key}\" FROM {table} WHERE \"{column}\" IN ({list})");
            let (batches, timings) = self.run(&self.session.plan(&adql, None).await?).await?;
            self.chosen.timings.extend(timings);
            for batch in &batches {
                rows.extend(longs(batch, "id").into_iter().flatten().zip(longs(batch, key)));
            }
        }
        Ok(rows)
    }

    async fn run(
        &self,
        plan: &datafusion::logical_expr::LogicalPlan,
    ) -> Result<(Vec<RecordBatch>, Vec<NodeTiming>), ExecError> {
        let plan = self.session.physical(plan).await?;
        let batches = self.session.run(&plan)?.try_collect().await?;
        Ok((batches, timings(&plan)))
    }
}

/// The values of a 64-bit column; none where it is missing.
fn longs(batch: &RecordBatch, column: &str) -> Vec<Option<i64>> {
    let Some(array) = batch.column_by_name(column) else { return Vec::new() };
    match cast(array, &DataType::Int64) {
        Ok(array) => array.as_primitive::<Int64Type>().iter().collect(),
        Err(_) => vec![None; array.len()],
    }
}

fn listed(ids: &[i64]) -> String {
    let shown = ids.iter().take(5).map(i64::to_string).collect::<Vec<_>>().join(", ");
    if ids.len() > 5 { format!("{shown} and {} more", ids.len() - 5) } else { shown }
}
