//! What is wrong with a query, where, and what to write instead.

use sqlparser::tokenizer::Location;

/// Why a query was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The text does not follow the ADQL 2.1 grammar.
    Syntax,
    /// The text is SQL of some dialect, but ADQL 2.1 has no such construct.
    NotAdql,
    /// A reserved word of ADQL 2.1 stands where a name is expected.
    ReservedWord,
    /// A table is not in the schema.
    UnknownTable,
    /// A bare table name fits several tables of the schema, or one alias is given twice.
    AmbiguousTable,
    /// A column is in none of the tables that can be seen from there.
    UnknownColumn,
    /// A column name fits several tables of the FROM clause.
    AmbiguousColumn,
    /// A function is neither in ADQL 2.1 nor declared by this service.
    UnknownFunction,
    /// A function got a wrong number or a wrong kind of arguments.
    Argument,
    /// The query is grammatical but has no meaning, such as an aggregate in WHERE.
    Meaning,
    /// ADQL 2.1 has it, this service does not offer it.
    Unsupported,
    /// The text is longer or more deeply nested than this service takes.
    TooComplex,
}

/// A refused query: the message says what, the position where, the suggestion what may have been meant.
///
/// Displays as `line 1, column 8: column "paralax" not found in gaia.completesource; did you mean "parallax"?`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}{}", did_you_mean(.suggestion.as_deref()))]
pub struct AdqlError {
    /// Why the query was refused.
    pub kind: ErrorKind,
    /// Line of the offending token, from 1.
    pub line: u64,
    /// Column of the offending token's first character, from 1, counted in characters.
    pub column: u64,
    /// What is wrong and, where it can be said, what ADQL offers instead.
    pub message: String,
    /// The nearest name that exists.
    pub suggestion: Option<String>,
}

impl AdqlError {
    pub(crate) fn new(kind: ErrorKind, at: Location, message: impl Into<String>) -> Self {
        // Parts of a tree that the checker made itself have no place in the text: they count as its beginning.
        let (line, column) = (at.line.max(1), at.column.max(1));
        Self { kind, line, column, message: message.into(), suggestion: None }
    }

    pub(crate) fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean \"{name}\"?"))
}

/// The candidate nearest to `name`, if it is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let limit = name.chars().count() / 3;
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_what_and_what_instead() {
        let error = AdqlError::new(ErrorKind::UnknownColumn, Location::new(2, 8), "column \"paralax\" not found")
            .suggest(Some("parallax".into()));
        assert_eq!(error.to_string(), "line 2, column 8: column \"paralax\" not found; did you mean \"parallax\"?");
    }

    #[test]
    fn only_near_names_are_suggested() {
        let columns = ["alpha", "delta", "radial_velocity"];
        assert_eq!(nearest("ALPHAA", columns).as_deref(), Some("alpha"));
        assert_eq!(nearest("radial_velocty", columns).as_deref(), Some("radial_velocity"));
        assert_eq!(nearest("parallax", columns), None);
    }
}
