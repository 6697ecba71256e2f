//! `spolia make-gaia`: Gaia-shaped files, written by the one program that links libhdf5.

use std::path::PathBuf;

use tokio::process::Command;

use crate::error::CommandError;

/// Its name; it lies beside this program.
const PROGRAM: &str = "spolia-make-gaia";

/// Hands the options on.
pub async fn run(options: &[String]) -> Result<(), CommandError> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    let program = beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(PROGRAM));
    let status = Command::new(&program).args(options).status().await.map_err(CommandError::file("run", &program))?;
    if status.success() { Ok(()) } else { Err(CommandError::Said("the files were not made".to_owned())) }
}
