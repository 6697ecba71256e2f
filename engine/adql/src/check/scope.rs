//! Which tables and columns a name can mean at some place of a query.

use std::cell::Cell;

use sqlparser::ast::{Expr, Ident};
use sqlparser::tokenizer::{Location, Span};

use super::{OutputColumn, means};
use crate::error::{AdqlError, ErrorKind, nearest};
use crate::schema::name_parts;
use crate::tree;

/// A table, sub-query or WITH query in FROM.
#[derive(Debug)]
pub(super) struct Relation {
    /// How its columns are qualified in the tree: by its alias, or else by the parts of its name. Empty for a result.
    pub(super) qualifier: Vec<String>,
    /// Whether the qualifier is an alias, which hides the name.
    pub(super) aliased: bool,
    /// What messages call it.
    pub(super) shown: String,
    pub(super) columns: Vec<OutputColumn>,
}

/// A column that NATURAL or USING made of one column of either side.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) column: OutputColumn,
    pub(super) expr: Expr,
    /// The columns that went into it, as indices of a relation and of a column in it.
    pub(super) parts: Vec<(usize, usize)>,
}

/// What a FROM clause, or a part of it, makes visible.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    pub(super) merged: Vec<Merged>,
    /// How often queries within have referred to it.
    pub(super) referred: Cell<usize>,
}

/// A scope and those around it, for sub-queries that refer to the query that they stand in.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) scope: &'a Scope,
    pub(super) outer: Option<&'a Names<'a>>,
}

/// What a column name means.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) column: OutputColumn,
    pub(super) expr: Expr,
    pub(super) parts: Vec<(usize, usize)>,
    /// What messages call the place where it was found.
    shown: String,
}

impl Relation {
    /// Whether `qualifier` means this relation: its alias, or an end of its dotted name.
    fn answers_to(&self, qualifier: &[Ident]) -> bool {
        let known = &self.qualifier;
        let fits = if self.aliased { qualifier.len() == 1 } else { qualifier.len() <= known.len() };
        fits && qualifier.iter().rev().zip(known.iter().rev()).all(|(written, known)| means(written, known))
    }

    fn reference(&self, column: &OutputColumn, span: Span) -> Expr {
        if self.qualifier.is_empty() {
            return Expr::Identifier(tree::quoted(&column.name, span));
        }
        let parts = self.qualifier.iter().chain([&column.name]);
        Expr::CompoundIdentifier(parts.map(|part| tree::quoted(part, span)).collect())
    }
}

impl Scope {
    fn refer(&self, found: bool) {
        self.referred.set(self.referred.get() + usize::from(found));
    }

    /// This scope and `other` side by side, as in `FROM a, b`.
    pub(super) fn beside(mut self, other: Scope, at: Location) -> Result<Scope, AdqlError> {
        for relation in &other.relations {
            if self.relations.iter().any(|known| known.qualifier == relation.qualifier) {
                let message = format!("{} stands twice in FROM; give each an alias of its own", relation.shown);
                return Err(AdqlError::new(ErrorKind::AmbiguousTable, at, message));
            }
        }
        let shift = self.relations.len();
        let moved = other.merged.into_iter().map(|merged| Merged {
            parts: merged.parts.iter().map(|(relation, column)| (relation + shift, *column)).collect(),
            ..merged
        });
        self.merged.extend(moved);
        self.relations.extend(other.relations);
        Ok(self)
    }

    /// The columns of `SELECT *`: those that joins merged, then all others.
    pub(super) fn everything(&self, span: Span) -> Vec<Found> {
        let merged = self.merged.iter().map(Merged::found);
        let others = (0..self.relations.len()).flat_map(|relation| self.columns_of(relation, span));
        merged.chain(others.filter(|found| !self.is_merged(&found.parts))).collect()
    }

    /// The columns of one relation.
    pub(super) fn columns_of(&self, index: usize, span: Span) -> impl Iterator<Item = Found> {
        self.relations.get(index).into_iter().flat_map(move |relation| {
            relation.columns.iter().enumerate().map(move |(position, column)| Found {
                column: column.clone(),
                expr: relation.reference(column, span),
                parts: vec![(index, position)],
                shown: relation.shown.clone(),
            })
        })
    }

    /// The relations that a qualifier can mean.
    pub(super) fn relations_named(&self, qualifier: &[Ident]) -> Vec<usize> {
        (0..self.relations.len()).filter(|index| self.relations[*index].answers_to(qualifier)).collect()
    }

    /// The columns that an unqualified name can mean.
    pub(super) fn columns_named(&self, name: &Ident) -> Vec<Found> {
        let merged = self.merged.iter().filter(|merged| means(name, &merged.column.name)).map(Merged::found);
        let others = self.relations.iter().enumerate().flat_map(|(index, relation)| {
            relation.columns.iter().enumerate().filter(|(_, column)| means(name, &column.name)).map(
                move |(position, column)| Found {
                    column: column.clone(),
                    expr: relation.reference(column, name.span),
                    parts: vec![(index, position)],
                    shown: relation.shown.clone(),
                },
            )
        });
        merged.chain(others.filter(|found| !self.is_merged(&found.parts))).collect()
    }

    fn is_merged(&self, parts: &[(usize, usize)]) -> bool {
        self.merged.iter().any(|merged| parts.iter().all(|part| merged.parts.contains(part)))
    }

    /// What messages call all of it.
    pub(super) fn shown(&self) -> String {
        self.relations.iter().map(|relation| relation.shown.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Merged {
    fn found(&self) -> Found {
        let (column, expr, parts) = (self.column.clone(), self.expr.clone(), self.parts.clone());
        Found { shown: "the joined tables".to_owned(), column, expr, parts }
    }
}

impl Names<'_> {
    /// How often queries within have referred to any of these scopes.
    pub(super) fn referred(&self) -> usize {
        self.scope.referred.get() + self.outer.map_or(0, Names::referred)
    }

    /// What a column reference of one or more parts means.
    pub(super) fn column(&self, written: &[Ident]) -> Result<Found, AdqlError> {
        let Some((name, qualifier)) = written.split_last() else {
            return Err(AdqlError::new(ErrorKind::Syntax, Location::empty(), "expected a column name"));
        };
        if qualifier.is_empty() {
            return self.unqualified(name)?.ok_or_else(|| self.unknown_column(name));
        }
        let (scope, index) = self.relation(qualifier)?;
        let found = scope.columns_of(index, name.span).filter(|found| means(name, &found.column.name)).collect();
        let relation = &scope.relations[index];
        single(found, name)?.ok_or_else(|| {
            let columns = relation.columns.iter().map(|column| column.name.as_str());
            unknown_column(name, &relation.shown, columns)
        })
    }

    /// What an unqualified column name means, if anything.
    pub(super) fn unqualified(&self, name: &Ident) -> Result<Option<Found>, AdqlError> {
        match (single(self.scope.columns_named(name), name)?, self.outer) {
            (None, Some(outer)) => {
                let found = outer.unqualified(name)?;
                outer.scope.refer(found.is_some());
                Ok(found)
            }
            (found, _) => Ok(found),
        }
    }

    /// The relation that a qualifier means, and the scope that it is in.
    pub(super) fn relation(&self, qualifier: &[Ident]) -> Result<(&Scope, usize), AdqlError> {
        let at = qualifier.first().map_or(Location::empty(), |first| first.span.start);
        match (self.scope.relations_named(qualifier).as_slice(), self.outer) {
            ([index], _) => Ok((self.scope, *index)),
            ([], Some(outer)) => {
                let found = outer.relation(qualifier)?;
                outer.scope.refer(true);
                Ok(found)
            }
            ([], None) => Err(self.unknown_qualifier(qualifier, at)),
            (several, _) => {
                let shown: Vec<_> = several.iter().map(|index| self.scope.relations[*index].shown.as_str()).collect();
                let message = format!("\"{}\" can mean {}", dotted(qualifier), shown.join(" or "));
                Err(AdqlError::new(ErrorKind::AmbiguousTable, at, message))
            }
        }
    }

    fn unknown_qualifier(&self, qualifier: &[Ident], at: Location) -> AdqlError {
        let written = dotted(qualifier);
        let relations = &self.scope.relations;
        // A table that has an alias can no longer be called by its name.
        let hidden = qualifier.last().and_then(|last| {
            let named = |relation: &&Relation| name_parts(&relation.shown).last().is_some_and(|name| means(last, name));
            relations.iter().find(named).map(|relation| relation.qualifier.join("."))
        });
        let known: Vec<_> = relations.iter().map(|relation| relation.qualifier.join(".")).collect();
        let last_parts = relations.iter().flat_map(|relation| relation.qualifier.last());
        let suggestion = hidden.or_else(|| nearest(&written, last_parts.chain(&known).map(String::as_str)));
        let message = format!("\"{written}\" is no table or alias of this FROM, which has {}", known.join(", "));
        AdqlError::new(ErrorKind::UnknownTable, at, message).suggest(suggestion)
    }

    fn unknown_column(&self, name: &Ident) -> AdqlError {
        let columns = self.scope.relations.iter().flat_map(|relation| &relation.columns);
        unknown_column(name, &self.scope.shown(), columns.map(|column| column.name.as_str()))
    }
}

/// The one column that was found, if any was.
pub(super) fn single(mut found: Vec<Found>, name: &Ident) -> Result<Option<Found>, AdqlError> {
    if found.len() > 1 || found.iter().any(|only| only.column.shared_name) {
        let places: Vec<_> = found.iter().map(|found| found.shown.as_str()).collect();
        let message = match places.as_slice() {
            [place] => format!("column \"{}\" is ambiguous: {place} has several of that name", name.value),
            places => format!("column \"{}\" is ambiguous: it is in {}", name.value, places.join(" and ")),
        };
        return Err(AdqlError::new(ErrorKind::AmbiguousColumn, name.span.start, message));
    }
    Ok(found.pop())
}

/// The error that `place`, which has `columns`, has none of that name.
pub(super) fn unknown_column<'a>(name: &Ident, place: &str, columns: impl Iterator<Item = &'a str>) -> AdqlError {
    let message = format!("column \"{}\" not found in {place}", name.value);
    AdqlError::new(ErrorKind::UnknownColumn, name.span.start, message).suggest(nearest(&name.value, columns))
}

/// A dotted name as it was written.
pub(super) fn dotted(name: &[Ident]) -> String {
    name.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".")
}
