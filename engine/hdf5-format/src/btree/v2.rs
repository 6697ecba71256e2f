//! Version 2 B-trees. HDF5 File Format Specification 3.0, section III.A.2.

use std::cmp::Ordering;

use crate::cursor::Cursor;
use crate::error::Result;
use crate::reader::Reader;

/// Bytes of a node beside its records and pointers: signature, version, type, checksum.
const NODE_OVERHEAD: u64 = 10;
/// Levels at most.
const MAX_DEPTH: u16 = 64;

/// An open tree.
#[derive(Debug)]
pub struct BTree2 {
    /// What its records are.
    pub kind: u8,
    /// How many there are, by its own count.
    pub records: u64,
    record_size: u64,
    depth: u16,
    root: Option<u64>,
    root_records: u64,
    /// For each level from the leaves up: the most records of a node, and of all nodes below it.
    levels: Vec<Level>,
    node_size: u64,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    most: u64,
    most_below: u64,
}

/// Bytes that hold numbers up to `limit`.
fn width(limit: u64) -> usize {
    limit.max(1).ilog2() as usize / 8 + 1
}

impl BTree2 {
    /// Reads the header at an address.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn open(reader: &Reader, address: u64) -> Result<Self> {
        let (a, l) = (u64::from(reader.widths().address), u64::from(reader.widths().length));
        let mut header = reader.summed(address, 4 + 1 + 1 + 4 + 2 + 2 + 1 + 1 + a + 2 + l + 4, "a B-tree")?;
        header.signature(b"BTHD")?;
        header.version(0..=0)?;
        let kind = header.u8()?;
        let node_size = u64::from(header.u32()?);
        let record_size = u64::from(header.u16()?);
        let depth = header.u16()?;
        header.skip(2)?;
        let root = header.address()?;
        let root_records = u64::from(header.u16()?);
        let records = header.length()?;
        if record_size == 0 || node_size < NODE_OVERHEAD + record_size || depth > MAX_DEPTH {
            return Err(header.damaged("its nodes are of an impossible size"));
        }
        let most = (node_size - NODE_OVERHEAD) / record_size;
        let mut levels = vec![Level { most, most_below: most }];
        for level in 1..=depth {
            let below = levels[usize::from(level) - 1];
            let pointer = a + pointer_widths(&levels, level).iter().sum::<usize>() as u64;
            let most = node_size.saturating_sub(NODE_OVERHEAD + pointer) / (record_size + pointer);
            let most_below = (most + 1).saturating_mul(below.most_below).saturating_add(most);
            levels.push(Level { most, most_below });
        }
        Ok(Self { kind, records, record_size, depth, root, root_records, levels, node_size })
    }

    /// Visits all records in order.
    ///
    /// # Errors
    /// When a node is damaged, or `visit` fails.
    pub fn visit(&self, reader: &Reader, visit: &mut dyn FnMut(Cursor) -> Result<()>) -> Result<()> {
        self.visit_where(reader, &|_| Ok(Ordering::Equal), visit)
    }

    /// Visits the records that `order` finds equal to what is looked for, and no nodes that hold only lesser or greater ones.
    ///
    /// # Errors
    /// When a node is damaged, or one of the functions fails.
    pub fn visit_where(
        &self,
        reader: &Reader,
        order: &dyn Fn(&Cursor) -> Result<Ordering>,
        visit: &mut dyn FnMut(Cursor) -> Result<()>,
    ) -> Result<()> {
        match self.root {
            Some(root) => self.node(reader, root, (self.depth, self.root_records), order, visit),
            None => Ok(()),
        }
    }

    fn node(
        &self,
        reader: &Reader,
        address: u64,
        (level, records): (u16, u64),
        order: &dyn Fn(&Cursor) -> Result<Ordering>,
        visit: &mut dyn FnMut(Cursor) -> Result<()>,
    ) -> Result<()> {
        let widths = pointer_widths(&self.levels, level);
        let address_width = u64::from(reader.widths().address);
        let pointer = if level > 0 { address_width + widths.iter().sum::<usize>() as u64 } else { 0 };
        let pointers = if level > 0 { (records + 1) * pointer } else { 0 };
        let length = NODE_OVERHEAD + records * self.record_size + pointers;
        let mut node = if length <= self.node_size {
            reader.summed(address, length, "a node of a B-tree")?
        } else {
            return Err(reader.up_to(address, 0, "a node of a B-tree")?.damaged("it has more records than fit it"));
        };
        node.signature(if level > 0 { b"BTIN" } else { b"BTLF" })?;
        node.version(0..=0)?;
        if node.u8()? != self.kind || records > self.levels[usize::from(level)].most {
            return Err(node.damaged("it belongs to another tree"));
        }
        let mut list = node.part((records * self.record_size) as usize, "a record of a B-tree")?;
        let mut before = Ordering::Less;
        for number in 0..=records {
            let record = match number < records {
                true => Some(list.part(self.record_size as usize, "a record of a B-tree")?),
                false => None,
            };
            let behind = record.as_ref().map_or(Ok(Ordering::Greater), order)?;
            if level > 0 {
                let (child, child_records) = (node.defined_address()?, node.uint(widths[0])?);
                node.skip(widths[1])?;
                // What is looked for lies between the records around the child, or is equal to one of them.
                if before != Ordering::Greater && behind != Ordering::Less {
                    self.node(reader, child, (level - 1, child_records), order, visit)?;
                }
            }
            if let Some(record) = record.filter(|_| behind == Ordering::Equal) {
                visit(record)?;
            }
            before = behind;
        }
        Ok(())
    }
}

/// Bytes of the two counts in a pointer from a level to the one below: its records, and all below it.
fn pointer_widths(levels: &[Level], level: u16) -> [usize; 2] {
    match usize::from(level).checked_sub(1).map(|below| levels[below]) {
        None => [0, 0],
        Some(below) => [width(levels[0].most.max(below.most)), if level > 1 { width(below.most_below) } else { 0 }],
    }
}
