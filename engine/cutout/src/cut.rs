//! Making the merged file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;

use crate::error::CutoutError;
use crate::files::Files;
use crate::merge::merge;
use crate::plan::{CutFile, CutPlan, CutReport};

/// Cuts the planned objects out of their files and merges them into `output`, which appears whole or not at all.
///
/// Objects keep their own name, structure, types, attributes and values: those with a group of their own lie in
/// `/<file name>/<object>`, for names repeat across files; rows of tables lie in `/<class>/<column>`, in the order of files
/// and rows. `/provenance` tells which object came from where. `root` is the store's folder where it has one; files of
/// other stores are fetched whole. Dropped, it stops at the next file.
///
/// # Errors
/// When a file cannot be read, has not the object, or is not of the form of the others; nothing is left behind then.
pub async fn cut(
    store: &Arc<dyn ObjectStore>,
    root: Option<&Path>,
    plan: &CutPlan,
    output: &Path,
) -> Result<CutReport, CutoutError> {
    let plan = plan.clone().canonical();
    let fetched = match root {
        Some(_) => None,
        None => Some(fetch_all(store, &plan.files).await?),
    };
    let folder = fetched.as_ref().map(|folder| folder.path()).or(root).unwrap_or(Path::new(""));
    let files = Files::new(folder.to_owned());
    let stop = StopOnDrop::default();
    let (stopped, output) = (Arc::clone(&stop.0), output.to_owned());
    let work = move || whole(&plan, &files, &stopped, &output);
    // Reading, copying and writing block; the pool of threads for that is bounded by the places of the doors.
    let made = tokio::task::spawn_blocking(work).await;
    made.map_err(|error| CutoutError::Refused(format!("the cut broke off: {error}")))?
}

/// Tells the work that nobody waits for it any more.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes beside the output and puts the whole file in its place.
fn whole(plan: &CutPlan, files: &Files, stopped: &AtomicBool, output: &Path) -> Result<CutReport, CutoutError> {
    let failed = |source| CutoutError::File { path: output.to_owned(), source };
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part =
        tempfile::Builder::new().prefix(".spolia-").suffix(".part").permissions(everybodys()).tempfile_in(folder);
    let part = part.map_err(failed)?;
    let report = merge(plan, files, stopped, part.reopen().map_err(failed)?, output)?;
    part.persist(output).map_err(|error| failed(error.error))?;
    Ok(report)
}

/// What any new file may have; the user's umask is taken off.
fn everybodys() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// Fetches files whole, and their indexes, into a folder of the store's shape.
async fn fetch_all(store: &Arc<dyn ObjectStore>, files: &[CutFile]) -> Result<tempfile::TempDir, CutoutError> {
    let failed = |source| CutoutError::File { path: std::env::temp_dir(), source };
    let folder = tempfile::tempdir().map_err(failed)?;
    for file in files {
        let path = folder.path().join(&file.location);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        fetch(store, &file.location, &path).await?;
    }
    Ok(folder)
}

async fn fetch(store: &Arc<dyn ObjectStore>, location: &str, path: &Path) -> Result<(), CutoutError> {
    let failed = |source| CutoutError::Fetch { location: location.to_owned(), source };
    let unwritten = |source| CutoutError::File { path: path.to_owned(), source };
    let mut stream = store.get(&location.into()).await.map_err(failed)?.into_stream();
    let mut file = tokio::fs::File::create(path).await.map_err(unwritten)?;
    while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
        file.write_all(&bytes.map_err(failed)?).await.map_err(unwritten)?;
    }
    file.flush().await.map_err(unwritten)
}
