//! `spolia inspect`: what is in HDF5 files, without a site.

use std::sync::Arc;

use spolia_cutout::{Files, InspectOptions, inspect_at};

use crate::arguments::Inspect;
use crate::error::CommandError;

/// Inspects each file; with several, one that cannot be read does not keep the others from being told.
pub async fn run(arguments: &Inspect) -> Result<(), CommandError> {
    let options = InspectOptions { digest: arguments.digest, ..InspectOptions::default() };
    let files = Arc::new(Files::anywhere(&arguments.files)?);
    let mut failed = None;
    for file in &arguments.files {
        match inspect_at(&files, file, &options).await {
            Ok(inspection) if arguments.json => {
                let json = serde_json::to_string(&inspection);
                println!("{}", json.map_err(|error| CommandError::Said(error.to_string()))?);
            }
            Ok(inspection) => print!("{inspection}"),
            Err(error) => {
                let error = CommandError::from(error);
                if let Some(earlier) = failed.replace(error) {
                    eprintln!("spolia: {}", earlier.message());
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
