//! The control database: what the archive holds, where, and which of it may be seen.
//!
//! One small PostgreSQL database keeps collections with their tables, files with their checksums, batches of ingested
//! files, the manifest of each epoch, users' tables, the dates of the site's registry records, and its signing keys. The rows themselves lie on the nodes; only
//! `shard-router` talks to those.

mod batch;
mod collection;
mod column_type;
mod control;
mod edition;
mod error;
mod file;
mod manifest;
mod migrations;
mod obscore;
mod registry_record;
mod signing_key;
mod user_table;

pub use batch::{Batch, BatchState, CollectionLock};
pub use collection::{
    Collection, ColumnDef, Example, FILE_COLUMNS, PositionColumns, PreviewColumns, TableDef, ValidationError,
};
pub use column_type::{ColumnType, ElementType, TypeError};
pub use control::Control;
pub use edition::Edition;
pub use error::CatalogueError;
pub use file::{ArchivedFile, FileState, NewFile};
pub use manifest::{BatchBounds, Chunk, ChunkStats, Manifest, Visibility};
pub use obscore::{OBSCORE_COLUMNS, ObsCoreColumn, ObsCoreKind};
pub use registry_record::{RecordDates, RecordHistory};
pub use signing_key::SigningKey;
pub use user_table::{NewUserTable, USER_SCHEMA, UserColumn, UserSchema, UserTable, UserTableDef};
