//! A fragment as a part of a plan: logical, and then one that runs.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::expression::column_name;
use super::fragment::{Fragment, Merge, Numbers};
use super::keyed::{KeyedStatements, Wanted};
use super::shared::Shared;
use super::statement::{Part, SqlColumn};
use crate::row_bound::RowBound;
use crate::scan::{Awaited, NodeScan, ShardScanExec};
use crate::sharded_table::ShardedTable;

/// Rows below which a node is asked for all of its chunks at once: to ask twice must be worth it.
const ROWS_OF_A_PART: i64 = 40_000;

/// What nodes are asked, as a leaf of a plan; its columns are called c0, c1 and so on.
#[derive(Debug, Clone)]
pub(crate) struct NodeQuery {
    fragment: Arc<Fragment>,
    schema: DFSchemaRef,
    lookup: Option<Lookup>,
}

/// What rows are wanted, by keys that another plan gives.
#[derive(Debug, Clone)]
struct Lookup {
    plan: LogicalPlan,
    wanted: Wanted,
    statements: Arc<KeyedStatements>,
}

impl Fragment {
    /// The plan that this is, with a schema's names.
    pub(crate) fn finish(mut self, schema: &DFSchemaRef) -> Result<LogicalPlan> {
        self.drop_unused();
        let outputs = self.outputs.clone();
        named(outputs, self.unnamed()?, schema)
    }

    /// The same of the rows whose keys, of those that `keys` gives, are wanted.
    pub(crate) fn finish_keyed(
        self,
        schema: &DFSchemaRef,
        keys: LogicalPlan,
        wanted: Wanted,
        numbers: &Numbers,
    ) -> Result<LogicalPlan> {
        let outputs = self.outputs.clone();
        let query = NodeQuery::new(self)?;
        let statements = Arc::new(KeyedStatements::new(Arc::clone(&query.fragment), wanted.clone(), numbers.next()));
        let query = NodeQuery { lookup: Some(Lookup { plan: keys, wanted, statements }), ..query };
        named(outputs, query.logical(), schema)
    }

    /// The plan that this is, whose columns are those of the select.
    pub(crate) fn unnamed(self) -> Result<LogicalPlan> {
        Ok(NodeQuery::new(self)?.logical())
    }

    /// What each node is asked: one statement, or some over parts of its chunks where these have many rows.
    fn scans(&self, in_parts: bool) -> Result<Vec<NodeScan>> {
        let mut scans = Vec::new();
        for node in &self.epoch.nodes {
            let here =
                |chunk: &i32| self.epoch.manifest.chunks.get(*chunk as usize).is_some_and(|c| c.group == node.group());
            let chunks: Vec<i32> = self.chunks.iter().copied().filter(here).collect();
            let skipped = self.skipped.iter().filter(|(chunk, _)| here(chunk));
            let mut skipped = skipped.map(|(chunk, reason)| (*chunk, reason.clone())).collect();
            for part in self.parts(chunks, if in_parts { node.range_scans() } else { 1 }) {
                let rows = part.iter().map(|chunk| self.rows(*chunk)).sum();
                let chunks = part.iter().copied().collect();
                let sql = self.select.sql(&Part { chunks: &chunks, manifest: &self.epoch.manifest });
                let skipped = std::mem::take(&mut skipped);
                scans.push(NodeScan { node: Arc::clone(node), sql: Some(sql), asked: part, rows, skipped });
            }
            if !skipped.is_empty() {
                scans.push(NodeScan { node: Arc::clone(node), sql: None, asked: Vec::new(), rows: 0, skipped });
            }
        }
        let missing = self.groups().into_iter().find(|group| !scans.iter().any(|scan| scan.node.group() == *group));
        match missing {
            Some(group) => Err(crate::RouterError::NoNode(group).into()),
            None => Ok(scans),
        }
    }

    /// The chunks of a node in parts with about as many rows each.
    fn parts(&self, chunks: Vec<i32>, most: usize) -> Vec<Vec<i32>> {
        let all: i64 = chunks.iter().map(|chunk| self.rows(*chunk)).sum();
        let wanted = if self.whole { 1 } else { (all / ROWS_OF_A_PART + 1).min(most as i64) };
        let mut parts: Vec<Vec<i32>> = Vec::new();
        let (mut seen, mut begun) = (0, 0);
        for chunk in chunks {
            match parts.last_mut() {
                Some(part) if seen < all * begun / wanted => part.push(chunk),
                _ => {
                    parts.push(vec![chunk]);
                    begun += 1;
                }
            }
            seen += self.rows(chunk);
        }
        parts
    }

    /// Rows that a chunk has of all tables that are asked for.
    fn rows(&self, chunk: i32) -> i64 {
        let Some(chunk) = self.epoch.manifest.chunks.get(chunk as usize) else { return 0 };
        self.tables.iter().filter_map(|table| chunk.tables.get(table)).map(|stats| stats.rows).sum()
    }
}

/// All rows of a table, without a plan around it.
pub(crate) fn scan_exec(table: &ShardedTable, schema: SchemaRef) -> Result<Arc<dyn ExecutionPlan>> {
    let fragment = Fragment::scan(&Arc::new(table.clone()), schema.fields(), &Numbers::default());
    let bound = RowBound::new(u64::MAX);
    Ok(Arc::new(ShardScanExec::new(table.key(), bound, schema, fragment.scans(true)?, None)))
}

/// The columns of a query for nodes, under a schema's names.
fn named(outputs: Vec<Expr>, plan: LogicalPlan, schema: &DFSchemaRef) -> Result<LogicalPlan> {
    let named = |(output, (qualifier, field)): (Expr, (Option<&_>, &Arc<Field>))| {
        let metadata = (!field.metadata().is_empty()).then(|| FieldMetadata::from(field.metadata()));
        output.alias_qualified_with_metadata(qualifier.cloned(), field.name(), metadata)
    };
    let named: Vec<Expr> = outputs.into_iter().zip(schema.iter()).map(named).collect();
    LogicalPlanBuilder::from(plan).project(named)?.build()
}

impl NodeQuery {
    fn new(fragment: Fragment) -> Result<Self> {
        let field = |(number, column): (usize, &SqlColumn)| Field::clone(&column.field).with_name(column_name(number));
        let fields: Vec<Field> = fragment.select.columns.iter().enumerate().map(field).collect();
        let schema = Arc::new(DFSchema::try_from(Schema::new(fields))?);
        Ok(Self { fragment: Arc::new(fragment), schema, lookup: None })
    }

    fn logical(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// About how many rows it has at most.
    pub(crate) fn expected(&self) -> f64 {
        self.fragment.expected
    }

    fn ordering(&self) -> Option<(LexOrdering, Option<usize>)> {
        let Merge::Ordered(order, fetch) = &self.fragment.merge else { return None };
        let key = |(number, descending, nulls_first): &(usize, bool, bool)| {
            let column = Column::new(&column_name(*number), *number);
            let options = SortOptions { descending: *descending, nulls_first: *nulls_first };
            PhysicalSortExpr::new(Arc::new(column), options)
        };
        Some((LexOrdering::new(order.iter().map(key))?, *fetch))
    }

    /// What each node is asked.
    pub(crate) fn scans(&self) -> Result<Vec<NodeScan>> {
        let Some(lookup) = &self.lookup else { return self.fragment.scans(true) };
        let mut shown = Fragment::clone(&self.fragment);
        shown.select.conditions.push(lookup.wanted.placeholder(&shown.select.columns));
        shown.scans(false)
    }

    fn plan(&self, inputs: &[Arc<dyn ExecutionPlan>], bound: &RowBound) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::clone(self.schema.inner());
        let tables = self.fragment.tables.join(", ");
        let ordering = self.ordering();
        let order = ordering.as_ref().map(|(order, _)| order.clone());
        let scan =
            ShardScanExec::new(tables, bound.clone(), schema, self.scans()?, order).expecting(self.fragment.expected);
        let scan = Arc::new(match &self.lookup {
            Some(lookup) => scan.awaiting(Arc::clone(&lookup.statements) as Arc<dyn Awaited>, inputs.to_vec()),
            None => scan,
        });
        Ok(match ordering {
            Some((order, fetch)) => Arc::new(SortPreservingMergeExec::new(order, scan).with_fetch(fetch)),
            None => scan,
        })
    }
}

// Plans with queries for nodes in them are not compared; these say what they must for a plan to hold them.
impl PartialEq for NodeQuery {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.fragment, &other.fragment)
    }
}

impl Eq for NodeQuery {}

impl Hash for NodeQuery {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.fragment).hash(state);
    }
}

impl PartialOrd for NodeQuery {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for NodeQuery {
    fn name(&self) -> &str {
        "NodeQuery"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.lookup.iter().map(|lookup| &lookup.plan).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "NodeQuery: {}", self.fragment.tables.join(", "))
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut query = self.clone();
        if let Some((lookup, plan)) = query.lookup.as_mut().zip(inputs.into_iter().next()) {
            lookup.plan = plan;
        }
        Ok(query)
    }
}

/// Plans [`NodeQuery`]s, and what they [share](Shared).
pub(crate) struct NodeQueryPlanner {
    /// The rows that nodes may send for the query.
    pub bound: RowBound,
}

#[async_trait]
impl ExtensionPlanner for NodeQueryPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let (Some(shared), [input]) = (node.as_any().downcast_ref::<Shared>(), inputs) {
            return Ok(Some(shared.exec(Arc::clone(input))));
        }
        let Some(query) = node.as_any().downcast_ref::<NodeQuery>() else { return Ok(None) };
        query.plan(inputs, &self.bound).map(Some)
    }
}
