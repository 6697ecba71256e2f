//! A query's answer as an HTTP response: rows are encoded and sent as they come from the nodes.

use arrow::array::RecordBatch;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use futures::StreamExt;
use spolia_exec::{ExecError, QueryAnswer, QueryRequest};
use spolia_formats::Format;
use tokio::fs::File;
use tokio::io::AsyncSeekExt;
use tokio::sync::oneshot;
use tokio_util::io::ReaderStream;

use crate::door::Door;
use crate::fault::Fault;
use crate::gate::Place;
use crate::outgoing::{Chunk, channel};
use crate::pump::{Held, Poured, Pump, Released, Sink, Spool};
use crate::record::Record;
use crate::service::Service;
use crate::writer::Writer;

/// Bytes read from a file at a time.
const READ_BYTES: usize = 128 << 10;
/// The epoch of the archive that was read.
pub(crate) const EPOCH_HEADER: HeaderName = HeaderName::from_static("x-spolia-epoch");
/// The rows that an answer may have; one of just as many may have been cut off.
const MAXREC_HEADER: HeaderName = HeaderName::from_static("x-spolia-maxrec");

/// What a page of rows may do: look as it says itself, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Whether the answer is cut off at its maxrec; not there where that is not known yet, or told in the answer itself.
const OVERFLOW_HEADER: HeaderName = HeaderName::from_static("x-spolia-overflow");

/// Tells whether there would have been more rows.
pub(crate) fn overflow_header(overflow: bool) -> (HeaderName, HeaderValue) {
    (OVERFLOW_HEADER, HeaderValue::from_static(if overflow { "true" } else { "false" }))
}

/// A query and how it wants to be answered.
pub(crate) struct Ask {
    pub(crate) door: Door,
    pub(crate) request: QueryRequest,
    /// Rows at most.
    pub(crate) maxrec: usize,
    pub(crate) format: Format,
    pub(crate) content_type: HeaderValue,
    /// Only the headers are wanted.
    pub(crate) head: bool,
}

/// A query whose first rows are there.
struct Begun {
    answer: QueryAnswer,
    first: Option<RecordBatch>,
    writer: Writer,
}

impl Begun {
    async fn new(service: &Service, ask: &Ask, record: &mut Record) -> Result<Self, Fault> {
        let mut answer = service.archive.query(&ask.request).await?;
        record.note("epoch", answer.epoch);
        record.note("plan_ms", record.elapsed_ms());
        let writer = Writer::new(service, ask, &answer)?;
        let first = match ask.maxrec == 0 || ask.head {
            true => None,
            false => answer.next().await.transpose().map_err(ExecError::from)?,
        };
        record.note("first_rows_ms", record.elapsed_ms());
        Ok(Self { answer, first, writer })
    }

    /// Everything into a sink; `place` is free again after that.
    async fn pour(self, ask: &Ask, sink: Sink, record: Record, place: Option<Place>) -> Result<Poured, Fault> {
        let pump = Pump { answer: self.answer, maxrec: ask.maxrec, sink, record, _place: place };
        pump.run(self.first, self.writer).await
    }
}

/// The answer to a query as a file, `most` bytes at most.
///
/// # Errors
/// [`Fault`] for what failed; what is in the file then is worth nothing.
pub(crate) async fn answer_into(
    service: &Service,
    ask: &Ask,
    mut record: Record,
    file: File,
    most: u64,
) -> Result<Poured, Fault> {
    note(ask, &mut record);
    match Begun::new(service, ask, &mut record).await {
        Ok(begun) => begun.pour(ask, Sink::File(Spool::new(file, most)), record, None).await,
        Err(fault) => {
            record.fail(&fault.message);
            Err(fault)
        }
    }
}

/// Answers a query. What fails before the first rows are there has a status of its own; what fails later is told in the
/// document, or breaks the transfer where the format has no place for it.
///
/// # Errors
/// [`Fault`] for what fails before the first rows.
pub(crate) async fn answer(service: &Service, ask: Ask, mut record: Record) -> Result<Response<Body>, Fault> {
    note(&ask, &mut record);
    let begun = async {
        let gate = if ask.format.streams() { &service.queries } else { &service.cuts };
        let place = gate.enter().await?;
        Ok((Begun::new(service, &ask, &mut record).await?, place))
    };
    match begun.await {
        Ok((begun, place)) => respond(service, ask, begun, record, place).await,
        Err::<_, Fault>(fault) => {
            record.fail(&fault.message);
            Err(fault)
        }
    }
}

fn note(ask: &Ask, record: &mut Record) {
    record.note("client", ask.request.links.client_id.as_str());
    record.note("format", ask.format.name());
}

async fn respond(
    service: &Service,
    ask: Ask,
    begun: Begun,
    record: Record,
    place: Place,
) -> Result<Response<Body>, Fault> {
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), &ask, begun.answer.epoch);
    if ask.head {
        // Of unknown length, as it would be with its rows.
        *response.body_mut() = Body::from_stream(futures::stream::empty::<Chunk>());
        record.succeed();
    } else if ask.format.streams() && !ask.format.reports_status() {
        held(service, ask, begun, record, place, &mut response).await?;
    } else if ask.format.streams() {
        let (out, body) = channel::<Chunk>(service.stall());
        tokio::spawn(async move { begun.pour(&ask, Sink::Client(out), record, Some(place)).await });
        *response.body_mut() = Body::from_stream(body);
    } else {
        *response.body_mut() = spooled(service, &ask, begun, record, place).await?;
    }
    Ok(response)
}

/// A format that begins with what is known at the end only: written into a file that nobody else sees, and sent from there.
async fn spooled(service: &Service, ask: &Ask, begun: Begun, record: Record, place: Place) -> Result<Body, Fault> {
    let failed = |error: std::io::Error| Fault::internal("write the result", &error);
    let file = tempfile::tempfile_in(service.spool.as_path()).map_err(failed)?;
    let mut sent = File::from_std(file.try_clone().map_err(failed)?);
    let most = service.result_bytes();
    begun.pour(ask, Sink::File(Spool::new(File::from_std(file), most)), record, Some(place)).await?;
    sent.rewind().await.map_err(failed)?;
    Ok(Body::from_stream(ReaderStream::with_capacity(sent, READ_BYTES)))
}

/// A format that cannot tell how it ends: what fails, and whether there would have been more rows, is told before it, unless it is longer
/// than what is held back.
async fn held(
    service: &Service,
    ask: Ask,
    begun: Begun,
    record: Record,
    place: Place,
    response: &mut Response<Body>,
) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::internal("write the result", &error);
    let file = File::from_std(tempfile::tempfile_in(service.spool.as_path()).map_err(failed)?);
    let most = match ask.format {
        // Its beginning tells.
        Format::Ecsv => service.result_bytes(),
        _ => (service.settings.held_mb as u64) << 20,
    };
    let (sender, receiver) = oneshot::channel();
    let sink = Sink::Held(Held { spool: Spool::new(file, most), stall: service.stall(), released: sender });
    let poured = tokio::spawn(async move { begun.pour(&ask, sink, record, Some(place)).await });
    match receiver.await {
        Ok(Released::Whole { file, bytes, overflow }) => {
            response.headers_mut().extend([overflow_header(overflow)]);
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
            *response.body_mut() = Body::from_stream(ReaderStream::with_capacity(file, READ_BYTES));
        }
        Ok(Released::Beginning { file, rest }) => {
            let beginning = ReaderStream::with_capacity(file, READ_BYTES);
            *response.body_mut() = Body::from_stream(beginning.chain(rest));
        }
        Err(_) => {
            let poured = poured.await.map_err(|error| Fault::internal("answer the query", &error))?;
            return Err(poured.err().unwrap_or_else(|| Fault::internal("answer the query", &"it ended early")));
        }
    }
    Ok(())
}

fn describe(headers: &mut HeaderMap, ask: &Ask, epoch: i64) {
    headers.insert(header::CONTENT_TYPE, ask.content_type.clone());
    headers.insert(EPOCH_HEADER, HeaderValue::from(epoch));
    headers.insert(MAXREC_HEADER, HeaderValue::from(ask.maxrec));
    if ask.format == Format::Html {
        // What stands in the archive must not act in a reader's browser.
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let disposition = format!("inline; filename=\"result.{}\"", ask.format.extension());
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
}
