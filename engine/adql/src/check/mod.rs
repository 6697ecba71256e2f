//! Resolves the names of a parsed query and rewrites its tree for DataFusion's planner.

mod expression;
mod from;
mod geometry;
mod in_unit;
mod meaning;
mod membership;
mod multiset;
mod query;
mod scope;
mod select;
mod shape;
mod written_region;

use std::sync::Arc;

use sqlparser::ast::{self, Ident, Statement};

pub use meaning::Meaning;

use crate::error::AdqlError;
use crate::schema::{TapSchema, name_parts};

/// A query whose every name exists, in the form that DataFusion's planner takes.
#[derive(Debug, Clone)]
pub struct CheckedQuery {
    text: String,
    statement: Statement,
    tables: Vec<String>,
    columns: Vec<OutputColumn>,
}

impl CheckedQuery {
    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The statement for the planner.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The statement for the planner, which consumes it.
    pub fn into_statement(self) -> Statement {
        self.statement
    }

    /// The tables that the query reads, as the schema spells them, each once, in the order of their first mention.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(String::as_str)
    }

    /// The columns of the result, in order; no two have the same name.
    pub fn columns(&self) -> &[OutputColumn] {
        &self.columns
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name: the alias as written, or the schema's spelling of an unaliased column, or for another expression the
    /// function's name or `col_<position>`; with `_2` and so on appended if an earlier column has that name.
    pub name: String,
    /// The column of the schema whose values it holds; none if they are computed.
    pub origin: Option<Origin>,
    /// What it means.
    pub meaning: Arc<Meaning>,
    /// Whether other columns of the same result would have had this name, too: it is ambiguous outside a sub-query.
    pub(crate) shared_name: bool,
}

/// A column of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its table, as the schema spells it.
    pub table: String,
    /// The column, as the schema spells it.
    pub column: String,
}

/// Checks `tree` against `schema`.
pub(crate) fn check(text: String, mut tree: ast::Query, schema: &TapSchema) -> Result<CheckedQuery, AdqlError> {
    let mut checker = Checker::new(schema);
    let columns = checker.query(&mut tree, None)?;
    Ok(CheckedQuery { text, statement: Statement::Query(Box::new(tree)), tables: checker.read, columns })
}

/// What a check needs to know, and what it finds out.
struct Checker<'a> {
    tables: Vec<KnownTable<'a>>,
    /// The WITH queries that can be named so far.
    with_queries: Vec<(Ident, Vec<OutputColumn>)>,
    /// The names of the tables that were read.
    read: Vec<String>,
}

/// A table of the schema and the parts of its name.
struct KnownTable<'a> {
    table: &'a crate::schema::Table,
    parts: Vec<String>,
}

impl<'a> Checker<'a> {
    fn new(schema: &'a TapSchema) -> Self {
        let tables = schema.tables().map(|table| KnownTable { table, parts: name_parts(&table.name) }).collect();
        Self { tables, with_queries: vec![], read: vec![] }
    }
}

/// Whether the identifier a user wrote means the name `known`: delimited exactly, else in any case of letters.
fn means(written: &Ident, known: &str) -> bool {
    match written.quote_style {
        Some(_) => written.value == known,
        None => written.value.eq_ignore_ascii_case(known),
    }
}
