//! What a query would ask of which node, and what runs above.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use futures::StreamExt;
use serde::Serialize;
use spolia_shard_router::{ShardScanExec, scans};

use crate::access::Act;
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
    /// About how many rows the nodes send at most, as far as that can be told before.
    pub expected: Option<u64>,
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
    /// Rows that these have, which is as many as it may have to look at.
    pub rows: i64,
    /// The statement it gets; none when it is not asked.
    pub sql: Option<String>,
    /// What it did; none where the query was not run.
    pub answered: Option<NodeAnswer>,
}

/// What one node did for a query that was run.
#[derive(Debug, Clone, Serialize)]
pub struct NodeAnswer {
    /// Rows it sent.
    pub rows: usize,
    /// Bytes of them on their way.
    pub bytes: usize,
    /// From the statement being sent to its last row, in milliseconds.
    pub elapsed_ms: f64,
}

/// The words of a query that asks for an explanation: whether it is to be run for that, and the query, whose places stay the same.
pub(crate) fn explained(adql: &str) -> Option<(bool, String)> {
    let after = |text: &str, word: &str| {
        let begin = text.len() - text.trim_start().len();
        let found = text[begin..].get(..word.len())?;
        let ends = text[begin + word.len()..].starts_with(char::is_whitespace);
        (found.eq_ignore_ascii_case(word) && ends).then_some(begin + word.len())
    };
    let explain = after(adql, "EXPLAIN")?;
    let analyze = after(&adql[explain..], "ANALYZE");
    let begin = explain + analyze.unwrap_or(0);
    let blank: String = adql[..begin].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect();
    Some((analyze.is_some(), blank + &adql[begin..]))
}

impl Archive {
    /// Plans a query; runs it to its end and drops its rows where `analyze` says so.
    ///
    /// # Errors
    /// As [`Archive::query`].
    pub async fn explain(&self, request: &QueryRequest, analyze: bool) -> Result<Explanation, ExecError> {
        let epoch = self.open_epoch(request.epoch, Act::Query).await?;
        let session = self.session(&epoch, &request.links, &request.uploads).await?;
        let plan = session.plan(&request.adql, request.maxrec).await;
        let plan = plan.map_err(|error| self.or_forbidden(&request.adql, Act::Query, error.into()))?;
        let plan = session.physical(&plan).await?;
        if analyze {
            let mut rows = session.run(&plan)?;
            while let Some(batch) = rows.next().await {
                batch?;
            }
        }
        let tables = scans(&plan);
        let tables = tables.iter().filter_map(|plan| plan.downcast_ref::<ShardScanExec>());
        let tables = tables.map(|scan| explain_table(scan, analyze)).collect();
        Ok(Explanation { epoch: epoch.snapshot.manifest().epoch, tables, plan: above(&plan, analyze) })
    }
}

fn explain_table(scan: &ShardScanExec, analyze: bool) -> TableExplanation {
    let mut timings = scan.timings().into_iter();
    let nodes = scan.node_scans().iter().map(|scan| {
        let timing = if scan.sql.is_some() { timings.next().filter(|_| analyze) } else { None };
        NodeExplanation {
            node: scan.node.name().to_owned(),
            asked: scan.asked.clone(),
            skipped: scan.skipped.iter().map(|(chunk, reason)| (*chunk, reason.to_string())).collect(),
            rows: scan.rows,
            sql: scan.sql.clone(),
            answered: timing.map(|timing| NodeAnswer {
                rows: timing.rows,
                bytes: timing.bytes,
                elapsed_ms: timing.elapsed.as_secs_f64() * 1e3,
            }),
        }
    });
    TableExplanation { table: scan.table().to_owned(), expected: scan.expected(), nodes: nodes.collect() }
}

impl Explanation {
    /// As a table: a row for each statement, one for each node that is skipped, and one for what runs above them.
    ///
    /// # Errors
    /// When Arrow refuses the rows, which would be a fault here.
    pub fn to_batch(&self) -> Result<RecordBatch, ArrowError> {
        let nodes = || self.tables.iter().flat_map(|table| table.nodes.iter().map(move |node| (table, node)));
        let answered = |node: &NodeExplanation| node.answered.clone();
        let text = |values: Vec<Option<String>>| Arc::new(StringArray::from(values)) as ArrayRef;
        let whole = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let with_last = |mut values: Vec<Option<String>>, last: Option<&str>| {
            values.push(last.map(str::to_owned));
            values
        };
        let columns: Vec<(&str, &str, ArrayRef)> = vec![
            ("node", "Node that is asked; none for what runs above the nodes", {
                text(with_last(nodes().map(|(_, node)| Some(node.node.clone())).collect(), None))
            }),
            ("tables", "Tables that are read", {
                text(with_last(nodes().map(|(table, _)| Some(table.table.clone())).collect(), None))
            }),
            ("chunks_asked", "Chunks that are read", {
                let asked =
                    |node: &NodeExplanation| node.asked.iter().map(i32::to_string).collect::<Vec<_>>().join(" ");
                text(with_last(nodes().map(|(_, node)| Some(asked(node))).collect(), None))
            }),
            ("chunks_skipped", "Chunks that are not read, and why", {
                text(with_last(nodes().map(|(_, node)| Some(node.reasons().join("; "))).collect(), None))
            }),
            ("rows_expected", "About how many rows the nodes send at most, all together", {
                whole(nodes().map(|(table, _)| table.expected.map(|rows| rows as i64)).chain([None]).collect())
            }),
            ("rows_there", "Rows of the chunks that are read", {
                whole(nodes().map(|(_, node)| Some(node.rows)).chain([None]).collect())
            }),
            ("plan", "The statement, or what runs above the nodes", {
                text(with_last(nodes().map(|(_, node)| node.sql.clone()).collect(), Some(&self.plan)))
            }),
            ("rows_sent", "Rows that the node has sent, where the query was run", {
                whole(nodes().map(|(_, node)| answered(node).map(|a| a.rows as i64)).chain([None]).collect())
            }),
            ("bytes_sent", "Bytes of them", {
                whole(nodes().map(|(_, node)| answered(node).map(|a| a.bytes as i64)).chain([None]).collect())
            }),
            ("elapsed", "From the statement to its last row", {
                let elapsed = nodes().map(|(_, node)| answered(node).map(|a| a.elapsed_ms)).chain([None]);
                Arc::new(Float64Array::from_iter(elapsed)) as ArrayRef
            }),
        ];
        let field = |(name, description, array): &(&str, &str, ArrayRef)| {
            let unit = (*name == "elapsed").then(|| ("unit".to_owned(), "ms".to_owned()));
            let metadata = [("description".to_owned(), (*description).to_owned())].into_iter().chain(unit);
            Field::new(*name, array.data_type().clone(), true).with_metadata(metadata.collect())
        };
        let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, _, array)| array).collect())
    }
}

impl NodeExplanation {
    /// The chunks that are skipped, by the reason.
    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<&str> = self.skipped.iter().map(|(_, reason)| reason.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let chunks = |reason: &str| {
            self.skipped.iter().filter(|(_, r)| r == reason).map(|(chunk, _)| *chunk).collect::<Vec<i32>>()
        };
        reasons.into_iter().map(|reason| format!("chunks {:?} skipped: {reason}", chunks(reason))).collect()
    }
}

fn above(plan: &Arc<dyn ExecutionPlan>, analyze: bool) -> String {
    let display = match analyze {
        true => DisplayableExecutionPlan::with_metrics(plan.as_ref()),
        false => displayable(plan.as_ref()),
    };
    display.indent(false).to_string().trim_end().to_owned()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "epoch {}", self.epoch)?;
        for table in &self.tables {
            let names = |asked: bool| {
                let nodes = table.nodes.iter().filter(|node| !asked || node.sql.is_some());
                nodes.map(|node| node.node.as_str()).collect::<BTreeSet<_>>().len()
            };
            let expected = table.expected.map(|rows| format!(", about {rows} rows expected at most"));
            let (asked, all, expected) = (names(true), names(false), expected.unwrap_or_default());
            writeln!(f, "\n{}: {asked} of {all} nodes asked{expected}", table.table)?;
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
            Some(_) => {
                writeln!(f, "  {}: asked for chunks {:?}, which have {} rows", self.node, self.asked, self.rows)?
            }
            None => writeln!(f, "  {}: skipped", self.node)?,
        }
        if let Some(NodeAnswer { rows, bytes, elapsed_ms }) = &self.answered {
            writeln!(f, "    sent {rows} rows, {bytes} bytes, in {elapsed_ms:.1} ms")?;
        }
        for reason in self.reasons() {
            writeln!(f, "    {reason}")?;
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

#[cfg(test)]
mod tests {
    use super::explained;

    #[test]
    fn the_words_that_ask_for_an_explanation_leave_places_as_they_are() {
        assert_eq!(explained("EXPLAIN SELECT 1"), Some((false, "        SELECT 1".to_owned())));
        assert_eq!(explained("explain\nanalyze SELECT"), Some((true, "       \n        SELECT".to_owned())));
        assert_eq!(explained("SELECT explain FROM t"), None);
        assert_eq!(explained("EXPLAINS SELECT 1"), None);
    }
}
