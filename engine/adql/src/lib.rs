//! ADQL 2.1 text, checked against a TAP_SCHEMA, to the syntax tree that DataFusion's planner takes.
//!
//! [`parse`] holds the text to the grammar of the standard, [`Query::check`] to the tables, columns and functions that
//! exist. What comes out is a sqlparser statement that needs no further interpretation of names:
//!
//! - every identifier is written as the schema spells it and quoted, every column with its table;
//! - `*`, `t.*`, NATURAL and USING are written out, TOP has become LIMIT;
//! - every result column has a name of its own;
//! - functions have DataFusion's names, and those that it lacks or means otherwise the ones of [`names`]; of operators, the planner
//!   must see to the meaning.
//!
//! There is no I/O in this crate, and a text of any content takes bounded time, memory and stack.

mod check;
mod error;
mod features;
mod functions;
mod lexer;
mod parser;
mod schema;
mod tree;
mod unit;
mod words;

pub use check::{CheckedQuery, Meaning, Origin, OutputColumn};
pub use error::{AdqlError, ErrorKind};
pub use features::{Feature, FeatureType, features};
pub use functions::names;
pub use lexer::MAX_TEXT_BYTES;
pub use schema::{Column, ForeignKey, Schema, Table, TapSchema, as_written};

/// A query that follows the grammar of ADQL 2.1; its tables, columns and functions may not exist.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    parsed: parser::ParsedQuery,
}

/// Parses one query of ADQL 2.1.
///
/// # Errors
/// If the text does not follow the standard's grammar (Appendix A), or is too long or too deeply nested.
pub fn parse(text: &str) -> Result<Query, AdqlError> {
    Ok(Query { text: text.to_owned(), parsed: parser::parse(text)? })
}

impl Query {
    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Resolves every name in `schema` and writes the query as DataFusion's planner takes it.
    ///
    /// # Errors
    /// If a table, column or function does not exist or is ambiguous, an aggregate or a geometry stands where it has
    /// no meaning, or this service does not offer a feature of the standard.
    pub fn check(self, schema: &TapSchema) -> Result<CheckedQuery, AdqlError> {
        match self.parsed.no_meaning {
            Some(error) => Err(error),
            None => check::check(self.text, self.parsed.tree, schema),
        }
    }
}
