//! The grid of a dataset's chunks, and how array indexes number them.

use crate::error::{Hdf5Error, Result};

/// Chunks along each dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    /// Elements of a chunk.
    chunk: Vec<u64>,
    /// Chunks that the largest shape has, along each dimension; 0 for one without a limit.
    most: Vec<u64>,
    /// The first dimension without a limit.
    unlimited: Option<usize>,
}

impl Grid {
    pub(super) fn new(shape: &[u64], max_shape: &[Option<u64>], chunk: &[u64]) -> Result<Self> {
        if shape.is_empty() {
            return Err(Hdf5Error::Unsupported("chunks without dimensions".to_owned()));
        }
        let most = max_shape.iter().zip(chunk).map(|(max, chunk)| max.map_or(0, |max| max.div_ceil(*chunk))).collect();
        let unlimited = max_shape.iter().position(Option::is_none);
        Ok(Self { chunk: chunk.to_vec(), most, unlimited })
    }

    /// Chunks that the largest shape has.
    pub(super) fn chunks(&self) -> Result<u64> {
        let product = self.most.iter().try_fold(1u64, |product, most| product.checked_mul(*most));
        product.ok_or(Hdf5Error::Bound { what: "the chunks of a dataset", bound: u64::MAX })
    }

    /// The first element of a chunk, by its number in row-major order of the largest shape.
    pub(super) fn offset(&self, number: u64) -> Vec<u64> {
        let dimensions: Vec<usize> = (0..self.chunk.len()).collect();
        self.offset_in(&dimensions, number)
    }

    /// As [`Self::offset`], with the dimension without a limit as the slowest: so extensible arrays count.
    pub(super) fn offset_growing(&self, number: u64) -> Vec<u64> {
        let first = self.unlimited.unwrap_or(0);
        let others = (0..self.chunk.len()).filter(|dimension| *dimension != first);
        let dimensions: Vec<usize> = std::iter::once(first).chain(others).collect();
        self.offset_in(&dimensions, number)
    }

    /// `dimensions` from the slowest to the fastest.
    fn offset_in(&self, dimensions: &[usize], mut number: u64) -> Vec<u64> {
        let mut offset = vec![0; self.chunk.len()];
        for (position, dimension) in dimensions.iter().enumerate().rev() {
            let most = if position == 0 { u64::MAX } else { self.most[*dimension].max(1) };
            offset[*dimension] = (number % most).saturating_mul(self.chunk[*dimension]);
            number /= most;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::Grid;

    #[test]
    fn chunks_are_numbered_in_row_major_order_of_the_largest_shape() {
        let grid = Grid::new(&[4, 6], &[Some(4), Some(10)], &[2, 3]).unwrap();
        assert_eq!(grid.chunks().unwrap(), 8);
        assert_eq!((grid.offset(0), grid.offset(1), grid.offset(5)), (vec![0, 0], vec![0, 3], vec![2, 3]));
    }

    #[test]
    fn growing_arrays_count_along_the_unlimited_dimension_last() {
        let grid = Grid::new(&[4, 6], &[Some(4), None], &[2, 3]).unwrap();
        assert_eq!((grid.offset_growing(1), grid.offset_growing(2)), (vec![2, 0], vec![0, 3]));
    }
}
