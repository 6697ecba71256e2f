//! Groups: the names of objects. HDF5 File Format Specification 3.0, sections III.B to D, IV.A.2.c and g.

use bytes::Bytes;

use crate::bounds::at_most;
use crate::btree::{v1, v2::BTree2};
use crate::checksum::lookup3;
use crate::cursor::{Cursor, before_zero};
use crate::error::Result;
use crate::heap::{fractal::FractalHeap, local::LocalHeap};
use crate::object_header::{ObjectHeader, message_type, raw};
use crate::reader::Reader;

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name; any bytes but zero.
    pub name: Bytes,
    /// Where it leads.
    pub target: Target,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the object whose header is at an address.
    Object(u64),
    /// To a path in the same file.
    Soft(Bytes),
    /// To a path in another file.
    External {
        /// The file's name.
        file: Bytes,
        /// The path in it.
        path: Bytes,
    },
    /// Somewhere that only the program that made it knows.
    Other(u8),
}

/// All links of a group; none for an object that is no group. Those of a symbol table are in the order of their names.
///
/// # Errors
/// When the group is damaged or has more than `bounds().members`.
pub fn links(reader: &Reader, header: &ObjectHeader) -> Result<Vec<Link>> {
    let mut found = Vec::new();
    for message in header.all(message_type::LINK) {
        found.push(read(message.content(reader)?)?);
    }
    if let Some(message) = header.first(message_type::SYMBOL_TABLE) {
        let mut table = message.content(reader)?;
        let (tree, heap) = (table.defined_address()?, table.defined_address()?);
        let names = LocalHeap::read(reader, heap)?;
        v1::visit(reader, tree, v1::Kind::Group, &mut |_, node| symbols(reader, node, &names, &mut found))?;
    }
    if let Some((heap, tree)) = dense(reader, header)? {
        let heap = FractalHeap::open(reader, heap)?;
        BTree2::open(reader, tree)?.visit(reader, &mut |mut record| {
            at_most("the links of a group", found.len() as u64 + 1, reader.bounds().members)?;
            record.skip(4)?;
            let id = record.take(heap.id_length().min(record.left()))?;
            found.push(read(raw(message_type::LINK, heap.object(reader, &id)?, reader, record.offset()))?);
            Ok(())
        })?;
    }
    Ok(found)
}

/// The link of that name, found by the group's index without reading all of it; nothing where there is none.
///
/// # Errors
/// When the group is damaged.
pub fn find(reader: &Reader, header: &ObjectHeader, name: &[u8]) -> Result<Option<Link>> {
    for message in header.all(message_type::LINK) {
        let link = read(message.content(reader)?)?;
        if link.name == name {
            return Ok(Some(link));
        }
    }
    if let Some(message) = header.first(message_type::SYMBOL_TABLE) {
        let mut table = message.content(reader)?;
        let (tree, heap) = (table.defined_address()?, table.defined_address()?);
        return symbol(reader, tree, &LocalHeap::open(reader, heap)?, name);
    }
    if let Some((heap, tree)) = dense(reader, header)? {
        return hashed(reader, heap, tree, name);
    }
    Ok(None)
}

/// Goes down to the one symbol table node that can hold a name.
fn symbol(reader: &Reader, tree: u64, names: &LocalHeap, name: &[u8]) -> Result<Option<Link>> {
    let (mut address, mut level) = (tree, None);
    loop {
        let node = v1::Node::read(reader, address, v1::Kind::Group)?;
        if level.is_some_and(|level| node.level != level) {
            return Err(node.misplaced());
        }
        // A child holds the names after the key before it, up to the key behind it.
        let children = node.children().collect::<Result<Vec<_>>>()?;
        let keys: Vec<Cursor> = children.iter().map(|(key, _)| key.clone()).skip(1).chain([node.last_key()?]).collect();
        let (mut low, mut high) = (0, children.len());
        while low < high {
            let middle = (low + high) / 2;
            let last = names.name(reader, keys[middle].clone().length()?)?;
            if last < name { low = middle + 1 } else { high = middle }
        }
        let Some((_, child)) = children.get(low) else { return Ok(None) };
        match node.level.checked_sub(1) {
            Some(next) => (address, level) = (*child, Some(next)),
            None => {
                let mut found = Vec::new();
                symbols(reader, *child, names, &mut found)?;
                return Ok(found.into_iter().find(|link| link.name == name));
            }
        }
    }
}

/// Looks among the links whose names have the same hash.
fn hashed(reader: &Reader, heap: u64, tree: u64, name: &[u8]) -> Result<Option<Link>> {
    let heap = FractalHeap::open(reader, heap)?;
    let hash = lookup3(name, 0);
    let mut found = None;
    BTree2::open(reader, tree)?.visit_where(
        reader,
        &|record| Ok(record.clone().u32()?.cmp(&hash)),
        &mut |mut record| {
            record.skip(4)?;
            let id = record.take(heap.id_length().min(record.left()))?;
            let link = read(raw(message_type::LINK, heap.object(reader, &id)?, reader, record.offset()))?;
            if link.name == name {
                found = Some(link);
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// Whether an object is a group.
pub fn is_group(header: &ObjectHeader) -> bool {
    let kinds = [message_type::SYMBOL_TABLE, message_type::LINK_INFO, message_type::LINK];
    kinds.into_iter().any(|kind| header.first(kind).is_some())
}

/// The heap and the index of names of many links.
fn dense(reader: &Reader, header: &ObjectHeader) -> Result<Option<(u64, u64)>> {
    let Some(message) = header.first(message_type::LINK_INFO) else { return Ok(None) };
    let mut info = message.content(reader)?;
    info.version(0..=0)?;
    let flags = info.u8()?;
    info.skip(if flags & 1 != 0 { 8 } else { 0 })?;
    Ok(info.address()?.zip(info.address()?))
}

/// A link message.
fn read(mut cursor: Cursor) -> Result<Link> {
    cursor.version(1..=1)?;
    let flags = cursor.u8()?;
    let kind = if flags & 0x08 != 0 { cursor.u8()? } else { 0 };
    cursor.skip(if flags & 0x04 != 0 { 8 } else { 0 })?;
    cursor.skip(if flags & 0x10 != 0 { 1 } else { 0 })?;
    let length = cursor.uint(1 << (flags & 0x03))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let name = cursor.take(length)?;
    let target = match kind {
        0 => Target::Object(cursor.defined_address()?),
        1 => {
            let length = cursor.u16()?.into();
            Target::Soft(cursor.take(length)?)
        }
        64 => {
            let length = cursor.u16()?.into();
            let content = cursor.take(length)?;
            // A byte of version and flags, the file's name, a zero byte, the path, a zero byte.
            let content = content.slice(1.min(content.len())..);
            let file = content.slice(..before_zero(&content).len());
            let rest = content.slice((file.len() + 1).min(content.len())..);
            let path = rest.slice(..before_zero(&rest).len());
            Target::External { file, path }
        }
        other => Target::Other(other),
    };
    Ok(Link { name, target })
}

/// The links in a symbol table node.
fn symbols(reader: &Reader, address: u64, names: &LocalHeap, found: &mut Vec<Link>) -> Result<()> {
    const STRUCTURE: &str = "a symbol table node";
    /// What the scratch space of an entry holds a soft link.
    const SOFT: u32 = 2;
    let mut start = reader.piece(address, 8, STRUCTURE)?;
    start.signature(b"SNOD")?;
    start.version(1..=1)?;
    start.skip(1)?;
    let count = u64::from(start.u16()?);
    at_most("the links of a group", found.len() as u64 + count, reader.bounds().members)?;
    let entry = 2 * u64::from(reader.widths().address) + 8 + 16;
    let mut entries = reader.piece(address + 8, count * entry, STRUCTURE)?;
    for _ in 0..count {
        let name = names.name(reader, entries.address()?.unwrap_or(u64::MAX))?;
        let object = entries.address()?;
        let cached = entries.u32()?;
        entries.skip(4)?;
        let mut scratch = entries.part(16, STRUCTURE)?;
        let target = match (cached, object) {
            (SOFT, _) => Target::Soft(names.name(reader, scratch.u32()?.into())?),
            (_, Some(object)) => Target::Object(object),
            (_, None) => return Err(entries.damaged("a link in it leads nowhere")),
        };
        found.push(Link { name, target });
    }
    Ok(())
}
