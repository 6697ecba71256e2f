//! Answering an ADQL query with a stream of record batches.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt};
use spolia_shard_router::{NodeTiming, timings};

use crate::access::Act;
use crate::archive::Archive;
use crate::error::ExecError;
use crate::explain::explained;
use crate::link::LinkBase;
use crate::upload::Upload;

/// A query and how it wants to be answered.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    /// The query.
    pub adql: String,
    /// Rows at most; one more, and the answer is marked as overflown.
    pub maxrec: Option<usize>,
    /// What the rows' links have in common.
    pub links: LinkBase,
    /// The epoch to read; the newest where none is given.
    pub epoch: Option<i64>,
    /// Tables that come with it.
    pub uploads: Vec<Upload>,
}

impl QueryRequest {
    /// All rows of a query, of the newest epoch.
    pub fn new(adql: impl Into<String>, links: LinkBase) -> Self {
        Self { adql: adql.into(), maxrec: None, links, epoch: None, uploads: Vec::new() }
    }
}

/// An answer under way. Polling it reads from the nodes; dropping it ends their statements.
pub struct QueryAnswer {
    /// The columns, with unit, UCD and description as field metadata.
    pub schema: SchemaRef,
    /// The epoch read.
    pub epoch: i64,
    rows: SendableRecordBatchStream,
    plan: Arc<dyn ExecutionPlan>,
    left: Option<usize>,
    sent: usize,
    overflow: bool,
}

impl Archive {
    /// Plans a query and begins to answer it. EXPLAIN or EXPLAIN ANALYZE before it asks for its explanation instead.
    ///
    /// # Errors
    /// [`ExecError::Plan`] for a fault in the query; otherwise what failed.
    pub async fn query(&self, request: &QueryRequest) -> Result<QueryAnswer, ExecError> {
        if let Some((analyze, adql)) = explained(&request.adql) {
            return self.answer_explained(QueryRequest { adql, ..request.clone() }, analyze).await;
        }
        let epoch = self.open_epoch(request.epoch, Act::Query).await?;
        let session = self.session(&epoch, &request.links, &request.uploads).await?;
        let plan = session.plan(&request.adql, request.maxrec.map(|maxrec| maxrec.saturating_add(1))).await;
        let plan = plan.map_err(|error| self.or_forbidden(&request.adql, Act::Query, error.into()))?;
        let plan = session.physical(&plan).await?;
        let rows = session.run(&plan)?;
        Ok(QueryAnswer {
            schema: rows.schema(),
            epoch: epoch.snapshot.manifest().epoch,
            rows,
            plan,
            left: request.maxrec,
            sent: 0,
            overflow: false,
        })
    }

    /// The columns of tables by their full names, each exactly as a query of all of them returns them.
    ///
    /// # Errors
    /// [`ExecError::Plan`] for a table that there is not; otherwise what failed.
    pub async fn columns(&self, tables: &[&str], links: &LinkBase) -> Result<Vec<SchemaRef>, ExecError> {
        let epoch = self.open_epoch(None, Act::Query).await?;
        let session = self.session(&epoch, links, &[]).await?;
        let mut columns = Vec::with_capacity(tables.len());
        for table in tables {
            let plan = session.plan(&format!("SELECT * FROM {table}"), None).await?;
            columns.push(Arc::clone(plan.schema().inner()));
        }
        Ok(columns)
    }

    async fn answer_explained(&self, request: QueryRequest, analyze: bool) -> Result<QueryAnswer, ExecError> {
        let explanation = self.explain(&request, analyze).await?;
        let batch = explanation.to_batch().map_err(DataFusionError::from)?;
        let schema = batch.schema();
        let plan = MemorySourceConfig::try_new_exec(&[vec![batch]], Arc::clone(&schema), None)?;
        let rows = plan.execute(0, Arc::default())?;
        let epoch = explanation.epoch;
        Ok(QueryAnswer { schema, epoch, rows, plan, left: request.maxrec, sent: 0, overflow: false })
    }
}

impl QueryAnswer {
    /// True once the query had more rows than were asked for.
    pub fn overflow(&self) -> bool {
        self.overflow
    }

    /// Rows handed out so far.
    pub fn rows(&self) -> usize {
        self.sent
    }

    /// What each asked node has done so far.
    pub fn timings(&self) -> Vec<NodeTiming> {
        timings(&self.plan)
    }

    /// Reads all rows that are left.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn collect(&mut self) -> Result<Vec<RecordBatch>, ExecError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

impl Stream for QueryAnswer {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(batch) = ready!(self.rows.poll_next_unpin(context)) else { return Poll::Ready(None) };
            let mut batch = batch?;
            if let Some(left) = self.left {
                self.overflow |= batch.num_rows() > left;
                batch = batch.slice(0, batch.num_rows().min(left));
                self.left = Some(left - batch.num_rows());
            }
            // An empty batch says nothing; the one that overflows may be empty.
            if batch.num_rows() > 0 {
                self.sent += batch.num_rows();
                return Poll::Ready(Some(Ok(batch)));
            }
        }
    }
}

impl RecordBatchStream for QueryAnswer {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
