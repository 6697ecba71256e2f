//! `<search_condition>`: AND, OR, NOT and the predicates.

use sqlparser::ast::{BinaryOperator, Expr, Query, UnaryOperator};
use sqlparser::tokenizer::Location;

use super::value::{Kind, NO_SCALAR_SUBQUERY, Term};
use super::{Parser, Place, not_adql};
use crate::error::{AdqlError, ErrorKind};
use crate::lexer::Token;
use crate::tree;
use crate::words::is_keyword;

/// What can stand in parentheses: which of the two it is shows only behind them.
pub(super) enum Parsed {
    Condition(Expr),
    Value(Term),
}

impl Parsed {
    /// The value that this must be; `at` is where it begins.
    pub(super) fn value(self, at: Location) -> Result<Term, AdqlError> {
        match self {
            Parsed::Value(term) => Ok(term),
            Parsed::Condition(_) => {
                Err(not_adql(at, "a condition is no value in ADQL; it stands in WHERE, ON or HAVING"))
            }
        }
    }
}

impl Parser {
    pub(super) fn search_condition(&mut self) -> Result<Expr, AdqlError> {
        let condition = self.disjunction()?;
        self.condition(condition)
    }

    /// The condition that what has just been read must be.
    fn condition(&self, parsed: Parsed) -> Result<Expr, AdqlError> {
        let term = match parsed {
            Parsed::Condition(condition) => return Ok(condition),
            Parsed::Value(term) => term,
        };
        let message = match term.predicate_function() {
            Some(name) => format!("{name} gives 1 or 0, not a condition; compare it, as in 1 = {name}(…)"),
            None if self.goes_on() => return Err(self.expected("a comparison, IS NULL, BETWEEN, IN or LIKE")),
            None => "a value is no condition; compare it with another".to_owned(),
        };
        Err(AdqlError::new(ErrorKind::Syntax, term.at, message))
    }

    /// Whether something comes next that ends no condition.
    fn goes_on(&self) -> bool {
        match &self.peek(0).token {
            Token::Word(word) => !is_keyword(word),
            Token::Delimited(_) | Token::Number(_) | Token::Text(_) => true,
            Token::Symbol(_) | Token::End => false,
        }
    }

    /// Conditions under OR, or a single value.
    pub(super) fn disjunction(&mut self) -> Result<Parsed, AdqlError> {
        let first = self.conjunction()?;
        if !self.sees_word(0, "OR") {
            return Ok(first);
        }
        let mut conditions = vec![self.condition(first)?];
        while self.eat_word("OR") {
            let next = self.conjunction()?;
            conditions.push(self.condition(next)?);
        }
        self.joined(conditions, &BinaryOperator::Or)
    }

    fn conjunction(&mut self) -> Result<Parsed, AdqlError> {
        let first = self.boolean_factor()?;
        if !self.sees_word(0, "AND") {
            return Ok(first);
        }
        let mut conditions = vec![self.condition(first)?];
        while self.eat_word("AND") {
            let next = self.boolean_factor()?;
            conditions.push(self.condition(next)?);
        }
        self.joined(conditions, &BinaryOperator::And)
    }

    fn joined(&self, conditions: Vec<Expr>, op: &BinaryOperator) -> Result<Parsed, AdqlError> {
        tree::balanced(conditions, op).map(Parsed::Condition).ok_or_else(|| self.expected("a condition"))
    }

    fn boolean_factor(&mut self) -> Result<Parsed, AdqlError> {
        if self.eat_word("NOT") {
            let primary = self.boolean_primary()?;
            let expr = Box::new(self.condition(primary)?);
            return Ok(Parsed::Condition(Expr::UnaryOp { op: UnaryOperator::Not, expr }));
        }
        self.boolean_primary()
    }

    fn boolean_primary(&mut self) -> Result<Parsed, AdqlError> {
        if self.eat_word("EXISTS") {
            let subquery = Box::new(self.exists_subquery()?);
            return Ok(Parsed::Condition(Expr::Exists { subquery, negated: false }));
        }
        let first = if self.sees_symbol(0, "(") {
            match self.parentheses()? {
                Parsed::Value(term) => Some(term),
                condition => return Ok(condition),
            }
        } else {
            None
        };
        let left = self.value_expression_after(first)?;
        self.predicate(left)
    }

    /// `( … )` with a condition or a value inside.
    pub(super) fn parentheses(&mut self) -> Result<Parsed, AdqlError> {
        let at = self.here();
        self.expect_symbol("(")?;
        if self.sees_word(0, "SELECT") {
            return Err(not_adql(self.here(), NO_SCALAR_SUBQUERY));
        }
        let inside = self.nested(Self::disjunction)?;
        if self.sees_symbol(0, ",") {
            let message =
                "this parenthesis is not closed before the comma; ADQL has no rows of values, compare them one by one";
            return Err(not_adql(at, message));
        }
        self.expect_symbol(")")?;
        Ok(match inside {
            Parsed::Condition(condition) => Parsed::Condition(Expr::Nested(Box::new(condition))),
            Parsed::Value(term) => {
                let (expr, depth) = (Expr::Nested(Box::new(term.expr)), term.depth + 1);
                Parsed::Value(Term { expr, kind: Kind::Any, at, depth })
            }
        })
    }

    /// The predicate that begins with `left`, or `left` alone if none does.
    fn predicate(&mut self, left: Term) -> Result<Parsed, AdqlError> {
        if let Some(op) = self.comparison_operator() {
            let right = self.value_expression()?;
            return Ok(Parsed::Condition(tree::binary(left.expr, op, right.expr)));
        }
        if self.eat_word("IS") {
            return self.null_predicate(left);
        }
        let negated = self.eat_word("NOT");
        let condition = match () {
            () if self.eat_word("BETWEEN") => self.between_predicate(left, negated)?,
            () if self.eat_word("IN") => self.in_predicate(left, negated)?,
            () if self.eat_word("LIKE") => self.like_predicate(left, negated, true)?,
            () if self.eat_word("ILIKE") => self.like_predicate(left, negated, false)?,
            () if negated => return Err(self.expected("BETWEEN, IN, LIKE or ILIKE after NOT")),
            () => return Ok(Parsed::Value(left)),
        };
        Ok(Parsed::Condition(condition))
    }

    fn comparison_operator(&mut self) -> Option<BinaryOperator> {
        Some(match () {
            () if self.eat_symbol("=") => BinaryOperator::Eq,
            () if self.eat_symbol("<>") => BinaryOperator::NotEq,
            () if self.eat_symbol("<=") => BinaryOperator::LtEq,
            () if self.eat_symbol(">=") => BinaryOperator::GtEq,
            () if self.eat_symbol("<") => BinaryOperator::Lt,
            () if self.eat_symbol(">") => BinaryOperator::Gt,
            () => return None,
        })
    }

    fn null_predicate(&mut self, left: Term) -> Result<Parsed, AdqlError> {
        let negated = self.eat_word("NOT");
        if !self.sees_word(0, "NULL") {
            return Err(self.expected("NULL"));
        }
        if !left.is_column() {
            let message = "IS NULL takes a column in ADQL, no expression; name the expression in a sub-query";
            return Err(not_adql(left.at, message));
        }
        self.advance();
        let expr = Box::new(left.expr);
        Ok(Parsed::Condition(if negated { Expr::IsNotNull(expr) } else { Expr::IsNull(expr) }))
    }

    fn between_predicate(&mut self, left: Term, negated: bool) -> Result<Expr, AdqlError> {
        let low = Box::new(self.value_expression()?.expr);
        self.expect_word("AND")?;
        let high = Box::new(self.value_expression()?.expr);
        Ok(Expr::Between { expr: Box::new(left.expr), negated, low, high })
    }

    fn in_predicate(&mut self, left: Term, negated: bool) -> Result<Expr, AdqlError> {
        let expr = Box::new(left.expr);
        if self.sees_table_subquery() {
            let subquery = Box::new(self.table_subquery()?);
            return Ok(Expr::InSubquery { expr, subquery, negated });
        }
        self.expect_symbol("(")?;
        let list = self.nested(Self::value_list)?;
        self.expect_symbol(")")?;
        Ok(Expr::InList { expr, list, negated })
    }

    fn like_predicate(&mut self, left: Term, negated: bool, case_sensitive: bool) -> Result<Expr, AdqlError> {
        let pattern = self.value_expression()?;
        for term in [&left, &pattern] {
            term.require_text("LIKE compares strings")?;
        }
        let (expr, pattern) = (Box::new(left.expr), Box::new(pattern.expr));
        let (any, escape_char) = (false, None);
        Ok(if case_sensitive {
            Expr::Like { negated, any, expr, pattern, escape_char }
        } else {
            Expr::ILike { negated, any, expr, pattern, escape_char }
        })
    }

    fn exists_subquery(&mut self) -> Result<Query, AdqlError> {
        if self.sees_table_subquery() {
            return self.table_subquery();
        }
        self.expect_symbol("(")?;
        Err(self.refused("SELECT", Place::Query))
    }
}
