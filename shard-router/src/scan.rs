//! Reading rows from the nodes: one partition per statement, streamed by COPY into record batches.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, Statistics,
};
use futures::{StreamExt, pin_mut};
use tokio_postgres::CopyOutStream;

use crate::cancel::CancelOnDrop;
use crate::copy_out::CopyDecoder;
use crate::error::RouterError;
use crate::node::Node;
use crate::prune::SkipReason;
use crate::row_bound::RowBound;

/// Batches that may wait between a node and the query; more, and the node is not read from.
const BATCHES_IN_FLIGHT: usize = 2;

/// What one node is asked in a scan, or one of the things that it is asked.
#[derive(Debug, Clone)]
pub struct NodeScan {
    /// The node.
    pub node: Arc<Node>,
    /// The statement; nothing when every chunk is skipped.
    pub sql: Option<String>,
    /// The chunks it reads.
    pub asked: Vec<i32>,
    /// Rows that these have, of all tables that are read.
    pub rows: i64,
    /// The chunks it leaves out, and why.
    pub skipped: Vec<(i32, SkipReason)>,
}

/// What one node did for one statement, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTiming {
    /// The table.
    pub table: String,
    /// The node's name.
    pub node: String,
    /// Rows it sent.
    pub rows: usize,
    /// Bytes of them, as COPY has them.
    pub bytes: usize,
    /// From the statement being sent to its last row.
    pub elapsed: Duration,
}

/// Statements that are known only when other parts of the plan have been read.
#[async_trait]
pub(crate) trait Awaited: fmt::Debug + Send + Sync {
    /// What a node is asked, one statement after the other, once `inputs` are known.
    async fn statements(
        &self,
        scan: &NodeScan,
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &Arc<TaskContext>,
    ) -> Result<Statements>;
}

/// Statements, each written down when it is asked.
pub(crate) type Statements = Box<dyn Iterator<Item = String> + Send>;

/// Rows from nodes; partition n reads what the n-th statement gives, or the statements that come to stand in its place.
#[derive(Debug)]
pub struct ShardScanExec {
    table: String,
    bound: RowBound,
    scans: Vec<NodeScan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    awaited: Option<Arc<dyn Awaited>>,
    expected: Option<u64>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ShardScanExec {
    pub(crate) fn new(
        table: String,
        bound: RowBound,
        schema: SchemaRef,
        scans: Vec<NodeScan>,
        order: Option<LexOrdering>,
    ) -> Self {
        let partitions = scans.iter().filter(|scan| scan.sql.is_some()).count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema, order),
            Partitioning::UnknownPartitioning(partitions.max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (inputs, awaited, expected) = (Vec::new(), None, None);
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Self { table, bound, scans, inputs, awaited, expected, properties, metrics }
    }

    /// The same, which is expected to have about so many rows at most.
    pub(crate) fn expecting(mut self, rows: f64) -> Self {
        self.expected = Some(rows.ceil() as u64);
        self
    }

    /// The same, whose statements are written down when `inputs` have been read.
    pub(crate) fn awaiting(mut self, awaited: Arc<dyn Awaited>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        (self.awaited, self.inputs) = (Some(awaited), inputs);
        self
    }

    /// The table, as `schema.name`.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// About how many rows it has at most, where that is known.
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// What every node is asked, those with nothing to read included.
    pub fn node_scans(&self) -> &[NodeScan] {
        &self.scans
    }

    /// What each asked node has done so far.
    pub fn timings(&self) -> Vec<NodeTiming> {
        let metrics = self.metrics.clone_inner();
        let of = |partition: usize, name: &str| {
            let is = |metric: &&Arc<datafusion::physical_plan::metrics::Metric>| {
                metric.partition() == Some(partition) && metric.value().name() == name
            };
            metrics.iter().filter(is).map(|metric| metric.value().as_usize()).sum::<usize>()
        };
        let timing = |(partition, scan): (usize, &NodeScan)| NodeTiming {
            table: self.table.clone(),
            node: scan.node.name().to_owned(),
            rows: of(partition, "rows_sent"),
            bytes: of(partition, "bytes_sent"),
            elapsed: Duration::from_nanos(of(partition, "answer_time") as u64),
        };
        self.asked().enumerate().map(timing).collect()
    }

    fn asked(&self) -> impl Iterator<Item = &NodeScan> {
        self.scans.iter().filter(|scan| scan.sql.is_some())
    }
}

/// All sharded scans in a plan.
pub fn scans(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let mut found = Vec::new();
    let mut open = vec![Arc::clone(plan)];
    while let Some(plan) = open.pop() {
        open.extend(plan.children().into_iter().rev().cloned());
        if plan.downcast_ref::<ShardScanExec>().is_some() {
            found.push(plan);
        }
    }
    found
}

/// What each asked node has done so far, over all sharded scans in a plan.
pub fn timings(plan: &Arc<dyn ExecutionPlan>) -> Vec<NodeTiming> {
    scans(plan)
        .iter()
        .filter_map(|plan| plan.downcast_ref::<ShardScanExec>())
        .flat_map(ShardScanExec::timings)
        .collect()
}

impl DisplayAs for ShardScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ShardScanExec: table={}, nodes=[", self.table)?;
        for (i, scan) in self.asked().enumerate() {
            write!(f, "{}{}: {} chunks", if i > 0 { ", " } else { "" }, scan.node.name(), scan.asked.len())?;
        }
        write!(f, "]")
    }
}

impl ExecutionPlan for ShardScanExec {
    fn name(&self) -> &str {
        "ShardScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.len() != self.inputs.len() {
            return internal_err!("a scan of {} inputs is given {}", self.inputs.len(), children.len());
        }
        let (table, scans, awaited) = (self.table.clone(), self.scans.clone(), self.awaited.clone());
        let (properties, metrics) = (Arc::clone(&self.properties), ExecutionPlanMetricsSet::new());
        let bound = self.bound.clone();
        Ok(Arc::new(Self {
            table,
            bound,
            scans,
            inputs: children,
            awaited,
            expected: self.expected,
            properties,
            metrics,
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), BATCHES_IN_FLIGHT);
        if let Some(scan) = self.asked().nth(partition) {
            let read = NodeRead {
                table: self.table.clone(),
                node: Arc::clone(&scan.node),
                bound: self.bound.clone(),
                schema: self.schema(),
                batch_rows: context.session_config().batch_size(),
                elapsed: MetricBuilder::new(&self.metrics).subset_time("answer_time", partition),
                rows: MetricBuilder::new(&self.metrics).counter("rows_sent", partition),
                bytes: MetricBuilder::new(&self.metrics).counter("bytes_sent", partition),
            };
            let (scan, sender) = (scan.clone(), builder.tx());
            let (awaited, inputs) = (self.awaited.clone(), self.inputs.clone());
            builder.spawn(async move {
                let statements = match awaited {
                    Some(awaited) => awaited.statements(&scan, &inputs, &context).await?,
                    None => Box::new(scan.sql.into_iter()),
                };
                for sql in statements {
                    read.run(&sql, &sender).await?;
                }
                Ok(())
            });
        }
        Ok(builder.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    /// As many rows as are looked at: the smaller side of a join is kept in memory.
    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let rows = |scan: &NodeScan| usize::try_from(scan.rows).unwrap_or(0);
        let rows = match args.partition() {
            Some(partition) => self.asked().nth(partition).map_or(0, rows),
            None => self.asked().map(rows).sum(),
        };
        let rows = self.expected.map_or(rows, |expected| rows.min(expected as usize));
        let unknown = Statistics::new_unknown(&self.schema());
        Ok(Arc::new(unknown.with_num_rows(Precision::Inexact(rows))))
    }
}

/// Answers of one node, on their way into record batches.
struct NodeRead {
    table: String,
    node: Arc<Node>,
    bound: RowBound,
    schema: SchemaRef,
    batch_rows: usize,
    elapsed: datafusion::physical_plan::metrics::Time,
    rows: datafusion::physical_plan::metrics::Count,
    bytes: datafusion::physical_plan::metrics::Count,
}

type BatchSender = tokio::sync::mpsc::Sender<Result<datafusion::arrow::array::RecordBatch>>;

impl NodeRead {
    /// Asks one statement, and sends all of its rows.
    async fn run(&self, sql: &str, sender: &BatchSender) -> Result<(), RouterError> {
        let started = Instant::now();
        let node = &self.node;
        let damaged = |fault| RouterError::CopyFormat { node: node.name().to_owned(), fault };
        let mut decoder = CopyDecoder::new(Arc::clone(&self.schema), self.batch_rows).map_err(damaged)?;
        let copy = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
        let (mut connection, stream) = self.begin(&copy).await?;
        pin_mut!(stream);
        while let Some(bytes) = node.answer(stream.next()).await? {
            let bytes = bytes.map_err(node.failed("finish a query"))?;
            self.bytes.add(bytes.len());
            for batch in decoder.push(&bytes).map_err(damaged)? {
                self.rows.add(batch.num_rows());
                self.bound.add(batch.num_rows())?;
                // Nobody listens any more: the guard cancels the statement.
                if sender.send(Ok(batch)).await.is_err() {
                    return Ok(());
                }
            }
        }
        connection.finished();
        self.elapsed.add_elapsed(started);
        if let Some(batch) = decoder.finish().map_err(damaged)? {
            self.rows.add(batch.num_rows());
            self.bound.add(batch.num_rows())?;
            let _ = sender.send(Ok(batch)).await;
        }
        Ok(())
    }
}

impl NodeRead {
    /// Asks the statement. A connection that was kept may have broken meanwhile, which is seen only now: then a new one is asked.
    async fn begin(&self, copy: &str) -> Result<(CancelOnDrop, CopyOutStream), RouterError> {
        let mut tried = false;
        loop {
            let connection = CancelOnDrop::new(self.node.reader().await?);
            match self.node.answer(connection.client().copy_out(copy)).await? {
                Ok(stream) => return Ok((connection, stream)),
                Err(error) if error.is_closed() && !tried => tried = true,
                Err(error) => {
                    return Err(match self.node.failed("start a query")(error) {
                        // The node knows it by a number.
                        RouterError::UserTableGone(_) => RouterError::UserTableGone(self.table.clone()),
                        failed => failed,
                    });
                }
            }
        }
    }
}
