//! The merged table of a class: chosen rows of the columns of many files, one file after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use spolia_hdf5_format::attribute::{Attribute, attributes};
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::datatype::Class;
use spolia_hdf5_format::link::{Target, find, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::{RowReader, with_rows};
use spolia_hdf5_format::write::{AttributeOut, DatasetOut, HeapBuilder, StorageOut, WriteError};
use spolia_hdf5_format::{Bounds, HeapId, Reader};

use super::objects::group_at;
use super::rows::{ColumnOut, RowPieces};
use super::{Member, Output};
use crate::error::CutoutError;
use crate::fetch::Fetcher;
use crate::files::Files;
use crate::index::table::{ColumnPlace, TableIndex};
use crate::plan::CutFile;
use crate::sink::Sink;

/// Rows gathered at once, in bytes.
const BATCH: u64 = 8 << 20;

/// A table of the merged file, which is filled file by file.
pub(super) struct Table {
    name: Vec<u8>,
    /// The file whose columns it has.
    first_file: String,
    /// Skeletons of tables that it may be filled from; it has the first one's columns.
    like: Vec<Skeleton>,
    attributes: Vec<AttributeOut>,
    /// Columns that are wanted.
    columns: Vec<Column>,
    rows: u64,
}

/// A column of the merged table.
struct Column {
    /// Its place among all columns of the files.
    place: usize,
    attributes: Vec<AttributeOut>,
    /// Where its elements are in the merged file.
    start: u64,
    /// Bytes of a row, and of all rows.
    row_size: u64,
    size: u64,
}

/// A table without rows.
struct Skeleton {
    bytes: Bytes,
    reader: Reader,
    group: ObjectHeader,
    /// Name, header and description of each column, in the order of names.
    columns: Vec<(Vec<u8>, ObjectHeader, Dataset)>,
}

impl Skeleton {
    fn read(bytes: &Bytes) -> spolia_hdf5_format::Result<Self> {
        let reader = Reader::open(bytes.clone(), Bounds::default())?;
        let group = ObjectHeader::read(&reader, reader.superblock().root)?;
        let mut columns = Vec::new();
        for link in links(&reader, &group)? {
            if let Target::Object(address) = link.target {
                let header = ObjectHeader::read(&reader, address)?;
                let dataset = Dataset::read(&reader, &header)?;
                columns.push((link.name.to_vec(), header, dataset));
            }
        }
        Ok(Self { bytes: bytes.clone(), reader, group, columns })
    }
}

/// A file that rows are taken from.
pub(super) struct Filling<'a> {
    pub(super) number: usize,
    pub(super) file: &'a CutFile,
    pub(super) files: &'a Files,
    pub(super) index: TableIndex,
}

impl Filling<'_> {
    fn place(&self) -> String {
        format!("{}/{}", self.file.file_name, self.file.class)
    }

    fn damaged(&self) -> impl Fn(spolia_hdf5_format::Hdf5Error) -> CutoutError + use<> {
        let file = self.place();
        move |source| CutoutError::Hdf5 { file: file.clone(), source }
    }
}

impl Table {
    /// An empty table with the columns of the first file, and room for all rows.
    pub(super) fn new(
        first: &Filling,
        rows: u64,
        fields: Option<&BTreeSet<String>>,
        writer: &mut Output,
    ) -> Result<Self, CutoutError> {
        let place = first.place();
        let skeleton = Skeleton::read(&first.index.skeleton).map_err(first.damaged())?;
        let mut columns = Vec::with_capacity(skeleton.columns.len());
        for (number, (name, header, dataset)) in skeleton.columns.iter().enumerate() {
            if fields.is_some_and(|fields| !fields.contains(&*String::from_utf8_lossy(name))) {
                continue;
            }
            let path = format!("{place}/{}", String::from_utf8_lossy(name));
            let too_many = || CutoutError::Refused(format!("{path}: {rows} rows of it are too many"));
            let shape = dataset.space.shape();
            let row_size = shape[1..].iter().try_fold(u64::from(dataset.datatype.size), |size, n| size.checked_mul(*n));
            let row_size = row_size.ok_or_else(too_many)?;
            let size = rows.checked_mul(row_size).ok_or_else(too_many)?;
            let attributes = Copier::new(&skeleton.reader).attributes(header, &path, writer)?;
            columns.push(Column { place: number, attributes, start: writer.reserve(size)?, row_size, size });
        }
        if let Some(fields) = fields.filter(|_| columns.is_empty()) {
            let fields = fields.iter().cloned().collect::<Vec<_>>().join(", ");
            return Err(CutoutError::Refused(format!("{place}: none of its columns is among the fields {fields}")));
        }
        let attributes = Copier::new(&skeleton.reader).attributes(&skeleton.group, &place, writer)?;
        let (name, first_file) = (first.file.table_name().into(), first.file.file_name.clone());
        Ok(Self { name, first_file, like: vec![skeleton], attributes, columns, rows: 0 })
    }

    /// Appends the wanted rows of a file; the work on them is handed to `fetcher`. Returns the number of the first one in the
    /// merged table.
    pub(super) fn append(
        &mut self,
        filling: &Filling,
        writer: &mut Output,
        fetcher: &mut Fetcher,
    ) -> Result<u64, CutoutError> {
        let wanted = &filling.file.ordinals;
        if let Some(row) = wanted.iter().find(|row| **row < 0 || **row as u64 >= filling.index.rows) {
            let (place, rows) = (filling.place(), filling.index.rows);
            return Err(CutoutError::Refused(format!("{place}: it has {rows} rows and no row {row}")));
        }
        let like = self.like(filling)?;
        let like = &self.like[like];
        let rows: Arc<[u64]> = wanted.iter().map(|row| *row as u64).collect();
        let mut pieces = RowPieces::new(filling.number, filling.place(), Arc::clone(&rows));
        let mut live = None;
        for own in &self.columns {
            let (Some((name, _, dataset)), Some(place)) =
                (like.columns.get(own.place), filling.index.columns.get(own.place))
            else {
                return Err(CutoutError::Index);
            };
            let start = own.start + self.rows * own.row_size;
            if rows.len() as u64 * own.row_size > own.start + own.size - start {
                return Err(CutoutError::Index);
            }
            let name = String::from_utf8_lossy(name);
            if *place == ColumnPlace::Elsewhere {
                let live = match &mut live {
                    Some(live) => live,
                    None => live.insert(Live::open(filling)?),
                };
                live.append(filling, &name, &rows, start, writer, fetcher.sink())?;
            } else {
                let out =
                    ColumnOut { name: name.into_owned(), dataset: dataset.clone(), row_size: own.row_size, start };
                pieces.add(out, place)?;
            }
        }
        pieces.finish(fetcher)?;
        let first = self.rows;
        self.rows += rows.len() as u64;
        Ok(first)
    }

    /// The number of the file's skeleton among those that rows may come from.
    fn like(&mut self, filling: &Filling) -> Result<usize, CutoutError> {
        if let Some(known) = self.like.iter().position(|known| known.bytes == filling.index.skeleton) {
            return Ok(known);
        }
        let skeleton = Skeleton::read(&filling.index.skeleton).map_err(filling.damaged())?;
        let unlike = Unlike { filling, first_file: &self.first_file };
        unlike.check(&self.like[0], &skeleton)?;
        self.like.push(skeleton);
        Ok(self.like.len() - 1)
    }

    /// Writes the headers; the table's name and group are returned.
    pub(super) fn finish(self, writer: &mut Output) -> Result<Member, CutoutError> {
        let mut members: Vec<Member> = Vec::with_capacity(self.columns.len());
        let rows = self.rows;
        for own in self.columns {
            let (name, _, like) = &self.like[0].columns[own.place];
            let out = DatasetOut {
                datatype: like.datatype.encoded.clone(),
                space: with_rows(&like.space, rows),
                fill_value: like.fill_value.clone(),
                filters: Vec::new(),
                storage: StorageOut::Contiguous((own.size > 0).then_some(own.start), own.size),
                attributes: own.attributes,
            };
            members.push((name.clone(), writer.dataset(&out)?));
        }
        Ok((self.name, writer.group(members, &self.attributes)?))
    }
}

/// A file whose columns are read as they come.
struct Live {
    reader: Reader,
    group: ObjectHeader,
}

impl Live {
    fn open(filling: &Filling) -> Result<Self, CutoutError> {
        let reader = filling.files.reader(filling.file)?;
        let damaged = filling.damaged();
        let group = group_at(&reader, &filling.file.class).map_err(damaged)?.ok_or(CutoutError::Index)?;
        Ok(Self { group, reader })
    }

    fn member(reader: &Reader, group: &ObjectHeader, name: &str) -> spolia_hdf5_format::Result<Option<ObjectHeader>> {
        match find(reader, group, name.as_bytes())?.map(|link| link.target) {
            Some(Target::Object(address)) => ObjectHeader::read(reader, address).map(Some),
            _ => Ok(None),
        }
    }

    /// Gathers the wanted rows of a column, some at a time, into the merged file.
    fn append(
        &self,
        filling: &Filling,
        name: &str,
        rows: &[u64],
        start: u64,
        writer: &mut Output,
        sink: &Sink,
    ) -> Result<(), CutoutError> {
        let place = format!("{}/{name}", filling.place());
        let damaged = |source| CutoutError::Hdf5 { file: place.clone(), source };
        let header = Self::member(&self.reader, &self.group, name).map_err(damaged)?.ok_or(CutoutError::Index)?;
        let dataset = Dataset::read(&self.reader, &header).map_err(damaged)?;
        let mut reader = RowReader::new(&self.reader, &dataset).map_err(damaged)?;
        let mut copier = Copier::new(&self.reader);
        let mut at = start;
        for rows in rows.chunks((BATCH / reader.row_size().max(1)).max(1) as usize) {
            let mut bytes = Vec::new();
            reader.read(rows, &mut bytes).map_err(damaged)?;
            let mut heap = HeapBuilder::default();
            let moved = copier.moved(&dataset.datatype, bytes, &mut heap, &place)?;
            let elements = moved.settled(heap.write(writer)?);
            sink.put(at, &elements).map_err(WriteError::from)?;
            at += elements.len() as u64;
        }
        Ok(())
    }
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

fn compared(reader: &Reader, header: &ObjectHeader) -> spolia_hdf5_format::Result<Vec<Compared>> {
    let compared = |attribute: Attribute| {
        Ok(Compared {
            values: values(reader, &attribute)?,
            datatype: attribute.datatype.encoded.to_vec(),
            shape: attribute.space.shape().to_vec(),
            name: attribute.name,
        })
    };
    attributes(reader, header)?.into_iter().map(compared).collect()
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
    filling: &'a Filling<'a>,
    first_file: &'a str,
}

impl Unlike<'_> {
    fn error(&self, what: &str) -> CutoutError {
        let (place, first) = (self.filling.place(), self.first_file);
        CutoutError::Refused(format!("{place}: it has {what} than {first}; tables that differ are not merged into one"))
    }

    fn check(&self, expected: &Skeleton, found: &Skeleton) -> Result<(), CutoutError> {
        if found.columns.len() != expected.columns.len() {
            return Err(self.error("another number of columns"));
        }
        self.attributes((expected, &expected.group), (found, &found.group), "")?;
        for ((name, header, dataset), own) in expected.columns.iter().zip(&found.columns) {
            let shown = String::from_utf8_lossy(name);
            if own.0 != *name {
                return Err(self.error(&format!("no column {shown:?}, other columns")));
            }
            if own.2.datatype.encoded != dataset.datatype.encoded {
                return Err(self.error(&format!("another type in column {shown:?}")));
            }
            if own.2.space.shape().get(1..) != dataset.space.shape().get(1..) {
                return Err(self.error(&format!("another shape in column {shown:?}")));
            }
            self.attributes((expected, header), (found, &own.1), &format!(" on column {shown:?}"))?;
        }
        Ok(())
    }

    fn attributes(
        &self,
        expected: (&Skeleton, &ObjectHeader),
        found: (&Skeleton, &ObjectHeader),
        where_: &str,
    ) -> Result<(), CutoutError> {
        let read = |(skeleton, header): (&Skeleton, &ObjectHeader)| {
            compared(&skeleton.reader, header).map_err(self.filling.damaged())
        };
        let (expected, found) = (read(expected)?, read(found)?);
        let only_here = found.iter().find(|attribute| !expected.contains(attribute));
        let only_there = || expected.iter().find(|attribute| !found.contains(attribute));
        match only_here.or_else(only_there) {
            Some(attribute) => Err(self.error(&format!("another value of the attribute {:?}{where_}", attribute.name))),
            None => Ok(()),
        }
    }
}
