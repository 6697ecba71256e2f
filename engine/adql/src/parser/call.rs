//! Function calls and CAST.

use sqlparser::ast::{
    CastKind, CharacterLength, DataType, DuplicateTreatment, Expr, FunctionArg, FunctionArgExpr, Ident, TimezoneInfo,
};
use sqlparser::tokenizer::Location;

use super::value::{Kind, Term};
use super::{Parser, not_adql, signature};
use crate::error::{AdqlError, nearest};
use crate::functions::{Function, Gives, Takes, function};
use crate::lexer::{Lexeme, Token};
use crate::tree;

impl Parser {
    /// A call of a function of the standard, or of any other name: that it exists is checked with the schema.
    pub(super) fn function_call(&mut self) -> Result<Term, AdqlError> {
        let Lexeme { token, span } = self.advance();
        let Token::Word(word) = token else { return Err(self.expected("a function name")) };
        let called = function(&word);
        let name = Ident::with_span(span, word);
        self.expect_symbol("(")?;
        if called.is_some_and(|called| called.takes == Takes::SetOrAsterisk) && self.eat_symbol("*") {
            return self.count_rows(name);
        }
        let quantifier = match called.map(|called| called.takes) {
            Some(Takes::Set | Takes::SetOrAsterisk) => self.set_quantifier(),
            _ => None,
        };
        if self.sees_word(0, "SELECT") {
            let message = format!("{} takes no sub-query", name.value);
            let suggestion = nearest(&name.value, ["EXISTS"]);
            return Err(not_adql(span.start, message).suggest(suggestion));
        }
        let values = self.nested(Self::call_arguments)?;
        self.expect_symbol(")")?;
        let standard = called.is_some_and(Function::is_standard);
        match signature::check(&name, called, &values) {
            Err(error) if standard => return Err(error),
            // To the grammar all functions of services are alike.
            Err(error) => {
                self.no_meaning.get_or_insert(error);
            }
            Ok(()) => {}
        }
        let kind = match called.filter(|_| standard).map(|called| called.gives) {
            Some(Gives::Number) => Kind::Number,
            Some(Gives::Text) => Kind::Text,
            Some(Gives::Geometry) => Kind::Geometry,
            Some(Gives::Any | Gives::Aggregate) | None => Kind::Any,
        };
        let depth = 1 + values.iter().map(|value| value.depth).max().unwrap_or(0);
        let mut arguments = tree::arguments(values.into_iter().map(|value| value.expr));
        arguments.duplicate_treatment = quantifier;
        Ok(Term { expr: Expr::Function(tree::call(name, arguments)), kind, at: span.start, depth })
    }

    fn count_rows(&mut self, name: Ident) -> Result<Term, AdqlError> {
        self.expect_symbol(")")?;
        let at = name.span.start;
        let mut arguments = tree::arguments([]);
        arguments.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        Ok(Term { expr: Expr::Function(tree::call(name, arguments)), kind: Kind::Any, at, depth: 1 })
    }

    /// DISTINCT, or ALL, which changes nothing.
    fn set_quantifier(&mut self) -> Option<DuplicateTreatment> {
        let all = self.eat_word("ALL");
        (!all && self.eat_word("DISTINCT")).then_some(DuplicateTreatment::Distinct)
    }

    fn call_arguments(&mut self) -> Result<Vec<Term>, AdqlError> {
        let mut values = vec![];
        if self.sees_symbol(0, ")") {
            return Ok(values);
        }
        loop {
            values.push(self.value_expression()?);
            if !self.eat_symbol(",") {
                return Ok(values);
            }
        }
    }

    pub(super) fn cast_specification(&mut self) -> Result<Term, AdqlError> {
        let at = self.advance().span.start;
        self.expect_symbol("(")?;
        let value = self.nested(Self::value_expression)?;
        self.expect_word("AS")?;
        let data_type = self.cast_target()?;
        if self.sees_symbol(0, "(") {
            return Err(not_adql(self.here(), "of ADQL's types only CHAR and VARCHAR take a length"));
        }
        self.expect_symbol(")")?;
        let (kind, array, format) = (CastKind::Cast, false, None);
        let depth = value.depth + 1;
        let expr = Expr::Cast { kind, expr: Box::new(value.expr), data_type, array, format };
        Ok(Term { expr, kind: Kind::Any, at, depth })
    }

    /// One of the types of section 4.6.1.
    fn cast_target(&mut self) -> Result<DataType, AdqlError> {
        let Lexeme { token, span } = self.advance();
        let Token::Word(word) = token else { return Err(no_type("", span.start)) };
        Ok(match word.to_ascii_uppercase().as_str() {
            "SMALLINT" => DataType::SmallInt(None),
            "INTEGER" => DataType::Integer(None),
            "BIGINT" => DataType::BigInt(None),
            "REAL" => DataType::Real,
            "DOUBLE" if self.eat_word("PRECISION") => DataType::DoublePrecision,
            "CHAR" => DataType::Char(self.length()?),
            "VARCHAR" => DataType::Varchar(self.length()?),
            // To the microsecond, like columns.
            "TIMESTAMP" => DataType::Timestamp(Some(6), TimezoneInfo::None),
            "POINT" | "CIRCLE" | "POLYGON" => {
                DataType::Custom(tree::object_name([Ident::with_span(span, word)]), vec![])
            }
            _ => return Err(no_type(&word, span.start)),
        })
    }

    fn length(&mut self) -> Result<Option<CharacterLength>, AdqlError> {
        if !self.eat_symbol("(") {
            return Ok(None);
        }
        let at = self.here();
        let (digits, _) = self.unsigned("a length")?;
        let length = digits.parse().map_err(|_| not_adql(at, "the length is too large"))?;
        self.expect_symbol(")")?;
        Ok(Some(CharacterLength::IntegerLength { length, unit: None }))
    }
}

const TYPES: [&str; 11] = [
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "REAL",
    "DOUBLE PRECISION",
    "CHAR",
    "VARCHAR",
    "TIMESTAMP",
    "POINT",
    "CIRCLE",
    "POLYGON",
];

fn no_type(word: &str, at: Location) -> AdqlError {
    let word = word.to_ascii_uppercase();
    let meant = match word.as_str() {
        "INT" | "INT4" | "SIGNED" => Some("INTEGER"),
        "TINYINT" | "BYTE" | "BOOLEAN" | "BOOL" | "INT2" | "SHORT" => Some("SMALLINT"),
        "LONG" | "INT8" => Some("BIGINT"),
        "FLOAT4" => Some("REAL"),
        "DOUBLE" | "FLOAT" | "FLOAT8" | "NUMERIC" | "DECIMAL" | "NUMBER" => Some("DOUBLE PRECISION"),
        "TEXT" | "STRING" | "CHARACTER" | "NCHAR" | "NVARCHAR" => Some("VARCHAR"),
        "DATE" | "TIME" | "DATETIME" | "TIMESTAMPTZ" => Some("TIMESTAMP"),
        _ => None,
    };
    let suggestion = meant.map(str::to_owned).or_else(|| nearest(&word, TYPES));
    not_adql(at, format!("no type of ADQL; CAST knows {}", TYPES.join(", "))).suggest(suggestion)
}
