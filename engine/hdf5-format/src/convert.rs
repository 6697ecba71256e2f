//! Numbers and fixed-length strings of one type as elements of another one that holds them all.

use bytes::Bytes;

use crate::datatype::{ByteOrder, Class, Datatype, Padding};

/// An element that is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer { size: u32, signed: bool, order: ByteOrder },
    Float { size: u32, order: ByteOrder },
    String { size: u32, padding: Padding, utf8: bool },
}

impl Kind {
    /// Of a type whose elements are whole bytes of the usual form; nothing for others.
    fn of(datatype: &Datatype) -> Option<Self> {
        let size = datatype.size;
        match datatype.class {
            Class::FixedPoint { order, signed, bit_offset: 0, precision }
                if matches!(size, 1 | 2 | 4 | 8) && u32::from(precision) == 8 * size =>
            {
                Some(Self::Integer { size, signed, order })
            }
            Class::FloatingPoint { order, precision, exponent, mantissa, bias } if order != ByteOrder::Vax => {
                let usual = match size {
                    4 => (precision, exponent, mantissa, bias) == (32, (23, 8), (0, 23), 127),
                    8 => (precision, exponent, mantissa, bias) == (64, (52, 11), (0, 52), 1023),
                    _ => false,
                };
                usual.then_some(Self::Float { size, order })
            }
            Class::String { padding, utf8 } => Some(Self::String { size, padding, utf8 }),
            _ => None,
        }
    }

    /// The least type that holds all values of both.
    fn common(self, other: Self) -> Option<Self> {
        use Kind::{Float, Integer, String};
        match (self, other) {
            (Integer { size: a, signed: left, order }, Integer { size: b, signed: right, order: other }) => {
                let size = match (left, right) {
                    (true, false) => a.max(2 * b),
                    (false, true) => b.max(2 * a),
                    _ => a.max(b),
                };
                (size <= 8).then_some(Integer { size, signed: left || right, order: agreed(order, other) })
            }
            (Float { size: a, order }, Float { size: b, order: other }) => {
                Some(Float { size: a.max(b), order: agreed(order, other) })
            }
            (Integer { size: integer, order, .. }, Float { size, order: other })
            | (Float { size, order }, Integer { size: integer, order: other, .. }) => {
                // As many bits as the mantissa keeps.
                let size = if integer <= 2 { Some(size) } else { (integer <= 4).then_some(8) };
                Some(Float { size: size?, order: agreed(order, other) })
            }
            (String { size: a, padding, utf8 }, String { size: b, padding: other_padding, utf8: other_utf8 })
                if (padding, utf8) == (other_padding, other_utf8) =>
            {
                Some(String { size: a.max(b), padding, utf8 })
            }
            _ => None,
        }
    }

    /// The message of a type. HDF5 File Format Specification 3.0, section IV.A.2.d.
    fn encoded(self) -> Bytes {
        let big = |order| u8::from(order == ByteOrder::Big);
        let (head, size, properties) = match self {
            Self::Integer { size, signed, order } => {
                let properties = [0, (8 * size as u16)].map(u16::to_le_bytes).concat();
                ([0x10, big(order) | u8::from(signed) << 3, 0, 0], size, properties)
            }
            Self::Float { size, order } => {
                let (bits, exponent, mantissa, bias) =
                    if size == 4 { (32u16, [23, 8], [0, 23], 127u32) } else { (64, [52, 11], [0, 52], 1023) };
                let properties = [&[0, 0][..], &bits.to_le_bytes(), &exponent, &mantissa, &bias.to_le_bytes()].concat();
                ([0x11, 0x20 | big(order), bits as u8 - 1, 0], size, properties)
            }
            Self::String { size, padding, utf8 } => {
                let padding = match padding {
                    Padding::NullTerminated => 0,
                    Padding::NullPadded => 1,
                    Padding::SpacePadded => 2,
                };
                ([0x13, padding | u8::from(utf8) << 4, 0, 0], size, Vec::new())
            }
        };
        [&head[..], &size.to_le_bytes(), &properties].concat().into()
    }

    fn datatype(self) -> Datatype {
        let class = match self {
            Self::Integer { size, signed, order } => {
                Class::FixedPoint { order, signed, bit_offset: 0, precision: 8 * size as u16 }
            }
            Self::Float { size: 4, order } => {
                Class::FloatingPoint { order, precision: 32, exponent: (23, 8), mantissa: (0, 23), bias: 127 }
            }
            Self::Float { order, .. } => {
                Class::FloatingPoint { order, precision: 64, exponent: (52, 11), mantissa: (0, 52), bias: 1023 }
            }
            Self::String { padding, utf8, .. } => Class::String { padding, utf8 },
        };
        Datatype { size: self.size() as u32, class, version: 1, encoded: self.encoded() }
    }

    fn size(self) -> usize {
        match self {
            Self::Integer { size, .. } | Self::Float { size, .. } | Self::String { size, .. } => size as usize,
        }
    }
}

/// One byte order for both; little-endian where they have different ones.
fn agreed(a: ByteOrder, b: ByteOrder) -> ByteOrder {
    if a == b { a } else { ByteOrder::Little }
}

impl Datatype {
    /// The type that holds all values of this one and of another: the longer one of two integers, floating point numbers or
    /// fixed-length strings, a signed integer for a signed and an unsigned one, a floating point number for one and an integer
    /// that it holds exactly. Nothing where there is none; the type itself where both are the same.
    pub fn common(&self, other: &Self) -> Option<Self> {
        if self.is_same(other) {
            // The older encoding is known to more readers.
            return Some(if other.version < self.version { other.clone() } else { self.clone() });
        }
        Some(Kind::of(self)?.common(Kind::of(other)?)?.datatype())
    }

    /// Elements as numbers; nothing for types that are no integers of whole bytes.
    pub fn integers<'a>(&self, elements: &'a [u8]) -> Option<impl Iterator<Item = i128> + use<'a>> {
        match Kind::of(self)? {
            Kind::Integer { size, signed, order } => {
                Some(elements.chunks_exact(size as usize).map(move |element| integer(element, signed, order)))
            }
            _ => None,
        }
    }

    /// A little-endian integer of 64 bits with a sign.
    #[must_use]
    pub fn int64() -> Self {
        Kind::Integer { size: 8, signed: true, order: ByteOrder::Little }.datatype()
    }

    /// An integer of 8 bits without a sign.
    #[must_use]
    pub fn uint8() -> Self {
        Kind::Integer { size: 1, signed: false, order: ByteOrder::Little }.datatype()
    }

    /// Its name as programs have it, for messages: `int32`, `float64`, `string of 8 bytes`.
    pub fn short_name(&self) -> String {
        match Kind::of(self) {
            Some(Kind::Integer { size, signed, order }) => {
                format!("{}int{}{}", if signed { "" } else { "u" }, 8 * size, ending(order))
            }
            Some(Kind::Float { size, order }) => format!("float{}{}", 8 * size, ending(order)),
            Some(Kind::String { size, .. }) => format!("string of {size} bytes"),
            None => self.class_name().to_owned(),
        }
    }
}

fn ending(order: ByteOrder) -> &'static str {
    if order == ByteOrder::Big { " (big-endian)" } else { "" }
}

/// Converts elements of one type into those of one that holds all of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    from: Kind,
    to: Kind,
}

impl Conversion {
    /// Nothing where elements of `from` cannot be those of `to` without loss.
    pub fn new(from: &Datatype, to: &Datatype) -> Option<Self> {
        let (from, to) = (Kind::of(from)?, Kind::of(to)?);
        // What holds both is the target itself, but for its byte order.
        (from.common(to)?.size() == to.size()).then_some(Self { from, to })
    }

    /// Appends the elements to `out`.
    pub fn run(&self, elements: &[u8], out: &mut Vec<u8>) {
        for element in elements.chunks_exact(self.from.size().max(1)) {
            self.element(element, out);
        }
    }

    fn element(&self, element: &[u8], out: &mut Vec<u8>) {
        match (self.from, self.to) {
            (Kind::String { padding, .. }, Kind::String { size, .. }) => {
                let fill = if padding == Padding::SpacePadded { b' ' } else { 0 };
                let start = out.len();
                out.extend_from_slice(element);
                out.resize(start + size as usize, fill);
            }
            (Kind::Integer { signed, order, .. }, Kind::Integer { size, order: to, .. }) => {
                put(out, &integer(element, signed, order).to_le_bytes()[..size as usize], to);
            }
            (Kind::Integer { signed, order, .. }, Kind::Float { size, order: to }) => {
                put_float(out, integer(element, signed, order) as f64, size, to);
            }
            (Kind::Float { size, order }, Kind::Float { size: wide, order: to }) if size == wide => {
                // Not by way of a number: the bits of a NaN stay as they are.
                let mut bytes = element.to_vec();
                if order == ByteOrder::Big {
                    bytes.reverse();
                }
                put(out, &bytes, to);
            }
            (Kind::Float { order, .. }, Kind::Float { size, order: to }) => {
                let bits = integer(element, false, order) as u32;
                put_float(out, f32::from_bits(bits).into(), size, to);
            }
            // Conversion::new makes no other pair.
            _ => out.resize(out.len() + self.to.size(), 0),
        }
    }
}

fn integer(element: &[u8], signed: bool, order: ByteOrder) -> i128 {
    let mut bytes = [0; 16];
    let place = &mut bytes[..element.len()];
    place.copy_from_slice(element);
    if order == ByteOrder::Big {
        place.reverse();
    }
    if signed && place.last().is_some_and(|byte| byte & 0x80 != 0) {
        bytes[element.len()..].fill(0xff);
    }
    i128::from_le_bytes(bytes)
}

fn put_float(out: &mut Vec<u8>, value: f64, size: u32, order: ByteOrder) {
    match size {
        4 => put(out, &(value as f32).to_le_bytes(), order),
        _ => put(out, &value.to_le_bytes(), order),
    }
}

fn put(out: &mut Vec<u8>, little: &[u8], order: ByteOrder) {
    match order {
        ByteOrder::Big => out.extend(little.iter().rev()),
        _ => out.extend_from_slice(little),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{Cursor, Widths};

    fn int(size: u32, signed: bool) -> Datatype {
        datatype(Kind::Integer { size, signed, order: ByteOrder::Little })
    }

    fn float(size: u32, order: ByteOrder) -> Datatype {
        datatype(Kind::Float { size, order })
    }

    fn text(size: u32) -> Datatype {
        datatype(Kind::String { size, padding: Padding::NullPadded, utf8: false })
    }

    /// What is made is what a reader makes of its message.
    fn datatype(kind: Kind) -> Datatype {
        let widths = Widths { address: 8, length: 8 };
        let made = kind.datatype();
        let read = Datatype::read(Cursor::new(made.encoded.clone(), widths, "a datatype", 0), 2).unwrap();
        assert_eq!(read, made);
        made
    }

    #[test]
    fn types_have_the_least_in_common_that_holds_both() {
        let check = |a: &Datatype, b: &Datatype, expected: Option<Datatype>| {
            assert_eq!(a.common(b), expected, "{} and {}", a.short_name(), b.short_name());
            assert_eq!(b.common(a), expected, "{} and {}", b.short_name(), a.short_name());
        };
        let double = float(8, ByteOrder::Little);
        check(&int(2, true), &int(4, true), Some(int(4, true)));
        check(&int(1, false), &int(2, true), Some(int(2, true)));
        check(&int(4, false), &int(4, true), Some(int(8, true)));
        check(&int(8, false), &int(8, true), None);
        check(&int(2, true), &float(4, ByteOrder::Little), Some(float(4, ByteOrder::Little)));
        check(&int(4, true), &float(4, ByteOrder::Little), Some(double.clone()));
        check(&int(8, true), &double, None);
        check(&float(4, ByteOrder::Big), &double, Some(double.clone()));
        check(&text(3), &text(8), Some(text(8)));
        check(&text(3), &double, None);
    }

    #[test]
    fn integers_of_any_size_are_numbers() {
        let numbers =
            |datatype: &Datatype, elements: &[u8]| datatype.integers(elements).map(Iterator::collect::<Vec<_>>);
        assert_eq!(numbers(&int(2, true), &[0xfe, 0xff, 1, 0]), Some(vec![-2, 1]));
        assert_eq!(numbers(&int(8, false), &[0xff; 8]), Some(vec![u64::MAX.into()]));
        assert_eq!(numbers(&text(3), b"123"), None);
    }

    #[test]
    fn elements_keep_their_values() {
        let check = |from: &Datatype, to: &Datatype, elements: &[u8], expected: &[u8]| {
            let mut out = Vec::new();
            Conversion::new(from, to).unwrap().run(elements, &mut out);
            assert_eq!(out, expected, "{} to {}", from.short_name(), to.short_name());
        };
        let (big, double) = (float(4, ByteOrder::Big), float(8, ByteOrder::Little));
        check(&int(2, true), &int(4, true), &[0xfe, 0xff, 7, 0], &[0xfe, 0xff, 0xff, 0xff, 7, 0, 0, 0]);
        check(&int(1, false), &int(2, true), &[0xff], &[0xff, 0]);
        check(&big, &double, &1.5f32.to_be_bytes(), &1.5f64.to_le_bytes());
        check(&int(4, true), &double, &(-7i32).to_le_bytes(), &(-7f64).to_le_bytes());
        check(&text(2), &text(4), b"ab", b"ab\0\0");
        let nan = 0x7fa0_0001u32;
        check(&big, &float(4, ByteOrder::Little), &nan.to_be_bytes(), &nan.to_le_bytes());
        assert_eq!(Conversion::new(&double, &big), None);
        assert_eq!(Conversion::new(&int(4, true), &int(2, true)), None);
    }
}
