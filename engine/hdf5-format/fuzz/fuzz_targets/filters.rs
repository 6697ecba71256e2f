//! Any bytes as a chunk that went through a filter with any numbers: a chunk of the right size, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spolia_hdf5_format::filter::{ChunkRows, Decoder, Filter};

const KNOWN: [u16; 12] = [1, 2, 3, 4, 5, 6, 307, 32_000, 32_001, 32_004, 32_008, 32_015];

fuzz_target!(|input: (u8, u8, u16, Vec<u32>, Vec<u8>)| {
    let (first, second, size, client_data, stored) = input;
    let filter = |kind: u8| Filter {
        id: KNOWN[usize::from(kind) % KNOWN.len()],
        flags: 0,
        name: None,
        client_data: client_data.iter().copied().take(32).collect(),
    };
    let pipeline = if second == 0 { vec![filter(first)] } else { vec![filter(second), filter(first)] };
    let size = usize::from(size);
    let mut decoder = Decoder::new();
    if let Ok(chunk) = decoder.decode(&pipeline, 0, &stored, size) {
        assert_eq!(chunk.len(), size);
        let row_size = if size.is_multiple_of(8) { 8 } else { 1 };
        let rows: Vec<usize> = (0..size / row_size).step_by(5).collect();
        let mut picked = Vec::new();
        decoder.pick(&pipeline, 0, &stored, ChunkRows { chunk_size: size, row_size }, &rows, &mut picked).unwrap();
        let expected: Vec<u8> =
            rows.iter().flat_map(|row| &chunk[row * row_size..(row + 1) * row_size]).copied().collect();
        assert_eq!(picked, expected);
    }
});
