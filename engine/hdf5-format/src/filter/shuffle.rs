//! Filter 2, shuffle: the first bytes of all elements, then the second ones, and so on.

/// Puts the bytes of each element together again. What does not fill an element stands at the end as it was.
pub(super) fn undo(source: &[u8], element_size: usize, target: &mut Vec<u8>) {
    let count = source.len().checked_div(element_size).unwrap_or(0);
    if element_size <= 1 || count <= 1 {
        return target.extend_from_slice(source);
    }
    target.resize(source.len(), 0);
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
    use super::undo;

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
}
