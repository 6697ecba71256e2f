//! Filter 6, scaleoffset: numbers as differences from the least one, in as few bits as the largest needs.
//!
//! Client data: how floats are scaled, by how much, number of elements, class (0 integer, 1 float), bytes, sign, byte order
//! (1 big-endian), whether there is a fill value, and its bytes. Stored: the bits of a number, the least number, the bits.

use super::bits::Bits;
use super::{FilterError, Result};

/// Bytes before the numbers: 4 for how many bits each has, 1 for the width of the least one, 16 for that itself.
const HEADER: usize = 21;

/// What the client data say.
struct Numbers {
    count: usize,
    float: bool,
    size: usize,
    big_endian: bool,
    fill: Option<u64>,
    /// Decimals that floats were rounded to.
    decimals: i32,
}

pub(super) fn undo(source: &[u8], client_data: &[u32], bound: usize, target: &mut Vec<u8>) -> Result<()> {
    let numbers = Numbers::read(client_data)?;
    let length = numbers.count.checked_mul(numbers.size).filter(|length| *length <= bound);
    let length = length.ok_or_else(|| damaged("its elements are more than a chunk holds"))?;
    let header = source.get(..HEADER).ok_or_else(|| damaged("it is cut short"))?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let bits = number(&header[..4]) as usize;
    let width = usize::from(header[4]).min(8);
    let least = number(&header[5..5 + width]);
    let stored = &source[HEADER..];
    target.reserve(length);
    if bits > 8 * numbers.size {
        return Err(damaged("its numbers have more bits than their type"));
    }
    if bits == 8 * numbers.size {
        // Nothing was to be gained: the elements are stored whole.
        let whole = stored.get(..length).ok_or_else(|| damaged("it is cut short"))?;
        whole.chunks_exact(numbers.size).for_each(|element| numbers.put(number(element), target));
        return Ok(());
    }
    let mut stream = Bits::new(stored);
    let none = (1u64 << bits) - 1;
    for _ in 0..numbers.count {
        let difference = stream.take(bits).ok_or_else(|| damaged("its bits are cut short"))? as u64;
        let value = match numbers.fill.filter(|_| bits > 0 && difference == none) {
            Some(fill) => fill,
            None => numbers.value(difference, least),
        };
        numbers.put(value, target);
    }
    Ok(())
}

fn damaged(fault: &str) -> FilterError {
    FilterError::Damaged { filter: "scaleoffset", fault: fault.to_owned() }
}

impl Numbers {
    fn read(client_data: &[u32]) -> Result<Self> {
        let [scaling, factor, count, class, size, _sign, order, filled, ..] = client_data else {
            return Err(damaged("it does not say what its numbers are"));
        };
        let float = *class == 1;
        let sound = if float { *scaling == 0 && matches!(size, 4 | 8) } else { matches!(size, 1 | 2 | 4 | 8) };
        if !sound {
            return Err(damaged("its numbers are of a kind that it does not scale"));
        }
        let fill = client_data[8..].iter().take(2).rev().fold(0u64, |fill, word| fill << 32 | u64::from(*word));
        Ok(Self {
            count: *count as usize,
            float,
            size: *size as usize,
            big_endian: *order == 1,
            fill: (*filled == 1).then_some(fill),
            decimals: *factor as i32,
        })
    }

    /// The bits of the number that is so far above the least one.
    fn value(&self, difference: u64, least: u64) -> u64 {
        match (self.float, self.size) {
            (false, _) => difference.wrapping_add(least),
            // Computed in the type of the elements, as libhdf5 does: digits depend on it.
            (true, 4) => {
                let scale = 10f64.powi(self.decimals) as f32;
                ((difference as i32) as f32 / scale + f32::from_bits(least as u32)).to_bits().into()
            }
            (true, _) => {
                let scale = 10f64.powi(self.decimals);
                ((difference as i64) as f64 / scale + f64::from_bits(least)).to_bits()
            }
        }
    }

    fn put(&self, value: u64, target: &mut Vec<u8>) {
        match self.big_endian {
            true => target.extend_from_slice(&value.to_be_bytes()[8 - self.size..]),
            false => target.extend_from_slice(&value.to_le_bytes()[..self.size]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::undo;

    fn stored(bits: u32, least: u64, content: &[u8]) -> Vec<u8> {
        let mut stored = bits.to_le_bytes().to_vec();
        stored.push(8);
        stored.extend_from_slice(&least.to_le_bytes());
        stored.resize(21, 0);
        stored.extend_from_slice(content);
        stored
    }

    fn undone(stored: &[u8], client_data: &[u32]) -> Option<Vec<u8>> {
        let mut target = Vec::new();
        undo(stored, client_data, 1000, &mut target).ok().map(|()| target)
    }

    #[test]
    fn integers_are_least_and_difference() {
        let shorts = [2, 0, 3, 0, 2, 1, 0, 0];
        let minus_five = (-5i64) as u64;
        let expected: Vec<u8> = [-5i16, 2, -3].iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(undone(&stored(4, minus_five, &[0x07, 0x20]), &shorts).unwrap(), expected);
        assert_eq!(undone(&stored(0, 9, &[]), &shorts).unwrap(), [9, 0, 9, 0, 9, 0]);
        let big_with_fill = [2, 0, 2, 0, 2, 1, 1, 1, 0xffff_fffe, 0];
        assert_eq!(undone(&stored(4, 1, &[0x2f]), &big_with_fill).unwrap(), [0, 3, 0xff, 0xfe]);
        assert_eq!(undone(&stored(16, 0, &[1, 2, 3, 4, 5, 6]), &shorts).unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(undone(&stored(4, 0, &[0x07]), &shorts), None, "cut short");
        assert_eq!(undone(&stored(17, 0, &[0; 9]), &shorts), None);
        assert_eq!(undone(&[1, 2], &shorts), None);
    }

    #[test]
    fn floats_are_rounded_decimals() {
        let doubles = [0, 2, 2, 1, 8, 0, 0, 0];
        let expected: Vec<u8> = [1.5f64, 0.25 + 1.5].iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(undone(&stored(8, 1.5f64.to_bits(), &[0, 25]), &doubles).unwrap(), expected);
    }
}
