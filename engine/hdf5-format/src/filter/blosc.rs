//! Filter 32001, blosc 1: blocks, split into the planes of their shuffled elements, each compressed by an inner codec.
//!
//! The header has 16 bytes: format version, codec version, flags, bytes of an element; then, little-endian, the decoded bytes,
//! those of a block, and all stored ones. Behind it stands where each block begins. The filter's client data repeat some of it.

use super::deflate::Inflater;
use super::zstd::Zstd;
use super::{FilterError, Result, bitshuffle, blosclz, lz4, shuffle};

const HEADER: usize = 16;
/// The format version of blosc 1.
const VERSION: u8 = 2;
/// Elements of more bytes are not split, nor blocks whose planes would have fewer.
const MOST_SPLITS: usize = 16;
const LEAST_SPLIT: usize = 128;

/// What the header says.
struct Header {
    flags: u8,
    element: usize,
    length: usize,
    block: usize,
}

impl Header {
    const SHUFFLED: u8 = 1;
    const COPIED: u8 = 2;
    const BIT_SHUFFLED: u8 = 4;
    const FROM_THE_FUTURE: u8 = 8;
    const NOT_SPLIT: u8 = 16;

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn read(source: &[u8]) -> Result<(Self, &[u8])> {
        let header = source.first_chunk::<HEADER>().ok_or_else(short)?;
        let number =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
        let source = source.get(..number(12)).filter(|source| source.len() >= HEADER).ok_or_else(short)?;
        if header[0] != VERSION || header[2] & Self::FROM_THE_FUTURE != 0 {
            return Err(damaged(format!("version {} of its format is not known here", header[0])));
        }
        let read = Self { flags: header[2], element: header[3].into(), length: number(4), block: number(8) };
        if read.element == 0 || read.length > 0 && read.block == 0 {
            return Err(damaged("its elements or blocks are empty".to_owned()));
        }
        Ok((read, source))
    }

    /// The streams that a block of so many bytes is split into. The last block, if shorter, is not.
    fn splits(&self, block: usize) -> usize {
        let split = !self.has(Self::NOT_SPLIT)
            && block == self.block
            && self.element <= MOST_SPLITS
            && block / self.element >= LEAST_SPLIT;
        if split { self.element } else { 1 }
    }
}

/// Undoes blosc, with decompressors that are used again and again.
pub(super) fn undo(
    source: &[u8],
    inflater: &mut Inflater,
    zstd: &mut Zstd,
    bound: usize,
    target: &mut Vec<u8>,
) -> Result<()> {
    let (header, source) = Header::read(source)?;
    if header.length > bound {
        return Err(damaged(format!("it holds more than {bound} bytes")));
    }
    if header.has(Header::COPIED) {
        let content = source.get(HEADER..HEADER + header.length).ok_or_else(short)?;
        target.extend_from_slice(content);
        return Ok(());
    }
    if header.length == 0 {
        return Ok(());
    }
    let starts = source[HEADER..].as_chunks::<4>().0;
    if header.length.div_ceil(header.block) > starts.len() {
        return Err(short());
    }
    target.resize(header.length, 0);
    let mut room = vec![0; header.block.min(header.length)];
    // Blocks may begin anywhere, but none shares its bytes: else a short chunk could be read again for each of many blocks.
    let mut left = source.len();
    for (start, place) in starts.iter().zip(target.chunks_mut(header.block)) {
        let stored = source.get(u32::from_le_bytes(*start) as usize..).ok_or_else(short)?;
        let shuffled = &mut room[..place.len()];
        let used = streams(&header, stored, inflater, zstd, shuffled)?;
        left = left.checked_sub(used).ok_or_else(|| damaged("its blocks overlap".to_owned()))?;
        unshuffle(&header, shuffled, place);
    }
    Ok(())
}

fn short() -> FilterError {
    damaged("it is cut short".to_owned())
}

fn damaged(fault: String) -> FilterError {
    FilterError::Damaged { filter: "blosc", fault }
}

/// Decodes the streams of a block, each behind its length; one that did not get smaller is stored as it is. Returns the bytes
/// that they take.
fn streams(
    header: &Header,
    stored: &[u8],
    inflater: &mut Inflater,
    zstd: &mut Zstd,
    place: &mut [u8],
) -> Result<usize> {
    let splits = header.splits(place.len());
    if !place.len().is_multiple_of(splits) {
        return Err(damaged("its blocks are not made of whole elements".to_owned()));
    }
    let mut rest = stored;
    for place in place.chunks_exact_mut(place.len() / splits) {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (stream, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(short)?;
        rest = behind;
        if stream.len() == place.len() {
            place.copy_from_slice(stream);
        } else {
            decode(header.flags >> 5, stream, inflater, zstd, place)?;
        }
    }
    Ok(stored.len() - rest.len())
}

/// Decodes a stream that fills `place`.
fn decode(codec: u8, stream: &[u8], inflater: &mut Inflater, zstd: &mut Zstd, place: &mut [u8]) -> Result<()> {
    let length = match codec {
        0 => return blosclz::exactly(stream, place),
        1 => return lz4::exactly(stream, place),
        2 => snap::raw::Decoder::new()
            .decompress(stream, place)
            .map_err(|error| FilterError::Damaged { filter: "blosc (snappy)", fault: error.to_string() })?,
        3 => inflater.fill(stream, place)?,
        4 => zstd.fill(stream, place)?,
        other => return Err(damaged(format!("its inner codec {other} is not known here"))),
    };
    if length == place.len() {
        Ok(())
    } else {
        Err(damaged(format!("a stream has {length} bytes instead of {}", place.len())))
    }
}

fn unshuffle(header: &Header, shuffled: &[u8], place: &mut [u8]) {
    let whole = shuffled.len() / header.element * header.element;
    if header.has(Header::SHUFFLED) && header.element > 1 {
        shuffle::undo_into(shuffled, header.element, place);
    } else if header.has(Header::BIT_SHUFFLED) && whole > 0 && (whole / header.element).is_multiple_of(8) {
        bitshuffle::untranspose(&shuffled[..whole], header.element, &mut place[..whole]);
        place[whole..].copy_from_slice(&shuffled[whole..]);
    } else {
        place.copy_from_slice(shuffled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(flags: u8, element: u8, length: u32, block: u32, content: &[u8]) -> Vec<u8> {
        let mut stored = vec![VERSION, 1, flags, element];
        for number in [length, block, (HEADER + content.len()) as u32] {
            stored.extend_from_slice(&number.to_le_bytes());
        }
        stored.extend_from_slice(content);
        stored
    }

    fn undone(source: &[u8], bound: usize) -> Option<Vec<u8>> {
        let mut target = Vec::new();
        let (mut inflater, mut zstd) = (Inflater::default(), Zstd::default());
        undo(source, &mut inflater, &mut zstd, bound, &mut target).ok().map(|()| target)
    }

    #[test]
    fn blocks_are_copied_or_made_of_streams() {
        assert_eq!(undone(&stored(Header::COPIED, 1, 3, 3, &[1, 2, 3]), 3).unwrap(), [1, 2, 3]);
        assert_eq!(undone(&stored(0, 4, 0, 0, &[]), 0).unwrap(), [0; 0]);
        // Two blocks, of two shuffled elements and of one; the streams are no smaller than what they hold.
        let content = [24, 0, 0, 0, 32, 0, 0, 0, 4, 0, 0, 0, 1, 3, 2, 4, 2, 0, 0, 0, 5, 6];
        assert_eq!(undone(&stored(Header::SHUFFLED, 2, 6, 4, &content), 6).unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(undone(&stored(Header::SHUFFLED, 2, 6, 4, &content), 5), None, "bounded");
        assert_eq!(undone(&stored(Header::SHUFFLED, 2, 6, 4, &content[..21]), 6), None, "cut short");
        assert_eq!(undone(&stored(Header::SHUFFLED, 0, 6, 4, &content), 6), None, "empty elements");
        assert_eq!(undone(&stored(7 << 5, 2, 6, 4, &[20, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 9]), 6), None, "codec");
    }

    #[test]
    fn many_blocks_cannot_share_a_stream() {
        let start = |blocks: u32| (HEADER as u32 + 4 * blocks).to_le_bytes();
        let shared = |blocks: u32| {
            let content = [start(blocks).repeat(blocks as usize), vec![8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
            undone(&stored(0, 1, 8 * blocks, 8, &content), 1000)
        };
        assert_eq!(shared(1).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(shared(20), None);
    }
}
