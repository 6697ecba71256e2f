//! Dataspaces: how many elements there are, and in what shape. HDF5 File Format Specification 3.0, section IV.A.2.b.

use crate::cursor::Cursor;
use crate::error::Result;

/// Dimensions at most, as in libhdf5.
pub const MAX_RANK: usize = 32;

/// The shape of a dataset or an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dataspace {
    /// No element at all.
    Null,
    /// One element.
    Scalar,
    /// An array.
    Simple {
        /// Elements along each dimension, the slowest first.
        shape: Vec<u64>,
        /// How many there may be; nothing where there is no limit.
        max_shape: Vec<Option<u64>>,
    },
}

impl Dataspace {
    pub(crate) fn read(mut cursor: Cursor) -> Result<Self> {
        let version = cursor.version(1..=2)?;
        let (rank, flags, kind) = (usize::from(cursor.u8()?), cursor.u8()?, cursor.u8()?);
        if rank > MAX_RANK {
            return Err(cursor.damaged(format!("it has {rank} dimensions, {MAX_RANK} are allowed")));
        }
        if version == 1 {
            cursor.skip(4)?;
        }
        match (version, kind, rank) {
            (2, 2, _) => return Ok(Self::Null),
            (2, 0, _) | (1, _, 0) => return Ok(Self::Scalar),
            (2, 1, _) | (1, ..) => {}
            _ => return Err(cursor.damaged(format!("its class is {kind}"))),
        }
        let shape = (0..rank).map(|_| cursor.length()).collect::<Result<Vec<_>>>()?;
        let unlimited = u64::MAX >> (64 - 8 * u32::from(cursor.widths().length));
        let max_shape = match flags & 1 {
            0 => shape.iter().map(|size| Some(*size)).collect(),
            _ => (0..rank)
                .map(|_| cursor.length().map(|size| (size != unlimited).then_some(size)))
                .collect::<Result<_>>()?,
        };
        let fits = |(size, max): (&u64, &Option<u64>)| max.is_none_or(|max| *size <= max);
        if !shape.iter().zip(&max_shape).all(fits) {
            return Err(cursor.damaged("it is larger than its own maximum"));
        }
        Ok(Self::Simple { shape, max_shape })
    }

    /// Elements along each dimension; none for a scalar.
    pub fn shape(&self) -> &[u64] {
        match self {
            Self::Simple { shape, .. } => shape,
            _ => &[],
        }
    }

    /// The number of elements; nothing when it is more than a 64-bit number holds.
    pub fn elements(&self) -> Option<u64> {
        match self {
            Self::Null => Some(0),
            Self::Scalar => Some(1),
            Self::Simple { shape, .. } if shape.contains(&0) => Some(0),
            Self::Simple { shape, .. } => shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size)),
        }
    }
}
