//! From a query's rows to bytes on their way: to a client, into memory, into a file.

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::StreamExt;
use spolia_exec::{ExecError, QueryAnswer};
use spolia_formats::{FormatError, Status};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::fault::Fault;
use crate::gate::Place;
use crate::outgoing::{Chunk, Gone, Outgoing};
use crate::record::Record;
use crate::writer::Writer;

/// Rows encoded at a time, so that no task holds its thread for long.
const ROWS_AT_ONCE: usize = 1024;
/// Bytes collected before they are sent, within one batch of rows.
const SEND_BYTES: usize = 64 << 10;

/// Where encoded bytes go.
pub(crate) enum Sink {
    Client(Outgoing<Chunk>),
    File(Spool),
}

/// A file of bounded size that takes what is encoded.
pub(crate) struct Spool {
    file: File,
    bytes: u64,
    most: u64,
}

impl Spool {
    /// Writes into `file`, so many bytes at most.
    pub(crate) fn new(file: File, most: u64) -> Self {
        Self { file, bytes: 0, most }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.most {
            let most = self.most >> 20;
            return Err(Fault::usage(format!("the result is larger than {most} MB; ask for fewer rows or columns")));
        }
        self.file.write_all(bytes).await.map_err(|error| Fault::internal("write the result", &error))
    }
}

/// Reads rows, encodes and sends them.
pub(crate) struct Pump {
    pub(crate) answer: QueryAnswer,
    pub(crate) maxrec: usize,
    pub(crate) sink: Sink,
    pub(crate) record: Record,
    /// Free again once everything is sent.
    pub(crate) _place: Option<Place>,
}

/// Why an answer ends early.
enum Broken {
    Fault(Fault),
    Gone,
}

impl From<FormatError> for Broken {
    fn from(error: FormatError) -> Self {
        Self::Fault(error.into())
    }
}

impl Pump {
    /// Sends everything, and says how many bytes a file has got of it. A client is told of a fault in the document, or by a transfer that
    /// breaks where the format has no place for it.
    ///
    /// # Errors
    /// [`Fault`] for what failed, after a client has been told.
    pub(crate) async fn run(mut self, first: Option<RecordBatch>, mut writer: Writer) -> Result<u64, Fault> {
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
            Err(Broken::Gone) => return Ok(0),
            Err(Broken::Fault(fault)) => (Status::Error(fault.message.clone()), Some(fault)),
        };
        let end = match (writer.finish(status).await, &fault) {
            (Ok(end), _) => end,
            // The format cannot tell that the query failed.
            (Err(FormatError::Unreported { .. }), Some(fault)) => return self.break_off(fault.clone()).await,
            (Err(error), _) => return self.break_off(Fault::from(error)).await,
        };
        match (self.send(end).await, fault) {
            (Err(Broken::Fault(fault)), _) | (_, Some(fault)) => {
                self.record.fail(&fault.message);
                Err(fault)
            }
            (Err(Broken::Gone), None) => Ok(0),
            // The body ends when the sink is dropped, after the line is in the log.
            (Ok(()), None) => {
                self.record.succeed();
                self.sink.close().await
            }
        }
    }

    async fn rows(&mut self, first: Option<RecordBatch>, writer: &mut Writer) -> Result<(), Broken> {
        writer.start()?;
        if self.maxrec == 0 {
            return Ok(());
        }
        let mut next = first;
        while let Some(batch) = next {
            for from in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
                let rows = batch.slice(from, ROWS_AT_ONCE.min(batch.num_rows() - from));
                writer.batch(rows).await?;
                if writer.held() >= SEND_BYTES {
                    self.send(writer.take()).await?;
                }
            }
            self.send(writer.take()).await?;
            let failed = |error| Broken::Fault(ExecError::from(error).into());
            next = self.answer.next().await.transpose().map_err(failed)?;
        }
        Ok(())
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Broken> {
        self.record.add_bytes(bytes.len());
        match &mut self.sink {
            _ if bytes.is_empty() => Ok(()),
            Sink::Client(out) => out.send(Ok(Bytes::from(bytes))).await.map_err(|Gone| Broken::Gone),
            Sink::File(spool) => spool.write(&bytes).await.map_err(Broken::Fault),
        }
    }

    /// Breaks the transfer, so that nobody takes the part for the whole.
    async fn break_off(self, fault: Fault) -> Result<u64, Fault> {
        self.record.fail(&fault.message);
        if let Sink::Client(out) = self.sink {
            let _ = out.send(Err(std::io::Error::other(fault.message.clone()))).await;
        }
        Err(fault)
    }
}

impl Sink {
    /// Nothing more follows; says how many bytes a file has.
    async fn close(self) -> Result<u64, Fault> {
        let Self::File(mut spool) = self else { return Ok(0) };
        spool.file.flush().await.map_err(|error| Fault::internal("write the result", &error))?;
        Ok(spool.bytes)
    }
}
