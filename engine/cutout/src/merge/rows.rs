//! Rows of columns, on their way from chunks into the merged table.

use std::ops::Range;
use std::sync::Arc;

use spolia_hdf5_format::Hdf5Error;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::filter::ChunkRows;
use spolia_hdf5_format::layout::Layout;

use super::table::Rows;
use crate::error::CutoutError;
use crate::fetch::{Fetched, Fetcher, Unit, Work, Worker};
use crate::index::table::{ChunkPlace, ColumnPlace, NO_CHUNK};

/// Bytes that the pieces of a unit are stored in: few where there are few in all, so that no thread is left without a unit, but not
/// where a request is a journey.
const TOGETHER: (u64, u64) = (64 << 10, 1 << 20);
/// Pieces of a unit at most.
const PIECES: usize = 32;
/// Bytes of rows of a column without chunks in one piece.
const PIECE: u64 = 1 << 20;

/// A column, as its rows come from one file and go into the merged table.
pub(super) struct ColumnOut {
    out: Rows,
    /// The column in the file.
    dataset: Dataset,
    /// Bytes of a row in the file.
    row_size: u64,
}

impl ColumnOut {
    pub(super) fn new(out: Rows, dataset: Dataset) -> Result<Self, CutoutError> {
        let shape = dataset.space.shape().get(1..).unwrap_or_default();
        let row_size = shape.iter().try_fold(u64::from(dataset.datatype.size), |size, n| size.checked_mul(*n));
        Ok(Self { out, dataset, row_size: row_size.ok_or(CutoutError::Index)? })
    }
}

/// All rows wanted from one file, in pieces.
pub(super) struct RowPieces {
    file: usize,
    place: String,
    rows: Arc<[u64]>,
    columns: Vec<ColumnOut>,
    pieces: Vec<Piece>,
}

/// Some of the wanted rows of one column.
struct Piece {
    column: usize,
    from: From,
    /// Which of the wanted rows.
    wanted: Range<usize>,
}

/// Where rows are in the file.
#[derive(Clone, Copy)]
enum From {
    /// In a chunk that begins with a row.
    Chunk(ChunkPlace, u64),
    /// One after the other from an offset on.
    Rows(u64),
}

impl From {
    /// Where they begin, and the bytes that are read at most.
    fn stored(&self) -> (u64, u64) {
        match self {
            Self::Chunk(chunk, _) => (chunk.at, chunk.size.into()),
            Self::Rows(at) => (*at, PIECE),
        }
    }
}

impl RowPieces {
    pub(super) fn new(file: usize, place: String, rows: Arc<[u64]>) -> Self {
        Self { file, place, rows, columns: Vec::new(), pieces: Vec::new() }
    }

    /// Adds the wanted rows of a column.
    pub(super) fn add(&mut self, out: ColumnOut, place: &ColumnPlace) -> Result<(), CutoutError> {
        let column = self.columns.len();
        match (place, &out.dataset.layout) {
            (ColumnPlace::Chunks(chunks), Layout::Chunked(layout)) if chunks.height == layout.shape[0] => {
                let (height, mut first) = (chunks.height, 0);
                for together in self.rows.chunk_by(|a, b| a / height == b / height) {
                    let number = together[0] / height;
                    let chunk = chunks.get(number).ok_or(CutoutError::Index)?;
                    let wanted = first..first + together.len();
                    first = wanted.end;
                    self.pieces.push(Piece { column, from: From::Chunk(chunk, number * height), wanted });
                }
            }
            (ColumnPlace::Chunks(_), _) => return Err(CutoutError::Index),
            (place, _) => {
                let count = (PIECE / out.row_size.max(1)).max(1) as usize;
                for first in (0..self.rows.len()).step_by(count) {
                    let wanted = first..(first + count).min(self.rows.len());
                    let from = match place {
                        ColumnPlace::Rows(at) => From::Rows(*at),
                        _ => From::Chunk(NO_CHUNK, 0),
                    };
                    self.pieces.push(Piece { column, from, wanted });
                }
            }
        }
        self.columns.push(out);
        Ok(())
    }

    /// Hands the pieces out in the order of the file, some together.
    pub(super) fn finish(mut self, fetcher: &mut Fetcher) -> Result<(), CutoutError> {
        self.pieces.sort_by_key(|piece| piece.from.stored().0);
        let shared = Arc::new(Shared { place: self.place, rows: self.rows, columns: self.columns });
        let stored: u64 = self.pieces.iter().map(|piece| piece.from.stored().1).sum();
        let together = if fetcher.is_far() { TOGETHER.1 } else { (stored / 8).clamp(TOGETHER.0, TOGETHER.1) };
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        let mut hand_out = |pieces: &mut Vec<Piece>| match pieces.is_empty() {
            true => Ok(()),
            false => {
                let work = RowsWork { shared: Arc::clone(&shared), pieces: std::mem::take(pieces) };
                fetcher.add(Unit { file: self.file, work: Box::new(work) })
            }
        };
        for piece in self.pieces {
            let size = piece.from.stored().1;
            if pieces.len() >= PIECES || bytes + size > together {
                hand_out(&mut pieces)?;
                bytes = 0;
            }
            bytes += size;
            pieces.push(piece);
        }
        hand_out(&mut pieces)
    }
}

/// What the units of a file share.
struct Shared {
    place: String,
    rows: Arc<[u64]>,
    columns: Vec<ColumnOut>,
}

/// Gathering some pieces.
struct RowsWork {
    shared: Arc<Shared>,
    pieces: Vec<Piece>,
}

impl Work for RowsWork {
    fn weight(&self) -> u64 {
        let weight = |piece: &Piece| match (&piece.from, &self.shared.columns[piece.column].dataset.layout) {
            (From::Chunk(chunk, _), Layout::Chunked(layout)) => u64::from(chunk.size) + layout.bytes(),
            _ => piece.from.stored().1,
        };
        self.pieces.iter().map(weight).sum()
    }

    fn pieces(&self) -> usize {
        let pieces =
            self.pieces.iter().map(|piece| if matches!(piece.from, From::Rows(_)) { piece.wanted.len() } else { 1 });
        pieces.sum()
    }

    fn ranges(&self, ranges: &mut Vec<Range<u64>>) -> u64 {
        for piece in &self.pieces {
            match piece.from {
                From::Chunk(chunk, _) if chunk.size > 0 => {
                    ranges.push(chunk.at..chunk.at.saturating_add(chunk.size.into()));
                }
                From::Chunk(..) => {}
                From::Rows(at) => {
                    let size = self.shared.columns[piece.column].row_size;
                    // Rows that follow each other are one range.
                    let rows = &self.shared.rows[piece.wanted.clone()];
                    for run in rows.chunk_by(|a, b| a + 1 == *b) {
                        let start = at.saturating_add(run[0].saturating_mul(size));
                        ranges.push(start..start.saturating_add(size.saturating_mul(run.len() as u64)));
                    }
                }
            }
        }
        ranges.iter().map(|range| range.end - range.start).sum()
    }

    fn run(&self, fetched: &Fetched, worker: &mut Worker) -> Result<(), CutoutError> {
        let mut room = Vec::new();
        for piece in &self.pieces {
            let column = &self.shared.columns[piece.column];
            let mut made = std::mem::take(&mut worker.made);
            made.clear();
            self.gather(piece, column, fetched, worker, &mut made)?;
            column.out.put(piece.wanted.start as u64, &made, &mut room)?;
            worker.made = made;
        }
        Ok(())
    }
}

impl RowsWork {
    fn gather(
        &self,
        piece: &Piece,
        column: &ColumnOut,
        fetched: &Fetched,
        worker: &mut Worker,
        made: &mut Vec<u8>,
    ) -> Result<(), CutoutError> {
        let wanted = &self.shared.rows[piece.wanted.clone()];
        match piece.from {
            From::Chunk(NO_CHUNK, _) => {
                let element = column
                    .dataset
                    .fill_value
                    .as_deref()
                    .filter(|value| value.len() == column.dataset.datatype.size as usize);
                let size = wanted.len() * column.row_size as usize;
                made.extend(element.unwrap_or(&[0]).iter().cycle().take(size));
                Ok(())
            }
            From::Chunk(chunk, first) => {
                let Layout::Chunked(layout) = &column.dataset.layout else { return Err(CutoutError::Index) };
                let stored = fetched.get(chunk.at, chunk.size.into()).ok_or(CutoutError::Index)?;
                let shape = ChunkRows { chunk_size: layout.bytes() as usize, row_size: column.row_size as usize };
                let rows: Vec<usize> = wanted.iter().map(|row| (row - first) as usize).collect();
                let picked = worker.decoder.pick(&column.dataset.filters, chunk.mask, stored, shape, &rows, made);
                picked.map_err(|fault| CutoutError::Hdf5 {
                    file: format!("{}/{}", self.shared.place, column.out.name),
                    source: Hdf5Error::Damaged { structure: "a chunk", offset: chunk.at, fault: fault.to_string() },
                })
            }
            From::Rows(at) => {
                for row in wanted {
                    let row = fetched.get(at + row * column.row_size, column.row_size);
                    made.extend_from_slice(row.ok_or(CutoutError::Index)?);
                }
                Ok(())
            }
        }
    }
}
