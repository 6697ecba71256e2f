//! Text to tokens: sqlparser's tokenizer under ADQL's rules for identifiers, literals and comments (section 2.1).

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Location, Span, Token as SqlToken, TokenWithSpan, Tokenizer, Whitespace};

use crate::error::{AdqlError, ErrorKind, nearest};
use crate::words::{CLAUSES, is_keyword, is_reserved};

/// Longest text taken, in bytes: room for 100,000 identifiers of 19 digits in an IN list.
pub const MAX_TEXT_BYTES: usize = 4 << 20;

/// Most tokens taken, blanks included; it bounds the memory that a text of short tokens can take.
const MAX_TOKENS: usize = 1_000_000;

/// Longest identifier taken, in characters; it bounds the search for the nearest name.
const MAX_IDENTIFIER_CHARS: usize = 128;

/// One token of ADQL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A keyword, function name or regular identifier, as written.
    Word(String),
    /// A delimited identifier, without its quotes.
    Delimited(String),
    /// An unsigned numeric literal, as written.
    Number(String),
    /// A string literal, without its quotes.
    Text(String),
    /// Punctuation or an operator.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Word(word) if is_reserved(word) && !is_keyword(word) => {
                write!(f, "\"{word}\", a reserved word of ADQL")
            }
            Token::Word(word) | Token::Number(word) => write!(f, "\"{word}\""),
            Token::Delimited(name) => write!(f, "the identifier \"{name}\""),
            Token::Text(text) => write!(f, "the string '{}'", text.chars().take(40).collect::<String>()),
            Token::Symbol(symbol) => write!(f, "\"{symbol}\""),
            Token::End => write!(f, "the end of the query"),
        }
    }
}

impl Token {
    /// Whether this can be a name: a delimited identifier, or a regular one that is not reserved.
    pub(crate) fn is_name(&self) -> bool {
        match self {
            Token::Word(word) => !is_reserved(word),
            Token::Delimited(_) => true,
            _ => false,
        }
    }

    /// The keyword that this word was probably meant to be.
    pub(crate) fn misspelt_keyword(&self) -> Option<String> {
        match self {
            Token::Word(word) if !is_reserved(word) => nearest(word, CLAUSES.iter().copied()),
            _ => None,
        }
    }
}

/// The tokens of `text`, the last one being [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Lexeme>, AdqlError> {
    bound(text)?;
    // Editors put a byte order mark before a text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let sql_tokens = Tokenizer::new(&AdqlDialect, text).tokenize_with_location().map_err(|error| {
        let message = match error.message.as_str() {
            "Unterminated string literal" => "this string has no closing '; a ' inside of a string is written ''",
            message if message.contains("close delimiter") => "this identifier has no closing \"",
            message => &format!("{message}; ADQL delimits strings with ' and identifiers with \""),
        };
        AdqlError::new(ErrorKind::Syntax, error.location, message)
    })?;
    let mut lexemes: Vec<Lexeme> = Vec::with_capacity(sql_tokens.len() / 2 + 1);
    for TokenWithSpan { token, span } in sql_tokens {
        let Some(token) = adql_token(token, span.start)? else { continue };
        match (lexemes.last_mut(), token) {
            // SQL-92 continues a string literal on another line; a comment may stand between the two.
            (Some(Lexeme { token: Token::Text(first), span: place }), Token::Text(rest))
                if place.end.line < span.start.line =>
            {
                first.push_str(&rest);
                place.end = span.end;
            }
            (_, token) => lexemes.push(Lexeme { token, span }),
        }
    }
    let end = lexemes.last().map_or(Location::new(1, 1), |last| last.span.end);
    lexemes.push(Lexeme { token: Token::End, span: Span::new(end, end) });
    Ok(lexemes)
}

/// What is wrong with a number that touches a word. The grammar takes `TOP 5a` and `2mass_id` for two tokens each, of which hardly
/// anybody who writes them thinks.
pub(crate) fn touching_number(lexemes: &[Lexeme]) -> Option<AdqlError> {
    lexemes.windows(2).find_map(|pair| match pair {
        [Lexeme { token: Token::Number(digits), span }, Lexeme { token: Token::Word(word), span: next }]
            if span.end == next.start && !is_reserved(word) =>
        {
            let message = format!(
                "the number {digits} touches \"{word}\"; put a blank between them, or write \"{digits}{word}\" in double quotes if it is a name"
            );
            Some(AdqlError::new(ErrorKind::Meaning, span.start, message))
        }
        _ => None,
    })
}

/// Refuses a text before it is tokenized if it could take too much memory.
fn bound(text: &str) -> Result<(), AdqlError> {
    let start = Location::new(1, 1);
    if text.len() > MAX_TEXT_BYTES {
        let message = format!(
            "the query has {} bytes, more than the {MAX_TEXT_BYTES} taken; upload a table and join it instead",
            text.len()
        );
        return Err(AdqlError::new(ErrorKind::TooComplex, start, message));
    }
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let (mut found, mut in_word) = (0, false);
    for byte in text.bytes() {
        found += usize::from(!(in_word && is_word(byte)));
        in_word = is_word(byte);
    }
    if found > MAX_TOKENS {
        let message = format!("the query has more than {MAX_TOKENS} tokens; upload a table and join it instead");
        return Err(AdqlError::new(ErrorKind::TooComplex, start, message));
    }
    Ok(())
}

/// The ADQL token that `token` is; none for blanks and comments.
fn adql_token(token: SqlToken, at: Location) -> Result<Option<Token>, AdqlError> {
    Ok(Some(match token {
        SqlToken::Whitespace(Whitespace::MultiLineComment(_)) => {
            return Err(not_adql(at, "a comment of ADQL begins with -- and ends with its line"));
        }
        SqlToken::Whitespace(_) | SqlToken::EOF => return Ok(None),
        SqlToken::Word(word) => identifier(word.value, word.quote_style.is_some(), at)?,
        SqlToken::Number(digits, false) => Token::Number(digits),
        SqlToken::SingleQuotedString(text) => Token::Text(text),
        other => Token::Symbol(symbol(&other).ok_or_else(|| refusal(&other, at))?),
    }))
}

fn identifier(value: String, delimited: bool, at: Location) -> Result<Token, AdqlError> {
    if value.is_empty() {
        return Err(AdqlError::new(ErrorKind::Syntax, at, "a delimited identifier cannot be empty"));
    }
    if value.chars().count() > MAX_IDENTIFIER_CHARS {
        let message = format!("an identifier has at most {MAX_IDENTIFIER_CHARS} characters");
        return Err(AdqlError::new(ErrorKind::TooComplex, at, message));
    }
    Ok(if delimited { Token::Delimited(value) } else { Token::Word(value) })
}

fn symbol(token: &SqlToken) -> Option<&'static str> {
    Some(match token {
        SqlToken::Comma => ",",
        SqlToken::Period => ".",
        SqlToken::LParen => "(",
        SqlToken::RParen => ")",
        SqlToken::SemiColon => ";",
        SqlToken::Eq => "=",
        SqlToken::Neq => "<>",
        SqlToken::Lt => "<",
        SqlToken::Gt => ">",
        SqlToken::LtEq => "<=",
        SqlToken::GtEq => ">=",
        SqlToken::Plus => "+",
        SqlToken::Minus => "-",
        SqlToken::Mul => "*",
        SqlToken::Div => "/",
        SqlToken::StringConcat => "||",
        _ => return None,
    })
}

/// Why `token` cannot stand in ADQL.
fn refusal(token: &SqlToken, at: Location) -> AdqlError {
    let instead = match token {
        SqlToken::DoubleColon => "casts are written CAST(value AS type)",
        SqlToken::DoubleEq => "equality is written =",
        SqlToken::Mod => "the remainder is written MOD(x, y)",
        SqlToken::Overlap => "conditions are joined by AND",
        SqlToken::RArrow => "greater or equal is written >=",
        SqlToken::Placeholder(name)
            if name.starts_with('$') && !name[1..].starts_with(|c: char| c.is_ascii_digit()) =>
        {
            OTHER_IDENTIFIER
        }
        SqlToken::Ampersand | SqlToken::Pipe | SqlToken::Caret | SqlToken::Tilde | SqlToken::Sharp => {
            "ADQL 2.1 has no bitwise operators"
        }
        SqlToken::ShiftLeft | SqlToken::ShiftRight => "ADQL 2.1 has no bitwise operators",
        SqlToken::LBracket | SqlToken::RBracket => "ADQL has no arrays, and delimits identifiers with \"",
        SqlToken::Arrow | SqlToken::LongArrow | SqlToken::HashArrow | SqlToken::HashLongArrow => {
            "ADQL has no JSON operators"
        }
        SqlToken::Placeholder(_) | SqlToken::Colon | SqlToken::Question | SqlToken::AtSign => {
            "ADQL has no parameters; write the value"
        }
        SqlToken::NationalStringLiteral(_) | SqlToken::UnicodeStringLiteral(_) => "ADQL has only plain 'strings'",
        SqlToken::HexStringLiteral(digits) => {
            return not_adql(
                at,
                format!("hexadecimal {digits} is not part of ADQL 2.1; write the number in decimal digits"),
            );
        }
        SqlToken::ExclamationMark => "negation is written NOT",
        SqlToken::Char(character) => of_character(*character),
        _ => "see ADQL 2.1, section 2.1",
    };
    not_adql(at, format!("{token} is not part of ADQL; {instead}"))
}

const OTHER_IDENTIFIER: &str =
    "an identifier begins with a letter a-z and goes on with letters, digits and _; any other is delimited with \"";

/// What to write instead of a character that ADQL has no use for: mostly what a word processor made of the right one.
fn of_character(character: char) -> &'static str {
    match character {
        '`' => "identifiers are delimited with \"",
        '\u{2018}' | '\u{2019}' | '\u{b4}' | '\u{2032}' => "strings stand between straight '",
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' => {
            "identifiers stand between straight \", strings between straight '"
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "minus is written -",
        '\u{d7}' | '\u{b7}' | '\u{22c5}' => "times is written *",
        '\u{f7}' => "division is written /",
        '\u{2264}' => "less or equal is written <=",
        '\u{2265}' => "greater or equal is written >=",
        '\u{2260}' => "unequal is written <>",
        letter if letter == '_' || letter.is_alphabetic() => OTHER_IDENTIFIER,
        _ => "see ADQL 2.1, section 2.1",
    }
}

fn not_adql(at: Location, message: impl Into<String>) -> AdqlError {
    AdqlError::new(ErrorKind::NotAdql, at, message)
}

/// ADQL's lexical rules for sqlparser's tokenizer: ASCII identifiers, delimited by double quotes only.
#[derive(Debug)]
struct AdqlDialect;

impl Dialect for AdqlDialect {
    fn is_identifier_start(&self, character: char) -> bool {
        character.is_ascii_alphabetic()
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_ascii_alphanumeric() || character == '_'
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '"'
    }
}
