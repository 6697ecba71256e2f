//! Expressions: columns are resolved, functions get the names of their targets, sub-queries are checked.

use sqlparser::ast::{
    BinaryOperator, CharacterLength, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    Query, UnaryOperator,
};
use sqlparser::tokenizer::{Location, Span};

use super::Checker;
use super::membership::{Standing, existence, membership, not_inward};
use super::query::find_alias;
use super::scope::Names;
use crate::error::{AdqlError, ErrorKind, nearest};
use crate::functions::names::NEGATE;
use crate::functions::{Becomes, Gives, function, function_names};
use crate::tree;

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    Select,
    On,
    Where,
    GroupBy,
    Having,
    OrderBy,
    /// Inside an aggregate function.
    Aggregate,
}

impl Clause {
    /// Why an aggregate has no meaning here, if it has none.
    fn refuses_aggregates(self) -> Option<&'static str> {
        match self {
            Clause::Select | Clause::Having | Clause::OrderBy => None,
            Clause::Where => Some("an aggregate function cannot stand in WHERE; use HAVING"),
            Clause::On => Some("an aggregate function cannot stand in ON; use HAVING"),
            Clause::GroupBy => Some("an aggregate function cannot stand in GROUP BY"),
            Clause::Aggregate => Some("an aggregate function cannot stand inside another one"),
        }
    }
}

impl Checker<'_> {
    /// Checks an expression or condition and rewrites it for the planner.
    pub(super) fn expression(&mut self, expr: &mut Expr, names: &Names, clause: Clause) -> Result<(), AdqlError> {
        tree::with_stack(|| self.expression_here(expr, names, clause))
    }

    fn expression_here(&mut self, expr: &mut Expr, names: &Names, clause: Clause) -> Result<(), AdqlError> {
        match expr {
            Expr::Identifier(name) => *expr = names.column(std::slice::from_ref(name))?.expr,
            Expr::CompoundIdentifier(parts) => *expr = names.column(parts)?.expr,
            Expr::Value(_) => {}
            Expr::Nested(inner) | Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                self.expression(inner, names, clause)?
            }
            Expr::UnaryOp { op, expr: inner } => {
                self.expression(inner, names, clause)?;
                // A literal with its sign is one number.
                if *op == UnaryOperator::Minus && !matches!(**inner, Expr::Value(_)) {
                    *expr = tree::call_of(NEGATE, Span::empty(), [tree::taken(inner)]);
                }
            }
            Expr::Cast { expr: inner, data_type: DataType::Custom(name, _), .. } => {
                let shape = self.cast(tree::taken(inner), name, names, clause)?;
                *expr = shape.value(Span::empty());
            }
            Expr::Cast { expr: inner, data_type, .. } => {
                self.expression(inner, names, clause)?;
                if let Some(length) = taken_length(data_type) {
                    let length = tree::number(length.to_string(), Span::empty());
                    *expr = tree::call_of("left", Span::empty(), [tree::taken(expr), length]);
                }
            }
            Expr::BinaryOp { left, right, .. } => self.expressions([&mut **left, &mut **right], names, clause)?,
            Expr::Like { expr: inner, pattern, .. } | Expr::ILike { expr: inner, pattern, .. } => {
                self.expressions([&mut **inner, &mut **pattern], names, clause)?;
            }
            Expr::Between { expr: inner, low, high, .. } => {
                self.expressions([&mut **inner, &mut **low, &mut **high], names, clause)?;
            }
            Expr::InList { expr: inner, list, .. } => {
                self.expressions(std::iter::once(&mut **inner).chain(list), names, clause)?;
            }
            Expr::InSubquery { .. } | Expr::Exists { .. } => {
                *expr = self.subquery(tree::taken(expr), names, clause, false)?
            }
            Expr::Function(call) => {
                let replaced = self.function(call, names, clause)?;
                if let Some(replaced) = replaced {
                    *expr = replaced;
                }
            }
            other => {
                let message = format!("{other} is not part of ADQL");
                return Err(AdqlError::new(ErrorKind::NotAdql, tree::place_of(other), message));
            }
        }
        Ok(())
    }

    /// Checks the condition of WHERE, HAVING or ON, whose conjuncts may be sub-queries.
    pub(super) fn condition(&mut self, expr: &mut Expr, names: &Names, clause: Clause) -> Result<(), AdqlError> {
        not_inward(expr);
        self.conjuncts(expr, names, clause)
    }

    fn conjuncts(&mut self, expr: &mut Expr, names: &Names, clause: Clause) -> Result<(), AdqlError> {
        tree::with_stack(|| match expr {
            Expr::Nested(inner) => self.conjuncts(inner, names, clause),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.conjuncts(left, names, clause)?;
                self.conjuncts(right, names, clause)
            }
            Expr::InSubquery { .. } | Expr::Exists { .. } => {
                *expr = self.subquery(tree::taken(expr), names, clause, true)?;
                Ok(())
            }
            other => self.expression(other, names, clause),
        })
    }

    /// Checks IN or EXISTS with a sub-query, and writes it as the planner should see it.
    fn subquery(&mut self, expr: Expr, names: &Names, clause: Clause, conjunct: bool) -> Result<Expr, AdqlError> {
        match expr {
            Expr::InSubquery { expr: mut inner, mut subquery, negated } => {
                let at = tree::place_of_query(&subquery.body);
                self.expression(&mut inner, names, clause)?;
                let before = names.referred();
                self.one_column(&mut subquery, names)?;
                let standing = Standing { correlated: names.referred() > before, conjunct, at };
                membership(*inner, *subquery, negated, standing)
            }
            Expr::Exists { mut subquery, negated } => {
                let (at, before) = (tree::place_of_query(&subquery.body), names.referred());
                self.query(&mut subquery, Some(names))?;
                existence(*subquery, negated, Standing { correlated: names.referred() > before, conjunct, at })
            }
            other => Ok(other),
        }
    }

    /// The same for a term of ORDER BY or GROUP BY, where the name of a result column may stand, too.
    pub(super) fn expression_or_alias(
        &mut self,
        expr: &mut Expr,
        names: &Names,
        clause: Clause,
        aliases: &[Ident],
    ) -> Result<(), AdqlError> {
        if let Expr::Identifier(name) = &*expr
            && let Some(alias) = find_alias(name, aliases)
            && names.unqualified(name)?.is_none()
        {
            *expr = Expr::Identifier(alias);
            return Ok(());
        }
        self.expression(expr, names, clause)
    }

    pub(super) fn expressions<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e mut Expr>,
        names: &Names,
        clause: Clause,
    ) -> Result<(), AdqlError> {
        exprs.into_iter().try_for_each(|expr| self.expression(expr, names, clause))
    }

    /// The sub-query of IN, which has one column.
    fn one_column(&mut self, subquery: &mut Query, names: &Names) -> Result<(), AdqlError> {
        let at = tree::place_of_query(&subquery.body);
        match self.query(subquery, Some(names))?.len() {
            1 => Ok(()),
            found => {
                let message = format!("the sub-query of IN must have one column, found {found}");
                Err(AdqlError::new(ErrorKind::Meaning, at, message))
            }
        }
    }

    /// Renames a call to its target; gives what replaces it if that is no call of the same arguments.
    fn function(&mut self, call: &mut Function, names: &Names, clause: Clause) -> Result<Option<Expr>, AdqlError> {
        let (written, span) = called_name(call);
        let Some(called) = function(&written) else {
            let suggestion = nearest(&written, function_names());
            let message = format!("function \"{written}\" not found");
            return Err(AdqlError::new(ErrorKind::UnknownFunction, span.start, message).suggest(suggestion));
        };
        let mut inside = clause;
        if called.gives == Gives::Aggregate {
            if let Some(message) = clause.refuses_aggregates() {
                return Err(AdqlError::new(ErrorKind::Meaning, span.start, message));
            }
            inside = Clause::Aggregate;
        }
        match called.becomes {
            Becomes::Call(target) => {
                call.name = tree::object_name([tree::quoted(target, span)]);
                self.expressions(arguments_mut(call), names, inside)?;
                Ok(None)
            }
            Becomes::CallWithoutArguments(target) => Ok(Some(tree::call_of(target, span, []))),
            Becomes::Geometry(geometry) => self.geometry(geometry, call, names, clause).map(Some),
            Becomes::InUnit => self.in_unit(call, names, clause).map(Some),
        }
    }
}

/// Takes the length off a type of strings, which the planner would not look at. What is longer is cut, as PostgreSQL does; CHAR is not
/// filled up with blanks. ADQL 2.1 section 4.6.1.
fn taken_length(data_type: &mut DataType) -> Option<u64> {
    let (DataType::Char(length) | DataType::Varchar(length)) = data_type else { return None };
    match length.take()? {
        // No string is longer.
        CharacterLength::IntegerLength { length, .. } => Some(length.min(i32::MAX as u64)),
        CharacterLength::Max => None,
    }
}

/// The name of a call and its place.
pub(super) fn called_name(call: &Function) -> (String, Span) {
    let name = call.name.0.first().and_then(|part| part.as_ident());
    name.map_or((String::new(), Span::empty()), |name| (name.value.clone(), name.span))
}

/// The arguments of a call, without an asterisk.
pub(super) fn arguments_mut(call: &mut Function) -> impl Iterator<Item = &mut Expr> {
    let list = match &mut call.args {
        FunctionArguments::List(list) => list.args.as_mut_slice(),
        _ => &mut [],
    };
    list.iter_mut().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

/// The error that the standard has `what`, and this service has it not yet.
pub(super) fn not_offered(at: Location, what: &str) -> AdqlError {
    AdqlError::new(
        ErrorKind::Unsupported,
        at,
        format!("{what} is part of ADQL 2.1, but this service does not offer it"),
    )
}
