//! `spolia inspect`: what is in HDF5 files, without a site.

use std::path::Path;
use std::sync::Arc;

use spolia_cutout::{Files, InspectOptions, Verified, inspect_at, verify};

use crate::arguments::Inspect;
use crate::error::CommandError;

/// Inspects each file; with several, one that cannot be read does not keep the others from being told.
pub async fn run(arguments: &Inspect) -> Result<(), CommandError> {
    if arguments.verify {
        return verify_all(&arguments.files);
    }
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

/// Compares merged files with their checksums; fails if one of them is not sound.
fn verify_all(files: &[String]) -> Result<(), CommandError> {
    let mut sound = true;
    for file in files {
        let found = match verify(Path::new(file)) {
            Ok(Verified::Sound) => "sound".to_owned(),
            Ok(Verified::Spoilt(blocks)) => {
                let blocks = blocks.iter().map(|block| format!("{} to {}", block.start, block.end - 1));
                format!("spoilt in bytes {}", blocks.collect::<Vec<_>>().join(", "))
            }
            Ok(Verified::WrongLength { expected, found }) => format!("of {found} bytes instead of {expected}"),
            Ok(Verified::Unsigned) => "without checksums, which only merged files have".to_owned(),
            Err(error) => CommandError::from(error).message(),
        };
        sound &= found == "sound";
        println!("{file}: {found}");
    }
    if sound { Ok(()) } else { Err(CommandError::Said("not all files are as they were written".to_owned())) }
}
