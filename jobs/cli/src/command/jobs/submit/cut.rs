//! Making jobs of cuts.

use std::path::Path;

use spolia_exec::{CutOptions, CutRequest, Dispatcher, Handed, Plan, Selection};
use spolia_queue::{CUT, CutJob, Inputs, Job, JobSpec, Resources};

use super::{SPEC_VERSION, create, handed_over, resources, script, tell, waited};
use crate::arguments::{Asked, CutWhat, SubmitCut, Wait};
use crate::command::cut::source_ids;
use crate::command::jobs::Office;
use crate::error::CommandError;
use crate::site::Site;

/// The file of the ids of chosen sources.
const IDS: &str = "source-ids";
/// Jobs that one file of queries makes at most.
const MOST_QUERIES: usize = 10_000;

/// Makes a job, or one for each query of a file.
pub async fn run(office: &Office, mut submit: SubmitCut) -> Result<(), CommandError> {
    let Some(file) = submit.array.take() else {
        return one(office, &submit).await;
    };
    let text = std::fs::read_to_string(&file).map_err(CommandError::file("read", &file))?;
    let queries: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !(1..=MOST_QUERIES).contains(&queries.len()) {
        return Err(CommandError::Said(format!(
            "{} has {} queries; 1 to {MOST_QUERIES} make jobs",
            file.display(),
            queries.len()
        )));
    }
    let name = submit.asked.name.clone();
    for (number, query) in (1..).zip(queries) {
        submit.what.adql = Some(query.to_owned());
        submit.asked.name = Some(name.as_ref().map_or(number.to_string(), |name| format!("{name}.{number}")));
        one(office, &submit).await?;
    }
    Ok(())
}

async fn one(office: &Office, submit: &SubmitCut) -> Result<(), CommandError> {
    let dispatcher = office.dispatcher(submit.asked.scheduler.as_deref())?;
    if submit.dry_run {
        let resources = resources(office, &submit.asked).await?;
        print!("{}", script(office, &dispatcher, &submit.asked, CUT, resources));
        return Ok(());
    }
    let (job, handed) = made(office, &dispatcher, &submit.what, &submit.asked).await?;
    tell(&job, &handed, dispatcher.scheduler().name(), submit.json)?;
    waited(office, &job, &submit.wait).await
}

/// Cuts by a job, and waits for it: `spolia cut --scheduler`.
pub async fn cut(site: Site, what: &CutWhat, asked: &Asked, output: &Path) -> Result<(), CommandError> {
    let office = Office::open(site).await?;
    let dispatcher = office.dispatcher(asked.scheduler.as_deref())?;
    let (job, handed) = made(&office, &dispatcher, what, asked).await?;
    if let Handed::Refused(why) = handed {
        return Err(CommandError::Said(why));
    }
    waited(&office, &job, &Wait { wait: true, output: Some(output.to_owned()) }).await
}

/// Finds the objects, makes the job, and hands it over.
async fn made(
    office: &Office,
    dispatcher: &Dispatcher,
    what: &CutWhat,
    asked: &Asked,
) -> Result<(Job, Handed), CommandError> {
    let resources = resources(office, asked).await?;
    let (spec, request) = spec(what, resources)?;
    let prepared = office.archive.prepare_cut(&request).await?;
    let job = create(office, dispatcher, spec, asked).await?;
    if let Selection::SourceIds(ids) = &request.selection {
        let folder = dispatcher.folder(&job.job_id);
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(IDS), bytes));
        written.map_err(CommandError::file("write into", &folder))?;
    }
    dispatcher.write_order(&job, Plan::Cut(Box::new(prepared.plan().clone()))).await?;
    Ok((job.clone(), handed_over(office, dispatcher, &job).await?))
}

/// What the job is to do, by the parameters that doors know, and what is cut.
fn spec(what: &CutWhat, resources: Resources) -> Result<(JobSpec, CutRequest), CommandError> {
    let mut parameters = Vec::new();
    let selection = match (&what.ids, &what.adql) {
        (_, Some(adql)) => {
            let adql = crate::command::query::text(adql)?;
            parameters.push(("QUERY".to_owned(), adql.clone()));
            Selection::Adql(adql)
        }
        (Some(ids), None) => Selection::SourceIds(source_ids(ids)?),
        (None, None) => return Err(CommandError::Said("give --ids, --adql or --array".to_owned())),
    };
    let mut fields: Vec<String> =
        what.fields.iter().map(|field| field.trim().to_owned()).filter(|field| !field.is_empty()).collect();
    fields.sort();
    fields.dedup();
    parameters.extend(fields.iter().map(|field| ("FIELD".to_owned(), field.clone())));
    let flags =
        [("WITH_TRANSITS", what.with_transits), ("KEEP_UNMATCHED", what.keep_unmatched), ("PACKED", what.packed)];
    parameters.extend(flags.iter().filter(|(_, set)| *set).map(|(name, _)| ((*name).to_owned(), "true".to_owned())));
    parameters.extend(what.compress.map(|level| ("COMPRESSION".to_owned(), level.to_string())));
    let source_ids = matches!(selection, Selection::SourceIds(_)).then(|| IDS.to_owned());
    let inputs = Inputs { version: SPEC_VERSION, parameters, resources, ..Inputs::default() };
    let request = CutRequest {
        selection,
        options: CutOptions { fields, packed: what.packed, compression: what.compress },
        with_transits: what.with_transits,
        keep_unmatched: what.keep_unmatched,
        epoch: None,
        most_objects: None,
    };
    Ok((JobSpec::Cut(CutJob { inputs, rows: None, source_ids }), request))
}
