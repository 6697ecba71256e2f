//! Making jobs of ingests.

use std::path::Path;

use spolia_exec::{IngestPlan, Plan};
use spolia_ingest::{IngestReport, check_names, model};
use spolia_queue::{INGEST, JobSpec};

use super::{Task, inputs, submit, through};
use crate::arguments::{Asked, IngestWhat, SubmitIngest};
use crate::command::ingest::{files, sentence};
use crate::command::jobs::Office;
use crate::error::CommandError;
use crate::site::Site;

/// Makes a job.
pub async fn run(office: &Office, asked: &SubmitIngest) -> Result<(), CommandError> {
    submit(office, INGEST, &asked.manner, async || task(office, &asked.what).await).await
}

/// Ingests by a job, and waits for it: `spolia ingest --scheduler`.
pub async fn ingest(site: Site, what: &IngestWhat, asked: &Asked) -> Result<(), CommandError> {
    let office = Office::open(site).await?;
    through(&office, asked, None, async || task(&office, what).await).await
}

/// Checks what can be told of the files by their names.
async fn task(office: &Office, what: &IngestWhat) -> Result<Task, CommandError> {
    let collection = model(&what.model)?;
    office.archive.check_collection(&collection).await?;
    // Whoever does the work is elsewhere. A link keeps its own name, which says what the file is.
    let whole = |path: &Path| {
        let found = std::fs::metadata(path).and_then(|_| std::path::absolute(path));
        found.map_err(CommandError::file("open", path))
    };
    let files = files(&what.files)?.iter().map(|path| whole(path)).collect::<Result<Vec<_>, _>>()?;
    check_names(&collection, &files)?;
    let parameters = [
        ("COLLECTION", collection.name.clone()),
        ("FILES", files.len().to_string()),
        ("SUPERSEDE", what.supersede.to_string()),
    ];
    let spec = JobSpec::Ingest(inputs(parameters.map(|(name, value)| (name.to_owned(), value)).into()));
    let plan = Plan::Ingest(Box::new(IngestPlan { collection, supersede: what.supersede, files }));
    Ok(Task { spec, plan, file: None })
}

/// What a job did, in words, from its report.
pub fn told(report: &Path) -> Result<String, CommandError> {
    let read = std::fs::read(report).and_then(|bytes| Ok(serde_json::from_slice::<IngestReport>(&bytes)?));
    Ok(sentence(&read.map_err(CommandError::file("read", report))?))
}
