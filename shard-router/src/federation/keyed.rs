//! Joins of a few rows with many: the keys of the few are read first, and nodes are asked for rows that may match them.
//!
//! The few may be a table that came with the query or is a user's, or rows of nodes that a condition or limit leaves few of. A key is a shard key,
//! which tells the node that has its rows, or a position, whose circle tells the pixels where rows may be. Keys go to the nodes in
//! batches, each in one statement; what comes back is joined above the nodes, by the condition itself.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::common::{JoinType, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, FetchType, Join, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use spolia_sky::{Cone, HPX29_ORDER, PixelRanges, Position};
use tokio::sync::OnceCell;

use super::cells::{by_cells, order_of_cells, oriented};
use super::expression::{column_number, position};
use super::fragment::{Fragment, Numbers};
use super::node_query::NodeQuery;
use super::shared::Shared;
use super::statement::{Condition, From, Part, SqlColumn, chunk_of};
use crate::scan::{Awaited, NodeScan, Statements};

/// Rows of which keys are made at most, and how many times as many the other side must have for that to be worth it.
const FEW: f64 = 100_000.0;
const TIMES_AS_MANY: f64 = 4.0;
/// The same for ids alone, which take little and are looked up by an index, where the other side has so many more rows that to read them all
/// takes longer however fast that is: a user's long list beside a whole sky.
const FEW_IDS: f64 = 4_000_000.0;
const TIMES_AS_MANY_AS_IDS: f64 = 100.0;
/// Ids in one statement.
const IDS: usize = 20_000;
/// Ranges of pixels in one statement.
const RANGES: usize = 5_000;

/// The memory that an id and a range of pixels take, with what is made of them for each node.
const BYTES_OF_AN_ID: usize = 64;
const BYTES_OF_A_RANGE: usize = 192;

/// What is wanted of a fragment: rows whose keys come from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// Rows whose shard key, in this column, is one of the ids.
    Ids(usize),
    /// Rows of this table that are as near as this to one of the positions, in degrees.
    Near(usize, f64),
}

/// A side of a join that has been gone through.
pub(crate) enum Side<'a> {
    Down(&'a Fragment),
    Above(&'a LogicalPlan),
}

/// The plan of a join, one side of which is asked for by the keys of the other; nothing where that does not do.
pub(crate) fn by_keys(join: &Join, left: &Side, right: &Side, numbers: &Numbers) -> Result<Option<LogicalPlan>> {
    if join.null_aware {
        return Ok(None);
    }
    let may_be_reduced = |swapped: bool| match join.join_type {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => true,
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => !swapped,
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => swapped,
        JoinType::Full => false,
    };
    for (few, many, swapped) in [(left, right, false), (right, left, true)] {
        let Side::Down(many) = many else { continue };
        let expected = few.expected();
        // Positions may turn out to be too many when it is known that they are what is looked up.
        if may_be_reduced(swapped) && are_few(expected, many.expected, true) {
            let keyed = Keyed { join, few, expected, many, swapped };
            if let Some(plan) = keyed.plan(numbers)? {
                return Ok(Some(plan));
            }
        }
    }
    Ok(None)
}

impl Side<'_> {
    /// About how many rows it has at most; infinity where that cannot be told.
    fn expected(&self) -> f64 {
        match self {
            Side::Down(fragment) => fragment.expected,
            Side::Above(plan) => expected_rows(plan).unwrap_or(f64::INFINITY),
        }
    }

    fn plan(&self, schema: &datafusion::common::DFSchemaRef) -> Result<LogicalPlan> {
        match self {
            Side::Down(fragment) => Fragment::clone(fragment).finish(schema),
            Side::Above(plan) => Ok(LogicalPlan::clone(plan)),
        }
    }
}

/// Whether so few rows are worth looking up among so many.
fn are_few(few: f64, many: f64, by_ids: bool) -> bool {
    let within = |most: f64, times: f64| few <= most && few * times <= many;
    within(FEW, TIMES_AS_MANY) || by_ids && within(FEW_IDS, TIMES_AS_MANY_AS_IDS)
}

/// About how many rows a plan above the nodes has; nothing where that cannot be told. Tables that are not on nodes are small.
fn expected_rows(plan: &LogicalPlan) -> Option<f64> {
    let inputs = || plan.inputs().into_iter().map(expected_rows);
    match plan {
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<NodeQuery>() {
            Some(query) => Some(query.expected()),
            None => inputs().sum(),
        },
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => Some(1.0),
        LogicalPlan::Limit(limit) => {
            let fetch = match limit.get_fetch_type().ok()? {
                FetchType::Literal(Some(fetch)) => fetch as f64,
                _ => f64::INFINITY,
            };
            Some(expected_rows(&limit.input).unwrap_or(f64::INFINITY).min(fetch)).filter(|rows| rows.is_finite())
        }
        LogicalPlan::Join(join) if join.on.is_empty() => None,
        _ => inputs().sum(),
    }
}

struct Keyed<'a> {
    join: &'a Join,
    few: &'a Side<'a>,
    /// About how many rows the few are at most.
    expected: f64,
    many: &'a Fragment,
    /// True where the few are on the right.
    swapped: bool,
}

impl Keyed<'_> {
    fn plan(&self, numbers: &Numbers) -> Result<Option<LogicalPlan>> {
        if !self.many.may_grow() {
            return Ok(None);
        }
        let mut many = self.many.clone();
        many.open(numbers);
        let Some((wanted, keys)) = self.wanted(&many) else { return Ok(None) };
        if !are_few(self.expected, many.expected, matches!(wanted, Wanted::Ids(_))) {
            return Ok(None);
        }
        let (left, right) = (self.join.left.schema(), self.join.right.schema());
        let (few_schema, many_schema) = if self.swapped { (right, left) } else { (left, right) };
        let few = Shared::plan(self.few.plan(few_schema)?);
        let keys = LogicalPlanBuilder::from(few.clone()).project(keys)?.build()?;
        let many = many.finish_keyed(many_schema, keys, wanted, numbers)?;
        let on = self.join.on.iter().cloned();
        let join = Join::try_new(
            Arc::new(few),
            Arc::new(many),
            if self.swapped { on.map(|(a, b)| (b, a)).collect() } else { on.collect() },
            self.join.filter.clone(),
            if self.swapped { self.join.join_type.swap() } else { self.join.join_type },
            self.join.join_constraint,
            self.join.null_equality,
            false,
        )?;
        let columns = self.join.schema.columns().into_iter().map(Expr::Column);
        LogicalPlanBuilder::from(by_cells(join)?).project(columns)?.build().map(Some)
    }

    /// What is wanted of the many, and the keys of it over the few.
    fn wanted(&self, many: &Fragment) -> Option<(Wanted, Vec<Expr>)> {
        let schema = if self.swapped { self.join.left.schema() } else { self.join.right.schema() };
        let pair = |(left, right): &(Expr, Expr)| {
            let (few, of_many) = if self.swapped { (right, left) } else { (left, right) };
            let number = column_number(&many.resolved(of_many, schema)?)?;
            many.keys.contains(&number).then(|| (Wanted::Ids(number), vec![few.clone()]))
        };
        self.join.on.iter().find_map(pair).or_else(|| {
            let near = oriented(self.join)?;
            let (few, of_many) = if self.swapped { (near.b, near.a) } else { (near.a, near.b) };
            let of_many = of_many.map(|angle| many.resolved(&angle, schema));
            let [Some(lon), Some(lat)] = of_many else { return None };
            Some((Wanted::Near(position(&lon, &lat, &many.select.columns)?, near.radius_deg), few.to_vec()))
        })
    }
}

impl Wanted {
    /// What a statement says before the keys are known.
    pub(crate) fn placeholder(&self, columns: &[SqlColumn]) -> Condition {
        Condition::Sql(match self {
            Self::Ids(number) => format!("{} = ANY ('{{…}}'::bigint[])", columns[*number].sql),
            Self::Near(leaf, _) => format!("(t{leaf}.hpx29 BETWEEN …)"),
        })
    }
}

/// The keys of the few, without repetition.
enum Keys {
    Ids(Vec<i64>),
    Pixels(PixelRanges),
}

/// The statements that ask a fragment's nodes for the rows of some keys.
pub(crate) struct KeyedStatements {
    fragment: Arc<Fragment>,
    wanted: Wanted,
    keys: OnceCell<(Keys, MemoryReservation)>,
    /// The number of the table of ranges in a statement.
    number: usize,
}

impl KeyedStatements {
    pub(crate) fn new(fragment: Arc<Fragment>, wanted: Wanted, number: usize) -> Self {
        Self { fragment, wanted, keys: OnceCell::new(), number }
    }

    /// The keys, as long as the query has memory for them.
    async fn keys(
        &self,
        input: &Arc<dyn ExecutionPlan>,
        context: &Arc<TaskContext>,
    ) -> Result<(Keys, MemoryReservation)> {
        let reservation = MemoryConsumer::new("Keys").register(context.memory_pool());
        let mut stream = execute_stream(Arc::clone(input), Arc::clone(context))?;
        let (mut ids, mut ranges) = (Vec::new(), Vec::new());
        let mut order = HPX29_ORDER;
        while let Some(batch) = stream.next().await.transpose()? {
            match &self.wanted {
                Wanted::Ids(_) => ids.extend(batch.column(0).as_primitive::<Int64Type>().iter().flatten()),
                Wanted::Near(_, radius_deg) => {
                    // Narrower than the cells of the join: a circle touches about a dozen, and less is read that is not near.
                    order = (order_of_cells(*radius_deg) + 1).min(HPX29_ORDER);
                    let [lon, lat] = [0, 1].map(|column| batch.column(column).as_primitive::<Float64Type>());
                    for (lon, lat) in lon.iter().zip(lat) {
                        let (Some(lon), Some(lat)) = (lon, lat) else { continue };
                        // What is no position has no distance; the join itself says so.
                        let Ok(position) = Position::from_degrees(lon, lat) else { continue };
                        if let Ok(cone) = Cone::new(position, *radius_deg) {
                            ranges.extend_from_slice(cone.pixel_ranges(order).as_slice());
                        }
                    }
                }
            }
            let taken = ids.len() * BYTES_OF_AN_ID + ranges.len() * BYTES_OF_A_RANGE;
            reservation.try_resize(taken)?;
        }
        ids.sort_unstable();
        ids.dedup();
        let keys = match self.wanted {
            Wanted::Ids(_) => Keys::Ids(ids),
            Wanted::Near(..) => Keys::Pixels(PixelRanges::new(order, ranges).covering(HPX29_ORDER)),
        };
        Ok((keys, reservation))
    }
}

impl fmt::Debug for KeyedStatements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedStatements").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

#[async_trait]
impl Awaited for KeyedStatements {
    async fn statements(
        &self,
        scan: &NodeScan,
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &Arc<TaskContext>,
    ) -> Result<Statements> {
        let [input] = inputs else { return datafusion::common::internal_err!("keys come from one plan") };
        let (keys, _) = self.keys.get_or_try_init(|| self.keys(input, context)).await?;
        let here = Here { fragment: Arc::clone(&self.fragment), asked: scan.asked.iter().copied().collect() };
        let (wanted, number) = (self.wanted.clone(), self.number);
        Ok(match (keys, wanted) {
            (Keys::Ids(ids), Wanted::Ids(column)) => Box::new(here.of_ids(ids, column)),
            (Keys::Pixels(pixels), Wanted::Near(leaf, _)) => Box::new(here.of_pixels(pixels, leaf, number)),
            _ => return datafusion::common::internal_err!("keys are not what is wanted"),
        })
    }
}

/// A fragment on one node.
struct Here {
    fragment: Arc<Fragment>,
    asked: BTreeSet<i32>,
}

impl Here {
    fn of_ids(self, ids: &[i64], column: usize) -> impl Iterator<Item = String> + Send + use<> {
        let chunk_here =
            |id: i64| chunk_of(&self.fragment.epoch.manifest, id).filter(|chunk| self.asked.contains(chunk));
        let here: Vec<(i64, i32)> = ids.iter().filter_map(|id| Some((*id, chunk_here(*id)?))).collect();
        let batches: Vec<Vec<(i64, i32)>> = here.chunks(IDS).map(<[_]>::to_vec).collect();
        batches.into_iter().map(move |batch| {
            let (ids, chunks): (Vec<i64>, BTreeSet<i32>) = batch.into_iter().unzip();
            let sql = self.fragment.select.columns[column].sql.clone();
            let mut select = self.fragment.select.clone();
            select.conditions.push(Condition::Ids { sql, ids: Arc::new(ids) });
            self.sql(&select, chunks)
        })
    }

    fn of_pixels(
        self,
        pixels: &PixelRanges,
        leaf: usize,
        number: usize,
    ) -> impl Iterator<Item = String> + Send + use<> {
        let held = self.fragment.positions(leaf, &self.asked);
        let lies_in = |range: &Range<u64>| {
            held.iter().filter(|(_, held)| held.meets(range)).map(|(chunk, _)| *chunk).collect::<BTreeSet<i32>>()
        };
        let here = pixels.as_slice().iter().map(|range| (range.clone(), lies_in(range)));
        let here: Vec<(Range<u64>, BTreeSet<i32>)> = here.filter(|(_, chunks)| !chunks.is_empty()).collect();
        let batches: Vec<Vec<(Range<u64>, BTreeSet<i32>)>> = here.chunks(RANGES).map(<[_]>::to_vec).collect();
        batches.into_iter().map(move |batch| {
            let chunks = batch.iter().flat_map(|(_, chunks)| chunks.iter().copied()).collect();
            let ranges = batch.into_iter().map(|(range, _)| range).collect();
            let mut select = self.fragment.select.clone();
            let among = Condition::Sql(format!("t{leaf}.hpx29 BETWEEN t{number}.low AND t{number}.high"));
            let (left, right) = (Box::new(From::Ranges(ranges, number)), Box::new(select.from));
            select.from = From::Join { left, right, kind: "INNER", on: vec![among] };
            self.sql(&select, chunks)
        })
    }

    /// The statement for some chunks; for all where it joins what does not lie in the same chunk.
    fn sql(&self, select: &super::statement::Select, chunks: BTreeSet<i32>) -> String {
        let chunks = if self.fragment.whole { &self.asked } else { &chunks };
        select.sql(&Part { chunks, manifest: &self.fragment.epoch.manifest })
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::catalog::TableProvider;
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use spolia_catalogue::Visibility;

    use super::*;
    use crate::sharded_table::ShardedTable;
    use crate::sharded_table::tests::{epoch, source_table};

    #[test]
    fn few_are_few_beside_many() {
        for (few, many, by_ids, by_positions) in [
            (1_000.0, 4_000.0, true, true),
            (1_000.0, 3_999.0, false, false),
            (1_000_000.0, 1e9, true, false),
            (1_000_000.0, 9e7, false, false),
            (5_000_000.0, 1e12, false, false),
            (f64::INFINITY, f64::INFINITY, false, false),
        ] {
            assert_eq!([are_few(few, many, true), are_few(few, many, false)], [by_ids, by_positions], "{few} {many}");
        }
    }

    #[tokio::test]
    async fn keys_take_memory_of_the_query() {
        let table = ShardedTable::new("gaia", &source_table(), epoch(Visibility::default()));
        let fragment = Fragment::scan(&Arc::new(table.clone()), table.schema().fields(), &Numbers::default());
        let ids: Arc<Int64Array> = Arc::new((0..1000).map(Some).collect());
        let batch = RecordBatch::try_from_iter([("id", ids as _)]).unwrap();
        let schema = batch.schema();
        let input: Arc<dyn ExecutionPlan> = MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None).unwrap();
        for (bytes, is_enough) in [(1000 * BYTES_OF_AN_ID, true), (1000 * BYTES_OF_AN_ID - 1, false)] {
            let runtime = RuntimeEnvBuilder::new().with_memory_limit(bytes, 1.0).build_arc().unwrap();
            let context = Arc::new(TaskContext::default().with_runtime(runtime));
            let statements = KeyedStatements::new(Arc::new(fragment.clone()), Wanted::Ids(0), 9);
            let keys = statements.keys(&input, &context).await;
            assert_eq!(keys.is_ok(), is_enough, "{bytes}: {:?}", keys.err());
        }
    }
}
