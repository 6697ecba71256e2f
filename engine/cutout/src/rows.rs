//! Reading the fields of a file's objects into record batches.

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamDecoder;
use futures::Stream;
use futures::stream::try_unfold;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::child::{ChildSettings, complaint, verdict};
use crate::error::CutoutError;
use crate::row_model::RowModel;

/// Bytes read from the child at once.
const PIECE: usize = 256 << 10;

/// Reads a local file's objects: `ordinal` (the object's number in the file) first, then a column per field. The child
/// writes no faster than the stream is read, and ends with it.
///
/// # Errors
/// When the child cannot be run; then, from the stream, what it refuses: a file that is no HDF5, a missing field, a value
/// of another type, or a bound that was hit.
pub async fn rows(
    file: &Path,
    model: &RowModel,
    child: &ChildSettings,
) -> Result<impl Stream<Item = Result<RecordBatch, CutoutError>> + Send + use<>, CutoutError> {
    let deadline = Instant::now() + child.timeout();
    let mut process = child.start(&[Path::new("rows"), Path::new("--"), file], model).await?;
    let complaint = tokio::spawn(complaint(process.stderr.take()));
    let stdout = process.stdout.take();
    let reader =
        Reader { process, stdout, complaint: Some(complaint), decoder: StreamDecoder::new(), pending: Vec::new() };
    let timeout_s = child.timeout_s;
    Ok(try_unfold(reader, move |mut reader| async move {
        let next = timeout_at(deadline, reader.next()).await.map_err(|_| CutoutError::Timeout(timeout_s))??;
        Ok(next.map(|batch| (batch, reader)))
    }))
}

struct Reader {
    process: Child,
    stdout: Option<ChildStdout>,
    complaint: Option<JoinHandle<Vec<u8>>>,
    decoder: StreamDecoder,
    pending: Vec<u8>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<RecordBatch>, CutoutError> {
        loop {
            let mut buffer = std::mem::take(&mut self.pending).into();
            let decoded = self.decoder.decode(&mut buffer)?;
            self.pending = buffer.to_vec();
            if let Some(batch) = decoded {
                return Ok(Some(batch));
            }
            if !self.read().await? {
                return self.end().await;
            }
        }
    }

    /// Reads the next piece; false at the end.
    async fn read(&mut self) -> Result<bool, CutoutError> {
        let Some(stdout) = &mut self.stdout else { return Ok(false) };
        let before = self.pending.len();
        self.pending.resize(before + PIECE, 0);
        let read = stdout.read(&mut self.pending[before..]).await?;
        self.pending.truncate(before + read);
        Ok(read > 0)
    }

    async fn end(&mut self) -> Result<Option<RecordBatch>, CutoutError> {
        let status = self.process.wait().await?;
        let complaint = match self.complaint.take() {
            Some(task) => task.await.unwrap_or_default(),
            None => Vec::new(),
        };
        verdict(status, &complaint)?;
        self.decoder.finish()?;
        Ok(None)
    }
}
