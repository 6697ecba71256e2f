//! Making jobs of ingests.

use std::path::Path;

use spolia_exec::{Dispatcher, Handed, IngestPlan, Plan};
use spolia_ingest::{IngestReport, check_names, model};
use spolia_queue::{INGEST, Inputs, Job, JobSpec};

use super::{SPEC_VERSION, create, handed_over, resources, script, tell, waited};
use crate::arguments::{Asked, IngestWhat, SubmitIngest, Wait};
use crate::command::ingest::{files, sentence};
use crate::command::jobs::Office;
use crate::error::CommandError;
use crate::site::Site;

/// Makes a job.
pub async fn run(office: &Office, submit: &SubmitIngest) -> Result<(), CommandError> {
    let dispatcher = office.dispatcher(submit.asked.scheduler.as_deref())?;
    if submit.dry_run {
        let resources = resources(office, &submit.asked).await?;
        print!("{}", script(office, &dispatcher, &submit.asked, INGEST, resources));
        return Ok(());
    }
    let (job, handed) = made(office, &dispatcher, &submit.what, &submit.asked).await?;
    tell(&job, &handed, dispatcher.scheduler().name(), submit.json)?;
    waited(office, &job, &Wait { wait: submit.wait, output: None }).await
}

/// Ingests by a job, and waits for it: `spolia ingest --scheduler`.
pub async fn ingest(site: Site, what: &IngestWhat, asked: &Asked) -> Result<(), CommandError> {
    let office = Office::open(site).await?;
    let dispatcher = office.dispatcher(asked.scheduler.as_deref())?;
    let (job, handed) = made(&office, &dispatcher, what, asked).await?;
    if let Handed::Refused(why) = handed {
        return Err(CommandError::Said(why));
    }
    waited(&office, &job, &Wait { wait: true, output: None }).await
}

/// Checks what can be checked of the files by their names, makes the job, and hands it over.
async fn made(
    office: &Office,
    dispatcher: &Dispatcher,
    what: &IngestWhat,
    asked: &Asked,
) -> Result<(Job, Handed), CommandError> {
    let resources = resources(office, asked).await?;
    let collection = model(&what.model)?;
    office.archive.check_collection(&collection).await?;
    // Whoever does the work is elsewhere.
    let whole = |path: &Path| path.canonicalize().map_err(CommandError::file("open", path));
    let files = files(&what.files)?.iter().map(|path| whole(path)).collect::<Result<Vec<_>, _>>()?;
    check_names(&collection, &files)?;
    let parameters = [
        ("COLLECTION", collection.name.clone()),
        ("FILES", files.len().to_string()),
        ("SUPERSEDE", what.supersede.to_string()),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value)).into();
    let spec = JobSpec::Ingest(Inputs { version: SPEC_VERSION, parameters, resources, ..Inputs::default() });
    let job = create(office, dispatcher, spec, asked).await?;
    let plan = Plan::Ingest(Box::new(IngestPlan { collection, supersede: what.supersede, files }));
    dispatcher.write_order(&job, plan).await?;
    Ok((job.clone(), handed_over(office, dispatcher, &job).await?))
}

/// What a job did, in words, from its report.
pub fn told(report: &Path) -> Result<String, CommandError> {
    let failed = CommandError::file("read", report);
    let read = std::fs::read(report).and_then(|bytes| Ok(serde_json::from_slice::<IngestReport>(&bytes)?));
    Ok(sentence(&read.map_err(failed)?))
}
