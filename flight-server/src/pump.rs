//! From a query's rows to bytes on their way: to a client, into memory, into a file.

use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use spolia_exec::{ExecError, QueryAnswer};
use spolia_formats::{FormatError, Status};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::gate::Place;
use crate::outgoing::{Chunk, Gone, Outgoing, channel};
use crate::record::Record;
use crate::writer::Writer;

/// Bytes collected before they are sent, within one batch of rows.
const SEND_BYTES: usize = 64 << 10;

/// Where encoded bytes go.
pub(crate) enum Sink {
    Client(Outgoing<Chunk>),
    File(Spool),
    Held(Held),
    /// While it goes from one to the other.
    Nowhere,
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

    fn has_room_for(&self, bytes: &[u8]) -> bool {
        self.bytes + bytes.len() as u64 <= self.most
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if !self.has_room_for(bytes) {
            let most = self.most >> 20;
            return Err(Fault::usage(format!("the result is larger than {most} MB; ask for fewer rows or columns")));
        }
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).await.map_err(unwritten)
    }

    /// Replaces the first bytes.
    async fn begin_with(&mut self, beginning: &[u8]) -> Result<(), Fault> {
        self.file.rewind().await.map_err(unwritten)?;
        self.file.write_all(beginning).await.map_err(unwritten)
    }

    /// What has been written, to be read from its beginning.
    async fn read_again(mut self) -> Result<File, Fault> {
        self.file.flush().await.map_err(unwritten)?;
        self.file.rewind().await.map_err(unwritten)?;
        Ok(self.file)
    }
}

fn unwritten(error: std::io::Error) -> Fault {
    Fault::internal("write the result", &error)
}

/// Holds an answer back until it is known how it ends, since its format cannot tell; or until there is more than is held back.
pub(crate) struct Held {
    pub(crate) spool: Spool,
    /// How long the client may take to read what is not held back.
    pub(crate) stall: Duration,
    pub(crate) released: oneshot::Sender<Released>,
}

/// An answer that is held back no longer.
pub(crate) enum Released {
    /// All of it, and whether there would have been more rows.
    Whole { file: File, bytes: u64, overflow: bool },
    /// Its beginning, and what follows.
    Beginning { file: File, rest: BoxStream<'static, Chunk> },
}

impl Held {
    /// Lets go of what is held; the rest goes to the client.
    async fn let_go(self) -> Result<Outgoing<Chunk>, Broken> {
        let file = self.spool.read_again().await.map_err(Broken::Fault)?;
        let (out, rest) = channel::<Chunk>(self.stall);
        let released = self.released.send(Released::Beginning { file, rest: rest.boxed() });
        released.map_err(|_| Broken::Gone)?;
        Ok(out)
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

/// What has become of an answer.
pub(crate) struct Poured {
    /// Bytes in a file; of an answer that went to a client, none.
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// Whether there would have been more rows.
    pub(crate) overflow: bool,
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
    /// Sends everything. A client is told of a fault in the document, or by a transfer that breaks where the format has no place for it.
    ///
    /// # Errors
    /// [`Fault`] for what failed, after a client has been told.
    pub(crate) async fn run(mut self, first: Option<RecordBatch>, mut writer: Writer) -> Result<Poured, Fault> {
        let read = self.rows(first, &mut writer).await;
        let rows = self.answer.rows() as u64;
        self.record.rows(rows);
        self.record.note("overflow", self.answer.overflow());
        self.record.note_nodes(&self.answer.timings());
        let overflow = self.answer.overflow() || self.maxrec == 0;
        let (status, fault) = match read {
            // The metadata of MAXREC=0 say that there may be more, as DALI 1.1 section 3.4.4 wants it.
            Ok(()) if overflow => (Status::Overflow { maxrec: self.maxrec as u64 }, None),
            Ok(()) => (Status::Ok, None),
            Err(Broken::Gone) => return Ok(Poured { bytes: 0, rows, overflow }),
            Err(Broken::Fault(fault)) => (Status::Error(fault.message.clone()), Some(fault)),
        };
        let (end, beginning) = match (writer.finish(status).await, &fault) {
            (Ok(ended), _) => ended,
            // The format cannot tell that the query failed.
            (Err(FormatError::Unreported { .. }), Some(fault)) => return self.break_off(fault.clone()).await,
            (Err(error), _) => return self.break_off(Fault::from(error)).await,
        };
        match (self.send(end).await, fault) {
            (Err(Broken::Fault(fault)), _) | (_, Some(fault)) => {
                self.record.fail(&fault.message);
                Err(fault)
            }
            (Err(Broken::Gone), None) => Ok(Poured { bytes: 0, rows, overflow }),
            // The body ends when the sink is dropped, after the line is in the log.
            (Ok(()), None) => {
                self.record.succeed();
                Ok(Poured { bytes: self.sink.close(beginning.as_deref(), overflow).await?, rows, overflow })
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
            let at_once = writer.rows_at_once();
            for from in (0..batch.num_rows()).step_by(at_once) {
                let rows = batch.slice(from, at_once.min(batch.num_rows() - from));
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
        if let Sink::Held(held) = &self.sink
            && !held.spool.has_room_for(&bytes)
        {
            let Sink::Held(held) = std::mem::replace(&mut self.sink, Sink::Nowhere) else { return Err(Broken::Gone) };
            self.sink = Sink::Client(held.let_go().await?);
        }
        match &mut self.sink {
            _ if bytes.is_empty() => Ok(()),
            Sink::Nowhere => Err(Broken::Gone),
            Sink::Held(held) => held.spool.write(&bytes).await.map_err(Broken::Fault),
            Sink::Client(out) => out.send(Ok(Bytes::from(bytes))).await.map_err(|Gone| Broken::Gone),
            Sink::File(spool) => spool.write(&bytes).await.map_err(Broken::Fault),
        }
    }

    /// Breaks the transfer, so that nobody takes the part for the whole.
    async fn break_off(self, fault: Fault) -> Result<Poured, Fault> {
        self.record.fail(&fault.message);
        if let Sink::Client(out) = self.sink {
            let _ = out.send(Err(std::io::Error::other(fault.message.clone()))).await;
        }
        Err(fault)
    }
}

impl Sink {
    /// Nothing more follows; says how many bytes a file has.
    async fn close(mut self, beginning: Option<&[u8]>, overflow: bool) -> Result<u64, Fault> {
        if let (Some(beginning), Self::File(spool) | Self::Held(Held { spool, .. })) = (beginning, &mut self) {
            spool.begin_with(beginning).await?;
        }
        match self {
            Self::Client(_) | Self::Nowhere => Ok(0),
            Self::File(mut spool) => {
                spool.file.flush().await.map_err(unwritten)?;
                Ok(spool.bytes)
            }
            Self::Held(held) => {
                let bytes = held.spool.bytes;
                let file = held.spool.read_again().await?;
                // The client may have left.
                let _ = held.released.send(Released::Whole { file, bytes, overflow });
                Ok(bytes)
            }
        }
    }
}
