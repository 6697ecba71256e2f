//! Datasets: what the messages of their header say together.

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::dataspace::Dataspace;
use crate::datatype::Datatype;
use crate::error::{Hdf5Error, Result};
use crate::filter::Filter;
use crate::layout::Layout;
use crate::object_header::{ObjectHeader, message_type};
use crate::pipeline;
use crate::reader::Reader;

/// A dataset's description.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Address of its object header.
    pub address: u64,
    /// What an element is.
    pub datatype: Datatype,
    /// Address of the committed type that this is.
    pub committed_type: Option<u64>,
    /// How many elements there are.
    pub space: Dataspace,
    /// Where they are.
    pub layout: Layout,
    /// What chunks go through.
    pub filters: Vec<Filter>,
    /// The element that stands where nothing was written; zeros where there is none.
    pub fill_value: Option<Bytes>,
    /// Files that hold the elements instead of this one.
    pub external_files: usize,
}

impl Dataset {
    /// Whether a header is a dataset's.
    pub fn is_one(header: &ObjectHeader) -> bool {
        header.first(message_type::LAYOUT).is_some() || header.first(message_type::DATASPACE).is_some()
    }

    /// Reads a dataset's description out of its header.
    ///
    /// # Errors
    /// When a message is missing or damaged.
    pub fn read(reader: &Reader, header: &ObjectHeader) -> Result<Self> {
        let missing = |what: &str| Hdf5Error::Damaged {
            structure: "a dataset",
            offset: reader.superblock().offset + header.address,
            fault: format!("it has no {what}"),
        };
        let content = |kind| header.first(kind).map(|message| message.content(reader)).transpose();
        let type_message = header.first(message_type::DATATYPE).ok_or_else(|| missing("datatype"))?;
        let depth = reader.bounds().depth;
        let external = content(message_type::EXTERNAL_FILES)?;
        let filters = content(message_type::FILTER_PIPELINE)?.map(pipeline::read).transpose()?;
        Ok(Self {
            address: header.address,
            datatype: Datatype::read(type_message.content(reader)?, depth)?,
            committed_type: type_message.committed_at()?,
            space: Dataspace::read(content(message_type::DATASPACE)?.ok_or_else(|| missing("dataspace"))?)?,
            layout: Layout::read(content(message_type::LAYOUT)?.ok_or_else(|| missing("data layout"))?)?,
            filters: filters.unwrap_or_default(),
            fill_value: fill_value(content(message_type::FILL_VALUE)?, content(message_type::OLD_FILL_VALUE)?)?,
            external_files: external.map(external_files).transpose()?.unwrap_or(0),
        })
    }

    /// Bytes of all elements; nothing when they are more than can be counted.
    pub fn bytes(&self) -> Option<u64> {
        self.space.elements()?.checked_mul(self.datatype.size.into())
    }
}

/// The element that stands where nothing was written. HDF5 File Format Specification 3.0, sections IV.A.2.e and f.
fn fill_value(message: Option<Cursor>, old: Option<Cursor>) -> Result<Option<Bytes>> {
    let (mut cursor, sized) = match (message, old) {
        (Some(mut cursor), _) => {
            let version = cursor.version(1..=3)?;
            let sized = match version {
                3 => cursor.u8()? & 0x20 != 0,
                _ => {
                    cursor.skip(2)?;
                    // Version 1 always has a size, that of an undefined value being negative.
                    cursor.u8()? != 0 || version == 1
                }
            };
            (cursor, sized)
        }
        (None, Some(cursor)) => (cursor, true),
        (None, None) => return Ok(None),
    };
    if !sized || cursor.left() < 4 {
        return Ok(None);
    }
    let size = cursor.u32()? as i32;
    let size = usize::try_from(size).unwrap_or(0);
    Ok(if size == 0 { None } else { Some(cursor.take(size)?) })
}

/// The number of files in a list of external files.
fn external_files(mut cursor: Cursor) -> Result<usize> {
    cursor.version(1..=1)?;
    cursor.skip(3 + 2)?;
    Ok(cursor.u16()?.into())
}
