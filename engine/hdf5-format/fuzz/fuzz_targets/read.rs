//! Any bytes as a file: everything in it is described and decoded. There is an answer or an error, within bounds.

#![no_main]

use std::collections::HashSet;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use spolia_hdf5_format::attribute::attributes;
use spolia_hdf5_format::chunk_index::chunks;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::layout::Layout;
use spolia_hdf5_format::link::{Target, find, is_group, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::RowReader;
use spolia_hdf5_format::{Bounds, Reader};

fuzz_target!(|bytes: &[u8]| {
    let bounds = Bounds { piece: 1 << 20, metadata: 16 << 20, chunks: 1 << 12, members: 1 << 12, depth: 16 };
    let Ok(reader) = Reader::open(Bytes::copy_from_slice(bytes), bounds) else { return };
    let mut waiting = vec![reader.superblock().root];
    let mut seen = HashSet::new();
    while let Some(address) = waiting.pop().filter(|_| seen.len() < 256) {
        if !seen.insert(address) {
            continue;
        }
        let Ok(header) = ObjectHeader::read(&reader, address) else { continue };
        let _ = attributes(&reader, &header);
        if is_group(&header) {
            for link in links(&reader, &header).unwrap_or_default() {
                let found = find(&reader, &header, &link.name);
                if let (Target::Object(address), Ok(_)) = (link.target, found) {
                    waiting.push(address);
                }
            }
        } else if let Ok(dataset) = Dataset::read(&reader, &header) {
            if let Layout::Chunked(layout) = &dataset.layout {
                let _ = chunks(&reader, layout, &dataset.space, !dataset.filters.is_empty());
            }
            let _ = elements(&reader, &dataset, 1 << 20);
            if let Ok(mut rows) = RowReader::new(&reader, &dataset) {
                let last = rows.rows().saturating_sub(1);
                let _ = rows.read(&[last], &mut Vec::new());
            }
        }
    }
});
