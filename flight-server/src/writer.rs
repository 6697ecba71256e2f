//! An encoder and what it has written, so far.

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, SchemaRef};
use spolia_exec::QueryAnswer;
use spolia_formats::{Encoder, Format, FormatError, ResultInfo, ServiceDescriptor, Status};

use crate::answer::Ask;
use crate::datalink::{Ids, cut_job_service, cut_query_service, cut_service, links_service};
use crate::service::Service;

/// Rows encoded at a time, so that no task holds its thread for long, and what is written stays in the processor's cache.
const ROWS_AT_ONCE: usize = 256;
/// The same on a thread of its own.
const ROWS_AT_ONCE_APART: usize = 4096;

/// The columns of a row's links, which lead to the same.
const LINK_COLUMNS: [&str; 2] = ["access_url", "datalink_url"];
/// Bytes of a query that fits into a URL.
const LONGEST_QUERY: usize = 4000;
/// Bytes of room that a new buffer has at most.
const MOST_ROOM: usize = 256 << 10;

/// An encoder and what it has written. Formats that compress or sort out columns do their work on a thread of its own.
pub(crate) struct Writer {
    encoder: Option<Encoder>,
    buffer: Vec<u8>,
    heavy: bool,
}

impl Writer {
    pub(crate) fn new(service: &Service, ask: &Ask, answer: &QueryAnswer) -> Result<Self, FormatError> {
        let info = ResultInfo {
            query: Some(ask.request.adql.clone()),
            infos: vec![
                ("service_protocol".to_owned(), "ivo://ivoa.net/std/TAP".to_owned()),
                ("server_software".to_owned(), concat!("spolia/", env!("CARGO_PKG_VERSION")).to_owned()),
                ("archive_epoch".to_owned(), answer.epoch.to_string()),
            ],
            services: services(service, ask, &answer.schema),
            room_for_status: true,
        };
        let fits_bytes = service.settings.fits_mb << 20;
        let encoder = Encoder::with_fits_bytes(ask.format, answer.schema.clone(), info, fits_bytes)?;
        let heavy = matches!(ask.format, Format::Parquet | Format::Fits);
        Ok(Self { encoder: Some(encoder), buffer: Vec::new(), heavy })
    }

    pub(crate) fn start(&mut self) -> Result<(), FormatError> {
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.start(&mut self.buffer))
    }

    pub(crate) async fn batch(&mut self, batch: RecordBatch) -> Result<(), FormatError> {
        self.work(move |mut encoder, out| {
            let written = encoder.batch(&batch, out);
            (Some(encoder), written)
        })
        .await
    }

    /// Ends the document; returns what is left to send, and what its first bytes are to be where they can still be changed.
    pub(crate) async fn finish(mut self, status: Status) -> Result<(Vec<u8>, Option<Vec<u8>>), FormatError> {
        let beginning = self.encoder.as_ref().and_then(|encoder| encoder.beginning(&status));
        self.work(move |encoder, out| (None, encoder.finish(&status, out))).await?;
        Ok((self.buffer, beginning))
    }

    /// Rows to be given at a time.
    pub(crate) fn rows_at_once(&self) -> usize {
        if self.heavy { ROWS_AT_ONCE_APART } else { ROWS_AT_ONCE }
    }

    /// Bytes written and not taken.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    async fn work<W>(&mut self, work: W) -> Result<(), FormatError>
    where
        W: FnOnce(Encoder, &mut Vec<u8>) -> (Option<Encoder>, Result<(), FormatError>) + Send + 'static,
    {
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        let mut buffer = std::mem::take(&mut self.buffer);
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

    /// What has been written since. About as much follows.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let room = Vec::with_capacity(self.buffer.capacity().min(MOST_ROOM));
        std::mem::replace(&mut self.buffer, room)
    }
}

/// The services of a result whose rows have links.
fn services(service: &Service, ask: &Ask, columns: &SchemaRef) -> Vec<ServiceDescriptor> {
    // An alias of the user's may bear the name, but it has not the UCD.
    let is_link = |column: &FieldRef, name: &str| {
        column.name() == name && column.metadata().get("ucd").is_some_and(|ucd| ucd == "meta.ref.url")
    };
    let there = |name: &&str| columns.fields().iter().any(|column| is_link(column, name));
    let Some(column) = LINK_COLUMNS.into_iter().find(there) else { return Vec::new() };
    let ids = Ids { column, client: None };
    let mut services = vec![
        links_service(service, "links", "DataLink", Some(column)),
        cut_service(service, ids),
        cut_job_service(service, ids),
    ];
    let adql = &ask.request.adql;
    // Asked again, the query has no tables that came along; and a comment would not end, since an attribute of XML has no lines.
    let can_be_asked_again = ask.request.uploads.is_empty() && adql.len() <= LONGEST_QUERY && !adql.contains("--");
    let is_key = |column: &FieldRef| ["id", "source_id"].contains(&column.name().as_str());
    if can_be_asked_again && columns.fields().iter().any(is_key) {
        services.push(cut_query_service(service, adql));
    }
    services
}
