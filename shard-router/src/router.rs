//! The router: all nodes, and the epoch that queries read.

use std::sync::Arc;

use futures::future::try_join_all;
use spolia_catalogue::{CatalogueError, Collection, Control, Edition, Manifest};

use crate::error::RouterError;
use crate::federation::FederatedPlanner;
use crate::node::{Node, NodeAddress, RouterSettings};
use crate::node_schema::{base_sql, collection_sql};
use crate::row_bound::RowBound;
use crate::sharded_table::{Epoch, ShardedTable};

/// All nodes of a site and its control database.
#[derive(Clone)]
pub struct Router {
    control: Control,
    nodes: Vec<Arc<Node>>,
    rows_per_query: u64,
}

impl Router {
    /// A router over these nodes; nothing is connected yet.
    ///
    /// # Errors
    /// When the settings cannot make a pool.
    pub fn new(control: Control, addresses: Vec<NodeAddress>, settings: &RouterSettings) -> Result<Self, RouterError> {
        let nodes = addresses
            .into_iter()
            .map(|address| Node::new(address, settings).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { control, nodes, rows_per_query: settings.rows_per_query })
    }

    /// The control database.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The nodes, in the order of the settings.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The number of shard groups.
    pub fn groups(&self) -> i32 {
        self.nodes.iter().map(|node| node.group() + 1).max().unwrap_or(0)
    }

    /// Makes the reading role and the replicated file table on every node.
    ///
    /// # Errors
    /// When a node does not answer or refuses.
    pub async fn prepare_nodes(&self) -> Result<(), RouterError> {
        let sql = base_sql();
        try_join_all(self.nodes.iter().map(|node| run(node, &sql, "make its base tables"))).await?;
        Ok(())
    }

    /// Makes a collection's tables on every node, with the partitions of the chunks that live there.
    ///
    /// # Errors
    /// When a node does not answer or refuses.
    pub async fn prepare_collection(&self, collection: &Collection, manifest: &Manifest) -> Result<(), RouterError> {
        try_join_all(self.nodes.iter().map(|node| async move {
            let here = manifest.chunks.iter().filter(|chunk| chunk.group == node.group()).map(|chunk| chunk.chunk);
            run(node, &collection_sql(collection, &here.collect::<Vec<_>>()), "make a collection's tables").await
        }))
        .await?;
        Ok(())
    }

    /// What an edition describes: all queries of it read the same rows, whatever is ingested meanwhile.
    ///
    /// # Errors
    /// When the control node fails, or does not have the epoch.
    pub async fn snapshot(&self, edition: &Edition) -> Result<Snapshot, RouterError> {
        let manifest = self.control.manifest_at(edition.epoch).await?;
        let manifest = manifest.ok_or(CatalogueError::UnknownEpoch(edition.epoch))?;
        let collections = self.control.collections().await?;
        Ok(Snapshot {
            epoch: Arc::new(Epoch { manifest, nodes: self.nodes.clone(), known_everywhere: true }),
            collections,
        })
    }

    /// The planner of one query, or of several that are bounded as one.
    pub fn planner(&self) -> FederatedPlanner {
        FederatedPlanner::new(RowBound::new(self.rows_per_query))
    }

    /// The node that serves a shard group.
    pub(crate) fn node_of(&self, group: i32) -> Result<&Arc<Node>, RouterError> {
        self.nodes.iter().find(|node| node.group() == group).ok_or(RouterError::NoNode(group))
    }
}

async fn run(node: &Node, sql: &str, act: &'static str) -> Result<(), RouterError> {
    node.writer().await?.batch_execute(sql).await.map_err(node.failed(act))
}

/// One epoch of the archive.
#[derive(Clone)]
pub struct Snapshot {
    epoch: Arc<Epoch>,
    collections: Vec<Collection>,
}

impl Snapshot {
    /// The epoch's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.epoch.manifest
    }

    /// The collections it has.
    pub fn collections(&self) -> &[Collection] {
        &self.collections
    }

    /// The same without some collections.
    #[must_use]
    pub fn without(mut self, collections: &[String]) -> Self {
        self.collections.retain(|collection| !collections.contains(&collection.name));
        self
    }

    /// Its tables.
    pub fn tables(&self) -> Vec<Arc<ShardedTable>> {
        let of = |collection: &Collection| {
            let table = |table| Arc::new(ShardedTable::new(&collection.name, table, Arc::clone(&self.epoch)));
            collection.tables.iter().map(table).collect::<Vec<_>>()
        };
        self.collections.iter().flat_map(of).collect()
    }
}
