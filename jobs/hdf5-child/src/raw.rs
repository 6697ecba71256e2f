//! Values as they are, of any type: the part of libhdf5 that has no safe face.
//!
//! Memory types are the file's own, so that bytes pass unchanged, except where a type holds text or sequences, whose values
//! may point elsewhere: there libhdf5's native type is used, and what it allocated is given back after writing.

#![allow(unsafe_code)]

use std::ffi::{CString, c_void};

use hdf5_metno::{Dataset, Group, Location, h5check};
use hdf5_metno_sys::h5::{herr_t, hsize_t};
use hdf5_metno_sys::h5a::{H5Aclose, H5Acreate2, H5Aget_space, H5Aget_type, H5Aopen, H5Aread, H5Awrite};
use hdf5_metno_sys::h5d::{
    H5D_layout_t, H5Dclose, H5Dcreate2, H5Dget_create_plist, H5Dget_space, H5Dget_type, H5Dread, H5Dvlen_reclaim,
    H5Dwrite,
};
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5p::{
    H5P_DEFAULT, H5Pclose, H5Pget_chunk, H5Pget_layout, H5Pset_chunk, H5Pset_layout, H5Pset_obj_track_times,
};
use hdf5_metno_sys::h5s::{
    H5S_seloper_t, H5Sclose, H5Screate_simple, H5Sget_simple_extent_dims, H5Sget_simple_extent_ndims,
    H5Sget_simple_extent_npoints, H5Sselect_hyperslab,
};
use hdf5_metno_sys::h5t::{
    H5T_class_t, H5T_direction_t, H5Tclose, H5Tcopy, H5Tdetect_class, H5Tequal, H5Tget_native_type, H5Tget_size,
};

/// What libhdf5 said.
type Result<T> = hdf5_metno::Result<T>;

/// An id of libhdf5 that is closed when it goes out of scope.
struct Id(hid_t, unsafe extern "C" fn(hid_t) -> herr_t);

impl Id {
    fn new(id: hid_t, close: unsafe extern "C" fn(hid_t) -> herr_t) -> Result<Self> {
        Ok(Self(h5check(id)?, close))
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        // SAFETY: the id was returned by libhdf5 to this owner alone and is closed once, by the function of its kind.
        unsafe { (self.1)(self.0) };
    }
}

/// A type as values of it lie in memory.
struct MemoryType {
    id: Id,
    /// Values own memory that libhdf5 allocated.
    allocates: bool,
}

impl MemoryType {
    fn of(file_type: &Id) -> Result<Self> {
        // SAFETY: the id is a live datatype.
        let holds = |class| h5check(unsafe { H5Tdetect_class(file_type.0, class) }).map(|found| found > 0);
        if holds(H5T_class_t::H5T_REFERENCE)? {
            return Err("references point into their own file and cannot be cut out of it".into());
        }
        let allocates = holds(H5T_class_t::H5T_VLEN)? || holds(H5T_class_t::H5T_STRING)?;
        // SAFETY: as above; both functions return a new id.
        let id = unsafe {
            if allocates {
                H5Tget_native_type(file_type.0, H5T_direction_t::H5T_DIR_ASCEND)
            } else {
                H5Tcopy(file_type.0)
            }
        };
        Ok(Self { id: Id::new(id, H5Tclose)?, allocates })
    }

    /// A zeroed buffer for `count` values.
    fn buffer(&self, count: usize) -> Result<Vec<u64>> {
        // SAFETY: the id is a live datatype.
        let size = unsafe { H5Tget_size(self.id.0) };
        let bytes = size.checked_mul(count).filter(|_| size > 0).ok_or("values are too many for memory")?;
        // Words rather than bytes, so that every value is aligned.
        Ok(vec![0; bytes.div_ceil(8)])
    }

    /// Gives back what libhdf5 allocated for the values in `buffer`.
    fn reclaim(&self, space: &Id, buffer: &mut [u64]) {
        if self.allocates {
            // SAFETY: the buffer was filled by libhdf5 for this type and space, and is not read afterwards.
            unsafe { H5Dvlen_reclaim(self.id.0, space.0, H5P_DEFAULT, buffer.as_mut_ptr().cast::<c_void>()) };
        }
    }
}

fn name(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| "a name holds a zero byte".into())
}

fn type_of(dataset: &Dataset) -> Result<Id> {
    // SAFETY: the dataset is open; a new id is returned.
    Id::new(unsafe { H5Dget_type(dataset.id()) }, H5Tclose)
}

fn attribute(object: &Location, attribute: &str) -> Result<Id> {
    // SAFETY: the object is open and the name ends with a zero; a new id is returned.
    Id::new(unsafe { H5Aopen(object.id(), name(attribute)?.as_ptr(), H5P_DEFAULT) }, H5Aclose)
}

fn attribute_parts(attribute: &Id) -> Result<(Id, Id)> {
    // SAFETY: the attribute is open; both functions return new ids.
    unsafe { Ok((Id::new(H5Aget_type(attribute.0), H5Tclose)?, Id::new(H5Aget_space(attribute.0), H5Sclose)?)) }
}

/// The sizes of a space.
fn extent(space: &Id) -> Result<Vec<hsize_t>> {
    // SAFETY: the space is live, and the vector has as many entries as the space has dimensions.
    unsafe {
        let mut sizes = vec![0; h5check(H5Sget_simple_extent_ndims(space.0))? as usize];
        h5check(H5Sget_simple_extent_dims(space.0, sizes.as_mut_ptr(), std::ptr::null_mut()))?;
        Ok(sizes)
    }
}

fn simple_space(sizes: &[hsize_t]) -> Result<Id> {
    // SAFETY: the pointer is to as many sizes as are announced.
    Id::new(unsafe { H5Screate_simple(sizes.len() as i32, sizes.as_ptr(), std::ptr::null()) }, H5Sclose)
}

fn space_of(dataset: &Dataset) -> Result<Id> {
    // SAFETY: the dataset is open; a new id is returned.
    Id::new(unsafe { H5Dget_space(dataset.id()) }, H5Sclose)
}

/// Selects `count` rows from `start` on.
fn select_rows(space: &Id, sizes: &[hsize_t], start: u64, count: u64) -> Result<()> {
    let mut starts = vec![0; sizes.len()];
    let mut counts = sizes.to_vec();
    (starts[0], counts[0]) = (start, count);
    // SAFETY: both vectors have as many entries as the space has dimensions.
    h5check(unsafe {
        H5Sselect_hyperslab(
            space.0,
            H5S_seloper_t::H5S_SELECT_SET,
            starts.as_ptr(),
            std::ptr::null(),
            counts.as_ptr(),
            std::ptr::null(),
        )
    })?;
    Ok(())
}

/// True when two datasets have the same type.
pub fn same_type(a: &Dataset, b: &Dataset) -> Result<bool> {
    let (a, b) = (type_of(a)?, type_of(b)?);
    // SAFETY: both ids are live datatypes.
    Ok(h5check(unsafe { H5Tequal(a.0, b.0) })? > 0)
}

/// Creates a dataset of another one's type, layout and filters, with `rows` rows.
pub fn create_like(source: &Dataset, parent: &Group, dataset: &str, rows: u64) -> Result<Dataset> {
    let file_type = type_of(source)?;
    let mut sizes = extent(&space_of(source)?)?;
    sizes[0] = rows;
    // SAFETY: the dataset is open, every id passed on is live, and the chunk has as many sizes as the space.
    unsafe {
        let transient = Id::new(H5Tcopy(file_type.0), H5Tclose)?;
        let plist = Id::new(H5Dget_create_plist(source.id()), H5Pclose)?;
        h5check(H5Pset_obj_track_times(plist.0, 0))?;
        match H5Pget_layout(plist.0) {
            H5D_layout_t::H5D_CHUNKED => {
                let mut chunk = vec![0; sizes.len()];
                h5check(H5Pget_chunk(plist.0, chunk.len() as i32, chunk.as_mut_ptr()))?;
                chunk[0] = chunk[0].min(rows.max(1));
                h5check(H5Pset_chunk(plist.0, chunk.len() as i32, chunk.as_ptr()))?;
            }
            // A compact dataset is held in its header, where the merged one may not have room.
            _ => drop(h5check(H5Pset_layout(plist.0, H5D_layout_t::H5D_CONTIGUOUS))?),
        }
        let space = simple_space(&sizes)?;
        let label = name(dataset)?;
        drop(Id::new(
            H5Dcreate2(parent.id(), label.as_ptr(), transient.0, space.0, H5P_DEFAULT, plist.0, H5P_DEFAULT),
            H5Dclose,
        )?);
    }
    parent.dataset(dataset)
}

/// Copies runs of rows of `source`, one after the other, to `target` from row `at` on; returns how many.
pub fn copy_rows(source: &Dataset, runs: &[std::ops::Range<u64>], target: &Dataset, at: u64) -> Result<u64> {
    let memory = MemoryType::of(&type_of(source)?)?;
    let (from, to) = (space_of(source)?, space_of(target)?);
    let (from_sizes, to_sizes) = (extent(&from)?, extent(&to)?);
    let row: usize = from_sizes[1..].iter().map(|size| *size as usize).product();
    let mut written = 0;
    for run in runs {
        let count = run.end - run.start;
        select_rows(&from, &from_sizes, run.start, count)?;
        select_rows(&to, &to_sizes, at + written, count)?;
        let mut sizes = from_sizes.clone();
        sizes[0] = count;
        let space = simple_space(&sizes)?;
        let mut buffer = memory.buffer(count as usize * row)?;
        let values = buffer.as_mut_ptr().cast::<c_void>();
        // SAFETY: the buffer holds as many values of the memory type as are selected in either space.
        let done = unsafe {
            h5check(H5Dread(source.id(), memory.id.0, space.0, from.0, H5P_DEFAULT, values))
                .and_then(|_| h5check(H5Dwrite(target.id(), memory.id.0, space.0, to.0, H5P_DEFAULT, values)))
        };
        memory.reclaim(&space, &mut buffer);
        done?;
        written += count;
    }
    Ok(written)
}

/// Copies an attribute from one object to another, with its type, shape and values.
pub fn copy_attribute(from: &Location, to: &Location, label: &str) -> Result<()> {
    let source = attribute(from, label)?;
    let (file_type, space) = attribute_parts(&source)?;
    let memory = MemoryType::of(&file_type)?;
    // SAFETY: every id is live; the buffer holds as many values of the memory type as the space has points.
    unsafe {
        let points = h5check(H5Sget_simple_extent_npoints(space.0))?;
        let mut buffer = memory.buffer(points as usize)?;
        let values = buffer.as_mut_ptr().cast::<c_void>();
        let transient = Id::new(H5Tcopy(file_type.0), H5Tclose)?;
        let label = name(label)?;
        let target =
            Id::new(H5Acreate2(to.id(), label.as_ptr(), transient.0, space.0, H5P_DEFAULT, H5P_DEFAULT), H5Aclose)?;
        let done = h5check(H5Aread(source.0, memory.id.0, values))
            .and_then(|_| h5check(H5Awrite(target.0, memory.id.0, values)));
        memory.reclaim(&space, &mut buffer);
        done?;
    }
    Ok(())
}

/// True when an attribute has the same type, shape and values on both objects. Values that point elsewhere are compared by
/// type and shape alone.
pub fn same_attribute(a: &Location, b: &Location, label: &str) -> Result<bool> {
    let (a, b) = (attribute(a, label)?, attribute(b, label)?);
    let ((a_type, a_space), (b_type, b_space)) = (attribute_parts(&a)?, attribute_parts(&b)?);
    // SAFETY: all ids are live; each buffer holds as many values of the memory type as its space has points.
    unsafe {
        if h5check(H5Tequal(a_type.0, b_type.0))? == 0 || extent(&a_space)? != extent(&b_space)? {
            return Ok(false);
        }
        let memory = MemoryType::of(&a_type)?;
        if memory.allocates {
            return Ok(true);
        }
        let points = h5check(H5Sget_simple_extent_npoints(a_space.0))? as usize;
        let (mut left, mut right) = (memory.buffer(points)?, memory.buffer(points)?);
        h5check(H5Aread(a.0, memory.id.0, left.as_mut_ptr().cast::<c_void>()))?;
        h5check(H5Aread(b.0, memory.id.0, right.as_mut_ptr().cast::<c_void>()))?;
        Ok(left == right)
    }
}
