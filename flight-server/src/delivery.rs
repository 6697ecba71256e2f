//! Sending a file: ranges, entity tags, and a line in the log that tells how much of it left.

use std::borrow::Cow;
use std::io::SeekFrom;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStore};
use spolia_exec::{ExecError, Growing};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::fault::Fault;
use crate::gate::Place;
use crate::outgoing::{Chunk, Outgoing, channel};
use crate::range::{Extent, extent};
use crate::record::Record;
use crate::service::Service;

/// Bytes read from a local file at a time.
const READ_BYTES: usize = 128 << 10;

/// Where the bytes are.
pub(crate) enum Source {
    /// An object of the store.
    Object(Arc<dyn ObjectStore>, object_store::path::Path),
    /// A file of ours, unlinked already: it is gone when it has been sent.
    Local(tokio::fs::File),
    /// A merged file that is being made.
    Growing(Growing, Arc<std::fs::File>),
    /// Nowhere: only its headers are wanted.
    Nothing,
}

/// A file to send.
pub(crate) struct Artefact {
    pub(crate) source: Source,
    /// Bytes.
    pub(crate) size: u64,
    /// Its strong entity tag, without quotes.
    pub(crate) etag: String,
    pub(crate) content_type: Cow<'static, str>,
    /// The name to save it under; letters, digits, `_`, `-`, `.` only.
    pub(crate) file_name: String,
    /// What else is said of it.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The request's side of a delivery.
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    /// Only the headers are wanted.
    pub(crate) head: bool,
}

/// Answers with the file, or the part of it that the client wants. `place` is kept until the last byte has left.
pub(crate) async fn deliver(
    service: &Service,
    asked: &Asked,
    artefact: Artefact,
    mut record: Record,
    place: Place,
) -> Result<Response<Body>, Fault> {
    let etag = format!("\"{}\"", artefact.etag);
    let (status, range) = match extent(&asked.headers, &etag, artefact.size) {
        Extent::Whole => (StatusCode::OK, 0..artefact.size),
        Extent::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Extent::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        Extent::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    describe(response.headers_mut(), &artefact, &etag, status, &range);
    if range.is_empty() || asked.head {
        record.succeed();
        return Ok(response);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        record.note("range", format!("{}-{}", range.start, range.end - 1));
    }
    let length = range.end - range.start;
    let bytes = match artefact.source.open(range).await {
        Ok(bytes) => bytes,
        Err(detail) => {
            let fault = Fault::internal("read the file", &detail);
            record.fail(&detail);
            return Err(fault);
        }
    };
    let (out, body) = channel::<Chunk>(service.stall());
    tokio::spawn(send(bytes, length, out, record, place));
    *response.body_mut() = Body::from_stream(body);
    Ok(response)
}

/// The answer to a client that has the file of that entity tag already.
pub(crate) fn unchanged(asked: &Asked, etag: &str) -> Option<Response<Body>> {
    let quoted = format!("\"{etag}\"");
    (extent(&asked.headers, &quoted, 0) == Extent::NotModified).then(|| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().extend(HeaderValue::try_from(quoted).map(|tag| (header::ETAG, tag)));
        response
    })
}

fn describe(headers: &mut HeaderMap, artefact: &Artefact, etag: &str, status: StatusCode, range: &Range<u64>) {
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, etag.to_owned());
    set(header::ACCEPT_RANGES, "bytes".to_owned());
    match status {
        StatusCode::RANGE_NOT_SATISFIABLE => set(header::CONTENT_RANGE, format!("bytes */{}", artefact.size)),
        StatusCode::NOT_MODIFIED => {}
        status => {
            set(header::CONTENT_LENGTH, (range.end - range.start).to_string());
            set(header::CONTENT_TYPE, artefact.content_type.to_string());
            set(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", artefact.file_name));
            if status == StatusCode::PARTIAL_CONTENT {
                let last = range.end.saturating_sub(1);
                set(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", range.start, artefact.size));
            }
        }
    }
    headers.extend(artefact.headers.iter().cloned());
}

impl Source {
    /// The bytes of a range.
    async fn open(self, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes, String>>, String> {
        match self {
            Source::Object(store, path) => {
                let options = GetOptions::new().with_range(Some(GetRange::Bounded(range)));
                let found = store.get_opts(&path, options).await.map_err(|error| error.to_string())?;
                Ok(found.into_stream().map_err(|error| error.to_string()).boxed())
            }
            Source::Local(mut file) => {
                file.seek(SeekFrom::Start(range.start)).await.map_err(|error| error.to_string())?;
                let part = file.take(range.end - range.start);
                Ok(ReaderStream::with_capacity(part, READ_BYTES).map_err(|error| error.to_string()).boxed())
            }
            Source::Growing(growing, file) => Ok(grown(growing, file, range).boxed()),
            Source::Nothing => Ok(futures::stream::empty().boxed()),
        }
    }
}

/// The bytes of a range of a file that is being made, as they come.
fn grown(
    growing: Growing,
    file: Arc<std::fs::File>,
    range: Range<u64>,
) -> impl futures::Stream<Item = Result<Bytes, String>> + Send {
    futures::stream::try_unfold((growing, file, range), |(mut growing, file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let there = growing.more_than(range.start).await.map_err(|error| ExecError::from(error).message())?;
        let end = there.min(range.end).min(range.start + READ_BYTES as u64);
        let (read, length) = (Arc::clone(&file), (end - range.start) as usize);
        let bytes = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            read.read_exact_at(&mut bytes, range.start).map(|()| Bytes::from(bytes))
        });
        let bytes = bytes.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(Some((bytes, (growing, file, end..range.end))))
    })
}

/// Sends `length` bytes. The log has its line before the client has the last of them.
async fn send(
    mut bytes: BoxStream<'static, Result<Bytes, String>>,
    length: u64,
    out: Outgoing<Chunk>,
    mut record: Record,
    _place: Place,
) {
    let mut left = length;
    while let Some(chunk) = bytes.next().await {
        let chunk = match chunk {
            Ok(chunk) if chunk.len() as u64 <= left => chunk,
            Ok(_) => return fail(out, record, "the file is longer than the catalogue has it".to_owned()).await,
            Err(detail) => return fail(out, record, detail).await,
        };
        left -= chunk.len() as u64;
        record.add_bytes(chunk.len());
        if left == 0 {
            record.succeed();
            // Nothing is left to do for a client that has gone by now.
            let _ = out.send(Ok(chunk)).await;
            return;
        }
        if out.send(Ok(chunk)).await.is_err() {
            return;
        }
    }
    fail(out, record, "the file is shorter than the catalogue has it".to_owned()).await;
}

async fn fail(out: Outgoing<Chunk>, record: Record, detail: String) {
    tracing::error!(detail, "a file could not be sent");
    record.fail(&detail);
    let _ = out.send(Err(std::io::Error::other(detail))).await;
}
