//! One process at a time makes, starts or stops a node.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::files::failed;
use crate::{Error, Result};

/// An flock that ends with this value, or with the process. The file stays; servers don't inherit it (close-on-exec).
#[derive(Debug)]
pub(crate) struct NodeLock {
    _file: File,
}

impl NodeLock {
    /// Waits for the lock, at most `patience`.
    pub(crate) async fn take(path: &Path, node: &str, patience: Duration) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed("open", path))?;
        let begun = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if begun.elapsed() < patience => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let waited_s = patience.as_secs();
                    return Err(Error::Lock { node: node.to_owned(), path: path.to_owned(), waited_s });
                }
                Err(e) => return Err(failed("lock", path)(e.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_taker_waits_and_then_says_who_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = NodeLock::take(&path, "n1", Duration::ZERO).await.unwrap();
        let refused = NodeLock::take(&path, "n1", Duration::from_millis(50)).await.unwrap_err();
        assert!(refused.to_string().contains("n1"), "{refused}");
        drop(first);
        NodeLock::take(&path, "n1", Duration::ZERO).await.unwrap();
    }
}
