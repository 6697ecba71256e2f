//! Datatypes: what the bytes of an element mean. HDF5 File Format Specification 3.0, section IV.A.2.d.

use bytes::Bytes;

use crate::cursor::{Cursor, before_zero, text};
use crate::error::Result;

/// The newest version of the message that all readers since 1.8 know.
const OLDER: u8 = 3;
/// Members of a compound or values of an enumeration at most; their number is stored in 16 bits.
const MAX_RANK: u8 = 32;

/// A datatype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datatype {
    /// Bytes of one element in the file.
    pub size: u32,
    /// What they are.
    pub class: Class,
    /// The version of its encoding, 1 to 5; 3 for newer ones that can be told in that.
    pub version: u8,
    /// The message of that version, from its first byte to its last.
    pub encoded: Bytes,
}

/// The byte order of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// The least significant byte first.
    Little,
    /// The most significant byte first.
    Big,
    /// The VAX order of floating point numbers.
    Vax,
}

/// What follows the last letter of a fixed-length string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// A zero byte, and then anything.
    NullTerminated,
    /// Zero bytes.
    NullPadded,
    /// Blanks.
    SpacePadded,
}

/// A member of a compound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where its bytes begin in the compound's.
    pub offset: u64,
    /// Its type.
    pub datatype: Datatype,
}

/// The class of a datatype, with what the class has of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the specification's")]
pub enum Class {
    FixedPoint { order: ByteOrder, signed: bool, bit_offset: u16, precision: u16 },
    FloatingPoint { order: ByteOrder, precision: u16, exponent: (u8, u8), mantissa: (u8, u8), bias: u32 },
    Time { order: ByteOrder, precision: u16 },
    String { padding: Padding, utf8: bool },
    Bitfield { order: ByteOrder, bit_offset: u16, precision: u16 },
    Opaque { tag: String },
    Compound { members: Vec<Member> },
    Reference { kind: u8 },
    Enumeration { base: Box<Datatype>, names: Vec<String>, values: Bytes },
    VariableLength { base: Box<Datatype> },
    VariableString { base: Box<Datatype>, padding: Padding, utf8: bool },
    Array { base: Box<Datatype>, shape: Vec<u32> },
    Complex { base: Box<Datatype> },
}

impl Class {
    fn is_same(&self, other: &Self) -> bool {
        use Class::{Array, Complex, Compound, Enumeration, VariableLength, VariableString};
        match (self, other) {
            (Compound { members: own }, Compound { members: others }) => {
                own.len() == others.len()
                    && own.iter().zip(others).all(|(own, other)| {
                        (&own.name, own.offset) == (&other.name, other.offset) && own.datatype.is_same(&other.datatype)
                    })
            }
            (
                Enumeration { base: own, names, values },
                Enumeration { base: other, names: other_names, values: other_values },
            ) => own.is_same(other) && (names, values) == (other_names, other_values),
            (VariableLength { base: own }, VariableLength { base: other })
            | (Complex { base: own }, Complex { base: other }) => own.is_same(other),
            (
                VariableString { base: own, padding, utf8 },
                VariableString { base: other, padding: other_padding, utf8: other_utf8 },
            ) => own.is_same(other) && (padding, utf8) == (other_padding, other_utf8),
            (Array { base: own, shape }, Array { base: other, shape: other_shape }) => {
                shape == other_shape && own.is_same(other)
            }
            _ => self == other,
        }
    }
}

impl Datatype {
    pub(crate) fn read(mut cursor: Cursor, depth: u32) -> Result<Self> {
        let mut datatype = Self::read_next(&mut cursor, depth)?;
        if let Some(older) = datatype.older() {
            (datatype.encoded, datatype.version) = (older, OLDER);
        }
        Ok(datatype)
    }

    /// The message in a version that every reader since 1.8 knows. Versions 4 and 5 have brought new references and complex numbers,
    /// and differ from version 3 in nothing else.
    fn older(&self) -> Option<Bytes> {
        let is_new = |class: &Class| matches!(class, Class::Reference { kind: 2.. } | Class::Complex { .. });
        if self.version <= OLDER || self.any(&is_new) {
            return None;
        }
        let mut message = self.encoded.to_vec();
        self.mark_older(&mut message, self.encoded.as_ptr() as usize);
        Some(message.into())
    }

    /// Types within a type stand in its message.
    fn mark_older(&self, message: &mut [u8], begin: usize) {
        if let Some(first) = message.get_mut((self.encoded.as_ptr() as usize).wrapping_sub(begin))
            && self.version > OLDER
        {
            *first = *first & 0x0f | OLDER << 4;
        }
        match &self.class {
            Class::Compound { members } => members.iter().for_each(|own| own.datatype.mark_older(message, begin)),
            Class::Enumeration { base, .. }
            | Class::VariableLength { base }
            | Class::VariableString { base, .. }
            | Class::Array { base, .. }
            | Class::Complex { base } => base.mark_older(message, begin),
            _ => {}
        }
    }

    fn read_next(cursor: &mut Cursor, depth: u32) -> Result<Self> {
        let depth = depth.checked_sub(1).ok_or_else(|| cursor.damaged("its types are nested too deep"))?;
        let begin = cursor.clone().rest();
        let first = cursor.u8()?;
        let (class, version) = (first & 0x0f, first >> 4);
        if !(1..=5).contains(&version) {
            return Err(cursor.damaged(format!("its version is {version}")));
        }
        let bits = cursor.uint(3)? as u32;
        let size = cursor.u32()?;
        let class = read_class(cursor, class, version, bits, size, depth)?;
        if size == 0 && !matches!(class, Class::String { .. } | Class::Opaque { .. }) {
            return Err(cursor.damaged("an element of it has no bytes"));
        }
        let encoded = begin.slice(..begin.len() - cursor.left());
        Ok(Self { size, class, version, encoded })
    }

    /// Whether elements of another type mean the same: types may be encoded in several ways.
    pub fn is_same(&self, other: &Self) -> bool {
        self.encoded == other.encoded && !self.encoded.is_empty()
            || self.size == other.size && self.class.is_same(&other.class)
    }

    /// Whether any part of an element points elsewhere in the file: variable-length data or a reference.
    pub fn points_elsewhere(&self) -> bool {
        self.any(&|class| {
            matches!(class, Class::VariableLength { .. } | Class::VariableString { .. } | Class::Reference { .. })
        })
    }

    /// Whether any part of it is of such a class.
    pub fn any(&self, is: &dyn Fn(&Class) -> bool) -> bool {
        is(&self.class)
            || match &self.class {
                Class::Compound { members } => members.iter().any(|member| member.datatype.any(is)),
                Class::Enumeration { base, .. }
                | Class::VariableLength { base }
                | Class::Array { base, .. }
                | Class::Complex { base } => base.any(is),
                _ => false,
            }
    }
}

fn order(bits: u32) -> ByteOrder {
    if bits & 1 == 0 { ByteOrder::Little } else { ByteOrder::Big }
}

fn padding(cursor: &Cursor, bits: u32) -> Result<Padding> {
    match bits & 0x0f {
        0 => Ok(Padding::NullTerminated),
        1 => Ok(Padding::NullPadded),
        2 => Ok(Padding::SpacePadded),
        other => Err(cursor.damaged(format!("its strings are padded in the unknown way {other}"))),
    }
}

fn read_class(cursor: &mut Cursor, class: u8, version: u8, bits: u32, size: u32, depth: u32) -> Result<Class> {
    Ok(match class {
        0 => {
            let (bit_offset, precision) = bit_range(cursor, size)?;
            Class::FixedPoint { order: order(bits), signed: bits & 0x08 != 0, bit_offset, precision }
        }
        1 => floating_point(cursor, bits, size)?,
        2 => Class::Time { order: order(bits), precision: cursor.u16()? },
        3 => Class::String { padding: padding(cursor, bits)?, utf8: bits >> 4 & 0x0f == 1 },
        4 => {
            let (bit_offset, precision) = bit_range(cursor, size)?;
            Class::Bitfield { order: order(bits), bit_offset, precision }
        }
        5 => Class::Opaque { tag: text(before_zero(&cursor.take((bits & 0xff) as usize)?)) },
        6 => Class::Compound { members: members(cursor, version, bits & 0xffff, size, depth)? },
        7 => Class::Reference { kind: (bits & 0x0f) as u8 },
        8 => enumeration(cursor, version, bits & 0xffff, depth)?,
        9 => {
            let base = Box::new(Datatype::read_next(cursor, depth)?);
            match bits & 0x0f {
                0 => Class::VariableLength { base },
                1 => Class::VariableString { base, padding: padding(cursor, bits >> 4)?, utf8: bits >> 8 & 0x0f == 1 },
                other => return Err(cursor.damaged(format!("a variable-length type of the unknown kind {other}"))),
            }
        }
        10 => array(cursor, version, size, depth)?,
        11 => Class::Complex { base: Box::new(Datatype::read_next(cursor, depth)?) },
        other => return Err(cursor.damaged(format!("its class is {other}"))),
    })
}

fn bit_range(cursor: &mut Cursor, size: u32) -> Result<(u16, u16)> {
    let (bit_offset, precision) = (cursor.u16()?, cursor.u16()?);
    if precision == 0 || u64::from(bit_offset) + u64::from(precision) > 8 * u64::from(size) {
        return Err(cursor.damaged(format!("{precision} bits from bit {bit_offset} on do not fit {size} bytes")));
    }
    Ok((bit_offset, precision))
}

fn floating_point(cursor: &mut Cursor, bits: u32, size: u32) -> Result<Class> {
    let (_, precision) = bit_range(cursor, size)?;
    let exponent = (cursor.u8()?, cursor.u8()?);
    let mantissa = (cursor.u8()?, cursor.u8()?);
    let bias = cursor.u32()?;
    let order = match (bits & 1, bits >> 6 & 1) {
        (0, 0) => ByteOrder::Little,
        (1, 0) => ByteOrder::Big,
        (1, _) => ByteOrder::Vax,
        _ => return Err(cursor.damaged("its byte order is unknown")),
    };
    Ok(Class::FloatingPoint { order, precision, exponent, mantissa, bias })
}

/// A name; before version 3 padded with zeros to a multiple of eight bytes.
fn name(cursor: &mut Cursor, version: u8) -> Result<String> {
    let left = cursor.left();
    let name = cursor.text_to_zero()?;
    if version < 3 {
        let taken = left - cursor.left();
        cursor.skip(taken.next_multiple_of(8) - taken)?;
    }
    Ok(name)
}

fn members(cursor: &mut Cursor, version: u8, count: u32, size: u32, depth: u32) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for _ in 0..count {
        let name = name(cursor, version)?;
        // As few bytes as the compound's size takes.
        let width = if version < 3 { 4 } else { size.max(1).ilog2() as usize / 8 + 1 };
        let offset = cursor.uint(width)?;
        let shape = if version == 1 { old_member_shape(cursor)? } else { Vec::new() };
        let mut datatype = Datatype::read_next(cursor, depth)?;
        if !shape.is_empty() {
            let elements = shape.iter().map(|size| u64::from(*size)).product::<u64>();
            let size = u32::try_from(elements.saturating_mul(datatype.size.into()));
            let size = size.map_err(|_| cursor.damaged("an array in it is too big"))?;
            let (version, encoded) = (datatype.version, Bytes::new());
            datatype = Datatype { size, class: Class::Array { base: Box::new(datatype), shape }, version, encoded };
        }
        if offset.saturating_add(datatype.size.into()) > size.into() {
            return Err(cursor.damaged(format!("its member {name} lies outside of it")));
        }
        members.push(Member { name, offset, datatype });
    }
    Ok(members)
}

/// Version 1 kept arrays in the member instead of in a type of their own.
fn old_member_shape(cursor: &mut Cursor) -> Result<Vec<u32>> {
    let rank = cursor.u8()?;
    cursor.skip(3 + 4 + 4)?;
    let sizes = [cursor.u32()?, cursor.u32()?, cursor.u32()?, cursor.u32()?];
    if rank > 4 {
        return Err(cursor.damaged(format!("an array of {rank} dimensions in a member")));
    }
    Ok(sizes[..rank.into()].to_vec())
}

fn enumeration(cursor: &mut Cursor, version: u8, count: u32, depth: u32) -> Result<Class> {
    let base = Box::new(Datatype::read_next(cursor, depth)?);
    let names = (0..count).map(|_| name(cursor, version)).collect::<Result<_>>()?;
    let length = u64::from(count) * u64::from(base.size);
    let length = usize::try_from(length).map_err(|_| cursor.damaged("its values are too many"))?;
    Ok(Class::Enumeration { values: cursor.take(length)?, base, names })
}

fn array(cursor: &mut Cursor, version: u8, size: u32, depth: u32) -> Result<Class> {
    let rank = cursor.u8()?;
    if rank > MAX_RANK {
        return Err(cursor.damaged(format!("an array of {rank} dimensions")));
    }
    if version < 3 {
        cursor.skip(3)?;
    }
    let shape = (0..rank).map(|_| cursor.u32()).collect::<Result<Vec<_>>>()?;
    if version < 3 {
        cursor.skip(4 * usize::from(rank))?;
    }
    let base = Box::new(Datatype::read_next(cursor, depth)?);
    let elements = shape.iter().try_fold(1u64, |product, size| product.checked_mul((*size).into()));
    if elements.and_then(|elements| elements.checked_mul(base.size.into())) != Some(size.into()) {
        return Err(cursor.damaged("the size of an array is not that of its elements"));
    }
    Ok(Class::Array { base, shape })
}

impl Datatype {
    /// The word that libhdf5's bindings have for its class.
    pub fn class_name(&self) -> &'static str {
        match &self.class {
            Class::FixedPoint { .. } => "int",
            Class::FloatingPoint { .. } => "float",
            Class::Time { .. } => "time",
            Class::String { .. } | Class::VariableString { .. } => "string",
            Class::Bitfield { .. } => "bitfield",
            Class::Opaque { .. } => "opaque",
            Class::Compound { .. } => "compound",
            Class::Reference { .. } => "reference",
            Class::Enumeration { .. } => "enum",
            Class::VariableLength { .. } => "vlen",
            Class::Array { .. } => "array",
            Class::Complex { .. } => "complex",
        }
    }

    /// Bytes of an element as libhdf5 holds it in memory of a 64-bit machine: what is variable is a pointer there.
    pub fn memory_size(&self) -> u64 {
        let size = u64::from(self.size);
        match &self.class {
            Class::VariableString { .. } => 8,
            Class::VariableLength { .. } => 16,
            // The references of 1.12 and later.
            Class::Reference { kind } if *kind >= 2 => 64,
            Class::Array { base, .. } => size / u64::from(base.size.max(1)) * base.memory_size(),
            Class::Compound { members } => {
                let stored: u64 = members.iter().map(|member| u64::from(member.datatype.size)).sum();
                let held: u64 = members.iter().map(|member| member.datatype.memory_size()).sum();
                size.saturating_sub(stored).saturating_add(held)
            }
            _ => size,
        }
    }
}
