//! Tables that come in, put together cell by cell into record batches of the types that queries know, within bounds.
//!
//! What decodes a format pushes a cell into its column ([`IncomingColumn::push`], [`IncomingColumn::end_array`]), ends each cell
//! ([`IncomingTable::end_cell`]), and ends the row ([`IncomingTable::end_row`]).

mod column;
mod table;

pub(crate) use column::{Arity, IncomingColumn, Primitive};
pub(crate) use table::{Exceeded, IncomingTable};

/// How much one table may have. What a file says never decides how much is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBounds {
    /// Rows.
    pub rows: usize,
    /// Bytes of the document or file itself.
    pub document_bytes: u64,
    /// Bytes that the values take in memory; more than 1 GiB is taken as 1 GiB.
    pub memory_bytes: usize,
}

impl Default for ReadBounds {
    /// A million rows, 1 GiB to read, 512 MiB in memory.
    fn default() -> Self {
        ReadBounds { rows: 1_000_000, document_bytes: 1 << 30, memory_bytes: 512 << 20 }
    }
}

/// A text that a stranger wrote, as long as one line of a message bears it.
pub(crate) fn quoted(text: &str) -> String {
    cut(text, 60)
}

/// As [`quoted`], for a whole message that quotes what a stranger wrote.
pub(crate) fn message(text: &str) -> String {
    cut(text, 240)
}

fn cut(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

/// Columns of one table.
pub(crate) const MOST_COLUMNS: usize = 2000;
/// Elements of an array of declared size.
pub(crate) const LONGEST_FIXED: usize = 1 << 20;
