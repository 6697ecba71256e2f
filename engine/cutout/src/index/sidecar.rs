//! The index of a file as bytes that lie beside it, read piece by piece.
//!
//! `SPOLIAIX`, the version, the length of the head and its Adler-32 (32 bits each, little-endian), 4 bytes of zeros, the head
//! (postcard), and behind it what the head tells the places of: blocks of objects, and the table without rows with the chunks of
//! its columns. Every part has an Adler-32 of its own, and what is read once and kept is deflated (zlib).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::{Deserialize, Serialize};
use spolia_hdf5_format::Reader;
use spolia_hdf5_format::link::{Target, find, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::source::ReadAt;

use super::block::{BLOCK_OBJECTS, Block, PointerPlace, Record};
use super::build::Builder;
use super::table::{ChunkPlace, Chunks, ColumnPlace, TableIndex};
use super::template::Template;
use crate::error::CutoutError;
use crate::fetch::coalesced;
use crate::index::Identity;

const MAGIC: &[u8; 8] = b"SPOLIAIX";
const VERSION: u32 = 4;
/// Bytes before the head.
const START: u64 = 24;
/// Bytes of blocks that are read together at most.
const TOGETHER: u64 = 1 << 20;
/// Templates that are kept of a file.
pub(crate) const MOST_TEMPLATES: usize = 1024;
/// Bytes of one part at most.
const MOST: u64 = 1 << 30;

/// What is in the file, and where.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// Bytes of the file that is indexed, and its checksum.
    size: u64,
    checksum: String,
    /// Its ETag, where it lies on a server.
    etag: Option<String>,
    templates: Vec<Part>,
    blocks: Vec<BlockPart>,
    table: Option<TablePart>,
}

/// A part of the sidecar, counted from the end of the head.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Part {
    at: u64,
    length: u64,
    sum: u32,
    /// Its bytes when it is inflated (zlib); 0 where it is stored as it is.
    whole: u32,
}

/// A block, and the numbers of its first and its last object.
#[derive(Debug, Serialize, Deserialize)]
struct BlockPart {
    first: i64,
    last: i64,
    part: Part,
}

#[derive(Debug, Serialize, Deserialize)]
struct TablePart {
    rows: u64,
    skeleton: Part,
    /// The chunks of all columns, one after the other.
    chunks: Part,
    columns: Vec<ColumnPart>,
}

#[derive(Debug, Serialize, Deserialize)]
enum ColumnPart {
    Rows(u64),
    /// So many of the chunks, of so many rows.
    Chunks(u64, u64),
    Nowhere,
    Elsewhere,
}

/// How much there is in a block.
#[derive(Debug, Serialize, Deserialize)]
struct BlockHead {
    records: u32,
    placements: u32,
    pointers: u32,
}

/// Makes the index of a file whose objects are named `<object>_<number>`, or rows of the table `class`.
///
/// # Errors
/// When the file is damaged.
pub(crate) fn build(
    reader: &Reader,
    file: &str,
    identity: &Identity,
    class: &str,
    object: &str,
) -> Result<Vec<u8>, CutoutError> {
    let damaged = |source| CutoutError::Hdf5 { file: file.to_owned(), source };
    let root = ObjectHeader::read(reader, reader.superblock().root).map_err(damaged)?;
    let mut parts = Parts::default();
    let mut head = Head {
        size: reader.size(),
        checksum: identity.checksum.clone(),
        etag: identity.etag.clone(),
        templates: Vec::new(),
        blocks: Vec::new(),
        table: None,
    };
    match find(reader, &root, class.as_bytes()).map_err(damaged)?.map(|link| link.target) {
        Some(Target::Object(address)) => {
            let group = ObjectHeader::read(reader, address).map_err(damaged)?;
            head.table = Some(parts.table(&TableIndex::build(reader, &group, &format!("{file}/{class}"))?));
        }
        _ => {
            let mut builder = Builder::new(reader, BLOCK_OBJECTS);
            for (number, address) in numbered(reader, &root, object).map_err(damaged)? {
                let damaged = |source| CutoutError::Hdf5 { file: format!("{file}/{object}_{number}"), source };
                builder.add(number, address).map_err(damaged)?;
                for block in builder.blocks.drain(..) {
                    head.blocks.push(parts.block(&block)?);
                }
            }
            let (templates, blocks) = builder.finish();
            for block in blocks {
                head.blocks.push(parts.block(&block)?);
            }
            // Templates go first: they come along when the head is read.
            let mut first = Parts::default();
            for template in templates {
                head.templates.push(first.deflated(&postcard::to_stdvec(&template)?));
            }
            head.blocks.iter_mut().for_each(|block| block.part.at += first.bytes.len() as u64);
            first.bytes.append(&mut parts.bytes);
            parts = first;
        }
    }
    let head = postcard::to_stdvec(&head)?;
    let mut bytes = MAGIC.to_vec();
    for number in [VERSION, head.len() as u32, simd_adler32::adler32(&head.as_slice()), 0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&parts.bytes);
    Ok(bytes)
}

/// The numbers and addresses of a file's objects, in the order of their numbers.
pub(crate) fn numbered(
    reader: &Reader,
    root: &ObjectHeader,
    object: &str,
) -> spolia_hdf5_format::Result<Vec<(i64, u64)>> {
    let number = |name: &[u8]| {
        let digits = std::str::from_utf8(name).ok()?.strip_prefix(object)?.strip_prefix('_')?;
        let number = digits.parse::<i64>().ok()?;
        // 007 is another name than 7.
        (number.to_string() == digits).then_some(number)
    };
    let mut found: Vec<(i64, u64)> = links(reader, root)?
        .into_iter()
        .filter_map(|link| match link.target {
            Target::Object(address) => Some((number(&link.name)?, address)),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// The parts behind the head.
#[derive(Default)]
struct Parts {
    bytes: Vec<u8>,
}

impl Parts {
    fn add(&mut self, bytes: &[u8]) -> Part {
        let at = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        Part { at, length: bytes.len() as u64, sum: simd_adler32::adler32(&bytes), whole: 0 }
    }

    /// Adds a part that is read once and kept.
    fn deflated(&mut self, bytes: &[u8]) -> Part {
        let mut compressor = Compressor::new(CompressionLvl::default());
        let mut deflated = vec![0; compressor.zlib_compress_bound(bytes.len())];
        match (compressor.zlib_compress(bytes, &mut deflated), u32::try_from(bytes.len())) {
            (Ok(length), Ok(whole)) if length < bytes.len() => Part { whole, ..self.add(&deflated[..length]) },
            _ => self.add(bytes),
        }
    }

    fn block(&mut self, block: &Block) -> Result<BlockPart, CutoutError> {
        let head = BlockHead {
            records: block.records.len() as u32,
            placements: block.placements.len() as u32,
            pointers: block.pointers.len() as u32,
        };
        let mut bytes = postcard::to_stdvec(&head)?;
        for record in &block.records {
            bytes.extend_from_slice(&record.number.to_le_bytes());
            bytes.extend_from_slice(&record.base.to_le_bytes());
            bytes.extend_from_slice(&record.placement.to_le_bytes());
            bytes.extend_from_slice(&record.pointers.to_le_bytes());
        }
        block.placements.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        for place in &block.pointers {
            bytes.extend_from_slice(&place.at.to_le_bytes());
            bytes.extend_from_slice(&place.count.to_le_bytes());
        }
        let number = |record: Option<&Record>| record.map_or(0, |record| record.number);
        let (first, last) = (number(block.records.first()), number(block.records.last()));
        Ok(BlockPart { first, last, part: self.add(&bytes) })
    }

    fn table(&mut self, table: &TableIndex) -> TablePart {
        let mut bytes = Vec::new();
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            columns.push(match column {
                ColumnPlace::Rows(at) => ColumnPart::Rows(*at),
                ColumnPlace::Nowhere => ColumnPart::Nowhere,
                ColumnPlace::Elsewhere => ColumnPart::Elsewhere,
                ColumnPlace::Chunks(chunks) => {
                    for chunk in &chunks.places {
                        bytes.extend_from_slice(&chunk.at.to_le_bytes());
                        bytes.extend_from_slice(&chunk.size.to_le_bytes());
                        bytes.extend_from_slice(&chunk.mask.to_le_bytes());
                    }
                    ColumnPart::Chunks(chunks.places.len() as u64, chunks.height)
                }
            });
        }
        TablePart { rows: table.rows, skeleton: self.deflated(&table.skeleton), chunks: self.deflated(&bytes), columns }
    }
}

/// An index that is read.
pub(crate) struct Sidecar {
    source: Box<dyn ReadAt>,
    head: Head,
    /// Where the parts begin.
    parts: u64,
    templates: Mutex<HashMap<u32, Arc<Template>>>,
}

/// Why an index is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SidecarError {
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it is of another version, or no index")]
    Version,
    #[error("it is damaged")]
    Damaged,
    #[error("it belongs to another file, of {0} bytes with the checksum {1}")]
    OtherFile(u64, String),
}

impl From<postcard::Error> for SidecarError {
    fn from(_: postcard::Error) -> Self {
        Self::Damaged
    }
}

impl Sidecar {
    /// Opens the index of a file of so many bytes and of that checksum.
    pub(crate) fn open(source: impl ReadAt + 'static, size: u64, checksum: &str) -> Result<Self, SidecarError> {
        let start = source.read_at(0, START as usize)?;
        let number = |at: usize| u32::from_le_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
        if start[..8] != *MAGIC || number(8) != VERSION {
            return Err(SidecarError::Version);
        }
        let length = number(12);
        let bytes = source.read_at(START, length as usize)?;
        if simd_adler32::adler32(&&bytes[..]) != number(16) {
            return Err(SidecarError::Damaged);
        }
        let head: Head = postcard::from_bytes(&bytes)?;
        if (head.size, head.checksum.as_str()) != (size, checksum) {
            return Err(SidecarError::OtherFile(head.size, head.checksum));
        }
        let parts = START + u64::from(length);
        Ok(Self { source: Box::new(source), head, parts, templates: Mutex::default() })
    }

    /// Whether it is of a file of so many bytes and of that checksum.
    pub(crate) fn is_of(&self, size: u64, checksum: &str) -> bool {
        (self.head.size, self.head.checksum.as_str()) == (size, checksum)
    }

    /// The file's ETag, where it was indexed on a server.
    pub(crate) fn etag(&self) -> Option<String> {
        self.head.etag.clone()
    }

    /// The number of the block that an object is in, if it is in one.
    pub(crate) fn block_of(&self, number: i64) -> Option<usize> {
        let place = self.head.blocks.partition_point(|block| block.last < number);
        self.head.blocks.get(place).filter(|block| block.first <= number).map(|_| place)
    }

    /// Some blocks, by their numbers, which ascend. What lies no more than `gap` bytes apart is read together, and all at once.
    pub(crate) fn blocks(&self, numbers: &[usize], gap: u64) -> Result<Vec<Block>, SidecarError> {
        let part = |number: &usize| self.head.blocks.get(*number).map(|block| block.part).ok_or(SidecarError::Damaged);
        let parts = numbers.iter().map(part).collect::<Result<Vec<_>, _>>()?;
        let ranges = parts.iter().map(|part| self.range(part)).collect::<Result<Vec<_>, _>>()?;
        let together = coalesced(ranges.clone(), gap, TOGETHER);
        let read = |range: &Range<u64>| self.source.read_at(range.start, (range.end - range.start) as usize);
        let read: Vec<Bytes> = match &together[..] {
            [range] => vec![read(range)?],
            ranges => ranges.par_iter().map(read).collect::<Result<_, _>>()?,
        };
        let block = |(part, range): (&Part, &Range<u64>)| {
            let place = together.partition_point(|other| other.end < range.end);
            let (whole, bytes) = together.get(place).zip(read.get(place)).ok_or(SidecarError::Damaged)?;
            let from = (range.start - whole.start) as usize;
            let bytes = bytes.slice(from..from + part.length as usize);
            if simd_adler32::adler32(&&bytes[..]) == part.sum {
                Self::block(&bytes)
            } else {
                Err(SidecarError::Damaged)
            }
        };
        parts.iter().zip(&ranges).map(block).collect()
    }

    fn block(bytes: &Bytes) -> Result<Block, SidecarError> {
        let (head, mut rest) = postcard::take_from_bytes::<BlockHead>(bytes)?;
        let records = array(&mut rest, head.records, |bytes: &[u8; 24]| Record {
            number: word(bytes, 0) as i64,
            base: word(bytes, 8),
            placement: half(bytes, 16),
            pointers: half(bytes, 20),
        });
        let placements = array(&mut rest, head.placements, |bytes: &[u8; 4]| u32::from_le_bytes(*bytes));
        let pointers = array(&mut rest, head.pointers, |bytes: &[u8; 12]| PointerPlace {
            at: word(bytes, 0),
            count: half(bytes, 8),
        });
        let (Some(records), Some(placements), Some(pointers)) = (records, placements, pointers) else {
            return Err(SidecarError::Damaged);
        };
        Ok(Block { records, placements, pointers })
    }

    /// A template.
    pub(crate) fn template(&self, number: u32) -> Result<Arc<Template>, SidecarError> {
        let mut known = self.templates.lock().map_err(|_| SidecarError::Damaged)?;
        if let Some(template) = known.get(&number) {
            return Ok(Arc::clone(template));
        }
        let part = self.head.templates.get(number as usize).ok_or(SidecarError::Damaged)?;
        let template: Template = postcard::from_bytes(&self.part(*part)?)?;
        if !template.is_sound() {
            return Err(SidecarError::Damaged);
        }
        let template = Arc::new(template);
        if known.len() >= MOST_TEMPLATES {
            known.clear();
        }
        known.insert(number, Arc::clone(&template));
        Ok(template)
    }

    /// The table, if the file holds one.
    pub(crate) fn table(&self) -> Result<Option<TableIndex>, SidecarError> {
        let Some(table) = &self.head.table else { return Ok(None) };
        let bytes = self.part(table.chunks)?;
        let mut rest = &bytes[..];
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            columns.push(match column {
                ColumnPart::Rows(at) => ColumnPlace::Rows(*at),
                ColumnPart::Nowhere => ColumnPlace::Nowhere,
                ColumnPart::Elsewhere => ColumnPlace::Elsewhere,
                ColumnPart::Chunks(count, height) => {
                    let count = u32::try_from(*count).map_err(|_| SidecarError::Damaged)?;
                    let chunks = array(&mut rest, count, |bytes: &[u8; 16]| ChunkPlace {
                        at: word(bytes, 0),
                        size: half(bytes, 8),
                        mask: half(bytes, 12),
                    });
                    ColumnPlace::Chunks(Chunks::all(*height, chunks.ok_or(SidecarError::Damaged)?))
                }
            });
        }
        Ok(Some(TableIndex { skeleton: self.part(table.skeleton)?, rows: table.rows, columns }))
    }

    /// Where a part is.
    fn range(&self, part: &Part) -> Result<Range<u64>, SidecarError> {
        let start = self.parts.checked_add(part.at).filter(|_| part.length <= MOST).ok_or(SidecarError::Damaged)?;
        Ok(start..start.checked_add(part.length).ok_or(SidecarError::Damaged)?)
    }

    fn part(&self, part: Part) -> Result<Bytes, SidecarError> {
        let bytes = self.source.read_at(self.range(&part)?.start, part.length as usize)?;
        if simd_adler32::adler32(&&bytes[..]) != part.sum {
            return Err(SidecarError::Damaged);
        }
        match part.whole {
            0 => Ok(bytes),
            whole => inflated(&bytes, whole),
        }
    }
}

/// Deflate makes nothing smaller than by a factor of 1032.
fn inflated(bytes: &[u8], whole: u32) -> Result<Bytes, SidecarError> {
    if u64::from(whole) > bytes.len() as u64 * 1032 {
        return Err(SidecarError::Damaged);
    }
    let mut inflated = vec![0; whole as usize];
    match Decompressor::new().zlib_decompress(bytes, &mut inflated) {
        Ok(length) if length == inflated.len() => Ok(inflated.into()),
        _ => Err(SidecarError::Damaged),
    }
}

/// The next `count` items of `SIZE` bytes; nothing where there are fewer.
fn array<const SIZE: usize, T>(rest: &mut &[u8], count: u32, item: impl Fn(&[u8; SIZE]) -> T) -> Option<Vec<T>> {
    let (items, left) = rest.split_at_checked((count as usize).checked_mul(SIZE)?)?;
    *rest = left;
    Some(items.as_chunks::<SIZE>().0.iter().map(item).collect())
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]))
}
