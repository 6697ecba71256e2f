//! A query's answer as an HTTP response: rows are encoded and sent as they come from the nodes.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, header};
use bytes::Bytes;
use futures::StreamExt;
use spolia_exec::{ExecError, QueryAnswer, QueryRequest};
use spolia_formats::{Datatype, Encoder, Format, FormatError, Param, ResultInfo, ServiceDescriptor, Status};

use crate::datalink::{LINKS_CONTENT_TYPE, LINKS_STANDARD};
use crate::door::Door;
use crate::fault::Fault;
use crate::gate::Place;
use crate::outgoing::{Chunk, Gone, Outgoing, channel};
use crate::record::Record;
use crate::service::Service;

/// Rows encoded at a time, so that no task holds its thread for long.
const ROWS_AT_ONCE: usize = 1024;
/// Bytes collected before they are sent, within one batch of rows.
const SEND_BYTES: usize = 64 << 10;
/// The epoch of the archive that was read.
pub(crate) const EPOCH_HEADER: HeaderName = HeaderName::from_static("x-spolia-epoch");
/// The rows that an answer may have; one of just as many may have been cut off.
const MAXREC_HEADER: HeaderName = HeaderName::from_static("x-spolia-maxrec");

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

/// Answers a query. What fails before the first rows are there has a status of its own; what fails later is told in the
/// document, or breaks the transfer where the format has no place for it.
///
/// # Errors
/// [`Fault`] for what fails before the first rows.
pub(crate) async fn answer(service: &Service, ask: Ask, mut record: Record) -> Result<Response<Body>, Fault> {
    record.note("client", ask.request.links.client_id.as_str());
    record.note("format", ask.format.name());
    match begin(service, &ask, &mut record).await {
        Ok(begun) => begun.respond(service, ask, record).await,
        Err(fault) => {
            record.fail(&fault.message);
            Err(fault)
        }
    }
}

/// A query whose first rows are there.
struct Begun {
    answer: QueryAnswer,
    first: Option<RecordBatch>,
    writer: Writer,
    place: Place,
}

async fn begin(service: &Service, ask: &Ask, record: &mut Record) -> Result<Begun, Fault> {
    let gate = if ask.format.streams() { &service.queries } else { &service.cuts };
    let place = gate.enter().await?;
    let mut answer = service.archive.query(&ask.request).await?;
    record.note("epoch", answer.epoch);
    record.note("plan_ms", record.elapsed_ms());
    let writer = Writer::new(service, ask, &answer)?;
    let first = match ask.maxrec == 0 || ask.head {
        true => None,
        false => answer.next().await.transpose().map_err(ExecError::from)?,
    };
    record.note("first_rows_ms", record.elapsed_ms());
    Ok(Begun { answer, first, writer, place })
}

impl Begun {
    async fn respond(self, service: &Service, ask: Ask, record: Record) -> Result<Response<Body>, Fault> {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, ask.content_type.clone());
        headers.insert(EPOCH_HEADER, HeaderValue::from(self.answer.epoch));
        headers.insert(MAXREC_HEADER, HeaderValue::from(ask.maxrec));
        let disposition = format!("inline; filename=\"result.{}\"", ask.format.extension());
        if let Ok(disposition) = HeaderValue::try_from(disposition) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        if ask.head {
            // Of unknown length, as it would be with its rows.
            *response.body_mut() = Body::from_stream(futures::stream::empty::<Chunk>());
            record.succeed();
            return Ok(response);
        }
        let sink = if ask.format.streams() {
            let (out, body) = channel::<Chunk>(service.stall());
            *response.body_mut() = Body::from_stream(body);
            Sink::Client(out)
        } else {
            Sink::Whole(Vec::new())
        };
        let pump = Pump { answer: self.answer, maxrec: ask.maxrec, sink, record, _place: self.place };
        if ask.format.streams() {
            tokio::spawn(pump.run(self.first, self.writer));
        } else {
            *response.body_mut() = Body::from(pump.run(self.first, self.writer).await?);
        }
        Ok(response)
    }
}

/// Where encoded bytes go.
enum Sink {
    Client(Outgoing<Chunk>),
    /// Kept until the last row is there: the format begins with their number.
    Whole(Vec<u8>),
}

/// Reads rows, encodes and sends them.
struct Pump {
    answer: QueryAnswer,
    maxrec: usize,
    sink: Sink,
    record: Record,
    _place: Place,
}

/// Why an answer ends early.
enum Broken {
    Query(ExecError),
    Format(FormatError),
    Gone,
}

impl Pump {
    /// Sends everything. Returns the bytes of a format that is kept whole.
    async fn run(mut self, first: Option<RecordBatch>, mut writer: Writer) -> Result<Vec<u8>, Fault> {
        let read = self.rows(first, &mut writer).await;
        self.record.rows(self.answer.rows() as u64);
        self.record.note("overflow", self.answer.overflow());
        self.record.note_nodes(&self.answer.timings());
        let (status, fault) = match read {
            // The metadata of MAXREC=0 say that there may be more, as DALI 1.1 section 3.4.4 wants it.
            Ok(()) if self.answer.overflow() || self.maxrec == 0 => {
                (Status::Overflow { maxrec: self.maxrec as u64 }, None)
            }
            Ok(()) => (Status::Ok, None),
            Err(Broken::Gone) => return Ok(Vec::new()),
            Err(Broken::Query(error)) => told(Fault::from(error)),
            Err(Broken::Format(error)) => told(Fault::from(error)),
        };
        match (writer.finish(status).await, fault) {
            (Ok(end), fault) => self.end(end, fault).await,
            // The format cannot tell that the query failed.
            (Err(FormatError::Unreported { .. }), Some(fault)) => self.break_off(fault).await,
            (Err(error), _) => self.break_off(Fault::from(error)).await,
        }
    }

    async fn rows(&mut self, first: Option<RecordBatch>, writer: &mut Writer) -> Result<(), Broken> {
        writer.start().map_err(Broken::Format)?;
        if self.maxrec == 0 {
            return Ok(());
        }
        let mut next = first;
        while let Some(batch) = next {
            for from in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
                let rows = batch.slice(from, ROWS_AT_ONCE.min(batch.num_rows() - from));
                writer.batch(rows).await.map_err(Broken::Format)?;
                if writer.buffer.len() >= SEND_BYTES {
                    self.send(writer.take()).await?;
                }
            }
            self.send(writer.take()).await?;
            next = self.answer.next().await.transpose().map_err(|error| Broken::Query(error.into()))?;
        }
        Ok(())
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Broken> {
        self.record.add_bytes(bytes.len());
        match &mut self.sink {
            _ if bytes.is_empty() => Ok(()),
            Sink::Client(out) => out.send(Ok(Bytes::from(bytes))).await.map_err(|Gone| Broken::Gone),
            Sink::Whole(whole) => {
                whole.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// Sends the end of a document, which says how the result ended.
    async fn end(mut self, end: Vec<u8>, fault: Option<Fault>) -> Result<Vec<u8>, Fault> {
        if self.send(end).await.is_err() {
            return Ok(Vec::new());
        }
        match fault {
            // The body ends when the sink is dropped, after the line is in the log.
            None => self.record.succeed(),
            Some(fault) => self.record.fail(&fault.message),
        }
        match self.sink {
            Sink::Client(_) => Ok(Vec::new()),
            Sink::Whole(whole) => Ok(whole),
        }
    }

    /// Breaks the transfer, so that nobody takes the part for the whole.
    async fn break_off(self, fault: Fault) -> Result<Vec<u8>, Fault> {
        self.record.fail(&fault.message);
        if let Sink::Client(out) = self.sink {
            let _ = out.send(Err(std::io::Error::other(fault.message.clone()))).await;
        }
        Err(fault)
    }
}

fn told(fault: Fault) -> (Status, Option<Fault>) {
    (Status::Error(fault.message.clone()), Some(fault))
}

/// An encoder and what it has written. Formats that compress or sort out columns do their work on a thread of its own.
struct Writer {
    encoder: Option<Encoder>,
    buffer: Vec<u8>,
    heavy: bool,
}

impl Writer {
    fn new(service: &Service, ask: &Ask, answer: &QueryAnswer) -> Result<Self, FormatError> {
        let info = ResultInfo {
            query: Some(ask.request.adql.clone()),
            infos: vec![
                ("service_protocol".to_owned(), "ivo://ivoa.net/std/TAP".to_owned()),
                ("server_software".to_owned(), concat!("spolia/", env!("CARGO_PKG_VERSION")).to_owned()),
                ("archive_epoch".to_owned(), answer.epoch.to_string()),
            ],
            services: links_service(service, &answer.schema),
        };
        let fits_bytes = service.settings.fits_mb << 20;
        let encoder = Encoder::with_fits_bytes(ask.format, answer.schema.clone(), info, fits_bytes)?;
        let heavy = matches!(ask.format, Format::Parquet | Format::Fits);
        Ok(Self { encoder: Some(encoder), buffer: Vec::new(), heavy })
    }

    fn start(&mut self) -> Result<(), FormatError> {
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.start(&mut self.buffer))
    }

    async fn batch(&mut self, batch: RecordBatch) -> Result<(), FormatError> {
        self.work(move |mut encoder, out| {
            let written = encoder.batch(&batch, out);
            (Some(encoder), written)
        })
        .await
    }

    /// Ends the document; returns what is left to send.
    async fn finish(mut self, status: Status) -> Result<Vec<u8>, FormatError> {
        self.work(move |encoder, out| (None, encoder.finish(&status, out))).await?;
        Ok(self.buffer)
    }

    async fn work<W>(&mut self, work: W) -> Result<(), FormatError>
    where
        W: FnOnce(Encoder, &mut Vec<u8>) -> (Option<Encoder>, Result<(), FormatError>) + Send + 'static,
    {
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        let mut buffer = self.take();
        let (encoder, buffer, written) = if self.heavy {
            let worked = tokio::task::spawn_blocking(move || {
                let (encoder, written) = work(encoder, &mut buffer);
                (encoder, buffer, written)
            });
            let lost = |error: tokio::task::JoinError| {
                (None, Vec::new(), Err(FormatError::Unreported { message: error.to_string() }))
            };
            worked.await.unwrap_or_else(lost)
        } else {
            let (encoder, written) = work(encoder, &mut buffer);
            (encoder, buffer, written)
        };
        (self.encoder, self.buffer) = (encoder, buffer);
        written
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}

/// The DataLink service of a result whose rows have links.
fn links_service(service: &Service, columns: &SchemaRef) -> Vec<ServiceDescriptor> {
    // An alias of the user's may bear the name, but it has not the UCD.
    let is_link = |column: &arrow::datatypes::FieldRef| {
        column.name() == "access_url" && column.metadata().get("ucd").is_some_and(|ucd| ucd == "meta.ref.url")
    };
    if !columns.fields().iter().any(is_link) {
        return Vec::new();
    }
    let id = Param {
        name: "ID".to_owned(),
        datatype: Datatype::Char,
        value: String::new(),
        column: Some("access_url".to_owned()),
        description: Some("The access_url of a row, or the id in it; repeat it for more rows".to_owned()),
    };
    vec![ServiceDescriptor {
        id: "links".to_owned(),
        name: "DataLink".to_owned(),
        description: Some("What belongs to a row: its Cut & Merge, its file, its counterparts".to_owned()),
        access_url: format!("{}/datalink/links", service.base_url),
        standard_id: Some(LINKS_STANDARD.to_owned()),
        content_type: Some(LINKS_CONTENT_TYPE.to_owned()),
        params: vec![id],
    }]
}
