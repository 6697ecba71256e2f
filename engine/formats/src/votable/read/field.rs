//! FIELD elements as columns. VOTable 1.4 sections 2.1, 2.2 and 4.1.

use std::collections::HashMap;
use std::io::BufRead;

use arrow::datatypes::Field;

use super::error::{Result, VotableError, quoted};
use super::xml::{Attributes, Node, Xml};
use crate::field::Datatype;
use crate::incoming::{Arity, IncomingColumn, LONGEST_FIXED, Primitive};

/// Bytes of a FIELD's DESCRIPTION.
const LONGEST_DESCRIPTION: usize = 64 << 10;

/// A column as the document declares it.
pub(super) struct VoColumn {
    pub(super) name: String,
    pub(super) datatype: Datatype,
    /// How many primitives a cell has; of text, characters.
    pub(super) size: Arity,
    /// Product of the axes before the last; one for what has no axes.
    pub(super) inner: usize,
    pub(super) is_time: bool,
    /// A boolean that is one bit of a byte.
    pub(super) is_bit: bool,
    pub(super) null: Option<Null>,
    arraysize: Option<String>,
    metadata: HashMap<String, String>,
}

/// The value that stands for null: `VALUES null`.
pub(super) struct Null {
    pub(super) text: String,
    pub(super) integer: Option<i64>,
    pub(super) double: Option<f64>,
}

impl VoColumn {
    /// Reads a FIELD whose start was read, to its end. `number` counts the columns from 1.
    pub(super) fn read<R: BufRead>(xml: &mut Xml<R>, attributes: &Attributes, number: usize) -> Result<Self> {
        let mut column = Self::of(xml, attributes, number)?;
        let outside = xml.depth() - 1;
        while xml.depth() > outside {
            let Node::Open(tag) = xml.next()? else { continue };
            match tag.name() {
                "DESCRIPTION" => {
                    let text = xml.text(LONGEST_DESCRIPTION)?;
                    column.metadata.insert("description".to_owned(), text.trim().to_owned());
                }
                "VALUES" => {
                    let null = tag.attributes()?.get("null").map(str::to_owned);
                    xml.skip()?;
                    if let Some(null) = null {
                        column.set_null(&null).map_err(|problem| refused(xml, number, &column.name, problem))?;
                    }
                }
                _ => xml.skip()?,
            }
        }
        Ok(column)
    }

    /// What attributes declare.
    pub(super) fn of<R: BufRead>(xml: &Xml<R>, attributes: &Attributes, number: usize) -> Result<Self> {
        declared(attributes).map_err(|(name, problem)| refused(xml, number, &name, problem))
    }

    fn set_null(&mut self, text: &str) -> std::result::Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let integer = integer(text);
        if self.datatype.is_integer() && integer.is_none() {
            return Err(format!("VALUES null={:?} is no {}; correct it", quoted(text), self.datatype));
        }
        self.null = Some(Null { text: text.to_owned(), integer, double: text.parse().ok() });
        Ok(())
    }

    /// The Arrow field, and what collects its cells.
    pub(super) fn incoming(&self) -> (Field, IncomingColumn) {
        let primitive = match self.datatype {
            _ if self.is_time => Primitive::Timestamp,
            Datatype::Boolean => Primitive::Boolean,
            Datatype::UnsignedByte | Datatype::Short => Primitive::Short,
            Datatype::Int => Primitive::Int,
            Datatype::Long => Primitive::Long,
            Datatype::Float => Primitive::Float,
            Datatype::Double => Primitive::Double,
            Datatype::Char | Datatype::UnicodeChar => Primitive::Text,
        };
        let arity = if self.datatype.is_text() { Arity::One } else { self.size };
        let column = IncomingColumn::new(primitive, arity);
        let mut metadata = self.metadata.clone();
        metadata.extend(self.arraysize.iter().map(|size| ("arraysize".to_owned(), size.clone())));
        metadata.retain(|_, value| !value.is_empty());
        (Field::new(&self.name, column.data_type(), true).with_metadata(metadata), column)
    }
}

fn refused<R: BufRead>(xml: &Xml<R>, column: usize, name: &str, problem: String) -> VotableError {
    VotableError::Field { line: xml.line(), column, name: quoted(name), problem }
}

/// What the attributes say, or the column's name and what is wrong.
fn declared(attributes: &Attributes) -> std::result::Result<VoColumn, (String, String)> {
    let named = |key| attributes.get(key).filter(|name: &&str| !name.trim().is_empty());
    let name = named("name").or_else(|| named("ID")).unwrap_or_default().to_owned();
    let refuse = |problem: String| (name.clone(), problem);
    if name.is_empty() {
        return Err(refuse("a FIELD has neither a name nor an ID; name it".to_owned()));
    }
    let datatype = datatype(attributes.get("datatype").unwrap_or_default()).map_err(&refuse)?;
    let is_bit = attributes.get("datatype") == Some("bit");
    let (size, inner) = arraysize(attributes.get("arraysize"), datatype).map_err(&refuse)?;
    if is_bit && size != Arity::One {
        return Err(refuse("arrays of bits have no type in queries; write them as boolean or unsignedByte".to_owned()));
    }
    let mut metadata: HashMap<String, String> = ["unit", "ucd", "utype", "xtype"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), attributes.get(key)?.trim().to_owned())))
        .collect();
    let is_time = datatype.is_text()
        && metadata
            .get("xtype")
            .is_some_and(|xtype| ["timestamp", "adql:timestamp"].contains(&xtype.to_lowercase().as_str()));
    if is_time {
        metadata.insert("xtype".to_owned(), "timestamp".to_owned());
    }
    let arraysize =
        attributes.get("arraysize").filter(|_| size != Arity::One && !is_time).map(|size| size.trim().to_owned());
    Ok(VoColumn { name, datatype, size, inner, is_time, is_bit, null: None, arraysize, metadata })
}

fn datatype(name: &str) -> std::result::Result<Datatype, String> {
    use Datatype::{Boolean, Char, Double, Float, Int, Long, Short, UnicodeChar, UnsignedByte};
    let known = [Boolean, UnsignedByte, Short, Int, Long, Float, Double, Char, UnicodeChar];
    // A single bit is a boolean; astropy writes its booleans so.
    let name = if name == "bit" { "boolean" } else { name };
    known.into_iter().find(|datatype| datatype.name() == name).ok_or_else(|| match name {
        "floatComplex" | "doubleComplex" => format!("{name} has no type in queries; write its parts as two columns"),
        "" => "it has no datatype; declare one".to_owned(),
        other => format!("{:?} is no datatype of VOTable; correct it", quoted(other)),
    })
}

/// The number of primitives, and the product of the axes before the last.
fn arraysize(declared: Option<&str>, datatype: Datatype) -> std::result::Result<(Arity, usize), String> {
    let Some(declared) = declared.map(str::trim).filter(|size| !size.is_empty()) else { return Ok((Arity::One, 1)) };
    let wrong = || {
        let most = LONGEST_FIXED;
        format!("arraysize={:?} is none of VOTable's with at most {most} elements; correct it", quoted(declared))
    };
    let axes: Vec<&str> = declared.split('x').collect();
    if datatype.is_text() && axes.len() > 1 {
        return Err("arrays of texts have no type in queries; write a column for each, or one text".to_owned());
    }
    let (last, before) = axes.split_last().ok_or_else(wrong)?;
    let mut inner: usize = 1;
    for axis in before {
        inner = inner
            .checked_mul(length(axis).ok_or_else(wrong)?)
            .filter(|size| *size <= LONGEST_FIXED)
            .ok_or_else(wrong)?;
    }
    if let Some(most) = last.trim().strip_suffix('*') {
        let is_bound = most.is_empty() || most.bytes().all(|byte| byte.is_ascii_digit());
        return if is_bound { Ok((Arity::Any, inner)) } else { Err(wrong()) };
    }
    let size = length(last)
        .and_then(|last| inner.checked_mul(last))
        .filter(|size| *size <= LONGEST_FIXED)
        .ok_or_else(wrong)?;
    // A scalar, as DALI and most writers have it.
    let arity = if size == 1 && axes.len() == 1 { Arity::One } else { Arity::Fixed(size) };
    Ok((arity, inner))
}

fn length(axis: &str) -> Option<usize> {
    let axis = axis.trim();
    axis.bytes().all(|byte| byte.is_ascii_digit()).then(|| axis.parse().ok()).flatten().filter(|length| *length > 0)
}

/// An integer as decimal digits, or as hexadecimal ones behind `0x`. VOTable 1.4 section 6.
pub(super) fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(['+', '-']) => None,
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}
