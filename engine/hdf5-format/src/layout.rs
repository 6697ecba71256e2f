//! Data layouts: where a dataset's elements are. HDF5 File Format Specification 3.0, section IV.A.2.i.

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::dataspace::MAX_RANK;
use crate::error::Result;

/// Where the elements are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// In the object header itself.
    Compact {
        /// All of them.
        content: Bytes,
        /// Where they begin in the source; nothing where the header's message lies in a heap.
        at: Option<u64>,
    },
    /// In one piece; not written yet where there is no address.
    Contiguous {
        /// The address of the first element.
        address: Option<u64>,
        /// Bytes, where the file says it.
        size: Option<u64>,
    },
    /// In chunks of equal shape.
    Chunked(ChunkedLayout),
    /// In other datasets, of other files mostly.
    Virtual,
}

/// A layout of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkedLayout {
    /// Elements of a chunk along each dimension.
    pub shape: Vec<u64>,
    /// Bytes of one element.
    pub element_size: u64,
    /// How chunks are found.
    pub index: IndexKind,
    /// Where the index is, or the only chunk; nothing before the first chunk is written.
    pub address: Option<u64>,
    /// Chunks that reach over the edge of the dataset are stored unfiltered.
    pub partial_chunks_unfiltered: bool,
    /// Bytes of a stored chunk's size in the index.
    pub size_width: usize,
}

/// How the chunks of a dataset are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the specification's")]
pub enum IndexKind {
    /// By a version 1 B-tree.
    BTree1,
    /// There is only one; its stored size and filter mask, where it is filtered.
    Single { filtered: Option<(u64, u32)> },
    /// All are there, one after the other.
    Implicit,
    /// By an array of fixed size.
    FixedArray,
    /// By an array that grows along the one dimension without a limit.
    ExtensibleArray,
    /// By a version 2 B-tree.
    BTree2,
}

impl Layout {
    pub(crate) fn read(mut cursor: Cursor) -> Result<Self> {
        let version = cursor.version(1..=5)?;
        if version < 3 {
            return old(cursor);
        }
        match cursor.u8()? {
            0 => {
                let size = usize::from(cursor.u16()?);
                Self::compact(cursor, size)
            }
            1 => Ok(Self::Contiguous { address: cursor.address()?, size: Some(cursor.length()?) }),
            2 if version == 3 => chunked_3(cursor),
            2 => chunked_4(cursor, version),
            3 if version > 3 => Ok(Self::Virtual),
            other => Err(cursor.damaged(format!("its class is {other}"))),
        }
    }

    fn compact(mut cursor: Cursor, size: usize) -> Result<Self> {
        let at = cursor.position();
        Ok(Self::Compact { content: cursor.take(size)?, at })
    }
}

/// Versions 1 and 2.
fn old(mut cursor: Cursor) -> Result<Layout> {
    let (rank, class) = (rank(&mut cursor)?, cursor.u8()?);
    cursor.skip(5)?;
    let address = if class == 0 { None } else { cursor.address()? };
    let mut sizes = (0..rank).map(|_| cursor.u32().map(u64::from)).collect::<Result<Vec<_>>>()?;
    match class {
        0 => {
            let size = usize::try_from(cursor.u32()?).unwrap_or(usize::MAX);
            Layout::compact(cursor, size)
        }
        1 => Ok(Layout::Contiguous { address, size: None }),
        2 => {
            let element_size = sizes.pop().unwrap_or_default();
            Ok(Layout::Chunked(checked(&cursor, old_chunks(sizes, element_size, address))?))
        }
        other => Err(cursor.damaged(format!("its class is {other}"))),
    }
}

fn rank(cursor: &mut Cursor) -> Result<usize> {
    let rank = usize::from(cursor.u8()?);
    // One more than the dataset's, for the bytes of an element.
    match (1..=MAX_RANK + 1).contains(&rank) {
        true => Ok(rank),
        false => Err(cursor.damaged(format!("it has {rank} dimensions"))),
    }
}

fn old_chunks(shape: Vec<u64>, element_size: u64, address: Option<u64>) -> ChunkedLayout {
    let index = IndexKind::BTree1;
    ChunkedLayout { shape, element_size, index, address, partial_chunks_unfiltered: false, size_width: 4 }
}

fn chunked_3(mut cursor: Cursor) -> Result<Layout> {
    let rank = rank(&mut cursor)?;
    let address = cursor.address()?;
    let mut sizes = (0..rank).map(|_| cursor.u32().map(u64::from)).collect::<Result<Vec<_>>>()?;
    let element_size = sizes.pop().unwrap_or_default();
    Ok(Layout::Chunked(checked(&cursor, old_chunks(sizes, element_size, address))?))
}

fn chunked_4(mut cursor: Cursor, version: u8) -> Result<Layout> {
    let flags = cursor.u8()?;
    let rank = rank(&mut cursor)?;
    let width = usize::from(cursor.u8()?);
    let mut sizes = (0..rank).map(|_| cursor.uint(width)).collect::<Result<Vec<_>>>()?;
    let element_size = sizes.pop().unwrap_or_default();
    let index = match cursor.u8()? {
        1 if flags & 2 != 0 => IndexKind::Single { filtered: Some((cursor.length()?, cursor.u32()?)) },
        1 => IndexKind::Single { filtered: None },
        2 => IndexKind::Implicit,
        3 => {
            cursor.skip(1)?;
            IndexKind::FixedArray
        }
        4 => {
            cursor.skip(5)?;
            IndexKind::ExtensibleArray
        }
        5 => {
            cursor.skip(4 + 1 + 1)?;
            IndexKind::BTree2
        }
        other => return Err(cursor.damaged(format!("its chunk index is of the unknown kind {other}"))),
    };
    let address = cursor.address()?;
    let mut chunks = ChunkedLayout {
        shape: sizes,
        element_size,
        index,
        address,
        partial_chunks_unfiltered: flags & 1 != 0,
        size_width: cursor.widths().length.into(),
    };
    chunks = checked(&cursor, chunks)?;
    if version == 4 {
        // One byte more than the unfiltered size takes: filters may make a chunk larger.
        chunks.size_width = 8.min(1 + (chunks.bytes().max(1).ilog2() as usize + 8) / 8);
    }
    Ok(Layout::Chunked(chunks))
}

/// Refuses chunks without elements, or of more bytes than can be counted.
fn checked(cursor: &Cursor, chunks: ChunkedLayout) -> Result<ChunkedLayout> {
    let sizes = chunks.shape.iter().chain([&chunks.element_size]);
    let bytes = sizes.copied().try_fold(1u64, u64::checked_mul);
    match bytes {
        None | Some(0) => Err(cursor.damaged("its chunks are of an impossible size")),
        Some(_) => Ok(chunks),
    }
}

impl ChunkedLayout {
    /// Bytes of a chunk before filters.
    pub fn bytes(&self) -> u64 {
        self.shape.iter().product::<u64>().saturating_mul(self.element_size)
    }
}
