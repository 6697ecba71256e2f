//! One column that comes in: its Arrow type and what is collected of it.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, FixedSizeListArray, Float32Builder, Float64Builder, Int16Builder,
    Int32Builder, Int64Builder, ListArray, NullBufferBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::error::ArrowError;

use crate::cell::Cell;

/// What a column or the elements of its arrays are, in the types that queries know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    Boolean,
    Short,
    Int,
    Long,
    Float,
    Double,
    Text,
    /// Microseconds since 1970-01-01, without a zone.
    Timestamp,
}

impl Primitive {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Primitive::Boolean => DataType::Boolean,
            Primitive::Short => DataType::Int16,
            Primitive::Int => DataType::Int32,
            Primitive::Long => DataType::Int64,
            Primitive::Float => DataType::Float32,
            Primitive::Double => DataType::Float64,
            Primitive::Text => DataType::Utf8,
            Primitive::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// Bytes of one value beside what a text has.
    fn width(self) -> usize {
        match self {
            Primitive::Boolean => 1,
            Primitive::Short => 2,
            Primitive::Int | Primitive::Float | Primitive::Text => 4,
            Primitive::Long | Primitive::Double | Primitive::Timestamp => 8,
        }
    }
}

/// How many primitives a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    One,
    /// Always this many, at least one.
    Fixed(usize),
    Any,
}

/// The cells of a column that were pushed since the last batch.
pub(crate) struct IncomingColumn {
    primitive: Primitive,
    arity: Arity,
    items: Items,
    /// Where arrays end among the items, and which are null; unused if the arity is one.
    ends: Vec<i32>,
    valid: NullBufferBuilder,
    /// Bytes taken since [`IncomingColumn::take_bytes`].
    bytes: usize,
}

impl IncomingColumn {
    pub(crate) fn new(primitive: Primitive, arity: Arity) -> Self {
        let (items, valid) = (Items::new(primitive), NullBufferBuilder::new(0));
        IncomingColumn { primitive, arity, items, ends: Vec::new(), valid, bytes: 0 }
    }

    pub(crate) fn arity(&self) -> Arity {
        self.arity
    }

    /// The Arrow type of the column. Elements may be null.
    pub(crate) fn data_type(&self) -> DataType {
        match self.arity {
            Arity::One => self.primitive.data_type(),
            Arity::Any => DataType::List(self.item()),
            // The size is at most LONGEST_FIXED.
            Arity::Fixed(size) => DataType::FixedSizeList(self.item(), i32::try_from(size).unwrap_or(i32::MAX)),
        }
    }

    fn item(&self) -> Arc<Field> {
        Arc::new(Field::new("item", self.primitive.data_type(), true))
    }

    /// A value of the column, or an element of the array that is being pushed.
    pub(crate) fn push(&mut self, value: Cell<'_>) {
        self.bytes += self.primitive.width();
        if let Cell::Text(text) = value {
            self.bytes += text.len();
        }
        self.items.push(value);
    }

    /// Ends an array of as many elements as were pushed.
    pub(crate) fn end_array(&mut self) {
        self.end(true);
    }

    /// A null, of which nothing was pushed.
    pub(crate) fn push_null(&mut self) {
        match self.arity {
            Arity::One => return self.push(Cell::Null),
            Arity::Fixed(size) => (0..size).for_each(|_| self.push(Cell::Null)),
            Arity::Any => {}
        }
        self.end(false);
    }

    fn end(&mut self, valid: bool) {
        self.bytes += size_of::<i32>();
        self.ends.push(i32::try_from(self.items.len()).unwrap_or(i32::MAX));
        self.valid.append(valid);
    }

    pub(crate) fn take_bytes(&mut self) -> usize {
        std::mem::take(&mut self.bytes)
    }

    /// What was pushed, as an array; the column is empty again.
    pub(crate) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let items = self.items.take();
        let ends = std::mem::take(&mut self.ends);
        let valid = self.valid.finish();
        Ok(match self.arity {
            Arity::One => items,
            Arity::Any => {
                let offsets = OffsetBuffer::new(std::iter::once(0).chain(ends).collect());
                Arc::new(ListArray::try_new(self.item(), offsets, items, valid)?)
            }
            Arity::Fixed(size) => {
                let size = i32::try_from(size).unwrap_or(i32::MAX);
                Arc::new(FixedSizeListArray::try_new(self.item(), size, items, valid)?)
            }
        })
    }
}

enum Items {
    Boolean(BooleanBuilder),
    Short(Int16Builder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Items {
    fn new(primitive: Primitive) -> Self {
        match primitive {
            Primitive::Boolean => Items::Boolean(BooleanBuilder::new()),
            Primitive::Short => Items::Short(Int16Builder::new()),
            Primitive::Int => Items::Int(Int32Builder::new()),
            Primitive::Long => Items::Long(Int64Builder::new()),
            Primitive::Float => Items::Float(Float32Builder::new()),
            Primitive::Double => Items::Double(Float64Builder::new()),
            Primitive::Text => Items::Text(StringBuilder::new()),
            Primitive::Timestamp => Items::Timestamp(TimestampMicrosecondBuilder::new()),
        }
    }

    fn builder(&mut self) -> &mut dyn ArrayBuilder {
        match self {
            Items::Boolean(builder) => builder,
            Items::Short(builder) => builder,
            Items::Int(builder) => builder,
            Items::Long(builder) => builder,
            Items::Float(builder) => builder,
            Items::Double(builder) => builder,
            Items::Text(builder) => builder,
            Items::Timestamp(builder) => builder,
        }
    }

    fn len(&mut self) -> usize {
        self.builder().len()
    }

    fn take(&mut self) -> ArrayRef {
        self.builder().finish()
    }

    /// What is not of the column's type is a null; decoders make none.
    fn push(&mut self, value: Cell<'_>) {
        match (self, value) {
            (Items::Boolean(builder), value) => builder.append_option(match value {
                Cell::Boolean(value) => Some(value),
                _ => None,
            }),
            (Items::Short(builder), value) => builder.append_option(match value {
                Cell::Short(value) => Some(value),
                Cell::Byte(value) => Some(i16::from(value)),
                _ => None,
            }),
            (Items::Int(builder), value) => builder.append_option(match value {
                Cell::Int(value) => Some(value),
                _ => None,
            }),
            (Items::Long(builder), value) => builder.append_option(match value {
                Cell::Long(value) => Some(value),
                _ => None,
            }),
            (Items::Float(builder), value) => builder.append_option(match value {
                Cell::Float(value) => Some(value),
                _ => None,
            }),
            (Items::Double(builder), value) => builder.append_option(match value {
                Cell::Double(value) => Some(value),
                _ => None,
            }),
            (Items::Text(builder), value) => builder.append_option(match value {
                Cell::Text(value) => Some(value),
                _ => None,
            }),
            (Items::Timestamp(builder), value) => builder.append_option(match value {
                Cell::Timestamp(value, TimeUnit::Microsecond) => Some(value),
                _ => None,
            }),
        }
    }
}
