//! Chunk indexes: where each chunk of a dataset is. HDF5 File Format Specification 3.0, sections III.A and VII.

mod btree;
mod extensible_array;
mod fixed_array;
mod grid;

use crate::bounds::at_most;
use crate::cursor::Cursor;
use crate::dataspace::Dataspace;
use crate::error::{Hdf5Error, Result};
use crate::layout::{ChunkedLayout, IndexKind};
use crate::reader::Reader;
use grid::Grid;

/// One stored chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its first element, along each dimension.
    pub offset: Vec<u64>,
    /// Its address in the file.
    pub address: u64,
    /// Its stored bytes.
    pub size: u64,
    /// Filters that were left out, a bit each.
    pub filter_mask: u32,
}

/// What an index is asked with.
struct Asked<'a> {
    reader: &'a Reader,
    layout: &'a ChunkedLayout,
    grid: Grid,
    filtered: bool,
    /// Address of the index.
    address: u64,
}

impl Asked<'_> {
    /// Bytes of one element of an array index.
    fn entry_size(&self) -> usize {
        let address = usize::from(self.reader.widths().address);
        if self.filtered { address + self.layout.size_width + 4 } else { address }
    }

    /// One element of an array index: where the chunk is, of how many bytes, and its mask.
    fn entry(&self, cursor: &mut Cursor) -> Result<Option<(u64, u64, u32)>> {
        let address = cursor.address()?;
        let (size, mask) = match self.filtered {
            true => (cursor.uint(self.layout.size_width)?, cursor.u32()?),
            false => (self.layout.bytes(), 0),
        };
        Ok(address.map(|address| (address, size, mask)))
    }
}

/// All stored chunks of a dataset, in the order of their index; those outside of its shape are left out.
///
/// # Errors
/// When the index is damaged or has more chunks than `bounds().chunks`.
pub fn chunks(reader: &Reader, layout: &ChunkedLayout, space: &Dataspace, filtered: bool) -> Result<Vec<Chunk>> {
    let Some(address) = layout.address else { return Ok(Vec::new()) };
    let Dataspace::Simple { shape, max_shape } = space else {
        return Err(Hdf5Error::Unsupported("a chunked dataset without dimensions".to_owned()));
    };
    if shape.len() != layout.shape.len() {
        let fault = format!("chunks of {} dimensions in a dataset of {}", layout.shape.len(), shape.len());
        return Err(Hdf5Error::Damaged { structure: "a data layout", offset: address, fault });
    }
    let grid = Grid::new(shape, max_shape, &layout.shape)?;
    let bound = reader.bounds().chunks;
    let asked = Asked { reader, layout, grid, filtered, address };
    let mut found = Vec::new();
    let mut add = |offset: Vec<u64>, (address, size, filter_mask): (u64, u64, u32)| {
        at_most("the chunks of a dataset", found.len() as u64 + 1, bound)?;
        if offset.iter().zip(shape).all(|(offset, size)| offset < size) {
            found.push(Chunk { offset, address, size, filter_mask });
        }
        Ok(())
    };
    match layout.index {
        IndexKind::Single { filtered } => {
            let (size, mask) = filtered.unwrap_or((layout.bytes(), 0));
            add(vec![0; shape.len()], (address, size, mask))?;
        }
        IndexKind::Implicit => {
            let count = asked.grid.chunks()?;
            at_most("the chunks of a dataset", count, bound)?;
            for number in 0..count {
                let place = number.checked_mul(layout.bytes()).and_then(|bytes| address.checked_add(bytes));
                let place = place.ok_or(Hdf5Error::Bound { what: "an implicit index", bound: u64::MAX })?;
                add(asked.grid.offset(number), (place, layout.bytes(), 0))?;
            }
        }
        IndexKind::BTree1 => btree::version_1(&asked, &mut add)?,
        IndexKind::BTree2 => btree::version_2(&asked, &mut add)?,
        IndexKind::FixedArray => fixed_array::visit(&asked, &mut add)?,
        IndexKind::ExtensibleArray => extensible_array::visit(&asked, &mut add)?,
    }
    Ok(found)
}

/// Takes a chunk's offset, and its address, size and mask.
type Add<'a> = dyn FnMut(Vec<u64>, (u64, u64, u32)) -> Result<()> + 'a;
