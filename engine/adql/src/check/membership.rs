//! IN and EXISTS with sub-queries, in forms that mean the same to the planner as to the standard. SQL-92 sections 8.4 and 8.8.
//!
//! DataFusion is right about sub-queries that are conjuncts of WHERE, but takes NOT IN under OR for false where it is unknown, and
//! mistakes sub-queries that refer to the query around them: it looks at NULLs of all rows, groups aggregates by what is referred to,
//! and forgets OFFSET. So NOT is moved inward, down to the predicates, and NOT IN becomes what it says: no row is equal, and nothing is
//! unknown.

use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, LimitClause, Query, Select, SelectItem, SetExpr, Statement, TableFactor,
    UnaryOperator, Value,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Span};

use super::expression::{called_name, not_offered};
use crate::error::{AdqlError, ErrorKind};
use crate::functions::is_aggregate;
use crate::tree;

/// Moves NOT inward wherever it stands over a sub-query.
pub(super) fn not_inward(expr: &mut Expr) {
    tree::with_stack(|| match expr {
        Expr::Nested(inner) => not_inward(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            not_inward(left);
            not_inward(right);
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } if has_subquery(inner) => {
            negate(inner);
            *expr = tree::taken(inner);
        }
        _ => {}
    });
}

/// The opposite of a condition, unknown where it is.
fn negate(expr: &mut Expr) {
    tree::with_stack(|| match expr {
        Expr::Nested(inner) => negate(inner),
        Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } => {
            negate(left);
            negate(right);
            *op = if *op == BinaryOperator::And { BinaryOperator::Or } else { BinaryOperator::And };
            // What was bound by AND is now beside OR, or the other way round.
            *expr = Expr::Nested(Box::new(tree::taken(expr)));
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => {
            not_inward(inner);
            *expr = tree::taken(inner);
        }
        Expr::InSubquery { negated, .. } | Expr::Exists { negated, .. } => *negated = !*negated,
        other => {
            let inner = Box::new(Expr::Nested(Box::new(tree::taken(other))));
            *other = Expr::UnaryOp { op: UnaryOperator::Not, expr: inner };
        }
    });
}

fn has_subquery(expr: &Expr) -> bool {
    tree::with_stack(|| match expr {
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => has_subquery(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            has_subquery(left) || has_subquery(right)
        }
        Expr::InSubquery { .. } | Expr::Exists { .. } => true,
        _ => false,
    })
}

/// How a sub-query stands in its query.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// Whether it refers to the query around it.
    pub(super) correlated: bool,
    /// Whether it is a conjunct of WHERE, by itself.
    pub(super) conjunct: bool,
    pub(super) at: Location,
}

/// `value [NOT] IN (query)`, all names of which are final, as the planner should see it.
pub(super) fn membership(value: Expr, query: Query, negated: bool, standing: Standing) -> Result<Expr, AdqlError> {
    if standing.correlated && one_row(&query) {
        let op = if negated { BinaryOperator::NotEq } else { BinaryOperator::Eq };
        return Ok(nested(tree::binary(value, op, Expr::Subquery(Box::new(query)))));
    }
    if standing.correlated && query.limit_clause.is_some() {
        return Err(not_offered(standing.at, "TOP or OFFSET in a sub-query that refers to the query around it"));
    }
    if !negated || (standing.conjunct && !standing.correlated) {
        return Ok(Expr::InSubquery { expr: Box::new(value), subquery: Box::new(query), negated });
    }
    if !standing.correlated {
        return none_among(value, &query, standing.at);
    }
    let Some((select, item)) = plain(&query).filter(|(select, _)| !hides(select, &value)) else {
        let what = "NOT IN with a grouped, combined or self-named sub-query that refers to the query around it";
        return Err(not_offered(standing.at, what));
    };
    let none = |condition: Option<Expr>| {
        let mut select = select.clone();
        select.selection = match (select.selection.take(), condition) {
            (Some(held), Some(condition)) => Some(tree::binary(nested(held), BinaryOperator::And, condition)),
            (held, condition) => held.or(condition),
        };
        select.projection = vec![SelectItem::UnnamedExpr(tree::number("1", Span::empty()))];
        no_row(tree::query(SetExpr::Select(Box::new(select))))
    };
    let equal = tree::binary(nested(item.clone()), BinaryOperator::Eq, nested(value.clone()));
    Ok(nothing_unknown(value, none(Some(equal)), none(None), none(Some(Expr::IsNull(Box::new(nested(item.clone())))))))
}

/// `[NOT] EXISTS (query)` as the planner should see it.
pub(super) fn existence(query: Query, negated: bool, standing: Standing) -> Result<Expr, AdqlError> {
    // A group of all rows is a row, even where there are none.
    if one_row(&query) {
        return Ok(tree::literal(Value::Boolean(!negated), Span::empty()));
    }
    if standing.correlated && matches!(&query.limit_clause, Some(LimitClause::LimitOffset { offset: Some(_), .. })) {
        return Err(not_offered(standing.at, "OFFSET in a sub-query that refers to the query around it"));
    }
    Ok(Expr::Exists { subquery: Box::new(query), negated })
}

/// No row is equal; and there is none at all, or the value is something; and no row is NULL.
fn nothing_unknown(value: Expr, none_equal: Expr, none: Expr, none_null: Expr) -> Expr {
    let known = nested(tree::binary(Expr::IsNotNull(Box::new(nested(value))), BinaryOperator::Or, none));
    let both = tree::binary(none_equal, BinaryOperator::And, known);
    nested(tree::binary(both, BinaryOperator::And, none_null))
}

/// The same of a query that is taken as it is.
fn none_among(value: Expr, query: &Query, at: Location) -> Result<Expr, AdqlError> {
    let text = format!("SELECT 1 FROM ({query}) AS \"adql_among\" (\"v\")");
    let too_complex = || AdqlError::new(ErrorKind::TooComplex, at, "NOT IN with this sub-query");
    let all = Parser::parse_sql(&GenericDialect, &text).unwrap_or_default().pop();
    let Some(Statement::Query(all)) = all else { return Err(too_complex()) };
    let SetExpr::Select(all) = *all.body else { return Err(too_complex()) };
    let column = || Expr::CompoundIdentifier(["adql_among", "v"].map(|part| tree::quoted(part, Span::empty())).into());
    let none = |selection: Option<Expr>| {
        no_row(tree::query(SetExpr::Select(Box::new(Select { selection, ..(*all).clone() }))))
    };
    let equal = tree::binary(column(), BinaryOperator::Eq, nested(value.clone()));
    Ok(nothing_unknown(value, none(Some(equal)), none(None), none(Some(Expr::IsNull(Box::new(column()))))))
}

fn no_row(query: Query) -> Expr {
    Expr::Exists { subquery: Box::new(query), negated: true }
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

/// The one SELECT of a query and the expression that it selects, where rows of its FROM are rows of its result.
fn plain(query: &Query) -> Option<(&Select, &Expr)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice()
    else {
        return None;
    };
    let whole = query.limit_clause.is_none() && query.with.is_none() && !is_grouped(select);
    (whole && select.having.is_none() && !has_aggregate(item)).then_some((select, item))
}

/// Whether a name in `value` would mean a table of the query if it stood there.
fn hides(select: &Select, value: &Expr) -> bool {
    let mut own = Vec::new();
    for joined in &select.from {
        for factor in std::iter::once(&joined.relation).chain(joined.joins.iter().map(|join| &join.relation)) {
            own.push(match factor {
                TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
                    vec![alias.name.value.clone()]
                }
                TableFactor::Table { name, .. } => tree::identifiers(name).into_iter().map(|part| part.value).collect(),
                // What is in parentheses is not looked into.
                _ => return true,
            });
        }
    }
    let mut hidden = false;
    let _ = sqlparser::ast::visit_expressions(value, |inner| {
        if let Expr::CompoundIdentifier(parts) = inner {
            let qualifier: Vec<String> = parts[..parts.len() - 1].iter().map(|part| part.value.clone()).collect();
            hidden |= own.contains(&qualifier);
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    hidden
}

/// Whether a query has one row whatever there is: aggregates of all rows.
fn one_row(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let of = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => has_aggregate(expr),
        _ => false,
    };
    let all = !is_grouped(select) && select.having.is_none() && query.limit_clause.is_none();
    all && select.projection.iter().any(of)
}

fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(terms, _) if terms.is_empty())
}

/// Whether an expression calls an aggregate function, outside of queries of its own. Names are the planner's by now.
fn has_aggregate(expr: &Expr) -> bool {
    let mut found = false;
    let _ = sqlparser::ast::visit_expressions(expr, |inner| {
        if let Expr::Function(call) = inner {
            found |= is_aggregate(&called_name(call).0);
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    found
}
