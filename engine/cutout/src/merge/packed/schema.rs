//! The columns that objects become: which they are, of which types, and where each object's elements go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use spolia_hdf5_format::convert::Conversion;
use spolia_hdf5_format::datatype::Datatype;

use super::field::{Field, FieldAttribute, MOST_BYTES};
use crate::error::CutoutError;

/// What follows the name of the column that says where the elements of each object begin in another one.
const OFFSETS: &str = "_offsets";
/// What follows the name of the column that says which objects have a field.
const PRESENT: &str = "_present";

/// Objects of one structure: of the same fields, types and shapes.
pub(super) struct Kind {
    pub(super) fields: Vec<Field>,
    /// One of them, for messages.
    example: String,
    objects: u64,
}

impl Kind {
    fn sizes(&self) -> Result<Vec<usize>, CutoutError> {
        let too_large = |field: &Field| {
            let bytes = field.size().filter(|bytes| *bytes <= MOST_BYTES).and_then(|bytes| usize::try_from(bytes).ok());
            bytes.ok_or_else(|| {
                CutoutError::Refused(format!(
                    "{}/{}: it has more than 64 MB, too many for a row of a column; cut without --packed",
                    self.example, field.name
                ))
            })
        };
        self.fields.iter().map(too_large).collect()
    }
}

/// The kinds of objects, in the order in which they came.
#[derive(Default)]
pub(super) struct Kinds {
    pub(super) all: Vec<Kind>,
    known: HashMap<Vec<u8>, usize>,
}

impl Kinds {
    /// The number of the kind that an object with these fields is of; `example` is its path.
    pub(super) fn number(&mut self, fields: &[Field], example: &str) -> usize {
        let signature = signature(fields);
        if let Some(known) = self.known.get(&signature) {
            return *known;
        }
        let number = self.all.len();
        self.all.push(Kind { fields: fields.to_vec(), example: example.to_owned(), objects: 0 });
        self.known.insert(signature, number);
        number
    }

    /// Counts an object.
    pub(super) fn count(&mut self, number: usize) {
        self.all[number].objects += 1;
    }
}

fn signature(fields: &[Field]) -> Vec<u8> {
    let mut signature = Vec::new();
    let mut part = |part: &[u8]| {
        signature.extend_from_slice(&(part.len() as u64).to_le_bytes());
        signature.extend_from_slice(part);
    };
    for field in fields {
        part(field.name.as_bytes());
        part(&field.datatype.encoded);
        field.shape.iter().for_each(|size| part(&size.to_le_bytes()));
        part(b"attributes");
        for attribute in &field.attributes {
            part(attribute.name.as_bytes());
            part(&attribute.datatype);
            attribute.space.shape().iter().for_each(|size| part(&size.to_le_bytes()));
            match &attribute.value {
                None => part(b"differs"),
                Some(value) => {
                    part(&value.bytes);
                    value.pointed.iter().for_each(|(_, _, data)| part(data));
                }
            }
        }
    }
    signature
}

/// A column that a field becomes.
pub(super) struct FieldColumn {
    pub(super) name: String,
    pub(super) datatype: Datatype,
    pub(super) fill_value: Option<bytes::Bytes>,
    pub(super) attributes: Vec<FieldAttribute>,
    /// The shape of a row; of an element of the first dimension, where objects have different numbers of them.
    pub(super) row: Vec<u64>,
    /// Where each object's elements begin, and where the last one's end, where objects have different numbers of them.
    pub(super) offsets: Option<Arc<Vec<u64>>>,
    /// Which objects have the field, where not all of them do.
    pub(super) present: Option<Vec<u8>>,
}

impl FieldColumn {
    /// The name of the column of offsets.
    pub(super) fn offsets_name(&self) -> String {
        format!("{}{OFFSETS}", self.name)
    }

    /// The name of the column that says which objects have it.
    pub(super) fn present_name(&self) -> String {
        format!("{}{PRESENT}", self.name)
    }

    /// Rows of the column itself.
    pub(super) fn rows(&self, objects: u64) -> u64 {
        self.offsets.as_ref().map_or(objects, |offsets| offsets.last().copied().unwrap_or(0))
    }

    /// Bytes of a row.
    pub(super) fn row_size(&self) -> u64 {
        self.row.iter().product::<u64>() * u64::from(self.datatype.size)
    }

    /// Appends so many rows that were never written.
    pub(super) fn fill(&self, rows: u64, out: &mut Vec<u8>) {
        let fill = self.fill_value.as_deref().filter(|fill| fill.len() == self.datatype.size as usize);
        out.extend(fill.unwrap_or(&[0]).iter().cycle().take((rows * self.row_size()) as usize));
    }

    /// The row at which an object's elements begin.
    pub(super) fn row_of(&self, object: u64) -> u64 {
        self.offsets.as_ref().map_or(object, |offsets| offsets.get(object as usize).copied().unwrap_or(0))
    }
}

/// Where a field of a kind goes.
#[derive(Debug, Clone)]
pub(super) struct Going {
    /// Its place among the kind's fields.
    pub(super) field: usize,
    /// Its elements along the first dimension.
    pub(super) rows: u64,
    pub(super) conversion: Option<Conversion>,
}

/// All columns, and for each kind the field that each column takes, if there is one.
pub(super) struct Schema {
    pub(super) columns: Vec<FieldColumn>,
    pub(super) goings: Vec<Vec<Option<Going>>>,
    /// Bytes of each field of each kind.
    pub(super) sizes: Vec<Vec<usize>>,
    /// What had to be done for it.
    pub(super) messages: Vec<String>,
}

/// A column that is being found.
struct Found<'a> {
    first: &'a Field,
    example: &'a str,
    datatype: Datatype,
    /// Whether objects have different numbers of elements along the first dimension.
    ragged: bool,
    attributes: Vec<FieldAttribute>,
    objects: u64,
}

impl Schema {
    /// The columns of objects, each of which is of one of the kinds.
    ///
    /// # Errors
    /// When a field has types or shapes that do not go into one column.
    pub(super) fn find(kinds: &[Kind], objects: &[usize]) -> Result<Self, CutoutError> {
        let mut found: BTreeMap<&str, Found> = BTreeMap::new();
        let mut messages = BTreeSet::new();
        for kind in kinds {
            for field in &kind.fields {
                match found.get_mut(field.name.as_str()) {
                    Some(known) => known.join(field, kind, &mut messages)?,
                    None => {
                        found.insert(&field.name, Found::new(field, kind));
                    }
                }
            }
        }
        let columns: Vec<FieldColumn> =
            found.values().map(|found| found.column(kinds, objects, &mut messages)).collect();
        let going = |kind: &Kind| {
            let going = |column: &FieldColumn| {
                let field = kind.fields.iter().position(|field| field.name == column.name);
                field.map(|field| going(kind, field, column)).transpose()
            };
            columns.iter().map(going).collect::<Result<_, _>>()
        };
        let goings = kinds.iter().map(going).collect::<Result<_, CutoutError>>()?;
        let sizes = kinds.iter().map(Kind::sizes).collect::<Result<_, _>>()?;
        Ok(Self { columns, goings, sizes, messages: messages.into_iter().collect() })
    }
}

fn going(kind: &Kind, field: usize, column: &FieldColumn) -> Result<Going, CutoutError> {
    let own = &kind.fields[field].datatype;
    let conversion = match own.is_same(&column.datatype) {
        true => None,
        false => Some(Conversion::new(own, &column.datatype).ok_or(CutoutError::Index)?),
    };
    Ok(Going { field, rows: kind.fields[field].first(), conversion })
}

impl<'a> Found<'a> {
    fn new(field: &'a Field, kind: &'a Kind) -> Self {
        Self {
            first: field,
            example: &kind.example,
            datatype: field.datatype.clone(),
            ragged: false,
            attributes: field.attributes.clone(),
            objects: kind.objects,
        }
    }

    fn join(&mut self, field: &Field, kind: &Kind, messages: &mut BTreeSet<String>) -> Result<(), CutoutError> {
        let unlike = |what: String| {
            CutoutError::Refused(format!(
                "{}/{}: it is {what} in {}; such objects are not packed into columns (--fields takes what agrees)",
                kind.example, field.name, self.example
            ))
        };
        let (own, other) = (&self.datatype, &field.datatype);
        let common = own.common(other).ok_or_else(|| {
            unlike(format!("{}, and there is no type that holds that and the {}", other.short_name(), own.short_name()))
        })?;
        if !common.is_same(own) || !common.is_same(other) {
            messages.insert(format!(
                "{:?} is {} in {}, {} in {}: packed as {}",
                field.name,
                own.short_name(),
                self.example,
                other.short_name(),
                kind.example,
                common.short_name()
            ));
        }
        if self.first.shape.len() != field.shape.len() || self.first.shape.get(1..) != field.shape.get(1..) {
            return Err(unlike(format!("of the shape {:?}, and of the shape {:?}", field.shape, self.first.shape)));
        }
        self.ragged |= self.first.shape.first() != field.shape.first();
        for attribute in &mut self.attributes {
            if !field.attributes.contains(attribute) {
                attribute.value = None;
            }
        }
        self.datatype = common;
        self.objects += kind.objects;
        Ok(())
    }

    fn column(&self, kinds: &[Kind], objects: &[usize], messages: &mut BTreeSet<String>) -> FieldColumn {
        let name = self.first.name.clone();
        for attribute in self.attributes.iter().filter(|attribute| attribute.value.is_none()) {
            messages
                .insert(format!("attribute {:?} of {name:?} is not the same in all objects: left out", attribute.name));
        }
        let lengths: Vec<Option<u64>> =
            kinds.iter().map(|kind| kind.fields.iter().find(|field| field.name == name).map(Field::first)).collect();
        let offsets = self.ragged.then(|| {
            let mut end = 0;
            let ends = objects.iter().map(|kind| {
                end += lengths[*kind].unwrap_or(0);
                end
            });
            Arc::new([0].into_iter().chain(ends).collect())
        });
        let present = (self.objects < objects.len() as u64)
            .then(|| objects.iter().map(|kind| u8::from(lengths[*kind].is_some())).collect());
        let skipped = usize::from(self.ragged);
        FieldColumn {
            name,
            fill_value: self.first.fill_value.clone().filter(|_| self.datatype.is_same(&self.first.datatype)),
            attributes: self.attributes.iter().filter(|attribute| attribute.value.is_some()).cloned().collect(),
            row: self.first.shape[skipped..].to_vec(),
            datatype: self.datatype.clone(),
            offsets,
            present,
        }
    }
}
