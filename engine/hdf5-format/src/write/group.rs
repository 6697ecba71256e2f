//! Groups as symbol tables. HDF5 File Format Specification 3.0, sections III.A.1, III.B, III.C, III.D.

use std::io::Write;

use super::header::{AttributeOut, Messages};
use super::{INTERNAL_K, LEAF_K, UNDEFINED, WriteError, Writer, Written};
use crate::object_header::message_type;

/// Symbols in a node.
const SYMBOLS: usize = 2 * LEAF_K as usize;
/// Children of a B-tree node.
const CHILDREN: usize = 2 * INTERNAL_K as usize;
/// Bytes of a symbol.
const ENTRY: usize = 40;

impl<W: Write> Writer<W> {
    /// Writes a group of objects that are there already, in any order.
    ///
    /// # Errors
    /// When two members have one name, an attribute is too long, or the output fails.
    pub fn group(
        &mut self,
        mut members: Vec<(Vec<u8>, Written)>,
        attributes: &[AttributeOut],
    ) -> Result<Written, WriteError> {
        // By their bytes, as strcmp does; readers search.
        members.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(WriteError::SameName(String::from_utf8_lossy(&pair[0].0).into_owned()));
        }
        let (names, offsets) = names(&members);
        let heap = self.local_heap(&names)?;
        let tree = self.symbol_tree(&members, &offsets)?;
        let mut messages = Messages::default();
        let table: Vec<u8> = [tree, heap].iter().flat_map(|address| address.to_le_bytes()).collect();
        messages.add(message_type::SYMBOL_TABLE, 0, &table, "a symbol table")?;
        messages.attributes(attributes)?;
        let header = self.put(&messages.header())?;
        Ok(Written { header, symbols: Some((tree, heap)) })
    }

    fn local_heap(&mut self, names: &[u8]) -> Result<u64, WriteError> {
        let mut block = b"HEAP\0\0\0\0".to_vec();
        let address = self.position().next_multiple_of(8);
        // No free block is left in it (1 is the end of the list of them); the names follow at once.
        for number in [names.len() as u64, 1, address + 32] {
            block.extend_from_slice(&number.to_le_bytes());
        }
        block.extend_from_slice(names);
        self.put(&block)
    }

    /// The B-tree over symbol table nodes. A node's last key is the last name below it; its first, one that is less.
    fn symbol_tree(&mut self, members: &[(Vec<u8>, Written)], offsets: &[u64]) -> Result<u64, WriteError> {
        let mut level = Vec::new();
        for (members, offsets) in members.chunks(SYMBOLS).zip(offsets.chunks(SYMBOLS)) {
            let last = offsets.last().copied().unwrap_or(0);
            level.push((last, self.symbol_node(members, offsets)?));
        }
        for height in 0u8.. {
            let mut above = Vec::new();
            let mut first = 0;
            let nodes = level.len().div_ceil(CHILDREN).max(1);
            let begin = self.position().next_multiple_of(8);
            let size = (24 + CHILDREN * 16 + 8) as u64;
            for number in 0..nodes {
                let children = &level[(number * CHILDREN).min(level.len())..((number + 1) * CHILDREN).min(level.len())];
                let sibling = |there: bool, number: u64| if there { begin + number * size } else { UNDEFINED };
                let left = sibling(number > 0, (number as u64).wrapping_sub(1));
                let right = sibling(number + 1 < nodes, number as u64 + 1);
                let mut node = b"TREE\0".to_vec();
                node.push(height);
                node.extend_from_slice(&(children.len() as u16).to_le_bytes());
                node.extend_from_slice(&left.to_le_bytes());
                node.extend_from_slice(&right.to_le_bytes());
                node.extend_from_slice(&u64::to_le_bytes(first));
                for (last, child) in children {
                    node.extend_from_slice(&child.to_le_bytes());
                    node.extend_from_slice(&last.to_le_bytes());
                    first = *last;
                }
                node.resize(size as usize, 0);
                above.push((first, self.put(&node)?));
            }
            if nodes == 1 {
                return Ok(above[0].1);
            }
            level = above;
        }
        Ok(UNDEFINED)
    }

    fn symbol_node(&mut self, members: &[(Vec<u8>, Written)], offsets: &[u64]) -> Result<u64, WriteError> {
        let mut node = b"SNOD\x01\0".to_vec();
        node.extend_from_slice(&(members.len() as u16).to_le_bytes());
        for ((_, member), offset) in members.iter().zip(offsets) {
            node.extend_from_slice(&entry(*offset, *member));
        }
        node.resize(8 + SYMBOLS * ENTRY, 0);
        self.put(&node)
    }
}

/// All names, each with a zero byte and at a multiple of eight, the empty one first; and where each begins.
fn names(members: &[(Vec<u8>, Written)]) -> (Vec<u8>, Vec<u64>) {
    let mut names = vec![0; 8];
    let mut offsets = Vec::with_capacity(members.len());
    for (name, _) in members {
        offsets.push(names.len() as u64);
        names.extend_from_slice(name);
        names.resize((names.len() + 1).next_multiple_of(8), 0);
    }
    (names, offsets)
}

/// A symbol: where its name is, where its object is, and for groups, where its own symbols are.
pub(super) fn entry(name: u64, object: Written) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..8].copy_from_slice(&name.to_le_bytes());
    bytes[8..16].copy_from_slice(&object.header.to_le_bytes());
    if let Some((tree, heap)) = object.symbols {
        bytes[16] = 1;
        bytes[24..32].copy_from_slice(&tree.to_le_bytes());
        bytes[32..40].copy_from_slice(&heap.to_le_bytes());
    }
    bytes
}
