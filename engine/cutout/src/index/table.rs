//! Where the rows of a table are: its columns without their elements, and each column's chunks.

use bytes::Bytes;
use spolia_hdf5_format::Reader;
use spolia_hdf5_format::chunk_index::chunks;
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::layout::{ChunkedLayout, Layout};
use spolia_hdf5_format::link::{Target, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::with_rows;
use spolia_hdf5_format::write::{DatasetOut, StorageOut, WriteError, Writer};

use crate::error::CutoutError;

/// Bytes of a chunk at most, before and after filters.
const MOST_BYTES: u64 = 64 << 20;
/// Chunks of one column at most.
const MOST_CHUNKS: u64 = 1 << 24;

/// A table of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableIndex {
    /// The table without rows, as an HDF5 file whose root it is: equal for tables that differ in nothing but their rows.
    pub(crate) skeleton: Bytes,
    pub(crate) rows: u64,
    /// Where the elements of each column are, in the order of names.
    pub(crate) columns: Vec<ColumnPlace>,
}

/// Where the elements of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnPlace {
    /// Row after row from an offset on.
    Rows(u64),
    /// In chunks as wide as a row.
    Chunks(Chunks),
    /// Nowhere: nothing was ever written.
    Nowhere,
    /// Somewhere that only the file itself tells.
    Elsewhere,
}

/// Chunks of a column: all of them, or those that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunks {
    /// Rows of each.
    pub(crate) height: u64,
    /// Their numbers, where these are not all numbers from 0 on, in their order.
    numbers: Option<Vec<u64>>,
    pub(crate) places: Vec<ChunkPlace>,
}

impl Chunks {
    /// All chunks, of so many rows each.
    pub(crate) fn all(height: u64, places: Vec<ChunkPlace>) -> Self {
        Self { height: height.max(1), numbers: None, places }
    }

    /// The chunk of that number, if it is there and wanted.
    pub(crate) fn get(&self, number: u64) -> Option<ChunkPlace> {
        let place = match &self.numbers {
            None => usize::try_from(number).ok()?,
            Some(numbers) => numbers.binary_search(&number).ok()?,
        };
        self.places.get(place).copied()
    }

    /// Forgets all chunks but those of some rows, which ascend.
    fn retain(&mut self, rows: &[i64]) {
        let mut numbers: Vec<u64> = rows.iter().map(|row| *row as u64 / self.height).collect();
        numbers.dedup();
        numbers.retain(|number| self.get(*number).is_some());
        if numbers.len() < self.places.len() {
            self.places = numbers.iter().filter_map(|number| self.get(*number)).collect();
            self.numbers = Some(numbers);
        }
    }
}

/// A chunk in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkPlace {
    pub(crate) at: u64,
    /// Stored bytes; 0 for a chunk that was never written.
    pub(crate) size: u32,
    pub(crate) mask: u32,
}

/// A chunk that was never written.
pub(crate) const NO_CHUNK: ChunkPlace = ChunkPlace { at: 0, size: 0, mask: 0 };

impl TableIndex {
    /// Keeps of its chunks only those of some rows, which ascend.
    pub(crate) fn retain(&mut self, rows: &[i64]) {
        for column in &mut self.columns {
            if let ColumnPlace::Chunks(chunks) = column {
                chunks.retain(rows);
            }
        }
    }

    /// Of the table that is a group, which errors call `path`.
    ///
    /// # Errors
    /// When it is damaged, or what is in its group are not columns of the same number of rows.
    pub(crate) fn build(reader: &Reader, group: &ObjectHeader, path: &str) -> Result<Self, CutoutError> {
        let damaged = |source| CutoutError::Hdf5 { file: path.to_owned(), source };
        let mut members = links(reader, group).map_err(damaged)?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let mut writer = Writer::new(Vec::new())?;
        let (mut columns, mut written, mut rows) = (Vec::new(), Vec::new(), None);
        for link in members {
            let path = format!("{path}/{}", String::from_utf8_lossy(&link.name));
            let no_column = |why: &str| CutoutError::Refused(format!("{path}: it is no column: {why}"));
            let damaged = |source| CutoutError::Hdf5 { file: path.clone(), source };
            let Target::Object(address) = link.target else {
                return Err(no_column("it is a link by name, which a cut does not follow"));
            };
            let header = ObjectHeader::read(reader, address).map_err(damaged)?;
            if !Dataset::is_one(&header) {
                return Err(no_column("it is no dataset"));
            }
            let dataset = Dataset::read(reader, &header).map_err(damaged)?;
            let own = *dataset.space.shape().first().ok_or_else(|| no_column("it has no rows"))?;
            if *rows.get_or_insert(own) != own {
                let expected = rows.unwrap_or_default();
                return Err(no_column(&format!("it has {own} rows, those before it have {expected}")));
            }
            columns.push(ColumnPlace::of(reader, &dataset).map_err(damaged)?);
            let attributes = Copier::new(reader).attributes(&header, &path, &mut writer)?;
            let out = DatasetOut { attributes, ..without_rows(&dataset) };
            written.push((link.name.to_vec(), writer.dataset(&out).map_err(unwritable(&path))?));
        }
        let attributes = Copier::new(reader).attributes(group, path, &mut writer)?;
        let root = writer.group(written, &attributes).map_err(unwritable(path))?;
        let (mut skeleton, superblock) = writer.finish(root).map_err(unwritable(path))?;
        skeleton[..superblock.len()].copy_from_slice(&superblock);
        Ok(Self { skeleton: skeleton.into(), rows: rows.unwrap_or_default(), columns })
    }
}

/// Names what cannot be described in a file of our own.
fn unwritable(path: &str) -> impl Fn(WriteError) -> CutoutError + use<> {
    let path = path.to_owned();
    move |error| CutoutError::Refused(format!("{path}: {error}"))
}

/// A column as it is described in a skeleton.
fn without_rows(dataset: &Dataset) -> DatasetOut {
    let storage = match &dataset.layout {
        Layout::Chunked(layout) if layout.shape.iter().all(|size| u32::try_from(*size).is_ok()) => {
            StorageOut::Chunked { shape: layout.shape.clone(), element_size: dataset.datatype.size, index: None }
        }
        _ => StorageOut::Contiguous(None, 0),
    };
    DatasetOut {
        datatype: dataset.datatype.encoded.clone(),
        space: with_rows(&dataset.space, 0),
        fill_value: dataset.fill_value.clone().filter(|_| !dataset.datatype.points_elsewhere()),
        filters: dataset.filters.clone(),
        storage,
        attributes: Vec::new(),
    }
}

impl ColumnPlace {
    fn of(reader: &Reader, dataset: &Dataset) -> spolia_hdf5_format::Result<Self> {
        if dataset.external_files > 0 || dataset.datatype.points_elsewhere() {
            return Ok(Self::Elsewhere);
        }
        match &dataset.layout {
            Layout::Contiguous { address: Some(address), .. } => Ok(Self::Rows(reader.offset(*address)?)),
            Layout::Contiguous { address: None, .. } => Ok(Self::Nowhere),
            Layout::Chunked(layout) if is_row_wide(layout, &dataset.space) => Self::chunked(reader, dataset, layout),
            _ => Ok(Self::Elsewhere),
        }
    }

    fn chunked(reader: &Reader, dataset: &Dataset, layout: &ChunkedLayout) -> spolia_hdf5_format::Result<Self> {
        let (rows, height) = (dataset.space.shape()[0], layout.shape[0]);
        let count = rows.div_ceil(height);
        let stored = chunks(reader, layout, &dataset.space, !dataset.filters.is_empty())?;
        // Room for chunks that were never written is taken only where it is little.
        let largest = stored.iter().map(|chunk| chunk.size).chain([layout.bytes()]).max().unwrap_or(0);
        if largest > MOST_BYTES || count > MOST_CHUNKS || count > 64 + 16 * stored.len() as u64 {
            return Ok(Self::Elsewhere);
        }
        let unfiltered = u32::try_from((1u64 << dataset.filters.len().min(32)) - 1).unwrap_or(u32::MAX);
        let mut places = vec![NO_CHUNK; count as usize];
        for chunk in stored {
            let partial = chunk.offset[0].saturating_add(height) > rows;
            let mask = if layout.partial_chunks_unfiltered && partial { unfiltered } else { chunk.filter_mask };
            if let Some(place) = places.get_mut((chunk.offset[0] / height) as usize) {
                *place = ChunkPlace { at: reader.offset(chunk.address)?, size: chunk.size as u32, mask };
            }
        }
        Ok(Self::Chunks(Chunks::all(height, places)))
    }
}

fn is_row_wide(layout: &ChunkedLayout, space: &Dataspace) -> bool {
    layout.shape.len() == space.shape().len() && layout.shape.get(1..) == space.shape().get(1..)
}
