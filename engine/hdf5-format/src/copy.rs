//! Copying objects from one file into another: groups with all that is in them, datasets, attributes, variable-length data.
//!
//! Chunks are copied as they are stored. Committed types become plain ones and other names of one object become copies of it;
//! both are counted. References, and links that lead by name, are refused: what they lead to is not copied with them.

mod relocate;

use std::collections::BTreeSet;
use std::io::Write;

use bytes::Bytes;

use crate::attribute::{Attribute, attributes};
use crate::bounds::at_most;
use crate::chunk_index::chunks;
use crate::dataset::Dataset;
use crate::datatype::{Class, Datatype};
use crate::elements::{content, is_partial};
use crate::error::Hdf5Error;
use crate::filter::Decoder;
use crate::layout::{ChunkedLayout, Layout};
use crate::link::{Target, is_group, links};
use crate::object_header::ObjectHeader;
use crate::reader::Reader;
use crate::write::{AttributeOut, DatasetOut, HeapBuilder, StorageOut, StoredChunk, WriteError, Writer, Written};
use relocate::{HEAP, Pointer, relocate};

/// Bytes of elements that are carried over at once.
const PIECE: u64 = 1 << 20;
/// Bytes of elements that point elsewhere, which are held all at once, at most, where nothing else is said.
const MOST_POINTING: u64 = 64 << 20;

/// Why an object was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source.
    #[error("{path}: {source}")]
    Read {
        /// The object.
        path: String,
        /// What is wrong with it.
        source: Hdf5Error,
    },
    /// The new file.
    #[error("{path}: {source}")]
    Write {
        /// The object.
        path: String,
        /// What it cannot hold.
        source: WriteError,
    },
    /// Elements that are held all at once are too many.
    #[error("{path}: its elements with variable-length data take more than {bound} bytes by themselves")]
    Pointing {
        /// The object.
        path: String,
        /// Bytes that are held at most.
        bound: u64,
    },
    /// What is not copied.
    #[error("{path}: {what}")]
    Refused {
        /// The object.
        path: String,
        /// Why not.
        what: &'static str,
    },
}

/// What a copy did that one might not expect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Bytes of elements and attributes copied.
    pub bytes: u64,
    /// Committed types that became plain ones.
    pub committed_types: u64,
}

/// Bytes of a dataset that is left blank, at most.
const MOST_BLANK: u64 = 16 << 20;
/// How many times the bytes of its file the elements of one object may take: data may have several names.
const MOST_OVER: u64 = 16;
/// Objects inside of one that is copied, at most: names of one object may be many, and each becomes a copy of it.
const MOST_OBJECTS: u64 = 1 << 20;

/// Copies one object after the other from one file.
pub struct Copier<'a> {
    reader: &'a Reader,
    decoder: Decoder,
    /// Leave all elements and values zero.
    blank: bool,
    /// Leave elements zero that are carried over as they are.
    measuring: bool,
    /// Bytes of elements that point elsewhere, at most.
    pointing: u64,
    /// Members and attributes of the object itself that are copied; all where nothing is said.
    fields: Option<&'a BTreeSet<String>>,
    /// Groups that the object being copied is in.
    inside: Vec<u64>,
    /// Objects inside of the one that is being copied, so far.
    objects: u64,
    /// Bytes of elements carried over of it, so far.
    carried: u64,
    /// What has been done so far.
    pub report: CopyReport,
}

/// Elements on their way; their variable-length data are in a heap that is still to be written.
#[derive(Debug)]
pub struct Moved {
    bytes: Vec<u8>,
    pointers: Vec<Pointer>,
}

impl Moved {
    /// The elements as they are in the new file, where the heap has been written at an address.
    #[must_use]
    pub fn settled(mut self, heap: u64) -> Vec<u8> {
        self.pointers.iter().for_each(|pointer| pointer.set(&mut self.bytes, heap));
        self.bytes
    }
}

impl<'a> Copier<'a> {
    /// From this file.
    pub fn new(reader: &'a Reader) -> Self {
        let (decoder, report) = (Decoder::new(), CopyReport::default());
        Self {
            reader,
            decoder,
            blank: false,
            measuring: false,
            pointing: MOST_POINTING,
            fields: None,
            inside: Vec::new(),
            objects: 0,
            carried: 0,
            report,
        }
    }

    /// Copies structure only: elements and values of attributes are zeros, and none of them is read. Chunked datasets have no
    /// structure without their elements and are refused.
    #[must_use]
    pub fn blank(reader: &'a Reader) -> Self {
        Self { blank: true, ..Self::new(reader) }
    }

    /// Finds out how many bytes copies take: what is written is as long as a copy, and elements that would be carried over as they
    /// are, which are not read, are zeros in it.
    #[must_use]
    pub fn measuring(reader: &'a Reader) -> Self {
        Self { measuring: true, ..Self::new(reader) }
    }

    /// Holds so many bytes of a dataset's elements that point elsewhere, and refuses more.
    #[must_use]
    pub fn pointing(self, bound: u64) -> Self {
        Self { pointing: bound, ..self }
    }

    /// Copies only these members and attributes of an object that is a group.
    #[must_use]
    pub fn only(self, fields: Option<&'a BTreeSet<String>>) -> Self {
        Self { fields, ..self }
    }

    /// Whether a member or an attribute of the group that is being copied is wanted.
    fn wants(&self, name: &str) -> bool {
        self.inside.len() != 1 || self.fields.is_none_or(|fields| fields.contains(name))
    }

    /// Copies the object at an address, which errors call `path`; it still wants a name in the new file.
    ///
    /// # Errors
    /// [`CopyError`], which names the part that could not be copied.
    pub fn copy<W: Write>(&mut self, address: u64, path: &str, writer: &mut Writer<W>) -> Result<Written, CopyError> {
        self.inside.clear();
        (self.objects, self.carried) = (0, 0);
        self.object(address, path, writer)
    }

    fn object<W: Write>(&mut self, address: u64, path: &str, writer: &mut Writer<W>) -> Result<Written, CopyError> {
        let refused = |what| CopyError::Refused { path: path.to_owned(), what };
        self.objects += 1;
        if self.inside.len() >= self.reader.bounds().depth as usize {
            return Err(refused("its groups are nested too deep"));
        }
        if self.inside.contains(&address) {
            return Err(refused("it is inside of itself"));
        }
        if self.objects > MOST_OBJECTS {
            return Err(refused("there are more than 1,048,576 objects in what is copied"));
        }
        let header = ObjectHeader::read(self.reader, address).map_err(read(path))?;
        if is_group(&header) {
            self.inside.push(address);
            let group = self.group(&header, path, writer)?;
            self.inside.pop();
            return Ok(group);
        }
        if Dataset::is_one(&header) {
            let dataset = Dataset::read(self.reader, &header).map_err(read(path))?;
            return self.dataset(&header, &dataset, path, writer);
        }
        Err(refused("it is a committed type, which is not copied as an object of its own"))
    }

    fn group<W: Write>(
        &mut self,
        header: &ObjectHeader,
        path: &str,
        writer: &mut Writer<W>,
    ) -> Result<Written, CopyError> {
        let mut members = Vec::new();
        for link in links(self.reader, header).map_err(read(path))? {
            let name = String::from_utf8_lossy(&link.name);
            if !self.wants(&name) {
                continue;
            }
            let path = format!("{path}/{name}");
            let Target::Object(address) = link.target else {
                let what = "it is a link by name, which a cut does not follow";
                return Err(CopyError::Refused { path, what });
            };
            members.push((link.name.to_vec(), self.object(address, &path, writer)?));
        }
        let mut attributes = self.attributes(header, path, writer)?;
        attributes.retain(|attribute| self.wants(&String::from_utf8_lossy(&attribute.name)));
        writer.group(members, &attributes).map_err(written(path))
    }

    /// The object's attributes, their variable-length data written.
    ///
    /// # Errors
    /// When one of them cannot be read or is not copied.
    pub fn attributes<W: Write>(
        &mut self,
        header: &ObjectHeader,
        path: &str,
        writer: &mut Writer<W>,
    ) -> Result<Vec<AttributeOut>, CopyError> {
        let found = attributes(self.reader, header).map_err(read(path))?;
        let mut heap = HeapBuilder::default();
        let mut moved = Vec::with_capacity(found.len());
        for attribute in &found {
            self.report.committed_types += u64::from(attribute.committed_type.is_some());
            let path = format!("{path}@{}", attribute.name);
            moved.push(self.moved(&attribute.datatype, attribute.value.to_vec(), &mut heap, &path)?);
        }
        let heap = heap.write(writer).map_err(written(path))?;
        let attribute = |(attribute, moved): (Attribute, Moved)| AttributeOut {
            name: attribute.name.into_bytes(),
            datatype: attribute.datatype.encoded,
            space: attribute.space,
            value: moved.settled(heap),
        };
        Ok(found.into_iter().zip(moved).map(attribute).collect())
    }

    /// Takes elements, and the data that they point to into `heap`.
    ///
    /// # Errors
    /// When they are references, or their data cannot be read.
    pub fn moved(
        &mut self,
        datatype: &Datatype,
        mut bytes: Vec<u8>,
        heap: &mut HeapBuilder,
        path: &str,
    ) -> Result<Moved, CopyError> {
        self.report.bytes += bytes.len() as u64;
        check(datatype, path)?;
        if self.blank {
            bytes.fill(0);
        }
        let pointers = if datatype.points_elsewhere() && !self.blank {
            if self.reader.superblock().widths.address != 8 {
                let what = "its variable-length data are addressed in less than 8 bytes";
                return Err(CopyError::Refused { path: path.to_owned(), what });
            }
            let moved = relocate(self.reader, datatype, &mut bytes, heap, self.pointing, self.reader.bounds().depth);
            moved.map_err(|error| match error {
                Hdf5Error::Bound { what: HEAP, bound } => CopyError::Pointing { path: path.to_owned(), bound },
                error => read(path)(error),
            })?
        } else {
            Vec::new()
        };
        Ok(Moved { bytes, pointers })
    }

    fn dataset<W: Write>(
        &mut self,
        header: &ObjectHeader,
        dataset: &Dataset,
        path: &str,
        writer: &mut Writer<W>,
    ) -> Result<Written, CopyError> {
        let refused = |what| Err(CopyError::Refused { path: path.to_owned(), what });
        if dataset.external_files > 0 {
            return refused("its data lie in another file (external storage), which is refused");
        }
        self.report.committed_types += u64::from(dataset.committed_type.is_some());
        let storage = match &dataset.layout {
            Layout::Virtual => return refused("it is a virtual dataset, whose data lie elsewhere, which is refused"),
            Layout::Compact { content, .. } => {
                let placed = self.placed(dataset, content.to_vec(), path, writer)?;
                StorageOut::Compact(Bytes::from(placed))
            }
            Layout::Contiguous { address, .. } => self.contiguous(dataset, *address, path, writer)?,
            Layout::Chunked(layout) => self.chunked(dataset, layout, path, writer)?,
        };
        let out = DatasetOut {
            datatype: dataset.datatype.encoded.clone(),
            space: dataset.space.clone(),
            fill_value: dataset.fill_value.clone().filter(|_| !dataset.datatype.points_elsewhere()),
            filters: dataset.filters.clone(),
            storage,
            attributes: self.attributes(header, path, writer)?,
        };
        writer.dataset(&out).map_err(written(path))
    }

    /// Elements that point into the new file.
    fn placed<W: Write>(
        &mut self,
        dataset: &Dataset,
        bytes: Vec<u8>,
        path: &str,
        writer: &mut Writer<W>,
    ) -> Result<Vec<u8>, CopyError> {
        let mut heap = HeapBuilder::default();
        let moved = self.moved(&dataset.datatype, bytes, &mut heap, path)?;
        let heap = heap.write(writer).map_err(written(path))?;
        Ok(moved.settled(heap))
    }

    fn contiguous<W: Write>(
        &mut self,
        dataset: &Dataset,
        address: Option<u64>,
        path: &str,
        writer: &mut Writer<W>,
    ) -> Result<StorageOut, CopyError> {
        let size = dataset.bytes().ok_or(Hdf5Error::Bound { what: "the elements of a dataset", bound: u64::MAX });
        let size = size.map_err(read(path))?;
        let Some(address) = address.filter(|_| size > 0) else { return Ok(StorageOut::Contiguous(None, size)) };
        let placed = self.carried(dataset, address, size, path, writer)?;
        Ok(StorageOut::Contiguous(Some(placed), size))
    }

    /// Carries stored elements over; returns where they are in the new file.
    fn carried<W: Write>(
        &mut self,
        dataset: &Dataset,
        address: u64,
        size: u64,
        path: &str,
        writer: &mut Writer<W>,
    ) -> Result<u64, CopyError> {
        if self.blank {
            at_most("the elements of a blank dataset", size, MOST_BLANK).map_err(read(path))?;
            check(&dataset.datatype, path)?;
            return writer.put(&vec![0; size as usize]).map_err(written(path));
        }
        if dataset.datatype.points_elsewhere() {
            if size > self.pointing {
                return Err(CopyError::Pointing { path: path.to_owned(), bound: self.pointing });
            }
            let bytes = self.reader.bytes(address, size).map_err(read(path))?;
            let placed = self.placed(dataset, bytes.to_vec(), path, writer)?;
            return writer.put(&placed).map_err(written(path));
        }
        check(&dataset.datatype, path)?;
        self.reader.has(address, size).map_err(read(path))?;
        self.carried = self.carried.saturating_add(size);
        if self.carried > MOST_OVER.saturating_mul(self.reader.size()) {
            let what =
                "copies of it take many times the bytes of the file: the same elements are in it again and again";
            return Err(CopyError::Refused { path: path.to_owned(), what });
        }
        self.report.bytes += size;
        let start = writer.put(&[]).map_err(written(path))?;
        if self.measuring {
            writer.pass_over(size);
            return Ok(start);
        }
        let mut carried = 0;
        while carried < size {
            let length = PIECE.min(size - carried);
            let bytes = self.reader.bytes(address.saturating_add(carried), length).map_err(read(path))?;
            writer.append(&bytes).map_err(written(path))?;
            carried += length;
        }
        Ok(start)
    }

    fn chunked<W: Write>(
        &mut self,
        dataset: &Dataset,
        layout: &ChunkedLayout,
        path: &str,
        writer: &mut Writer<W>,
    ) -> Result<StorageOut, CopyError> {
        if self.blank {
            let what = "it is in chunks, which are nothing without their elements";
            return Err(CopyError::Refused { path: path.to_owned(), what });
        }
        let too_big = || CopyError::Refused { path: path.to_owned(), what: "its chunks are of 4 GB or more" };
        if layout.shape.iter().any(|size| u32::try_from(*size).is_err()) {
            return Err(too_big());
        }
        let mut found = chunks(self.reader, layout, &dataset.space, !dataset.filters.is_empty()).map_err(read(path))?;
        found.sort_by(|a, b| a.offset.cmp(&b.offset));
        let no_filter = u32::try_from((1u64 << dataset.filters.len().min(32)) - 1).unwrap_or(u32::MAX);
        let mut stored = Vec::with_capacity(found.len());
        for chunk in found {
            let unfiltered =
                layout.partial_chunks_unfiltered && is_partial(layout, dataset.space.shape(), &chunk.offset);
            let (address, size, filter_mask) = if dataset.datatype.points_elsewhere() {
                let decoded = content(self.reader, dataset, layout, &chunk, &mut self.decoder).map_err(read(path))?;
                let placed = self.placed(dataset, decoded.to_vec(), path, writer)?;
                (writer.put(&placed).map_err(written(path))?, placed.len() as u64, no_filter)
            } else {
                let address = self.carried(dataset, chunk.address, chunk.size, path, writer)?;
                (address, chunk.size, if unfiltered { no_filter } else { chunk.filter_mask })
            };
            let size = u32::try_from(size).map_err(|_| too_big())?;
            stored.push(StoredChunk { offset: chunk.offset, address, size, filter_mask });
        }
        let index = writer.chunk_index(&layout.shape, &stored).map_err(written(path))?;
        let element_size = dataset.datatype.size;
        Ok(StorageOut::Chunked { shape: layout.shape.clone(), element_size, index })
    }
}

/// Refuses types whose elements cannot be copied.
fn check(datatype: &Datatype, path: &str) -> Result<(), CopyError> {
    let refused = |what| Err(CopyError::Refused { path: path.to_owned(), what });
    if datatype.any(&|class| matches!(class, Class::Reference { .. })) {
        return refused("it holds references, which lead to what is not copied with it");
    }
    if datatype.version > 3 {
        return refused("its type is of a version that older readers do not know");
    }
    Ok(())
}

fn read(path: &str) -> impl Fn(Hdf5Error) -> CopyError + use<> {
    let path = path.to_owned();
    move |source| CopyError::Read { path: path.clone(), source }
}

fn written(path: &str) -> impl Fn(WriteError) -> CopyError + use<> {
    let path = path.to_owned();
    move |source| CopyError::Write { path: path.clone(), source }
}
