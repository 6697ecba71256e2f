//! What operands of different types are taken as, where DataFusion's own choice would lose something.
//!
//! DataFusion compares a decimal with a float as decimals of 15 places, in which small numbers vanish and large ones are errors, and a
//! time with a text or a date as nanoseconds, which there are none of before 1677. Here a literal beside a decimal is the decimal that
//! it is written as; a decimal beside other floats is a float; a text or a date beside a time is a time to the microsecond. A mean of decimals is a
//! float, like all means. UUIDs are texts in lower case, and so are literals beside them. A cast to the type that a value has already is left
//! out, so that nodes see through it.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, disjunction, merge_schema};
use datafusion::logical_expr::{
    Between, BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union, cast, lit,
};
use datafusion::optimizer::AnalyzerRule;

/// Digits that a decimal has at most.
const MOST_DIGITS: i16 = 38;

/// Makes operands alike before DataFusion does.
#[derive(Debug)]
pub(crate) struct AlikeOperands;

impl AnalyzerRule for AlikeOperands {
    fn name(&self) -> &str {
        "alike_operands"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(in_plan)?.data)
    }
}

fn in_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let in_expression = |expr: Expr| match in_expression(&expr, &schema) {
        Some(alike) => Ok(Transformed::yes(alike)),
        None => Ok(Transformed::no(expr)),
    };
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(expr.transform_up(in_expression)?.update_data(|expr| name.restore(expr)))
    })?;
    let pairs_too = |plan| match plan {
        LogicalPlan::Join(mut join) => {
            join.on = join.on.into_iter().map(|(a, b)| alike(&a, &b, &schema).unwrap_or((a, b))).collect();
            Ok(LogicalPlan::Join(join))
        }
        LogicalPlan::Union(union) => in_union(union).map(LogicalPlan::Union),
        other => Ok(other),
    };
    plan.map_data(pairs_too)?.map_data(LogicalPlan::recompute_schema)
}

/// Rows of which some have a decimal where others have a float, with floats there.
fn in_union(mut union: Union) -> Result<Union> {
    let columns = union.inputs.iter().map(|input| input.schema().fields().len()).min().unwrap_or(0);
    let mixed: Vec<bool> = (0..columns)
        .map(|column| is_mixed(union.inputs.iter().map(|input| input.schema().field(column).data_type())))
        .collect();
    if !mixed.contains(&true) {
        return Ok(union);
    }
    for input in &mut union.inputs {
        let column = |((qualifier, field), mixed): ((Option<&_>, &FieldRef), &bool)| {
            let column = Expr::from((qualifier, field));
            match *mixed && is_decimal(field.data_type()) {
                true => as_float(&column).alias_qualified(qualifier.cloned(), field.name()),
                false => column,
            }
        };
        let columns: Vec<Expr> = input.schema().iter().zip(&mixed).map(column).collect();
        *input = Arc::new(LogicalPlanBuilder::from(input.as_ref().clone()).project(columns)?.build()?);
    }
    Union::try_new_with_loose_types(union.inputs)
}

/// The expression with operands that are alike; nothing where DataFusion's own choice will do.
fn in_expression(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    match expr {
        Expr::Cast(Cast { expr, field }) if expr.get_type(schema).is_ok_and(|of| of == *field.data_type()) => {
            Some(expr.as_ref().clone())
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            let (left, right) = alike(left, right, schema)?;
            Some(binary(left, *op, right))
        }
        Expr::Between(between) => {
            let others = [&*between.low, &*between.high];
            let within = compared(&between.expr, &others, schema)?.map(
                |others| {
                    let [low, high] = <[Expr; 2]>::try_from(others).ok()?;
                    Some(Expr::Between(Between::new(between.expr.clone(), false, Box::new(low), Box::new(high))))
                },
                |pairs| {
                    let ends = [Operator::GtEq, Operator::LtEq].into_iter().zip(pairs);
                    conjunction(ends.map(|(op, (value, end))| binary(value, op, end)))
                },
            )?;
            Some(if between.negated { !within } else { within })
        }
        Expr::InList(InList { expr: value, list, negated }) => {
            let within = compared(value, &list.iter().collect::<Vec<_>>(), schema)?.map(
                |list| Some(Expr::InList(InList::new(value.clone(), list, false))),
                |pairs| disjunction(pairs.into_iter().map(|(value, item)| binary(value, Operator::Eq, item))),
            )?;
            Some(if *negated { !within } else { within })
        }
        Expr::ScalarFunction(call) if matches!(call.name(), "coalesce" | "nullif") => {
            let mut call = call.clone();
            call.args = as_floats(&call.args.iter().collect::<Vec<_>>(), schema)?;
            Some(Expr::ScalarFunction(call))
        }
        Expr::Case(case) => {
            let mut case = case.clone();
            let given = case.when_then_expr.iter().map(|(_, then)| &**then).chain(case.else_expr.as_deref());
            let mut given = as_floats(&given.collect::<Vec<_>>(), schema)?.into_iter();
            for (_, then) in &mut case.when_then_expr {
                **then = given.next()?;
            }
            case.else_expr = given.next().map(Box::new);
            Some(Expr::Case(case))
        }
        Expr::AggregateFunction(call) if call.func.name() == "avg" => {
            let mut call = call.clone();
            let [argument] = call.params.args.as_mut_slice() else { return None };
            is_decimal(&argument.get_type(schema).ok()?).then(|| *argument = as_float(argument))?;
            Some(Expr::AggregateFunction(call))
        }
        _ => None,
    }
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// A value and what it is compared with, made alike.
enum Compared {
    /// The value is as it was.
    Others(Vec<Expr>),
    /// It is another one beside some of them.
    Pairs(Vec<(Expr, Expr)>),
}

impl Compared {
    fn map(
        self,
        others: impl FnOnce(Vec<Expr>) -> Option<Expr>,
        pairs: impl FnOnce(Vec<(Expr, Expr)>) -> Option<Expr>,
    ) -> Option<Expr> {
        match self {
            Self::Others(all) => others(all),
            Self::Pairs(all) => pairs(all),
        }
    }
}

/// A value and several others that it is compared with; nothing where all of them are alike already.
fn compared(value: &Expr, others: &[&Expr], schema: &DFSchema) -> Option<Compared> {
    let made: Vec<Option<(Expr, Expr)>> = others.iter().map(|other| alike(value, other, schema)).collect();
    made.iter().any(Option::is_some).then_some(())?;
    let as_it_was = made.iter().flatten().all(|(new, _)| new == value);
    let pairs =
        made.into_iter().zip(others).map(|(pair, other)| pair.unwrap_or_else(|| (value.clone(), (*other).clone())));
    Some(match as_it_was {
        true => Compared::Others(pairs.map(|(_, other)| other).collect()),
        false => Compared::Pairs(pairs.collect()),
    })
}

/// Two operands made alike; nothing where DataFusion's own choice will do.
fn alike(left: &Expr, right: &Expr, schema: &DFSchema) -> Option<(Expr, Expr)> {
    let swapped = |(right, left)| (left, right);
    match (left.get_type(schema).ok()?, right.get_type(schema).ok()?) {
        (DataType::Decimal128(precision, scale), other) => beside_decimal(left, (precision, scale), right, &other),
        (other, DataType::Decimal128(precision, scale)) => {
            beside_decimal(right, (precision, scale), left, &other).map(swapped)
        }
        (time @ DataType::Timestamp(TimeUnit::Microsecond, None), DataType::Utf8 | DataType::Date32) => {
            Some((left.clone(), cast(right.clone(), time)))
        }
        (DataType::Utf8 | DataType::Date32, time @ DataType::Timestamp(TimeUnit::Microsecond, None)) => {
            Some((cast(left.clone(), time), right.clone()))
        }
        (DataType::Utf8, DataType::Utf8) => {
            beside_uuid(left, right, schema).or_else(|| beside_uuid(right, left, schema).map(swapped))
        }
        _ => None,
    }
}

/// A decimal and what it is compared with: as decimals where these hold both, else as floats.
fn beside_decimal(
    decimal: &Expr,
    (precision, scale): (u8, i8),
    other: &Expr,
    other_type: &DataType,
) -> Option<(Expr, Expr)> {
    if let Some((value, digits, places)) = literal(other).and_then(|text| exact(&text))
        && fit((precision, scale), (digits, places))
    {
        // In the decimal's own type where it has one there.
        let own = (places <= scale)
            .then(|| value.checked_mul(10i128.checked_pow(u32::from((scale - places).unsigned_abs()))?));
        let own = own.flatten().filter(|own| own.unsigned_abs() < 10u128.pow(precision.into()));
        let (value, precision, scale) = own.map_or((value, digits, places), |own| (own, precision, scale));
        return Some((decimal.clone(), lit(ScalarValue::Decimal128(Some(value), precision, scale))));
    }
    let other_digits = match other_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        DataType::Int64 | DataType::UInt64 => Some((20, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Float64 | DataType::Float32 => None,
        // A text that is no number is for DataFusion to refuse.
        DataType::Utf8 if literal(other).is_some_and(|text| exact(&text).is_some()) => None,
        _ => return None,
    };
    let together = other_digits.is_some_and(|other| fit((precision, scale), other));
    (!together).then(|| (as_float(decimal), as_float(other)))
}

/// Whether there is a decimal type for all values of both.
fn fit((precision, scale): (u8, i8), (other_precision, other_scale): (u8, i8)) -> bool {
    let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
    whole(precision, scale).max(whole(other_precision, other_scale)) + i16::from(scale.max(other_scale)) <= MOST_DIGITS
}

/// The text of a number that a query has: as it was written, or the shortest for the same float.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => Some(value.to_string()),
        Expr::Literal(ScalarValue::UInt64(Some(value)), _) => Some(value.to_string()),
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => Some(value.to_string()),
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text.trim().to_owned()),
        _ => None,
    }
}

/// A number's digits as an integer, how many there are, and how many of them stand behind the point; nothing for what no decimal holds.
fn exact(text: &str) -> Option<(i128, u8, i8)> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = bare.split_once('.').unwrap_or((bare, ""));
    let (whole, places) = (whole.trim_start_matches('0'), places.trim_end_matches('0'));
    let digits = format!("{whole}{places}");
    let is_number = bare.bytes().any(|byte| byte.is_ascii_digit()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let precision = digits.len().max(1) as i16;
    if !is_number || precision > MOST_DIGITS {
        return None;
    }
    let value: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some((if text.starts_with('-') { -value } else { value }, precision as u8, places.len() as i8))
}

/// A text literal beside a UUID, in lower case.
fn beside_uuid(column: &Expr, other: &Expr, schema: &DFSchema) -> Option<(Expr, Expr)> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = other else { return None };
    let (_, field) = column.to_field(schema).ok()?;
    let is_uuid = field.metadata().get("xtype").is_some_and(|xtype| xtype == "uuid");
    let lower = text.to_ascii_lowercase();
    (is_uuid && lower != *text).then(|| (column.clone(), lit(lower)))
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..))
}

/// Whether some are decimals and some are floats.
fn is_mixed<'a>(types: impl Iterator<Item = &'a DataType> + Clone) -> bool {
    types.clone().any(is_decimal) && types.clone().any(DataType::is_floating)
}

fn as_float(expr: &Expr) -> Expr {
    cast(expr.clone(), DataType::Float64)
}

/// Values of which some are decimals and some are floats, all of them as floats; nothing for others.
fn as_floats(values: &[&Expr], schema: &DFSchema) -> Option<Vec<Expr>> {
    let types = values.iter().map(|value| value.get_type(schema).ok()).collect::<Option<Vec<_>>>()?;
    let float = |(value, data_type): (&&Expr, &DataType)| {
        if is_decimal(data_type) { as_float(value) } else { (*value).clone() }
    };
    is_mixed(types.iter()).then(|| values.iter().zip(&types).map(float).collect())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::prelude::col;

    use super::*;

    fn schema() -> DFSchema {
        let uuid =
            Field::new("key", DataType::Utf8, true).with_metadata([("xtype".to_owned(), "uuid".to_owned())].into());
        let fields = vec![
            Field::new("price", DataType::Decimal128(12, 3), true),
            Field::new("huge", DataType::Decimal128(38, 0), true),
            Field::new("tiny", DataType::Decimal128(38, 38), true),
            Field::new("double", DataType::Float64, true),
            Field::new("long", DataType::Int64, true),
            Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("day", DataType::Date32, true),
            Field::new("name", DataType::Utf8, true),
            uuid,
        ];
        DFSchema::try_from(Schema::new(fields)).unwrap()
    }

    fn decimal(value: i128, precision: u8, scale: i8) -> Expr {
        lit(ScalarValue::Decimal128(Some(value), precision, scale))
    }

    /// The expression is left alone where nothing is expected.
    fn check(expr: Expr, expected: Option<Expr>) {
        assert_eq!(in_expression(&expr, &schema()), expected, "{expr}");
    }

    #[test]
    fn a_literal_beside_a_decimal_is_what_it_is_written_as() {
        check(col("price").gt(lit(12.34)), Some(col("price").gt(decimal(12_340, 12, 3))));
        check(lit(-0.0005).lt(col("price")), Some(decimal(-5, 4, 4).lt(col("price"))));
        check(col("price").eq(lit("12.3400")), Some(col("price").eq(decimal(12_340, 12, 3))));
        check(col("price").eq(lit(7i64)), Some(col("price").eq(decimal(7_000, 12, 3))));
        check(col("price").lt(lit(1e12)), Some(col("price").lt(decimal(10i128.pow(12), 13, 0))));
        let digits = "12345678901234567890123";
        check(col("huge").eq(lit(digits)), Some(col("huge").eq(decimal(digits.parse().unwrap(), 38, 0))));
        let within = |low, high| col("price").between(low, high);
        check(within(lit(0.5), lit(2i64)), Some(within(decimal(500, 12, 3), decimal(2_000, 12, 3))));
        let among = |items| col("price").in_list(items, false);
        let (items, decimals) = (vec![lit(0.5), lit(1i64)], vec![decimal(500, 12, 3), decimal(1_000, 12, 3)]);
        check(among(items.clone()), Some(among(decimals.clone())));
        check(!among(items), Some(!among(decimals)));
    }

    #[test]
    fn what_no_decimal_holds_together_is_compared_as_floats() {
        let float = |expr| cast(expr, DataType::Float64);
        check(col("huge").gt(lit(1e-20)), Some(float(col("huge")).gt(float(lit(1e-20)))));
        check(col("price").lt(lit(1e300)), Some(float(col("price")).lt(float(lit(1e300)))));
        check(col("price").eq(col("double")), Some(float(col("price")).eq(float(col("double")))));
        check(col("tiny").lt(col("long")), Some(float(col("tiny")).lt(float(col("long")))));
        check(col("tiny").lt(col("huge")), Some(float(col("tiny")).lt(float(col("huge")))));
        let either = float(col("huge")).eq(float(lit(0.5))).or(col("huge").eq(decimal(1, 38, 0)));
        check(col("huge").in_list(vec![lit(0.5), lit(1i64)], true), Some(!either));
        check(col("price").lt(col("long")), None);
        check(col("price").eq(lit("a number")), None);
        check(col("double").gt(lit(1e-20)), None);
    }

    #[test]
    fn times_and_uuids_are_read_from_texts() {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        check(col("time").gt(lit("1500-01-01")), Some(col("time").gt(cast(lit("1500-01-01"), time.clone()))));
        let midnight = cast(col("day"), time.clone());
        check(col("day").lt(col("time")), Some(midnight.lt(col("time"))));
        check(col("key").eq(lit("E0B8-F")), Some(col("key").eq(lit("e0b8-f"))));
        check(col("key").eq(lit("e0b8-f")), None);
        check(col("name").eq(lit("E0B8-F")), None);
    }

    #[test]
    fn numbers_are_taken_apart() {
        assert_eq!(exact("0.050"), Some((5, 2, 2)));
        assert_eq!(exact("-120"), Some((-120, 3, 0)));
        assert_eq!(exact("0"), Some((0, 1, 0)));
        for wrong in ["", ".", "-", "1e5", "inf", "1.2.3", &"9".repeat(39)] {
            assert_eq!(exact(wrong), None, "{wrong}");
        }
    }
}
