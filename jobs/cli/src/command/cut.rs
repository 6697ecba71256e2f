//! `spolia cut`: objects cut out of their files and merged into one; of a site's files, or of any.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use spolia_cutout::{BareCut, Chosen, CutOptions, CutPlan, Files, choose, plan_of};
use spolia_exec::{CutProgress, CutRequest, CutSettings, Selection};

use crate::arguments::{Asked, Cut, CutWhat};
use crate::command::jobs::cut_as_job;
use crate::command::report;
use crate::command::serve::stop_signal;
use crate::error::CommandError;
use crate::site::Site;

/// What makes the merged files.
const SOFTWARE: &str = concat!("spolia ", env!("CARGO_PKG_VERSION"));

/// Steps of the progress bar, and how often it is drawn.
const STEPS: u64 = 1000;
const TICK: Duration = Duration::from_millis(100);

/// Cuts and reports. The site is opened only where its files are to be cut from.
pub async fn run(site: &Path, cut: Cut) -> Result<(), CommandError> {
    if let Some(merged) = &cut.again {
        return again(site, merged, &cut).await;
    }
    if let Some(scheduler) = &cut.scheduler {
        return by_job(site, scheduler, &cut).await;
    }
    if cut.files.is_empty() { of_site(&open(site, &cut)?, &cut).await } else { of_files(&cut).await }
}

/// The site, with what the command says of memory.
fn open(site: &Path, cut: &Cut) -> Result<Site, CommandError> {
    let mut site = Site::open(site)?;
    site.settings.cut.memory_mib = cut.memory.unwrap_or(site.settings.cut.memory_mib);
    Ok(site)
}

/// Files anywhere, with what the command says of memory.
fn anywhere(locations: &[String], cut: &Cut) -> Result<Arc<Files>, CommandError> {
    let memory = cut.memory.unwrap_or(CutSettings::default().memory_mib).saturating_mul(1 << 20);
    Ok(Arc::new(Files::anywhere(locations)?.within_memory(memory)?))
}

/// Runs a cut with a progress bar on standard error, where that is a terminal. Ctrl-C ends it, and it leaves nothing behind then.
async fn watched<T, E: Into<CommandError>>(
    cut: impl AsyncFnOnce(&Arc<CutProgress>) -> Result<T, E>,
) -> Result<T, CommandError> {
    let progress = Arc::new(CutProgress::default());
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template("   cutting [{bar:40}] {msg} {percent}%, {elapsed}, {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    let mut ticks = tokio::time::interval(TICK);
    let (mut made, mut stopped) = (std::pin::pin!(cut(&progress)), std::pin::pin!(stop_signal()));
    let made = loop {
        tokio::select! {
            made = &mut made => break made.map_err(Into::into),
            () = &mut stopped => break Err(CommandError::Said("stopped; nothing was written".to_owned())),
            _ = ticks.tick() => {
                bar.set_message(format!("{} objects", progress.objects()));
                bar.set_position((progress.part() * STEPS as f64) as u64);
            }
        }
    };
    bar.finish_and_clear();
    made
}

/// Has a job make the merged file.
async fn by_job(site: &Path, scheduler: &str, cut: &Cut) -> Result<(), CommandError> {
    let what = CutWhat {
        ids: cut.ids.clone(),
        adql: cut.adql.clone(),
        with_transits: cut.with_transits,
        keep_unmatched: cut.keep_unmatched,
        fields: cut.fields.clone(),
        packed: cut.packed,
        compress: cut.compress,
    };
    let asked = Asked { scheduler: Some(scheduler.to_owned()), ntasks: cut.ranks, ..Asked::default() };
    let output = output(cut).ok_or_else(|| CommandError::Said("give the file to write (--output)".to_owned()))?;
    cut_as_job(open(site, cut)?, &what, &asked, output).await
}

/// Makes a merged file again, of the site's files or of any, as its provenance says.
async fn again(site: &Path, merged: &Path, cut: &Cut) -> Result<(), CommandError> {
    let plan = plan_of(merged, SOFTWARE)?;
    let files = if plan.provenance.archived {
        Arc::clone(open(site, cut)?.archive().await?.files())
    } else {
        let locations: Vec<String> = plan.files.iter().map(|file| file.location.clone()).collect();
        anywhere(&locations, cut)?
    };
    of_plan(&files, &plan, cut).await
}

/// Cuts by a plan that is made already.
async fn of_plan(files: &Arc<Files>, plan: &CutPlan, cut: &Cut) -> Result<(), CommandError> {
    let done = match output(cut) {
        Some(output) => watched(async |progress| spolia_cutout::cut(files, plan, output, progress).await).await?,
        None => spolia_cutout::dry_run(files, plan).await?,
    };
    let text = report::bare_text(&done, output(cut), cut.report || cut.dry_run);
    told(cut, &report::bare_json(&done), &text);
    Ok(())
}

async fn of_site(site: &Site, cut: &Cut) -> Result<(), CommandError> {
    let selection = match (&cut.ids, &cut.adql) {
        (_, Some(adql)) => Selection::Adql(super::query::text(adql)?),
        (Some(ids), None) => Selection::SourceIds(source_ids(ids)?),
        (None, None) => return Err(CommandError::Said("give --ids or --adql".to_owned())),
    };
    let archive = site.archive().await?;
    let text = cut.adql.clone().or(cut.ids.clone()).unwrap_or_default();
    let request = CutRequest {
        most_objects: None,
        selection,
        options: options(cut),
        with_transits: cut.with_transits,
        keep_unmatched: cut.keep_unmatched,
        epoch: None,
    };
    let Some(output) = output(cut) else {
        let answer = archive.dry_cut(&request).await?;
        told(cut, &report::cut_json(&answer), &report::cut_text(&answer, None, true));
        return Ok(());
    };
    let mut operation = archive.log().begin("cut", archive.who(), &text);
    operation.note("door", "cli");
    match watched(async |progress| archive.cut(&request, output, progress).await).await {
        Ok(answer) => {
            operation.note("epoch", answer.epoch);
            operation.note("rows", answer.objects.values().sum::<usize>());
            operation.note("bytes", answer.report.bytes_written);
            operation.note("merge_ms", answer.merge_ms);
            operation.succeed();
            told(cut, &report::cut_json(&answer), &report::cut_text(&answer, Some(output), cut.report));
            Ok(())
        }
        Err(error) => {
            operation.fail(&error.message());
            Err(error)
        }
    }
}

/// What is taken of objects, each field once, and the form it has.
fn options(cut: &Cut) -> CutOptions {
    let mut fields: Vec<String> =
        cut.fields.iter().map(|field| field.trim().to_owned()).filter(|field| !field.is_empty()).collect();
    fields.sort();
    fields.dedup();
    CutOptions { fields, packed: cut.packed, compression: cut.compress }
}

/// The file to write; none for a dry run.
fn output(cut: &Cut) -> Option<&Path> {
    cut.output.as_deref().filter(|_| !cut.dry_run)
}

fn told(cut: &Cut, json: &serde_json::Value, text: &str) {
    if cut.json { println!("{json}") } else { eprint!("{text}") }
}

async fn of_files(cut: &Cut) -> Result<(), CommandError> {
    let chosen = match (&cut.ids, &cut.rows, &cut.objects) {
        (Some(ids), ..) => Chosen::Ids { field: cut.id_field.clone(), ids: words(ids, "ids")? },
        (_, Some(rows), _) => Chosen::Rows(row_ranges(rows)?),
        (_, _, Some(names)) => Chosen::Objects(words(names, "names")?),
        _ => return Err(CommandError::Said("give --ids, --rows or --objects".to_owned())),
    };
    let software = SOFTWARE.to_owned();
    let request =
        BareCut { files: cut.files.clone(), chosen, group: cut.group.clone(), options: options(cut), software };
    let files = anywhere(&cut.files, cut)?;
    let plan = choose(&files, request).await?;
    of_plan(&files, &plan, cut).await
}

/// Words separated by commas or white space, or `@FILE` with such.
fn words(text: &str, what: &str) -> Result<Vec<String>, CommandError> {
    let read;
    let text = match text.strip_prefix('@') {
        Some(path) => {
            read = std::fs::read_to_string(path).map_err(CommandError::file("read", path))?;
            &read
        }
        None => text,
    };
    let words: Vec<String> = text
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if words.is_empty() { Err(CommandError::Said(format!("no {what} are given"))) } else { Ok(words) }
}

pub fn source_ids(text: &str) -> Result<Vec<i64>, CommandError> {
    let id = |word: &String| {
        word.parse().map_err(|_| CommandError::Said(format!("{word:?} is no source id (a 64-bit integer)")))
    };
    words(text, "ids")?.iter().map(id).collect()
}

/// Rows as `7,100-199`.
fn row_ranges(text: &str) -> Result<Vec<RangeInclusive<u64>>, CommandError> {
    let range = |word: &String| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
            _ => Err(CommandError::Said(format!("{word:?} is no row and no range of rows (7 or 100-199)"))),
        }
    };
    words(text, "rows")?.iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_exactly() {
        assert_eq!(source_ids("3425114617586286848, -5\n7").unwrap(), [3425114617586286848, -5, 7]);
        assert!(source_ids("3.4e18").unwrap_err().message().contains("no source id"));
        assert!(source_ids(" ,").is_err() && source_ids("@/no/such/file").is_err());
    }

    #[test]
    fn rows_are_numbers_and_ranges() {
        assert_eq!(row_ranges("7,100-199").unwrap(), [7..=7, 100..=199]);
        for wrong in ["-1", "5-3", "x", "1-2-3", ""] {
            assert!(row_ranges(wrong).is_err(), "{wrong}");
        }
    }
}
