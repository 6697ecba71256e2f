//! Filter 1, deflate: a zlib stream (RFC 1950).

use libdeflater::{DecompressionError, Decompressor};

use super::{FilterError, Result};

/// A decompressor that is used again and again.
pub(super) struct Inflater(Decompressor);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompressor::new())
    }
}

impl Inflater {
    pub(super) fn undo(&mut self, source: &[u8], bound: usize, target: &mut Vec<u8>) -> Result<()> {
        target.resize(bound, 0);
        let length = self.fill(source, target)?;
        target.truncate(length);
        Ok(())
    }

    /// Inflates into `place`; returns how much of it was used.
    pub(super) fn fill(&mut self, source: &[u8], place: &mut [u8]) -> Result<usize> {
        self.0.zlib_decompress(source, place).map_err(|error| match error {
            DecompressionError::BadData => damaged("the stream is damaged or cut short".to_owned()),
            DecompressionError::InsufficientSpace => {
                damaged(format!("the stream holds more than {} bytes", place.len()))
            }
        })
    }
}

fn damaged(fault: String) -> FilterError {
    FilterError::Damaged { filter: "deflate", fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `zlib.compress(bytes(100))` of Python.
    const ZEROS: &[u8] = &[0x78, 0x9c, 0x63, 0x60, 0xa0, 0x3d, 0x00, 0x00, 0x00, 0x64, 0x00, 0x01];

    #[test]
    fn a_stream_is_inflated_within_its_bound() {
        let undo = |source: &[u8], bound| {
            let mut target = Vec::new();
            Inflater::default().undo(source, bound, &mut target).map(|()| target)
        };
        assert_eq!(undo(ZEROS, 100).unwrap(), [0; 100]);
        assert_eq!(undo(ZEROS, 1000).unwrap(), [0; 100]);
        assert!(undo(ZEROS, 99).unwrap_err().to_string().contains("more than 99 bytes"));
        assert!(undo(&ZEROS[..8], 100).is_err() && undo(&[], 100).is_err());
    }
}
