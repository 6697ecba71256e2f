//! The filters that a node may evaluate, as SQL.
//!
//! Only what is listed here goes down: column compared with a literal or a column of the same type, AND, OR, NOT,
//! IS NULL, IN, BETWEEN and LIKE. PostgreSQL and DataFusion agree on these to the row; anything else stays above.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Like, Operator, expr::InList};
use spolia_catalogue::{ColumnType, FILE_COLUMNS, TableDef};

/// How a column of the table that users see is written on a node.
pub(crate) struct NodeColumn {
    /// The SQL expression.
    pub sql: String,
    /// Its type, or that of its elements.
    pub column_type: ColumnType,
    /// True when it needs the replicated file table.
    pub of_file: bool,
}

/// The SQL for a column: of the rows (`t`) or of the replicated file table (`f`).
pub(crate) fn node_column(table: &TableDef, name: &str) -> Option<NodeColumn> {
    if let Some((_, column_type, _)) = FILE_COLUMNS.iter().find(|(column, ..)| *column == name) {
        let sql = match name {
            "id" => "t.id".to_owned(),
            "key_name" => "(f.object || '_' || (t.id & 4294967295)::text)".to_owned(),
            other => format!("f.{other}"),
        };
        return Some(NodeColumn { sql, column_type: *column_type, of_file: name != "id" });
    }
    let column = table.column(name)?;
    Some(NodeColumn { sql: format!("t.{}", column.name), column_type: column.column_type, of_file: false })
}

/// A filter as SQL, or nothing where it may not go down.
pub(crate) fn render(table: &TableDef, filter: &Expr) -> Option<String> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Some(format!("({} AND {})", render(table, left)?, render(table, right)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(format!("({} OR {})", render(table, left)?, render(table, right)?))
        }
        Expr::BinaryExpr(comparison) => render_comparison(table, comparison),
        Expr::Not(inner) => Some(format!("(NOT {})", render(table, inner)?)),
        Expr::IsNull(inner) => Some(format!("({} IS NULL)", column(table, inner)?.sql)),
        Expr::IsNotNull(inner) => Some(format!("({} IS NOT NULL)", column(table, inner)?.sql)),
        Expr::Between(between) => render_between(table, between),
        Expr::InList(list) => render_in(table, list),
        Expr::Like(like) => render_like(table, like),
        // What the optimizer makes of a filter that it has seen through, also of one that was handed down before.
        Expr::Literal(ScalarValue::Boolean(Some(value)), _) => Some(value.to_string()),
        Expr::Literal(ScalarValue::Boolean(None) | ScalarValue::Null, _) => Some("NULL::boolean".to_owned()),
        _ => None,
    }
}

/// True for a filter made of nothing but what [`render`] knows the like of, even where it could not render it. The optimizer
/// rewrites filters after they have been promised to be kept; one of these may be such a filter, and must not be lost.
pub(crate) fn may_have_been_promised(filter: &Expr) -> bool {
    let strange = |expr: &Expr| {
        let known = match expr {
            Expr::BinaryExpr(BinaryExpr { op, .. }) => op.is_logic_operator() || op.supports_propagation(),
            Expr::Column(_) | Expr::Literal(..) | Expr::Not(_) | Expr::IsNull(_) | Expr::IsNotNull(_) => true,
            Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsUnknown(_) => true,
            Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::IsNotUnknown(_) => true,
            Expr::Between(_) | Expr::InList(_) | Expr::Like(_) => true,
            _ => false,
        };
        Ok(!known)
    };
    !filter.exists(strange).unwrap_or(true)
}

/// True when the filter looks at the replicated file table.
pub(crate) fn needs_file(table: &TableDef, expr: &Expr) -> bool {
    expr.column_refs().iter().any(|c| node_column(table, &c.name).is_some_and(|column| column.of_file))
}

fn render_comparison(table: &TableDef, comparison: &BinaryExpr) -> Option<String> {
    let op = match comparison.op {
        Operator::Eq => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        _ => return None,
    };
    let (left, right) = (operand(table, &comparison.left), operand(table, &comparison.right));
    let (left, right, column_type) = match (left, right) {
        (Operand::Column(l), Operand::Column(r)) if l.column_type == r.column_type => (l.sql, r.sql, l.column_type),
        (Operand::Column(l), Operand::Literal(value)) => (l.sql, literal(&value, l.column_type)?, l.column_type),
        (Operand::Literal(value), Operand::Column(r)) => (literal(&value, r.column_type)?, r.sql, r.column_type),
        _ => return None,
    };
    Some(format!("({left} {op} {right}{})", collation(column_type)))
}

fn render_between(table: &TableDef, between: &Between) -> Option<String> {
    let column = column(table, &between.expr)?;
    let bound = |expr: &Expr| match expr {
        Expr::Literal(value, _) => literal(value, column.column_type),
        _ => None,
    };
    let (low, high) = (bound(&between.low)?, bound(&between.high)?);
    let (not, collate) = (if between.negated { "NOT " } else { "" }, collation(column.column_type));
    Some(format!("({}{collate} {not}BETWEEN {low} AND {high})", column.sql))
}

fn render_in(table: &TableDef, list: &InList) -> Option<String> {
    let column = column(table, &list.expr)?;
    let values = list
        .list
        .iter()
        .map(|item| match item {
            Expr::Literal(value, _) => literal(value, column.column_type),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()?;
    let operator = if list.negated { "<> ALL" } else { "= ANY" };
    Some(format!("({} {operator} (ARRAY[{}]::{}[]))", column.sql, values.join(","), column.column_type.sql_name()))
}

fn render_like(table: &TableDef, like: &Like) -> Option<String> {
    let column = column(table, &like.expr)?;
    let Expr::Literal(pattern, _) = like.pattern.as_ref() else { return None };
    let pattern = literal(pattern, ColumnType::Text)?;
    if column.column_type != ColumnType::Text
        || like.case_insensitive
        || like.escape_char.is_some()
        || pattern.contains('\\')
    {
        return None;
    }
    Some(format!("({} {}LIKE {pattern})", column.sql, if like.negated { "NOT " } else { "" }))
}

fn collation(column_type: ColumnType) -> &'static str {
    if column_type == ColumnType::Text { " COLLATE \"C\"" } else { "" }
}

enum Operand {
    Column(NodeColumn),
    Literal(ScalarValue),
    Other,
}

fn operand(table: &TableDef, expr: &Expr) -> Operand {
    match expr {
        Expr::Literal(value, _) => Operand::Literal(value.clone()),
        other => column(table, other).map_or(Operand::Other, Operand::Column),
    }
}

/// A column that holds single values.
fn column(table: &TableDef, expr: &Expr) -> Option<NodeColumn> {
    let Expr::Column(column) = expr else { return None };
    if table.column(&column.name).is_some_and(|declared| declared.length.is_some()) {
        return None;
    }
    node_column(table, &column.name)
}

/// A literal as SQL of the column's type; nothing where the types differ, or for null, NaN and infinities.
fn literal(value: &ScalarValue, column_type: ColumnType) -> Option<String> {
    Some(match (value, column_type) {
        (ScalarValue::Int64(Some(v)), ColumnType::Bigint) => format!("'{v}'::bigint"),
        (ScalarValue::Int32(Some(v)), ColumnType::Integer) => format!("'{v}'::integer"),
        (ScalarValue::Int16(Some(v)), ColumnType::Smallint) => format!("'{v}'::smallint"),
        (ScalarValue::Float64(Some(v)), ColumnType::Double) if v.is_finite() => format!("'{v:e}'::double precision"),
        (ScalarValue::Float32(Some(v)), ColumnType::Real) if v.is_finite() => format!("'{v:e}'::real"),
        (
            ScalarValue::Utf8(Some(v)) | ScalarValue::Utf8View(Some(v)) | ScalarValue::LargeUtf8(Some(v)),
            ColumnType::Text,
        ) if !v.contains('\0') => {
            format!("'{}'", v.replace('\'', "''"))
        }
        (ScalarValue::Boolean(Some(v)), ColumnType::Boolean) => v.to_string(),
        (ScalarValue::TimestampMicrosecond(Some(us), None), ColumnType::Timestamp) => {
            format!("(timestamp '1970-01-01' + '{us} microseconds'::interval)")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;
    use crate::sharded_table::tests::source_table;

    fn sql(filter: Expr) -> Option<String> {
        render(&source_table(), &filter)
    }

    #[test]
    fn what_nodes_and_datafusion_agree_on_goes_down() {
        let ids = [3425114617586286848i64, -7].map(lit).to_vec();
        assert_eq!(
            sql(col("source_id").in_list(ids, false)).unwrap(),
            "(t.source_id = ANY (ARRAY['3425114617586286848'::bigint,'-7'::bigint]::bigint[]))"
        );
        assert_eq!(sql(col("alpha").lt(lit(1.5))).unwrap(), "(t.alpha < '1.5e0'::double precision)");
        assert_eq!(
            sql(col("file_name").eq(lit("O'Brien")).and(col("varpi").is_null())).unwrap(),
            "((f.file_name = 'O''Brien' COLLATE \"C\") AND (t.varpi IS NULL))"
        );
        assert_eq!(
            sql(col("key_name").like(lit("Complete%"))).unwrap(),
            "((f.object || '_' || (t.id & 4294967295)::text) LIKE 'Complete%')"
        );
    }

    #[test]
    fn what_they_may_not_agree_on_stays_above() {
        assert_eq!(sql((col("alpha") * lit(2.0)).lt(lit(1.5))), None);
        assert_eq!(sql(col("alpha").lt(lit(f64::NAN))), None);
        assert_eq!(sql(col("source_id").eq(lit(1.0))), None);
        assert_eq!(sql(col("file_name").like(lit("50\\%"))), None);
        assert_eq!(sql(col("unknown").eq(lit(1i64))), None);
        assert_eq!(sql(col("file_name").eq(lit("a\0b"))), None);
    }

    #[test]
    fn what_the_optimizer_has_seen_through_goes_down_too() {
        assert_eq!(sql(lit(false)).unwrap(), "false");
        assert_eq!(
            sql(col("alpha").lt(lit(1.5)).and(lit(true))).unwrap(),
            "((t.alpha < '1.5e0'::double precision) AND true)"
        );
        assert_eq!(
            sql(col("varpi").is_null().or(lit(ScalarValue::Boolean(None)))).unwrap(),
            "((t.varpi IS NULL) OR NULL::boolean)"
        );
    }

    #[test]
    fn a_filter_that_may_have_been_promised_is_told_from_others() {
        assert!(may_have_been_promised(&col("varpi").is_not_null().is_true()));
        assert!(may_have_been_promised(&col("varpi").eq(lit(ScalarValue::Float64(None)))));
        assert!(!may_have_been_promised(&(col("alpha") * lit(2.0)).lt(lit(1.5))));
    }
}
