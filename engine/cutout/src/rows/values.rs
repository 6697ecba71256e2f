//! Elements of a file as values of a field, without rounding.

use std::borrow::Cow;

use spolia_hdf5_format::datatype::{ByteOrder, Class, Datatype, Padding};
use spolia_hdf5_format::{HeapId, Reader};

use crate::error::CutoutError;
use crate::row_model::FieldType;

/// Bytes of one text at most.
const LONGEST_TEXT: usize = 1 << 20;
/// Bytes of all texts that are held at once, at most.
const MOST_TEXT: usize = 256 << 20;

/// Values of one field, flat: for arrays, all elements of all rows.
pub(crate) enum Values {
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Vec<String>),
    Bool(Vec<bool>),
    Bytes(Vec<u8>),
}

/// Where a message is to say that values are.
pub(crate) struct Place<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) path: &'a str,
}

impl Place<'_> {
    pub(crate) fn refused(&self, what: impl std::fmt::Display) -> CutoutError {
        CutoutError::Refused(format!("{}: {what}", self.path))
    }

    pub(crate) fn damaged(&self) -> impl Fn(spolia_hdf5_format::Hdf5Error) -> CutoutError + use<> {
        let file = self.path.to_owned();
        move |source| CutoutError::Hdf5 { file: file.clone(), source }
    }

    /// Takes elements as values of a type. What decimals are made of become texts, for these are exact.
    pub(crate) fn values(
        &self,
        datatype: &Datatype,
        elements: &[u8],
        wanted: FieldType,
    ) -> Result<Values, CutoutError> {
        let each = elements.chunks_exact(datatype.size.max(1) as usize);
        use FieldType as F;
        match (wanted, &datatype.class) {
            (F::Int64 | F::Int32 | F::Int16 | F::Date, Class::FixedPoint { order, signed, .. })
                if is_integer(datatype) =>
            {
                Ok(Values::Int(each.map(|bytes| self.integer(bytes, *order, *signed)).collect::<Result<_, _>>()?))
            }
            (F::Float64, Class::FloatingPoint { order, .. }) if is_ieee(datatype, 8) => {
                Ok(Values::Float(each.map(|bytes| f64::from_bits(bits(bytes, *order))).collect()))
            }
            (F::Float64 | F::Float32, Class::FloatingPoint { order, .. }) if is_ieee(datatype, 4) => {
                Ok(Values::Float(each.map(|bytes| f32::from_bits(bits(bytes, *order) as u32).into()).collect()))
            }
            (F::Bool, Class::Enumeration { names, values, .. })
                if *names == ["FALSE", "TRUE"] && values[..] == [0, 1] =>
            {
                let truth = |bytes: &[u8]| match bytes {
                    [0] => Ok(false),
                    [1] => Ok(true),
                    _ => Err(self.refused(format!("{} is neither true nor false", bytes[0]))),
                };
                Ok(Values::Bool(each.map(truth).collect::<Result<_, _>>()?))
            }
            (F::Utf8 | F::TimestampUs | F::Date | F::Uuid | F::Decimal { .. }, Class::String { padding, .. }) => {
                Ok(Values::Text(self.texts(each.map(|bytes| Ok(Cow::Borrowed(unpadded(bytes, *padding)))))?))
            }
            (F::Utf8 | F::TimestampUs | F::Date | F::Uuid | F::Decimal { .. }, Class::VariableString { .. }) => {
                Ok(Values::Text(self.texts(each.map(|bytes| self.variable(bytes).map(Cow::Owned)))?))
            }
            (F::Decimal { .. }, Class::FixedPoint { .. }) if let Some(numbers) = datatype.integers(elements) => {
                Ok(Values::Text(numbers.map(|number| number.to_string()).collect()))
            }
            (F::Decimal { .. }, Class::FloatingPoint { order, .. }) if is_ieee(datatype, 8) => Ok(Values::Text(
                each.map(|bytes| decimal_text(f64::from_bits(bits(bytes, *order)).to_string())).collect(),
            )),
            (F::Decimal { .. }, Class::FloatingPoint { order, .. }) if is_ieee(datatype, 4) => Ok(Values::Text(
                each.map(|bytes| decimal_text(f32::from_bits(bits(bytes, *order) as u32).to_string())).collect(),
            )),
            (F::Binary | F::Uuid, Class::Opaque { .. }) => Ok(Values::Bytes(elements.to_vec())),
            (F::Binary | F::Uuid, Class::FixedPoint { signed: false, .. })
                if is_integer(datatype) && datatype.size == 1 =>
            {
                Ok(Values::Bytes(elements.to_vec()))
            }
            (wanted, _) => Err(self.refused(format!("it is {}, which is not {wanted}", datatype.short_name()))),
        }
    }

    fn integer(&self, bytes: &[u8], order: ByteOrder, signed: bool) -> Result<i64, CutoutError> {
        let (bits, unused) = (bits(bytes, order), 64 - 8 * bytes.len() as u32);
        if signed {
            return Ok((bits << unused) as i64 >> unused);
        }
        i64::try_from(bits).map_err(|_| self.refused(format!("{bits} does not fit a signed 64-bit integer")))
    }

    /// The letters of a text of variable length.
    fn variable(&self, element: &[u8]) -> Result<Vec<u8>, CutoutError> {
        let data = HeapId::from_element(self.reader, element).and_then(|id| id.data(self.reader, 1));
        Ok(unpadded(&data.map_err(self.damaged())?, Padding::NullTerminated).to_vec())
    }

    fn texts<'b>(
        &self,
        letters: impl Iterator<Item = Result<Cow<'b, [u8]>, CutoutError>>,
    ) -> Result<Vec<String>, CutoutError> {
        let mut all = 0;
        let text = |letters: Result<Cow<[u8]>, CutoutError>| {
            let letters = letters?.into_owned();
            all += letters.len();
            if letters.len() > LONGEST_TEXT || all > MOST_TEXT {
                return Err(self.refused(format!("its texts are too long (at most {LONGEST_TEXT} bytes each)")));
            }
            String::from_utf8(letters).map_err(|_| self.refused("a text in it is no UTF-8"))
        };
        letters.map(text).collect()
    }
}

/// Up to eight bytes as a number.
fn bits(bytes: &[u8], order: ByteOrder) -> u64 {
    let shifted = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match order {
        ByteOrder::Big => bytes.iter().fold(0, shifted),
        _ => bytes.iter().rev().fold(0, shifted),
    }
}

/// Whether it is an integer of whole bytes, at most 64 bits.
fn is_integer(datatype: &Datatype) -> bool {
    match &datatype.class {
        Class::FixedPoint { order, bit_offset: 0, precision, .. } => {
            u32::from(*precision) == 8 * datatype.size && datatype.size <= 8 && *order != ByteOrder::Vax
        }
        _ => false,
    }
}

/// The text of a float as a decimal; an empty one for NaN, which is none.
fn decimal_text(shortest: String) -> String {
    if shortest == "NaN" { String::new() } else { shortest }
}

/// Whether it is a floating point number of IEEE 754 of so many bytes.
fn is_ieee(datatype: &Datatype, size: u32) -> bool {
    let form = match size {
        4 => ((23, 8), (0, 23), 127),
        _ => ((52, 11), (0, 52), 1023),
    };
    match &datatype.class {
        Class::FloatingPoint { order, precision, exponent, mantissa, bias } => {
            datatype.size == size
                && u32::from(*precision) == 8 * size
                && (*exponent, *mantissa, *bias) == form
                && *order != ByteOrder::Vax
        }
        _ => false,
    }
}

/// The letters of a text of fixed length.
fn unpadded(bytes: &[u8], padding: Padding) -> &[u8] {
    let last = |keep: &dyn Fn(u8) -> bool| bytes.iter().rposition(|byte| keep(*byte)).map_or(0, |last| last + 1);
    let end = match padding {
        Padding::NullTerminated => bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()),
        Padding::NullPadded => last(&|byte| byte != 0),
        Padding::SpacePadded => last(&|byte| byte != b' '),
    };
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_either_order() {
        assert_eq!(bits(&[1, 2, 3], ByteOrder::Little), 0x03_02_01);
        assert_eq!(bits(&[1, 2, 3], ByteOrder::Big), 0x01_02_03);
    }

    #[test]
    fn texts_end_where_their_padding_begins() {
        assert_eq!(unpadded(b"ab\0c\0", Padding::NullTerminated), b"ab");
        assert_eq!(unpadded(b"ab\0c\0", Padding::NullPadded), b"ab\0c");
        assert_eq!(unpadded(b"ab c  ", Padding::SpacePadded), b"ab c");
        assert_eq!(unpadded(b"", Padding::SpacePadded), b"");
    }
}
