//! One column: its entry in the head, and its cells.

use std::collections::HashMap;

use arrow::datatypes::{Field, TimeUnit};

use super::yaml::Yaml;
use crate::cell::Cell;
use crate::incoming::{Arity, IncomingColumn, LONGEST_FIXED, Primitive, quoted};
use crate::literal;

pub(super) struct EcsvColumn {
    pub(super) name: String,
    primitive: Primitive,
    arity: Arity,
    /// The least and the greatest value of integers.
    range: (i128, i128),
    metadata: HashMap<String, String>,
}

type Said<T> = Result<T, String>;

impl EcsvColumn {
    pub(super) fn declared(entry: &Yaml) -> Said<Self> {
        let name = entry.text("name").filter(|name| !name.is_empty()).ok_or("it has no name")?.to_owned();
        let datatype = entry.text("datatype").ok_or("it has no datatype")?;
        let (datatype, arity, arraysize) = match entry.text("subtype").map(|subtype| subtype.split_once('[')) {
            None => (datatype, Arity::One, None),
            Some(Some((item, shape))) => {
                let (arity, arraysize) =
                    arity(shape).ok_or_else(|| format!("its shape [{} is none that is read", quoted(shape)))?;
                (item, arity, Some(arraysize))
            }
            Some(None) => return Err("objects have no type in queries; leave it out or write it as text".to_owned()),
        };
        let (primitive, range) =
            primitive(datatype).ok_or_else(|| format!("its datatype {:?} is none of ECSV's", quoted(datatype)))?;
        if primitive == Primitive::Text && arity != Arity::One {
            return Err("arrays of texts have no type in queries; write a column for each, or one text".to_owned());
        }
        let entries = ["unit", "description"].iter().map(|key| (*key, entry.text(key)));
        let meta =
            ["ucd", "utype", "xtype"].iter().map(|key| (*key, entry.get("meta").and_then(|meta| meta.text(key))));
        let mut metadata: HashMap<String, String> =
            entries.chain(meta).filter_map(|(key, text)| Some((key.to_owned(), text?.to_owned()))).collect();
        metadata.extend(arraysize.map(|size| ("arraysize".to_owned(), size)));
        metadata.retain(|_, value| !value.is_empty());
        let is_time = primitive == Primitive::Text && metadata.get("xtype").is_some_and(|xtype| xtype == "timestamp");
        let primitive = if is_time { Primitive::Timestamp } else { primitive };
        Ok(EcsvColumn { name, primitive, arity, range, metadata })
    }

    /// The Arrow field, and what collects its cells.
    pub(super) fn incoming(&self) -> (Field, IncomingColumn) {
        let column = IncomingColumn::new(self.primitive, self.arity);
        (Field::new(&self.name, column.data_type(), true).with_metadata(self.metadata.clone()), column)
    }

    /// Takes a cell; an empty one is a null.
    pub(super) fn push(&self, text: &str, incoming: &mut IncomingColumn) -> Said<()> {
        if text.is_empty() {
            incoming.push_null();
            return Ok(());
        }
        if self.arity == Arity::One {
            incoming.push(self.value(text)?);
            return Ok(());
        }
        // JSON, of which only numbers, words and brackets can be there; those of inner axes say nothing new.
        if !(text.starts_with('[') && text.ends_with(']')) {
            return Err(format!("{:?} is no array", quoted(text)));
        }
        let mut elements = 0;
        for element in text.split(|c: char| "[], \t".contains(c)).filter(|element| !element.is_empty()) {
            incoming.push(if element == "null" { Cell::Null } else { self.value(element)? });
            elements += 1;
        }
        match self.arity {
            Arity::Fixed(size) if size != elements => {
                Err(format!("it has {elements} elements where the head declares {size}"))
            }
            _ => {
                incoming.end_array();
                Ok(())
            }
        }
    }

    fn value<'a>(&self, text: &'a str) -> Said<Cell<'a>> {
        let wrong = || format!("{:?} is no value of its datatype", quoted(text));
        let value = match self.primitive {
            Primitive::Text => Some(Cell::Text(text)),
            Primitive::Timestamp => {
                literal::parse_timestamp(text).map(|ticks| Cell::Timestamp(ticks, TimeUnit::Microsecond))
            }
            Primitive::Boolean => match text {
                "True" | "true" | "1" => Some(Cell::Boolean(true)),
                "False" | "false" | "0" => Some(Cell::Boolean(false)),
                _ => None,
            },
            Primitive::Float => {
                text.parse().ok().filter(|value: &f32| value.is_finite() || is_word(text)).map(Cell::Float)
            }
            Primitive::Double => {
                text.parse().ok().filter(|value: &f64| value.is_finite() || is_word(text)).map(Cell::Double)
            }
            Primitive::Short | Primitive::Int | Primitive::Long => self.integer(text),
        };
        value.ok_or_else(wrong)
    }

    fn integer(&self, text: &str) -> Option<Cell<'static>> {
        let value: i128 = text.parse().ok().filter(|value| (self.range.0..=self.range.1).contains(value))?;
        match self.primitive {
            Primitive::Short => i16::try_from(value).ok().map(Cell::Short),
            Primitive::Int => i32::try_from(value).ok().map(Cell::Int),
            _ => i64::try_from(value).ok().map(Cell::Long),
        }
    }
}

/// `nan` or `inf`, as opposed to digits beyond the type.
fn is_word(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_digit())
}

fn primitive(datatype: &str) -> Option<(Primitive, (i128, i128))> {
    let signed = |bits: u32| (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
    let unsigned = |bits: u32| (0, (1_i128 << bits) - 1);
    Some(match datatype {
        "bool" => (Primitive::Boolean, (0, 0)),
        "int8" => (Primitive::Short, signed(8)),
        "uint8" => (Primitive::Short, unsigned(8)),
        "int16" => (Primitive::Short, signed(16)),
        "uint16" => (Primitive::Int, unsigned(16)),
        "int32" => (Primitive::Int, signed(32)),
        "uint32" => (Primitive::Long, unsigned(32)),
        "int64" => (Primitive::Long, signed(64)),
        // What is beyond the signed range is refused.
        "uint64" => (Primitive::Long, unsigned(63)),
        "float16" | "float32" => (Primitive::Float, (0, 0)),
        "float64" | "float128" => (Primitive::Double, (0, 0)),
        "string" => (Primitive::Text, (0, 0)),
        _ => return None,
    })
}

/// `3]`, `2,5]` or `2,null]`, as ECSV has it: the last axis changes fastest, in VOTable the first.
fn arity(shape: &str) -> Option<(Arity, String)> {
    let axes: Vec<&str> = shape.strip_suffix(']')?.split(',').map(str::trim).collect();
    let sizes =
        axes.iter().filter(|axis| **axis != "null").map(|axis| axis.parse().ok().filter(|size: &usize| *size > 0));
    let sizes: Vec<usize> = sizes.collect::<Option<_>>()?;
    let size = sizes
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
        .filter(|size| *size <= LONGEST_FIXED)?;
    match sizes.len() == axes.len() {
        true => Some((Arity::Fixed(size), sizes.iter().rev().map(usize::to_string).collect::<Vec<_>>().join("x"))),
        false => Some((Arity::Any, "*".to_owned())),
    }
}
