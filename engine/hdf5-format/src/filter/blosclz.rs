//! BloscLZ, blosc's own compressor, a FastLZ: control bytes, literals, and matches that point back.

use super::{FilterError, Result};

/// Control bytes below this begin as many literals and one more.
const LITERALS: u8 = 32;
/// A match that is this far away says in two more bytes how much farther it is.
const FAR: usize = 8191;

/// Decodes a stream that fills `place`.
pub(super) fn exactly(source: &[u8], place: &mut [u8]) -> Result<()> {
    let mut input = Input(source);
    let mut at = 0;
    // The highest bits of the first control byte are the compressor's level: it begins with literals in any case.
    let mut control = input.byte()? & (LITERALS - 1);
    loop {
        let length = match control {
            ..LITERALS => {
                let literals = input.take(usize::from(control) + 1)?;
                let room = place.get_mut(at..at + literals.len()).ok_or_else(too_long)?;
                room.copy_from_slice(literals);
                literals.len()
            }
            _ => {
                let (length, distance) = input.reference(control)?;
                repeat(place, at, length, distance)?;
                length
            }
        };
        at += length;
        match input.0.split_first() {
            Some((next, rest)) => (control, input.0) = (*next, rest),
            None if at == place.len() => return Ok(()),
            None => return Err(damaged("it is cut short")),
        }
    }
}

/// Repeats what lies `distance` bytes back; it may overlap what it makes.
fn repeat(place: &mut [u8], at: usize, length: usize, distance: usize) -> Result<()> {
    let start = at.checked_sub(distance).ok_or_else(|| damaged("it refers to before its start"))?;
    if length > place.len() - at {
        return Err(too_long());
    }
    if distance >= length {
        place.copy_within(start..start + length, at);
    } else if distance == 1 {
        let value = place[start];
        place[at..at + length].fill(value);
    } else {
        for step in 0..length {
            place[at + step] = place[start + step];
        }
    }
    Ok(())
}

/// What is left of a stream.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| damaged("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Length and distance of a match. The length of a long one goes on in bytes of 255 and one more.
    fn reference(&mut self, control: u8) -> Result<(usize, usize)> {
        let mut length = usize::from(control >> 5) + 2;
        if control >> 5 == 7 {
            loop {
                let more = self.byte()?;
                length += usize::from(more);
                if more != 255 {
                    break;
                }
            }
        }
        let distance = usize::from(control & 31) << 8 | usize::from(self.byte()?);
        if distance < FAR {
            return Ok((length, distance + 1));
        }
        let farther = usize::from(self.byte()?) << 8 | usize::from(self.byte()?);
        Ok((length, FAR + farther + 1))
    }
}

fn too_long() -> FilterError {
    damaged("it holds more than its block")
}

fn damaged(fault: &str) -> FilterError {
    FilterError::Damaged { filter: "blosc (blosclz)", fault: fault.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::exactly;

    fn decoded(source: &[u8], length: usize) -> Option<Vec<u8>> {
        let mut place = vec![0; length];
        exactly(source, &mut place).ok().map(|()| place)
    }

    #[test]
    fn literals_and_matches_come_back() {
        assert_eq!(decoded(&[0x22, 1, 2, 3], 3).unwrap(), [1, 2, 3]);
        // One byte, then three more of it; then a long match; then one of two bytes that overlaps.
        assert_eq!(decoded(&[0x20, 7, 0x20, 0], 4).unwrap(), [7; 4]);
        assert_eq!(decoded(&[0x20, 7, 0xe0, 255, 1, 0], 266).unwrap(), vec![7; 266]);
        assert_eq!(decoded(&[0x21, 1, 2, 0x40, 1], 6).unwrap(), [1, 2, 1, 2, 1, 2]);
        for broken in
            [&[][..], &[0x20], &[0x20, 7, 0x20], &[0x20, 7, 0x20, 1], &[0x20, 7, 0xe0, 255], &[0x20, 7, 0x3f, 255]]
        {
            assert_eq!(decoded(broken, 4), None, "{broken:?}");
        }
        assert_eq!(decoded(&[0x20, 7, 0x20, 0], 3), None, "bounded");
        assert_eq!(decoded(&[0x20, 7, 0x20, 0], 5), None, "too short");
    }

    #[test]
    fn a_far_match_says_how_far() {
        // 9000 bytes of a zero, one after it, and then what lies 8192 + 5 back.
        let mut stream = vec![0x20, 9, 0xe0];
        stream.extend([255; 35]);
        stream.extend([65, 0, 0x02, 4, 5, 6, 0x3f, 255, 0, 5]);
        let decoded = decoded(&stream, 1 + 9 + 35 * 255 + 65 + 3 + 3).unwrap();
        let (made, before) = decoded.split_at(decoded.len() - 3);
        assert_eq!(before, &made[made.len() - 8197..][..3]);
    }
}
