//! The extensible array: entries for chunks along one dimension without a limit, in blocks that double.
//! HDF5 File Format Specification 3.0, section VII.D.

use super::{Add, Asked};
use crate::bounds::at_most;
use crate::cursor::Cursor;
use crate::error::Result;

/// The numbers in the header.
struct Header {
    address: u64,
    entry_size: u64,
    /// Entries in the index block itself.
    in_index: u64,
    /// Entries in the smallest data block.
    least_entries: u64,
    /// Data blocks of the smallest secondary block that the index block does not take the place of.
    least_blocks: u64,
    /// Entries of a page; larger data blocks are paged.
    page: u64,
    /// Bytes of a block's offset.
    offset_width: u64,
    /// Secondary blocks at most.
    secondary: u64,
    /// Entries that have ever been set.
    used: u64,
}

impl Header {
    /// Data blocks of a secondary block, and entries of each of them.
    fn secondary(&self, number: u64) -> (u64, u64) {
        let doubled = |count: u64| 1u64.checked_shl(count as u32).unwrap_or(u64::MAX);
        (doubled(number / 2), self.least_entries.saturating_mul(doubled(number.div_ceil(2))))
    }

    fn page_count(&self, entries: u64) -> u64 {
        if entries > self.page { entries / self.page } else { 0 }
    }
}

pub(super) fn visit(asked: &Asked, add: &mut Add) -> Result<()> {
    let Some((header, index)) = read_header(asked)? else { return Ok(()) };
    let mut array = Array { asked, add, header };
    array.index_block(index)
}

fn read_header(asked: &Asked) -> Result<Option<(Header, u64)>> {
    let widths = asked.reader.widths();
    let (a, l) = (u64::from(widths.address), u64::from(widths.length));
    let mut cursor = asked.reader.summed(asked.address, 12 + 6 * l + a + 4, "an extensible array")?;
    cursor.signature(b"EAHD")?;
    cursor.version(0..=0)?;
    cursor.skip(1)?;
    let entry_size = u64::from(cursor.u8()?);
    let max_bits = u64::from(cursor.u8()?);
    let in_index = u64::from(cursor.u8()?);
    let least_entries = u64::from(cursor.u8()?);
    let least_blocks = u64::from(cursor.u8()?);
    let page_bits = cursor.u8()?;
    (0..4).try_for_each(|_| cursor.length().map(drop))?;
    let used = cursor.length()?;
    cursor.length()?;
    let index = cursor.address()?;
    let sound = entry_size == asked.entry_size() as u64
        && max_bits <= 64
        && least_entries.is_power_of_two()
        && least_blocks.is_power_of_two()
        && page_bits < 32
        && max_bits >= u64::from(least_entries.max(1).ilog2());
    if !sound {
        return Err(cursor.damaged("its numbers contradict each other"));
    }
    at_most("the chunks of a dataset", used, asked.reader.bounds().chunks)?;
    let header = Header {
        address: asked.address,
        entry_size,
        in_index,
        least_entries,
        least_blocks,
        page: 1 << page_bits,
        offset_width: max_bits.div_ceil(8),
        secondary: 1 + max_bits - u64::from(least_entries.ilog2()),
        used,
    };
    Ok(index.map(|index| (header, index)))
}

/// A walk over the array.
struct Array<'a, 'b> {
    asked: &'a Asked<'a>,
    add: &'a mut Add<'b>,
    header: Header,
}

impl Array<'_, '_> {
    fn index_block(&mut self, address: u64) -> Result<()> {
        let a = u64::from(self.asked.reader.widths().address);
        let h = &self.header;
        // The index block stands for the first secondary blocks.
        let stands_for = 2 * u64::from(h.least_blocks.ilog2());
        let data_blocks = 2 * (h.least_blocks - 1);
        let secondary_blocks = h.secondary.saturating_sub(stands_for);
        let length = 6 + a + h.in_index * h.entry_size + (data_blocks + secondary_blocks) * a + 4;
        let mut block = self.asked.reader.summed(address, length, "an index block of an extensible array")?;
        self.begin(&mut block, b"EAIB")?;
        let mut first = self.header.in_index;
        self.entries(&mut block, 0..first)?;
        for number in 0..stands_for.min(self.header.secondary) {
            let (blocks, entries) = self.header.secondary(number);
            for _ in 0..blocks {
                if let Some(address) = block.address()? {
                    self.data_block(address, first, entries, None)?;
                }
                first = first.saturating_add(entries);
            }
        }
        for number in stands_for..self.header.secondary {
            let (blocks, entries) = self.header.secondary(number);
            if let Some(address) = block.address()? {
                self.secondary_block(address, first, blocks, entries)?;
            }
            first = first.saturating_add(blocks.saturating_mul(entries));
        }
        Ok(())
    }

    fn secondary_block(&mut self, address: u64, mut first: u64, blocks: u64, entries: u64) -> Result<()> {
        let a = u64::from(self.asked.reader.widths().address);
        let bitmap = self.header.page_count(entries).div_ceil(8);
        let length = (bitmap.saturating_add(a)).saturating_mul(blocks);
        let length = length.saturating_add(6 + a + self.header.offset_width + 4);
        let mut block = self.asked.reader.summed(address, length, "a secondary block of an extensible array")?;
        self.begin(&mut block, b"EASB")?;
        block.skip(self.header.offset_width as usize)?;
        let bitmaps = block.take((bitmap * blocks) as usize)?;
        for number in 0..blocks {
            let written = &bitmaps[(number * bitmap) as usize..((number + 1) * bitmap) as usize];
            if let Some(address) = block.address()? {
                self.data_block(address, first, entries, Some(written))?;
            }
            first = first.saturating_add(entries);
        }
        Ok(())
    }

    /// `written` has a bit for each page that is.
    fn data_block(&mut self, address: u64, first: u64, entries: u64, written: Option<&[u8]>) -> Result<()> {
        const STRUCTURE: &str = "a data block of an extensible array";
        let prefix = 6 + u64::from(self.asked.reader.widths().address) + self.header.offset_width;
        let pages = self.header.page_count(entries);
        let listed = if pages == 0 { entries.saturating_mul(self.header.entry_size) } else { 0 };
        let length = prefix.saturating_add(listed).saturating_add(4);
        let mut block = self.asked.reader.summed(address, length, STRUCTURE)?;
        self.begin(&mut block, b"EADB")?;
        block.skip(self.header.offset_width as usize)?;
        if pages == 0 {
            return self.entries(&mut block, first..first.saturating_add(entries));
        }
        let page_length = self.header.page * self.header.entry_size + 4;
        for page in 0..pages {
            let bit = |written: &[u8]| written.get((page / 8) as usize).map_or(0, |byte| byte >> (7 - page % 8) & 1);
            if written.is_some_and(|written| bit(written) == 0) {
                continue;
            }
            let place = address.saturating_add(length).saturating_add(page.saturating_mul(page_length));
            let mut list = self.asked.reader.summed(place, page_length, STRUCTURE)?;
            let first = first.saturating_add(page * self.header.page);
            self.entries(&mut list, first..first.saturating_add(self.header.page))?;
        }
        Ok(())
    }

    fn entries(&mut self, list: &mut Cursor, numbers: std::ops::Range<u64>) -> Result<()> {
        for number in numbers {
            let entry = self.asked.entry(list)?;
            if let Some(entry) = entry.filter(|_| number < self.header.used) {
                (self.add)(self.asked.grid.offset_growing(number), entry)?;
            }
        }
        Ok(())
    }

    fn begin(&self, block: &mut Cursor, signature: &[u8; 4]) -> Result<()> {
        block.signature(signature)?;
        block.version(0..=0)?;
        block.skip(1)?;
        match block.defined_address()? == self.header.address {
            true => Ok(()),
            false => Err(block.damaged("it belongs to another array")),
        }
    }
}
