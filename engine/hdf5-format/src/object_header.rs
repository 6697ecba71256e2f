//! Object headers: the messages that describe an object. HDF5 File Format Specification 3.0, section IV.A.

use bytes::Bytes;

use crate::bounds::at_most;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::reader::Reader;

/// Types of header messages.
#[allow(missing_docs, reason = "they are the specification's names")]
pub mod message_type {
    pub const DATASPACE: u16 = 0x01;
    pub const LINK_INFO: u16 = 0x02;
    pub const DATATYPE: u16 = 0x03;
    pub const OLD_FILL_VALUE: u16 = 0x04;
    pub const FILL_VALUE: u16 = 0x05;
    pub const LINK: u16 = 0x06;
    pub const EXTERNAL_FILES: u16 = 0x07;
    pub const LAYOUT: u16 = 0x08;
    pub const FILTER_PIPELINE: u16 = 0x0b;
    pub const ATTRIBUTE: u16 = 0x0c;
    pub const SHARED_MESSAGE_TABLE: u16 = 0x0f;
    pub const CONTINUATION: u16 = 0x10;
    pub const SYMBOL_TABLE: u16 = 0x11;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
    pub const REFERENCE_COUNT: u16 = 0x16;
    /// The highest type that the specification has.
    pub const LAST: u16 = 0x19;
}

/// One message as it is stored.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its type, of [`message_type`].
    pub kind: u16,
    /// Its flags.
    pub flags: u8,
    /// Its content, or where it is kept.
    content: Cursor,
}

impl Message {
    /// Kept elsewhere: what is here tells where.
    const SHARED: u8 = 0x02;
    /// Whoever does not know the type must not read the object.
    const FAIL_IF_UNKNOWN: u8 = 0x80;

    pub(crate) fn is_shared(&self) -> bool {
        self.flags & Self::SHARED != 0
    }

    /// The address of the object whose message this is; nothing for a message of its own or of a shared heap.
    ///
    /// # Errors
    /// When the reference is damaged.
    pub fn committed_at(&self) -> Result<Option<u64>> {
        if self.is_shared() { crate::shared_message::committed_at(self.content.clone()) } else { Ok(None) }
    }

    /// Its content, fetched where it is shared.
    ///
    /// # Errors
    /// When the place that a shared message is kept in cannot be read.
    pub fn content(&self, reader: &Reader) -> Result<Cursor> {
        match self.is_shared() {
            true => crate::shared_message::resolve(reader, self.kind, self.content.clone()),
            false => Ok(self.content.clone()),
        }
    }
}

/// All messages of one object.
#[derive(Debug, Clone)]
pub struct ObjectHeader {
    /// Its address in the file.
    pub address: u64,
    /// Its messages, in the order of the file.
    pub messages: Vec<Message>,
}

impl ObjectHeader {
    /// Reads the header at an address.
    ///
    /// # Errors
    /// When it is damaged, or has a message that must be known and is not.
    pub fn read(reader: &Reader, address: u64) -> Result<Self> {
        let start = reader.up_to(address, 16, "an object header")?;
        let messages = match start.clone().rest().starts_with(b"OHDR") {
            true => version_2(reader, address)?,
            false => version_1(reader, address, start)?,
        };
        for message in &messages {
            if message.kind > message_type::LAST && message.flags & Message::FAIL_IF_UNKNOWN != 0 {
                let fault = format!("a message of the unknown type {} must not be passed over", message.kind);
                return Err(message.content.damaged(fault));
            }
        }
        Ok(Self { address, messages })
    }

    /// The first message of a type.
    pub fn first(&self, kind: u16) -> Option<&Message> {
        self.all(kind).next()
    }

    /// All messages of a type.
    pub fn all(&self, kind: u16) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.kind == kind)
    }
}

/// Blocks of messages that are still to be read, and those that have been.
struct Blocks {
    open: Vec<(u64, u64)>,
    seen: u64,
    bytes: u64,
}

impl Blocks {
    fn add(&mut self, reader: &Reader, message: &Message) -> Result<()> {
        let mut content = message.content.clone();
        let (address, length) = (content.defined_address()?, content.length()?);
        // A block that leads to itself would do so forever.
        self.seen += 1;
        self.bytes = self.bytes.saturating_add(length);
        at_most("the blocks of an object header", self.seen, 65_536)?;
        at_most("the bytes of an object header", self.bytes, reader.bounds().piece)?;
        self.open.push((address, length));
        Ok(())
    }
}

fn version_1(reader: &Reader, address: u64, mut start: Cursor) -> Result<Vec<Message>> {
    start.version(1..=1)?;
    // The number of messages and of links to the object are not relied on: there are files that miscount.
    start.skip(1 + 2 + 4)?;
    let length = start.u32()?;
    let mut messages = Vec::new();
    let mut blocks = Blocks { open: vec![(address.saturating_add(16), length.into())], seen: 0, bytes: 0 };
    while let Some((address, length)) = blocks.open.pop() {
        let mut block = reader.piece(address, length, "a block of an object header")?;
        while block.left() >= 8 {
            at_most("the messages of an object header", messages.len() as u64, reader.bounds().members)?;
            let (kind, size, flags) = (block.u16()?, block.u16()?, block.u8()?);
            block.skip(3)?;
            let content = block.part(size.into(), name(kind))?;
            let message = Message { kind, flags, content };
            match kind {
                message_type::CONTINUATION => blocks.add(reader, &message)?,
                message_type::REFERENCE_COUNT => {
                    return Err(message
                        .content
                        .damaged("a header of version 1 has no message for its reference count"));
                }
                _ => {}
            }
            messages.push(message);
        }
    }
    Ok(messages)
}

fn version_2(reader: &Reader, address: u64) -> Result<Vec<Message>> {
    let mut start = reader.up_to(address, 34, "an object header")?;
    let begin = start.left();
    start.signature(b"OHDR")?;
    start.version(2..=2)?;
    let flags = start.u8()?;
    start.skip(if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 })?;
    let length = start.uint(1 << (flags & 0x03))?;
    let prefix = (begin - start.left()) as u64;
    let with_order = flags & 0x04 != 0;
    let whole = prefix.saturating_add(length).saturating_add(4);
    let mut block = reader.summed(address, whole, "an object header")?;
    block.skip(prefix as usize)?;
    let mut messages = Vec::new();
    let mut blocks = Blocks { open: Vec::new(), seen: 0, bytes: 0 };
    loop {
        let first = messages.len();
        read_block(block, with_order, &mut messages)?;
        at_most("the messages of an object header", messages.len() as u64, reader.bounds().members)?;
        for message in messages[first..].iter().filter(|message| message.kind == message_type::CONTINUATION) {
            blocks.add(reader, message)?;
        }
        let Some((address, length)) = blocks.open.pop() else { return Ok(messages) };
        block = reader.summed(address, length, "a block of an object header")?;
        block.signature(b"OCHK")?;
    }
}

fn read_block(mut block: Cursor, with_order: bool, messages: &mut Vec<Message>) -> Result<()> {
    let prefix = if with_order { 6 } else { 4 };
    // What is left is a gap.
    while block.left() >= prefix {
        let (kind, size, flags) = (block.u8()?.into(), block.u16()?, block.u8()?);
        block.skip(prefix - 4)?;
        let content = block.part(size.into(), name(kind))?;
        messages.push(Message { kind, flags, content });
    }
    Ok(())
}

/// What a message is, in words.
fn name(kind: u16) -> &'static str {
    match kind {
        message_type::DATASPACE => "a dataspace",
        message_type::DATATYPE => "a datatype",
        message_type::FILL_VALUE | message_type::OLD_FILL_VALUE => "a fill value",
        message_type::LINK | message_type::LINK_INFO | message_type::SYMBOL_TABLE => "a group's links",
        message_type::EXTERNAL_FILES => "a list of external files",
        message_type::LAYOUT => "a data layout",
        message_type::FILTER_PIPELINE => "a filter pipeline",
        message_type::ATTRIBUTE | message_type::ATTRIBUTE_INFO => "an attribute",
        _ => "a header message",
    }
}

/// A message's bytes that stand for themselves.
pub(crate) fn raw(kind: u16, bytes: Bytes, reader: &Reader, offset: u64) -> Cursor {
    Cursor::detached(bytes, reader.widths(), name(kind), offset)
}
