//! Filter 32008, bitshuffle: the first bits of all elements of a block, then the second ones, and so on; blocks may be compressed.
//!
//! Client data: version (two numbers), bytes of an element, elements of a block, compression (0, 2 LZ4, 3 Zstandard). Before
//! compressed blocks stand, big-endian, the number of decoded bytes in eight and that of a block in four.

use super::zstd::Zstd;
use super::{FilterError, Result, lz4};

/// Elements of a block are a multiple of this; fewer at the end are stored as they are.
const STEP: usize = 8;
/// Bytes of a block where no number of elements is given, and the fewest elements of such a block.
const DEFAULT_BLOCK: (usize, usize) = (8192, 128);

/// How blocks are compressed.
#[derive(Clone, Copy)]
enum Codec {
    None,
    Lz4,
    Zstd,
}

pub(super) fn undo(
    source: &[u8],
    client_data: &[u32],
    zstd: &mut Zstd,
    bound: usize,
    target: &mut Vec<u8>,
) -> Result<()> {
    let number = |at: usize| client_data.get(at).map_or(0, |number| *number as usize);
    let element = number(2);
    if element == 0 {
        return Err(damaged("its elements are empty"));
    }
    let codec = match number(4) {
        2 => Codec::Lz4,
        3 => Codec::Zstd,
        _ => Codec::None,
    };
    let (length, block, rest) = match codec {
        Codec::None if number(3) > 0 => (source.len(), number(3), source),
        Codec::None => (source.len(), default_block(element), source),
        Codec::Lz4 | Codec::Zstd => header(source, element)?,
    };
    if length > bound || length % element != 0 {
        return Err(damaged("its length is not that of so many elements"));
    }
    let block = Some(block).filter(|block| *block > 0 && block % STEP == 0);
    let block = block.ok_or_else(|| damaged("its blocks are of an impossible size"))?;
    target.resize(length, 0);
    let whole = length / element / STEP * STEP * element;
    let (shuffled, end) = target.split_at_mut(whole);
    let rest = blocks(rest, codec, element, block, zstd, shuffled)?;
    let last = rest.get(..end.len()).ok_or_else(|| damaged("it is cut short"))?;
    end.copy_from_slice(last);
    Ok(())
}

fn damaged(fault: &str) -> FilterError {
    FilterError::Damaged { filter: "bitshuffle", fault: fault.to_owned() }
}

/// The number of elements in a block when none is given.
fn default_block(element: usize) -> usize {
    (DEFAULT_BLOCK.0 / element / STEP * STEP).max(DEFAULT_BLOCK.1)
}

/// Decoded bytes, elements of a block, and what is behind the header.
fn header(source: &[u8], element: usize) -> Result<(usize, usize, &[u8])> {
    let short = || damaged("it is cut short");
    let (length, rest) = source.split_first_chunk::<8>().ok_or_else(short)?;
    let (block, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
    Ok((length, u32::from_be_bytes(*block) as usize / element, rest))
}

/// Undoes all blocks of `place`; returns what is behind the last one.
fn blocks<'a>(
    mut rest: &'a [u8],
    codec: Codec,
    element: usize,
    block: usize,
    zstd: &mut Zstd,
    place: &mut [u8],
) -> Result<&'a [u8]> {
    let short = || damaged("it is cut short");
    let block = block.saturating_mul(element);
    let mut room = match codec {
        Codec::None => Vec::new(),
        Codec::Lz4 | Codec::Zstd => vec![0; block.min(place.len())],
    };
    for place in place.chunks_mut(block) {
        match codec {
            Codec::None => {
                let (stored, behind) = rest.split_at_checked(place.len()).ok_or_else(short)?;
                rest = behind;
                untranspose(stored, element, place);
                continue;
            }
            Codec::Lz4 => {
                let stored = lz4::take_block(&mut rest).ok_or_else(short)?;
                lz4::exactly(stored, &mut room[..place.len()])?;
            }
            Codec::Zstd => {
                let stored = lz4::take_block(&mut rest).ok_or_else(short)?;
                if zstd.fill(stored, &mut room[..place.len()])? != place.len() {
                    return Err(damaged("a block has another size"));
                }
            }
        }
        untranspose(&room[..place.len()], element, place);
    }
    Ok(rest)
}

/// Puts the bits of elements together again. `shuffled` has for each bit of an element (the lowest one of the first byte first)
/// one row of as many bits as there are elements, which are a multiple of eight.
pub(super) fn untranspose(shuffled: &[u8], element: usize, place: &mut [u8]) {
    let row = shuffled.len() / element.max(1) / 8;
    if row == 0 {
        return;
    }
    for (byte, rows) in shuffled.chunks_exact(8 * row).enumerate() {
        let rows: [&[u8]; 8] = std::array::from_fn(|bit| &rows[bit * row..(bit + 1) * row]);
        for (column, eight) in place.chunks_exact_mut(8 * element).take(row).enumerate() {
            let bits = u64::from_le_bytes(std::array::from_fn(|bit| rows[bit][column]));
            let bytes = transposed(bits).to_le_bytes();
            for (element, value) in eight.chunks_exact_mut(element).zip(bytes) {
                element[byte] = value;
            }
        }
    }
}

/// Mirrors a square of eight times eight bits: blocks of one, two and four bits change places across the diagonal.
fn transposed(mut bits: u64) -> u64 {
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let changed = (bits ^ bits >> shift) & mask;
        bits ^= changed ^ changed << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(source: &[u8], client_data: &[u32], bound: usize) -> Option<Vec<u8>> {
        let mut target = Vec::new();
        undo(source, client_data, &mut Zstd::default(), bound, &mut target).ok().map(|()| target)
    }

    #[test]
    fn bits_come_back_to_their_elements() {
        // Eight elements of two bytes, each with its own number in the first byte, and one more that is stored as it is.
        let rows = [0xaa, 0xcc, 0xf0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 5, 6];
        let expected: Vec<u8> = (0x80..0x88).flat_map(|number| [number, 0]).chain([5, 6]).collect();
        assert_eq!(undone(&rows, &[0, 4, 2, 0, 0], 18).unwrap(), expected);
        assert_eq!(undone(&rows, &[0, 4, 2, 0, 0], 17), None, "bounded");
        assert_eq!(undone(&rows[..17], &[0, 4, 2, 0, 0], 18), None, "half an element");
        assert_eq!(undone(&rows, &[0, 4, 2, 12, 0], 18), None, "blocks are multiples of eight");
        assert_eq!(undone(&rows, &[0, 4], 18), None, "empty elements");
        assert_eq!(undone(&rows, &[0, 4, 2, 0, 2], 18), None, "no header");
    }
}
