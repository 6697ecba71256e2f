//! EXCEPT ALL and INTERSECT ALL, which count equal rows. ADQL 2.1 section 3.1, SQL-92 section 7.10.
//!
//! DataFusion takes ALL for "do not drop double rows of the left side". Here equal rows get numbers: the third of three on the
//! left has an equal on the right only where there are three. Rows with their numbers are all different, and the plain operations do.

use sqlparser::ast::{SetExpr, SetOperator, Statement};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;

use super::OutputColumn;
use crate::error::{AdqlError, ErrorKind};

/// The number of a row among its equals.
const NUMBER: &str = "adql_number";

/// `left op ALL right`, whose columns are those of the left side, by the operation without ALL.
pub(super) fn counted(
    op: SetOperator,
    left: &SetExpr,
    right: &SetExpr,
    columns: &[OutputColumn],
    at: Location,
) -> Result<SetExpr, AdqlError> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let names = |alias: &str| {
        let of = |column: &OutputColumn| format!("{alias}{}", quoted(&column.name));
        columns.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    let numbered = |side: &SetExpr, alias: &str| {
        let own = names(&format!("{}.", quoted(alias)));
        let (plain, alias) = (names(""), quoted(alias));
        let number = format!("ROW_NUMBER() OVER (PARTITION BY {own}) AS {}", quoted(NUMBER));
        format!("SELECT {own}, {number} FROM ({side}) AS {alias} ({plain})")
    };
    let (left, right) = (numbered(left, "adql_left"), numbered(right, "adql_right"));
    let text = format!("SELECT {} FROM ({left} {op} {right}) AS \"adql_rows\"", names("\"adql_rows\"."));
    let mut statements = Parser::parse_sql(&GenericDialect, &text).unwrap_or_default();
    match statements.pop() {
        Some(Statement::Query(query)) => Ok(*query.body),
        _ => Err(AdqlError::new(ErrorKind::TooComplex, at, format!("{op} ALL of this query"))),
    }
}
