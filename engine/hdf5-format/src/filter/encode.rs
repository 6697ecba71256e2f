//! The way into a file: shuffle and deflate, which every reader of HDF5 knows.

use libdeflater::{CompressionLvl, Compressor};

use super::{Filter, FilterError, Result};

/// Shuffles chunks and deflates them, one after the other; each thread has its own.
pub struct Encoder {
    compressor: Compressor,
    level: u8,
    element_size: usize,
    shuffled: Vec<u8>,
}

impl Encoder {
    /// For elements of so many bytes. `level` is deflate's, 1 (fast) to 9 (small).
    ///
    /// # Errors
    /// When there is no such level.
    pub fn new(element_size: u32, level: u8) -> Result<Self> {
        let known = (1..=9).contains(&level).then(|| CompressionLvl::new(level.into()).ok()).flatten();
        let known = known.ok_or_else(|| FilterError::Damaged {
            filter: "deflate",
            fault: format!("it has levels 1 to 9, and no level {level}"),
        })?;
        let (compressor, element_size) = (Compressor::new(known), element_size as usize);
        Ok(Self { compressor, level, element_size, shuffled: Vec::new() })
    }

    /// The pipeline, as the dataset's header has it.
    pub fn filters(&self) -> Vec<Filter> {
        let filter = |id, name: &str, number| Filter {
            id,
            // What a filter makes larger may be stored without it.
            flags: 1,
            name: Some(name.to_owned()),
            client_data: vec![number],
        };
        vec![filter(2, "shuffle", self.element_size as u32), filter(1, "deflate", self.level.into())]
    }

    /// A chunk as it is stored, and the mask of the filters that were left out.
    pub fn encode(&mut self, chunk: &[u8]) -> (Vec<u8>, u32) {
        super::shuffle::shuffle(chunk, self.element_size, &mut self.shuffled);
        let mut stored = vec![0; self.compressor.zlib_compress_bound(chunk.len())];
        match self.compressor.zlib_compress(&self.shuffled, &mut stored) {
            Ok(length) if length < chunk.len() => {
                stored.truncate(length);
                (stored, 0)
            }
            // Both filters are left out: a reader undoes what the mask does not name.
            _ => (chunk.to_vec(), 0b11),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ChunkRows, Decoder};
    use super::*;

    fn back(encoder: &mut Encoder, chunk: &[u8]) -> (usize, u32) {
        let (stored, mask) = encoder.encode(chunk);
        let mut out = Vec::new();
        let shape = ChunkRows { chunk_size: chunk.len(), row_size: 4 };
        let rows: Vec<usize> = (0..chunk.len() / 4).collect();
        Decoder::new().pick(&encoder.filters(), mask, &stored, shape, &rows, &mut out).unwrap();
        assert_eq!(out, chunk);
        (stored.len(), mask)
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let mut encoder = Encoder::new(4, 4).unwrap();
        let slow: Vec<u8> = (0..5000u32).flat_map(u32::to_le_bytes).collect();
        let (length, mask) = back(&mut encoder, &slow);
        assert!(length < slow.len() / 3 && mask == 0, "{length}");
        // Nothing is won with so few bytes.
        assert_eq!(back(&mut encoder, &[1, 2, 3, 4]), (4, 3));
        assert!(Encoder::new(4, 0).is_err() && Encoder::new(4, 10).is_err());
    }
}
