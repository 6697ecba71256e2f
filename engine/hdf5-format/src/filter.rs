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
mod fletcher32;
mod lz4;
mod lzf;
mod nbit;
mod scale_offset;
mod shuffle;
mod szip;
mod zstd;

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
    /// Room for what stands between two filters.
    room: Vec<u8>,
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
        Self { deflate: deflate::Inflater::default(), zstd: zstd::Zstd::default(), room: Vec::new() }
    }

    /// Undoes a pipeline on one chunk: the last filter first, those whose bit in `filter_mask` is set left out. A decoded
    /// chunk has `size` bytes.
    ///
    /// # Errors
    /// [`FilterError`] for an unknown filter, damaged bytes, or another size.
    pub fn decode(&mut self, filters: &[Filter], filter_mask: u32, stored: &[u8], size: usize) -> Result<Vec<u8>> {
        let applied: Vec<&Filter> = (0u32..)
            .zip(filters)
            .filter(|(bit, _)| filter_mask.checked_shr(*bit).unwrap_or(0) & 1 == 0)
            .map(|(_, filter)| filter)
            .collect();
        let sized = |found: usize| match found == size {
            true => Ok(()),
            false => Err(FilterError::Size { found, expected: size }),
        };
        if applied.is_empty() {
            return sized(stored.len()).map(|()| stored.to_vec());
        }
        let (mut source, mut target) = (Vec::new(), std::mem::take(&mut self.room));
        for (position, filter) in applied.iter().enumerate().rev() {
            let input = if position + 1 == applied.len() { stored } else { &source };
            target.clear();
            self.undo(filter, input, room(&applied[..position], size), &mut target)?;
            std::mem::swap(&mut source, &mut target);
        }
        self.room = target;
        sized(source.len()).map(|()| source)
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
    fn a_decoder_can_be_used_again_after_an_error() {
        let mut decoder = Decoder::new();
        assert!(decoder.decode(&[filter(1, &[6])], 0, &[1, 2, 3], 3).is_err());
        assert_eq!(decoder.decode(&[filter(2, &[1])], 0, &[1, 2, 3], 3).unwrap(), [1, 2, 3]);
    }
}
