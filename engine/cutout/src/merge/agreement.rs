//! What the tables of several files have in common: their columns, the types that hold all elements, and their attributes.

use std::collections::BTreeSet;

use bytes::Bytes;
use spolia_hdf5_format::attribute::{Attribute, attributes};
use spolia_hdf5_format::convert::Conversion;
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::datatype::{Class, Datatype};
use spolia_hdf5_format::link::{Target, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::{Bounds, HeapId, Reader};

use super::table::Filling;
use crate::error::CutoutError;

/// A table without rows.
pub(super) struct Skeleton {
    bytes: Bytes,
    pub(super) reader: Reader,
    pub(super) group: ObjectHeader,
    /// In the order of names.
    pub(super) columns: Vec<SkeletonColumn>,
}

pub(super) struct SkeletonColumn {
    pub(super) name: String,
    pub(super) header: ObjectHeader,
    pub(super) dataset: Dataset,
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
                columns.push(SkeletonColumn {
                    name: String::from_utf8_lossy(&link.name).into_owned(),
                    header,
                    dataset,
                });
            }
        }
        Ok(Self { bytes: bytes.clone(), reader, group, columns })
    }
}

/// A column that all tables have.
pub(super) struct AgreedColumn {
    pub(super) name: String,
    /// The type that holds the elements of all tables.
    pub(super) datatype: Datatype,
    /// Its place in each of the skeletons.
    pub(super) places: Vec<usize>,
}

/// What tables have in common.
pub(super) struct Agreement {
    /// The different tables, the first file's first.
    pub(super) skeletons: Vec<Skeleton>,
    /// The skeleton of each file.
    pub(super) of_file: Vec<usize>,
    pub(super) columns: Vec<AgreedColumn>,
    /// Attributes of the table itself that are not the same in all files.
    pub(super) dropped: BTreeSet<String>,
    /// What had to be done for it.
    pub(super) messages: Vec<String>,
}

impl Agreement {
    /// Finds out what the tables of all files have in common, in the columns that are wanted.
    ///
    /// # Errors
    /// When a column is missing in one of them, or is of another kind.
    pub(super) fn find(fillings: &[Filling], fields: Option<&BTreeSet<String>>) -> Result<Self, CutoutError> {
        let mut agreement = Self {
            skeletons: Vec::new(),
            of_file: Vec::new(),
            columns: Vec::new(),
            dropped: BTreeSet::new(),
            messages: Vec::new(),
        };
        for filling in fillings {
            let bytes = &filling.index.skeleton;
            if let Some(known) = agreement.skeletons.iter().position(|known| known.bytes == *bytes) {
                agreement.of_file.push(known);
                continue;
            }
            let skeleton = Skeleton::read(bytes).map_err(filling.damaged())?;
            match agreement.skeletons.is_empty() {
                true => agreement.begin(filling, &skeleton, fields)?,
                false => agreement.join(&fillings[0], filling, &skeleton, fields)?,
            }
            agreement.of_file.push(agreement.skeletons.len());
            agreement.skeletons.push(skeleton);
        }
        Ok(agreement)
    }

    fn begin(
        &mut self,
        first: &Filling,
        skeleton: &Skeleton,
        fields: Option<&BTreeSet<String>>,
    ) -> Result<(), CutoutError> {
        for (place, column) in skeleton.columns.iter().enumerate() {
            if fields.is_none_or(|fields| fields.contains(&column.name)) {
                let (name, datatype) = (column.name.clone(), column.dataset.datatype.clone());
                self.columns.push(AgreedColumn { name, datatype, places: vec![place] });
            }
        }
        if let Some(fields) = fields.filter(|_| self.columns.is_empty()) {
            let (place, fields) = (first.place(), fields.iter().cloned().collect::<Vec<_>>().join(", "));
            return Err(CutoutError::Refused(format!("{place}: none of its columns is among the fields {fields}")));
        }
        Ok(())
    }

    fn join(
        &mut self,
        first: &Filling,
        filling: &Filling,
        found: &Skeleton,
        fields: Option<&BTreeSet<String>>,
    ) -> Result<(), CutoutError> {
        let unlike = Unlike { filling, first_file: &first.file.file_name };
        let expected = &self.skeletons[0];
        if fields.is_none() {
            let more = found.columns.iter().find(|own| self.columns.iter().all(|column| column.name != own.name));
            if let Some(more) = more {
                return Err(unlike.error(&format!("the column {:?}, which is not in", more.name)));
            }
        }
        for column in &mut self.columns {
            let shown = format!("{:?}", column.name);
            let place = found.columns.iter().position(|own| own.name == column.name);
            let place = place.ok_or_else(|| unlike.error(&format!("no column {shown}, which is in")))?;
            let (own, other) = (&expected.columns[column.places[0]], &found.columns[place]);
            if own.dataset.space.shape().get(1..) != other.dataset.space.shape().get(1..) {
                return Err(unlike.error(&format!("another shape in column {shown} than")));
            }
            let (own_type, other_type) = (&column.datatype, &other.dataset.datatype);
            let common = own_type.common(other_type).ok_or_else(|| {
                let (own, other) = (own_type.short_name(), other_type.short_name());
                unlike.error(&format!("{other} in column {shown}, and no type holds that and the {own} of"))
            })?;
            if !common.is_same(own_type) || !common.is_same(other_type) {
                self.messages.push(format!(
                    "column {:?} is {} in {}, {} in {}: merged as {}",
                    column.name,
                    own_type.short_name(),
                    first.file.file_name,
                    other_type.short_name(),
                    filling.file.file_name,
                    common.short_name()
                ));
            }
            column.datatype = common;
            column.places.push(place);
            let differing = differing((&expected.reader, &own.header), (&found.reader, &other.header));
            if let Some(name) = differing.map_err(filling.damaged())?.first() {
                return Err(unlike.error(&format!("another value of the attribute {name:?} on column {shown} than")));
            }
        }
        let differing = differing((&expected.reader, &expected.group), (&found.reader, &found.group));
        for name in differing.map_err(filling.damaged())? {
            if self.dropped.insert(name.clone()) {
                let (table, own, other) = (first.file.table_name(), &first.file.file_name, &filling.file.file_name);
                self.messages.push(format!(
                    "attribute {name:?} of table {table:?} is not the same in {own} and {other}: left out"
                ));
            }
        }
        Ok(())
    }

    /// How elements of a column become those of the merged table; nothing where they stay as they are.
    pub(super) fn conversion(&self, column: &AgreedColumn, skeleton: usize) -> Result<Option<Conversion>, CutoutError> {
        let own = &self.skeletons[skeleton].columns[column.places[skeleton]].dataset.datatype;
        match own.is_same(&column.datatype) {
            true => Ok(None),
            false => Conversion::new(own, &column.datatype).map(Some).ok_or(CutoutError::Index),
        }
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
        CutoutError::Refused(format!(
            "{place}: it has {what} {first}; such tables are not merged into one (--fields takes the columns that agree)"
        ))
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

/// The names of attributes that two objects do not have in common.
fn differing(
    own: (&Reader, &ObjectHeader),
    other: (&Reader, &ObjectHeader),
) -> spolia_hdf5_format::Result<BTreeSet<String>> {
    let (own, other) = (compared(own.0, own.1)?, compared(other.0, other.1)?);
    let only = |of: &[Compared], among: &[Compared]| {
        let only = of.iter().filter(|attribute| !among.contains(attribute));
        only.map(|attribute| attribute.name.clone()).collect::<Vec<_>>()
    };
    Ok(only(&own, &other).into_iter().chain(only(&other, &own)).collect())
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
