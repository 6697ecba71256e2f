//! The FROM clause: tables are looked up, NATURAL and USING become ON.

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
    TableWithJoins,
};
use sqlparser::tokenizer::{Location, Span};

use super::expression::Clause;
use super::scope::{Found, Merged, Names, Relation, Scope, dotted, single, unknown_column};
use super::{Checker, Meaning, Origin, OutputColumn, means};
use crate::error::{AdqlError, ErrorKind, nearest};
use crate::schema::name_parts;
use crate::tree;

impl Checker<'_> {
    /// What the FROM clause makes visible.
    pub(super) fn from(&mut self, from: &mut [TableWithJoins], outer: Option<&Names>) -> Result<Scope, AdqlError> {
        let mut scope = Scope::default();
        for tables in from {
            let at = place_of(&tables.relation);
            scope = scope.beside(self.joined_tables(tables, outer)?, at)?;
        }
        Ok(scope)
    }

    fn joined_tables(&mut self, tables: &mut TableWithJoins, outer: Option<&Names>) -> Result<Scope, AdqlError> {
        let mut left = self.table_factor(&mut tables.relation, outer)?;
        for join in &mut tables.joins {
            left = self.join(left, join, outer)?;
        }
        Ok(left)
    }

    fn table_factor(&mut self, factor: &mut TableFactor, outer: Option<&Names>) -> Result<Scope, AdqlError> {
        match factor {
            TableFactor::Table { name, alias, .. } => self.table(name, alias.as_mut()),
            TableFactor::NestedJoin { table_with_joins, .. } => self.joined_tables(table_with_joins, outer),
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                let columns = self.query(subquery, outer)?;
                let name = quote(&mut alias.name);
                let relation = Relation { qualifier: vec![name.clone()], aliased: true, shown: name, columns };
                Ok(Scope { relations: vec![relation], ..Scope::default() })
            }
            other => {
                let message = format!("{other} is not part of ADQL");
                Err(AdqlError::new(ErrorKind::NotAdql, Location::empty(), message))
            }
        }
    }

    /// A WITH query or a table of the schema.
    fn table(&mut self, name: &mut ObjectName, alias: Option<&mut TableAlias>) -> Result<Scope, AdqlError> {
        let written = tree::identifiers(name);
        let span = written.first().map_or(Span::empty(), |first| first.span);
        let (qualifier, shown, columns) = match self.with_query(&written) {
            Some((name, columns)) => (vec![name.clone()], name, columns),
            None => self.known_table(&written)?,
        };
        *name = tree::object_name(qualifier.iter().map(|part| tree::quoted(part, span)));
        let relation = match alias {
            Some(alias) => Relation { qualifier: vec![quote(&mut alias.name)], aliased: true, shown, columns },
            None => Relation { qualifier, aliased: false, shown, columns },
        };
        Ok(Scope { relations: vec![relation], ..Scope::default() })
    }

    fn with_query(&self, written: &[Ident]) -> Option<(String, Vec<OutputColumn>)> {
        let [name] = written else { return None };
        let (known, columns) = self.with_queries.iter().rev().find(|(known, _)| means(name, &known.value))?;
        Some((known.value.clone(), columns.clone()))
    }

    /// The parts of the name, the name and the columns of the table that is meant.
    fn known_table(&mut self, written: &[Ident]) -> Result<(Vec<String>, String, Vec<OutputColumn>), AdqlError> {
        let at = written.first().map_or(Location::empty(), |first| first.span.start);
        let fits = |parts: &[String]| {
            written.len() <= parts.len()
                && written.iter().rev().zip(parts.iter().rev()).all(|(written, known)| means(written, known))
        };
        let mut found: Vec<_> = self.tables.iter().filter(|known| fits(&known.parts)).collect();
        if found.len() > 1 && found.iter().any(|known| known.parts.len() == written.len()) {
            found.retain(|known| known.parts.len() == written.len());
        }
        let known = match found.as_slice() {
            [known] => *known,
            [] => return Err(self.unknown_table(written, at)),
            several => {
                let names: Vec<_> = several.iter().map(|known| known.table.name.as_str()).collect();
                let message = format!("table \"{}\" is ambiguous: it can mean {}", dotted(written), names.join(" or "));
                return Err(AdqlError::new(ErrorKind::AmbiguousTable, at, message));
            }
        };
        let name = known.table.name.clone();
        let columns = known.table.columns.iter().map(|column| OutputColumn {
            name: name_parts(&column.name).concat(),
            origin: Some(Origin { table: name.clone(), column: column.name.clone() }),
            meaning: Meaning::of_column(column),
            shared_name: false,
        });
        let result = (known.parts.clone(), name.clone(), columns.collect());
        if !self.read.contains(&name) {
            self.read.push(name);
        }
        Ok(result)
    }

    fn unknown_table(&self, written: &[Ident], at: Location) -> AdqlError {
        let name = dotted(written);
        let with_queries = self.with_queries.iter().map(|(known, _)| known.value.as_str());
        let full = self.tables.iter().map(|known| known.table.name.as_str());
        let suggestion = nearest(&name, full.chain(with_queries)).or_else(|| {
            // A bare name, or one with a wrong schema, can still have the right last part.
            let last = written.last()?;
            let bare = self.tables.iter().filter_map(|known| known.parts.last().map(String::as_str));
            let near = nearest(&last.value, bare)?;
            self.tables.iter().find(|known| known.parts.last() == Some(&near)).map(|known| known.table.name.clone())
        });
        AdqlError::new(ErrorKind::UnknownTable, at, format!("table \"{name}\" not found")).suggest(suggestion)
    }

    fn join(&mut self, left: Scope, join: &mut Join, outer: Option<&Names>) -> Result<Scope, AdqlError> {
        let at = place_of(&join.relation);
        let right = self.table_factor(&mut join.relation, outer)?;
        let side = Side::of(&join.join_operator);
        let Some(constraint) = constraint_of(&mut join.join_operator) else {
            return Err(AdqlError::new(ErrorKind::NotAdql, at, "this kind of join is not part of ADQL"));
        };
        let columns = match constraint {
            JoinConstraint::Using(columns) => columns.iter().flat_map(tree::identifiers).collect(),
            JoinConstraint::Natural => common_columns(&left, &right, at),
            JoinConstraint::On(condition) => {
                let scope = left.beside(right, at)?;
                self.condition(condition, &Names { scope: &scope, outer }, Clause::On)?;
                return Ok(scope);
            }
            JoinConstraint::None => {
                let message = "a JOIN needs ON or USING; to combine every row with every row write FROM a, b";
                return Err(AdqlError::new(ErrorKind::Meaning, at, message));
            }
        };
        let (scope, condition) = merge(left, right, &columns, side, at)?;
        *constraint = JoinConstraint::On(condition);
        Ok(scope)
    }
}

/// Which side's value a merged column has.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    /// The one that is not null.
    Either,
}

impl Side {
    fn of(operator: &JoinOperator) -> Self {
        match operator {
            JoinOperator::RightOuter(_) => Side::Right,
            JoinOperator::FullOuter(_) => Side::Either,
            _ => Side::Left,
        }
    }
}

/// Joins two scopes on the equality of `columns`; gives the condition, too.
fn merge(left: Scope, right: Scope, columns: &[Ident], side: Side, at: Location) -> Result<(Scope, Expr), AdqlError> {
    let pairs = columns
        .iter()
        .map(|name| Ok((column_of(&left, name)?, column_of(&right, name)?)))
        .collect::<Result<Vec<_>, AdqlError>>()?;
    let shift = left.relations.len();
    let mut scope = left.beside(right, at)?;
    let mut conditions = vec![];
    let mut merged = vec![];
    for (left, right) in pairs {
        let parts: Vec<_> = right.parts.iter().map(|(relation, column)| (relation + shift, *column)).collect();
        let parts = [left.parts, parts].concat();
        scope.merged.retain(|known| !known.parts.iter().all(|part| parts.contains(part)));
        let expr = match side {
            Side::Left => left.expr.clone(),
            Side::Right => right.expr.clone(),
            Side::Either => tree::call_of("coalesce", Span::empty(), [left.expr.clone(), right.expr.clone()]),
        };
        conditions.push(tree::binary(left.expr, BinaryOperator::Eq, right.expr));
        merged.push(Merged { column: left.column, expr, parts });
    }
    merged.append(&mut scope.merged);
    scope.merged = merged;
    // A NATURAL join of tables without a common column joins every row with every row.
    let always = || tree::binary(one(), BinaryOperator::Eq, one());
    Ok((scope, tree::balanced(conditions, &BinaryOperator::And).unwrap_or_else(always)))
}

fn one() -> Expr {
    tree::number("1", Span::empty())
}

fn column_of(scope: &Scope, name: &Ident) -> Result<Found, AdqlError> {
    single(scope.columns_named(name), name)?.ok_or_else(|| {
        let columns = scope.relations.iter().flat_map(|relation| &relation.columns);
        unknown_column(name, &scope.shown(), columns.map(|column| column.name.as_str()))
    })
}

/// The columns that NATURAL joins on: all names that both sides have.
fn common_columns(left: &Scope, right: &Scope, at: Location) -> Vec<Ident> {
    let span = Span::new(at, at);
    let mut common: Vec<Ident> = vec![];
    for found in left.everything(span) {
        let name = tree::quoted(&found.column.name, span);
        if !common.contains(&name) && !right.columns_named(&name).is_empty() {
            common.push(name);
        }
    }
    common
}

fn constraint_of(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// Quotes an alias, whose spelling is kept, and gives it back.
fn quote(alias: &mut Ident) -> String {
    alias.quote_style = Some('"');
    alias.value.clone()
}

/// Where a table of FROM is named.
fn place_of(factor: &TableFactor) -> Location {
    let name = match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(&alias.name)
        }
        TableFactor::Table { name, .. } => name.0.first().and_then(|part| part.as_ident()),
        TableFactor::NestedJoin { table_with_joins, .. } => return place_of(&table_with_joins.relation),
        _ => None,
    };
    name.map_or(Location::empty(), |name| name.span.start)
}
