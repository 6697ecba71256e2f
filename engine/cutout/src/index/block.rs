//! Blocks: where the values of some objects with groups of their own are.

/// Objects of a block at most: what is read of an index for one object.
pub(crate) const BLOCK_OBJECTS: usize = 128;

/// Where the values of some objects are, in the order of their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) records: Vec<Record>,
    /// For each way in which objects lie: the number of its template, and where the values of each hole are from the record's
    /// base on.
    pub(crate) placements: Vec<u32>,
    /// What pointers lead to, object by object.
    pub(crate) pointers: Vec<PointerPlace>,
}

/// One object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its number in the file.
    pub(crate) number: i64,
    /// The least offset of its values, or the address of its header where it has no template.
    pub(crate) base: u64,
    /// Where its placement begins.
    pub(crate) placement: u32,
    /// Where the places begin of what its pointers lead to.
    pub(crate) pointers: u32,
}

/// Where variable-length data are in the source, and how many elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PointerPlace {
    pub(crate) at: u64,
    pub(crate) count: u32,
}

/// The placement of objects without a template.
pub(crate) const NO_PLACEMENT: u32 = u32::MAX;

impl Block {
    /// The record of an object.
    pub(crate) fn find(&self, number: i64) -> Option<Record> {
        self.records.binary_search_by_key(&number, |record| record.number).ok().map(|place| self.records[place])
    }

    /// The number of an object's template.
    pub(crate) fn template(&self, record: &Record) -> Option<u32> {
        self.placements.get(record.placement as usize).copied()
    }

    /// Where the values of so many holes are from the record's base on.
    pub(crate) fn offsets(&self, record: &Record, holes: usize) -> Option<&[u32]> {
        let start = (record.placement as usize).checked_add(1)?;
        self.placements.get(start..start.checked_add(holes)?)
    }

    /// Where the data are that so many of an object's pointers lead to.
    pub(crate) fn pointed(&self, record: &Record, pointers: usize) -> Option<&[PointerPlace]> {
        let start = record.pointers as usize;
        self.pointers.get(start..start.checked_add(pointers)?)
    }
}
