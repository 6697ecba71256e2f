//! An object of a store: ranges of it, read again when that fails, and never of another version than the first.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use spolia_hdf5_format::source::ReadAt;
use tokio::runtime::Handle;

/// Attempts at one range.
const ATTEMPTS: u32 = 9;
/// The pause before the second attempt; each next one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Bytes of the first request to an object whose size is not known.
const FIRST: u64 = 64 << 10;

/// An object of a store.
pub(crate) struct StoredObject {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// The ETag that it must have: the one it was known by before, or the first answer's.
    etag: OnceLock<Option<String>>,
    /// What the first request has brought, where the size was not known.
    beginning: Bytes,
    handle: Handle,
}

impl StoredObject {
    /// Opens an object, which has so many bytes and that ETag where these are known.
    pub(super) fn open(
        store: Arc<dyn ObjectStore>,
        path: Path,
        size: Option<u64>,
        etag: Option<String>,
        handle: Handle,
    ) -> object_store::Result<Self> {
        let known = etag.map_or_else(OnceLock::new, |etag| OnceLock::from(Some(etag)));
        let mut object = Self { store, path, size: 0, etag: known, beginning: Bytes::new(), handle };
        match size {
            Some(size) => object.size = size,
            None => {
                let (meta, beginning) = object.handle.block_on(object.begin())?;
                (object.size, object.beginning) = (meta.size, beginning);
                object.check(&meta)?;
            }
        }
        Ok(object)
    }

    /// Its ETag, once something was read of it.
    pub(super) fn etag(&self) -> Option<String> {
        self.etag.get().cloned().flatten()
    }

    /// Refuses an answer that is of another version of the object.
    fn check(&self, meta: &ObjectMeta) -> object_store::Result<()> {
        if meta.size != self.size {
            return Err(self.changed(format!("it has {} bytes instead of {}", meta.size, self.size)));
        }
        let known = self.etag.get_or_init(|| meta.e_tag.clone());
        if *known == meta.e_tag {
            return Ok(());
        }
        let shown = |etag: &Option<String>| etag.clone().unwrap_or_else(|| "none".to_owned());
        Err(self.changed(format!("its ETag is {} instead of {}", shown(&meta.e_tag), shown(known))))
    }

    async fn begin(&self) -> object_store::Result<(ObjectMeta, Bytes)> {
        attempts(|| async {
            let options = GetOptions { range: Some(GetRange::Bounded(0..FIRST)), ..GetOptions::default() };
            let answer = match self.store.get_opts(&self.path, options).await {
                // A server may have no range of an empty object.
                Err(Error::Generic { .. }) => return Ok((self.store.head(&self.path).await?, Bytes::new())),
                answer => answer?,
            };
            let (meta, answered) = (answer.meta.clone(), answer.range.clone());
            let (bytes, expected) = (answer.bytes().await?, 0..meta.size.min(FIRST));
            if answered != expected || bytes.len() as u64 != expected.end {
                return Err(wrong(&self.path, &answered, bytes.len(), &expected));
            }
            Ok((meta, bytes))
        })
        .await
    }

    async fn range(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        attempts(|| async {
            // Honoured by some; the answer is compared in any case.
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: self.etag(),
                ..GetOptions::default()
            };
            let answer = self.store.get_opts(&self.path, options).await.map_err(|error| match error {
                Error::Precondition { .. } => self.changed("its ETag is another one".to_owned()),
                other => other,
            })?;
            let (meta, answered) = (answer.meta.clone(), answer.range.clone());
            self.check(&meta)?;
            let bytes = answer.bytes().await?;
            if answered != range || bytes.len() as u64 != range.end - range.start {
                return Err(wrong(&self.path, &answered, bytes.len(), &range));
            }
            Ok(bytes)
        })
        .await
    }

    fn changed(&self, how: String) -> Error {
        let source = format!("it has changed: {how}").into();
        Error::Precondition { path: self.path.to_string(), source }
    }
}

impl ReadAt for StoredObject {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if end <= self.beginning.len() as u64 {
            return Ok(self.beginning.slice(offset as usize..end as usize));
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        self.handle.block_on(self.range(offset..end)).map_err(io::Error::other)
    }
}

fn wrong(path: &Path, answered: &Range<u64>, length: usize, asked: &Range<u64>) -> Error {
    let fault = format!("{path}: the server answered bytes {answered:?}, {length} of them, instead of {asked:?}");
    Error::Generic { store: "store", source: fault.into() }
}

/// Tries again, after a pause, what a server or the way to it may have spoilt.
async fn attempts<T, F: Future<Output = object_store::Result<T>>>(
    mut attempt: impl FnMut() -> F,
) -> object_store::Result<T> {
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(Error::Generic { source, .. }) => tracing::debug!(%source, "asking a store again"),
            answer => return answer,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    attempt().await
}
