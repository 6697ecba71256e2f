//! Chosen rows of a dataset: its elements along the first dimension.

use bytes::Bytes;

use crate::bounds::at_most;
use crate::chunk_index::{Chunk, chunks};
use crate::dataset::Dataset;
use crate::dataspace::Dataspace;
use crate::elements::{content, filled, place};
use crate::error::{Hdf5Error, Result};
use crate::filter::Decoder;
use crate::layout::{ChunkedLayout, Layout};
use crate::reader::Reader;

/// Rows between two wanted ones that are read along with them rather than by themselves, in bytes.
const GAP: u64 = 64 << 10;
/// Bytes read at once at most.
const MOST: u64 = 8 << 20;

/// Reads rows of one dataset.
pub struct RowReader<'a> {
    reader: &'a Reader,
    dataset: &'a Dataset,
    /// Stored chunks, those of the same rows together.
    chunks: Vec<Chunk>,
    decoder: Decoder,
    row_size: u64,
}

impl<'a> RowReader<'a> {
    /// Prepares to read; the index of chunks is read at once.
    ///
    /// # Errors
    /// When the dataset has no rows, lies in other files, or its index is damaged.
    pub fn new(reader: &'a Reader, dataset: &'a Dataset) -> Result<Self> {
        let shape = dataset.space.shape();
        if shape.is_empty() {
            return Err(Hdf5Error::Unsupported("a dataset without rows".to_owned()));
        }
        if dataset.external_files > 0 {
            return Err(Hdf5Error::Unsupported("external storage".to_owned()));
        }
        let row_size = shape[1..].iter().try_fold(u64::from(dataset.datatype.size), |size, n| size.checked_mul(*n));
        let row_size = row_size.ok_or(Hdf5Error::Bound { what: "a row", bound: u64::MAX })?;
        at_most("a row", row_size, reader.bounds().piece)?;
        let mut stored = match &dataset.layout {
            Layout::Chunked(layout) => chunks(reader, layout, &dataset.space, !dataset.filters.is_empty())?,
            Layout::Virtual => return Err(Hdf5Error::Unsupported("a virtual dataset".to_owned())),
            _ => Vec::new(),
        };
        stored.sort_by(|a, b| a.offset.cmp(&b.offset));
        Ok(Self { reader, dataset, chunks: stored, decoder: Decoder::new(), row_size })
    }

    /// Bytes of a row.
    pub fn row_size(&self) -> u64 {
        self.row_size
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.dataset.space.shape()[0]
    }

    /// Appends rows, whose numbers ascend, to `out`.
    ///
    /// # Errors
    /// When there is no such row, or a chunk is damaged.
    pub fn read(&mut self, rows: &[u64], out: &mut Vec<u8>) -> Result<()> {
        if let Some(row) = rows.iter().find(|row| **row >= self.rows()) {
            return Err(Hdf5Error::Damaged {
                structure: "a dataset",
                offset: self.reader.superblock().offset + self.dataset.address,
                fault: format!("it has {} rows and no row {row}", self.rows()),
            });
        }
        match &self.dataset.layout {
            Layout::Chunked(layout) => self.chunked(layout, rows, out),
            Layout::Contiguous { address: Some(address), .. } => self.contiguous(*address, rows, out),
            Layout::Compact { content, .. } => {
                self.pick(&content.clone(), 0, rows, out);
                Ok(())
            }
            _ => {
                let row = filled(self.dataset, self.row_size as usize);
                rows.iter().for_each(|_| out.extend_from_slice(&row));
                Ok(())
            }
        }
    }

    /// Copies `rows` out of a block that begins with row `first`.
    fn pick(&self, block: &[u8], first: u64, rows: &[u64], out: &mut Vec<u8>) {
        let size = self.row_size as usize;
        for row in rows {
            let start = (row - first) as usize * size;
            let end = out.len() + size;
            out.extend_from_slice(block.get(start..start + size).unwrap_or_default());
            out.resize(end, 0);
        }
    }

    /// Neighbouring rows are read together.
    fn contiguous(&self, address: u64, rows: &[u64], out: &mut Vec<u8>) -> Result<()> {
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let fits = |pair: &[u64]| {
                (pair[1] - pair[0]).saturating_mul(self.row_size) <= GAP + self.row_size
                    && (pair[1] - first + 1).saturating_mul(self.row_size) <= MOST.max(self.row_size)
            };
            let count = 1 + rest.windows(2).take_while(|pair| fits(pair)).count();
            let (together, behind) = rest.split_at(count);
            let length = (together[count - 1] - first + 1) * self.row_size;
            let start = first.checked_mul(self.row_size).and_then(|start| start.checked_add(address));
            let start = start.ok_or(Hdf5Error::Bound { what: "an address", bound: u64::MAX })?;
            self.pick(&self.reader.bytes(start, length)?, *first, together, out);
            rest = behind;
        }
        Ok(())
    }

    fn chunked(&mut self, layout: &ChunkedLayout, rows: &[u64], out: &mut Vec<u8>) -> Result<()> {
        let height = layout.shape[0];
        for together in rows.chunk_by(|a, b| a / height == b / height) {
            let first = together[0] / height * height;
            let block = self.block(layout, first)?;
            self.pick(&block, first, together, out);
        }
        Ok(())
    }

    /// All rows of the chunks that begin with row `first`.
    fn block(&mut self, layout: &ChunkedLayout, first: u64) -> Result<Bytes> {
        let start = self.chunks.partition_point(|chunk| chunk.offset[0] < first);
        let end = self.chunks.partition_point(|chunk| chunk.offset[0] <= first);
        let shape = self.dataset.space.shape();
        // A chunk as wide as a row is the block.
        if end - start == 1 && layout.shape[1..] == shape[1..] {
            return content(self.reader, self.dataset, layout, &self.chunks[start], &mut self.decoder);
        }
        let height = layout.shape[0].min(self.rows() - first);
        let size = height.saturating_mul(self.row_size);
        at_most("the chunks of a row", size, self.reader.bounds().piece)?;
        let mut block = filled(self.dataset, size as usize);
        let mut shape = shape.to_vec();
        shape[0] = height;
        for chunk in &self.chunks[start..end] {
            let decoded = content(self.reader, self.dataset, layout, chunk, &mut self.decoder)?;
            let mut offset = chunk.offset.clone();
            offset[0] = 0;
            place(&decoded, layout, &shape, &offset, &mut block);
        }
        Ok(block.into())
    }
}

/// A dataspace with another number of rows, which is then its limit as well.
#[must_use]
pub fn with_rows(space: &Dataspace, rows: u64) -> Dataspace {
    let mut shape = space.shape().to_vec();
    if let Some(first) = shape.first_mut() {
        *first = rows;
    }
    let max_shape = shape.iter().map(|size| Some(*size)).collect();
    Dataspace::Simple { shape, max_shape }
}
