//! Cut & Merge: which objects are cut out of which file, and the merged file they become.
//!
//! A [`CutPlan`] names files and objects in them; [`cut`] writes the merged file, reading by the files' indexes ([`index()`]).
//! [`rows`] reads the fields of a file's objects into record batches. All of it is safe Rust over `spolia-hdf5-format`: bytes that
//! someone else wrote meet no C library.

mod again;
mod bare;
mod blocking;
mod checksum;
mod cut;
mod error;
mod fetch;
mod files;
mod growing;
mod index;
mod inspect;
mod memory;
mod merge;
mod plan;
mod progress;
mod row_model;
mod rows;
mod sink;
mod team;

pub use again::plan_of;
pub use bare::{BareCut, Chosen, choose};
pub use checksum::{Verified, verify};
pub use cut::{TOGETHER, cut, cut_together, dry_run};
pub use error::CutoutError;
pub use files::{Files, S3Access};
pub use growing::{Growing, Outline, grow, outline};
pub use index::{Identity, index, index_location};
pub use inspect::{
    InspectOptions, Inspected, InspectedChunk, InspectedDataset, InspectedFilter, Inspection, inspect, inspect_at,
    inspect_source,
};
pub use plan::{CutFile, CutOptions, CutPlan, CutReport, Ids, Provenance};
pub use progress::CutProgress;
pub use row_model::{Count, FieldType, RowField, RowModel};
pub use rows::rows;
