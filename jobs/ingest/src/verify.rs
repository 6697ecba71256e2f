//! Fixity: whether the archive's files are still what they were when they came in.

use std::sync::Arc;

use futures::TryStreamExt;
use md5::{Digest, Md5};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as StorePath};
use serde::{Deserialize, Serialize};
use spolia_cutout::index_location;
use spolia_team::{Stage, Team};

use crate::checksum::hex;
use crate::error::IngestError;
use crate::sharing::{Did, ask, digest, share_out};

/// Files that are named in a report at most.
const MOST_NAMED: usize = 1000;

/// A file as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedBytes {
    /// Its key in the object store.
    pub location: String,
    /// MD5, 32 hexadecimal digits.
    pub md5: String,
    /// Bytes.
    pub size: u64,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Files that were looked at.
    pub files: usize,
    /// Their bytes, as the catalogue has them.
    pub bytes: u64,
    /// Files that are not in the store.
    pub missing: usize,
    /// Files that are there with another content.
    pub damaged: usize,
    /// Files that have no index beside them; cuts read them more slowly.
    pub without_index: usize,
    /// The first thousand of those that are missing or damaged.
    pub named: Vec<String>,
}

/// A store to look at, and how.
pub struct Verify<'a> {
    /// Where the files are.
    pub store: &'a Arc<dyn ObjectStore>,
    /// Those who do it together, as this one of them sees them.
    pub team: &'a Arc<dyn Team>,
    /// Told of so many bytes that are to be read in all.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Whole,
    Missing,
    Damaged,
}

impl Verify<'_> {
    /// Reads those of `files` that fall to this one whole, and compares them with the catalogue; the leader tells what was found in all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run(&self, files: &[ArchivedBytes]) -> Result<Option<VerifyReport>, IngestError> {
        let digests: Vec<u64> = files.iter().map(digest_of).collect();
        (self.progress)(files.iter().map(|file| file.size).sum());
        if self.team.leads() {
            let digests = digests.clone();
            ask(self.team, move |team| team.divide(Stage::Check, &digests)).await?;
        }
        share_out(self.team, Stage::Check, files.len(), async |number| {
            let (found, indexed) = self.look_at(&files[number]).await?;
            if found != Found::Whole {
                tracing::warn!(file = files[number].location, "is {found:?}");
            }
            Ok(Did { digest: digests[number], weight: files[number].size, told: vec![found as u64, indexed.into()] })
        })
        .await?;
        if !self.team.leads() {
            return Ok(None);
        }
        let told = ask(self.team, move |team| team.meet(Stage::Check, &digests)).await?;
        Ok(Some(report(files, &told)))
    }

    /// What is there of a file, and whether its index is.
    async fn look_at(&self, file: &ArchivedBytes) -> Result<(Found, bool), IngestError> {
        let failed = |source| IngestError::Store { path: file.location.clone().into(), source };
        let index = self.store.head(&StorePath::from(index_location(&file.location))).await;
        let indexed = there(index).map_err(failed)?.is_some();
        let got = there(self.store.get(&StorePath::from(file.location.as_str())).await).map_err(failed)?;
        let Some(got) = got else { return Ok((Found::Missing, indexed)) };
        let summed = got.into_stream().try_fold((Md5::new(), 0), async |(md5, size), bytes| {
            Ok((md5.chain_update(&bytes), size + bytes.len() as u64))
        });
        let (md5, size) = summed.await.map_err(failed)?;
        let whole = (size, hex(&md5.finalize())) == (file.size, file.md5.clone());
        Ok((if whole { Found::Whole } else { Found::Damaged }, indexed))
    }
}

/// What was asked for, if it is there.
fn there<T>(found: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match found {
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// What tells the share of a file from that of another, or of another content.
fn digest_of(file: &ArchivedBytes) -> u64 {
    digest(&[file.location.as_bytes(), file.md5.as_bytes(), &file.size.to_le_bytes()])
}

fn report(files: &[ArchivedBytes], told: &[Vec<u64>]) -> VerifyReport {
    let mut report = VerifyReport { files: files.len(), ..VerifyReport::default() };
    for (file, told) in files.iter().zip(told) {
        report.bytes += file.size;
        report.without_index += usize::from(told.get(1) == Some(&0));
        let what = match told.first() {
            Some(&found) if found == Found::Missing as u64 => {
                report.missing += 1;
                "it is not there"
            }
            Some(&found) if found == Found::Damaged as u64 => {
                report.damaged += 1;
                "it has another content"
            }
            _ => continue,
        };
        if report.named.len() < MOST_NAMED {
            report.named.push(format!("{}: {what}", file.location));
        }
    }
    report
}

impl VerifyReport {
    /// What is wrong, if anything is.
    pub fn fault(&self) -> Option<String> {
        let wrong = self.missing + self.damaged;
        let first = self.named.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
        (wrong > 0).then(|| {
            let more = if wrong > 5 { format!("; and {} more", wrong - 5) } else { String::new() };
            format!("{wrong} of {} files are not what they were when they came in: {first}{more}", self.files)
        })
    }
}
