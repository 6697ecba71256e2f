//! Whole queries: WITH, set operations, ORDER BY, and TOP as LIMIT.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, Ident, LimitClause, OrderBy, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, Top, TopQuantity,
    Value, ValueWithSpan, With,
};
use sqlparser::tokenizer::{Location, Span};

use super::expression::Clause;
use super::multiset::counted;
use super::scope::{Names, Relation, Scope};
use super::select::Selected;
use super::{Checker, OutputColumn, means};
use crate::error::{AdqlError, ErrorKind};
use crate::tree;

impl Checker<'_> {
    /// Checks a query and gives its columns; `outer` is what a sub-query sees of the query around it.
    pub(super) fn query(&mut self, query: &mut Query, outer: Option<&Names>) -> Result<Vec<OutputColumn>, AdqlError> {
        tree::with_stack(|| self.query_here(query, outer))
    }

    fn query_here(&mut self, query: &mut Query, outer: Option<&Names>) -> Result<Vec<OutputColumn>, AdqlError> {
        if let Some(with) = &mut query.with {
            self.with(with)?;
        }
        let selected = match query.body.as_mut() {
            SetExpr::Select(select) => {
                let selected = self.select(select, outer)?;
                let offset = match query.limit_clause.take() {
                    Some(LimitClause::LimitOffset { offset, .. }) => offset.map(|offset| offset.value),
                    _ => None,
                };
                query.limit_clause = tree::limit_clause(select.top.take().and_then(rows), offset);
                selected
            }
            body => {
                // ORDER BY sees only the result's own columns.
                let columns = self.set_expression(body, outer)?;
                Selected { scope: Scope::default(), columns, aliases: vec![] }
            }
        };
        if let Some(order_by) = &mut query.order_by {
            self.order_by(order_by, &selected, outer)?;
        }
        Ok(selected.columns)
    }

    fn with(&mut self, with: &mut With) -> Result<(), AdqlError> {
        for cte in &mut with.cte_tables {
            let name = cte.alias.name.clone();
            if self.with_queries.iter().any(|(known, _)| means(&name, &known.value)) {
                let message = format!("WITH names two queries \"{}\"", name.value);
                return Err(AdqlError::new(ErrorKind::AmbiguousTable, name.span.start, message));
            }
            let columns = self.query(&mut cte.query, None)?;
            cte.alias.name.quote_style = Some('"');
            self.with_queries.push((name, columns));
        }
        Ok(())
    }

    /// An operand of a set operation, or a set operation.
    fn set_expression(
        &mut self,
        expression: &mut SetExpr,
        outer: Option<&Names>,
    ) -> Result<Vec<OutputColumn>, AdqlError> {
        tree::with_stack(|| self.set_expression_here(expression, outer))
    }

    fn set_expression_here(
        &mut self,
        expression: &mut SetExpr,
        outer: Option<&Names>,
    ) -> Result<Vec<OutputColumn>, AdqlError> {
        match expression {
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                let at = tree::place_of_query(right);
                let columns = self.set_expression(left, outer)?;
                let others = self.set_expression(right, outer)?;
                if columns.len() == others.len() {
                    if *set_quantifier == SetQuantifier::All && *op != SetOperator::Union {
                        *expression = counted(*op, left, right, &columns, at)?;
                    }
                    let in_common = |(left, right): (OutputColumn, OutputColumn)| OutputColumn {
                        meaning: Arc::new(left.meaning.in_common(&right.meaning)),
                        ..left
                    };
                    return Ok(columns.into_iter().zip(others).map(in_common).collect());
                }
                let (left, right) = (columns.len(), others.len());
                let message = format!("{op} needs as many columns on both sides, found {left} and {right}");
                Err(AdqlError::new(ErrorKind::Meaning, at, message))
            }
            SetExpr::Select(select) => {
                let columns = self.select(select, outer)?.columns;
                if let Some(limit) = select.top.take().and_then(rows) {
                    let mut query = tree::query(std::mem::replace(expression, tree::no_rows()));
                    query.limit_clause = tree::limit_clause(Some(limit), None);
                    *expression = SetExpr::Query(Box::new(query));
                }
                Ok(columns)
            }
            _ => Err(AdqlError::new(ErrorKind::NotAdql, Location::empty(), "only SELECT queries are part of ADQL")),
        }
    }

    fn order_by(
        &mut self,
        order_by: &mut OrderBy,
        selected: &Selected,
        outer: Option<&Names>,
    ) -> Result<(), AdqlError> {
        let OrderByKind::Expressions(terms) = &mut order_by.kind else { return Ok(()) };
        // A set operation has no tables any more, only columns.
        let result = Scope {
            relations: vec![Relation {
                qualifier: vec![],
                aliased: true,
                shown: "the result's columns".to_owned(),
                columns: selected.columns.clone(),
            }],
            ..Scope::default()
        };
        let scope = if selected.scope.relations.is_empty() { &result } else { &selected.scope };
        for term in terms {
            if position_in_range(&term.expr, selected.columns.len())? || selected.alias(&mut term.expr) {
                continue;
            }
            let names = Names { scope, outer };
            self.expression_or_alias(&mut term.expr, &names, Clause::OrderBy, &selected.aliases)?;
        }
        Ok(())
    }
}

impl Selected {
    /// Turns the name of an alias into that alias; no if it names none.
    fn alias(&self, expr: &mut Expr) -> bool {
        let Expr::Identifier(name) = expr else { return false };
        let Some(alias) = find_alias(name, &self.aliases) else { return false };
        *expr = Expr::Identifier(alias);
        true
    }
}

/// The result column that `name` means as an alias.
pub(super) fn find_alias(name: &Ident, aliases: &[Ident]) -> Option<Ident> {
    let alias = aliases.iter().find(|alias| means(name, &alias.value))?;
    Some(tree::quoted(&alias.value, name.span))
}

/// Whether the term is the number of a column; an error if there is no such column.
fn position_in_range(expr: &Expr, columns: usize) -> Result<bool, AdqlError> {
    let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), span }) = expr else { return Ok(false) };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(false);
    }
    if digits.parse().is_ok_and(|position: usize| (1..=columns).contains(&position)) {
        return Ok(true);
    }
    let message = format!("ORDER BY {digits}: the result's columns are numbered 1 to {columns}");
    Err(AdqlError::new(ErrorKind::Meaning, span.start, message))
}

/// The number of rows after TOP, as LIMIT's operand.
fn rows(top: Top) -> Option<Expr> {
    match top.quantity? {
        TopQuantity::Constant(rows) => Some(tree::number(rows.to_string(), Span::empty())),
        TopQuantity::Expr(expr) => Some(expr),
    }
}
