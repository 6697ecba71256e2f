//! The fields of an object: its datasets and attributes, which become columns.

use std::collections::BTreeSet;

use bytes::Bytes;
use spolia_hdf5_format::attribute::{Attribute, attributes};
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::datatype::{Class, Datatype};
use spolia_hdf5_format::elements::elements;
use spolia_hdf5_format::layout::Layout;
use spolia_hdf5_format::link::{Target, is_group, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::write::SUPERBLOCK_SIZE;
use spolia_hdf5_format::{Bounds, Hdf5Error, HeapId, Reader, Result};

use crate::index::template::Template;

/// Bytes of one field of one object at most.
pub(super) const MOST_BYTES: u64 = 64 << 20;
/// Groups within groups at most.
const DEEPEST: usize = 32;

/// A dataset or an attribute of an object.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// The groups within the object that it is in, and its own name, with slashes between.
    pub(super) name: String,
    pub(super) datatype: Datatype,
    pub(super) shape: Vec<u64>,
    pub(super) fill_value: Option<Bytes>,
    /// Attributes of a dataset.
    pub(super) attributes: Vec<FieldAttribute>,
    elements: Elements,
}

/// Where the elements of a field are.
#[derive(Debug, Clone)]
enum Elements {
    Dataset(Box<Dataset>),
    Attribute(Box<Attribute>),
}

/// An attribute of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldAttribute {
    pub(super) name: String,
    pub(super) datatype: Bytes,
    pub(super) space: Dataspace,
    /// Its value, what is of variable length left out; nothing where it is not the same in all objects of a structure.
    pub(super) value: Option<AttributeValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttributeValue {
    pub(super) bytes: Vec<u8>,
    /// Where elements of variable length are in it, how many elements they have, and their bytes.
    pub(super) pointed: Vec<(usize, u32, Vec<u8>)>,
}

/// The fields of the object at an address, in the order of their names; only some of its members and attributes, where that is
/// said.
///
/// # Errors
/// When the object is damaged, or holds links by name.
pub(super) fn fields(reader: &Reader, address: u64, only: Option<&BTreeSet<String>>) -> Result<Vec<Field>> {
    let mut found = Vec::new();
    Walk { reader, only, found: &mut found }.object(address, "", 0)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

struct Walk<'a> {
    reader: &'a Reader,
    only: Option<&'a BTreeSet<String>>,
    found: &'a mut Vec<Field>,
}

impl Walk<'_> {
    fn object(&mut self, address: u64, prefix: &str, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(Hdf5Error::Bound { what: "groups within groups of an object", bound: DEEPEST as u64 });
        }
        let header = ObjectHeader::read(self.reader, address)?;
        if is_group(&header) {
            return self.group(&header, prefix, depth);
        }
        let dataset = Dataset::read(self.reader, &header)?;
        let attributes = attributes(self.reader, &header)?;
        let attributes = attributes.iter().map(|attribute| FieldAttribute::read(self.reader, attribute));
        self.found.push(Field {
            name: prefix.to_owned(),
            datatype: dataset.datatype.clone(),
            shape: shape(&dataset.space),
            fill_value: dataset.fill_value.clone(),
            attributes: attributes.collect::<Result<_>>()?,
            elements: Elements::Dataset(Box::new(dataset)),
        });
        Ok(())
    }

    fn group(&mut self, header: &ObjectHeader, prefix: &str, depth: usize) -> Result<()> {
        let only = self.only.filter(|_| depth == 0);
        let wanted = |name: &str| only.is_none_or(|only| only.contains(name));
        let members = links(self.reader, header)?;
        let mut taken = BTreeSet::new();
        let within = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let mut found = Vec::new();
        for attribute in attributes(self.reader, header)?.into_iter().filter(|attribute| wanted(&attribute.name)) {
            // A dataset of that name goes first.
            let is_taken = members.iter().any(|link| link.name == attribute.name.as_bytes());
            let name = if is_taken { within(&format!("@{}", attribute.name)) } else { within(&attribute.name) };
            found.push(Field {
                name,
                datatype: attribute.datatype.clone(),
                shape: shape(&attribute.space),
                fill_value: None,
                attributes: Vec::new(),
                elements: Elements::Attribute(Box::new(attribute)),
            });
        }
        self.found.extend(found);
        for link in members {
            let name = String::from_utf8_lossy(&link.name).into_owned();
            if !wanted(&name) || !taken.insert(name.clone()) {
                continue;
            }
            let Target::Object(address) = link.target else {
                return Err(Hdf5Error::Unsupported(format!("{name}, a link by name, which a cut does not follow")));
            };
            self.object(address, &within(&name), depth + 1)?;
        }
        Ok(())
    }
}

/// A field without any elements has a shape with a zero.
fn shape(space: &Dataspace) -> Vec<u64> {
    match space {
        Dataspace::Null => vec![0],
        space => space.shape().to_vec(),
    }
}

impl FieldAttribute {
    fn read(reader: &Reader, attribute: &Attribute) -> Result<Self> {
        let (name, datatype) = (attribute.name.clone(), attribute.datatype.encoded.clone());
        let whole = Self { name, datatype, space: attribute.space.clone(), value: None };
        let mut value = AttributeValue { bytes: attribute.value.to_vec(), pointed: Vec::new() };
        match &attribute.datatype.class {
            Class::VariableString { .. } => {
                let size = HeapId::size(reader);
                for (number, id) in attribute.value.chunks_exact(size).enumerate() {
                    let id = HeapId::from_element(reader, id)?;
                    value.pointed.push((number * size, id.count, id.data(reader, 1)?.to_vec()));
                }
                value.bytes.fill(0);
            }
            // What points further is left out.
            _ if attribute.datatype.points_elsewhere() => return Ok(whole),
            _ => {}
        }
        Ok(Self { value: Some(value), ..whole })
    }
}

impl Field {
    /// How many elements there are along its first dimension; 1 for a scalar.
    pub(super) fn first(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Bytes of all elements.
    pub(super) fn size(&self) -> Option<u64> {
        self.shape.iter().try_fold(u64::from(self.datatype.size), |size, n| size.checked_mul(*n))
    }

    /// Its elements, read out of the file.
    pub(super) fn read(&self, reader: &Reader) -> Result<Vec<u8>> {
        match &self.elements {
            Elements::Dataset(dataset) => elements(reader, dataset, MOST_BYTES),
            Elements::Attribute(attribute) => Ok(attribute.value.to_vec()),
        }
    }

    /// Where its elements stand in the image of a template; nothing where none were ever written.
    fn at(&self, image: &Reader) -> Result<Option<u64>> {
        let at = match &self.elements {
            Elements::Attribute(attribute) => attribute.value_at,
            Elements::Dataset(dataset) => match &dataset.layout {
                Layout::Compact { at, .. } => *at,
                Layout::Contiguous { address: Some(address), .. } => Some(image.offset(*address)?),
                _ => None,
            },
        };
        Ok(at.map(|at| at - SUPERBLOCK_SIZE))
    }
}

/// The fields of objects with a template, and where each one's elements stand in the image.
///
/// # Errors
/// When the template is damaged.
pub(super) fn template_fields(template: &Template) -> Result<(Vec<Field>, Vec<Option<u64>>)> {
    let image = Reader::open(Bytes::from(template.file()), Bounds::default())?;
    let mut found = fields(&image, image.superblock().root, None)?;
    for field in &mut found {
        let Elements::Dataset(dataset) = &field.elements else { continue };
        let header = ObjectHeader::read(&image, dataset.address)?;
        for (own, attribute) in field.attributes.iter_mut().zip(attributes(&image, &header)?) {
            own.value = template_value(template, &attribute);
        }
    }
    let places = found.iter().map(|field| field.at(&image)).collect::<Result<_>>()?;
    Ok((found, places))
}

/// The value of an attribute that is the same in all objects.
fn template_value(template: &Template, attribute: &Attribute) -> Option<AttributeValue> {
    let start = attribute.value_at?.checked_sub(SUPERBLOCK_SIZE)?;
    let end = start + attribute.value.len() as u64;
    let inside = |at: u32| (start..end).contains(&at.into());
    if template.holes.iter().any(|hole| inside(hole.at)) {
        return None;
    }
    let pointed = template.pointers.iter().filter(|pointer| inside(pointer.at)).map(|pointer| {
        let (count, data) = pointer.same.clone()?;
        Some(((u64::from(pointer.at) - start) as usize, count, data))
    });
    let pointed = pointed.collect::<Option<Vec<_>>>()?;
    let mut bytes = attribute.value.to_vec();
    if !pointed.is_empty() {
        bytes.fill(0);
    }
    Some(AttributeValue { bytes, pointed })
}
