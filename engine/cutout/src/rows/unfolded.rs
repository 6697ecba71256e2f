//! What the values of each row are made of: a dataset's further dimensions, array types, members of compounds, and sequences of
//! variable length are all the same to a column of arrays.

use std::borrow::Cow;

use spolia_hdf5_format::HeapId;
use spolia_hdf5_format::datatype::{Class, Datatype};

use super::values::Place;
use crate::error::CutoutError;

/// Bytes of sequences of variable length that are held at once, at most.
const MOST_SEQUENCES: usize = 256 << 20;

/// Elements that are no arrays, and how many of them belong to each row.
pub(super) struct Unfolded<'a> {
    pub datatype: &'a Datatype,
    pub elements: Cow<'a, [u8]>,
    pub counts: Vec<u64>,
}

impl<'a> Unfolded<'a> {
    /// Takes the elements of `rows` rows apart, of which each has `width`.
    pub(super) fn new(
        place: &Place,
        datatype: &'a Datatype,
        elements: Cow<'a, [u8]>,
        width: u64,
        rows: usize,
    ) -> Result<Self, CutoutError> {
        match &datatype.class {
            Class::Array { base, shape } => {
                let inside = shape.iter().map(|size| u64::from(*size)).product::<u64>();
                Self::new(place, base, elements, width.saturating_mul(inside), rows)
            }
            Class::VariableLength { base } if width == 1 => Self::sequences(place, datatype, base, &elements),
            _ => Ok(Self { datatype, elements, counts: vec![width; rows] }),
        }
    }

    fn sequences(place: &Place, datatype: &Datatype, base: &'a Datatype, elements: &[u8]) -> Result<Self, CutoutError> {
        let (mut all, mut counts) = (Vec::new(), Vec::new());
        for element in elements.chunks_exact(datatype.size as usize) {
            let sequence = HeapId::from_element(place.reader, element).and_then(|id| id.data(place.reader, base.size));
            let sequence = sequence.map_err(place.damaged())?;
            if all.len() + sequence.len() > MOST_SEQUENCES {
                return Err(
                    place.refused(format!("its sequences are too long (at most {MOST_SEQUENCES} bytes at once)"))
                );
            }
            counts.push(sequence.len() as u64 / u64::from(base.size.max(1)));
            all.extend_from_slice(&sequence);
        }
        Ok(Self { datatype: base, elements: all.into(), counts })
    }
}

/// The member of compounds that `path` leads to, `inner.member`; the elements themselves where it is empty.
pub(super) fn member<'a>(
    place: &Place,
    datatype: &'a Datatype,
    elements: Cow<'a, [u8]>,
    path: &str,
) -> Result<(&'a Datatype, Cow<'a, [u8]>), CutoutError> {
    if path.is_empty() {
        return Ok((datatype, elements));
    }
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let found = match &datatype.class {
        Class::Compound { members } => members.iter().find(|member| member.name == name),
        _ => None,
    };
    let found =
        found.ok_or_else(|| place.refused(format!("it is {} without a member {name}", datatype.short_name())))?;
    let (size, start) = (found.datatype.size as usize, found.offset as usize);
    let inside = elements.chunks_exact(datatype.size as usize).flat_map(|element| &element[start..start + size]);
    member(place, &found.datatype, inside.copied().collect::<Vec<u8>>().into(), rest)
}

/// Bytes of variable length that each row of elements leads to, texts and sequences.
pub(super) fn led_to(
    place: &Place,
    datatype: &Datatype,
    elements: &[u8],
    rows: usize,
) -> Result<Vec<u64>, CutoutError> {
    let size = match &datatype.class {
        Class::VariableString { .. } => 1,
        Class::VariableLength { base } => u64::from(base.size),
        _ => return Ok(vec![0; rows]),
    };
    let bytes = |element: &[u8]| HeapId::from_element(place.reader, element).map(|id| u64::from(id.count) * size);
    let of_row = |row: &[u8]| row.chunks_exact(datatype.size as usize).map(bytes).sum::<Result<u64, _>>();
    elements
        .chunks_exact((elements.len() / rows.max(1)).max(1))
        .map(of_row)
        .collect::<Result<_, _>>()
        .map_err(place.damaged())
}
