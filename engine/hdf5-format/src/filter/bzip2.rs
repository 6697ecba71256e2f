//! Filter 307, bzip2: blocks of Huffman codes of a Burrows-Wheeler transform, between two rounds of run lengths.
//!
//! Written here: the crates that are kept well carry a licence that is not among ours, or are C.

use super::bits::Bits;
use super::{FilterError, Result};

const BLOCK_MAGIC: u128 = 0x3141_5926_5359;
const END_MAGIC: u128 = 0x1772_4538_5090;
/// Symbols that are coded with the same table, until the next selector.
const GROUP: usize = 50;
/// Bits of a code at most.
const LONGEST: usize = 20;
/// Equal bytes after which a count of more of them stands.
const RUN: u8 = 4;

pub(super) fn undo(source: &[u8], bound: usize, target: &mut Vec<u8>) -> Result<()> {
    let mut bits = Bits::new(source);
    let level = match (take(&mut bits, 24)?, take(&mut bits, 8)?) {
        (0x42_5a68, level @ 0x31..=0x39) => level - 0x30,
        _ => return Err(damaged("it does not begin as bzip2 does")),
    };
    let mut sums = 0u32;
    loop {
        let (magic, sum) = (bits.take(48).ok_or_else(short)?, take(&mut bits, 32)? as u32);
        match magic {
            BLOCK_MAGIC => {
                let start = target.len();
                let block = Block::read(&mut bits, level * 100_000)?;
                block.write(bound, target)?;
                if checksum(&target[start..]) != sum {
                    return Err(damaged("a checksum is wrong"));
                }
                sums = sums.rotate_left(1) ^ sum;
            }
            END_MAGIC if sums == sum => return Ok(()),
            _ => return Err(damaged("a block does not begin as it should, or the checksum is wrong")),
        }
    }
}

fn take(bits: &mut Bits, count: usize) -> Result<usize> {
    bits.take(count).map(|value| value as usize).ok_or_else(short)
}

fn short() -> FilterError {
    damaged("it is cut short")
}

fn damaged(fault: &str) -> FilterError {
    FilterError::Damaged { filter: "bzip2", fault: fault.to_owned() }
}

/// CRC-32 with the highest bit first.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let (mut value, mut bit) = ((at as u32) << 24, 0);
            while bit < 8 {
                value = value << 1 ^ if value >> 31 == 1 { 0x04c1_1db7 } else { 0 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(u32::MAX, |sum, byte| sum << 8 ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)])
}

/// The codes of one table, by their lengths.
struct Codes {
    /// For each length, the first code that is too high for it, as if it had `LONGEST` bits, and what to add to a code's number.
    ends: [(u32, i32); LONGEST + 1],
    /// Symbols in the order of their codes.
    symbols: Vec<u16>,
}

impl Codes {
    fn read(bits: &mut Bits, count: usize) -> Result<Self> {
        let mut length = take(bits, 5)?;
        let mut lengths = Vec::with_capacity(count);
        for _ in 0..count {
            // Each step must stay within the range, so that a stream of steps has an end.
            loop {
                if !(1..=LONGEST).contains(&length) {
                    return Err(damaged("a code has an impossible length"));
                }
                if take(bits, 1)? == 0 {
                    break;
                }
                length = if take(bits, 1)? == 1 { length - 1 } else { length + 1 };
            }
            lengths.push(length);
        }
        let mut codes = Self { ends: [(0, 0); LONGEST + 1], symbols: Vec::with_capacity(count) };
        let mut code = 0u32;
        for length in 1..=LONGEST {
            code <<= 1;
            let before = codes.symbols.len();
            codes.symbols.extend((0u16..).zip(&lengths).filter(|(_, of)| **of == length).map(|(symbol, _)| symbol));
            let add = before as i32 - code as i32;
            code += (codes.symbols.len() - before) as u32;
            codes.ends[length] = (code, add);
        }
        Ok(codes)
    }

    fn symbol(&self, bits: &mut Bits) -> Result<u16> {
        let mut code = 0u32;
        for (end, add) in &self.ends[1..] {
            code = code << 1 | take(bits, 1)? as u32;
            if code < *end {
                let at = code.wrapping_add_signed(*add) as usize;
                return self.symbols.get(at).copied().ok_or_else(|| damaged("a code is not known"));
            }
        }
        Err(damaged("a code is not known"))
    }
}

/// A block, after the codes and before the transform.
struct Block {
    /// The last column of the sorted rotations.
    last: Vec<u8>,
    /// The row of the original.
    origin: usize,
}

impl Block {
    fn read(bits: &mut Bits, room: usize) -> Result<Self> {
        if take(bits, 1)? == 1 {
            return Err(damaged("a block is randomised, as before version 0.9.5"));
        }
        let origin = take(bits, 24)?;
        let mut used = used_bytes(bits)?;
        let (tables, count) = (take(bits, 3)?, take(bits, 15)?);
        if !(2..=6).contains(&tables) || count == 0 || used.is_empty() {
            return Err(damaged("a block has impossible tables"));
        }
        let mut order: Vec<usize> = (0..tables).collect();
        let mut selectors = Vec::with_capacity(count);
        for _ in 0..count {
            let mut place = 0;
            while take(bits, 1)? == 1 {
                place += 1;
            }
            selectors.push(*to_front(&mut order, place).ok_or_else(|| damaged("a table is not there"))?);
        }
        let codes = (0..tables).map(|_| Codes::read(bits, used.len() + 2)).collect::<Result<Vec<_>>>()?;
        let last = symbols(bits, &codes, &selectors, &mut used, room)?;
        if origin >= last.len() {
            return Err(damaged("a block has no such row"));
        }
        Ok(Self { last, origin })
    }

    /// Undoes the transform and the first round of run lengths.
    fn write(&self, bound: usize, target: &mut Vec<u8>) -> Result<()> {
        let mut starts = [0u32; 257];
        self.last.iter().for_each(|byte| starts[usize::from(*byte) + 1] += 1);
        for byte in 1..257 {
            starts[byte] += starts[byte - 1];
        }
        // Row by row, which row comes after it in the text, with its byte in the low bits.
        let mut next = vec![0u32; self.last.len()];
        for (row, byte) in (0u32..).zip(&self.last) {
            let at = &mut starts[usize::from(*byte)];
            next[*at as usize] = row << 8 | u32::from(*byte);
            *at += 1;
        }
        let mut row = self.origin;
        let (mut before, mut equal) = (None, 0);
        for _ in 0..self.last.len() {
            let entry = next[row];
            // The entry leads to the row whose last byte stands here; that byte is the entry's own.
            let byte = entry as u8;
            row = (entry >> 8) as usize;
            let count = if equal == RUN { usize::from(byte) } else { 1 };
            if target.len() + count > bound {
                return Err(damaged("it holds more than there is room for"));
            }
            if equal == RUN {
                target.resize(target.len() + count, before.unwrap_or(0));
                (before, equal) = (None, 0);
            } else {
                target.push(byte);
                equal = if before == Some(byte) { equal + 1 } else { 1 };
                before = Some(byte);
            }
        }
        Ok(())
    }
}

/// The bytes that occur in a block: which rows of sixteen do, then which of each.
fn used_bytes(bits: &mut Bits) -> Result<Vec<u8>> {
    let rows = take(bits, 16)?;
    let mut used = Vec::new();
    for row in (0..16u8).filter(|row| rows >> (15 - row) & 1 == 1) {
        let columns = take(bits, 16)?;
        used.extend((0..16u8).filter(|column| columns >> (15 - column) & 1 == 1).map(|column| row << 4 | column));
    }
    Ok(used)
}

/// Moves an item to the front of a list.
fn to_front<T>(list: &mut [T], place: usize) -> Option<&T> {
    list.get_mut(..=place)?.rotate_right(1);
    list.first()
}

/// Decodes the symbols of a block: runs of the byte at the front of the list, or places in it.
fn symbols(bits: &mut Bits, codes: &[Codes], selectors: &[usize], used: &mut [u8], room: usize) -> Result<Vec<u8>> {
    let end = used.len() + 1;
    let mut last = Vec::new();
    let (mut run, mut weight) = (0usize, 1usize);
    for selector in selectors {
        for _ in 0..GROUP {
            let symbol = usize::from(codes[*selector].symbol(bits)?);
            if symbol <= 1 && weight <= room {
                run += weight << symbol;
                weight *= 2;
            } else if symbol <= 1 {
                return Err(damaged("a run is too long"));
            }
            if last.len() + run + usize::from(symbol > 1 && symbol != end) > room {
                return Err(damaged("a block is too long"));
            }
            if symbol <= 1 {
                continue;
            }
            last.resize(last.len() + run, used[0]);
            (run, weight) = (0, 1);
            if symbol == end {
                return Ok(last);
            }
            last.push(*to_front(used, symbol - 1).ok_or_else(|| damaged("a byte is not there"))?);
        }
    }
    Err(damaged("a block has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_bzip2() {
        assert_eq!(checksum(b"123456789"), 0xfc89_1918);
    }

    #[test]
    fn an_empty_stream_is_empty() {
        let empty = b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0";
        let mut target = Vec::new();
        undo(empty, 0, &mut target).unwrap();
        assert!(target.is_empty() && undo(&empty[..13], 0, &mut target).is_err());
    }
}
