//! `spolia make-gaia`: Gaia-shaped files, written by the one program that links libhdf5.

use std::path::Path;

use spolia_cutout::ChildSettings;

use crate::error::CommandError;

/// Hands the options on.
pub async fn run(options: &[String]) -> Result<(), CommandError> {
    make(&ChildSettings::default().program, options).await
}

/// Runs `PROGRAM make-gaia OPTIONS`.
pub async fn make(program: &Path, options: &[String]) -> Result<(), CommandError> {
    let mut command = tokio::process::Command::new(program);
    let status = command.arg("make-gaia").args(options).status().await.map_err(CommandError::file("run", program))?;
    if status.success() { Ok(()) } else { Err(CommandError::Said("the files were not made".to_owned())) }
}
