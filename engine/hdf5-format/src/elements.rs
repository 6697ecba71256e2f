//! A dataset's elements, all of them, decoded: as they are in the file, in row-major order.

use bytes::Bytes;

use crate::bounds::at_most;
use crate::chunk_index::{Chunk, chunks};
use crate::dataset::Dataset;
use crate::error::{Hdf5Error, Result};
use crate::filter::Decoder;
use crate::layout::{ChunkedLayout, Layout};
use crate::reader::Reader;

/// Reads all elements of a dataset, at most `bound` bytes of them. What was never written is filled with its fill value.
///
/// # Errors
/// When the elements lie in other files, a chunk is damaged, a filter is unknown, or they are too many.
pub fn elements(reader: &Reader, dataset: &Dataset, bound: u64) -> Result<Vec<u8>> {
    let size = dataset.bytes().ok_or(Hdf5Error::Bound { what: "the elements of a dataset", bound })?;
    at_most("the elements of a dataset", size, bound)?;
    if dataset.external_files > 0 {
        return Err(Hdf5Error::Unsupported("external storage".to_owned()));
    }
    match &dataset.layout {
        Layout::Virtual => Err(Hdf5Error::Unsupported("a virtual dataset".to_owned())),
        Layout::Compact { content, .. } => Ok(padded(content, size as usize)),
        Layout::Contiguous { address: Some(address), .. } => Ok(reader.bytes(*address, size)?.to_vec()),
        Layout::Contiguous { address: None, .. } => Ok(filled(dataset, size as usize)),
        Layout::Chunked(layout) => {
            let mut target = filled(dataset, size as usize);
            let mut decoder = Decoder::new();
            for chunk in chunks(reader, layout, &dataset.space, !dataset.filters.is_empty())? {
                let content = content(reader, dataset, layout, &chunk, &mut decoder)?;
                place(&content, layout, dataset.space.shape(), &chunk.offset, &mut target);
            }
            Ok(target)
        }
    }
}

fn padded(bytes: &Bytes, size: usize) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(size, 0);
    padded
}

/// As many fill values as fit `size` bytes.
pub(crate) fn filled(dataset: &Dataset, size: usize) -> Vec<u8> {
    match &dataset.fill_value {
        Some(value) if value.len() == dataset.datatype.size as usize && value.iter().any(|byte| *byte != 0) => {
            value.iter().copied().cycle().take(size).collect()
        }
        _ => vec![0; size],
    }
}

/// A chunk's elements.
///
/// # Errors
/// When it is damaged or a filter is unknown.
pub fn content(
    reader: &Reader,
    dataset: &Dataset,
    layout: &ChunkedLayout,
    chunk: &Chunk,
    decoder: &mut Decoder,
) -> Result<Bytes> {
    let stored = reader.bytes(chunk.address, chunk.size)?;
    let whole = layout.bytes();
    at_most("a chunk", whole, reader.bounds().piece.max(chunk.size))?;
    let unfiltered = layout.partial_chunks_unfiltered && is_partial(layout, dataset.space.shape(), &chunk.offset);
    if dataset.filters.is_empty() || unfiltered {
        let damaged = || Hdf5Error::Damaged {
            structure: "a chunk",
            offset: reader.superblock().offset + chunk.address,
            fault: format!("it has {} bytes instead of {whole}", chunk.size),
        };
        return if chunk.size < whole { Err(damaged()) } else { Ok(stored.slice(..whole as usize)) };
    }
    let decoded = decoder.decode(&dataset.filters, chunk.filter_mask, &stored, whole as usize);
    let decoded = decoded.map_err(|fault| Hdf5Error::Damaged {
        structure: "a chunk",
        offset: reader.superblock().offset + chunk.address,
        fault: fault.to_string(),
    })?;
    Ok(decoded.into())
}

/// Whether a chunk reaches over the edge of its dataset.
pub(crate) fn is_partial(layout: &ChunkedLayout, shape: &[u64], offset: &[u64]) -> bool {
    let mut sizes = shape.iter().zip(offset).zip(&layout.shape);
    sizes.any(|((size, offset), chunk)| offset.saturating_add(*chunk) > *size)
}

/// Copies a chunk's elements to where they belong.
pub(crate) fn place(content: &[u8], layout: &ChunkedLayout, shape: &[u64], offset: &[u64], target: &mut [u8]) {
    let element = layout.element_size as usize;
    let rank = shape.len();
    let inside: Vec<usize> =
        (0..rank).map(|d| (shape[d].saturating_sub(offset[d])).min(layout.shape[d]) as usize).collect();
    if inside.contains(&0) {
        return;
    }
    let run = inside[rank - 1] * element;
    let rows: usize = inside[..rank - 1].iter().product();
    for row in 0..rows {
        let (mut left, mut from, mut to) = (row, 0usize, 0usize);
        let (mut from_stride, mut to_stride) = (layout.shape[rank - 1] as usize, shape[rank - 1] as usize);
        for d in (0..rank - 1).rev() {
            let index = left % inside[d];
            left /= inside[d];
            from += index * from_stride;
            to += (offset[d] as usize + index) * to_stride;
            from_stride *= layout.shape[d] as usize;
            to_stride *= shape[d] as usize;
        }
        let (from, to) = (from * element, (to + offset[rank - 1] as usize) * element);
        if let (Some(source), Some(target)) = (content.get(from..from + run), target.get_mut(to..to + run)) {
            target.copy_from_slice(source);
        }
    }
}
