//! Making the merged file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use spolia_team::Team;

use crate::blocking::Blocking;
use crate::error::CutoutError;
use crate::files::Files;
use crate::merge::{Target, Workshop, folder_of, merge};
use crate::plan::{CutPlan, CutReport};
use crate::progress::CutProgress;

/// The files that several work on together: the merged one, columns before they are compressed, and after.
pub const TOGETHER: [&str; 3] = ["merged.part", "columns.part", "chunks.part"];

/// Cuts the planned objects out of their files and merges them into `output`, which appears whole or not at all.
///
/// Objects keep their own name, structure, types, attributes and values: those with a group of their own lie in
/// `/<file name>/<object>`, for names repeat across files; rows of tables lie in `/<class>/<column>`, in the order of files
/// and rows. `/provenance` tells which object came from where. Dropped, it stops soon; `progress` tells how far it is.
///
/// # Errors
/// When a file cannot be read, has not the object, or is not of the form of the others; nothing is left behind then.
pub async fn cut(
    files: &Arc<Files>,
    plan: &CutPlan,
    output: &Path,
    progress: &Arc<CutProgress>,
) -> Result<CutReport, CutoutError> {
    let (plan, output) = (plan.clone().canonical(), output.to_owned());
    let (files, progress) = (Arc::clone(files), Arc::clone(progress));
    Blocking::begin(move |stopped| whole(&plan, &files, (stopped, &progress), &output)).done().await
}

/// Makes the merged file of a plan in `folder`, together with others who are given the same plan; it is the first of [`TOGETHER`] there, and whole when the leader
/// has its report. Nothing in the folder belongs to another plan: what was done of this one stays done if it begins again.
///
/// # Errors
/// As [`cut`], and when the others are lost or the work is to end before its time.
pub async fn cut_together(
    files: &Arc<Files>,
    plan: &CutPlan,
    folder: &Path,
    team: Arc<dyn Team>,
    progress: &Arc<CutProgress>,
) -> Result<CutReport, CutoutError> {
    let (plan, folder) = (plan.clone().canonical(), folder.to_owned());
    let (files, progress) = (Arc::clone(files), Arc::clone(progress));
    let make = move |stopped: &AtomicBool| {
        let open = |name: &str| {
            let path = folder.join(name);
            let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            opened.map_err(|source| CutoutError::File { path, source })
        };
        let [merged, columns, chunks] = TOGETHER.map(open);
        let target = Target::Together(Workshop { team, merged: merged?, columns: columns?, chunks: chunks? });
        Ok(merge(&plan, &files, (stopped, &progress), target, &folder.join(TOGETHER[0]))?.report)
    };
    Blocking::begin(make).done().await
}

/// Finds out what [`cut`] would read and write: its report, and about how long it would take, for which a part of it is read.
///
/// # Errors
/// As [`cut`], as far as it is seen without reading values.
pub async fn dry_run(files: &Arc<Files>, plan: &CutPlan) -> Result<CutReport, CutoutError> {
    let (plan, files) = (plan.clone().canonical(), Arc::clone(files));
    let mut dry = Blocking::begin(move |stopped| {
        merge(&plan, &files, (stopped, &CutProgress::default()), Target::Sample, Path::new("nowhere"))
    });
    Ok(dry.done().await?.report)
}

/// Writes beside the output and puts the whole file in its place.
fn whole(
    plan: &CutPlan,
    files: &Files,
    watched: (&AtomicBool, &CutProgress),
    output: &Path,
) -> Result<CutReport, CutoutError> {
    let failed = |source| CutoutError::File { path: output.to_owned(), source };
    let mut part = tempfile::Builder::new();
    let part = part.prefix(".spolia-").suffix(".part").permissions(everybodys()).tempfile_in(folder_of(output));
    let part = part.map_err(failed)?;
    let merged = merge(plan, files, watched, Target::File(part.reopen().map_err(failed)?), output)?;
    part.persist(output).map_err(|error| failed(error.error))?;
    Ok(merged.report)
}

/// What any new file may have; the user's umask is taken off.
fn everybodys() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}
