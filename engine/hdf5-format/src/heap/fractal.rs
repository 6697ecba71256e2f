//! The fractal heap: links, attributes and shared messages when there are many. HDF5 File Format Specification 3.0, section
//! III.G.

use bytes::Bytes;

use crate::btree::v2::BTree2;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::filter::{Decoder, Filter};
use crate::pipeline;
use crate::reader::Reader;

/// Rows of a doubling table at most: beyond, blocks would be larger than 64-bit addresses reach.
const MAX_ROWS: u64 = 256;

/// An open fractal heap.
#[derive(Debug)]
pub struct FractalHeap {
    address: u64,
    id_length: usize,
    offset_width: usize,
    length_width: usize,
    /// B-tree of objects too big for the heap.
    huge: Option<u64>,
    table: DoublingTable,
    filters: Vec<Filter>,
    /// Stored size and filter mask of a root that is a filtered direct block.
    filtered_root: Option<(u64, u32)>,
}

/// A block that an indirect block leads to: its address if it has one, and if it is filtered, its stored size and filter mask.
type Child = (Option<u64>, Option<(u64, u32)>);

/// How blocks grow.
#[derive(Debug)]
struct DoublingTable {
    width: u64,
    start: u64,
    max_direct: u64,
    root: Option<u64>,
    /// Rows of the root; 0 where it is a direct block.
    rows: u64,
}

impl DoublingTable {
    /// Bytes of a block in a row.
    fn block_size(&self, row: u64) -> u64 {
        let doublings = row.saturating_sub(1);
        if doublings >= 64 { u64::MAX } else { self.start.saturating_mul(1 << doublings) }
    }

    /// Where a row begins, from the beginning of its indirect block.
    fn row_start(&self, row: u64) -> u64 {
        if row == 0 { 0 } else { self.width.saturating_mul(self.block_size(row)) }
    }

    /// The row and column of an offset in an indirect block.
    fn place(&self, offset: u64) -> (u64, u64) {
        let mut row = 0;
        while row < MAX_ROWS && self.row_start(row + 1) <= offset {
            row += 1;
        }
        (row, (offset - self.row_start(row)) / self.block_size(row).max(1))
    }

    /// Rows of direct blocks.
    fn direct_rows(&self) -> u64 {
        u64::from(self.max_direct.checked_div(self.start).unwrap_or(0).max(1).ilog2()) + 2
    }

    /// Rows of an indirect block of `size` bytes.
    fn rows_of(&self, size: u64) -> u64 {
        let first = self.start.saturating_mul(self.width).max(1);
        u64::from((size / first).max(1).ilog2()) + 1
    }
}

impl FractalHeap {
    /// Reads the header at an address.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn open(reader: &Reader, address: u64) -> Result<Self> {
        const STRUCTURE: &str = "a fractal heap";
        let (a, l) = (u64::from(reader.widths().address), u64::from(reader.widths().length));
        let fixed = 4 + 1 + 2 + 2 + 1 + 4 + 12 * l + 3 * a + 2 + 2 + 2 + 2;
        // The length of what filters add stands in the header itself.
        let mut start = reader.up_to(address, 9, STRUCTURE)?;
        start.skip(7)?;
        let filter_length = u64::from(start.u16()?);
        let filtered = if filter_length > 0 { l + 4 + filter_length } else { 0 };
        let mut header = reader.summed(address, fixed + filtered + 4, STRUCTURE)?;
        header.signature(b"FRHP")?;
        header.version(0..=0)?;
        let id_length = usize::from(header.u16()?);
        header.skip(2)?;
        header.skip(1)?;
        let max_managed = header.u32()?;
        header.length()?;
        let huge = header.address()?;
        header.length()?;
        header.address()?;
        (0..8).try_for_each(|_| header.length().map(drop))?;
        let width = u64::from(header.u16()?);
        let (start, max_direct) = (header.length()?, header.length()?);
        let max_bits = header.u16()?;
        header.skip(2)?;
        let root = header.address()?;
        let rows = u64::from(header.u16()?);
        let filtered_root = if filter_length > 0 { Some((header.length()?, header.u32()?)) } else { None };
        let filters = if filter_length > 0 { pipeline::read(header.clone())? } else { Vec::new() };
        if width == 0
            || !start.is_power_of_two()
            || !max_direct.is_power_of_two()
            || max_direct < start
            || max_bits > 64
        {
            return Err(header.damaged("its blocks are of impossible sizes"));
        }
        if rows > MAX_ROWS || !(2..=4096).contains(&id_length) {
            return Err(header.damaged("its table or its ids are of an impossible size"));
        }
        let bytes_for = |number: u64| number.max(1).ilog2() as usize / 8 + 1;
        let bytes_to_hold = |size: u64| (size.max(1).ilog2() as usize).div_ceil(8).max(1);
        Ok(Self {
            address,
            id_length,
            offset_width: usize::from(max_bits).div_ceil(8),
            length_width: bytes_to_hold(max_direct).min(bytes_for(max_managed.into())),
            huge,
            table: DoublingTable { width, start, max_direct, root, rows },
            filters,
            filtered_root,
        })
    }

    /// Bytes of an id.
    pub fn id_length(&self) -> usize {
        self.id_length
    }

    /// The object with a heap id.
    ///
    /// # Errors
    /// When the id is none of this heap, or a block is damaged.
    pub fn object(&self, reader: &Reader, id: &[u8]) -> Result<Bytes> {
        let bytes = Bytes::copy_from_slice(id);
        let mut cursor = Cursor::new(bytes, reader.widths(), "the id of a heap object", reader.offset(self.address)?);
        let first = cursor.u8()?;
        match (first >> 6, first >> 4 & 3) {
            (0, 0) => {
                let (offset, length) = (cursor.uint(self.offset_width)?, cursor.uint(self.length_width)?);
                self.managed(reader, offset, length)
            }
            (0, 1) => self.huge(reader, cursor),
            (0, 2) => {
                // Longer ids have a longer length.
                let extended = self.id_length > 18;
                let low = if extended { u64::from(cursor.u8()?) } else { 0 };
                let length = u64::from(first & 0x0f) << if extended { 8 } else { 0 } | low;
                cursor.take(length as usize + 1)
            }
            _ => Err(cursor.damaged("its kind is unknown")),
        }
    }

    fn managed(&self, reader: &Reader, offset: u64, length: u64) -> Result<Bytes> {
        let mut block = self.table.root;
        let (mut within, mut rows) = (offset, self.table.rows);
        let mut size = self.table.start;
        let mut filtered = self.filtered_root;
        while rows > 0 {
            let Some(address) = block else { break };
            let (row, column) = self.table.place(within);
            if row >= rows || column >= self.table.width {
                block = None;
                break;
            }
            size = self.table.block_size(row);
            within -= self.table.row_start(row) + column * size;
            let entry = row * self.table.width + column;
            (block, filtered) = self.child(reader, address, rows, entry)?;
            rows = if row < self.table.direct_rows() { 0 } else { self.table.rows_of(size) };
        }
        let damaged = |fault: &str| crate::error::Hdf5Error::Damaged {
            structure: "a fractal heap",
            offset: self.address,
            fault: fault.to_owned(),
        };
        let address = block.ok_or_else(|| damaged("an object lies where it has no block"))?;
        if within.saturating_add(length) > size {
            return Err(damaged("an object reaches beyond its block"));
        }
        let content = match filtered.filter(|_| !self.filters.is_empty()) {
            Some((stored, mask)) => self.undone(reader, address, stored, mask, size)?,
            // Only the object is read, so the checksum that a block may have is not checked.
            None => return reader.piece(address.saturating_add(within), length, "a heap object").map(Cursor::rest),
        };
        let start = within as usize;
        Ok(content.slice(start..start + length as usize))
    }

    /// The child of an indirect block, and how it is filtered.
    fn child(&self, reader: &Reader, address: u64, rows: u64, entry: u64) -> Result<Child> {
        let (a, l) = (u64::from(reader.widths().address), u64::from(reader.widths().length));
        let direct = rows.min(self.table.direct_rows()) * self.table.width;
        let indirect = rows * self.table.width - direct;
        let direct_entry = if self.filters.is_empty() { a } else { a + l + 4 };
        let prefix = 4 + 1 + a + self.offset_width as u64;
        let length = prefix + direct * direct_entry + indirect * a + 4;
        let mut block = reader.summed(address, length, "an indirect block of a fractal heap")?;
        block.signature(b"FHIB")?;
        let before = if entry < direct { entry * direct_entry } else { direct * direct_entry + (entry - direct) * a };
        block.skip((prefix - 4 + before) as usize)?;
        let child = block.address()?;
        let filtered = match entry < direct && !self.filters.is_empty() {
            true => Some((block.length()?, block.u32()?)),
            false => None,
        };
        Ok((child, filtered))
    }

    fn undone(&self, reader: &Reader, address: u64, stored: u64, mask: u32, size: u64) -> Result<Bytes> {
        let block = reader.piece(address, stored, "a filtered block of a fractal heap")?;
        crate::bounds::at_most("a block of a fractal heap", size, reader.bounds().piece)?;
        let undone = Decoder::new().decode(&self.filters, mask, &block.clone().rest(), size as usize);
        Ok(undone.map_err(|fault| block.damaged(fault.to_string()))?.into())
    }

    fn huge(&self, reader: &Reader, mut id: Cursor) -> Result<Bytes> {
        const STRUCTURE: &str = "a huge object of a fractal heap";
        let (a, l) = (usize::from(reader.widths().address), usize::from(reader.widths().length));
        let filtered = !self.filters.is_empty();
        let direct = if filtered { a + l + 4 + l } else { a + l };
        let (address, length, mask, size) = if self.id_length > direct {
            let (address, length) = (id.defined_address()?, id.length()?);
            if filtered { (address, length, id.u32()?, id.length()?) } else { (address, length, 0, length) }
        } else {
            let number = id.uint((self.id_length - 1).min(l))?;
            let tree = self.huge.ok_or_else(|| id.damaged("the heap has no huge objects"))?;
            let tree = BTree2::open(reader, tree)?;
            let mut found = None;
            tree.visit(reader, &mut |mut record| {
                let (address, length) = (record.defined_address()?, record.length()?);
                let (mask, size) = if filtered { (record.u32()?, record.length()?) } else { (0, length) };
                if record.length()? == number {
                    found = Some((address, length, mask, size));
                }
                Ok(())
            })?;
            found.ok_or_else(|| id.damaged(format!("the heap has no huge object {number}")))?
        };
        match filtered {
            true => self.undone(reader, address, length, mask, size),
            false => reader.piece(address, length, STRUCTURE).map(Cursor::rest),
        }
    }
}
