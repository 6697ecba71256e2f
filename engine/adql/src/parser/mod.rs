//! ADQL 2.1 text to sqlparser's tree, by recursive descent over the productions of the standard's grammar.
//!
//! sqlparser's own parser is not used: it takes a sub-query in FROM or IN on trial and forgets where the trial
//! failed, so that an error inside loses its place, and nested trials take exponential time (`<derived_table>`,
//! `<joined_table>`, `<in_predicate>`). Its tokens and its tree are.

mod call;
mod condition;
mod query;
mod signature;
mod table;
mod value;

use sqlparser::ast::{self, Ident};
use sqlparser::tokenizer::{Location, Span};

use crate::error::{AdqlError, ErrorKind};
use crate::functions::function;
use crate::lexer::{Lexeme, Token, tokens, touching_number};
use crate::tree;
use crate::words::{Around, advice, is_keyword, is_reserved};

/// Deepest nesting of parentheses, calls and sub-queries.
const MAX_NESTING: usize = 50;

/// Most levels in the tree of one value: each operator of `a + b - c + …` adds one. AND and OR do not, their trees
/// are balanced.
const MAX_VALUE_DEPTH: usize = 300;

/// Most levels of all operators of a query together: what it takes to plan a value grows with the square of its levels.
const MAX_LEVELS: usize = 60_000;

/// Most tables and sub-queries in all FROM clauses together; it bounds joins and set operations, too.
const MAX_TABLES: usize = 200;

/// Most columns in a result, and most terms in GROUP BY and ORDER BY.
pub(crate) const MAX_COLUMNS: usize = 4096;

/// A query that follows the grammar.
#[derive(Debug, Clone)]
pub(crate) struct ParsedQuery {
    pub(crate) tree: ast::Query,
    /// The first thing in it that the grammar allows and that has no meaning all the same, if the tree cannot show it.
    pub(crate) no_meaning: Option<AdqlError>,
}

/// The tree of the query that `text` is.
pub(crate) fn parse(text: &str) -> Result<ParsedQuery, AdqlError> {
    let lexemes = tokens(text)?;
    let no_meaning = touching_number(&lexemes);
    let mut parser = Parser { lexemes, next: 0, nesting: 0, tables: 0, levels: 0, no_meaning };
    let tree = parser.whole_query()?;
    Ok(ParsedQuery { tree, no_meaning: parser.no_meaning })
}

/// A cursor over the tokens.
struct Parser {
    lexemes: Vec<Lexeme>,
    next: usize,
    nesting: usize,
    tables: usize,
    levels: usize,
    no_meaning: Option<AdqlError>,
}

impl Parser {
    /// The lexeme `ahead` places after the next one; the end of the text if there are not so many.
    fn peek(&self, ahead: usize) -> &Lexeme {
        // The list is never empty: its last lexeme is the end.
        &self.lexemes[(self.next + ahead).min(self.lexemes.len() - 1)]
    }

    fn advance(&mut self) -> Lexeme {
        let lexeme = self.peek(0).clone();
        self.next = (self.next + 1).min(self.lexemes.len() - 1);
        lexeme
    }

    fn here(&self) -> Location {
        self.peek(0).span.start
    }

    fn sees_symbol(&self, ahead: usize, symbol: &str) -> bool {
        matches!(&self.peek(ahead).token, Token::Symbol(found) if *found == symbol)
    }

    fn sees_word(&self, ahead: usize, keyword: &str) -> bool {
        matches!(&self.peek(ahead).token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Whether a name stands there: a delimited identifier, or a regular one that is not reserved.
    fn sees_name(&self, ahead: usize) -> bool {
        self.peek(ahead).token.is_name()
    }

    fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.sees_symbol(0, symbol);
        self.next += usize::from(found);
        found
    }

    fn eat_word(&mut self, keyword: &str) -> bool {
        let found = self.sees_word(0, keyword);
        self.next += usize::from(found);
        found
    }

    fn expect_symbol(&mut self, symbol: &'static str) -> Result<(), AdqlError> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("\"{symbol}\""))) }
    }

    fn expect_word(&mut self, keyword: &'static str) -> Result<(), AdqlError> {
        if self.eat_word(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    /// `<identifier>`; the tree keeps whether it was delimited.
    fn name(&mut self, what: &str) -> Result<Ident, AdqlError> {
        if !self.sees_name(0) {
            return Err(self.refused(what, Place::Name));
        }
        let Lexeme { token, span } = self.advance();
        Ok(match token {
            Token::Delimited(name) => tree::quoted(&name, span),
            Token::Word(name) => Ident::with_span(span, name),
            _ => return Err(self.expected(what)),
        })
    }

    /// `<unsigned_decimal>`: digits only.
    fn unsigned(&mut self, what: &str) -> Result<(String, Span), AdqlError> {
        match &self.peek(0).token {
            Token::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let (digits, span) = (digits.clone(), self.peek(0).span);
                self.next += 1;
                Ok((digits, span))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Runs `production` one level deeper.
    fn nested<T>(&mut self, production: impl FnOnce(&mut Self) -> Result<T, AdqlError>) -> Result<T, AdqlError> {
        if self.nesting == MAX_NESTING {
            let message = format!("the query is nested more than {MAX_NESTING} levels deep");
            return Err(AdqlError::new(ErrorKind::TooComplex, self.here(), message));
        }
        self.nesting += 1;
        let result = tree::with_stack(|| production(self));
        self.nesting -= 1;
        result
    }

    /// Refuses the next `what` if there are `found` of them already and no more than `most` are taken.
    fn bound(&self, found: usize, most: usize, what: &str) -> Result<(), AdqlError> {
        if found < most {
            return Ok(());
        }
        Err(AdqlError::new(ErrorKind::TooComplex, self.here(), format!("more than {most} {what}")))
    }

    /// The error that the next token is not `what`.
    fn expected(&self, what: &str) -> AdqlError {
        self.refused(what, Place::Clause)
    }

    /// The error that the next token is not `what`. In `FROM t LIMIT 10` and `FROM t WHRE x = 1` the word to blame is
    /// taken for an alias and the error comes one token later: the word before is looked at, too.
    fn refused(&self, what: &str, place: Place) -> AdqlError {
        let found = &self.peek(0).token;
        let message = format!("expected {what}, found {found}");
        if place == Place::Name && self.sees_word_as_name() {
            return self.reserved(&message);
        }
        let taken_for_name = self.next.checked_sub(1).filter(|previous| self.lexemes[*previous].token.is_name());
        let suspects = || std::iter::once(self.next).chain(taken_for_name);
        for at in suspects() {
            if let Some(advice) = self.advice(at, place) {
                return not_adql(self.lexemes[at].span.start, advice);
            }
        }
        for at in suspects() {
            let suspect = &self.lexemes[at];
            if let Some(keyword) = suspect.token.misspelt_keyword() {
                let message = format!("expected {what}, found {}", suspect.token);
                return AdqlError::new(ErrorKind::Syntax, suspect.span.start, message).suggest(Some(keyword));
            }
        }
        match found {
            Token::Word(word)
                if is_reserved(word) && !is_keyword(word) && (place == Place::Name || taken_for_name.is_some()) =>
            {
                self.reserved(&message)
            }
            _ => AdqlError::new(ErrorKind::Syntax, self.here(), message),
        }
    }

    /// What ADQL offers instead of what another dialect of SQL means by the word there.
    fn advice(&self, at: usize, place: Place) -> Option<&'static str> {
        let Token::Word(word) = &self.lexemes[at].token else { return None };
        let around = match self.lexemes.get(at + 1).map(|next| &next.token) {
            _ if place == Place::Query && at == self.next => Around::QueryExpected,
            Some(Token::Symbol("(")) => Around::Call,
            Some(Token::Text(_)) => Around::Text,
            _ => Around::Other,
        };
        advice(word, around)
    }

    /// Whether the next token is a reserved word and what comes after it could follow a name: that it was meant as one.
    fn sees_word_as_name(&self) -> bool {
        let Token::Word(word) = &self.peek(0).token else { return false };
        let name_ends = match &self.peek(1).token {
            Token::Word(next) => is_keyword(next) && !next.eq_ignore_ascii_case("BY"),
            Token::Symbol(symbol) => *symbol != "(",
            Token::End => true,
            _ => false,
        };
        is_reserved(word) && name_ends && !NEVER_NAMES.iter().any(|never| word.eq_ignore_ascii_case(never))
    }

    /// The error that the next token is a reserved word.
    fn reserved(&self, message: &str) -> AdqlError {
        let Lexeme { token, span } = self.peek(0);
        let Token::Word(word) = token else { return AdqlError::new(ErrorKind::Syntax, span.start, message) };
        let advice = match function(word) {
            Some(called) if called.is_standard() => format!("the function is called {}(…), and a", called.name),
            _ if self.sees_symbol(1, "(") => "ADQL has no such function; a".to_owned(),
            _ => "a".to_owned(),
        };
        let message = format!("{message}; {advice} name that is a reserved word stands in double quotes");
        AdqlError::new(ErrorKind::ReservedWord, span.start, message)
    }
}

/// What should have stood where an error is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A whole query.
    Query,
    /// A name, or a value, which may be a name.
    Name,
    /// A keyword or a symbol.
    Clause,
}

/// Reserved words that people write where a value should be and do not mean as names.
const NEVER_NAMES: &[&str] = &["TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"];

/// A refusal of something that is SQL, but not ADQL.
fn not_adql(at: Location, message: impl Into<String>) -> AdqlError {
    AdqlError::new(ErrorKind::NotAdql, at, message)
}
