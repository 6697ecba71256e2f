//! Version 1 B-trees. HDF5 File Format Specification 3.0, section III.A.1.

use crate::cursor::Cursor;
use crate::error::{Hdf5Error, Result};
use crate::reader::Reader;

/// Levels at most; a node has at least two children, so this many hold more than any file.
const MAX_LEVELS: u8 = 64;

/// What a tree indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The links of a group.
    Group,
    /// The chunks of a dataset of so many dimensions.
    Chunks(usize),
}

impl Kind {
    fn number(self) -> u8 {
        if self == Self::Group { 0 } else { 1 }
    }

    fn key_size(self, reader: &Reader) -> usize {
        match self {
            Self::Group => reader.widths().length.into(),
            // Size, filter mask, and an offset for each dimension and the bytes of an element.
            Self::Chunks(rank) => 8 + 8 * (rank + 1),
        }
    }
}

/// One node.
pub struct Node {
    /// 0 for a leaf.
    pub level: u8,
    /// Keys and children in turn, beginning and ending with a key.
    entries: Cursor,
    count: u16,
    key_size: usize,
}

impl Node {
    /// Reads the node at an address.
    ///
    /// # Errors
    /// When it is damaged or of another kind.
    pub fn read(reader: &Reader, address: u64, kind: Kind) -> Result<Self> {
        const STRUCTURE: &str = "a node of a B-tree";
        let prefix = 8 + 2 * u64::from(reader.widths().address);
        let mut start = reader.piece(address, prefix, STRUCTURE)?;
        start.signature(b"TREE")?;
        let found = start.u8()?;
        if found != kind.number() {
            return Err(start.damaged(format!("it is of kind {found}")));
        }
        let (level, count) = (start.u8()?, start.u16()?);
        if level > MAX_LEVELS {
            return Err(start.damaged(format!("it is on level {level}")));
        }
        let key_size = kind.key_size(reader);
        let child = u64::from(reader.widths().address);
        let length = u64::from(count) * (key_size as u64 + child) + key_size as u64;
        let entries = reader.piece(address + prefix, length, STRUCTURE)?;
        Ok(Self { level, entries, count, key_size })
    }

    /// The keys, each with the child that follows it.
    pub fn children(&self) -> impl Iterator<Item = Result<(Cursor, u64)>> {
        let mut entries = self.entries.clone();
        let key_size = self.key_size;
        (0..self.count).map(move |_| Ok((entries.part(key_size, "a key of a B-tree")?, entries.defined_address()?)))
    }

    /// The key behind the last child.
    pub fn last_key(&self) -> Result<Cursor> {
        let mut entries = self.entries.clone();
        entries.skip(entries.left().saturating_sub(self.key_size))?;
        Ok(entries)
    }

    /// The error that a node is not on the level below its parent's.
    pub fn misplaced(&self) -> Hdf5Error {
        self.entries.damaged("its level is not below its parent's")
    }
}

/// Visits all leaves' entries, in order: the key before a child, and the child.
///
/// # Errors
/// When a node is damaged, or `visit` fails.
pub fn visit(
    reader: &Reader,
    address: u64,
    kind: Kind,
    visit_child: &mut dyn FnMut(Cursor, u64) -> Result<()>,
) -> Result<()> {
    below(reader, address, kind, None, visit_child)
}

fn below(
    reader: &Reader,
    address: u64,
    kind: Kind,
    level: Option<u8>,
    visit_child: &mut dyn FnMut(Cursor, u64) -> Result<()>,
) -> Result<()> {
    let node = Node::read(reader, address, kind)?;
    // Levels go down, or the tree might lead back to itself.
    if level.is_some_and(|level| node.level != level) {
        return Err(node.misplaced());
    }
    for child in node.children() {
        let (key, child) = child?;
        match node.level.checked_sub(1) {
            None => visit_child(key, child)?,
            Some(next) => below(reader, child, kind, Some(next), visit_child)?,
        }
    }
    Ok(())
}
