//! Filter 4, szip: the lossless code of CCSDS 121.0-B, as szlib and libaec write it.
//!
//! Client data: options, pixels per block, bits per pixel, pixels per scanline. Before the stream stand four bytes with the
//! number of decoded ones.

use super::bits::Bits;
use super::{FilterError, Result};

/// Options of szlib.
const NEAREST_NEIGHBOUR: u32 = 32;
const MOST_SIGNIFICANT_FIRST: u32 = 16;
/// The number of zero blocks that stands for all to the end of a segment.
const REST_OF_SEGMENT: u64 = 5;
/// Blocks of a segment.
const SEGMENT: usize = 64;

/// How samples are coded.
struct Code {
    /// Bits of a sample.
    bits: usize,
    /// Samples of a block.
    block: usize,
    /// Blocks after which a reference sample stands.
    reference_interval: usize,
    /// Samples are differences from the one before.
    differences: bool,
    /// Bits of a block's option.
    option_bits: usize,
}

pub(super) fn undo(source: &[u8], client_data: &[u32], bound: usize, target: &mut Vec<u8>) -> Result<()> {
    let [options, block, pixel_bits, scanline, ..] = *client_data else {
        return Err(damaged("it does not say how pixels are coded"));
    };
    let (block, pixel_bits, scanline) = (block as usize, pixel_bits as usize, scanline as usize);
    let sound = (2..=64).contains(&block) && block % 2 == 0 && scanline > 0 && scanline <= 4096 * block;
    if !sound || !matches!(pixel_bits, 1..=32 | 64) {
        return Err(damaged("its blocks or pixels are of impossible sizes"));
    }
    let Some((length, stream)) = source.split_first_chunk::<4>() else { return Err(damaged("it is cut short")) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > bound {
        return Err(damaged("its pixels are more than a chunk holds"));
    }
    // Wide pixels are coded byte by byte: all first bytes, all second ones, and so on.
    let planes = if matches!(pixel_bits, 32 | 64) { pixel_bits / 8 } else { 1 };
    let bits = if planes > 1 { 8 } else { pixel_bits };
    let sample_bytes = bits.div_ceil(8).next_power_of_two();
    let code = Code {
        bits,
        block,
        reference_interval: scanline.div_ceil(block),
        differences: options & NEAREST_NEIGHBOUR != 0,
        option_bits: if bits <= 8 {
            3
        } else if bits <= 16 {
            4
        } else {
            5
        },
    };
    let samples = code.samples(stream, length / sample_bytes, scanline)?;
    let big_endian = options & MOST_SIGNIFICANT_FIRST != 0;
    target.reserve(length);
    for sample in &samples {
        match big_endian {
            true => target.extend_from_slice(&sample.to_be_bytes()[4 - sample_bytes..]),
            false => target.extend_from_slice(&sample.to_le_bytes()[..sample_bytes]),
        }
    }
    if planes > 1 {
        let together = target.clone();
        target.clear();
        super::shuffle::undo(&together, planes, target);
    }
    Ok(())
}

fn damaged(fault: &str) -> FilterError {
    FilterError::Damaged { filter: "szip", fault: fault.to_owned() }
}

impl Code {
    /// Decodes `count` samples. Scanlines that do not fill their last block were filled up with samples that nobody wants.
    fn samples(&self, stream: &[u8], count: usize, scanline: usize) -> Result<Vec<u32>> {
        let padded = self.reference_interval * self.block;
        let mut bits = Bits::new(stream);
        let mut samples = Vec::with_capacity(count);
        while samples.len() < count {
            let mut line = self.interval(&mut bits, count - samples.len())?;
            line.truncate(if padded > scanline { scanline } else { padded });
            let wanted = line.len().min(count - samples.len());
            samples.extend_from_slice(&line[..wanted]);
            if wanted == 0 {
                return Err(damaged("it is cut short"));
            }
        }
        Ok(samples)
    }

    /// Decodes the blocks from one reference sample to the next, or until `wanted` samples are there.
    fn interval(&self, bits: &mut Bits, wanted: usize) -> Result<Vec<u32>> {
        let mut coded: Vec<u32> = Vec::new();
        let mut blocks = 0;
        while blocks < self.reference_interval && coded.len() < wanted {
            blocks += self.block(bits, blocks, &mut coded)?;
        }
        if self.differences {
            self.undo_differences(&mut coded);
        }
        Ok(coded)
    }

    /// Decodes a block, or several of zeros; returns how many.
    fn block(&self, bits: &mut Bits, number: usize, coded: &mut Vec<u32>) -> Result<usize> {
        let short = || damaged("it is cut short");
        let option = bits.take(self.option_bits).ok_or_else(short)? as usize;
        let reference = usize::from(self.differences && number == 0);
        let last = (1 << self.option_bits) - 1;
        let low_entropy = if option == 0 { Some(bits.take(1).ok_or_else(short)?) } else { None };
        if reference == 1 {
            coded.push(bits.take(self.bits).ok_or_else(short)? as u32);
        }
        let left = self.block - reference;
        match low_entropy {
            Some(0) => {
                let count = bits.unary().ok_or_else(short)? + 1;
                let segment = (SEGMENT - number % SEGMENT).min(self.reference_interval - number);
                let count = match count {
                    REST_OF_SEGMENT => segment,
                    more if more > REST_OF_SEGMENT => (more - 1) as usize,
                    fewer => fewer as usize,
                };
                if count > self.reference_interval - number {
                    return Err(damaged("it has more zeros than there is room for"));
                }
                coded.resize(coded.len() + count * self.block - reference, 0);
                return Ok(count);
            }
            Some(_) => self.second_extension(bits, reference, coded)?,
            None if option == last => {
                for _ in 0..left {
                    coded.push(bits.take(self.bits).ok_or_else(short)? as u32);
                }
            }
            None => {
                let low = option - 1;
                let start = coded.len();
                for _ in 0..left {
                    let high = bits.unary().ok_or_else(short)?;
                    coded.push(high.checked_shl(low as u32).unwrap_or(0) as u32);
                }
                for sample in &mut coded[start..] {
                    *sample |= bits.take(low).ok_or_else(short)? as u32;
                }
            }
        }
        Ok(1)
    }

    /// Pairs of small samples in one number: their sum's triangle, and the second one in it.
    fn second_extension(&self, bits: &mut Bits, reference: usize, coded: &mut Vec<u32>) -> Result<()> {
        let mut at = reference;
        while at < self.block {
            let pair = bits.unary().ok_or_else(|| damaged("it is cut short"))?;
            let (mut sum, mut first) = (0u64, 0u64);
            while first + sum < pair {
                sum += 1;
                first += sum;
            }
            let second = pair - first;
            if sum > 12 {
                return Err(damaged("a pair of samples is out of its range"));
            }
            // The reference sample takes the place of the first one.
            if at.is_multiple_of(2) {
                coded.push((sum - second) as u32);
                at += 1;
            }
            coded.push(second as u32);
            at += 1;
        }
        Ok(())
    }

    /// From differences, which fold at the ends of the range, to samples. CCSDS 121.0-B-2, section 4.
    fn undo_differences(&self, coded: &mut [u32]) {
        let most = if self.bits == 32 { u32::MAX } else { (1 << self.bits) - 1 };
        let middle = most / 2 + 1;
        let Some((first, rest)) = coded.split_first_mut() else { return };
        let mut sample = *first & most;
        for coded in rest {
            let difference = *coded;
            let half = (difference >> 1) + (difference & 1);
            let end = if sample & middle == 0 { 0 } else { most };
            sample = if half <= end ^ sample {
                let step = (difference >> 1) ^ (difference & 1).wrapping_neg();
                sample.wrapping_add(step) & most
            } else {
                (end ^ difference) & most
            };
            *coded = sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::undo;

    fn undone(stream: &[u8], length: u32, client_data: &[u32]) -> Option<Vec<u8>> {
        let mut target = Vec::new();
        let source = [&length.to_le_bytes()[..], stream].concat();
        undo(&source, client_data, 1000, &mut target).ok().map(|()| target)
    }

    #[test]
    fn blocks_of_every_kind_are_decoded() {
        // Blocks of four pixels of 8 bits, without differences: split by 1 bit, as they are, zeros, pairs.
        let client_data = [4, 4, 8, 4];
        assert_eq!(undone(&[0b0101_0101, 0b1100_0110], 4, &client_data).unwrap(), [1, 2, 2, 0]);
        assert_eq!(undone(&[0b1110_0001, 0x01, 0x01, 0x01, 0x00], 4, &client_data).unwrap(), [8, 8, 8, 8]);
        assert_eq!(undone(&[0b0000_1000], 4, &client_data).unwrap(), [0; 4]);
        assert_eq!(undone(&[0b0001_0101], 4, &client_data).unwrap(), [1, 0, 1, 0]);
        assert_eq!(undone(&[0b1110_0001], 4, &client_data), None, "cut short");
        assert_eq!(undone(&[0; 4], 2000, &client_data), None, "bounded");
    }
}
