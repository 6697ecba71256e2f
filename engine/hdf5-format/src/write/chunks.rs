//! The index of chunks: a version 1 B-tree. HDF5 File Format Specification 3.0, section III.A.1.

use std::io::Write;

use super::{UNDEFINED, WriteError, Writer};

/// Half of the most children of a node; a superblock of version 0 has no other.
const INDEXED_STORAGE_K: usize = 32;
/// Children of a node.
const CHILDREN: usize = 2 * INDEXED_STORAGE_K;

/// A chunk that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// Its first element, along each dimension.
    pub offset: Vec<u64>,
    /// Its address.
    pub address: u64,
    /// Its bytes.
    pub size: u32,
    /// Filters that were left out, a bit each.
    pub filter_mask: u32,
}

impl<W: Write> Writer<W> {
    /// Writes the index of chunks of `shape` elements; nothing where there are none. `chunks` are in row-major order.
    ///
    /// # Errors
    /// When the output fails.
    pub fn chunk_index(&mut self, shape: &[u64], chunks: &[StoredChunk]) -> Result<Option<u64>, WriteError> {
        let Some(last) = chunks.last() else { return Ok(None) };
        let mut level: Vec<(Vec<u8>, u64)> =
            chunks.iter().map(|chunk| (key(chunk.size, chunk.filter_mask, &chunk.offset), chunk.address)).collect();
        // The key that ends the tree is the first place after its last chunk.
        let beyond: Vec<u64> = last.offset.iter().zip(shape).map(|(offset, size)| offset + size).collect();
        let end = key(0, 0, &beyond);
        let size = (24 + CHILDREN * (end.len() + 8) + end.len()) as u64;
        for height in 0u8.. {
            let nodes = level.len().div_ceil(CHILDREN);
            let begin = self.position().next_multiple_of(8);
            let mut above = Vec::new();
            for (number, children) in level.chunks(CHILDREN).enumerate() {
                let number = number as u64;
                let left = if number > 0 { begin + (number - 1) * size } else { UNDEFINED };
                let right = if number + 1 < nodes as u64 { begin + (number + 1) * size } else { UNDEFINED };
                let next = level.get((number as usize + 1) * CHILDREN).map_or(&end, |(key, _)| key);
                let mut node = b"TREE\x01".to_vec();
                node.push(height);
                node.extend_from_slice(&(children.len() as u16).to_le_bytes());
                node.extend_from_slice(&left.to_le_bytes());
                node.extend_from_slice(&right.to_le_bytes());
                for (key, child) in children {
                    node.extend_from_slice(key);
                    node.extend_from_slice(&child.to_le_bytes());
                }
                node.extend_from_slice(next);
                node.resize(size as usize, 0);
                above.push((children[0].0.clone(), self.put(&node)?));
            }
            if nodes == 1 {
                return Ok(Some(above[0].1));
            }
            level = above;
        }
        Ok(None)
    }
}

fn key(size: u32, filter_mask: u32, offset: &[u64]) -> Vec<u8> {
    let mut key = Vec::with_capacity(16 + 8 * offset.len());
    key.extend_from_slice(&size.to_le_bytes());
    key.extend_from_slice(&filter_mask.to_le_bytes());
    offset.iter().chain([&0]).for_each(|offset| key.extend_from_slice(&offset.to_le_bytes()));
    key
}
