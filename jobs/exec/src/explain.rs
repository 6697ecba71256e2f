//! What a query would ask of which node, and what runs above.

use std::fmt;
use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};
use serde::Serialize;
use spolia_shard_router::{ShardScanExec, scans};

use crate::archive::Archive;
use crate::error::ExecError;
use crate::query::QueryRequest;

/// A query explained.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The epoch it would read.
    pub epoch: i64,
    /// Each table it reads.
    pub tables: Vec<TableExplanation>,
    /// What runs above the nodes, as DataFusion prints it.
    pub plan: String,
}

/// One table of a query explained.
#[derive(Debug, Clone, Serialize)]
pub struct TableExplanation {
    /// The table.
    pub table: String,
    /// Every node.
    pub nodes: Vec<NodeExplanation>,
}

/// What one node is asked.
#[derive(Debug, Clone, Serialize)]
pub struct NodeExplanation {
    /// Its name.
    pub node: String,
    /// The chunks it reads.
    pub asked: Vec<i32>,
    /// The chunks it skips, and why.
    pub skipped: Vec<(i32, String)>,
    /// The statement it gets; none when it is not asked.
    pub sql: Option<String>,
}

impl Archive {
    /// Plans a query without running it.
    ///
    /// # Errors
    /// As [`Archive::query`].
    pub async fn explain(&self, request: &QueryRequest) -> Result<Explanation, ExecError> {
        let snapshot = self.router().snapshot().await?;
        let session = self.session(&snapshot, &request.links)?;
        let plan = session.physical(&session.plan(&request.adql, request.maxrec).await?).await?;
        let tables =
            scans(&plan).iter().filter_map(|plan| plan.downcast_ref::<ShardScanExec>()).map(explain_table).collect();
        Ok(Explanation { epoch: snapshot.manifest().epoch, tables, plan: above(&plan) })
    }
}

fn explain_table(scan: &ShardScanExec) -> TableExplanation {
    let nodes = scan.node_scans().iter().map(|scan| NodeExplanation {
        node: scan.node.name().to_owned(),
        asked: scan.asked.clone(),
        skipped: scan.skipped.iter().map(|(chunk, reason)| (*chunk, reason.to_string())).collect(),
        sql: scan.sql.clone(),
    });
    TableExplanation { table: scan.table().to_owned(), nodes: nodes.collect() }
}

fn above(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string().trim_end().to_owned()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "epoch {}", self.epoch)?;
        for table in &self.tables {
            let asked = table.nodes.iter().filter(|node| node.sql.is_some()).count();
            writeln!(f, "\n{}: {asked} of {} nodes asked", table.table, table.nodes.len())?;
            for node in &table.nodes {
                write!(f, "{node}")?;
            }
        }
        writeln!(f, "\nabove the nodes\n{}", indented(&self.plan))
    }
}

impl fmt::Display for NodeExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sql {
            Some(_) => writeln!(f, "  {}: asked for chunks {:?}", self.node, self.asked)?,
            None => writeln!(f, "  {}: skipped", self.node)?,
        }
        let mut reasons: Vec<&str> = self.skipped.iter().map(|(_, reason)| reason.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        for reason in reasons {
            let chunks: Vec<i32> = self.skipped.iter().filter(|(_, r)| r == reason).map(|(chunk, _)| *chunk).collect();
            writeln!(f, "    chunks {chunks:?} skipped: {reason}")?;
        }
        match &self.sql {
            Some(sql) => writeln!(f, "{}", indented(&indented(sql))),
            None => Ok(()),
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
