//! Filters: what chunks went through on their way into the file, undone. HDF5 File Format Specification 3.0, section IV.A.2.l,
//! and the registry of filters for those of others.

mod bits;
mod bitshuffle;
mod blosc;
mod blosclz;
mod bzip2;
#[cfg(test)]
mod cases;
mod deflate;
mod encode;
mod fletcher32;
mod lz4;
mod lzf;
mod nbit;
mod scale_offset;
mod shuffle;
mod szip;
mod zstd;

pub use encode::Encoder;
pub use shuffle::gather_shuffled;

/// One filter of a pipeline, as the filter pipeline message has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its registered number.
    pub id: u16,
    /// 1 where a chunk that it fails on is stored without it.
    pub flags: u16,
    /// Its name, where the file has it.
    pub name: Option<String>,
    /// Its own numbers.
    pub client_data: Vec<u32>,
}

/// Why a chunk could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A filter that is not known here.
    #[error("its filter {id} ({name}) is not known here")]
    Unknown {
        /// The registered number.
        id: u16,
        /// The name, as far as it is known.
        name: String,
    },
    /// The bytes are not what the filter makes.
    #[error("{filter}: {fault}")]
    Damaged {
        /// The filter.
        filter: &'static str,
        /// What is wrong.
        fault: String,
    },
    /// All filters are undone, and the size is not the chunk's.
    #[error("it has {found} bytes after all filters instead of {expected}")]
    Size {
        /// Bytes that were left.
        found: usize,
        /// Bytes of the chunk.
        expected: usize,
    },
}

/// What undoing a filter gives.
type Result<T, E = FilterError> = std::result::Result<T, E>;

/// The filters that can be undone, by their registered numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Deflate,
    Shuffle,
    Fletcher32,
    Szip,
    Nbit,
    ScaleOffset,
    Bzip2,
    Lzf,
    Blosc,
    Lz4,
    Bitshuffle,
    Zstd,
}

impl Kind {
    fn of(filter: &Filter) -> Option<Self> {
        match filter.id {
            1 => Some(Self::Deflate),
            2 => Some(Self::Shuffle),
            3 => Some(Self::Fletcher32),
            4 => Some(Self::Szip),
            5 => Some(Self::Nbit),
            6 => Some(Self::ScaleOffset),
            307 => Some(Self::Bzip2),
            32_000 => Some(Self::Lzf),
            32_001 => Some(Self::Blosc),
            32_004 => Some(Self::Lz4),
            32_008 => Some(Self::Bitshuffle),
            32_015 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The first filter of a pipeline that cannot be undone here.
#[must_use]
pub fn unknown(filters: &[Filter]) -> Option<&Filter> {
    filters.iter().find(|filter| Kind::of(filter).is_none())
}

/// Undoes pipelines, one chunk after the other; each thread has its own.
pub struct Decoder {
    deflate: deflate::Inflater,
    zstd: zstd::Zstd,
    /// What has been undone last.
    done: Vec<u8>,
    /// Room for what stands between two filters.
    room: Vec<u8>,
}

/// A chunk's rows.
#[derive(Debug, Clone, Copy)]
pub struct ChunkRows {
    /// Bytes of the decoded chunk.
    pub chunk_size: usize,
    /// Bytes of a row of it.
    pub row_size: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder with buffers that grow to the size of a chunk.
    #[must_use]
    pub fn new() -> Self {
        let (deflate, zstd) = (deflate::Inflater::default(), zstd::Zstd::default());
        Self { deflate, zstd, done: Vec::new(), room: Vec::new() }
    }

    /// Bytes of its buffers.
    #[must_use]
    pub fn held(&self) -> usize {
        self.done.capacity() + self.room.capacity()
    }

    /// Undoes a pipeline on one chunk: the last filter first, those whose bit in `filter_mask` is set left out. A decoded
    /// chunk has `size` bytes.
    ///
    /// # Errors
    /// [`FilterError`] for an unknown filter, damaged bytes, or another size.
    pub fn decode(&mut self, filters: &[Filter], filter_mask: u32, stored: &[u8], size: usize) -> Result<Vec<u8>> {
        let applied = applied(filters, filter_mask);
        self.undo_all(&applied, 0, stored, size)?;
        Ok(std::mem::take(&mut self.done))
    }

    /// As [`Self::decode`], and appends chosen rows of the chunk to `out`. Of a chunk that was shuffled first, only these rows
    /// are put together again.
    ///
    /// # Errors
    /// As [`Self::decode`], and when there is no such row.
    pub fn pick(
        &mut self,
        filters: &[Filter],
        filter_mask: u32,
        stored: &[u8],
        shape: ChunkRows,
        rows: &[usize],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        /// Where fewer of a chunk's rows are wanted, they are gathered.
        const FEW: usize = 3;
        let applied = applied(filters, filter_mask);
        let ChunkRows { chunk_size, row_size } = shape;
        let element_size = match applied.first() {
            Some(filter) if Kind::of(filter) == Some(Kind::Shuffle) => {
                filter.client_data.first().map(|size| *size as usize)
            }
            _ => None,
        };
        match element_size.filter(|size| *size > 1 && row_size.is_multiple_of(*size)) {
            Some(element_size) if rows.len() * row_size * FEW < chunk_size => {
                self.undo_all(&applied, 1, stored, chunk_size)?;
                let width = row_size / element_size;
                let elements: Vec<usize> = rows.iter().flat_map(|row| row * width..(row + 1) * width).collect();
                gather_shuffled(&self.done, element_size, &elements, out)
            }
            _ if applied.is_empty() => pick_rows(stored, shape, rows, out),
            _ => {
                self.undo_all(&applied, 0, stored, chunk_size)?;
                pick_rows(&self.done, shape, rows, out)
            }
        }
    }

    /// Undoes all filters but the first ones that are to be `left`, none of which changes the size; the result is in `done`.
    fn undo_all(&mut self, applied: &[&Filter], left: usize, stored: &[u8], size: usize) -> Result<()> {
        let (mut source, mut target) = (std::mem::take(&mut self.done), std::mem::take(&mut self.room));
        source.clear();
        if applied.len() <= left {
            source.extend_from_slice(stored);
        }
        for (position, filter) in applied.iter().enumerate().skip(left).rev() {
            let input = if position + 1 == applied.len() { stored } else { &source };
            target.clear();
            self.undo(filter, input, room(&applied[..position], size), &mut target)?;
            std::mem::swap(&mut source, &mut target);
        }
        let found = source.len();
        (self.done, self.room) = (source, target);
        if found == size { Ok(()) } else { Err(FilterError::Size { found, expected: size }) }
    }

    /// Undoes one filter; `bound` are the bytes it may give at most.
    fn undo(&mut self, filter: &Filter, source: &[u8], bound: usize, target: &mut Vec<u8>) -> Result<()> {
        let Some(kind) = Kind::of(filter) else {
            let name = filter.name.clone().unwrap_or_else(|| "without a name".to_owned());
            return Err(FilterError::Unknown { id: filter.id, name });
        };
        match kind {
            Kind::Deflate => self.deflate.undo(source, bound, target),
            Kind::Shuffle => {
                shuffle::undo(source, filter.client_data.first().map_or(1, |size| *size as usize), target);
                Ok(())
            }
            Kind::Fletcher32 => fletcher32::undo(source, target),
            Kind::Szip => szip::undo(source, &filter.client_data, bound, target),
            Kind::Nbit => nbit::undo(source, &filter.client_data, bound, target),
            Kind::ScaleOffset => scale_offset::undo(source, &filter.client_data, bound, target),
            Kind::Bzip2 => bzip2::undo(source, bound, target),
            Kind::Lzf => lzf::undo(source, bound, target),
            Kind::Blosc => blosc::undo(source, &mut self.deflate, &mut self.zstd, bound, target),
            Kind::Lz4 => lz4::undo(source, bound, target),
            Kind::Bitshuffle => bitshuffle::undo(source, &filter.client_data, &mut self.zstd, bound, target),
            Kind::Zstd => self.zstd.undo(source, bound, target),
        }
    }
}

/// The filters that a chunk went through.
fn applied(filters: &[Filter], filter_mask: u32) -> Vec<&Filter> {
    let went_through = |bit: u32| filter_mask.checked_shr(bit).unwrap_or(0) & 1 == 0;
    (0u32..).zip(filters).filter(|(bit, _)| went_through(*bit)).map(|(_, filter)| filter).collect()
}

/// Appends chosen rows of a chunk that is decoded.
fn pick_rows(chunk: &[u8], shape: ChunkRows, rows: &[usize], out: &mut Vec<u8>) -> Result<()> {
    if chunk.len() < shape.chunk_size {
        return Err(FilterError::Size { found: chunk.len(), expected: shape.chunk_size });
    }
    for row in rows {
        let found = row.checked_mul(shape.row_size).and_then(|start| chunk.get(start..start + shape.row_size));
        out.extend_from_slice(
            found.ok_or(FilterError::Damaged { filter: "chunk", fault: format!("it has no row {row}") })?,
        );
    }
    Ok(())
}

/// The most bytes that filters, the first ones of a pipeline, may have made of a chunk of `size` bytes. A pipeline can name many
/// filters, and what each may add must not multiply.
fn room(filters: &[&Filter], size: usize) -> usize {
    let most = size.saturating_mul(2).saturating_add(1 << 20);
    filters.iter().fold(size, |bytes, filter| largest(filter, bytes).min(most))
}

/// The most bytes that a filter makes of so many.
fn largest(filter: &Filter, bytes: usize) -> usize {
    match Kind::of(filter) {
        Some(Kind::Shuffle) => bytes,
        Some(Kind::Fletcher32) => bytes.saturating_add(4),
        // Compressors give up where they do not win; a little more is allowed for their framing.
        _ => bytes.saturating_add(bytes / 2).saturating_add(65_536),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(id: u16, client_data: &[u32]) -> Filter {
        Filter { id, flags: 0, name: None, client_data: client_data.to_vec() }
    }

    #[test]
    fn a_mask_leaves_filters_out() {
        let pipeline = [filter(2, &[2]), filter(3, &[])];
        let decode = |mask, stored: &[u8]| Decoder::new().decode(&pipeline, mask, stored, 4);
        assert_eq!(decode(0b11, &[1, 2, 3, 4]).unwrap(), [1, 2, 3, 4]);
        assert_eq!(decode(0b10, &[1, 2, 3, 4]).unwrap(), [1, 3, 2, 4]);
        assert_eq!(decode(0b11, &[1, 2]), Err(FilterError::Size { found: 2, expected: 4 }));
        assert!(Decoder::new().decode(&[], 0, &[1], 0).is_err());
    }

    #[test]
    fn many_filters_do_not_multiply_what_a_chunk_may_take() {
        let filters: Vec<Filter> = (0..32).map(|_| filter(1, &[6])).collect();
        let applied: Vec<&Filter> = filters.iter().collect();
        assert_eq!(room(&applied, 1 << 20), 3 << 20);
        assert_eq!(room(&applied[..1], 1 << 20), (1 << 20) + (1 << 19) + 65_536);
        assert_eq!(room(&[&filter(2, &[8])], 1000), 1000);
    }

    #[test]
    fn an_unknown_filter_is_named() {
        let named = Filter { name: Some("zfp".to_owned()), ..filter(32_013, &[]) };
        let pipeline = [filter(1, &[6]), named];
        assert_eq!(unknown(&pipeline).map(|filter| filter.id), Some(32_013));
        let error = Decoder::new().decode(&pipeline, 0, &[1], 1).unwrap_err();
        assert_eq!(error.to_string(), "its filter 32013 (zfp) is not known here");
    }

    #[test]
    fn rows_are_picked_as_if_all_were_decoded() {
        let stored: Vec<u8> = (0..96).collect();
        let shape = ChunkRows { chunk_size: 96, row_size: 8 };
        for pipeline in
            [vec![], vec![filter(2, &[4])], vec![filter(2, &[8])], vec![filter(2, &[3])], vec![filter(2, &[])]]
        {
            let whole = Decoder::new().decode(&pipeline, 0, &stored, 96).unwrap();
            for rows in [vec![], vec![3], vec![0, 11], (0..12).collect()] {
                let mut picked = vec![7];
                Decoder::new().pick(&pipeline, 0, &stored, shape, &rows, &mut picked).unwrap();
                let expected: Vec<u8> = rows.iter().flat_map(|row| &whole[row * 8..row * 8 + 8]).copied().collect();
                assert_eq!(picked[1..], expected, "{pipeline:?} {rows:?}");
            }
            assert!(Decoder::new().pick(&pipeline, 0, &stored, shape, &[12], &mut Vec::new()).is_err());
            assert!(Decoder::new().pick(&pipeline, 0, &stored[..90], shape, &[1], &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn a_decoder_can_be_used_again_after_an_error() {
        let mut decoder = Decoder::new();
        assert!(decoder.decode(&[filter(1, &[6])], 0, &[1, 2, 3], 3).is_err());
        assert_eq!(decoder.decode(&[filter(2, &[1])], 0, &[1, 2, 3], 3).unwrap(), [1, 2, 3]);
    }
}
