//! The fixed array: an entry for each chunk that there can ever be. HDF5 File Format Specification 3.0, section VII.C.

use super::{Add, Asked};
use crate::bounds::at_most;
use crate::cursor::Cursor;
use crate::error::Result;

pub(super) fn visit(asked: &Asked, add: &mut Add) -> Result<()> {
    let widths = asked.reader.widths();
    let (a, l) = (u64::from(widths.address), u64::from(widths.length));
    let mut header = asked.reader.summed(asked.address, 4 + 4 + l + a + 4, "a fixed array")?;
    header.signature(b"FAHD")?;
    header.version(0..=0)?;
    header.skip(1)?;
    let (entry_size, page_bits) = (usize::from(header.u8()?), header.u8()?);
    let entries = header.length()?;
    if entry_size != asked.entry_size() || page_bits > 32 {
        return Err(header.damaged(format!("its entries have {entry_size} bytes")));
    }
    let Some(block) = header.address()? else { return Ok(()) };
    at_most("the chunks of a dataset", entries, asked.reader.bounds().chunks)?;
    let page = 1u64 << page_bits;
    let prefix = 4 + 1 + 1 + a;
    if entries <= page {
        let length = prefix + entries * entry_size as u64 + 4;
        let mut block = asked.reader.summed(block, length, "a block of a fixed array")?;
        begin(&mut block, a)?;
        return list(asked, &mut block, 0..entries, add);
    }
    let pages = entries.div_ceil(page);
    let bitmap = pages.div_ceil(8);
    let mut head = asked.reader.summed(block, prefix + bitmap + 4, "a block of a fixed array")?;
    begin(&mut head, a)?;
    let bitmap_bytes = head.take(bitmap as usize)?;
    let first = block + prefix + bitmap + 4;
    let page_length = page * entry_size as u64 + 4;
    for number in 0..pages {
        // The most significant bit is the first page's.
        let written = bitmap_bytes[(number / 8) as usize] >> (7 - number % 8) & 1 != 0;
        if !written {
            continue;
        }
        let range = number * page..entries.min((number + 1) * page);
        let length = (range.end - range.start) * entry_size as u64 + 4;
        let address = first.saturating_add(number.saturating_mul(page_length));
        let mut page = asked.reader.summed(address, length, "a page of a fixed array")?;
        list(asked, &mut page, range, add)?;
    }
    Ok(())
}

fn begin(block: &mut Cursor, address_width: u64) -> Result<()> {
    block.signature(b"FADB")?;
    block.version(0..=0)?;
    block.skip(1 + address_width as usize)
}

fn list(asked: &Asked, entries: &mut Cursor, numbers: std::ops::Range<u64>, add: &mut Add) -> Result<()> {
    for number in numbers {
        if let Some(entry) = asked.entry(entries)? {
            add(asked.grid.offset(number), entry)?;
        }
    }
    Ok(())
}
