//! Filter 32000, LZF: h5py's own fast compressor. The stream has no header; each part begins with a control byte.

use super::{FilterError, Result};

/// Control bytes below this begin a run of as many bytes and one more.
const LITERALS: u8 = 32;

pub(super) fn undo(source: &[u8], bound: usize, target: &mut Vec<u8>) -> Result<()> {
    let damaged = |fault: String| FilterError::Damaged { filter: "lzf", fault };
    let mut rest = source;
    let mut next = |count: usize| match rest.split_at_checked(count) {
        Some((taken, behind)) => {
            rest = behind;
            Ok(taken)
        }
        None => Err(damaged("the stream is cut short".to_owned())),
    };
    while let Ok(control) = next(1).map(|bytes| bytes[0]) {
        if control < LITERALS {
            target.extend_from_slice(next(usize::from(control) + 1)?);
        } else {
            let length = match control >> 5 {
                7 => 9 + usize::from(next(1)?[0]),
                length => usize::from(length) + 2,
            };
            let distance = usize::from(control & 0x1f) << 8 | usize::from(next(1)?[0]);
            let start = target.len().checked_sub(distance + 1);
            let start = start.ok_or_else(|| damaged("it refers to before its start".to_owned()))?;
            // The part that is repeated may overlap what it makes.
            for at in start..start + length {
                target.push(target[at]);
            }
        }
        if target.len() > bound {
            return Err(damaged(format!("the stream holds more than {bound} bytes")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::undo;

    #[test]
    fn literals_and_repetitions_come_back() {
        let undone = |source: &[u8], bound| {
            let mut target = Vec::new();
            undo(source, bound, &mut target).map(|()| target)
        };
        assert_eq!(undone(&[2, 1, 2, 3], 10).unwrap(), [1, 2, 3]);
        // One byte, then eight more of it; then a long repetition.
        assert_eq!(undone(&[0, 7, 0xc0, 0], 100).unwrap(), [7; 9]);
        assert_eq!(undone(&[0, 7, 0xe0, 11, 0], 100).unwrap(), [7; 21]);
        assert!(undone(&[0, 7, 0xe0, 11, 0], 20).is_err(), "bounded");
        for broken in [&[5, 1][..], &[0, 7, 0xe0], &[0x20, 0], &[0, 7, 0x20, 1]] {
            assert!(undone(broken, 100).is_err(), "{broken:?}");
        }
    }
}
