//! The expressions that a node may evaluate, as SQL: the list, and nothing else goes down.
//!
//! What is on it means the same to PostgreSQL and to DataFusion, in every row: types are the same on both sides and never left to be
//! guessed, texts are compared by their bytes, and arithmetic and functions are ADQL's own (`spolia_adql::names`), which have no
//! result where there is none and fail where one is out of range. What is not on it stays above the nodes.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{Between, BinaryExpr, Case, Cast, Expr, Like, Operator};
use spolia_adql::names;
use spolia_sky::{Convex, HPX29_ORDER, PIXEL_ORDER, Polygon, Position, Reach};

use super::statement::{Angle, Condition, SqlColumn};
use crate::region::polygon_of;

/// Longer texts are not made: guards repeat what they guard, so that nested ones would grow without bound.
const LONGEST: usize = 32 << 10;
/// Decimal digits that a double holds exactly.
const EXACT_DIGITS: u8 = 15;
/// An IN with more ids than this is split among the nodes.
const MANY_IDS: usize = 8;

/// The SQL of an expression, and its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rendered {
    pub sql: String,
    pub data_type: DataType,
}

/// The name by which expressions call a column of a fragment.
pub(crate) fn column_name(number: usize) -> String {
    format!("c{number}")
}

/// The column of a fragment that an expression is.
pub(crate) fn column_number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column(column) if column.relation.is_none() => column.name.strip_prefix('c')?.parse().ok(),
        Expr::Alias(alias) => column_number(&alias.expr),
        _ => None,
    }
}

/// An expression over `columns` as SQL; nothing where it may not go down.
pub(crate) fn render(expr: &Expr, columns: &[SqlColumn]) -> Option<Rendered> {
    Renderer { columns }.expression(expr).filter(|rendered| rendered.sql.len() <= LONGEST)
}

/// A condition over `columns`; nothing where it may not go down. Lists of ids of a shard key, whose columns are `keys`, are kept apart.
pub(crate) fn condition(expr: &Expr, columns: &[SqlColumn], keys: &[usize]) -> Option<Condition> {
    if let Expr::InList(InList { expr: key, list, negated: false }) = expr
        && list.len() > MANY_IDS
        && column_number(key).is_some_and(|number| keys.contains(&number))
    {
        let id = |item: &Expr| match item {
            Expr::Literal(ScalarValue::Int64(Some(id)), _) => Some(*id),
            _ => None,
        };
        let ids = list.iter().map(id).collect::<Option<Vec<_>>>()?;
        return Some(Condition::Ids { sql: render(key, columns)?.sql, ids: ids.into() });
    }
    let Rendered { sql, data_type } = render(expr, columns)?;
    (data_type == DataType::Boolean).then_some(Condition::Sql(sql))
}

/// The name of a type on a node; nothing for one that no node has.
pub(crate) fn sql_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Utf8 => "text".to_owned(),
        DataType::Binary => "bytea".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".to_owned(),
        DataType::Decimal128(precision, scale) if *scale >= 0 => format!("numeric({precision},{scale})"),
        DataType::FixedSizeList(item, _) | DataType::List(item) => format!("{}[]", sql_type(item.data_type())?),
        _ => return None,
    })
}

/// How values of a type are put in order and compared: texts by their bytes.
pub(crate) fn collated(rendered: &Rendered) -> String {
    match rendered.data_type {
        DataType::Utf8 => format!("({} COLLATE \"C\")", rendered.sql),
        _ => rendered.sql.clone(),
    }
}

/// Types whose values PostgreSQL and DataFusion put in the same order.
pub(crate) fn is_ordered(data_type: &DataType) -> bool {
    is_number(data_type)
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Utf8
                | DataType::Binary
                | DataType::Date32
                | DataType::Timestamp(TimeUnit::Microsecond, None)
        )
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int16 | DataType::Int32 | DataType::Int64)
}

fn is_number(data_type: &DataType) -> bool {
    is_integer(data_type) || matches!(data_type, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))
}

struct Renderer<'a> {
    columns: &'a [SqlColumn],
}

impl Renderer<'_> {
    fn expression(&self, expr: &Expr) -> Option<Rendered> {
        let of = |sql: String, data_type: DataType| Some(Rendered { sql, data_type });
        match expr {
            Expr::Alias(alias) => self.expression(&alias.expr),
            Expr::Column(_) => {
                let column = self.columns.get(column_number(expr)?)?;
                of(column.sql.clone(), column.field.data_type().clone())
            }
            Expr::Literal(value, _) => literal(value),
            Expr::BinaryExpr(binary) => self.binary(binary),
            Expr::Not(inner) => of(format!("(NOT {})", self.boolean(inner)?), DataType::Boolean),
            Expr::IsNull(inner) => of(format!("({} IS NULL)", self.expression(inner)?.sql), DataType::Boolean),
            Expr::IsNotNull(inner) => of(format!("({} IS NOT NULL)", self.expression(inner)?.sql), DataType::Boolean),
            Expr::IsTrue(inner) => self.test(inner, "TRUE"),
            Expr::IsFalse(inner) => self.test(inner, "FALSE"),
            Expr::IsUnknown(inner) => self.test(inner, "UNKNOWN"),
            Expr::IsNotTrue(inner) => self.test(inner, "NOT TRUE"),
            Expr::IsNotFalse(inner) => self.test(inner, "NOT FALSE"),
            Expr::IsNotUnknown(inner) => self.test(inner, "NOT UNKNOWN"),
            Expr::Between(between) => self.between(between),
            Expr::InList(list) => self.in_list(list),
            Expr::Like(like) => self.like(like),
            Expr::Case(case) => self.case(case),
            Expr::Cast(cast) => self.cast(cast),
            Expr::ScalarFunction(call) => self.call(call),
            _ => None,
        }
    }

    fn boolean(&self, expr: &Expr) -> Option<String> {
        let Rendered { sql, data_type } = self.expression(expr)?;
        (data_type == DataType::Boolean).then_some(sql)
    }

    fn test(&self, expr: &Expr, word: &str) -> Option<Rendered> {
        Some(Rendered { sql: format!("({} IS {word})", self.boolean(expr)?), data_type: DataType::Boolean })
    }

    fn binary(&self, BinaryExpr { left, op, right }: &BinaryExpr) -> Option<Rendered> {
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        if left.data_type != right.data_type {
            return None;
        }
        let word = match op {
            Operator::Eq => "=",
            Operator::NotEq => "<>",
            Operator::Lt => "<",
            Operator::LtEq => "<=",
            Operator::Gt => ">",
            Operator::GtEq => ">=",
            Operator::IsDistinctFrom => "IS DISTINCT FROM",
            Operator::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
            Operator::And | Operator::Or if left.data_type == DataType::Boolean => {
                let word = if *op == Operator::And { "AND" } else { "OR" };
                let sql = format!("({} {word} {})", left.sql, right.sql);
                return Some(Rendered { sql, data_type: DataType::Boolean });
            }
            Operator::StringConcat if left.data_type == DataType::Utf8 => {
                return Some(Rendered { sql: format!("({} || {})", left.sql, right.sql), data_type: DataType::Utf8 });
            }
            _ => return None,
        };
        // Equal texts are equal in every collation, and only in that of its column may an index be used.
        let in_order = matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
        let sql = format!("({} {word} {})", if in_order { collated(&left) } else { left.sql.clone() }, right.sql);
        is_ordered(&left.data_type).then_some(Rendered { sql, data_type: DataType::Boolean })
    }

    fn between(&self, between: &Between) -> Option<Rendered> {
        let value = self.expression(&between.expr)?;
        let (low, high) = (self.expression(&between.low)?, self.expression(&between.high)?);
        let same = low.data_type == value.data_type && high.data_type == value.data_type;
        let not = if between.negated { "NOT " } else { "" };
        let sql = format!("({} {not}BETWEEN {} AND {})", collated(&value), low.sql, high.sql);
        (same && is_ordered(&value.data_type)).then_some(Rendered { sql, data_type: DataType::Boolean })
    }

    fn in_list(&self, list: &InList) -> Option<Rendered> {
        let value = self.expression(&list.expr)?;
        let items = list.list.iter().map(|item| self.expression(item)).collect::<Option<Vec<_>>>()?;
        if !is_ordered(&value.data_type) || items.iter().any(|item| item.data_type != value.data_type) {
            return None;
        }
        let items = items.into_iter().map(|item| item.sql).collect::<Vec<_>>().join(", ");
        let (word, type_name) = (if list.negated { "<> ALL" } else { "= ANY" }, sql_type(&value.data_type)?);
        let sql = format!("({} {word} (ARRAY[{items}]::{type_name}[]))", value.sql);
        Some(Rendered { sql, data_type: DataType::Boolean })
    }

    fn like(&self, like: &Like) -> Option<Rendered> {
        let value = self.expression(&like.expr)?;
        let Expr::Literal(ScalarValue::Utf8(Some(pattern)), _) = like.pattern.as_ref() else { return None };
        // The two do not agree on what a backslash means at the end of a pattern.
        let plain = !like.case_insensitive && like.escape_char.is_none() && !pattern.contains('\\');
        let pattern = literal(&ScalarValue::Utf8(Some(pattern.clone())))?.sql;
        let sql = format!("({} {}LIKE {pattern})", value.sql, if like.negated { "NOT " } else { "" });
        (plain && value.data_type == DataType::Utf8).then_some(Rendered { sql, data_type: DataType::Boolean })
    }

    fn case(&self, case: &Case) -> Option<Rendered> {
        let mut sql = "CASE".to_owned();
        let base = match &case.expr {
            Some(base) => Some(self.expression(base)?),
            None => None,
        };
        let tested = base.as_ref().map_or(DataType::Boolean, |base| base.data_type.clone());
        if let Some(base) = base {
            sql = format!("CASE {}", base.sql);
        }
        let mut given = None;
        for (when, then) in &case.when_then_expr {
            let (when, then) = (self.expression(when)?, self.expression(then)?);
            if when.data_type != tested || *given.get_or_insert(then.data_type.clone()) != then.data_type {
                return None;
            }
            sql.push_str(&format!(" WHEN {} THEN {}", when.sql, then.sql));
        }
        let data_type = given?;
        if let Some(otherwise) = &case.else_expr {
            let otherwise = self.expression(otherwise)?;
            // An untyped null is what DataFusion makes of an ELSE that was not there.
            if otherwise.data_type != data_type && otherwise.data_type != DataType::Null {
                return None;
            }
            sql.push_str(&format!(" ELSE {}", otherwise.sql));
        }
        Some(Rendered { sql: format!("({sql} END)"), data_type })
    }

    fn cast(&self, cast: &Cast) -> Option<Rendered> {
        let inner = self.expression(&cast.expr)?;
        let (from, to) = (&inner.data_type, cast.field.data_type());
        let agreed = from == to
            || *from == DataType::Null
            || match (from, to) {
                // What is an exact integer over an exact power of ten is rounded once, on either side.
                (DataType::Decimal128(precision, scale), DataType::Float64) => {
                    *scale == 0 || *precision <= EXACT_DIGITS
                }
                (from, DataType::Float64) => is_integer(from) || *from == DataType::Float32,
                (from, DataType::Utf8) => is_integer(from),
                (DataType::Decimal128(precision, scale), DataType::Decimal128(wider, places)) => {
                    // No digit is lost on either side of the point.
                    places >= scale
                        && i16::from(*wider) - i16::from(*places) >= i16::from(*precision) - i16::from(*scale)
                }
                (DataType::Decimal128(_, 0), to) => is_integer(to),
                (from, DataType::Decimal128(_, scale)) => is_integer(from) && *scale >= 0,
                (DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond, None)) => true,
                // Both cut towards zero; PostgreSQL where it is told to.
                (DataType::Float64, to) if is_integer(to) => {
                    let sql = format!("trunc({})::{}", inner.sql, sql_type(to)?);
                    return Some(Rendered { sql, data_type: to.clone() });
                }
                (from, to) => is_integer(from) && is_integer(to),
            };
        let sql = format!("({})::{}", inner.sql, sql_type(to)?);
        agreed.then_some(Rendered { sql, data_type: to.clone() })
    }

    fn call(&self, call: &ScalarFunction) -> Option<Rendered> {
        if let Some(geometry) = self.geometry(call) {
            return Some(geometry);
        }
        let arguments = call.args.iter().map(|argument| self.expression(argument)).collect::<Option<Vec<_>>>()?;
        let types: Vec<&DataType> = arguments.iter().map(|argument| &argument.data_type).collect();
        let same = types.windows(2).all(|pair| pair[0] == pair[1]);
        let words: Vec<&str> = arguments.iter().map(|argument| argument.sql.as_str()).collect();
        let first = (*types.first()?).clone();
        let sql = match (call.name(), words.as_slice()) {
            ("coalesce", words) if same => format!("COALESCE({})", words.join(", ")),
            ("nullif", [x, y]) if same && is_ordered(&first) => format!("NULLIF({x}, {y})"),
            (names::BIGINT, [x]) if matches!(first, DataType::Decimal128(_, 0)) => {
                return Some(Rendered { sql: format!("({x})::bigint"), data_type: DataType::Int64 });
            }
            ("abs", [x]) if is_number(&first) => format!("abs({x})"),
            (names::MOD, [x, y]) if same && is_integer(&first) => format!("({x} % NULLIF({y}, 0))"),
            (name, words) if same && is_integer(&first) => arithmetic(name, words)?,
            (name, words) if same && first == DataType::Float64 => {
                arithmetic(name, words).or_else(|| double_function(name, words))?
            }
            _ => return None,
        };
        Some(Rendered { sql, data_type: first })
    }
}

/// Geometry, by the unit vectors that nodes keep. The same sums of the same numbers are made above the nodes (`spolia_sky`).
impl Renderer<'_> {
    fn geometry(&self, call: &ScalarFunction) -> Option<Rendered> {
        match (call.name(), call.args.as_slice()) {
            (
                names::IN_CIRCLE,
                [lon, lat, other_lon, other_lat, Expr::Literal(ScalarValue::Float64(Some(radius)), _)],
            ) => {
                let (a, b) = (self.vector(lon, lat)?, self.vector(other_lon, other_lat)?);
                let within = match Reach::of(*radius).ok()? {
                    Reach::Near(most) => format!("{} <= {}", squared(&a, &b, "-"), double(most)),
                    Reach::Far(least) => format!("{} >= {}", squared(&a, &b, "+"), double(least)),
                    Reach::All => "true".to_owned(),
                };
                let sql = format!("(CASE WHEN {within} THEN 1 ELSE 0 END)");
                Some(Rendered { sql, data_type: DataType::Int32 })
            }
            (names::IN_BOX | names::IN_POLYGON, _) => {
                let ([lon, lat], polygon) = polygon_of(call)?;
                let within = inside(&self.vector(lon, lat)?, &polygon);
                let sql = format!("(CASE WHEN {within} THEN 1 ELSE 0 END)");
                Some(Rendered { sql, data_type: DataType::Int32 })
            }
            (names::DISTANCE, [lon, lat, other_lon, other_lat]) => {
                let (a, b) = (self.vector(lon, lat)?, self.vector(other_lon, other_lat)?);
                let (apart, together) = (squared(&a, &b, "-"), squared(&a, &b, "+"));
                let sql =
                    format!("(2 * atan2(sqrt{apart}, sqrt{together}) * {})", double(180.0 / std::f64::consts::PI));
                Some(Rendered { sql, data_type: DataType::Float64 })
            }
            (names::GAIA_HEALPIX_INDEX, [order, id]) => {
                let id = self.expression(id).filter(|id| id.data_type == DataType::Int64)?;
                let shift = 35 + 2 * (i64::from(PIXEL_ORDER) - order_of(order, PIXEL_ORDER)?);
                let sql = format!("(CASE WHEN {id} >= 0 THEN {id} >> {shift} END)", id = id.sql);
                Some(Rendered { sql, data_type: DataType::Int64 })
            }
            (names::IVO_HEALPIX_INDEX, [order, lon, lat]) => {
                let leaf = position(lon, lat, self.columns)?;
                let shift = 2 * (i64::from(HPX29_ORDER) - order_of(order, HPX29_ORDER)?);
                Some(Rendered { sql: format!("(t{leaf}.hpx29 >> {shift})"), data_type: DataType::Int64 })
            }
            _ => None,
        }
    }

    /// The unit vector of a position in degrees: of literals, or of the position columns of a table.
    fn vector(&self, lon: &Expr, lat: &Expr) -> Option<[String; 3]> {
        if let (Expr::Literal(ScalarValue::Float64(Some(lon)), _), Expr::Literal(ScalarValue::Float64(Some(lat)), _)) =
            (lon, lat)
        {
            return Some(Position::from_degrees(*lon, *lat).ok()?.unit_vector().map(double));
        }
        let leaf = position(lon, lat, self.columns)?;
        Some(["ux", "uy", "uz"].map(|axis| format!("t{leaf}.{axis}")))
    }
}

/// The table whose position columns these are, in degrees.
pub(crate) fn position(lon: &Expr, lat: &Expr, columns: &[SqlColumn]) -> Option<usize> {
    let origin = |expr: &Expr, angle: Angle| match expr {
        Expr::ScalarFunction(call) if call.name() == "degrees" => {
            let column = columns.get(column_number(call.args.first()?)?)?;
            column.origin.as_ref().filter(|origin| origin.angle == Some(angle)).map(|origin| origin.leaf)
        }
        _ => None,
    };
    let leaf = origin(lon, Angle::Longitude)?;
    (origin(lat, Angle::Latitude)? == leaf).then_some(leaf)
}

/// A literal HEALPix order, which is at most `most`.
fn order_of(expr: &Expr, most: u8) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(order)), _) => {
            Some(*order).filter(|order| (0..=most.into()).contains(order))
        }
        _ => None,
    }
}

/// The square of the distance of two vectors, or of one from the other's opposite.
fn squared(a: &[String; 3], b: &[String; 3], sign: &str) -> String {
    let square = |axis: usize| format!("({a} {sign} {b}) * ({a} {sign} {b})", a = a[axis], b = b[axis]);
    format!("({} + {} + {})", square(0), square(1), square(2))
}

/// Whether a vector lies in a polygon: on the inner side of all sides of one of its pieces.
fn inside(vector: &[String; 3], polygon: &Polygon) -> String {
    let product = |(axis, side): (&String, &f64)| format!("{axis} * {}", double(*side));
    let side = |side: &[f64; 3]| {
        let sum = vector.iter().zip(side).map(product).collect::<Vec<_>>().join(" + ");
        format!("{sum} >= {}", double(Convex::LEAST))
    };
    let piece = |piece: &Convex| piece.sides().iter().map(side).collect::<Vec<_>>().join(" AND ");
    polygon.pieces().iter().map(piece).collect::<Vec<_>>().join(" OR ")
}

pub(crate) fn double(value: f64) -> String {
    format!("'{value:e}'::double precision")
}

/// ADQL's arithmetic: an error where a result is out of range, NULL where there is none.
fn arithmetic(name: &str, words: &[&str]) -> Option<String> {
    Some(match (name, words) {
        (names::ADD, [x, y]) => format!("({x} + {y})"),
        (names::SUBTRACT, [x, y]) => format!("({x} - {y})"),
        (names::MULTIPLY, [x, y]) => format!("({x} * {y})"),
        (names::DIVIDE, [x, y]) => format!("({x} / NULLIF({y}, 0))"),
        (names::NEGATE, [x]) => format!("(- {x})"),
        _ => return None,
    })
}

/// ADQL's functions of doubles: NULL where there is no result, an error where one is out of range.
fn double_function(name: &str, words: &[&str]) -> Option<String> {
    Some(match (name, words) {
        (names::SQRT, [x]) => format!("(CASE WHEN {x} >= 0 THEN sqrt({x}) END)"),
        (names::LOG, [x]) => format!("(CASE WHEN {x} > 0 THEN ln({x}) END)"),
        (names::LOG10, [x]) => format!("(CASE WHEN {x} > 0 THEN log10({x}) END)"),
        (names::ASIN, [x]) => format!("(CASE WHEN abs({x}) <= 1 THEN asin({x}) END)"),
        (names::ACOS, [x]) => format!("(CASE WHEN abs({x}) <= 1 THEN acos({x}) END)"),
        (names::EXP, [x]) => format!("(CASE WHEN {x} < -745 THEN 0 ELSE exp({x}) END)"),
        (names::POWER, [x, y]) => {
            format!("(CASE WHEN ({x} >= 0 OR {y} = trunc({y})) AND ({x} <> 0 OR {y} >= 0) THEN power({x}, {y}) END)")
        }
        ("sin" | "cos" | "tan" | "cot" | "atan" | "floor" | "ceil" | "trunc", [x]) => format!("{name}({x})"),
        ("atan2", [y, x]) => format!("atan2({y}, {x})"),
        // By the constants of Rust, which are not those of PostgreSQL's own functions.
        ("degrees", [x]) => format!("({x} * {})", double(180.0 / std::f64::consts::PI)),
        ("radians", [x]) => format!("({x} * {})", double(std::f64::consts::PI / 180.0)),
        // Halves go away from zero; PostgreSQL's own round takes them to the even neighbour.
        ("round", [x]) => {
            format!("(trunc({x}) + CASE WHEN abs({x} - trunc({x})) >= 0.5 THEN sign({x}) ELSE 0 END)")
        }
        _ => return None,
    })
}

/// A literal with its type; nothing for one that cannot be written down exactly.
fn literal(value: &ScalarValue) -> Option<Rendered> {
    let data_type = value.data_type();
    if value.is_null() {
        let sql =
            if data_type == DataType::Null { "NULL".to_owned() } else { format!("NULL::{}", sql_type(&data_type)?) };
        return Some(Rendered { sql, data_type });
    }
    let quoted = |text: String| Some(format!("'{text}'::{}", sql_type(&data_type)?));
    let sql = match value {
        ScalarValue::Boolean(Some(value)) => value.to_string(),
        ScalarValue::Int16(Some(value)) => quoted(value.to_string())?,
        ScalarValue::Int32(Some(value)) => quoted(value.to_string())?,
        ScalarValue::Int64(Some(value)) => quoted(value.to_string())?,
        ScalarValue::Float32(Some(value)) if value.is_finite() => quoted(format!("{value:e}"))?,
        ScalarValue::Float64(Some(value)) if value.is_finite() => quoted(format!("{value:e}"))?,
        ScalarValue::Utf8(Some(text)) if !text.contains('\0') => quoted(text.replace('\'', "''"))?,
        ScalarValue::Date32(Some(days)) => format!("(date '1970-01-01' + {days})"),
        ScalarValue::TimestampMicrosecond(Some(us), None) => {
            format!("(timestamp '1970-01-01' + '{us} microseconds'::interval)")
        }
        ScalarValue::Decimal128(Some(value), _, 0) => quoted(value.to_string())?,
        ScalarValue::Decimal128(Some(value), _, scale) if *scale > 0 => quoted(format!("{value}e-{scale}"))?,
        _ => return None,
    };
    Some(Rendered { sql, data_type })
}
