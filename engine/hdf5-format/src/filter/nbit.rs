//! Filter 5, nbit: only the bits of each number that mean something.
//!
//! The client data describe the elements: how many there are, and the type, a list of numbers that begins with its class.

use super::bits::Bits;
use super::{FilterError, Result};

/// Compounds and arrays inside each other at most.
const MAX_DEPTH: u32 = 32;

/// A type as the client data describe it.
enum Type {
    /// A number of `size` bytes with `precision` bits from bit `offset` on.
    Atomic { size: usize, big_endian: bool, precision: usize, offset: usize },
    /// So many elements of a type of so many bytes.
    Array { count: usize, base: Box<Type>, base_size: usize },
    /// Members, each at its place.
    Compound { size: usize, members: Vec<(usize, Type)> },
    /// Bytes that are stored as they are.
    Plain { size: usize },
}

pub(super) fn undo(source: &[u8], client_data: &[u32], bound: usize, target: &mut Vec<u8>) -> Result<()> {
    // The second number says that nothing was to be gained.
    if client_data.get(1).is_some_and(|flag| *flag != 0) {
        target.extend_from_slice(source);
        return Ok(());
    }
    let mut numbers = client_data.iter().skip(2).copied();
    let count = numbers.next().ok_or_else(|| damaged("it does not say how many elements there are"))? as usize;
    let element = Type::read(&mut numbers, MAX_DEPTH)?;
    let size = element.size();
    let length = count.checked_mul(size).filter(|length| *length <= bound);
    target.resize(length.ok_or_else(|| damaged("its elements are more than a chunk holds"))?, 0);
    let mut bits = Bits::new(source);
    target.chunks_exact_mut(size.max(1)).try_for_each(|place| element.undo(&mut bits, place))
}

fn damaged(fault: &str) -> FilterError {
    FilterError::Damaged { filter: "nbit", fault: fault.to_owned() }
}

impl Type {
    fn read(numbers: &mut impl Iterator<Item = u32>, depth: u32) -> Result<Self> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("its types are nested too deep"))?;
        let mut next = || numbers.next().map(|number| number as usize).ok_or_else(|| damaged("its type is cut short"));
        let class = next()?;
        let size = next()?;
        match class {
            1 => {
                let (order, precision, offset) = (next()?, next()?, next()?);
                let sound = (1..=16).contains(&size) && precision >= 1 && precision.saturating_add(offset) <= 8 * size;
                if !sound {
                    return Err(damaged("its numbers have impossible sizes"));
                }
                Ok(Self::Atomic { size, big_endian: order == 1, precision, offset })
            }
            2 => {
                let base = Box::new(Self::read(numbers, depth)?);
                let base_size = base.size();
                match size.checked_div(base_size) {
                    Some(count) if count * base_size == size => Ok(Self::Array { count, base, base_size }),
                    _ => Err(damaged("an array is not made of its elements")),
                }
            }
            3 => {
                let count = next()?;
                let mut members = Vec::new();
                for _ in 0..count {
                    let offset = numbers.next().ok_or_else(|| damaged("its type is cut short"))? as usize;
                    let member = Self::read(numbers, depth)?;
                    if offset.checked_add(member.size()).is_none_or(|end| end > size) {
                        return Err(damaged("a member lies outside of its compound"));
                    }
                    members.push((offset, member));
                }
                Ok(Self::Compound { size, members })
            }
            4 => Ok(Self::Plain { size }),
            other => Err(damaged(&format!("a type of the unknown class {other}"))),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Atomic { size, .. } | Self::Compound { size, .. } | Self::Plain { size } => *size,
            Self::Array { count, base_size, .. } => count * base_size,
        }
    }

    fn undo(&self, bits: &mut Bits, place: &mut [u8]) -> Result<()> {
        let short = || damaged("its bits are cut short");
        match self {
            Self::Atomic { size, big_endian, precision, offset } => {
                let value = bits.take(*precision).ok_or_else(short)? << offset;
                if *big_endian {
                    place.copy_from_slice(&value.to_be_bytes()[16 - size..]);
                } else {
                    place.copy_from_slice(&value.to_le_bytes()[..*size]);
                }
                Ok(())
            }
            Self::Array { base, base_size, .. } => {
                place.chunks_exact_mut((*base_size).max(1)).try_for_each(|place| base.undo(bits, place))
            }
            Self::Compound { members, .. } => members
                .iter()
                .try_for_each(|(offset, member)| member.undo(bits, &mut place[*offset..offset + member.size()])),
            Self::Plain { .. } => place.iter_mut().try_for_each(|byte| {
                *byte = bits.take(8).ok_or_else(short)? as u8;
                Ok(())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::undo;

    fn undone(source: &[u8], client_data: &[u32]) -> Option<Vec<u8>> {
        let mut target = Vec::new();
        undo(source, client_data, 1000, &mut target).ok().map(|()| target)
    }

    #[test]
    fn numbers_get_their_bits_back() {
        // Three numbers of 4 bits from bit 2 on, in 16 bits.
        let bits = [0b1111_0001, 0b1010_0000];
        let little = [8, 0, 3, 1, 2, 0, 4, 2];
        assert_eq!(undone(&bits, &little).unwrap(), [0b11_1100, 0, 0b100, 0, 0b10_1000, 0]);
        let big = [8, 0, 3, 1, 2, 1, 4, 2];
        assert_eq!(undone(&bits, &big).unwrap(), [0, 0b11_1100, 0, 0b100, 0, 0b10_1000]);
        assert_eq!(undone(&bits, &[8, 1, 3]).unwrap(), bits);
        assert_eq!(undone(&bits[..1], &little), None, "cut short");
    }

    #[test]
    fn compounds_and_arrays_are_made_of_numbers() {
        // A compound of 4 bytes: at 0 an array of two numbers of 4 bits in a byte each, at 3 a byte as it is.
        let compound = [0, 0, 1, 3, 4, 2, 0, 2, 2, 1, 1, 0, 4, 0, 3, 4, 1];
        assert_eq!(undone(&[0x5a, 0xff], &compound).unwrap(), [0x05, 0x0a, 0, 0xff]);
        assert_eq!(undone(&[0x5a, 0xff], &[0, 0, 1, 3, 4, 1, 4, 4, 1]), None, "outside of its compound");
        assert_eq!(undone(&[0; 9], &[0, 0, u32::MAX, 4, u32::MAX]), None, "bounded");
    }
}
