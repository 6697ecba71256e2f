//! Columns of the merged file: they are filled row by row from many threads, and compressed when they are full, where that is
//! wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::datatype::Datatype;
use spolia_hdf5_format::filter::{Encoder, FilterError};
use spolia_hdf5_format::rows::with_rows;
use spolia_hdf5_format::write::{AttributeOut, DatasetOut, StorageOut, StoredChunk, WriteError, Written};

use super::{Member, Output};
use crate::error::CutoutError;
use crate::fetch::Fetcher;
use crate::sink::Sink;

/// Bytes of a chunk, where rows are not larger.
const CHUNK: u64 = 256 << 10;
/// Bytes of a column from which on an index of chunks pays, and of a row beyond which a chunk is too large.
const WORTH_IT: std::ops::Range<u64> = 4096..16 << 20;
/// Chunks that are compressed at the same time.
const TOGETHER: usize = 64;

/// Where columns are filled.
pub(super) struct Columns {
    merged: Arc<Sink>,
    /// Where those are filled that are to be compressed, and how much of it is taken.
    scratch: Arc<Sink>,
    end: u64,
    /// The level of deflate; nothing where columns stay as they are.
    level: Option<u8>,
}

/// The place of a column's rows while it is being filled.
#[derive(Clone)]
pub(super) struct Place {
    sink: Arc<Sink>,
    start: u64,
    compress: bool,
}

impl Place {
    /// Puts bytes at so many bytes from its beginning.
    pub(super) fn put(&self, at: u64, bytes: &[u8]) -> Result<(), CutoutError> {
        Ok(self.sink.put(self.start + at, bytes).map_err(WriteError::from)?)
    }
}

/// A column that is filled.
pub(super) struct Column {
    /// The groups it is in, and its own name.
    pub(super) path: Vec<String>,
    pub(super) datatype: Datatype,
    /// Its shape, rows first.
    pub(super) shape: Vec<u64>,
    pub(super) fill_value: Option<bytes::Bytes>,
    pub(super) attributes: Vec<AttributeOut>,
    pub(super) place: Place,
}

impl Column {
    /// Bytes of a row.
    pub(super) fn row_size(&self) -> u64 {
        row_size(&self.datatype, &self.shape).unwrap_or(0)
    }

    fn size(&self) -> u64 {
        self.row_size() * self.shape[0]
    }
}

fn row_size(datatype: &Datatype, shape: &[u64]) -> Option<u64> {
    shape[1..].iter().try_fold(u64::from(datatype.size), |size, n| size.checked_mul(*n))
}

impl Columns {
    /// `scratch` is empty, and there where it is needed.
    pub(super) fn new(merged: Arc<Sink>, scratch: Option<Sink>, level: Option<u8>) -> Self {
        Self { merged, scratch: Arc::new(scratch.unwrap_or_else(Sink::nowhere)), end: 0, level }
    }

    /// Room for a column of such a shape, rows first; nothing where its bytes cannot be counted.
    pub(super) fn place(
        &mut self,
        datatype: &Datatype,
        shape: &[u64],
        writer: &mut Output,
    ) -> Result<Option<Place>, CutoutError> {
        let row = row_size(datatype, shape);
        let Some((row, size)) = row.and_then(|row| Some((row, row.checked_mul(shape[0])?))) else { return Ok(None) };
        if self.level.is_none() || size < WORTH_IT.start || row > WORTH_IT.end {
            let start = writer.reserve(size)?;
            return Ok(Some(Place { sink: Arc::clone(&self.merged), start, compress: false }));
        }
        let start = self.end;
        let Some(end) = start.checked_add(size) else { return Ok(None) };
        self.end = end;
        Ok(Some(Place { sink: Arc::clone(&self.scratch), start, compress: true }))
    }

    /// Writes the headers of filled columns, and their chunks where they are compressed; returns the group that they are in.
    pub(super) fn finish(
        &self,
        group: ColumnGroup,
        fetcher: &Fetcher,
        writer: &mut Output,
    ) -> Result<Member, CutoutError> {
        let mut tree = Tree::default();
        for column in group.columns {
            let written = self.column(&column, fetcher, writer)?;
            tree.add(&column.path, written);
        }
        Ok((group.name.into_bytes(), tree.write(&group.attributes, writer)?))
    }

    fn column(&self, column: &Column, fetcher: &Fetcher, writer: &mut Output) -> Result<Written, CutoutError> {
        let size = column.size();
        let (filters, storage) = match (column.place.compress, self.level) {
            (true, Some(level)) => self.compressed(column, level, fetcher, writer)?,
            _ => (Vec::new(), StorageOut::Contiguous((size > 0).then_some(column.place.start), size)),
        };
        let space = Dataspace::Simple { shape: column.shape.clone(), max_shape: Vec::new() };
        Ok(writer.dataset(&DatasetOut {
            datatype: column.datatype.encoded.clone(),
            space: with_rows(&space, column.shape[0]),
            fill_value: column.fill_value.clone(),
            filters,
            storage,
            attributes: column.attributes.clone(),
        })?)
    }

    fn compressed(
        &self,
        column: &Column,
        level: u8,
        fetcher: &Fetcher,
        writer: &mut Output,
    ) -> Result<(Vec<spolia_hdf5_format::filter::Filter>, StorageOut), CutoutError> {
        let refused = |error: FilterError| CutoutError::Refused(error.to_string());
        let encoder = || Encoder::new(column.datatype.size, level);
        let filters = encoder().map_err(refused)?.filters();
        let (rows, row_size) = (column.shape[0], column.row_size());
        let height = (CHUNK / row_size).clamp(1, rows);
        let mut shape = column.shape.clone();
        shape[0] = height;
        let firsts: Vec<u64> = (0..rows).step_by(height as usize).collect();
        let mut stored = Vec::with_capacity(firsts.len());
        for round in firsts.chunks(TOGETHER) {
            fetcher.check_stopped()?;
            if fetcher.is_dry() {
                break;
            }
            let encode = |encoder: &mut Result<Encoder, FilterError>, first: &u64| {
                // A chunk at the end is as large as the others.
                let mut chunk = vec![0; (height * row_size) as usize];
                let wanted = (rows - first).min(height) * row_size;
                let read = self.scratch.get(column.place.start + first * row_size, &mut chunk[..wanted as usize]);
                read.map_err(WriteError::from)?;
                let encoder = encoder.as_mut().map_err(|error| refused(error.clone()))?;
                Ok::<_, CutoutError>(encoder.encode(&chunk))
            };
            let chunks: Vec<(Vec<u8>, u32)> = round.par_iter().map_init(encoder, encode).collect::<Result<_, _>>()?;
            for (first, (bytes, filter_mask)) in round.iter().zip(chunks) {
                let mut offset = vec![0; shape.len()];
                offset[0] = *first;
                let (address, size) = (writer.put(&bytes)?, bytes.len() as u32);
                stored.push(StoredChunk { offset, address, size, filter_mask });
            }
        }
        let index = writer.chunk_index(&shape, &stored)?;
        Ok((filters, StorageOut::Chunked { shape, element_size: column.datatype.size, index }))
    }
}

/// Columns that are filled, and the group of the merged file that they are going to be in.
pub(super) struct ColumnGroup {
    pub(super) name: String,
    pub(super) attributes: Vec<AttributeOut>,
    pub(super) columns: Vec<Column>,
}

/// Groups within groups, and columns in them.
#[derive(Default)]
struct Tree {
    columns: Vec<Member>,
    groups: BTreeMap<String, Tree>,
}

impl Tree {
    fn add(&mut self, path: &[String], written: Written) {
        match path {
            [] => {}
            [name] => self.columns.push((name.clone().into_bytes(), written)),
            [group, rest @ ..] => self.groups.entry(group.clone()).or_default().add(rest, written),
        }
    }

    fn write(self, attributes: &[AttributeOut], writer: &mut Output) -> Result<Written, CutoutError> {
        let mut members = self.columns;
        for (name, tree) in self.groups {
            members.push((name.into_bytes(), tree.write(&[], writer)?));
        }
        Ok(writer.group(members, attributes)?)
    }
}
