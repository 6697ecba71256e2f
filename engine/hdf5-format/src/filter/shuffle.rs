//! Filter 2, shuffle: the first bytes of all elements, then the second ones, and so on.

use super::{FilterError, Result};

/// Takes the bytes of each element apart. What does not fill an element stands at the end as it was.
pub(super) fn shuffle(source: &[u8], element_size: usize, target: &mut Vec<u8>) {
    target.clear();
    let count = source.len().checked_div(element_size).unwrap_or(0);
    if element_size <= 1 || count <= 1 {
        return target.extend_from_slice(source);
    }
    let whole = count * element_size;
    for byte in 0..element_size {
        target.extend(source[..whole].iter().skip(byte).step_by(element_size));
    }
    target.extend_from_slice(&source[whole..]);
}

/// Puts the bytes of each element together again. What does not fill an element stands at the end as it was.
pub(super) fn undo(source: &[u8], element_size: usize, target: &mut Vec<u8>) {
    target.resize(source.len(), 0);
    undo_into(source, element_size, target);
}

/// The same into a place of the same size.
pub(super) fn undo_into(source: &[u8], element_size: usize, target: &mut [u8]) {
    let count = source.len().checked_div(element_size).unwrap_or(0);
    if element_size <= 1 || count <= 1 {
        return target.copy_from_slice(source);
    }
    let whole = count * element_size;
    match element_size {
        2 => unshuffle::<2>(&source[..whole], target),
        4 => unshuffle::<4>(&source[..whole], target),
        8 => unshuffle::<8>(&source[..whole], target),
        size => {
            for (byte, plane) in source[..whole].chunks_exact(count).enumerate() {
                for (element, value) in target.chunks_exact_mut(size).zip(plane) {
                    element[byte] = *value;
                }
            }
        }
    }
    target[whole..].copy_from_slice(&source[whole..]);
}

/// Appends chosen elements straight out of the planes, in the order of `elements`; cheaper than to undo all when few are wanted.
///
/// # Errors
/// [`FilterError`] when an element is not there; nothing is appended then.
pub fn gather_shuffled(planes: &[u8], element_size: usize, elements: &[usize], out: &mut Vec<u8>) -> Result<()> {
    let count = planes.len().checked_div(element_size).unwrap_or(0);
    if let Some(missing) = elements.iter().find(|element| **element >= count) {
        let fault = format!("element {missing} is wanted of {count}");
        return Err(FilterError::Damaged { filter: "shuffle", fault });
    }
    let start = out.len();
    out.resize(start + elements.len() * element_size, 0);
    // Without elements there is nothing to take, and perhaps no plane.
    for (byte, plane) in planes.chunks_exact(count.max(1)).take(element_size).enumerate() {
        for (element, place) in elements.iter().zip(out[start..].chunks_exact_mut(element_size)) {
            place[byte] = plane[*element];
        }
    }
    Ok(())
}

/// The same for sizes that the compiler may unroll.
fn unshuffle<const SIZE: usize>(source: &[u8], target: &mut [u8]) {
    let count = source.len() / SIZE;
    let planes: [&[u8]; SIZE] = std::array::from_fn(|byte| &source[byte * count..(byte + 1) * count]);
    for (number, element) in target.as_chunks_mut::<SIZE>().0.iter_mut().take(count).enumerate() {
        *element = std::array::from_fn(|byte| planes[byte][number]);
    }
}

#[cfg(test)]
mod tests {
    use super::{gather_shuffled, undo};

    fn shuffled(elements: &[u8], size: usize) -> Vec<u8> {
        let count = elements.len() / size;
        let planes = (0..size).flat_map(|byte| (0..count).map(move |element| element * size + byte));
        planes.map(|at| elements[at]).chain(elements[count * size..].iter().copied()).collect()
    }

    #[test]
    fn elements_of_any_size_come_back() {
        let elements: Vec<u8> = (0..103).collect();
        for size in [1, 2, 3, 4, 7, 8, 16, 60, 103, 200] {
            let mut target = Vec::new();
            undo(&shuffled(&elements, size), size, &mut target);
            assert_eq!(target, elements, "elements of {size} bytes");
        }
        let mut target = Vec::new();
        undo(&elements, 0, &mut target);
        assert_eq!(target, elements);
    }

    #[test]
    fn chosen_elements_are_taken_out_of_the_planes() {
        let elements: Vec<u8> = (0..103).collect();
        for size in [1, 2, 3, 8, 50] {
            let planes = shuffled(&elements, size);
            let mut out = vec![9];
            gather_shuffled(&planes, size, &[1, 0], &mut out).unwrap();
            assert_eq!(out, [&[9], &elements[size..2 * size], &elements[..size]].concat(), "elements of {size} bytes");
            assert!(gather_shuffled(&planes, size, &[0, 103 / size], &mut out).is_err());
            assert_eq!(out.len(), 1 + 2 * size);
        }
        for size in [0, 8, 200] {
            assert!(gather_shuffled(&elements[..5], size, &[], &mut Vec::new()).is_ok());
            assert!(gather_shuffled(&elements[..5], size, &[0], &mut Vec::new()).is_err());
        }
    }
}
