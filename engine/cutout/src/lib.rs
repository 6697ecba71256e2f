//! Cut & Merge: which objects are cut out of which file, and the merged file they become.
//!
//! A [`CutPlan`] names files of the object store and objects in them; [`cut`] writes the merged file. [`rows`] reads the
//! fields of a file's objects into record batches. Both leave libhdf5 to a child process under bounds ([`ChildSettings`]):
//! bytes that someone else wrote are never parsed by it in this one.

mod child;
mod cut;
mod error;
mod fetch;
mod files;
mod index;
mod inspect;
mod merge;
mod plan;
mod row_model;
mod rows;
mod sink;

pub use child::ChildSettings;
pub use cut::cut;
pub use error::CutoutError;
pub use index::{index, index_location};
pub use inspect::{
    InspectOptions, Inspected, InspectedChunk, InspectedDataset, InspectedFilter, Inspection, inspect, inspect_source,
};
pub use plan::{CutFile, CutPlan, CutReport, Provenance};
pub use row_model::{FieldType, RowField, RowModel};
pub use rows::rows;
