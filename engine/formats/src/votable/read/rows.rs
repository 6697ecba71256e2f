//! The rows of a table while they are read, and what any serialization does with a text.

use arrow::array::RecordBatch;
use arrow::datatypes::{SchemaRef, TimeUnit};

use super::error::{Result, VotableError, quoted};
use super::field::VoColumn;
use crate::cell::Cell;
use crate::incoming::{IncomingColumn, IncomingTable, ReadBounds};
use crate::literal;

pub(super) struct Rows {
    pub(super) columns: Vec<VoColumn>,
    table: IncomingTable,
}

/// Why a cell isn't taken: for a reason of its own, or since the reading ends here.
pub(super) enum Refusal {
    Cell(String),
    All(VotableError),
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Refusal::Cell(problem)
    }
}

impl From<VotableError> for Refusal {
    fn from(error: VotableError) -> Self {
        Refusal::All(error)
    }
}

impl Rows {
    pub(super) fn new(columns: Vec<VoColumn>, bounds: ReadBounds) -> Self {
        let (fields, incoming) = columns.iter().map(VoColumn::incoming).unzip();
        Rows { table: IncomingTable::new(fields, incoming, bounds), columns }
    }

    /// The number of the row that is being read, from 1.
    pub(super) fn number(&self) -> usize {
        self.table.rows() + 1
    }

    /// Bytes that the table's values may still take.
    pub(super) fn free_bytes(&self) -> usize {
        self.table.free_bytes()
    }

    /// Has a cell of the column pushed.
    pub(super) fn push<E: Into<Refusal>>(
        &mut self,
        at: usize,
        push: impl FnOnce(&VoColumn, &mut IncomingColumn) -> std::result::Result<(), E>,
    ) -> Result<()> {
        let column = &self.columns[at];
        push(column, self.table.column(at)).map_err(|refusal| match refusal.into() {
            Refusal::All(error) => error,
            Refusal::Cell(problem) => {
                VotableError::Value { row: self.table.rows() + 1, name: quoted(&column.name), problem }
            }
        })?;
        Ok(self.table.end_cell(at)?)
    }

    pub(super) fn end_row(&mut self) -> Result<()> {
        Ok(self.table.end_row()?)
    }

    /// The whole table, of as many rows as it declares, if it does.
    pub(super) fn finish(self, declared: Option<u64>) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let rows = self.table.rows();
        match declared {
            Some(declared) if declared != rows as u64 => {
                let problem = format!("the TABLE says nrows={declared} but has {rows} rows; is it cut off?");
                Err(VotableError::Rows { problem })
            }
            _ => Ok(self.table.finish()?),
        }
    }
}

/// A text or a time; an empty one is a null.
pub(super) fn push_text(
    column: &VoColumn,
    incoming: &mut IncomingColumn,
    text: &str,
) -> std::result::Result<(), String> {
    let is_null = text.is_empty() || column.null.as_ref().is_some_and(|null| null.text == text.trim());
    let value = match is_null {
        true => Cell::Null,
        false if column.is_time => {
            let wrong = || format!("{:?} is no timestamp; write YYYY-MM-DDThh:mm:ss in UTC", quoted(text));
            Cell::Timestamp(literal::parse_timestamp(text.trim()).ok_or_else(wrong)?, TimeUnit::Microsecond)
        }
        false => Cell::Text(text),
    };
    incoming.push(value);
    Ok(())
}
