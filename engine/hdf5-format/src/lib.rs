//! The HDF5 file format in safe Rust: superblocks, object headers, groups, heaps, B-trees, chunk indexes, types, filters.
//!
//! Everything is read from a [`source::ReadAt`] through a [`Reader`], which bounds what a file may make it do: lengths and
//! addresses are checked before they are used, and a damaged file gives an error that says what and where. Section numbers in
//! this crate are those of the HDF5 File Format Specification, version 3.0. It does no I/O of its own but reading a local file.

pub mod attribute;
mod bounds;
mod btree;
mod checksum;
pub mod chunk_index;
pub mod convert;
pub mod copy;
mod cursor;
pub mod dataset;
pub mod dataspace;
pub mod datatype;
pub mod elements;
mod error;
pub mod filter;
mod heap;
pub mod layout;
pub mod link;
pub mod object_header;
mod pipeline;
mod reader;
pub mod rows;
mod shared_message;
pub mod source;
mod superblock;
pub mod write;

pub use bounds::Bounds;
pub use error::{Hdf5Error, Result};
pub use heap::global::HeapId;
pub use reader::Reader;
pub use superblock::Superblock;
