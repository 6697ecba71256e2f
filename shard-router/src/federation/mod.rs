//! From an optimised plan to statements for nodes: the largest parts that nodes can answer go there, each as one statement.
//!
//! [`FederatedPlanner`] is the planner that a session plans with. It goes through the plan from its leaves up. What a node can answer
//! for its own rows becomes part of a [`Fragment`](fragment::Fragment); where that ends, the fragment becomes a [`NodeQuery`] in the
//! plan, and DataFusion does the rest over its rows.

mod aggregate;
mod cells;
mod expression;
mod fragment;
mod join;
mod keyed;
mod neighbours;
mod node_query;
mod planner;
mod shared;
mod statement;
#[cfg(test)]
mod tests;
mod variance;

pub(crate) use node_query::scan_exec;
pub use planner::FederatedPlanner;
