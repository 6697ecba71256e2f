//! Filter pipelines: what chunks went through on their way into the file. HDF5 File Format Specification 3.0, section IV.A.2.l.

use crate::cursor::{Cursor, before_zero, text};
use crate::error::Result;
use crate::filter::Filter;

/// Filters at most, as in libhdf5.
const MAX_FILTERS: u8 = 32;
/// The first number that is not the library's own; version 2 keeps names of those only.
const FIRST_REGISTERED: u16 = 256;

/// Reads a filter pipeline message.
pub(crate) fn read(mut cursor: Cursor) -> Result<Vec<Filter>> {
    let version = cursor.version(1..=2)?;
    let count = cursor.u8()?;
    if count > MAX_FILTERS {
        return Err(cursor.damaged(format!("it has {count} filters, {MAX_FILTERS} are allowed")));
    }
    if version == 1 {
        cursor.skip(6)?;
    }
    (0..count).map(|_| filter(&mut cursor, version)).collect()
}

fn filter(cursor: &mut Cursor, version: u8) -> Result<Filter> {
    let id = cursor.u16()?;
    let named = version == 1 || id >= FIRST_REGISTERED;
    let name_length = if named { usize::from(cursor.u16()?) } else { 0 };
    let (flags, values) = (cursor.u16()?, cursor.u16()?);
    let stored = if version == 1 { name_length.next_multiple_of(8) } else { name_length };
    let name = text(before_zero(&cursor.take(stored)?));
    let client_data = (0..values).map(|_| cursor.u32()).collect::<Result<Vec<_>>>()?;
    if version == 1 && values % 2 == 1 {
        cursor.skip(4)?;
    }
    Ok(Filter { id, flags, name: (!name.is_empty()).then_some(name), client_data })
}
