//! An object of a store: ranges of it, read again when that fails, and never of another version than the first.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, ClientOptions, Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
};
use spolia_hdf5_format::source::ReadAt;
use tokio::runtime::Handle;

/// Attempts at one range.
const ATTEMPTS: u32 = 9;
/// The pause before the second attempt; each next one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of the first request to an object whose size is not known.
const FIRST: u64 = 64 << 10;

/// An object of a store.
pub(crate) struct StoredObject {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// The first answer's ETag.
    etag: OnceLock<Option<String>>,
    /// What the first request has brought, where the size was not known.
    beginning: Bytes,
    handle: Handle,
}

/// The store and the key of a URL; nothing for what is no URL. What S3 wants to know (credentials, endpoint, region) is in the
/// environment, under the names of the AWS tools.
pub(super) fn parse(location: &str) -> object_store::Result<Option<(Arc<dyn ObjectStore>, Path)>> {
    let Some((scheme, rest)) = location.split_once("://") else { return Ok(None) };
    let generic = |source: Box<dyn std::error::Error + Send + Sync>| Error::Generic { store: "URL", source };
    let url = || url::Url::parse(location).map_err(|error| generic(error.into()));
    match scheme {
        "s3" | "s3a" => {
            let key = rest.split_once('/').map_or("", |(_, key)| key);
            Ok(Some((s3(location)?, Path::parse(key)?)))
        }
        "http" | "https" => {
            let url = url()?;
            if url.query().is_some() {
                return Err(generic("a URL with a query is not read piece by piece; fetch it first".into()));
            }
            let path = Path::from_url_path(url.path())?;
            let base = &url[..url::Position::BeforePath];
            let client = ClientOptions::new().with_allow_http(true).with_timeout(TIMEOUT).with_connect_timeout(CONNECT);
            let store = HttpBuilder::new().with_url(base).with_client_options(client).with_retry(retries()).build()?;
            Ok(Some((Arc::new(store), path)))
        }
        _ => Ok(None),
    }
}

/// The bucket of a URL.
///
/// # Errors
/// When it names none, or the environment contradicts itself.
pub(crate) fn s3(url: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    let option = AmazonS3ConfigKey::Client;
    let builder = AmazonS3Builder::from_env()
        .with_url(url)
        .with_config(option(ClientConfigKey::Timeout), format!("{} s", TIMEOUT.as_secs()))
        .with_config(option(ClientConfigKey::ConnectTimeout), format!("{} s", CONNECT.as_secs()));
    Ok(Arc::new(builder.with_retry(retries()).build()?))
}

/// None: this module makes attempts of its own. The library would go on in the middle of an answer that broke off, and takes what
/// comes then without looking at its range.
fn retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

impl StoredObject {
    /// Opens an object, which has so many bytes where that is known.
    pub(super) fn open(
        store: Arc<dyn ObjectStore>,
        path: Path,
        size: Option<u64>,
        handle: Handle,
    ) -> object_store::Result<Self> {
        let mut object = Self { store, path, size: 0, etag: OnceLock::new(), beginning: Bytes::new(), handle };
        match size {
            Some(size) => object.size = size,
            None => {
                let (meta, beginning) = object.handle.block_on(object.begin())?;
                (object.size, object.beginning) = (meta.size, beginning);
                object.etag = OnceLock::from(meta.e_tag);
            }
        }
        Ok(object)
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
            let etag = self.etag.get().cloned().flatten();
            // Honoured by some; the answer is compared in any case.
            let options =
                GetOptions { range: Some(GetRange::Bounded(range.clone())), if_match: etag, ..GetOptions::default() };
            let answer = self.store.get_opts(&self.path, options).await?;
            let (meta, answered) = (answer.meta.clone(), answer.range.clone());
            if meta.size != self.size {
                return Err(self.changed(format!("it has {} bytes instead of {}", meta.size, self.size)));
            }
            if *self.etag.get_or_init(|| meta.e_tag.clone()) != meta.e_tag {
                return Err(self.changed("its ETag is another one".to_owned()));
            }
            let bytes = answer.bytes().await?;
            if answered != range || bytes.len() as u64 != range.end - range.start {
                return Err(wrong(&self.path, &answered, bytes.len(), &range));
            }
            Ok(bytes)
        })
        .await
    }

    fn changed(&self, how: String) -> Error {
        let source = format!("it was changed while it was read: {how}").into();
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
