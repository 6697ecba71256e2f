//! Filter 32015, Zstandard: frames of RFC 8878, and the same inside of blosc and bitshuffle.
//!
//! The C library decodes straight into what the caller has room for, so it needs no window of its own whatever a frame asks for.

use super::{FilterError, Result};

/// A decompressor that is used again and again.
#[derive(Default)]
pub(super) struct Zstd(Option<zstd::bulk::Decompressor<'static>>);

impl Zstd {
    pub(super) fn undo(&mut self, source: &[u8], bound: usize, target: &mut Vec<u8>) -> Result<()> {
        target.resize(bound, 0);
        let length = self.fill(source, target)?;
        target.truncate(length);
        Ok(())
    }

    /// Decodes into `place`; returns how much of it was used.
    pub(super) fn fill(&mut self, source: &[u8], place: &mut [u8]) -> Result<usize> {
        let damaged = |error: std::io::Error| FilterError::Damaged { filter: "zstd", fault: error.to_string() };
        let decompressor = match &mut self.0 {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new().map_err(damaged)?),
        };
        decompressor.decompress_to_buffer(source, place).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one repeated byte: magic number, one segment of 100 bytes, the last block.
    const SEVENS: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd, 0x20, 100, 0x23, 0x03, 0x00, 7];

    #[test]
    fn a_frame_is_decoded_within_its_bound() {
        let undo = |source: &[u8], bound| {
            let mut target = Vec::new();
            Zstd::default().undo(source, bound, &mut target).map(|()| target)
        };
        assert_eq!(undo(SEVENS, 100).unwrap(), [7; 100]);
        assert_eq!(undo(SEVENS, 1000).unwrap(), [7; 100]);
        assert!(undo(SEVENS, 99).is_err() && undo(&SEVENS[..9], 100).is_err());
    }
}
