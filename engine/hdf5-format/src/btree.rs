//! B-trees: the indexes of groups, attributes and chunks. HDF5 File Format Specification 3.0, section III.A.

pub mod v1;
pub mod v2;
