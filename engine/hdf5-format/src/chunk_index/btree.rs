//! Chunks in B-trees of either version.

use super::{Add, Asked};
use crate::btree::v1::{Kind, visit};
use crate::btree::v2::BTree2;
use crate::error::Result;

/// The keys hold offsets in elements.
pub(super) fn version_1(asked: &Asked, add: &mut Add) -> Result<()> {
    let rank = asked.layout.shape.len();
    visit(asked.reader, asked.address, Kind::Chunks(rank), &mut |mut key, address| {
        let (size, mask) = (key.u32()?, key.u32()?);
        let offset = (0..rank).map(|_| key.u64()).collect::<Result<Vec<_>>>()?;
        if offset.iter().zip(&asked.layout.shape).any(|(offset, size)| offset % size != 0) {
            return Err(key.damaged(format!("a chunk of {:?} elements begins at {offset:?}", asked.layout.shape)));
        }
        add(offset, (address, size.into(), mask))
    })
}

/// The records hold offsets in chunks.
pub(super) fn version_2(asked: &Asked, add: &mut Add) -> Result<()> {
    let tree = BTree2::open(asked.reader, asked.address)?;
    let filtered = tree.kind == 11;
    tree.visit(asked.reader, &mut |mut record| {
        if !matches!(tree.kind, 10 | 11) {
            return Err(record.damaged(format!("the tree is of kind {}, not of chunks", tree.kind)));
        }
        let address = record.defined_address()?;
        let (size, mask) = match filtered {
            true => (record.uint(asked.layout.size_width)?, record.u32()?),
            false => (asked.layout.bytes(), 0),
        };
        let offset = |chunk: &u64| Ok(record.u64()?.saturating_mul(*chunk));
        let offset = asked.layout.shape.iter().map(offset).collect::<Result<Vec<_>>>()?;
        add(offset, (address, size, mask))
    })
}
