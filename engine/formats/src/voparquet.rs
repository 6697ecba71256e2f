//! Parquet with a VOTable header that holds what Parquet can't say: units, UCDs, the query, an overflow. VOParquet 1.0.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::encoder::{Encode, Status, refuse_failure};
use crate::error::{FormatError, Result};
use crate::info::ResultInfo;
use crate::votable::Document;

/// A row group is closed, and its bytes leave, once it is this big (encoded) or has the writer's usual million rows.
const ROW_GROUP_BYTES: usize = 32 << 20;

pub(crate) struct VoParquet {
    writer: ArrowWriter<Vec<u8>>,
    document: Document,
    row_group_bytes: usize,
}

impl VoParquet {
    pub(crate) fn new(schema: &SchemaRef, info: ResultInfo) -> Result<Self> {
        let document = Document::new(schema, info)?;
        // Every reader knows Snappy; not every one knows Zstandard.
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(failed)?;
        Ok(VoParquet { writer, document, row_group_bytes: ROW_GROUP_BYTES })
    }
}

fn failed(source: ParquetError) -> FormatError {
    FormatError::WriteParquet { source }
}

impl Encode for VoParquet {
    fn start(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(batch).map_err(failed)?;
        if self.writer.in_progress_size() >= self.row_group_bytes {
            self.writer.flush().map_err(failed)?;
        }
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn finish(mut self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        refuse_failure(status)?;
        let mut header = Vec::new();
        self.document.head(&mut header);
        self.document.tail(status, &mut header);
        for (key, value) in [
            ("IVOA.VOTable-Parquet.version", "1.0".to_owned()),
            ("IVOA.VOTable-Parquet.content", String::from_utf8_lossy(&header).into_owned()),
        ] {
            self.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        out.append(&mut self.writer.into_inner().map_err(failed)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn row_groups_leave_as_they_fill() {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, false)]));
        let mut encoder = Box::new(VoParquet::new(&schema, ResultInfo::default()).unwrap());
        encoder.row_group_bytes = 1;
        let (mut file, mut sizes) = (Vec::new(), Vec::new());
        for start in [0, 50_000, 100_000] {
            let values = Arc::new(Int64Array::from_iter_values(start..start + 50_000));
            encoder.batch(&RecordBatch::try_new(Arc::clone(&schema), vec![values]).unwrap(), &mut file).unwrap();
            sizes.push(file.len());
        }
        encoder.finish(&Status::Ok, &mut file).unwrap();
        assert!(sizes[0] > 0 && sizes[1] > sizes[0] && sizes[2] > sizes[1], "{sizes:?}");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 3);
        let values = |batch: RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        let read: Vec<i64> = reader.build().unwrap().flat_map(|batch| values(batch.unwrap())).collect();
        assert_eq!(read, (0..150_000).collect::<Vec<_>>());
    }
}
