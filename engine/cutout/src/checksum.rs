//! The checksums at the end of a merged file: the SHA-256 of each block of all bytes before them, as `/provenance/sha256` in hexadecimal
//! digits. Blocks have 16 MiB, but for the last one, which goes on to the checksums.
//!
//! Blocks can be hashed on many threads, and as soon as they are written.

use std::io;
use std::ops::Range;
use std::path::Path;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use sha2::{Digest, Sha256};
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::layout::Layout;
use spolia_hdf5_format::link::{Target, find};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::source::{LocalFile, Paged, ReadAt};
use spolia_hdf5_format::{Bounds, Reader};

use crate::error::CutoutError;
use crate::merge::group_at;

/// The dataset's name in `/provenance`.
pub(crate) const NAME: &str = "sha256";
/// Bytes of a block.
pub(crate) const BLOCK: u64 = 16 << 20;
/// Bytes of a checksum as it is written.
pub(crate) const DIGITS: u64 = 64;
/// Bytes hashed at a time.
const PIECE: u64 = 256 << 10;

/// The checksum of a block.
pub(crate) type Checksum = [u8; 32];

/// How many blocks a file has whose checksums' own header begins at `header`: the last one takes what comes after that along.
pub(crate) fn blocks(header: u64) -> u64 {
    header / BLOCK + 1
}

/// The bytes of a block, where the checksums of `blocks` blocks begin at `end`.
pub(crate) fn block(number: u64, blocks: u64, end: u64) -> Range<u64> {
    let next = if number + 1 == blocks { end } else { (number + 1) * BLOCK };
    number * BLOCK..next
}

/// The checksums of some blocks; `read` gives the bytes at a place.
pub(crate) fn checksums(
    numbers: Range<u64>,
    blocks: u64,
    end: u64,
    read: impl Fn(u64, &mut [u8]) -> io::Result<()> + Sync,
) -> io::Result<Vec<Checksum>> {
    let of_block = |number: u64| {
        let Range { start, end } = block(number, blocks, end);
        let (mut hash, mut bytes) = (Sha256::new(), vec![0; PIECE.min(end - start) as usize]);
        for at in (start..end).step_by(PIECE as usize) {
            let piece = &mut bytes[..PIECE.min(end - at) as usize];
            read(at, piece)?;
            hash.update(&*piece);
        }
        Ok(hash.finalize().into())
    };
    // Most files have one block, for which no other thread need wake up.
    match numbers.end - numbers.start {
        1 => Ok(vec![of_block(numbers.start)?]),
        _ => numbers.into_par_iter().map(of_block).collect(),
    }
}

/// Checksums as they are written.
pub(crate) fn digits(checksums: &[Checksum]) -> Vec<u8> {
    checksums.iter().flatten().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// What comes of comparing a merged file with its checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// It is as it was written.
    Sound,
    /// These of its bytes are not as they were written.
    Spoilt(Vec<Range<u64>>),
    /// It ends before, or goes on after its checksums.
    WrongLength {
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// It has no checksums: no cut made it, or one of before.
    Unsigned,
}

/// Compares a merged file with its checksums.
///
/// # Errors
/// When the file cannot be read, or is damaged so that its checksums are not found.
pub fn verify(merged: &Path) -> Result<Verified, CutoutError> {
    let failed = |source| CutoutError::File { path: merged.to_owned(), source };
    let source = LocalFile::open(merged).map_err(failed)?;
    let found = source.size();
    let damaged = |source| CutoutError::Hdf5 { file: merged.display().to_string(), source };
    let reader = Reader::open(Paged::new(source, 64 << 10, 256), Bounds::default()).map_err(damaged)?;
    let Some(provenance) = group_at(&reader, "provenance").map_err(damaged)? else { return Ok(Verified::Unsigned) };
    let link = find(&reader, &provenance, NAME.as_bytes()).map_err(damaged)?;
    let Some(Target::Object(header)) = link.map(|link| link.target) else { return Ok(Verified::Unsigned) };
    let dataset =
        ObjectHeader::read(&reader, header).and_then(|header| Dataset::read(&reader, &header)).map_err(damaged)?;
    let Layout::Contiguous { address: Some(end), size: Some(size) } = dataset.layout else {
        return Ok(Verified::Unsigned);
    };
    if size == 0 || size % DIGITS != 0 || size / DIGITS > end / BLOCK + 1 {
        return Ok(Verified::Unsigned);
    }
    let expected = end.saturating_add(size);
    if expected != found {
        return Ok(Verified::WrongLength { expected, found });
    }
    let blocks = size / DIGITS;
    let source = LocalFile::open(merged).map_err(failed)?;
    let known = reader.bytes(end, size).map_err(damaged)?;
    let made = checksums(0..blocks, blocks, end, |at, bytes| source.read_into(at, bytes)).map_err(failed)?;
    let written = made.iter().zip(known.chunks(DIGITS as usize));
    let spoilt: Vec<_> = (0..)
        .zip(written)
        .filter(|(_, (made, known))| digits(&[**made]) != *known)
        .map(|(number, _)| block(number, blocks, end))
        .collect();
    Ok(if spoilt.is_empty() { Verified::Sound } else { Verified::Spoilt(spoilt) })
}
