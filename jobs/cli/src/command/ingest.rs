//! `spolia ingest`: files into a collection, with a progress bar.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use spolia_exec::Archive;
use spolia_ingest::{Event, IngestReport, model};
use spolia_local_node::{LocalNode, LogMark};
use spolia_team::{Alone, Team};

use crate::arguments::{Asked, Ingest};
use crate::command::jobs::ingest_as_job;
use crate::error::CommandError;
use crate::site::Site;

/// Bytes of a list of files at most.
const LONGEST_LIST: u64 = 256 << 20;

/// Ingests and reports.
pub async fn run(site: Site, ingest: Ingest) -> Result<(), CommandError> {
    let what = &ingest.what;
    if let Some(scheduler) = ingest.scheduler {
        let asked = Asked { scheduler: Some(scheduler), ntasks: ingest.ranks, ..Asked::default() };
        return ingest_as_job(site, what, &asked).await;
    }
    let archive = site.archive().await?;
    let logs: Vec<LogMark> = site.local_nodes()?.iter().map(LocalNode::mark_log).collect();
    let report = bring(&archive, &what.model, &files(&what.files)?, what.supersede).await;
    let report = report.map_err(|error| explained(error, &logs))?;
    if ingest.json {
        println!("{}", to_json(&report));
    } else {
        eprintln!("{}", sentence(&report));
    }
    Ok(())
}

/// An error with the reason of a node that broke down under it.
fn explained(error: CommandError, logs: &[LogMark]) -> CommandError {
    match logs.iter().find_map(|log| Some((log.node(), log.panic()?))) {
        Some((node, panic)) => CommandError::Said(format!("{}; node {node} broke down: {panic}", error.message())),
        None => error,
    }
}

/// The files that are meant: `@LIST` stands for those in a file, one a line.
pub fn files(given: &[String]) -> Result<Vec<PathBuf>, CommandError> {
    let mut files = Vec::new();
    for given in given {
        match given.strip_prefix('@').map(Path::new) {
            Some(list) => {
                let size = std::fs::metadata(list).map_err(CommandError::file("read", list))?.len();
                if size > LONGEST_LIST {
                    let most = LONGEST_LIST >> 20;
                    return Err(CommandError::Said(format!("{}: a list has {most} MB at most", list.display())));
                }
                let text = std::fs::read_to_string(list).map_err(CommandError::file("read", list))?;
                files.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(PathBuf::from));
            }
            None => files.push(PathBuf::from(given)),
        }
    }
    if files.is_empty() { Err(CommandError::Said("the list names no files".to_owned())) } else { Ok(files) }
}

/// Ingests files with a progress bar on standard error.
pub async fn bring(
    archive: &Archive,
    model_name: &str,
    paths: &[PathBuf],
    supersede: bool,
) -> Result<IngestReport, CommandError> {
    let collection = model(model_name)?;
    archive.check_collection(&collection).await?;
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{msg:>10} [{bar:40}] {pos}/{len} files, {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let progress = |event: Event| match event {
        Event::Checking { files, .. } => restart(&bar, "checking", files),
        Event::Loading(files) => restart(&bar, "loading", files),
        Event::Checked | Event::Loaded { .. } => bar.inc(1),
        Event::Publishing => bar.set_message("publishing"),
    };
    let ingest = spolia_ingest::Ingest {
        router: archive.router(),
        store: archive.store(),
        store_is_remote: archive.store_is_remote(),
        collection: &collection,
        supersede,
        patience: Duration::ZERO,
        team: &(Arc::new(Alone::default()) as Arc<dyn Team>),
        progress: &progress,
    };
    let report = ingest.run(paths).await;
    bar.finish_and_clear();
    Ok(report?.unwrap_or_default())
}

fn restart(bar: &ProgressBar, message: &'static str, length: usize) {
    bar.set_length(length as u64);
    bar.set_position(0);
    bar.set_message(message);
}

/// The report in words.
pub fn sentence(report: &IngestReport) -> String {
    let Some(epoch) = report.epoch else {
        return format!("nothing to do: all {} files are in the archive already", report.unchanged);
    };
    let mut words = format!("{} files with {} objects came in", report.loaded, report.objects);
    for (count, what) in
        [(report.resumed, "of an interrupted run"), (report.superseded, "replaced"), (report.unchanged, "unchanged")]
    {
        if count > 0 {
            words.push_str(&format!(", {count} {what}"));
        }
    }
    format!("{words}; epoch {epoch}")
}

fn to_json(report: &IngestReport) -> serde_json::Value {
    serde_json::json!({
        "loaded": report.loaded, "resumed": report.resumed, "superseded": report.superseded,
        "unchanged": report.unchanged, "objects": report.objects, "epoch": report.epoch,
    })
}
