//! Why a VOTable can't be taken.

use super::source::LONGEST_PIECE;
use crate::incoming::Exceeded;

pub(super) use crate::incoming::quoted;

/// A VOTable that could not be read: what is wrong, where, and what to do about it. Lines, rows and columns count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VotableError {
    /// The bytes did not come.
    #[error("cannot read the VOTable after line {line}")]
    Input {
        /// The line that was reached.
        line: u64,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is no well-formed XML.
    #[error("the VOTable is not well-formed XML at line {line}: {problem}")]
    Xml {
        /// The line that was reached.
        line: u64,
        /// What the XML parser says.
        problem: String,
    },
    /// The document is in another encoding than UTF-8, or compressed.
    #[error("the VOTable is {found}, but is expected as UTF-8; convert it")]
    Encoding {
        /// The encoding that was found or is declared.
        found: String,
    },
    /// It has a document type definition, which could name other files or entities that grow.
    #[error(
        "line {line}: a VOTable with a <!DOCTYPE …> is not read; remove it, VOTable has had none since version 1.0"
    )]
    Doctype {
        /// The line that was reached.
        line: u64,
    },
    /// It has an entity that is none of XML's own.
    #[error("line {line}: the entity &{name}; is none of XML's own; write the character itself")]
    Entity {
        /// The line that was reached.
        line: u64,
        /// The entity.
        name: String,
    },
    /// An element where the standard has none, or one that isn't taken.
    #[error("line {line}: {problem}")]
    Structure {
        /// The line that was reached.
        line: u64,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A bound of the XML itself.
    #[error("line {line}: {what} is more than {most}, as much as is read of a VOTable")]
    Bound {
        /// The line that was reached.
        line: u64,
        /// What is too much.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// The document says that the query that made it failed.
    #[error("the VOTable is the answer of a query that failed and may lack rows: {message}")]
    QueryFailed {
        /// What the document says.
        message: String,
    },
    /// A FIELD that isn't taken.
    #[error("line {line}: column {column} ({name:?}): {problem}")]
    Field {
        /// The line that was reached.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// Its name, cut to a printable length.
        name: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A value that isn't what its FIELD says.
    #[error("row {row}, column {name:?}: {problem}")]
    Value {
        /// The row, from 1.
        row: usize,
        /// The column's name, cut to a printable length.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A row that isn't what the FIELDs say.
    #[error("row {row} (line {line}): {problem}")]
    Row {
        /// The row, from 1.
        row: usize,
        /// The line that was reached.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// Another number of rows than the document says.
    #[error("{problem}")]
    Rows {
        /// What was said and what was found.
        problem: String,
    },
    /// There are too many rows or too much in them.
    #[error("{0}")]
    TooLarge(String),
}

/// The reader's result.
pub(super) type Result<T> = std::result::Result<T, VotableError>;

impl From<Exceeded> for VotableError {
    fn from(exceeded: Exceeded) -> Self {
        VotableError::TooLarge(exceeded.to_string())
    }
}

impl VotableError {
    pub(super) fn long_piece(line: u64) -> Self {
        VotableError::Bound { line, what: "the length of one tag, comment or text in bytes", most: LONGEST_PIECE }
    }
}
