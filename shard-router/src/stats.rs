//! What a batch adds to each chunk and what it takes away, as the manifest keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use spolia_catalogue::{BatchBounds, Chunk, ChunkStats, Collection, ColumnType, Manifest, TableDef};
use spolia_sky::{HPX29_ORDER, PixelRanges};

use crate::error::RouterError;
use crate::node::Node;
use crate::node_schema::{leaf, margin_leaf};
use crate::router::Router;

/// The HEALPix order at which positions are first collected.
const MOC_ORDER: u8 = 8;

impl Router {
    /// The manifest of the next epoch: `batch` visible, what it adds and replaces counted in.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn next_manifest(
        &self,
        collection: &Collection,
        manifest: &Manifest,
        batch: i32,
    ) -> Result<Manifest, RouterError> {
        let mut next = manifest.clone();
        next.epoch += 1;
        next.visibility = next.visibility.with(batch);
        for table in &collection.tables {
            let key = format!("{}.{}", collection.name, table.name);
            let count = |node| async move {
                let added = chunk_stats(node, &collection.name, table, "batch", batch).await?;
                let removed = chunk_stats(node, &collection.name, table, "superseded", batch).await?;
                Ok::<_, RouterError>((added, removed))
            };
            // What every node has counts once, on the node of chunk 0.
            let first = manifest.chunks.first().map(|chunk| chunk.group);
            let counting = self.nodes().iter().filter(|node| !table.replicated || Some(node.group()) == first);
            for (added, removed) in try_join_all(counting.map(|node| count(node.as_ref()))).await? {
                for (chunk, stats) in added {
                    next.chunks[chunk as usize].tables.entry(key.clone()).or_default().add(&stats);
                }
                for (chunk, stats) in removed {
                    next.chunks[chunk as usize].tables.entry(key.clone()).or_default().remove(&stats);
                }
            }
        }
        Ok(next)
    }

    /// Has the nodes look at the partitions that differ from one manifest to the next: without that they plan for empty ones.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn analyze(&self, collection: &Collection, held: &Manifest, next: &Manifest) -> Result<(), RouterError> {
        let changed = |table: &TableDef, chunk: i32| {
            let key = format!("{}.{}", collection.name, table.name);
            let stats = |manifest: &Manifest| manifest.chunks.get(chunk as usize)?.tables.get(&key).cloned();
            stats(held) != stats(next)
        };
        let analyze = |node: Arc<Node>| async move {
            let leaves = next.chunks.iter().flat_map(|chunk| collection.tables.iter().map(move |table| (table, chunk)));
            let here = |(table, chunk): &(&TableDef, &Chunk)| {
                if table.replicated { chunk.chunk == 0 } else { chunk.group == node.group() }
            };
            let leaves = leaves.filter(here).map(|(table, chunk)| (table, chunk.chunk));
            let changed = leaves.filter(|(table, chunk)| changed(table, *chunk));
            let names = changed.flat_map(|(table, chunk)| {
                let margin = table.margin_arcsec.filter(|_| chunk > 0).map(|_| margin_leaf(table, chunk));
                [leaf(table, chunk)].into_iter().chain(margin)
            });
            let names = names.map(|name| format!(", {}.{name}", collection.name));
            let sql = format!("ANALYZE spolia_node.file{}", names.collect::<String>());
            node.writer().await?.batch_execute(&sql).await.map_err(node.failed("look at its new rows"))
        };
        try_join_all(self.nodes().iter().cloned().map(analyze)).await?;
        Ok(())
    }
}

/// Counts, checksum, bounds and positions of the rows whose column `by` (batch or superseded) names the batch, by chunk.
async fn chunk_stats(
    node: &Node,
    schema: &str,
    table: &TableDef,
    by: &str,
    batch: i32,
) -> Result<BTreeMap<i32, ChunkStats>, RouterError> {
    let columns = table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let bound = |name: &String| match table.column(name).map(|column| column.column_type) {
        Some(ColumnType::Timestamp) => {
            let of = |end: &str| format!("(extract(epoch FROM {end}({name})) * 1000000)::bigint");
            format!(", {}, {}", of("min"), of("max"))
        }
        Some(ColumnType::Date) => {
            let of = |end: &str| format!("({end}({name}) - date '1970-01-01')::bigint");
            format!(", {}, {}", of("min"), of("max"))
        }
        _ => format!(", min({name}), max({name})"),
    };
    let bounds = table.bounded.iter().map(bound).collect::<String>();
    let shift = 2 * (HPX29_ORDER - MOC_ORDER);
    let moc = match table.position {
        Some(_) => format!("array_agg(DISTINCT hpx29 >> {shift})"),
        None => "NULL::bigint[]".to_owned(),
    };
    // The row's own number in its file counts, the file's number does not: a file loaded again has another one.
    let hash = format!("hash_record_extended(ROW(id & 4294967295, {columns}), 0)");
    let sql = format!(
        "SELECT chunk, count(*), (sum({hash}) % 18446744073709551616)::text, {moc}{bounds} \
         FROM {schema}.{} WHERE {by} = {batch} GROUP BY chunk",
        table.name
    );
    let rows = node.writer().await?.query(&sql, &[]).await.map_err(node.failed("count a batch"))?;
    let stats = |row: &tokio_postgres::Row| {
        let pixels =
            row.get::<_, Option<Vec<i64>>>(3).unwrap_or_default().into_iter().map(|p| p as u64..p as u64 + 1).collect();
        let bound = |(i, column): (usize, &String)| {
            let bound = |at| row.get::<_, Option<i64>>(at);
            Some((column.clone(), (bound(4 + 2 * i)?, bound(5 + 2 * i)?)))
        };
        let bounds = table.bounded.iter().enumerate().filter_map(bound).collect();
        ChunkStats {
            rows: row.get(1),
            checksum: row.get::<_, &str>(2).parse::<i128>().unwrap_or_default() as i64,
            batches: vec![BatchBounds { first: batch, last: batch, bounds }],
            moc_order: MOC_ORDER,
            moc: PixelRanges::new(MOC_ORDER, pixels).as_slice().to_vec(),
        }
    };
    Ok(rows.iter().map(|row| (row.get(0), stats(row))).collect())
}
