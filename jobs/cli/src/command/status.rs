//! `spolia status`: the nodes, the epoch, and what is archived.

use std::collections::BTreeMap;

use serde::Serialize;
use spolia_catalogue::Manifest;

use crate::error::CommandError;
use crate::site::Site;

#[derive(Serialize)]
struct Status {
    site: String,
    nodes: Vec<NodeStatus>,
    epoch: Option<i64>,
    /// Visible rows by table.
    rows: BTreeMap<String, i64>,
    error: Option<String>,
}

#[derive(Serialize)]
struct NodeStatus {
    node: String,
    state: String,
    chunks: usize,
    rows: i64,
}

/// Prints it; a site whose nodes are down has a status too.
pub async fn run(site: &Site, json: bool) -> Result<(), CommandError> {
    let status = status(site).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status).map_err(|e| CommandError::Said(e.to_string()))?);
        return Ok(());
    }
    println!("site {}", status.site);
    for node in &status.nodes {
        println!("  {}: {}, {} chunks, {} rows", node.node, node.state, node.chunks, node.rows);
    }
    match (status.epoch, &status.error) {
        (_, Some(error)) => println!("archive: {error}"),
        (None, _) => println!("archive: empty"),
        (Some(epoch), _) => println!("archive: epoch {epoch}"),
    }
    for (table, rows) in &status.rows {
        println!("  {table}: {rows} rows");
    }
    Ok(())
}

async fn status(site: &Site) -> Result<Status, CommandError> {
    let settings = site.archive_settings()?;
    let control = spolia_catalogue::Control::new(settings.control.config.clone())?;
    let router = spolia_shard_router::Router::new(control.clone(), settings.nodes, &settings.router)?;
    let (manifest, error) = match control.manifest().await {
        Ok(manifest) => (manifest, None),
        Err(error) => (None, Some(CommandError::from(error).message())),
    };
    let mut nodes = Vec::new();
    for node in router.nodes() {
        let state = match node.ping().await {
            Ok(version) => format!("up, PostgreSQL {version}"),
            Err(error) => format!("down ({})", CommandError::from(error).message()),
        };
        let chunks = manifest.iter().flat_map(|manifest| &manifest.chunks).filter(|chunk| chunk.group == node.group());
        let (count, rows) =
            chunks.fold((0, 0), |(n, rows), c| (n + 1, rows + c.tables.values().map(|t| t.rows).sum::<i64>()));
        nodes.push(NodeStatus { node: node.name().to_owned(), state, chunks: count, rows });
    }
    Ok(Status {
        site: site.folder().display().to_string(),
        nodes,
        epoch: manifest.as_ref().map(|manifest| manifest.epoch).filter(|epoch| *epoch > 0),
        rows: manifest.as_ref().map(rows_by_table).unwrap_or_default(),
        error,
    })
}

fn rows_by_table(manifest: &Manifest) -> BTreeMap<String, i64> {
    let mut rows = BTreeMap::new();
    for (table, stats) in manifest.chunks.iter().flat_map(|chunk| &chunk.tables) {
        *rows.entry(table.clone()).or_default() += stats.rows;
    }
    rows
}
