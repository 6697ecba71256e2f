//! Columns of the merged file: they are filled row by row from many threads, and compressed when they are full, where that is
//! wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::datatype::Datatype;
use spolia_hdf5_format::filter::{Encoder, Filter};
use spolia_hdf5_format::rows::with_rows;
use spolia_hdf5_format::write::{AttributeOut, DatasetOut, StorageOut, StoredChunk, WriteError, Written};
use spolia_team::{Stage, Team};

use super::{Member, Output};
use crate::error::CutoutError;
use crate::fetch::Fetcher;
use crate::sink::Sink;
use crate::team::Shares;

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
    /// Where several processes put compressed chunks before it is known where they belong.
    together: Option<Together>,
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
    /// `scratch` is there where it is needed; empty, unless others fill it, too.
    pub(super) fn new(merged: Arc<Sink>, scratch: Arc<Sink>, level: Option<u8>, together: Option<Together>) -> Self {
        Self { merged, scratch, end: 0, level, together }
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
        &mut self,
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

    fn column(&mut self, column: &Column, fetcher: &Fetcher, writer: &mut Output) -> Result<Written, CutoutError> {
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
        &mut self,
        column: &Column,
        level: u8,
        fetcher: &Fetcher,
        writer: &mut Output,
    ) -> Result<(Vec<Filter>, StorageOut), CutoutError> {
        let (tiling, filters) = (Tiling::of(column), encoder(column, level)?.filters());
        let mut stored = Vec::new();
        for round in tiling.rounds() {
            fetcher.check_stopped()?;
            if fetcher.is_dry() {
                break;
            }
            let places = match &mut self.together {
                Some(together) => together.place(&tiling, round.len(), &self.merged, writer)?,
                None => {
                    let put = |(bytes, mask): (Vec<u8>, u32)| Ok((writer.put(&bytes)?, bytes.len() as u32, mask));
                    let encoded = self.encode(column, level, &tiling, &round)?;
                    encoded.into_iter().map(put).collect::<Result<_, CutoutError>>()?
                }
            };
            for (first, (address, size, filter_mask)) in round.iter().zip(places) {
                let mut offset = vec![0; tiling.shape.len()];
                offset[0] = *first;
                stored.push(StoredChunk { offset, address, size, filter_mask });
            }
        }
        let index = writer.chunk_index(&tiling.shape, &stored)?;
        Ok((filters, StorageOut::Chunked { shape: tiling.shape, element_size: column.datatype.size, index }))
    }

    /// Compresses the chunks that begin with some rows.
    fn encode(
        &self,
        column: &Column,
        level: u8,
        tiling: &Tiling,
        firsts: &[u64],
    ) -> Result<Vec<(Vec<u8>, u32)>, CutoutError> {
        let encode = |encoder: &mut Result<Encoder, CutoutError>, first: &u64| {
            // A chunk at the end is as large as the others.
            let mut chunk = vec![0; tiling.bytes() as usize];
            let wanted = (tiling.rows - first).min(tiling.height) * tiling.row_size;
            let at = column.place.start + first * tiling.row_size;
            self.scratch.get(at, &mut chunk[..wanted as usize]).map_err(WriteError::from)?;
            let encoder = encoder.as_mut().map_err(|error| CutoutError::Refused(error.to_string()))?;
            Ok::<_, CutoutError>(encoder.encode(&chunk))
        };
        firsts.par_iter().map_init(|| encoder(column, level), encode).collect()
    }

    /// Has chunks of all columns compressed by all who make the file together, so that it is known what room they take.
    pub(super) fn encode_together(&mut self, groups: &[ColumnGroup], fetcher: &Fetcher) -> Result<(), CutoutError> {
        let (Some(together), Some(level)) = (&self.together, self.level) else { return Ok(()) };
        let encode = Shares::new(Arc::clone(&together.team), Stage::Encode);
        let mut at = 0;
        for column in groups.iter().flat_map(|group| &group.columns).filter(|column| column.place.compress) {
            let tiling = Tiling::of(column);
            for round in tiling.rounds() {
                fetcher.check_stopped()?;
                if let Some(own) = encode.next(round.len() as u64 * tiling.bytes(), &[at])? {
                    let (mut told, mut place) = (Vec::new(), at);
                    for (bytes, mask) in self.encode(column, level, &tiling, &round)? {
                        together.chunks.put(place, &bytes).map_err(WriteError::from)?;
                        told.extend([bytes.len() as u64, mask.into()]);
                        place += tiling.bytes();
                    }
                    together.chunks.sync().map_err(WriteError::from)?;
                    encode.done(own, told)?;
                }
                at += round.len() as u64 * tiling.bytes();
            }
        }
        let encoded = encode.meet()?;
        if let Some(together) = &mut self.together {
            together.encoded = encoded;
        }
        Ok(())
    }

    /// Waits until all chunks are where they belong.
    pub(super) fn meet(&self) -> Result<(), CutoutError> {
        self.together.as_ref().map_or(Ok(()), |together| together.placing.meet().map(drop))
    }
}

/// Shuffles and deflates chunks of a column.
fn encoder(column: &Column, level: u8) -> Result<Encoder, CutoutError> {
    Encoder::new(column.datatype.size, level).map_err(|error| CutoutError::Refused(error.to_string()))
}

/// How a column is divided into chunks.
struct Tiling {
    /// The shape of a chunk.
    shape: Vec<u64>,
    rows: u64,
    row_size: u64,
    /// Rows of a chunk.
    height: u64,
}

impl Tiling {
    fn of(column: &Column) -> Self {
        let (rows, row_size, mut shape) = (column.shape[0], column.row_size(), column.shape.clone());
        let height = (CHUNK / row_size).clamp(1, rows);
        shape[0] = height;
        Self { shape, rows, row_size, height }
    }

    /// Bytes of a chunk.
    fn bytes(&self) -> u64 {
        self.height * self.row_size
    }

    /// The first rows of chunks that are compressed at the same time.
    fn rounds(&self) -> Vec<Vec<u64>> {
        let firsts: Vec<u64> = (0..self.rows).step_by(self.height as usize).collect();
        firsts.chunks(TOGETHER).map(<[u64]>::to_vec).collect()
    }
}

/// Chunks that several processes compress: each has room for as many bytes as it has uncompressed, one after the other.
pub(super) struct Together {
    team: Arc<dyn Team>,
    chunks: Sink,
    /// Sizes and masks of the chunks of each round.
    encoded: Vec<Vec<u64>>,
    placing: Shares,
    /// The next round, and where its chunks are.
    next: (usize, u64),
}

impl Together {
    pub(super) fn new(team: Arc<dyn Team>, chunks: Sink) -> Self {
        let placing = Shares::new(Arc::clone(&team), Stage::Place);
        Self { team, chunks, encoded: Vec::new(), placing, next: (0, 0) }
    }

    /// Gives the chunks of the next round their places: addresses, sizes and masks.
    fn place(
        &mut self,
        tiling: &Tiling,
        count: usize,
        merged: &Sink,
        writer: &mut Output,
    ) -> Result<Vec<(u64, u32, u32)>, CutoutError> {
        let (round, at) = self.next;
        let told = self.encoded.get(round).filter(|told| told.len() == 2 * count);
        let lost = || CutoutError::Refused("the sizes of compressed chunks are lost".to_owned());
        let mut places = Vec::with_capacity(count);
        for told in told.ok_or_else(lost)?.chunks_exact(2) {
            places.push((writer.reserve(told[0])?, told[0] as u32, told[1] as u32));
        }
        let weight = places.iter().map(|(_, size, _)| u64::from(*size)).sum();
        if let Some(own) = self.placing.next(weight, &[at])? {
            let mut bytes = Vec::new();
            for ((address, size, _), chunk) in places.iter().zip(0..) {
                bytes.resize(*size as usize, 0);
                self.chunks.get(at + chunk * tiling.bytes(), &mut bytes).map_err(WriteError::from)?;
                merged.put(*address, &bytes).map_err(WriteError::from)?;
            }
            merged.sync().map_err(WriteError::from)?;
            self.placing.done(own, Vec::new())?;
        }
        self.next = (round + 1, at + count as u64 * tiling.bytes());
        Ok(places)
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
