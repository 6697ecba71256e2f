//! Object headers of version 1, and the messages of datasets. HDF5 File Format Specification 3.0, section IV.A.1.a.

use std::io::Write;

use bytes::Bytes;

use super::{UNDEFINED, WriteError, Writer, Written};
use crate::dataspace::Dataspace;
use crate::filter::Filter;
use crate::object_header::message_type;

/// The longest content of a message: its length has 16 bits and is a multiple of eight.
const LONGEST: usize = 65_528;

/// An attribute to write.
#[derive(Debug, Clone)]
pub struct AttributeOut {
    /// Its name.
    pub name: Vec<u8>,
    /// Its type as a datatype message has it.
    pub datatype: Bytes,
    /// Its shape.
    pub space: Dataspace,
    /// Its elements; those that point elsewhere do so in the new file.
    pub value: Vec<u8>,
}

/// A dataset to write.
#[derive(Debug, Clone)]
pub struct DatasetOut {
    /// Its type as a datatype message has it.
    pub datatype: Bytes,
    /// Its shape.
    pub space: Dataspace,
    /// The element that stands where nothing was written.
    pub fill_value: Option<Bytes>,
    /// What its chunks went through.
    pub filters: Vec<Filter>,
    /// Where its elements are.
    pub storage: StorageOut,
    /// Its attributes.
    pub attributes: Vec<AttributeOut>,
}

/// Where a dataset's elements are, in a file that is being written.
#[derive(Debug, Clone)]
pub enum StorageOut {
    /// In its header.
    Compact(Bytes),
    /// In one piece that is written already, of so many bytes.
    Contiguous(Option<u64>, u64),
    /// In chunks that are written already, with an index of them.
    Chunked {
        /// Elements of a chunk along each dimension.
        shape: Vec<u64>,
        /// Bytes of an element.
        element_size: u32,
        /// Where the index is; nothing without any chunk.
        index: Option<u64>,
    },
}

/// Messages of one header.
#[derive(Debug, Default)]
pub(super) struct Messages {
    count: u16,
    bytes: Vec<u8>,
}

impl Messages {
    pub(super) fn add(&mut self, kind: u16, flags: u8, content: &[u8], what: &str) -> Result<(), WriteError> {
        let padded = content.len().next_multiple_of(8);
        if padded > LONGEST {
            return Err(WriteError::TooLong { what: what.to_owned(), bytes: content.len() });
        }
        self.count += 1;
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&(padded as u16).to_le_bytes());
        self.bytes.extend_from_slice(&[flags, 0, 0, 0]);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len() + padded - content.len(), 0);
        Ok(())
    }

    pub(super) fn attributes(&mut self, attributes: &[AttributeOut]) -> Result<(), WriteError> {
        attributes.iter().try_for_each(|attribute| {
            let what = format!("attribute {}", String::from_utf8_lossy(&attribute.name));
            self.add(message_type::ATTRIBUTE, 0, &attribute_message(attribute), &what)
        })
    }

    /// The whole header, with a reference count of 1.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut header = vec![1, 0];
        header.extend_from_slice(&self.count.to_le_bytes());
        header.extend_from_slice(&1u32.to_le_bytes());
        header.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&self.bytes);
        header
    }
}

impl<W: Write> Writer<W> {
    /// Writes the header of a dataset whose elements are written already.
    ///
    /// # Errors
    /// When a message is too long for a header, or the output fails.
    pub fn dataset(&mut self, dataset: &DatasetOut) -> Result<Written, WriteError> {
        Ok(self.dataset_to_come(dataset)?.0)
    }

    /// Writes the header of a contiguous dataset whose elements come later: beside it the place where their address belongs, in 8 bytes,
    /// little-endian.
    ///
    /// # Errors
    /// As [`Writer::dataset`].
    pub fn dataset_to_come(&mut self, dataset: &DatasetOut) -> Result<(Written, u64), WriteError> {
        /// Messages that never change.
        const CONSTANT: u8 = 1;
        /// Bytes before the first message, and before a contiguous layout's address in its own.
        const BEFORE: usize = 16 + 8 + 2;
        let mut messages = Messages::default();
        messages.add(message_type::DATASPACE, 0, &space_message(&dataset.space), "a dataspace")?;
        messages.add(message_type::DATATYPE, CONSTANT, &dataset.datatype, "a datatype")?;
        messages.add(message_type::FILL_VALUE, CONSTANT, &fill_message(dataset), "a fill value")?;
        let address = BEFORE + messages.bytes.len();
        messages.add(message_type::LAYOUT, 0, &layout_message(&dataset.storage), "a compact dataset")?;
        if !dataset.filters.is_empty() {
            let pipeline = pipeline_message(&dataset.filters);
            messages.add(message_type::FILTER_PIPELINE, CONSTANT, &pipeline, "a filter pipeline")?;
        }
        messages.attributes(&dataset.attributes)?;
        let header = self.put(&messages.header())?;
        Ok((Written { header, symbols: None }, header + address as u64))
    }
}

/// Version 1 for what it can say, version 2 for a null space, which version 1 has no word for.
fn space_message(space: &Dataspace) -> Vec<u8> {
    match space {
        Dataspace::Null => vec![2, 0, 0, 2],
        Dataspace::Scalar => vec![1, 0, 0, 0, 0, 0, 0, 0],
        Dataspace::Simple { shape, max_shape } => {
            let mut message = vec![1, shape.len() as u8, 1, 0, 0, 0, 0, 0];
            let limits = max_shape.iter().map(|max| max.unwrap_or(u64::MAX));
            shape.iter().copied().chain(limits).for_each(|size| message.extend_from_slice(&size.to_le_bytes()));
            message
        }
    }
}

/// Version 2: allocated late, or early for compact storage; written if set.
fn fill_message(dataset: &DatasetOut) -> Vec<u8> {
    let allocation = match &dataset.storage {
        StorageOut::Compact(_) => 1,
        StorageOut::Contiguous(..) => 2,
        StorageOut::Chunked { .. } => 3,
    };
    let value = dataset.fill_value.as_deref().unwrap_or_default();
    let mut message = vec![2, allocation, 2, 1];
    message.extend_from_slice(&(value.len() as u32).to_le_bytes());
    message.extend_from_slice(value);
    message
}

/// Version 3.
fn layout_message(storage: &StorageOut) -> Vec<u8> {
    match storage {
        StorageOut::Compact(content) => {
            let mut message = vec![3, 0];
            message.extend_from_slice(&(content.len() as u16).to_le_bytes());
            message.extend_from_slice(content);
            message
        }
        StorageOut::Contiguous(address, size) => {
            let mut message = vec![3, 1];
            message.extend_from_slice(&address.unwrap_or(UNDEFINED).to_le_bytes());
            message.extend_from_slice(&size.to_le_bytes());
            message
        }
        StorageOut::Chunked { shape, element_size, index } => {
            let mut message = vec![3, 2, shape.len() as u8 + 1];
            message.extend_from_slice(&index.unwrap_or(UNDEFINED).to_le_bytes());
            shape.iter().for_each(|size| message.extend_from_slice(&(*size as u32).to_le_bytes()));
            message.extend_from_slice(&element_size.to_le_bytes());
            message
        }
    }
}

/// Version 1.
fn pipeline_message(filters: &[Filter]) -> Vec<u8> {
    let mut message = vec![1, filters.len() as u8, 0, 0, 0, 0, 0, 0];
    for filter in filters {
        let name = filter.name.as_deref().unwrap_or_default().as_bytes();
        let padded = if name.is_empty() { 0 } else { (name.len() + 1).next_multiple_of(8) };
        let numbers = [filter.id, padded as u16, filter.flags, filter.client_data.len() as u16];
        numbers.iter().for_each(|number| message.extend_from_slice(&number.to_le_bytes()));
        message.extend_from_slice(name);
        message.resize(message.len() + padded - name.len(), 0);
        filter.client_data.iter().for_each(|number| message.extend_from_slice(&number.to_le_bytes()));
        if filter.client_data.len() % 2 == 1 {
            message.extend_from_slice(&[0; 4]);
        }
    }
    message
}

/// Version 1: every part padded to eight bytes.
fn attribute_message(attribute: &AttributeOut) -> Vec<u8> {
    let space = space_message(&attribute.space);
    let name = [attribute.name.as_slice(), &[0]].concat();
    let mut message = vec![1, 0];
    for part in [name.len(), attribute.datatype.len(), space.len()] {
        message.extend_from_slice(&(part as u16).to_le_bytes());
    }
    for part in [&name[..], &attribute.datatype, &space] {
        message.extend_from_slice(part);
        message.resize(message.len().next_multiple_of(8), 0);
    }
    message.extend_from_slice(&attribute.value);
    message
}
