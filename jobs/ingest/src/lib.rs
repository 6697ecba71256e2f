//! Bringing files into the archive.
//!
//! A [`Collection`](spolia_catalogue::Collection) says which field of which object becomes which column. The files are
//! copied to the object store with their checksums and an index, and their rows sent to the nodes; the
//! whole batch becomes visible in one epoch, or not at all. Whatever interrupts an ingest, running it again finishes it.

mod check;
mod checksum;
mod error;
mod ingest;
mod load;
mod model;
mod plan;
mod sharing;
mod verify;

pub use checksum::{Checksums, checksums};
pub use error::IngestError;
pub use ingest::{Event, Ingest, IngestReport};
pub use model::{built_in_models, model, row_model};
pub use plan::check_names;
pub use verify::{ArchivedBytes, Verify, VerifyReport, is_whole};
