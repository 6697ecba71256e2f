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
    /// Files that cannot be read; the log has why.
    pub unreadable: usize,
    /// Files that have no index beside them; cuts read them more slowly.
    pub without_index: usize,
    /// The first thousand of those that are missing, damaged or cannot be read.
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
    Unreadable,
}

impl Verify<'_> {
    /// Reads those of `files` that fall to this one whole, and compares them with the catalogue; the leader tells what was found in all.
    ///
    /// # Errors
    /// When those who do it lose each other.
    pub async fn run(&self, files: &[ArchivedBytes]) -> Result<Option<VerifyReport>, IngestError> {
        let digests: Vec<u64> = files.iter().map(digest_of).collect();
        (self.progress)(files.iter().map(|file| file.size).sum());
        if self.team.leads() {
            let digests = digests.clone();
            ask(self.team, move |team| team.divide(Stage::Check, &digests)).await?;
        }
        share_out(self.team, Stage::Check, files.len(), async |number| {
            let (found, indexed) = self.look_at(&files[number]).await;
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
    async fn look_at(&self, file: &ArchivedBytes) -> (Found, bool) {
        let indexed = self.store.head(&StorePath::from(index_location(&file.location))).await.is_ok();
        let found = match self.sum(file).await {
            Ok(sum) if sum == (file.size, file.md5.clone()) => Found::Whole,
            Ok((size, md5)) => {
                tracing::warn!(file = file.location, size, md5, "it has another content");
                Found::Damaged
            }
            Err(object_store::Error::NotFound { .. }) => {
                tracing::warn!(file = file.location, "it is not there");
                Found::Missing
            }
            Err(error) => {
                tracing::warn!(file = file.location, %error, "it cannot be read");
                Found::Unreadable
            }
        };
        (found, indexed)
    }

    /// The bytes of a file, and their MD5.
    async fn sum(&self, file: &ArchivedBytes) -> object_store::Result<(u64, String)> {
        let bytes = self.store.get(&StorePath::from(file.location.as_str())).await?.into_stream();
        let summed = bytes.try_fold((Md5::new(), 0), async |(md5, size), bytes| {
            Ok((md5.chain_update(&bytes), size + bytes.len() as u64))
        });
        let (md5, size) = summed.await?;
        Ok((size, hex(&md5.finalize())))
    }
}

/// Whether a file was whole that this is told of.
pub fn is_whole(told: &[u64]) -> bool {
    told.first() == Some(&(Found::Whole as u64))
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
            Some(&found) if found == Found::Unreadable as u64 => {
                report.unreadable += 1;
                "it cannot be read"
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
        let wrong = self.missing + self.damaged + self.unreadable;
        let first = self.named.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
        (wrong > 0).then(|| {
            let more = if wrong > 5 { format!("; and {} more", wrong - 5) } else { String::new() };
            format!("{wrong} of {} files are not what they were when they came in: {first}{more}", self.files)
        })
    }
}
