//! Reading numbers and bytes out of one structure of the format.

use bytes::{Buf, Bytes};

use crate::error::{Hdf5Error, Result};

/// Widths of addresses and lengths, in bytes, as the superblock gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// Of an address in the file.
    pub address: u8,
    /// Of the length of something in the file.
    pub length: u8,
}

/// The bytes of one structure, read from the front.
#[derive(Debug, Clone)]
pub struct Cursor {
    bytes: Bytes,
    widths: Widths,
    structure: &'static str,
    /// Where the structure begins in the source, for messages.
    offset: u64,
    /// Where its bytes end in the source; nothing for those that were put together out of several places.
    end: Option<u64>,
}

impl Cursor {
    /// Over the bytes of `structure`, which begins at `offset` of the source.
    pub fn new(bytes: Bytes, widths: Widths, structure: &'static str, offset: u64) -> Self {
        let end = offset.checked_add(bytes.len() as u64);
        Self { bytes, widths, structure, offset, end }
    }

    /// As [`Self::new`], over bytes that do not lie at `offset` as they are.
    pub fn detached(bytes: Bytes, widths: Widths, structure: &'static str, offset: u64) -> Self {
        Self { end: None, ..Self::new(bytes, widths, structure, offset) }
    }

    /// Where the next byte is in the source; nothing for bytes that were put together out of several places.
    pub fn position(&self) -> Option<u64> {
        self.end?.checked_sub(self.bytes.len() as u64)
    }

    /// The error that this structure is not what it should be.
    pub fn damaged(&self, fault: impl Into<String>) -> Hdf5Error {
        Hdf5Error::Damaged { structure: self.structure, offset: self.offset, fault: fault.into() }
    }

    /// Where the structure begins in the source.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Widths of addresses and lengths.
    pub fn widths(&self) -> Widths {
        self.widths
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// What is left, all of it.
    pub fn rest(self) -> Bytes {
        self.bytes
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When fewer are left, as in all functions below.
    pub fn take(&mut self, count: usize) -> Result<Bytes> {
        if count > self.bytes.len() {
            return Err(self.short(count));
        }
        Ok(self.bytes.split_to(count))
    }

    /// The next `count` bytes as a structure of its own.
    pub fn part(&mut self, count: usize, structure: &'static str) -> Result<Self> {
        let bytes = self.take(count)?;
        Ok(Self { bytes, widths: self.widths, structure, offset: self.offset, end: self.position() })
    }

    /// Leaves `count` bytes out.
    pub fn skip(&mut self, count: usize) -> Result<()> {
        if count > self.bytes.len() {
            return Err(self.short(count));
        }
        self.bytes.advance(count);
        Ok(())
    }

    /// The next `N` bytes, copied.
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes.first_chunk::<N>().copied().ok_or_else(|| self.short(N))?;
        self.bytes.advance(N);
        Ok(bytes)
    }

    fn short(&self, count: usize) -> Hdf5Error {
        self.damaged(format!("it ends {} bytes too early", count - self.bytes.len()))
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Two bytes, little-endian, as all numbers of the format.
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of `width` bytes, at most 8.
    pub fn uint(&mut self, width: usize) -> Result<u64> {
        if width > 8 {
            return Err(self.damaged(format!("a number of {width} bytes")));
        }
        let bytes = self.bytes.get(..width).ok_or_else(|| self.short(width))?;
        let number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.bytes.advance(width);
        Ok(number)
    }

    /// A length.
    pub fn length(&mut self) -> Result<u64> {
        self.uint(self.widths.length.into())
    }

    /// An address; nothing where it is undefined (all bits set).
    pub fn address(&mut self) -> Result<Option<u64>> {
        let width = self.widths.address;
        let address = self.uint(width.into())?;
        let undefined = u64::MAX >> (64 - 8 * u32::from(width));
        Ok((address != undefined).then_some(address))
    }

    /// An address that must be there.
    pub fn defined_address(&mut self) -> Result<u64> {
        self.address()?.ok_or_else(|| self.damaged("an address in it is undefined"))
    }

    /// A text that ends with a zero byte, which is taken as well.
    pub fn text_to_zero(&mut self) -> Result<String> {
        let length = self.bytes.iter().position(|byte| *byte == 0);
        let length = length.ok_or_else(|| self.damaged("a name in it has no end"))?;
        let text = text(&self.take(length)?);
        self.skip(1)?;
        Ok(text)
    }

    /// Refuses a version that is not in the list.
    pub fn version(&mut self, known: std::ops::RangeInclusive<u8>) -> Result<u8> {
        let version = self.u8()?;
        match known.contains(&version) {
            true => Ok(version),
            false => Err(self.damaged(format!("its version is {version}"))),
        }
    }

    /// Takes the four letters that a structure begins with.
    pub fn signature(&mut self, signature: &[u8; 4]) -> Result<()> {
        let found = self.array::<4>()?;
        match found == *signature {
            true => Ok(()),
            false => Err(self.damaged(format!("it does not begin with {}", String::from_utf8_lossy(signature)))),
        }
    }
}

/// A name as text. Names that are no UTF-8 are shown with replacement characters.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes up to the first zero.
pub fn before_zero(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(bytes: &'static [u8], address: u8) -> Cursor {
        Cursor::new(Bytes::from_static(bytes), Widths { address, length: 8 }, "a test", 0)
    }

    #[test]
    fn numbers_are_little_endian_and_end_with_the_bytes() {
        let mut bytes = cursor(&[1, 2, 0, 3, 0, 0, 0, 4, 5, 6], 8);
        assert_eq!((bytes.u8().unwrap(), bytes.u16().unwrap(), bytes.u32().unwrap()), (1, 2, 3));
        assert_eq!(bytes.uint(3).unwrap(), 0x06_05_04);
        assert!(bytes.u8().is_err() && bytes.uint(9).is_err());
    }

    #[test]
    fn an_address_of_all_ones_is_undefined() {
        assert_eq!(cursor(&[255, 255, 255, 255], 4).address().unwrap(), None);
        assert_eq!(cursor(&[255, 255, 255, 127], 4).address().unwrap(), Some(0x7fff_ffff));
        assert_eq!(cursor(&[255; 8], 8).address().unwrap(), None);
    }
}
