//! The files of a plan: their bytes and their indexes, from a folder, an object store, or anywhere.

mod address;
mod stored;
mod web;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::path::Path as StorePath;
use rayon::{ThreadPool, ThreadPoolBuilder};
use spolia_hdf5_format::source::{LocalFile, Paged, ReadAt};
use spolia_hdf5_format::{Bounds, Reader};

use crate::error::CutoutError;
use crate::index::index_location;
use crate::index::sidecar::{Sidecar, SidecarError};
use crate::memory::Memory;
use crate::plan::CutFile;
pub use address::S3Access;
pub(crate) use address::public;
use stored::{StoredObject, Way};

/// Files and indexes that are kept open.
const MOST_OPEN: usize = 256;
/// Files whose ETags are known though they are not open.
const MOST_CLOSED: usize = 1 << 20;
/// Bytes of a page of an index that is far away, and how many are kept.
const INDEX_PAGE: usize = 64 << 10;
const INDEX_PAGES: usize = 16;
/// Requests to a store at the same time.
const REQUESTS: usize = 128;

/// Where files are, with those that are open. One of them serves many cuts.
pub struct Files {
    place: Place,
    open: Mutex<HashMap<String, Arc<Source>>>,
    /// ETags of files that were open.
    closed: Mutex<HashMap<String, String>>,
    sidecars: Mutex<HashMap<String, Arc<Sidecar>>>,
    /// Threads that wait for a store.
    waiting: Option<ThreadPool>,
    memory: Memory,
}

enum Place {
    Folder(PathBuf),
    Store(Arc<dyn ObjectStore>, tokio::runtime::Handle),
    Anywhere(tokio::runtime::Handle),
}

/// A file's bytes.
pub(crate) enum Source {
    Local(LocalFile),
    Stored(StoredObject),
}

impl Source {
    /// What tells its versions apart in a store, once something was read of it.
    pub(crate) fn etag(&self) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::Stored(object) => object.etag(),
        }
    }
}

impl ReadAt for Source {
    fn size(&self) -> u64 {
        match self {
            Self::Local(file) => file.size(),
            Self::Stored(object) => object.size(),
        }
    }

    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Bytes> {
        match self {
            Self::Local(file) => file.read_at(offset, length),
            Self::Stored(object) => object.read_at(offset, length),
        }
    }

    fn read_into(&self, offset: u64, place: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::Local(file) => file.read_into(offset, place),
            Self::Stored(object) => object.read_into(offset, place),
        }
    }
}

impl Files {
    /// Files of a folder; locations are paths below it.
    #[must_use]
    pub fn folder(root: &Path) -> Self {
        Self::new(Place::Folder(root.to_owned()), None)
    }

    /// Objects of a store; locations are their keys. To be called in a Tokio runtime, which must outlive it.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn store(store: Arc<dyn ObjectStore>) -> Result<Self, CutoutError> {
        Ok(Self::new(Place::Store(store, tokio::runtime::Handle::current()), Some(threads()?)))
    }

    /// Files anywhere: these locations are local paths, or URLs (`s3://`, `http://`, `https://`) whose credentials are in the
    /// environment. To be called in a Tokio runtime, which must outlive it.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn anywhere(locations: &[String]) -> Result<Self, CutoutError> {
        let far = locations.iter().any(|location| location.contains("://"));
        let waiting = far.then(threads).transpose()?;
        Ok(Self::new(Place::Anywhere(tokio::runtime::Handle::current()), waiting))
    }

    fn new(place: Place, waiting: Option<ThreadPool>) -> Self {
        Self {
            place,
            open: Mutex::default(),
            closed: Mutex::default(),
            sidecars: Mutex::default(),
            waiting,
            memory: Memory::default(),
        }
    }

    /// The same files, for cuts that take about so many bytes of memory each instead of 2 GiB.
    ///
    /// # Errors
    /// When these are less than 64 MiB.
    pub fn within_memory(self, bytes: u64) -> Result<Self, CutoutError> {
        let too_few = || {
            let (given, least) = (bytes >> 20, Memory::LEAST >> 20);
            CutoutError::Refused(format!("a cut cannot do with {given} MiB of memory; give it {least} or more"))
        };
        Ok(Self { memory: Memory::new(bytes).ok_or_else(too_few)?, ..self })
    }

    /// How much memory a cut may take.
    pub(crate) fn memory(&self) -> Memory {
        self.memory
    }

    /// Runs something on the threads that reading these files wants: those of the machine, or many that wait.
    pub(crate) fn install<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        match &self.waiting {
            Some(threads) => threads.install(run),
            None => run(),
        }
    }

    /// Whether a request costs so much that bytes between two ranges are better read along.
    pub(crate) fn is_far(&self) -> bool {
        self.waiting.is_some()
    }

    /// A file's bytes.
    pub(crate) fn source(&self, file: &CutFile) -> Result<Arc<Source>, CutoutError> {
        if let Some(source) = lock(&self.open).get(&file.location) {
            return Ok(Arc::clone(source));
        }
        let etag = self.is_far().then(|| self.expected_etag(file)).flatten();
        let source = Arc::new(self.opened(&file.location, (file.size > 0).then_some(file.size), etag)?);
        let closed = keep(&self.open, &file.location, &source);
        let etags = closed.into_iter().filter_map(|(location, source)| Some((location, source.etag()?)));
        let mut closed = lock(&self.closed);
        if closed.len() > MOST_CLOSED {
            closed.clear();
        }
        closed.extend(etags);
        Ok(source)
    }

    /// The ETag of a file, if it has one and was read.
    pub(crate) fn etag(&self, file: &CutFile) -> Option<String> {
        let read = lock(&self.open).get(&file.location).and_then(|source| source.etag());
        read.or_else(|| self.is_far().then(|| self.expected_etag(file))?)
    }

    /// The ETag that a file has to have.
    fn expected_etag(&self, file: &CutFile) -> Option<String> {
        let read = || lock(&self.closed).get(&file.location).cloned();
        file.etag.clone().or_else(read).or_else(|| self.sidecar(file)?.etag())
    }

    /// Opens a file anew next time: what is known of it may be wrong.
    pub(crate) fn forget(&self, file: &CutFile) {
        lock(&self.open).remove(&file.location);
        lock(&self.closed).remove(&file.location);
        lock(&self.sidecars).remove(&index_location(&file.location));
    }

    /// The bytes of what is at a location.
    pub(crate) fn at(&self, location: &str) -> Result<Arc<Source>, CutoutError> {
        self.opened(location, None, None).map(Arc::new)
    }

    /// Opens what is at a location, which has so many bytes and that ETag where these are known.
    fn opened(&self, location: &str, size: Option<u64>, etag: Option<String>) -> Result<Source, CutoutError> {
        let fetching = |source| CutoutError::Fetch { location: public(location).to_owned(), source };
        let (way, handle) = match &self.place {
            Place::Folder(root) => return local(&root.join(location), size),
            Place::Store(store, handle) => (Way::Store(Arc::clone(store), StorePath::from(location)), handle),
            Place::Anywhere(handle) => match address::parse(location).map_err(fetching)? {
                Some(way) => (way, handle),
                None => return local(Path::new(location), size),
            },
        };
        StoredObject::open(way, size, etag, handle.clone()).map(Source::Stored).map_err(fetching)
    }

    /// A file as HDF5, one of so many that are open at the same time.
    pub(crate) fn reader(&self, file: &CutFile, open: usize) -> Result<Reader, CutoutError> {
        let (page, pages) = self.memory.pages(open, self.is_far());
        let reader = Reader::open(Paged::new(self.source(file)?, page, pages), Bounds::default());
        reader.map_err(|source| CutoutError::Hdf5 { file: public(&file.location).to_owned(), source })
    }

    /// A file's index, where there is one that can be used. Files anywhere have none.
    pub(crate) fn sidecar(&self, file: &CutFile) -> Option<Arc<Sidecar>> {
        if matches!(self.place, Place::Anywhere(_)) {
            return None;
        }
        let location = index_location(&file.location);
        let known = lock(&self.sidecars).get(&location).map(Arc::clone);
        if let Some(sidecar) = known.filter(|sidecar| sidecar.is_of(file.size, &file.checksum)) {
            return Some(sidecar);
        }
        let opened = match self.opened(&location, None, None).ok()? {
            Source::Local(index) => Sidecar::open(index, file.size, &file.checksum),
            index => Sidecar::open(Paged::new(index, INDEX_PAGE, INDEX_PAGES), file.size, &file.checksum),
        };
        let sidecar = Arc::new(opened.inspect_err(|error| unusable(file, error)).ok()?);
        keep(&self.sidecars, &location, &sidecar);
        Some(sidecar)
    }
}

fn threads() -> Result<ThreadPool, CutoutError> {
    let threads =
        ThreadPoolBuilder::new().num_threads(REQUESTS).thread_name(|number| format!("store-{number}")).build();
    threads.map_err(|error| CutoutError::Refused(format!("threads cannot be started: {error}")))
}

fn local(path: &Path, size: Option<u64>) -> Result<Source, CutoutError> {
    let failed = |source| CutoutError::File { path: path.to_owned(), source };
    let file = LocalFile::open(path).map_err(failed)?;
    match size.filter(|size| *size != file.size()) {
        None => Ok(Source::Local(file)),
        Some(size) => Err(failed(std::io::Error::other(format!(
            "it has {} bytes instead of {size}: it has changed",
            file.size()
        )))),
    }
}

/// What is behind a lock is whole after any panic: single insertions.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keeps a value; returns those that had to give way.
fn keep<T>(kept: &Mutex<HashMap<String, Arc<T>>>, location: &str, value: &Arc<T>) -> HashMap<String, Arc<T>> {
    let mut kept = lock(kept);
    let before = if kept.len() >= MOST_OPEN { std::mem::take(&mut *kept) } else { HashMap::new() };
    kept.insert(location.to_owned(), Arc::clone(value));
    before
}

/// Says that an index is not used; the cut goes on with the file itself.
pub(crate) fn unusable(file: &CutFile, error: &SidecarError) {
    tracing::warn!(file = file.location, %error, "the index of a file is not used");
}
