//! The Arrow IPC stream. Columns keep their Arrow types and metadata; query and INFOs are metadata of the schema, and so is how the
//! result ended, where there is to be room for it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

use crate::encoder::{Encode, LONGEST_STATUS, Status, refuse_failure};
use crate::error::{FormatError, Result};
use crate::info::ResultInfo;

pub(crate) struct ArrowStream {
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
    /// The message of the schema, where it has room for a status.
    beginning: Option<Vec<u8>>,
}

impl ArrowStream {
    pub(crate) fn new(schema: &SchemaRef, info: &ResultInfo) -> Result<Self> {
        let mut metadata = schema.metadata().clone();
        metadata.extend(info.infos.iter().cloned());
        metadata.extend(info.query.iter().map(|query| ("QUERY".to_owned(), query.clone())));
        if info.room_for_status {
            metadata.insert("QUERY_STATUS".to_owned(), LONGEST_STATUS.to_owned());
        }
        let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(failed)?;
        let beginning = info.room_for_status.then(|| writer.get_ref().clone());
        Ok(ArrowStream { writer, schema, beginning })
    }

    fn take(&mut self, out: &mut Vec<u8>) {
        out.append(self.writer.get_mut());
    }
}

/// A schema's message with another status: of a string, the length stands before and NUL behind it (flatbuffers).
fn with_status(mut message: Vec<u8>, status: &str) -> Option<Vec<u8>> {
    let string = |text: &str| {
        let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.resize(4 + LONGEST_STATUS.len() + 1, 0);
        bytes
    };
    let longest = string(LONGEST_STATUS);
    let at = message.windows(longest.len()).position(|bytes| bytes == longest)?;
    message[at..at + longest.len()].copy_from_slice(&string(status));
    Some(message)
}

fn failed(source: ArrowError) -> FormatError {
    FormatError::WriteArrow { source }
}

impl Encode for ArrowStream {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let Some(unknown) = self.beginning.clone().and_then(|message| with_status(message, "")) {
            *self.writer.get_mut() = unknown;
        }
        self.take(out);
        Ok(())
    }

    fn beginning(&self, status: &Status) -> Option<Vec<u8>> {
        self.beginning.clone().and_then(|message| with_status(message, status.name()))
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec()).map_err(failed)?;
        self.writer.write(&batch).map_err(failed)?;
        self.take(out);
        Ok(())
    }

    fn finish(mut self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        refuse_failure(status)?;
        self.writer.finish().map_err(failed)?;
        self.take(out);
        Ok(())
    }
}
