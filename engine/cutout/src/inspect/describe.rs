//! The walk over a file's objects.

use std::collections::HashMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};
use spolia_hdf5_format::chunk_index::{Chunk, chunks};
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::datatype::Class;
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::layout::Layout;
use spolia_hdf5_format::link::{Target, is_group, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::{Hdf5Error, Reader, Result, attribute};

use super::{InspectOptions, Inspected, InspectedChunk, InspectedDataset, InspectedFilter};

/// All objects and links below the root group, in the order of their paths; each object once.
pub(super) fn objects(reader: &Reader, options: &InspectOptions) -> Result<Vec<Inspected>> {
    let mut walk = Walk { reader, options, seen: HashMap::new(), found: Vec::new() };
    let root = ObjectHeader::read(reader, reader.superblock().root)?;
    walk.members("", &root, 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    reader: &'a Reader,
    options: &'a InspectOptions,
    /// Paths of objects by their addresses.
    seen: HashMap<u64, String>,
    found: Vec<Inspected>,
}

impl Walk<'_> {
    /// Walks over a group's members; returns how many there are.
    fn members(&mut self, path: &str, group: &ObjectHeader, depth: u32) -> Result<usize> {
        let bound = self.reader.bounds().depth;
        if depth > bound {
            return Err(Hdf5Error::Bound { what: "groups inside groups", bound: bound.into() });
        }
        let mut members = links(self.reader, group)?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        for member in &members {
            let path = format!("{path}/{}", String::from_utf8_lossy(&member.name));
            self.member(path, &member.target, depth);
        }
        Ok(members.len())
    }

    fn member(&mut self, path: String, target: &Target, depth: u32) {
        let text = |bytes: &[u8]| Some(String::from_utf8_lossy(bytes).into_owned());
        let (link, file, target) = match target {
            Target::Object(address) => return self.object(path, *address, depth),
            Target::Soft(target) => ("soft".to_owned(), None, text(target)),
            Target::External { file, path } => ("external".to_owned(), text(file), text(path)),
            Target::Other(kind) => (kind.to_string(), None, None),
        };
        self.found.push(Inspected::Link { path, link, file, target });
    }

    fn object(&mut self, path: String, address: u64, depth: u32) {
        if let Some(first) = self.seen.get(&address) {
            return self.found.push(Inspected::HardLink { path, hardlink_to: first.clone() });
        }
        self.seen.insert(address, path.clone());
        let place = self.found.len();
        match self.described(&path, address, depth) {
            // A group stands before its members.
            Ok(object) => self.found.insert(place, object),
            Err(error) => self.found.insert(place, Inspected::Error { path, error: error.to_string() }),
        }
    }

    fn described(&mut self, path: &str, address: u64, depth: u32) -> Result<Inspected> {
        let header = ObjectHeader::read(self.reader, address)?;
        if is_group(&header) {
            let n = self.members(path, &header, depth + 1)?;
            let attrs = attribute::count(self.reader, &header)?;
            return Ok(Inspected::Plain { path: path.to_owned(), kind: "group", n: Some(n), attrs: Some(attrs) });
        }
        if Dataset::is_one(&header) {
            return Ok(Inspected::Dataset(Box::new(self.dataset(path, &header)?)));
        }
        Ok(Inspected::Plain { path: path.to_owned(), kind: "named_type", n: None, attrs: None })
    }

    fn dataset(&self, path: &str, header: &ObjectHeader) -> Result<InspectedDataset> {
        let reader = self.reader;
        let dataset = Dataset::read(reader, header)?;
        let (shape, maxshape) = match &dataset.space {
            Dataspace::Simple { shape, max_shape } => (Some(shape.clone()), Some(max_shape.clone())),
            _ => (None, None),
        };
        let filter = |filter: &spolia_hdf5_format::filter::Filter| InspectedFilter {
            id: filter.id,
            flags: filter.flags,
            cd: filter.client_data.clone(),
            name: filter.name.clone(),
        };
        let mut described = InspectedDataset {
            path: path.to_owned(),
            kind: "dataset",
            class: dataset.datatype.class_name(),
            type_size: dataset.datatype.memory_size(),
            vlen_str: match dataset.datatype.class {
                Class::String { .. } => Some(false),
                Class::VariableString { .. } => Some(true),
                _ => None,
            },
            space: match &dataset.space {
                Dataspace::Null => "null",
                Dataspace::Scalar => "scalar",
                Dataspace::Simple { .. } => "simple",
            },
            shape,
            maxshape,
            layout: "",
            filters: dataset.filters.iter().map(filter).collect(),
            storage_size: 0,
            external: (dataset.external_files > 0).then_some(dataset.external_files),
            offset: None,
            chunk: None,
            n_chunks: None,
            chunks: None,
            attrs: attribute::count(reader, header)?,
            data_sha256_filetype: None,
            read_error: None,
        };
        self.layout(&dataset, &mut described)?;
        if self.options.digest && !dataset.datatype.points_elsewhere() && !matches!(dataset.space, Dataspace::Null) {
            match elements(reader, &dataset, self.options.digest_bytes) {
                Ok(elements) => described.data_sha256_filetype = Some(hexadecimal(&Sha256::digest(&elements))),
                Err(error) => described.read_error = Some(error.to_string()),
            }
        }
        Ok(described)
    }

    fn layout(&self, dataset: &Dataset, described: &mut InspectedDataset) -> Result<()> {
        let absolute = |address: u64| self.reader.superblock().offset + address;
        match &dataset.layout {
            Layout::Compact { content, .. } => {
                described.layout = "compact";
                described.storage_size = content.len() as u64;
            }
            Layout::Contiguous { address, .. } => {
                described.layout = "contiguous";
                let stored = address.filter(|_| dataset.external_files == 0);
                let anywhere = address.is_some() || dataset.external_files > 0;
                described.storage_size = if anywhere { dataset.bytes().unwrap_or(u64::MAX) } else { 0 };
                described.offset = Some(stored.map(absolute));
            }
            Layout::Virtual => described.layout = "virtual",
            Layout::Chunked(layout) => {
                let stored = chunks(self.reader, layout, &dataset.space, !dataset.filters.is_empty())?;
                described.layout = "chunked";
                described.chunk = Some(layout.shape.clone());
                described.n_chunks = Some(stored.len());
                described.storage_size = stored.iter().map(|chunk| chunk.size).sum();
                let place =
                    |chunk: Chunk| InspectedChunk(chunk.offset, absolute(chunk.address), chunk.size, chunk.filter_mask);
                described.chunks = Some(stored.into_iter().map(place).collect());
            }
        }
        Ok(())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
