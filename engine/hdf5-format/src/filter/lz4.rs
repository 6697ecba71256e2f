//! Filter 32004, LZ4: blocks of raw LZ4, each behind its length. Numbers are big-endian: eight bytes for how many the decoded
//! ones are, four for those of a block; a block that did not get smaller is stored as it is.

use super::{FilterError, Result};

pub(super) fn undo(source: &[u8], bound: usize, target: &mut Vec<u8>) -> Result<()> {
    let (length, rest) = source.split_first_chunk::<8>().ok_or_else(short)?;
    let (block, mut rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok().filter(|length| *length <= bound);
    let length = length.ok_or_else(|| damaged(format!("it holds more than {bound} bytes")))?;
    let block = u32::from_be_bytes(*block) as usize;
    if block == 0 && length > 0 {
        return Err(damaged("its blocks are empty".to_owned()));
    }
    target.resize(length, 0);
    for place in target.chunks_mut(block.max(1)) {
        let stored = take_block(&mut rest).ok_or_else(short)?;
        if stored.len() == place.len() {
            place.copy_from_slice(stored);
        } else {
            exactly(stored, place)?;
        }
    }
    Ok(())
}

/// Takes a block that stands behind its length.
pub(super) fn take_block<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let (block, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = behind;
    Some(block)
}

/// Decodes a block of raw LZ4 that fills `place`.
pub(super) fn exactly(source: &[u8], place: &mut [u8]) -> Result<()> {
    match lz4_flex::block::decompress_into(source, place) {
        Ok(length) if length == place.len() => Ok(()),
        Ok(length) => Err(damaged(format!("a block has {length} bytes instead of {}", place.len()))),
        Err(error) => Err(damaged(error.to_string())),
    }
}

fn short() -> FilterError {
    damaged("it is cut short".to_owned())
}

fn damaged(fault: String) -> FilterError {
    FilterError::Damaged { filter: "lz4", fault }
}

#[cfg(test)]
mod tests {
    use super::undo;

    fn undone(length: u64, block: u32, blocks: &[&[u8]], bound: usize) -> Option<Vec<u8>> {
        let mut source = [&length.to_be_bytes()[..], &block.to_be_bytes()].concat();
        for block in blocks {
            source.extend_from_slice(&(block.len() as u32).to_be_bytes());
            source.extend_from_slice(block);
        }
        let mut target = Vec::new();
        undo(&source, bound, &mut target).ok().map(|()| target)
    }

    #[test]
    fn blocks_are_decoded_or_copied() {
        // One literal, a match of 14 one byte back, and five literals, as the format wants at the end; then three bytes as they are.
        let sevens: &[u8] = &[0x1a, 7, 1, 0, 0x50, 7, 7, 7, 7, 7];
        let expected = [&[7; 20][..], &[1, 2, 3]].concat();
        assert_eq!(undone(23, 20, &[sevens, &[1, 2, 3]], 23).unwrap(), expected);
        assert_eq!(undone(0, 0, &[], 0).unwrap(), [0; 0]);
        assert_eq!(undone(23, 20, &[sevens, &[1, 2, 3]], 22), None, "bounded");
        assert_eq!(undone(23, 20, &[sevens], 23), None, "cut short");
        assert_eq!(undone(19, 19, &[sevens], 23), None, "too long a block");
        assert_eq!(undone(9, 0, &[], 9), None, "empty blocks");
    }
}
