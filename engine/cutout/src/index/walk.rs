//! Walking through an object: its structure, and where its values are.

use std::collections::BTreeSet;

use spolia_hdf5_format::attribute::{Attribute, attributes};
use spolia_hdf5_format::dataset::Dataset;
use spolia_hdf5_format::dataspace::Dataspace;
use spolia_hdf5_format::datatype::{Class, Datatype};
use spolia_hdf5_format::layout::Layout;
use spolia_hdf5_format::link::{Target, is_group, links};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::{Reader, Result};

/// Bytes of an object's values at most; larger objects are copied piece by piece.
const MOST_BYTES: u64 = 256 << 10;
/// Objects inside of one at most.
const MOST_OBJECTS: usize = 4096;
/// Bytes of an element that points to variable-length data.
pub(crate) const POINTER: u64 = 16;

/// A run of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where it begins in the source.
    pub(crate) at: u64,
    /// Its bytes.
    pub(crate) length: u64,
}

/// An element that points to variable-length data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// Where it is in the source.
    pub(crate) at: u64,
    /// Bytes of each of the elements that it points to.
    pub(crate) size: u32,
}

/// What a walk finds, in the order of names.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The structure: names, types, shapes; the same for objects that differ in nothing but their values.
    pub(crate) shape: Vec<u8>,
    /// Values of attributes, and elements.
    pub(crate) spans: Vec<Span>,
    /// Elements in them that point to variable-length data.
    pub(crate) pointers: Vec<Pointer>,
    bytes: u64,
    objects: usize,
    inside: Vec<u64>,
}

/// Walks through the object at an address. Nothing for an object whose values do not all stand in the file as they are
/// (chunks, heaps, other files), that holds what is not copied, or that is too large.
///
/// # Errors
/// When the object is damaged.
pub(crate) fn walk(reader: &Reader, address: u64) -> Result<Option<Walk>> {
    walk_only(reader, address, None)
}

/// As [`walk`], through some members and attributes of an object that is a group.
///
/// # Errors
/// As [`walk`].
pub(crate) fn walk_only(reader: &Reader, address: u64, fields: Option<&BTreeSet<String>>) -> Result<Option<Walk>> {
    let mut walk = Walk::default();
    let whole = walk.object(reader, address, fields)?;
    Ok(whole.then_some(walk))
}

impl Walk {
    fn object(&mut self, reader: &Reader, address: u64, fields: Option<&BTreeSet<String>>) -> Result<bool> {
        self.objects += 1;
        if self.objects > MOST_OBJECTS || self.inside.contains(&address) || self.inside.len() > 32 {
            return Ok(false);
        }
        let header = ObjectHeader::read(reader, address)?;
        if !is_group(&header) {
            return if Dataset::is_one(&header) { self.dataset(reader, &header) } else { Ok(false) };
        }
        self.inside.push(address);
        let mut members = links(reader, &header)?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(fields) = fields {
            members.retain(|link| fields.contains(&*String::from_utf8_lossy(&link.name)));
        }
        self.part(b"group");
        self.number(members.len() as u64);
        for link in members {
            let Target::Object(address) = link.target else { return Ok(false) };
            self.part(&link.name);
            if !self.object(reader, address, None)? {
                return Ok(false);
            }
        }
        self.inside.pop();
        self.attributes(reader, &header, fields)
    }

    fn dataset(&mut self, reader: &Reader, header: &ObjectHeader) -> Result<bool> {
        let dataset = Dataset::read(reader, header)?;
        self.part(b"dataset");
        self.kind(&dataset.datatype, &dataset.space);
        self.part(dataset.fill_value.as_deref().unwrap_or_default());
        let Some(size) = dataset.bytes().filter(|_| dataset.external_files == 0) else { return Ok(false) };
        let (layout, at) = match &dataset.layout {
            Layout::Compact { content, at } if content.len() as u64 == size => (b"compact", *at),
            Layout::Contiguous { address: Some(address), .. } if size > 0 => {
                (b"written", Some(reader.offset(*address)?))
            }
            Layout::Contiguous { .. } => (b"missing", None),
            _ => return Ok(false),
        };
        self.part(layout);
        let found = layout == b"missing" || self.values(&dataset.datatype, at, size);
        Ok(found && self.attributes(reader, header, None)?)
    }

    fn attributes(
        &mut self,
        reader: &Reader,
        header: &ObjectHeader,
        fields: Option<&BTreeSet<String>>,
    ) -> Result<bool> {
        let mut found = attributes(reader, header)?;
        found.retain(|attribute| fields.is_none_or(|fields| fields.contains(&attribute.name)));
        self.number(found.len() as u64);
        Ok(found.iter().all(|attribute| self.attribute(attribute)))
    }

    fn attribute(&mut self, attribute: &Attribute) -> bool {
        self.part(attribute.name.as_bytes());
        self.kind(&attribute.datatype, &attribute.space);
        self.values(&attribute.datatype, attribute.value_at, attribute.value.len() as u64)
    }

    /// Notes a run of elements; false where they are not to be had as they are.
    fn values(&mut self, datatype: &Datatype, at: Option<u64>, length: u64) -> bool {
        self.bytes = self.bytes.saturating_add(length);
        let Some(at) = at.filter(|_| self.bytes <= MOST_BYTES && datatype.version <= 3) else { return false };
        if length == 0 {
            return true;
        }
        self.spans.push(Span { at, length });
        if !datatype.points_elsewhere() {
            return true;
        }
        let (size, first) = (u64::from(datatype.size.max(1)), self.pointers.len());
        let inside = |pointer: &Pointer| pointer.at >= at && pointer.at - at + POINTER <= length;
        (0..length / size).all(|element| self.element(datatype, at + element * size))
            && self.pointers[first..].iter().all(inside)
    }

    /// Notes what an element points to; false for data that point further and for references.
    fn element(&mut self, datatype: &Datatype, at: u64) -> bool {
        match &datatype.class {
            Class::VariableLength { base } | Class::VariableString { base, .. } => {
                self.pointers.push(Pointer { at, size: base.size });
                u64::from(datatype.size) == POINTER && !base.points_elsewhere()
            }
            Class::Array { base, .. } if base.points_elsewhere() => {
                let size = base.size.max(1);
                (0..datatype.size / size).all(|number| self.element(base, at + u64::from(number * size)))
            }
            Class::Compound { members } => {
                let mut pointing = members.iter().filter(|member| member.datatype.points_elsewhere());
                pointing.all(|member| self.element(&member.datatype, at.saturating_add(member.offset)))
            }
            Class::Reference { .. } => false,
            _ => true,
        }
    }

    fn kind(&mut self, datatype: &Datatype, space: &Dataspace) {
        self.part(&datatype.encoded);
        match space {
            Dataspace::Null => self.part(b"null"),
            Dataspace::Scalar => self.part(b"scalar"),
            Dataspace::Simple { shape, max_shape } => {
                self.number(shape.len() as u64);
                shape.iter().for_each(|size| self.number(*size));
                max_shape.iter().for_each(|size| self.number(size.unwrap_or(u64::MAX)));
            }
        }
    }

    fn part(&mut self, part: &[u8]) {
        self.number(part.len() as u64);
        self.shape.extend_from_slice(part);
    }

    fn number(&mut self, number: u64) {
        self.shape.extend_from_slice(&number.to_le_bytes());
    }
}
