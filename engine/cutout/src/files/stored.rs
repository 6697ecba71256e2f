//! An object of a store: ranges of it, read again when that fails, and never of another version than the first.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use spolia_hdf5_format::source::ReadAt;
use tokio::runtime::Handle;

use super::web::WebFile;

/// Attempts at one range.
const ATTEMPTS: u32 = 9;
/// The pause before the second attempt; each next one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Bytes of the first request to an object whose size is not known.
const FIRST: u64 = 64 << 10;

/// How an object is reached.
pub(super) enum Way {
    /// By its key in a store.
    Store(Arc<dyn ObjectStore>, Path),
    /// By its URL.
    Web(WebFile),
}

/// What a request for a range has brought.
pub(super) struct Answer {
    /// Bytes of the whole object, and its ETag.
    pub(super) size: u64,
    pub(super) etag: Option<String>,
    /// What range the server says that it sends, and its bytes.
    pub(super) range: Range<u64>,
    pub(super) bytes: Bytes,
}

impl Way {
    /// Asks for a range, and for that version of the object, which some servers honour.
    async fn get(&self, range: Range<u64>, etag: Option<&str>) -> object_store::Result<Answer> {
        let (store, path) = match self {
            Self::Web(file) => return file.get(range, etag).await,
            Self::Store(store, path) => (store, path),
        };
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: etag.map(str::to_owned),
            ..GetOptions::default()
        };
        let answer = store.get_opts(path, options).await?;
        let (size, etag, range) = (answer.meta.size, answer.meta.e_tag.clone(), answer.range.clone());
        Ok(Answer { size, etag, range, bytes: answer.bytes().await? })
    }

    /// What errors call it.
    fn shown(&self) -> &str {
        match self {
            Self::Store(_, path) => path.as_ref(),
            Self::Web(file) => file.shown(),
        }
    }
}

/// An object of a store.
pub(crate) struct StoredObject {
    way: Way,
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
        way: Way,
        size: Option<u64>,
        etag: Option<String>,
        handle: Handle,
    ) -> object_store::Result<Self> {
        let known = etag.map_or_else(OnceLock::new, |etag| OnceLock::from(Some(etag)));
        let mut object = Self { way, size: 0, etag: known, beginning: Bytes::new(), handle };
        match size {
            Some(size) => object.size = size,
            None => {
                let answer = object.handle.block_on(object.begin())?;
                object.size = answer.size;
                object.check(&answer)?;
                object.beginning = answer.bytes;
            }
        }
        Ok(object)
    }

    /// Its ETag, once something was read of it.
    pub(super) fn etag(&self) -> Option<String> {
        self.etag.get().cloned().flatten()
    }

    /// Refuses an answer that is of another version of the object.
    fn check(&self, answer: &Answer) -> object_store::Result<()> {
        if answer.size != self.size {
            return Err(self.changed(format!("it has {} bytes instead of {}", answer.size, self.size)));
        }
        let known = self.etag.get_or_init(|| answer.etag.clone());
        if *known == answer.etag {
            return Ok(());
        }
        let shown = |etag: &Option<String>| etag.clone().unwrap_or_else(|| "none".to_owned());
        Err(self.changed(format!("its ETag is {} instead of {}", shown(&answer.etag), shown(known))))
    }

    async fn begin(&self) -> object_store::Result<Answer> {
        attempts(|| async {
            let answer = match (self.way.get(0..FIRST, None).await, &self.way) {
                // A store may have no range of an empty object.
                (Err(Error::Generic { .. }), Way::Store(store, path)) => {
                    let meta = store.head(path).await?;
                    Answer { size: meta.size, etag: meta.e_tag, range: 0..0, bytes: Bytes::new() }
                }
                (answer, _) => answer?,
            };
            let nothing = answer.bytes.is_empty() && answer.range == (0..0);
            if nothing { Ok(answer) } else { self.whole(0..answer.size.min(FIRST), answer) }
        })
        .await
    }

    async fn range(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        attempts(|| async {
            // Honoured by some; the answer is compared in any case.
            let answer = self.way.get(range.clone(), self.etag().as_deref()).await.map_err(|error| match error {
                Error::Precondition { .. } => self.changed("its ETag is another one".to_owned()),
                other => other,
            })?;
            self.check(&answer)?;
            Ok(self.whole(range.clone(), answer)?.bytes)
        })
        .await
    }

    /// The answer, if it is what was asked for.
    fn whole(&self, asked: Range<u64>, answer: Answer) -> object_store::Result<Answer> {
        let (range, length) = (&answer.range, answer.bytes.len());
        if *range == asked && length as u64 == asked.end - asked.start {
            return Ok(answer);
        }
        let path = self.way.shown();
        let fault = format!("{path}: the server answered bytes {range:?}, {length} of them, instead of {asked:?}");
        Err(Error::Generic { store: "store", source: fault.into() })
    }

    fn changed(&self, how: String) -> Error {
        let source = format!("it has changed: {how}").into();
        Error::Precondition { path: self.way.shown().to_owned(), source }
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
