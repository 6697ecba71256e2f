//! TABLEDATA: rows as XML elements. VOTable 1.4 section 5.1.
//!
//! A null is an empty cell; a null array of fixed size is written with every element null, for its size is declared.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{Document, xml};
use crate::cell::{Cell, Elements, columns};
use crate::encoder::{Encode, Status};
use crate::error::{FormatError, Result};
use crate::field::{Shape, VoField};
use crate::info::ResultInfo;
use crate::literal;

pub(crate) struct Tabledata {
    document: Document,
}

impl Tabledata {
    pub(crate) fn new(schema: &SchemaRef, info: ResultInfo) -> Result<Self> {
        Ok(Tabledata { document: Document::new(schema, info)? })
    }
}

impl Encode for Tabledata {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.document.head(out);
        out.extend_from_slice(b"<DATA><TABLEDATA>\n");
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(b"<TR>");
            for (column, field) in columns.iter().zip(&self.document.fields) {
                out.extend_from_slice(b"<TD>");
                write_cell(column.cell(row), field, out)?;
                out.extend_from_slice(b"</TD>");
            }
            out.extend_from_slice(b"</TR>\n");
        }
        Ok(())
    }

    fn finish(self: Box<Self>, status: &Status, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(b"</TABLEDATA></DATA>\n");
        self.document.tail(status, out);
        Ok(())
    }
}

fn write_cell(cell: Cell<'_>, field: &VoField, out: &mut Vec<u8>) -> Result<()> {
    match (cell, field.shape) {
        (Cell::Array(elements), shape) => write_array(elements, shape, field, out)?,
        (Cell::Null, Shape::Fixed(size)) => {
            for at in 0..size {
                separate(at, out);
                write_null_element(field, out);
            }
        }
        (scalar, _) => write_scalar(scalar, out),
    }
    Ok(())
}

fn write_array(elements: Elements<'_>, shape: Shape, field: &VoField, out: &mut Vec<u8>) -> Result<()> {
    field.check_length(shape, elements.len())?;
    for (at, element) in elements.iter().enumerate() {
        separate(at, out);
        match element {
            Cell::Null => write_null_element(field, out),
            element => {
                field.check_not_null(&element)?;
                write_scalar(element, out);
            }
        }
    }
    Ok(())
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b' ');
    }
}

fn write_null_element(field: &VoField, out: &mut Vec<u8>) {
    match field.null_element {
        Some(null) => literal::integer(null, out),
        None if field.datatype == crate::Datatype::Boolean => out.push(b'?'),
        None => out.extend_from_slice(b"NaN"),
    }
}

#[inline]
fn write_scalar(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null | Cell::Array(_) => {}
        Cell::Boolean(value) => out.push(if value { b'T' } else { b'F' }),
        Cell::Byte(value) => literal::integer(value, out),
        Cell::Short(value) => literal::integer(value, out),
        Cell::Int(value) => literal::integer(value, out),
        Cell::Long(value) => literal::integer(value, out),
        Cell::Float(value) => literal::float(value, &literal::VOTABLE, out),
        Cell::Double(value) => literal::double(value, &literal::VOTABLE, out),
        Cell::Text(value) => xml::text(value, out),
        Cell::Timestamp(ticks, unit) => literal::timestamp(ticks, unit, out),
        Cell::Date(days) => literal::date(days, out),
        Cell::Decimal(value, scale) => literal::decimal(value, scale, out),
    }
}

impl VoField {
    /// Refuses an array that isn't as long as declared.
    pub(crate) fn check_length(&self, shape: Shape, found: usize) -> Result<()> {
        match shape {
            Shape::Fixed(declared) if declared != found => {
                Err(FormatError::ArrayLength { column: self.name.clone(), declared, found })
            }
            _ => Ok(()),
        }
    }

    /// Refuses an array element that equals the value standing for null.
    #[inline]
    pub(crate) fn check_not_null(&self, element: &Cell<'_>) -> Result<()> {
        let value = match element {
            Cell::Short(value) => i64::from(*value),
            Cell::Int(value) => i64::from(*value),
            Cell::Long(value) => *value,
            _ => return Ok(()),
        };
        if self.null_element == Some(value) {
            return Err(FormatError::NullCollision { column: self.name.clone(), value });
        }
        Ok(())
    }
}
