//! One column being filled.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field};

use super::items::{item_type, items};
use super::values::Values;
use crate::error::CutoutError;
use crate::row_model::{Count, FieldType, RowField};

/// Elements of an array at most: those who read the column hold no longer ones.
const MOST_ELEMENTS: u64 = 1 << 20;
/// Arrays that are put together before there are more: an object has one for each field.
const MOST_PIECES: usize = 256;

/// Values of some rows.
pub(super) struct Found {
    pub values: Values,
    /// How many of them belong to each row; of bytes, how many bytes.
    pub counts: Vec<u64>,
}

/// Where a message is to say that rows are.
pub(super) struct At<'a> {
    /// The dataset or attribute.
    pub path: &'a str,
    /// The number of the first row; nothing where the path tells the object.
    pub first_row: Option<u64>,
}

impl At<'_> {
    fn refused(&self, row: usize, what: impl std::fmt::Display) -> CutoutError {
        let path = self.path;
        CutoutError::Refused(match self.first_row {
            Some(first) => format!("{path}, row {}: {what}", first + row as u64),
            None => format!("{path}: {what}"),
        })
    }
}

/// A column of the answer.
pub(super) struct Column {
    field: RowField,
    /// Its items, one array after the other.
    pieces: Vec<ArrayRef>,
    bytes: usize,
    /// Of arrays, how many items each row has, and whether it has a value at all.
    lengths: Vec<usize>,
    present: Vec<bool>,
}

impl Column {
    /// An empty column.
    pub(super) fn new(field: &RowField) -> Self {
        Self { field: field.clone(), pieces: Vec::new(), bytes: 0, lengths: Vec::new(), present: Vec::new() }
    }

    /// About how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends rows that have no value.
    pub(super) fn append_absent(&mut self, rows: usize) -> Result<(), CutoutError> {
        if self.field.count == Count::One {
            return self.push(new_null_array(&item_type(self.field.data_type), rows));
        }
        self.note(std::iter::repeat_n(0, rows), false);
        Ok(())
    }

    /// Appends rows.
    pub(super) fn append(&mut self, found: Found, at: &At) -> Result<(), CutoutError> {
        self.check_counts(&found, at)?;
        let Found { values, counts } = found;
        let of_row = |item: usize| self.row_of(item, &counts);
        let array = items(values, &counts, self.field.data_type);
        let array = array.map_err(|(item, fault)| at.refused(of_row(item), fault))?;
        if let Some(null) =
            array.nulls().filter(|_| self.field.required).and_then(|nulls| (!nulls.inner()).set_indices().next())
        {
            return Err(at.refused(of_row(null), "it has no value (NaN, or an empty text), where one is required"));
        }
        if self.field.count != Count::One {
            self.note(counts.iter().map(|count| *count as usize), true);
        }
        self.push(array)
    }

    fn note(&mut self, lengths: impl Iterator<Item = usize>, present: bool) {
        self.lengths.extend(lengths);
        self.present.resize(self.lengths.len(), present);
    }

    fn push(&mut self, piece: ArrayRef) -> Result<(), CutoutError> {
        self.bytes += piece.get_array_memory_size();
        self.pieces.push(piece);
        if self.pieces.len() == MOST_PIECES {
            self.pieces = vec![self.joined()?];
        }
        Ok(())
    }

    fn joined(&self) -> Result<ArrayRef, CutoutError> {
        let pieces: Vec<&dyn Array> = self.pieces.iter().map(AsRef::as_ref).collect();
        match pieces.as_slice() {
            [] => Ok(new_null_array(&item_type(self.field.data_type), 0)),
            pieces => Ok(concat(pieces)?),
        }
    }

    /// The row that an item belongs to.
    fn row_of(&self, item: usize, counts: &[u64]) -> usize {
        if self.field.count == Count::One {
            return item;
        }
        let ends = counts.iter().scan(0, |end, count| {
            *end += *count as usize;
            Some(*end)
        });
        ends.take_while(|end| *end <= item).count()
    }

    /// Refuses rows with more or fewer values than the column has.
    fn check_counts(&self, found: &Found, at: &At) -> Result<(), CutoutError> {
        let bytes = matches!(found.values, Values::Bytes(_));
        let wanted = match (self.field.data_type, self.field.count) {
            (FieldType::Binary, _) | (_, Count::Any) => None,
            (_, Count::One) if bytes => Some(16),
            (_, Count::One) => Some(1),
            (_, Count::Exactly(count)) => Some(count.into()),
        };
        let fits = |count: u64| wanted.map_or(count <= MOST_ELEMENTS, |wanted| count == wanted);
        let Some(row) = found.counts.iter().position(|count| !fits(*count)) else { return Ok(()) };
        let things = if bytes { "bytes" } else { "elements" };
        let expected = match wanted {
            Some(1) => "a single value is".to_owned(),
            Some(wanted) => format!("{wanted} {things} are"),
            None => format!("at most {MOST_ELEMENTS} {things} are"),
        };
        Err(at.refused(row, format!("it has {} {things} where {expected} expected", found.counts[row])))
    }

    /// The Arrow type of a column.
    pub(super) fn data_type(field: &RowField) -> DataType {
        let item = item_type(field.data_type);
        match field.count {
            Count::One => item,
            // Of any length, whatever the model says: PostgreSQL's arrays have no length either. It has been checked.
            _ => DataType::List(Arc::new(Field::new("item", item, true))),
        }
    }

    /// The finished array.
    pub(super) fn finish(self) -> Result<ArrayRef, CutoutError> {
        let items = self.joined()?;
        if self.field.count == Count::One {
            return Ok(items);
        }
        let item = Arc::new(Field::new("item", items.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        Ok(Arc::new(ListArray::try_new(item, offsets, items, Some(NullBuffer::from(self.present)))?))
    }
}
