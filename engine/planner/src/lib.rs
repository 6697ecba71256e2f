//! From a checked ADQL query to a DataFusion plan.
//!
//! A [`SessionBase`] knows the tables of one epoch, ADQL's own functions, and TAP_SCHEMA; a [`Session`] is one query over it, with bounded
//! memory and no way to files or the network. What a table is made of is not its business: it takes any `TableProvider`.

mod alike;
mod arithmetic;
mod described;
mod exact_sum;
mod functions;
mod geometry;
mod ivo_aggregates;
mod ivo_astrometry;
mod ivo_functions;
mod query_memory;
mod session;
mod tap_schema;
mod tie_break;
mod unmerged_lists;

pub use session::{PlanError, QuerySettings, Session, SessionBase, plain};
pub use tap_schema::{tap_schema_declaration, tap_schema_tables};
pub use tie_break::DERIVED_FROM;
