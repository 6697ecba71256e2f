//! Any bytes as a file: what can be copied out of it is written, as long as it was measured, read back, and copied again and again,
//! which gives the same bytes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::write::Writer;
use spolia_hdf5_format::{Bounds, Reader};

fn copied(bytes: Bytes) -> Option<Vec<u8>> {
    let bounds = Bounds { piece: 1 << 20, metadata: 16 << 20, chunks: 1 << 12, members: 1 << 12, depth: 16 };
    let reader = Reader::open(bytes, bounds).ok()?;
    let mut writer = Writer::new(Vec::new()).ok()?;
    let (root, copied) = (reader.superblock().root, writer.position());
    let measured = measured(&reader, copied);
    let root = Copier::new(&reader).copy(root, "", &mut writer).ok()?;
    assert_eq!(measured, Some(writer.position()), "a copy is not as long as it was measured");
    let (mut file, superblock) = writer.finish(root).ok()?;
    file[..superblock.len()].copy_from_slice(&superblock);
    Some(file)
}

/// Where a copy ends that begins at an address.
fn measured(reader: &Reader, begin: u64) -> Option<u64> {
    let mut measuring = Writer::at(std::io::sink(), begin);
    Copier::measuring(reader).copy(reader.superblock().root, "", &mut measuring).ok()?;
    Some(measuring.position())
}

fuzz_target!(|bytes: &[u8]| {
    // Names of one object become copies of it; what grows too much is of no use here.
    let Some(first) = copied(Bytes::copy_from_slice(bytes)).filter(|file| file.len() < 4 << 20) else { return };
    // The first copy is in the order of the file, the second in that of names.
    let second = copied(Bytes::from(first)).expect("what was written can be read");
    let third = copied(Bytes::from(second.clone())).expect("what was written can be read");
    assert!(second == third, "the copy of a copy differs");
});
