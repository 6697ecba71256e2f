//! Small makers of sqlparser's nodes, whose structs carry the fields of every SQL dialect, and the way down a tree.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    LimitClause, ObjectName, ObjectNamePart, Offset, OffsetRows, Query, Select, SelectFlavor, SelectItem, SetExpr,
    TableAlias, TableFactor, Value, ValueWithSpan, Values,
};
use sqlparser::ast::{Distinct, GroupByExpr, TableWithJoins};
use sqlparser::tokenizer::{Location, Span};

/// An identifier that no later stage folds.
pub(crate) fn quoted(name: &str, span: Span) -> Ident {
    Ident::with_quote_and_span('"', span, name)
}

/// A dotted name of such identifiers.
pub(crate) fn object_name(parts: impl IntoIterator<Item = Ident>) -> ObjectName {
    ObjectName(parts.into_iter().map(ObjectNamePart::Identifier).collect())
}

/// The identifiers of a dotted name.
pub(crate) fn identifiers(name: &ObjectName) -> Vec<Ident> {
    name.0.iter().filter_map(|part| part.as_ident().cloned()).collect()
}

/// A literal.
pub(crate) fn literal(value: Value, span: Span) -> Expr {
    Expr::Value(ValueWithSpan { value, span })
}

/// An unsigned numeric literal, its digits kept as written.
pub(crate) fn number(digits: impl Into<String>, span: Span) -> Expr {
    literal(Value::Number(digits.into(), false), span)
}

/// `left operator right`.
pub(crate) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// All terms under AND or OR, as a balanced tree: thousands of terms must not make a tree of thousands of levels.
pub(crate) fn balanced(mut terms: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    if terms.len() < 2 {
        return terms.pop();
    }
    let right = terms.split_off(terms.len() / 2);
    Some(binary(balanced(terms, op)?, op.clone(), balanced(right, op)?))
}

/// A call with the arguments as written.
pub(crate) fn call(name: Ident, args: FunctionArgumentList) -> Function {
    Function {
        name: object_name([name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }
}

/// Arguments of a call, by position.
pub(crate) fn arguments(args: impl IntoIterator<Item = Expr>) -> FunctionArgumentList {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }
}

/// A call of one of DataFusion's or our own functions.
pub(crate) fn call_of(name: &str, span: Span, args: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::Function(call(quoted(name, span), arguments(args)))
}

/// An expression out of a tree whose place is going to be filled by another.
pub(crate) fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, number("0".to_owned(), Span::empty()))
}

/// A query of one body, without clauses.
pub(crate) fn query(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

/// A body without rows, to stand where another was taken out.
pub(crate) fn no_rows() -> SetExpr {
    SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: vec![] })
}

/// `SELECT projection FROM from`, without further clauses.
pub(crate) fn select(token: AttachedToken, projection: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Select {
    Select {
        select_token: token,
        optimizer_hints: vec![],
        distinct: None::<Distinct>,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views: vec![],
        prewhere: None,
        selection: None,
        connect_by: vec![],
        group_by: GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}

/// `LIMIT limit OFFSET offset`.
pub(crate) fn limit_clause(limit: Option<Expr>, offset: Option<Expr>) -> Option<LimitClause> {
    let offset = offset.map(|value| Offset { value, rows: OffsetRows::None });
    (limit.is_some() || offset.is_some()).then(|| LimitClause::LimitOffset { limit, offset, limit_by: vec![] })
}

/// A table by name.
pub(crate) fn table(name: ObjectName, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

/// A sub-query as a table.
pub(crate) fn derived_table(subquery: Query, alias: TableAlias) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: Box::new(subquery), alias: Some(alias), sample: None }
}

/// `AS name`.
pub(crate) fn table_alias(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: vec![], at: None }
}

/// Whether this can be the deprecated first argument of a geometry, its coordinate system: a string, or NULL for none.
pub(crate) fn is_coordsys(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_) | Value::Null, .. }))
}

/// Where an expression of a parsed query is: its first token, an opening parenthesis or sign aside.
pub(crate) fn place_of(mut expr: &Expr) -> Location {
    loop {
        expr = match expr {
            Expr::BinaryOp { left: inner, .. }
            | Expr::Nested(inner)
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { expr: inner, .. }
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner) => inner,
            Expr::Identifier(name) => return name.span.start,
            Expr::CompoundIdentifier(parts) => return parts.first().map_or(Location::empty(), |name| name.span.start),
            Expr::Value(literal) => return literal.span.start,
            Expr::Function(call) => return place_of_name(&call.name),
            _ => return Location::empty(),
        }
    }
}

/// Where a dotted name begins.
pub(crate) fn place_of_name(name: &ObjectName) -> Location {
    name.0.first().and_then(|part| part.as_ident()).map_or(Location::empty(), |name| name.span.start)
}

/// Where a query is: at its first SELECT.
pub(crate) fn place_of_query(mut body: &SetExpr) -> Location {
    loop {
        body = match body {
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Query(query) => &query.body,
            SetExpr::Select(select) => return select.select_token.0.span.start,
            _ => return Location::empty(),
        }
    }
}

/// Runs one step down a tree, on a new piece of stack if the present one is nearly used up.
pub(crate) fn with_stack<T>(step: impl FnOnce() -> T) -> T {
    // More than one level of a query takes in a build without optimisation.
    const RED_ZONE_BYTES: usize = 384 << 10;
    const PIECE_BYTES: usize = 2 << 20;
    stacker::maybe_grow(RED_ZONE_BYTES, PIECE_BYTES, step)
}
