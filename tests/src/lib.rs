//! The rules that hold the workspace together, as functions; `architecture.rs` beside this folder applies them to it.

mod rules;
mod workspace;

pub use rules::{documented_folders, violations};
pub use workspace::{Package, ReadError, Workspace};
