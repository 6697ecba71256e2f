//! Making the merged file.

use std::path::Path;
use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::child::{ChildSettings, complaint, verdict};
use crate::error::CutoutError;
use crate::plan::{CutPlan, CutReport};

/// Cuts the planned objects out of their files and merges them into `output`, which appears whole or not at all.
///
/// Objects keep their own name, structure, types, attributes and values: those with a group of their own lie in
/// `/<file name>/<object>`, for names repeat across files; rows of tables lie in `/<class>/<column>`, in the order of files
/// and rows. `/provenance` tells which object came from where. `root` is the store's folder where it has one; files of
/// other stores are fetched whole.
///
/// # Errors
/// When a file cannot be read, has not the object, or is not of the form of the others; nothing is left behind then.
pub async fn cut(
    store: &Arc<dyn ObjectStore>,
    root: Option<&Path>,
    plan: &CutPlan,
    output: &Path,
    child: &ChildSettings,
) -> Result<CutReport, CutoutError> {
    let fetched = tempfile::tempdir()?;
    let mut local = plan.clone().canonical();
    for (i, file) in local.files.iter_mut().enumerate() {
        let path = match root {
            Some(root) => root.join(&file.location),
            None => {
                let path = fetched.path().join(i.to_string());
                fetch(store, &file.location, &path).await?;
                path
            }
        };
        file.location = path.to_string_lossy().into_owned();
    }
    let part = output.with_extension("h5.part");
    let made =
        timeout(child.timeout(), run(&local, &part, child)).await.unwrap_or(Err(CutoutError::Timeout(child.timeout_s)));
    match made {
        Ok(report) => {
            tokio::fs::rename(&part, output).await?;
            Ok(report)
        }
        Err(error) => {
            // It may not even have been begun.
            let _ = tokio::fs::remove_file(&part).await;
            Err(error)
        }
    }
}

async fn run(plan: &CutPlan, part: &Path, child: &ChildSettings) -> Result<CutReport, CutoutError> {
    let mut process = child.start(&[Path::new("cut"), Path::new("--output"), part], plan).await?;
    let complaint = tokio::spawn(complaint(process.stderr.take()));
    let mut answer = Vec::new();
    if let Some(mut stdout) = process.stdout.take() {
        stdout.read_to_end(&mut answer).await?;
    }
    let status = process.wait().await?;
    verdict(status, &complaint.await.unwrap_or_default())?;
    Ok(serde_json::from_slice(&answer)?)
}

async fn fetch(store: &Arc<dyn ObjectStore>, location: &str, path: &Path) -> Result<(), CutoutError> {
    let failed = |source| CutoutError::Fetch { location: location.to_owned(), source };
    let mut stream = store.get(&location.into()).await.map_err(failed)?.into_stream();
    let mut file = tokio::fs::File::create(path).await?;
    while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
        file.write_all(&bytes.map_err(failed)?).await?;
    }
    Ok(file.flush().await?)
}
