//! Making jobs that compare archived files with the catalogue.

use std::path::Path;

use spolia_exec::Plan;
use spolia_ingest::{ArchivedBytes, VerifyReport};
use spolia_queue::{JobSpec, VERIFY};

use super::{Task, inputs, submit};
use crate::arguments::SubmitVerify;
use crate::command::jobs::Office;
use crate::error::CommandError;

/// Makes a job.
pub async fn run(office: &Office, asked: &SubmitVerify) -> Result<(), CommandError> {
    submit(office, VERIFY, &asked.manner, async || task(office, &asked.collection).await).await
}

/// The files that the newest epoch shows.
async fn task(office: &Office, collection: &str) -> Result<Task, CommandError> {
    let control = office.archive.router().control();
    let empty = || CommandError::Said(format!("collection {collection:?} has no files in this archive"));
    let manifest = control.manifest().await?.ok_or_else(empty)?;
    let files = control.files_of_collection(collection, &manifest.visibility).await?.into_iter();
    let files: Vec<ArchivedBytes> = files
        .map(|file| ArchivedBytes {
            location: file.file.location,
            md5: file.file.checksum,
            size: file.file.size.unsigned_abs(),
        })
        .collect();
    if files.is_empty() {
        return Err(empty());
    }
    let parameters = [
        ("COLLECTION", collection.to_owned()),
        ("EPOCH", manifest.epoch.to_string()),
        ("FILES", files.len().to_string()),
    ];
    let spec = JobSpec::Verify(inputs(parameters.map(|(name, value)| (name.to_owned(), value)).into()));
    Ok(Task { spec, plan: Plan::Verify(files), file: None })
}

/// What a job found, in words, from its report.
pub fn told(report: &Path) -> Result<String, CommandError> {
    let read = std::fs::read(report).and_then(|bytes| Ok(serde_json::from_slice::<VerifyReport>(&bytes)?));
    Ok(sentence(&read.map_err(CommandError::file("read", report))?))
}

/// The report in words.
pub fn sentence(report: &VerifyReport) -> String {
    let index = match report.without_index {
        0 => String::new(),
        count => format!(" ({count} without an index)"),
    };
    let whole = || format!("{} files with {} bytes are what they were when they came in", report.files, report.bytes);
    report.fault().unwrap_or_else(whole) + &index
}
