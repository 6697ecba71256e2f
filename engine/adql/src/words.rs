//! The reserved words of ADQL 2.1 (section 2.1.2), and what to say about words of other SQL dialects.

/// Whether ADQL 2.1 reserves `word`, in any case of letters.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// What stands around a word that fits nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    /// A query should have begun there.
    QueryExpected,
    /// An opening parenthesis comes next.
    Call,
    /// A string comes next.
    Text,
    /// Anything else.
    Other,
}

/// What ADQL offers instead of a construct that begins with `word`, if that is one of another SQL dialect.
pub(crate) fn advice(word: &str, around: Around) -> Option<&'static str> {
    let word = word.to_ascii_uppercase();
    match around {
        Around::QueryExpected => advice_on_statement(&word),
        Around::Call => advice_on_call(&word),
        Around::Text => advice_on_literal(&word),
        Around::Other => None,
    }
    .or_else(|| advice_on_clause(&word))
}

fn advice_on_statement(word: &str) -> Option<&'static str> {
    Some(match word {
        "INSERT" | "UPDATE" | "DELETE" | "CREATE" | "DROP" | "ALTER" | "GRANT" | "REVOKE" | "EXECUTE" | "COMMIT"
        | "ROLLBACK" | "BEGIN" | "MERGE" | "COPY" | "EXPLAIN" | "SET" | "SHOW" | "CALL" | "ANALYZE" | "VACUUM"
        | "ATTACH" | "PRAGMA" | "DO" | "DESCRIBE" | "PREPARE" | "DECLARE" => {
            "ADQL only reads: a query begins with SELECT or WITH"
        }
        "VALUES" => NO_VALUES,
        _ => return None,
    })
}

fn advice_on_call(word: &str) -> Option<&'static str> {
    Some(match word {
        "VALUES" => NO_VALUES,
        "NULLIF" => "NULLIF is not part of ADQL 2.1; use COALESCE, or exclude the value in WHERE",
        "EXTRACT" | "SUBSTRING" | "TRIM" | "POSITION" | "CHAR_LENGTH" | "CHARACTER_LENGTH" | "OCTET_LENGTH"
        | "BIT_LENGTH" | "CONVERT" | "TRANSLATE" | "LEFT" | "RIGHT" => {
            "ADQL 2.1 reserves the word but has no such function; its string functions are LOWER, UPPER and ||"
        }
        "ANY" | "SOME" | "ALL" => {
            "ANY, SOME and ALL comparisons are not part of ADQL; use IN (SELECT …) or EXISTS (SELECT …)"
        }
        "LATERAL" | "UNNEST" => "LATERAL and table functions are not part of ADQL; join a sub-query (SELECT …) AS name",
        "EXCLUDE" | "REPLACE" | "RENAME" | "EXCEPT" => "ADQL's * takes no modifiers; list the columns",
        "DATE" | "TIME" | "TIMESTAMP" => "ADQL 2.1 has no function for that; write CAST(value AS TIMESTAMP)",
        _ => return None,
    })
}

fn advice_on_literal(word: &str) -> Option<&'static str> {
    matches!(word, "INTERVAL" | "DATE" | "TIME" | "TIMESTAMP")
        .then_some("ADQL 2.1 has no date literals; write CAST('2020-01-01T00:00:00' AS TIMESTAMP)")
}

fn advice_on_clause(word: &str) -> Option<&'static str> {
    Some(match word {
        "LIMIT" | "FETCH" | "ROWNUM" => "ADQL has no LIMIT: write SELECT TOP n … to get the first n rows",
        "OVER" | "WINDOW" | "QUALIFY" | "PARTITION" => "window functions are not part of ADQL; aggregate with GROUP BY",
        "CASE" => "CASE is not part of ADQL 2.1, though the word is reserved; COALESCE and UNION can replace it",
        "TRUE" | "FALSE" => "ADQL 2.1 has no boolean literals; compare with 1 or 0",
        "CURRENT_DATE" | "CURRENT_TIME" | "CURRENT_TIMESTAMP" => "ADQL 2.1 reserves the word but has no such function",
        "CROSS" => "CROSS JOIN is not part of ADQL; separate the tables by a comma in FROM",
        "MINUS" => "ADQL's word for the difference of two queries is EXCEPT",
        "ESCAPE" => "LIKE has no ESCAPE clause in ADQL 2.1",
        "REGEXP" | "RLIKE" | "SIMILAR" | "GLOB" => "ADQL matches patterns with LIKE and ILIKE",
        "ISNULL" | "NOTNULL" => "a test for null is written IS NULL or IS NOT NULL",
        "RECURSIVE" => "recursive queries are not part of ADQL",
        "INTO" => "ADQL only reads: SELECT … INTO is not part of it",
        "NULLS" => "ADQL has no NULLS FIRST or NULLS LAST",
        "COLLATE" => "COLLATE is not part of ADQL",
        "FOR" => "ADQL only reads: locking clauses are not part of it",
        _ => return None,
    })
}

const NO_VALUES: &str = "VALUES is not part of ADQL; upload a table and read TAP_UPLOAD.<name>";

/// The keywords that begin or join the parts of a query: what a word that fits nowhere was probably meant to be.
pub(crate) const CLAUSES: &[&str] = &[
    "SELECT",
    "DISTINCT",
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "NATURAL",
    "USING",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "EXISTS",
];

/// The other keywords of the grammar, too short to be told from a name that is misspelt.
const SHORT_KEYWORDS: &[&str] = &[
    "ALL", "AND", "AS", "ASC", "BY", "CAST", "DESC", "FULL", "IN", "IS", "NOT", "NULL", "ON", "OR", "OUTER", "TOP",
    "WITH",
];

/// Whether the grammar has `word` as a keyword: standing in a wrong place it was hardly meant as a name.
pub(crate) fn is_keyword(word: &str) -> bool {
    CLAUSES.iter().chain(SHORT_KEYWORDS).any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// All reserved words, SQL's and ADQL's own, sorted. `END-EXEC` is left out: no identifier can look like it.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "ABS", "ABSOLUTE", "ACOS", "ACTION", "ADD", "ALL", "ALLOCATE", "ALTER", "AND", "ANY", "ARE", "AREA", "AS",
    "ASC", "ASIN", "ASSERTION", "AT", "ATAN", "ATAN2", "AUTHORIZATION", "AVG", "BEGIN", "BETWEEN", "BIGINT",
    "BIT", "BIT_LENGTH", "BOTH", "BOX", "BY", "CASCADE", "CASCADED", "CASE", "CAST", "CATALOG", "CEILING",
    "CENTROID", "CHAR", "CHARACTER", "CHARACTER_LENGTH", "CHAR_LENGTH", "CHECK", "CIRCLE", "CLOSE", "COALESCE",
    "COLLATE", "COLLATION", "COLUMN", "COMMIT", "CONNECT", "CONNECTION", "CONSTRAINT", "CONSTRAINTS",
    "CONTAINS", "CONTINUE", "CONVERT", "COORD1", "COORD2", "COORDSYS", "CORRESPONDING", "COS", "COT", "COUNT",
    "CREATE", "CROSS", "CURRENT", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURSOR",
    "DATE", "DAY", "DEALLOCATE", "DECIMAL", "DECLARE", "DEFAULT", "DEFERRABLE", "DEFERRED", "DEGREES", "DELETE",
    "DESC", "DESCRIBE", "DESCRIPTOR", "DIAGNOSTICS", "DISCONNECT", "DISTANCE", "DISTINCT", "DOMAIN", "DOUBLE",
    "DROP", "ELSE", "END", "ESCAPE", "EXCEPT", "EXCEPTION", "EXEC", "EXECUTE", "EXISTS", "EXP", "EXTERNAL",
    "EXTRACT", "FALSE", "FETCH", "FIRST", "FLOAT", "FLOOR", "FOR", "FOREIGN", "FOUND", "FROM", "FULL", "GET",
    "GLOBAL", "GO", "GOTO", "GRANT", "GROUP", "HAVING", "HOUR", "IDENTITY", "ILIKE", "IMMEDIATE", "IN",
    "INDICATOR", "INITIALLY", "INNER", "INPUT", "INSENSITIVE", "INSERT", "INT", "INTEGER", "INTERSECT",
    "INTERSECTS", "INTERVAL", "INTO", "IN_UNIT", "IS", "ISOLATION", "JOIN", "KEY", "LANGUAGE", "LAST",
    "LEADING", "LEFT", "LEVEL", "LIKE", "LOCAL", "LOG", "LOG10", "LOWER", "MATCH", "MAX", "MIN", "MINUTE",
    "MOD", "MODULE", "MONTH", "NAMES", "NATIONAL", "NATURAL", "NCHAR", "NEXT", "NO", "NOT", "NULL", "NULLIF",
    "NUMERIC", "OCTET_LENGTH", "OF", "OFFSET", "ON", "ONLY", "OPEN", "OPTION", "OR", "ORDER", "OUTER", "OUTPUT",
    "OVERLAPS", "PAD", "PARTIAL", "PI", "POINT", "POLYGON", "POSITION", "POWER", "PRECISION", "PREPARE",
    "PRESERVE", "PRIMARY", "PRIOR", "PRIVILEGES", "PROCEDURE", "PUBLIC", "RADIANS", "RAND", "READ", "REAL",
    "REFERENCES", "REGION", "RELATIVE", "RESTRICT", "REVOKE", "RIGHT", "ROLLBACK", "ROUND", "ROWS", "SCHEMA",
    "SCROLL", "SECOND", "SECTION", "SELECT", "SESSION", "SESSION_USER", "SET", "SIN", "SIZE", "SMALLINT",
    "SOME", "SPACE", "SQL", "SQLCODE", "SQLERROR", "SQLSTATE", "SQRT", "SUBSTRING", "SUM", "SYSTEM_USER",
    "TABLE", "TAN", "TEMPORARY", "THEN", "TIME", "TIMESTAMP", "TIMEZONE_HOUR", "TIMEZONE_MINUTE", "TO", "TOP",
    "TRAILING", "TRANSACTION", "TRANSLATE", "TRANSLATION", "TRIM", "TRUE", "TRUNCATE", "UNION", "UNIQUE",
    "UNKNOWN", "UPDATE", "UPPER", "USAGE", "USER", "USING", "VALUE", "VALUES", "VARCHAR", "VARYING", "VIEW",
    "WHEN", "WHENEVER", "WHERE", "WITH", "WORK", "WRITE", "YEAR", "ZONE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_found_in_any_case() {
        assert!(RESERVED.is_sorted());
        for word in ["select", "Size", "DISTANCE", "in_unit", "bigint", "zone"] {
            assert!(is_reserved(word), "{word}");
        }
        for word in ["alpha", "limit", "filter", "dec", "source_id"] {
            assert!(!is_reserved(word), "{word}");
        }
    }
}
