//! The Arrow IPC stream. Columns keep their Arrow types and metadata; query and INFOs are metadata of the schema.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

use crate::encoder::{Encode, Status, refuse_failure};
use crate::error::{FormatError, Result};
use crate::info::ResultInfo;

pub(crate) struct ArrowStream {
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
}

impl ArrowStream {
    pub(crate) fn new(schema: &SchemaRef, info: &ResultInfo) -> Result<Self> {
        let mut metadata = schema.metadata().clone();
        metadata.extend(info.infos.iter().cloned());
        metadata.extend(info.query.iter().map(|query| ("QUERY".to_owned(), query.clone())));
        let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(failed)?;
        Ok(ArrowStream { writer, schema })
    }

    fn take(&mut self, out: &mut Vec<u8>) {
        out.append(self.writer.get_mut());
    }
}

fn failed(source: ArrowError) -> FormatError {
    FormatError::WriteArrow { source }
}

impl Encode for ArrowStream {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.take(out);
        Ok(())
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
