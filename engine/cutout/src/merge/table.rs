//! The merged table of a class: chosen rows of the columns of many files, one file after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use spolia_hdf5_format::Reader;
use spolia_hdf5_format::convert::Conversion;
use spolia_hdf5_format::copy::{Copier, CopyError};
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::link::{Target, find};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::rows::RowReader;
use spolia_hdf5_format::write::HeapBuilder;

use super::Output;
use super::agreement::{AgreedColumn, Agreement, Skeleton};
use super::columns::{Column, ColumnGroup, Columns, Place};
use super::objects::group_at;
use super::rows::{ColumnOut, RowPieces};
use crate::error::CutoutError;
use crate::fetch::Fetcher;
use crate::files::Files;
use crate::index::table::{ColumnPlace, TableIndex};
use crate::plan::CutFile;

/// Rows gathered at once, in bytes.
const BATCH: u64 = 1 << 20;

/// A file that rows are taken from.
pub(super) struct Filling<'a> {
    pub(super) number: usize,
    pub(super) file: &'a CutFile,
    pub(super) files: &'a Files,
    /// Files that are open at the same time.
    pub(super) open: usize,
    pub(super) index: TableIndex,
}

impl Filling<'_> {
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.file.file_name, self.file.class)
    }

    pub(super) fn damaged(&self) -> impl Fn(spolia_hdf5_format::Hdf5Error) -> CutoutError + use<> {
        let file = self.place();
        move |source| CutoutError::Hdf5 { file: file.clone(), source }
    }
}

/// A table of the merged file, which is filled file by file.
pub(super) struct Table {
    agreement: Agreement,
    group: ColumnGroup,
    rows: u64,
}

impl Table {
    /// An empty table with room for all rows of these files, of which there is at least one.
    pub(super) fn new(
        fillings: &[Filling],
        fields: Option<&BTreeSet<String>>,
        columns: &mut Columns,
        writer: &mut Output,
    ) -> Result<Self, CutoutError> {
        let (first, agreement) = (&fillings[0], Agreement::find(fillings, fields)?);
        let rows = fillings.iter().map(|filling| filling.file.ordinals.len() as u64).sum();
        let skeleton = &agreement.skeletons[0];
        let made = agreement.columns.iter().map(|agreed| column(first, skeleton, agreed, rows, columns, writer));
        let made = made.collect::<Result<_, _>>()?;
        let mut attributes = Copier::new(&skeleton.reader).attributes(&skeleton.group, &first.place(), writer)?;
        attributes.retain(|attribute| !agreement.dropped.contains(&*String::from_utf8_lossy(&attribute.name)));
        let group = ColumnGroup { name: first.file.table_name().to_owned(), attributes, columns: made };
        Ok(Self { agreement, group, rows: 0 })
    }

    /// Appends the wanted rows of the file that has that place among the table's files; the work on them is handed to `fetcher`.
    /// Returns the number of the first one in the merged table.
    pub(super) fn append(
        &mut self,
        place: usize,
        filling: &Filling,
        writer: &mut Output,
        fetcher: &mut Fetcher,
    ) -> Result<u64, CutoutError> {
        let wanted = &filling.file.ordinals;
        if let Some(row) = wanted.iter().find(|row| **row < 0 || **row as u64 >= filling.index.rows) {
            let (place, rows) = (filling.place(), filling.index.rows);
            return Err(CutoutError::Refused(format!("{place}: it has {rows} rows and no row {row}")));
        }
        let number = self.agreement.of_file[place];
        let rows: Arc<[u64]> = wanted.iter().map(|row| *row as u64).collect();
        let mut pieces = RowPieces::new(filling.number, filling.place(), Arc::clone(&rows));
        let mut live = None;
        for (agreed, own) in self.agreement.columns.iter().zip(&self.group.columns) {
            let column_place = agreed.places[number];
            let like = self.agreement.skeletons[number].columns.get(column_place);
            let (Some(like), Some(place)) = (like, filling.index.columns.get(column_place)) else {
                return Err(CutoutError::Index);
            };
            let out = Rows {
                name: agreed.name.clone(),
                conversion: self.agreement.conversion(agreed, number)?,
                place: own.place.clone(),
                row_size: own.row_size(),
                first: self.rows,
            };
            if *place == ColumnPlace::Elsewhere {
                let live = match &mut live {
                    Some(live) => live,
                    None => live.insert(Live::open(filling)?),
                };
                live.append(filling, &out, &rows, writer, fetcher)?;
            } else {
                pieces.add(ColumnOut::new(out, like.dataset.clone())?, place)?;
            }
        }
        pieces.finish(fetcher)?;
        let first = self.rows;
        self.rows += rows.len() as u64;
        Ok(first)
    }

    /// What had to be done to merge the files' tables into this one.
    pub(super) fn messages(&self) -> &[String] {
        &self.agreement.messages
    }

    /// The columns, whose headers are still to be written.
    pub(super) fn into_group(self) -> ColumnGroup {
        self.group
    }
}

/// Rows of a column on their way into the merged file.
pub(super) struct Rows {
    pub(super) name: String,
    /// What becomes of elements, where they do not stay as they are.
    conversion: Option<Conversion>,
    place: Place,
    /// Bytes of a row in the merged file.
    row_size: u64,
    /// The number of the file's first row in the merged table.
    first: u64,
}

impl Rows {
    /// Puts rows from one of the file's wanted ones on; `room` is for what they are converted to.
    pub(super) fn put(&self, from: u64, elements: &[u8], room: &mut Vec<u8>) -> Result<(), CutoutError> {
        let at = (self.first + from) * self.row_size;
        match &self.conversion {
            None => self.place.put(at, elements),
            Some(conversion) => {
                room.clear();
                conversion.run(elements, room);
                self.place.put(at, room)
            }
        }
    }
}

/// An empty column of the merged table.
fn column(
    first: &Filling,
    skeleton: &Skeleton,
    agreed: &AgreedColumn,
    rows: u64,
    columns: &mut Columns,
    writer: &mut Output,
) -> Result<Column, CutoutError> {
    let path = format!("{}/{}", first.place(), agreed.name);
    let own = &skeleton.columns[agreed.places[0]];
    let attributes = Copier::new(&skeleton.reader).attributes(&own.header, &path, writer)?;
    let mut shape = own.dataset.space.shape().to_vec();
    shape[0] = rows;
    let place = columns.place(&agreed.datatype, &shape, writer)?;
    let place = place.ok_or_else(|| CutoutError::Refused(format!("{path}: {rows} rows of it are too many")))?;
    let same = own.dataset.datatype.is_same(&agreed.datatype);
    let fill_value = own.dataset.fill_value.clone().filter(|_| same);
    Ok(Column {
        path: vec![agreed.name.clone()],
        datatype: agreed.datatype.clone(),
        shape,
        fill_value,
        attributes,
        place,
    })
}

/// A file whose columns are read as they come.
struct Live {
    reader: Reader,
    group: ObjectHeader,
}

impl Live {
    fn open(filling: &Filling) -> Result<Self, CutoutError> {
        let reader = filling.files.reader(filling.file, filling.open)?;
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
        out: &Rows,
        rows: &[u64],
        writer: &mut Output,
        fetcher: &Fetcher,
    ) -> Result<(), CutoutError> {
        let place = format!("{}/{}", filling.place(), out.name);
        let damaged = |source| CutoutError::Hdf5 { file: place.clone(), source };
        let header = Self::member(&self.reader, &self.group, &out.name).map_err(damaged)?.ok_or(CutoutError::Index)?;
        let dataset = Dataset::read(&self.reader, &header).map_err(damaged)?;
        let mut reader = RowReader::new(&self.reader, &dataset).map_err(damaged)?;
        let mut copier = Copier::new(&self.reader);
        let (mut done, mut room) = (0, Vec::new());
        let mut count = (BATCH / reader.row_size().max(1)).max(1) as usize;
        while done < rows.len() {
            fetcher.check_stopped()?;
            let some = &rows[done..(done + count).min(rows.len())];
            let mut bytes = Vec::new();
            reader.read(some, &mut bytes).map_err(damaged)?;
            let mut heap = HeapBuilder::default();
            let moved = match copier.moved(&dataset.datatype, bytes, &mut heap, &place) {
                // Fewer rows lead to less.
                Err(CopyError::Pointing { .. }) if some.len() > 1 => {
                    count = some.len() / 2;
                    continue;
                }
                moved => moved?,
            };
            let elements = moved.settled(heap.write(writer)?);
            out.put(done as u64, &elements, &mut room)?;
            done += some.len();
        }
        Ok(())
    }
}
