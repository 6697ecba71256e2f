//! SUM over integers, with an error where it overflows: DataFusion's own wraps around in silence.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Projection, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::optimizer::AnalyzerRule;
use spolia_adql::names::BIGINT;

use crate::arithmetic::out_of_range;
use crate::functions::evaluated;

/// Holds every 64-bit integer; sums of 10^10 of them fit the type that DataFusion gives their sum.
const WIDE: DataType = DataType::Decimal128(20, 0);

/// Sums 64-bit integers as decimals and makes the sum one of them again, which fails when it does not fit.
#[derive(Debug)]
pub(crate) struct CheckedIntegerSum {
    bigint: Arc<ScalarUDF>,
}

impl CheckedIntegerSum {
    pub(crate) fn new() -> Self {
        let signature = Signature::exact(vec![DataType::Decimal128(30, 0)], Volatility::Immutable);
        Self { bigint: Arc::new(ScalarUDF::new_from_impl(Bigint { signature })) }
    }
}

/// See `spolia_adql::names::BIGINT`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bigint {
    signature: Signature,
}

impl ScalarUDFImpl for Bigint {
    fn name(&self) -> &str {
        BIGINT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluated(args, |arrays| {
            let bigint = |value: Option<i128>| match value.map(i64::try_from) {
                Some(Err(_)) => out_of_range(&DataType::Int64),
                Some(Ok(value)) => Ok(Some(value)),
                None => Ok(None),
            };
            let values = arrays[0].as_primitive::<Decimal128Type>().iter();
            Ok(Arc::new(values.map(bigint).collect::<Result<Int64Array>>()?))
        })
    }
}

impl AnalyzerRule for CheckedIntegerSum {
    fn name(&self) -> &str {
        "checked_integer_sum"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let widen = |plan| match plan {
            LogicalPlan::Aggregate(aggregate) => self.widened(aggregate),
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_up_with_subqueries(widen)?.data)
    }
}

impl CheckedIntegerSum {
    fn widened(&self, aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
        let wide: Vec<Option<Expr>> =
            aggregate.aggr_expr.iter().map(|expr| wide_sum(expr, &aggregate.input)).collect::<Result<_>>()?;
        if wide.iter().all(Option::is_none) {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let groups = aggregate.schema.fields().len() - wide.len();
        let sums = wide
            .iter()
            .zip(&aggregate.aggr_expr)
            .map(|(wide, narrow)| wide.clone().unwrap_or_else(|| narrow.clone()))
            .collect();
        let inner = Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr.clone(), sums)?;
        let columns = inner.schema.columns();
        let outer = aggregate.schema.iter().enumerate().map(|(i, (qualifier, field))| {
            let column = Expr::Column(columns[i].clone());
            let is_wide = i >= groups && wide[i - groups].is_some();
            let value = if is_wide { self.bigint.call(vec![column]) } else { column };
            value.alias_qualified(qualifier.cloned(), field.name())
        });
        let outer = Projection::try_new(outer.collect(), Arc::new(LogicalPlan::Aggregate(inner)))?;
        Ok(Transformed::yes(LogicalPlan::Projection(outer)))
    }
}

/// `SUM(x)` over wide integers, where `expr` is one over 64-bit integers.
fn wide_sum(expr: &Expr, input: &LogicalPlan) -> Result<Option<Expr>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return Ok(None) };
    let [argument] = params.args.as_slice() else { return Ok(None) };
    if func.name() != "sum" || argument.get_type(input.schema())? != DataType::Int64 {
        return Ok(None);
    }
    let mut params = params.clone();
    params.args = vec![cast(argument.clone(), WIDE)];
    Ok(Some(Expr::AggregateFunction(AggregateFunction { func: Arc::clone(func), params })))
}
