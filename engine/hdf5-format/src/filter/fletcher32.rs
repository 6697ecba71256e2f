//! Filter 3, fletcher32: a checksum behind the bytes.

use super::{FilterError, Result};

/// Checks the sum and leaves it out.
pub(super) fn undo(source: &[u8], target: &mut Vec<u8>) -> Result<()> {
    let damaged = |fault: &str| FilterError::Damaged { filter: "fletcher32", fault: fault.to_owned() };
    let Some((content, stored)) = source.split_last_chunk::<4>() else {
        return Err(damaged("there is no room for its checksum"));
    };
    let (stored, sum) = (u32::from_le_bytes(*stored), checksum(content));
    // Before 1.6.3, libhdf5 wrote the bytes of each half in the other order.
    let old = (sum & 0x00ff_00ff) << 8 | (sum & 0xff00_ff00) >> 8;
    if stored != sum && stored != old {
        return Err(damaged("the checksum is wrong"));
    }
    target.extend_from_slice(content);
    Ok(())
}

/// Fletcher's sum of big-endian words of 16 bits, the last one filled up with zero.
fn checksum(bytes: &[u8]) -> u32 {
    let (mut first, mut second) = (0u64, 0u64);
    for words in bytes.chunks(720) {
        for word in words.chunks(2) {
            first += u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
            second += first;
        }
        first = folded(first);
        second = folded(second);
    }
    (folded(second) << 16 | folded(first)) as u32
}

/// Adds what lies above 16 bits to what lies below, as often as it takes.
fn folded(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_sum_is_found() {
        let content: Vec<u8> = (0..2001).map(|n| (n * 7 % 251) as u8).collect();
        let mut stored = [content.as_slice(), &checksum(&content).to_le_bytes()].concat();
        let mut target = Vec::new();
        undo(&stored, &mut target).unwrap();
        assert_eq!(target, content);
        stored[1000] ^= 1;
        assert!(undo(&stored, &mut Vec::new()).is_err() && undo(&[1, 2, 3], &mut Vec::new()).is_err());
    }
}
