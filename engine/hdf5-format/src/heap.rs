//! Heaps: where names, links, attributes and variable-length data are kept. HDF5 File Format Specification 3.0, section III.

pub mod fractal;
pub mod global;
pub mod local;
