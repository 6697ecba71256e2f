//! Making jobs of cuts.

use std::path::Path;

use spolia_exec::{CutOptions, CutRequest, Plan, Selection};
use spolia_queue::{CUT, CutJob, JobSpec};

use super::{Task, inputs, submit, through};
use crate::arguments::{Asked, CutWhat, SubmitCut};
use crate::command::cut::source_ids;
use crate::command::jobs::Office;
use crate::error::CommandError;
use crate::site::Site;

/// The file of the ids of chosen sources.
const IDS: &str = "source-ids";
/// Jobs that one file of queries makes at most.
const MOST_QUERIES: usize = 10_000;

/// Makes a job, or one for each query of a file.
pub async fn run(office: &Office, mut asked: SubmitCut) -> Result<(), CommandError> {
    let Some(file) = asked.array.take() else {
        return one(office, &asked).await;
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
    let name = asked.manner.asked.name.clone();
    for (number, query) in (1..).zip(queries) {
        asked.what.adql = Some(query.to_owned());
        asked.manner.asked.name = Some(name.as_ref().map_or(number.to_string(), |name| format!("{name}.{number}")));
        one(office, &asked).await?;
    }
    Ok(())
}

async fn one(office: &Office, asked: &SubmitCut) -> Result<(), CommandError> {
    submit(office, CUT, &asked.manner, async || task(office, &asked.what).await).await
}

/// Cuts by a job, and waits for it: `spolia cut --scheduler`.
pub async fn cut(site: Site, what: &CutWhat, asked: &Asked, output: &Path) -> Result<(), CommandError> {
    let office = Office::open(site).await?;
    through(&office, asked, Some(output), async || task(&office, what).await).await
}

/// Finds the objects.
async fn task(office: &Office, what: &CutWhat) -> Result<Task, CommandError> {
    let (spec, request) = spec(what)?;
    let prepared = office.archive.prepare_cut(&request).await?;
    let file = match &request.selection {
        Selection::SourceIds(ids) => Some((IDS, ids.iter().flat_map(|id| id.to_le_bytes()).collect())),
        _ => None,
    };
    Ok(Task { spec, plan: Plan::Cut(Box::new(prepared.plan().clone())), file })
}

/// What the job is to do, by the parameters that doors know, and what is cut.
fn spec(what: &CutWhat) -> Result<(JobSpec, CutRequest), CommandError> {
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
    let request = CutRequest {
        selection,
        options: CutOptions { fields, packed: what.packed, compression: what.compress },
        with_transits: what.with_transits,
        keep_unmatched: what.keep_unmatched,
        epoch: None,
        most_objects: None,
    };
    Ok((JobSpec::Cut(CutJob { inputs: inputs(parameters), rows: None, source_ids }), request))
}
