//! `<value_expression>`: arithmetic, concatenation, literals and column references.

use sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator, Value};
use sqlparser::tokenizer::Location;

use super::{MAX_LEVELS, MAX_VALUE_DEPTH, Parser, Place, not_adql};
use crate::error::{AdqlError, ErrorKind};
use crate::functions::{Becomes, Geometry, function};
use crate::lexer::{Lexeme, Token};
use crate::tree;

/// Why a query is no value.
pub(super) const NO_SCALAR_SUBQUERY: &str =
    "a sub-query is no value in ADQL; use IN (SELECT …), EXISTS (SELECT …) or a join with it";

/// What the grammar knows of a value without knowing its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Arithmetic, or a function that gives a number.
    Number,
    /// A concatenation, or a function that gives a string.
    Text,
    /// A function that gives a geometry.
    Geometry,
    /// A `<value_expression_primary>` (literal, column, aggregate, CAST, parentheses) or a user defined function.
    Any,
}

/// A value, its kind, where it begins and how many levels its tree has.
pub(super) struct Term {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
    pub(super) at: Location,
    pub(super) depth: usize,
}

impl Term {
    pub(super) fn is_column(&self) -> bool {
        matches!(self.expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
    }

    /// The name of the function that this is a call of.
    pub(super) fn function_name(&self) -> Option<&str> {
        match &self.expr {
            Expr::Function(call) => call.name.0.first()?.as_ident().map(|name| name.value.as_str()),
            _ => None,
        }
    }

    /// The name of the geometry predicate that this is a call of: CONTAINS or INTERSECTS.
    pub(super) fn predicate_function(&self) -> Option<&'static str> {
        let called = function(self.function_name()?)?;
        let predicate = matches!(called.becomes, Becomes::Geometry(Geometry::Contains | Geometry::Intersects));
        predicate.then_some(called.name)
    }

    pub(super) fn require_number(&self, what: &str) -> Result<(), AdqlError> {
        self.require(&[Kind::Number, Kind::Any], what, "a number")
    }

    pub(super) fn require_text(&self, what: &str) -> Result<(), AdqlError> {
        self.require(&[Kind::Text, Kind::Any], what, "a string")
    }

    pub(super) fn require_geometry(&self, what: &str) -> Result<(), AdqlError> {
        self.require(&[Kind::Geometry, Kind::Any], what, "a geometry")
    }

    fn require(&self, kinds: &[Kind], what: &str, wanted: &str) -> Result<(), AdqlError> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        let found = match self.kind {
            Kind::Number => "a numeric expression",
            Kind::Text => "a string expression",
            Kind::Geometry => "a geometry",
            Kind::Any => "a value",
        };
        let message = format!("{what}: expected {wanted}, found {found}");
        Err(AdqlError::new(ErrorKind::Argument, self.at, message))
    }
}

impl Parser {
    pub(super) fn value_expression(&mut self) -> Result<Term, AdqlError> {
        self.value_expression_after(None)
    }

    /// A value expression whose first primary has been read already, if it is given.
    pub(super) fn value_expression_after(&mut self, first: Option<Term>) -> Result<Term, AdqlError> {
        let mut left = self.numeric_value_expression(first)?;
        while self.eat_symbol("||") {
            let right = self.numeric_value_expression(None)?;
            for operand in [&left, &right] {
                operand.require_text("|| joins strings; put other expressions in CAST(… AS VARCHAR)")?;
            }
            left = self.operation(left, BinaryOperator::StringConcat, right, Kind::Text)?;
        }
        Ok(left)
    }

    fn numeric_value_expression(&mut self, first: Option<Term>) -> Result<Term, AdqlError> {
        let mut left = self.term(first)?;
        loop {
            let op = match () {
                () if self.eat_symbol("+") => BinaryOperator::Plus,
                () if self.eat_symbol("-") => BinaryOperator::Minus,
                () => return Ok(left),
            };
            let right = self.term(None)?;
            left = self.arithmetic(left, op, right)?;
        }
    }

    fn term(&mut self, first: Option<Term>) -> Result<Term, AdqlError> {
        let mut left = first.map_or_else(|| self.factor(), Ok)?;
        loop {
            let op = match () {
                () if self.eat_symbol("*") => BinaryOperator::Multiply,
                () if self.eat_symbol("/") => BinaryOperator::Divide,
                () => return Ok(left),
            };
            let right = self.factor()?;
            left = self.arithmetic(left, op, right)?;
        }
    }

    fn arithmetic(&mut self, left: Term, op: BinaryOperator, right: Term) -> Result<Term, AdqlError> {
        for operand in [&left, &right] {
            operand.require_number("arithmetic")?;
        }
        self.operation(left, op, right, Kind::Number)
    }

    fn operation(&mut self, left: Term, op: BinaryOperator, right: Term, kind: Kind) -> Result<Term, AdqlError> {
        let depth = left.depth.max(right.depth) + 1;
        // A value alone has one level, which is no operator.
        self.bound(depth - 2, MAX_VALUE_DEPTH, "operators in one expression")?;
        self.bound(self.levels + depth, MAX_LEVELS, "levels of operators, which long sums have most of")?;
        self.levels += depth;
        Ok(Term { expr: tree::binary(left.expr, op, right.expr), kind, at: left.at, depth })
    }

    fn factor(&mut self) -> Result<Term, AdqlError> {
        let at = self.here();
        let op = match () {
            () if self.eat_symbol("-") => UnaryOperator::Minus,
            () if self.eat_symbol("+") => UnaryOperator::Plus,
            () => return self.primary(),
        };
        let operand = self.primary()?;
        operand.require_number("a sign")?;
        let (expr, depth) = (Box::new(operand.expr), operand.depth + 1);
        Ok(Term { expr: Expr::UnaryOp { op, expr }, kind: Kind::Number, at, depth })
    }

    fn primary(&mut self) -> Result<Term, AdqlError> {
        let Lexeme { token, span } = self.peek(0).clone();
        let literal = match token {
            Token::Number(digits) => Value::Number(digits, false),
            Token::Text(text) => Value::SingleQuotedString(text),
            Token::Word(word) if word.eq_ignore_ascii_case("NULL") => Value::Null,
            Token::Symbol("(") => return self.parentheses()?.value(span.start),
            Token::Word(word) if word.eq_ignore_ascii_case("CAST") => return self.cast_specification(),
            Token::Word(_) if self.sees_call() => return self.function_call(),
            _ if self.sees_name(0) => return self.column_reference(),
            Token::Word(word) if word.eq_ignore_ascii_case("SELECT") => {
                return Err(not_adql(span.start, NO_SCALAR_SUBQUERY));
            }
            _ => return Err(self.refused("an expression (a column name, a literal or a function)", Place::Name)),
        };
        self.advance();
        Ok(Term { expr: tree::literal(literal, span), kind: Kind::Any, at: span.start, depth: 1 })
    }

    /// Whether a function is called next: a word and an opening parenthesis.
    fn sees_call(&self) -> bool {
        let Token::Word(word) = &self.peek(0).token else { return false };
        self.sees_symbol(1, "(") && (self.sees_name(0) || function(word).is_some())
    }

    /// `[[[catalog.]schema.]table.]column`.
    fn column_reference(&mut self) -> Result<Term, AdqlError> {
        let at = self.here();
        let mut parts: Vec<Ident> = vec![self.name("a column name")?];
        while parts.len() < 4 && self.eat_symbol(".") {
            parts.push(self.name("a column name after \".\"")?);
        }
        if self.sees_symbol(0, "(") {
            let message = "a function's name is one word, without schema and without double quotes";
            return Err(AdqlError::new(ErrorKind::Syntax, at, message));
        }
        let expr = match <[Ident; 1]>::try_from(parts) {
            Ok([column]) => Expr::Identifier(column),
            Err(parts) => Expr::CompoundIdentifier(parts),
        };
        Ok(Term { expr, kind: Kind::Any, at, depth: 1 })
    }
}
