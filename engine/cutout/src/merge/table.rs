//! The merged table of a class: chosen rows of the columns of many files, one file after the other.

use std::fs::File;
use std::os::unix::fs::FileExt;

use spolia_hdf5_format::attribute::{Attribute, attributes};
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::datatype::Class;
use spolia_hdf5_format::link::links;
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::{RowReader, with_rows};
use spolia_hdf5_format::write::{AttributeOut, DatasetOut, HeapBuilder, StorageOut, WriteError};
use spolia_hdf5_format::{HeapId, Reader};

use super::{Member, Output, Source};
use crate::error::CutoutError;

/// Rows gathered at once, in bytes.
const BATCH: u64 = 8 << 20;

/// A table of the merged file, which is filled file by file.
pub(super) struct Table {
    /// The class of its rows.
    pub(super) class: String,
    /// The file whose columns it has.
    first_file: String,
    attributes: Attributes,
    columns: Vec<Column>,
    rows: u64,
}

/// A column of the merged table.
struct Column {
    name: Vec<u8>,
    /// The column of the first file.
    like: Dataset,
    attributes: Attributes,
    /// Where its elements are in the merged file, and how many bytes are there already.
    start: u64,
    filled: u64,
    /// Bytes of all elements.
    size: u64,
}

/// Attributes of the first file's object: to write, and to compare with those of other files.
struct Attributes {
    out: Vec<AttributeOut>,
    compared: Vec<Compared>,
}

/// What of an attribute must be the same in all files.
#[derive(PartialEq)]
struct Compared {
    name: String,
    datatype: Vec<u8>,
    shape: Vec<u64>,
    /// Values, or the texts that they lead to; nothing for other data that lie elsewhere.
    values: Vec<Vec<u8>>,
}

impl Table {
    /// An empty table with the columns of the first file, and room for all rows.
    pub(super) fn new(source: &Source, group: u64, rows: u64, writer: &mut Output) -> Result<Self, CutoutError> {
        let place = place(source);
        let header = ObjectHeader::read(&source.reader, group).map_err(source.failed())?;
        let mut columns = Vec::new();
        for link in links(&source.reader, &header).map_err(source.failed())? {
            let name = String::from_utf8_lossy(&link.name);
            let (header, like) = column(source, &header, &name)?
                .ok_or_else(|| CutoutError::Refused(format!("{place}/{name}: it is no column")))?;
            let row = RowReader::new(&source.reader, &like).map_err(source.failed())?.row_size();
            let size = rows.checked_mul(row).ok_or_else(|| {
                CutoutError::Refused(format!("{place}/{name}: {rows} rows of {row} bytes are too many"))
            })?;
            let attributes = Attributes::read(source, &header, &format!("{place}/{name}"), writer)?;
            let start = writer.reserve(size)?;
            columns.push(Column { name: link.name.to_vec(), like, attributes, start, filled: 0, size });
        }
        let attributes = Attributes::read(source, &header, &place, writer)?;
        let (class, first_file) = (source.file.class.clone(), source.file.file_name.clone());
        Ok(Self { class, first_file, attributes, columns, rows: 0 })
    }

    /// Appends the wanted rows of a file; returns the number of the first one in the merged table. `regions` is the merged
    /// file.
    pub(super) fn append(
        &mut self,
        source: &Source,
        group: u64,
        writer: &mut Output,
        regions: &File,
    ) -> Result<u64, CutoutError> {
        let header = ObjectHeader::read(&source.reader, group).map_err(source.failed())?;
        let unlike = Unlike { source, first_file: self.first_file.clone() };
        if links(&source.reader, &header).map_err(source.failed())?.len() != self.columns.len() {
            return Err(unlike.error("another number of columns"));
        }
        unlike.check(&header, &self.attributes, "")?;
        for own in &mut self.columns {
            let name = String::from_utf8_lossy(&own.name).into_owned();
            let found = column(source, &header, &name)?;
            let (header, dataset) = found.ok_or_else(|| unlike.error(&format!("no column {name:?}")))?;
            if dataset.datatype.encoded != own.like.datatype.encoded {
                return Err(unlike.error(&format!("another type in column {name:?}")));
            }
            if dataset.space.shape().get(1..) != own.like.space.shape().get(1..) {
                return Err(unlike.error(&format!("another shape in column {name:?}")));
            }
            unlike.check(&header, &own.attributes, &format!(" on column {name:?}"))?;
            own.append(source, &dataset, &format!("{}/{name}", place(source)), writer, regions)?;
        }
        let first = self.rows;
        self.rows += source.file.ordinals.len() as u64;
        Ok(first)
    }

    /// Writes the headers; the table's name and group are returned.
    pub(super) fn finish(self, writer: &mut Output) -> Result<Member, CutoutError> {
        let mut members: Vec<Member> = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            let out = DatasetOut {
                datatype: column.like.datatype.encoded.clone(),
                space: with_rows(&column.like.space, self.rows),
                fill_value: column.like.fill_value.filter(|_| !column.like.datatype.points_elsewhere()),
                filters: Vec::new(),
                storage: StorageOut::Contiguous((column.size > 0).then_some(column.start), column.size),
                attributes: column.attributes.out,
            };
            members.push((column.name, writer.dataset(&out)?));
        }
        Ok((self.class.into_bytes(), writer.group(members, &self.attributes.out)?))
    }
}

impl Column {
    /// Gathers the wanted rows of a file's column, some at a time, into the merged file.
    fn append(
        &mut self,
        source: &Source,
        dataset: &Dataset,
        place: &str,
        writer: &mut Output,
        regions: &File,
    ) -> Result<(), CutoutError> {
        let mut reader = RowReader::new(&source.reader, dataset).map_err(source.failed())?;
        let mut copier = Copier::new(&source.reader);
        let rows: Vec<u64> = source.file.ordinals.iter().map(|ordinal| *ordinal as u64).collect();
        for rows in rows.chunks((BATCH / reader.row_size().max(1)).max(1) as usize) {
            let mut bytes = Vec::new();
            reader.read(rows, &mut bytes).map_err(source.failed())?;
            let mut heap = HeapBuilder::default();
            let moved = copier.moved(&dataset.datatype, bytes, &mut heap, place)?;
            let elements = moved.settled(&heap.write(writer)?);
            if self.filled + elements.len() as u64 > self.size {
                return Err(CutoutError::Refused(format!("{place}: it has changed while it was read")));
            }
            regions.write_all_at(&elements, self.start + self.filled).map_err(WriteError::from)?;
            self.filled += elements.len() as u64;
        }
        Ok(())
    }
}

fn place(source: &Source) -> String {
    format!("{}/{}", source.file.file_name, source.file.class)
}

/// A column of a file's table.
fn column(source: &Source, group: &ObjectHeader, name: &str) -> Result<Option<(ObjectHeader, Dataset)>, CutoutError> {
    let Some(address) = source.member(group, name)? else { return Ok(None) };
    let header = ObjectHeader::read(&source.reader, address).map_err(source.failed())?;
    let dataset = Dataset::read(&source.reader, &header).map_err(source.failed())?;
    Ok(Some((header, dataset)))
}

impl Attributes {
    fn read(source: &Source, header: &ObjectHeader, place: &str, writer: &mut Output) -> Result<Self, CutoutError> {
        let out = Copier::new(&source.reader).attributes(header, place, writer)?;
        Ok(Self { out, compared: compared(source, header)? })
    }
}

fn compared(source: &Source, header: &ObjectHeader) -> Result<Vec<Compared>, CutoutError> {
    let found = attributes(&source.reader, header).map_err(source.failed())?;
    let mut compared = Vec::with_capacity(found.len());
    for attribute in found {
        compared.push(Compared {
            values: values(&source.reader, &attribute).map_err(source.failed())?,
            datatype: attribute.datatype.encoded.to_vec(),
            shape: attribute.space.shape().to_vec(),
            name: attribute.name,
        });
    }
    Ok(compared)
}

fn values(reader: &Reader, attribute: &Attribute) -> spolia_hdf5_format::Result<Vec<Vec<u8>>> {
    match attribute.datatype.class {
        Class::VariableString { .. } => {
            let ids = attribute.value.chunks_exact(HeapId::size(reader));
            ids.map(|id| Ok(HeapId::from_element(reader, id)?.data(reader, 1)?.to_vec())).collect()
        }
        _ if attribute.datatype.points_elsewhere() => Ok(Vec::new()),
        _ => Ok(vec![attribute.value.to_vec()]),
    }
}

/// Says in what a file's table differs from the first one's.
struct Unlike<'a> {
    source: &'a Source<'a>,
    first_file: String,
}

impl Unlike<'_> {
    fn error(&self, what: &str) -> CutoutError {
        let (place, first) = (place(self.source), &self.first_file);
        CutoutError::Refused(format!("{place}: it has {what} than {first}; tables that differ are not merged into one"))
    }

    fn check(&self, header: &ObjectHeader, expected: &Attributes, where_: &str) -> Result<(), CutoutError> {
        let found = compared(self.source, header)?;
        let only_here = found.iter().find(|attribute| !expected.compared.contains(attribute));
        let only_there = || expected.compared.iter().find(|attribute| !found.contains(attribute));
        match only_here.or_else(only_there) {
            Some(attribute) => Err(self.error(&format!("another value of the attribute {:?}{where_}", attribute.name))),
            None => Ok(()),
        }
    }
}
