//! Attributes: small named values of an object. HDF5 File Format Specification 3.0, section IV.A.2.m.

use bytes::Bytes;

use crate::bounds::at_most;
use crate::btree::v2::BTree2;
use crate::cursor::{Cursor, before_zero, text};
use crate::dataspace::Dataspace;
use crate::datatype::Datatype;
use crate::error::Result;
use crate::heap::fractal::FractalHeap;
use crate::object_header::{ObjectHeader, message_type, raw};
use crate::reader::Reader;
use crate::shared_message;

/// An attribute and its value.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// What an element is.
    pub datatype: Datatype,
    /// Address of the committed type that this is.
    pub committed_type: Option<u64>,
    /// How many elements there are.
    pub space: Dataspace,
    /// The elements as they are stored.
    pub value: Bytes,
    /// Where they begin in the source; nothing where they lie in a heap.
    pub value_at: Option<u64>,
}

impl Attribute {
    pub(crate) fn read(reader: &Reader, mut cursor: Cursor) -> Result<Self> {
        let version = cursor.version(1..=3)?;
        let flags = cursor.u8()?;
        let sizes = [cursor.u16()?, cursor.u16()?, cursor.u16()?].map(usize::from);
        if version == 3 {
            cursor.skip(1)?;
        }
        let stored = |size: usize| if version == 1 { size.next_multiple_of(8) } else { size };
        let name = text(before_zero(&cursor.take(stored(sizes[0]))?));
        let datatype = cursor.part(stored(sizes[1]), "the datatype of an attribute")?;
        let space = cursor.part(stored(sizes[2]), "the dataspace of an attribute")?;
        // Version 1 has no flags; the byte is reserved.
        let shared = |bit: u8| version > 1 && flags & bit != 0;
        let committed_type = if shared(1) { shared_message::committed_at(datatype.clone())? } else { None };
        let datatype = match shared(1) {
            true => shared_message::resolve(reader, message_type::DATATYPE, datatype)?,
            false => datatype,
        };
        let space = match shared(2) {
            true => shared_message::resolve(reader, message_type::DATASPACE, space)?,
            false => space,
        };
        let datatype = Datatype::read(datatype, reader.bounds().depth)?;
        let space = Dataspace::read(space)?;
        let length = space.elements().and_then(|elements| elements.checked_mul(datatype.size.into()));
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| cursor.damaged(format!("{name} is too long")))?;
        let value_at = cursor.position();
        Ok(Self { value: cursor.take(length)?, value_at, name, datatype, committed_type, space })
    }
}

/// All attributes of an object, in the order of the file.
///
/// # Errors
/// When one of them is damaged.
pub fn attributes(reader: &Reader, header: &ObjectHeader) -> Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for message in header.all(message_type::ATTRIBUTE) {
        found.push(Attribute::read(reader, message.content(reader)?)?);
    }
    if let Some((heap, names)) = dense(reader, header)? {
        let heap = FractalHeap::open(reader, heap)?;
        let tree = BTree2::open(reader, names)?;
        tree.visit(reader, &mut |mut record| {
            at_most("the attributes of an object", found.len() as u64 + 1, reader.bounds().members)?;
            let (id, flags) = (record.take(8)?, record.u8()?);
            let content = match flags & 2 != 0 {
                true => shared_message::from_heap(reader, message_type::ATTRIBUTE, &id)?,
                false => raw(message_type::ATTRIBUTE, heap.object(reader, &id)?, reader, record.offset()),
            };
            found.push(Attribute::read(reader, content)?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// How many attributes an object has, whether they can be read or not.
///
/// # Errors
/// When the index of many attributes is damaged.
pub fn count(reader: &Reader, header: &ObjectHeader) -> Result<u64> {
    let own = header.all(message_type::ATTRIBUTE).count() as u64;
    match dense(reader, header)? {
        Some((_, names)) => Ok(own.saturating_add(BTree2::open(reader, names)?.records)),
        None => Ok(own),
    }
}

/// The heap and the index of names of many attributes.
fn dense(reader: &Reader, header: &ObjectHeader) -> Result<Option<(u64, u64)>> {
    let Some(message) = header.first(message_type::ATTRIBUTE_INFO) else { return Ok(None) };
    let mut info = message.content(reader)?;
    info.version(0..=0)?;
    let flags = info.u8()?;
    info.skip(if flags & 1 != 0 { 2 } else { 0 })?;
    Ok(info.address()?.zip(info.address()?))
}
