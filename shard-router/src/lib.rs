//! The shard router: which node holds what, and how rows get there and back.
//!
//! Sources lie on the node of the chunk that their `source_id`'s pixel falls into, and everything about a source lies
//! with it. Rows go to the nodes by binary COPY and come back the same way, straight into Arrow. A [`Snapshot`] is one
//! epoch of the archive; its [`ShardedTable`]s are what DataFusion queries.

mod cancel;
mod copy_out;
mod error;
mod federation;
mod load;
mod near;
mod node;
mod node_schema;
mod placement;
mod prune;
mod region;
mod router;
mod row_bound;
mod scan;
mod sharded_table;
mod stats;
mod user_tables;

pub use error::RouterError;
pub use federation::FederatedPlanner;
pub use node::{Node, NodeAddress, RouterSettings};
pub use placement::{CHUNKS_PER_GROUP, lay_out_chunks};
pub use prune::SkipReason;
pub use router::{Router, Snapshot};
pub use scan::{NodeScan, NodeTiming, ShardScanExec, scans, timings};
pub use sharded_table::{ShardedTable, arrow_schema};
pub use user_tables::{Held, user_schema};
