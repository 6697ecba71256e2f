//! Reading rows from the nodes: one partition per node, streamed by COPY into record batches.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use deadpool_postgres::Object;
use futures::{StreamExt, pin_mut};
use tokio_postgres::{CopyOutStream, NoTls};

use crate::copy_out::CopyDecoder;
use crate::error::RouterError;
use crate::node::Node;
use crate::prune::SkipReason;

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

/// Rows from nodes; partition n reads what the n-th statement gives.
#[derive(Debug)]
pub struct ShardScanExec {
    table: String,
    scans: Vec<NodeScan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ShardScanExec {
    pub(crate) fn new(table: String, schema: SchemaRef, scans: Vec<NodeScan>, order: Option<LexOrdering>) -> Self {
        let partitions = scans.iter().filter(|scan| scan.sql.is_some()).count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema, order),
            Partitioning::UnknownPartitioning(partitions.max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { table, scans, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }

    /// The table, as `schema.name`.
    pub fn table(&self) -> &str {
        &self.table
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
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { Err(DataFusionError::Internal("a scan has no inputs".to_owned())) }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), BATCHES_IN_FLIGHT);
        if let Some(scan) = self.asked().nth(partition) {
            let read = NodeRead {
                node: Arc::clone(&scan.node),
                sql: scan.sql.clone().unwrap_or_default(),
                schema: self.schema(),
                batch_rows: context.session_config().batch_size(),
                elapsed: MetricBuilder::new(&self.metrics).subset_time("answer_time", partition),
                rows: MetricBuilder::new(&self.metrics).counter("rows_sent", partition),
                bytes: MetricBuilder::new(&self.metrics).counter("bytes_sent", partition),
            };
            let sender = builder.tx();
            builder.spawn(async move { read.run(sender).await.map_err(DataFusionError::from) });
        }
        Ok(builder.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// One statement on one node, on its way into record batches.
struct NodeRead {
    node: Arc<Node>,
    sql: String,
    schema: SchemaRef,
    batch_rows: usize,
    elapsed: datafusion::physical_plan::metrics::Time,
    rows: datafusion::physical_plan::metrics::Count,
    bytes: datafusion::physical_plan::metrics::Count,
}

type BatchSender = tokio::sync::mpsc::Sender<Result<datafusion::arrow::array::RecordBatch>>;

impl NodeRead {
    async fn run(self, sender: BatchSender) -> Result<(), RouterError> {
        let started = Instant::now();
        let node = &self.node;
        let damaged = |fault| RouterError::CopyFormat { node: node.name().to_owned(), fault };
        let mut decoder = CopyDecoder::new(Arc::clone(&self.schema), self.batch_rows).map_err(damaged)?;
        let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", self.sql);
        let (mut connection, stream) = self.begin(&copy).await?;
        pin_mut!(stream);
        while let Some(bytes) = node.answer(stream.next()).await? {
            let bytes = bytes.map_err(node.failed("finish a query"))?;
            self.bytes.add(bytes.len());
            for batch in decoder.push(&bytes).map_err(damaged)? {
                self.rows.add(batch.num_rows());
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
            let connection = CancelOnDrop(Some(self.node.reader().await?));
            match self.node.answer(connection.client().copy_out(copy)).await? {
                Ok(stream) => return Ok((connection, stream)),
                Err(error) if error.is_closed() && !tried => tried = true,
                Err(error) => return Err(self.node.failed("start a query")(error)),
            }
        }
    }
}

/// A connection whose statement is cancelled when the reader goes away before its end.
struct CancelOnDrop(Option<Object>);

impl CancelOnDrop {
    #[allow(clippy::expect_used)]
    fn client(&self) -> &Object {
        self.0.as_ref().expect("the connection is only taken at the end")
    }

    /// The statement came to its end; the connection may serve another one.
    fn finished(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else { return };
        let cancel = connection.cancel_token();
        // It is in the middle of an answer, so it does not go back to the pool.
        drop(Object::take(connection));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = cancel.cancel_query(NoTls).await {
                    tracing::debug!(%error, "a statement could not be cancelled");
                }
            });
        }
    }
}
