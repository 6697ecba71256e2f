//! The superblock: where a file's objects begin. HDF5 File Format Specification 3.0, section II.

use bytes::Bytes;

use crate::checksum::lookup3;
use crate::cursor::{Cursor, Widths};
use crate::error::{Hdf5Error, Result};
use crate::source::ReadAt;

/// What every HDF5 file begins with, after its user block.
pub const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// Bytes of the longest superblock.
const LONGEST: u64 = 128;

/// The superblock's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Where it begins; addresses count from here.
    pub offset: u64,
    /// 0 to 3.
    pub version: u8,
    /// Widths of addresses and lengths.
    pub(crate) widths: Widths,
    /// Address of the root group's object header.
    pub root: u64,
    /// Address of the superblock extension's object header.
    pub extension: Option<u64>,
    /// The address where the file ends. A file that got its user block later still counts from where it began then.
    pub end: u64,
}

impl Superblock {
    /// Finds and reads it.
    ///
    /// # Errors
    /// [`Hdf5Error::NoSignature`] where there is none; [`Hdf5Error::Damaged`] for one that contradicts itself or the
    /// source's size.
    pub fn find(source: &dyn ReadAt) -> Result<Self> {
        let mut offset = 0u64;
        while offset.saturating_add(8) <= source.size() {
            let length = LONGEST.min(source.size() - offset);
            let bytes = source.read_at(offset, length as usize);
            let bytes = bytes.map_err(|source| Hdf5Error::Read { offset, length, source })?;
            if bytes.starts_with(SIGNATURE) {
                return Self::read(bytes, offset, source.size());
            }
            offset = if offset == 0 { 512 } else { offset * 2 };
        }
        Err(Hdf5Error::NoSignature)
    }

    fn read(bytes: Bytes, offset: u64, size: u64) -> Result<Self> {
        let no_widths = Widths { address: 8, length: 8 };
        let mut cursor = Cursor::new(bytes.clone(), no_widths, "the superblock", offset);
        cursor.skip(SIGNATURE.len())?;
        let version = cursor.version(0..=3)?;
        let found = if version < 2 { old(cursor, version, offset)? } else { new(cursor, version, offset, &bytes)? };
        if offset.checked_add(found.end).is_none_or(|end| end > size) {
            return Err(Hdf5Error::Damaged {
                structure: "the superblock",
                offset,
                fault: format!("the file should have {} bytes and has {size}; it is cut short", found.end),
            });
        }
        Ok(found)
    }
}

fn widths(address: u8, length: u8, cursor: &Cursor) -> Result<Widths> {
    match [address, length].iter().all(|width| matches!(width, 2 | 4 | 8)) {
        true => Ok(Widths { address, length }),
        false => Err(cursor.damaged(format!("addresses of {address} and lengths of {length} bytes"))),
    }
}

/// Versions 0 and 1.
fn old(mut cursor: Cursor, version: u8, offset: u64) -> Result<Superblock> {
    cursor.skip(4)?;
    let (address, length) = (cursor.u8()?, cursor.u8()?);
    let widths = widths(address, length, &cursor)?;
    cursor.skip(1 + 2 + 2 + 4 + if version == 1 { 4 } else { 0 })?;
    let mut cursor = Cursor::new(cursor.rest(), widths, "the superblock", offset);
    let base = cursor.defined_address()?;
    cursor.address()?;
    let end = cursor.defined_address()?;
    cursor.address()?;
    // The root group's entry: the offset of its name, then its header.
    cursor.address()?;
    let root = cursor.defined_address()?;
    Ok(Superblock { offset, version, widths, root, extension: None, end: end.saturating_sub(base) })
}

/// Versions 2 and 3.
fn new(mut cursor: Cursor, version: u8, offset: u64, bytes: &[u8]) -> Result<Superblock> {
    let (address, length) = (cursor.u8()?, cursor.u8()?);
    let widths = widths(address, length, &cursor)?;
    cursor.skip(1)?;
    let mut cursor = Cursor::new(cursor.rest(), widths, "the superblock", offset);
    let base = cursor.defined_address()?;
    let extension = cursor.address()?;
    let end = cursor.defined_address()?;
    let root = cursor.defined_address()?;
    let summed = SIGNATURE.len() + 4 + 4 * usize::from(address);
    if lookup3(&bytes[..summed.min(bytes.len())], 0) != cursor.u32()? {
        return Err(cursor.damaged("its checksum is wrong"));
    }
    Ok(Superblock { offset, version, widths, root, extension, end: end.saturating_sub(base) })
}
