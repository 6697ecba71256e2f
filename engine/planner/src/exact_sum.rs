//! SUM over integers and decimals, with an error where it overflows: DataFusion's own wraps around in silence.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Int64Array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Projection, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::optimizer::AnalyzerRule;
use spolia_adql::names::{BIGINT, NUMERIC};

use crate::arithmetic::out_of_range;
use crate::functions::evaluated;

/// Holds every 64-bit integer; sums of 10^10 of them fit the type that DataFusion gives their sum.
const WIDE: DataType = DataType::Decimal128(20, 0);

/// Decimals of so many digits have ten left for their sum in the type that DataFusion gives it.
const MOST_DIGITS: u8 = 28;

/// Sums up what may overflow in a type that holds more, and makes the sum what it should be, which fails when it does not fit.
#[derive(Debug)]
pub(crate) struct ExactSum {
    bigint: Arc<ScalarUDF>,
    numeric: Arc<ScalarUDF>,
}

impl ExactSum {
    pub(crate) fn new() -> Self {
        let signature = Signature::exact(vec![DataType::Decimal128(30, 0)], Volatility::Immutable);
        let numeric = Numeric { signature: Signature::any(1, Volatility::Immutable) };
        Self {
            bigint: Arc::new(ScalarUDF::new_from_impl(Bigint { signature })),
            numeric: Arc::new(ScalarUDF::new_from_impl(numeric)),
        }
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

/// See `spolia_adql::names::NUMERIC`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Numeric {
    signature: Signature,
}

impl ScalarUDFImpl for Numeric {
    fn name(&self) -> &str {
        NUMERIC
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Decimal256(_, scale)] => Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale)),
            _ => plan_err!("{NUMERIC} takes a long decimal"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let narrow = args.return_type().clone();
        evaluated(args, |arrays| {
            let cast = cast_with_options(&arrays[0], &narrow, &CastOptions { safe: true, ..CastOptions::default() })?;
            if cast.null_count() > arrays[0].null_count() { out_of_range(&narrow) } else { Ok(cast) }
        })
    }
}

impl AnalyzerRule for ExactSum {
    fn name(&self) -> &str {
        "exact_sum"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let widen = |plan| match plan {
            LogicalPlan::Aggregate(aggregate) => self.widened(aggregate),
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_up_with_subqueries(widen)?.data)
    }
}

impl ExactSum {
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
            let value = if is_wide { self.narrow(column, field.data_type()) } else { column };
            value.alias_qualified(qualifier.cloned(), field.name())
        });
        let outer = Projection::try_new(outer.collect(), Arc::new(LogicalPlan::Aggregate(inner)))?;
        Ok(Transformed::yes(LogicalPlan::Projection(outer)))
    }

    fn narrow(&self, sum: Expr, data_type: &DataType) -> Expr {
        let function = if *data_type == DataType::Int64 { &self.bigint } else { &self.numeric };
        function.call(vec![sum])
    }
}

/// `SUM(x)` over what holds more, where `expr` is one over 64-bit integers or long decimals.
fn wide_sum(expr: &Expr, input: &LogicalPlan) -> Result<Option<Expr>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return Ok(None) };
    let [argument] = params.args.as_slice() else { return Ok(None) };
    let wide = match argument.get_type(input.schema())? {
        DataType::Int64 => WIDE,
        DataType::Decimal128(precision, scale) if precision > MOST_DIGITS => DataType::Decimal256(precision, scale),
        _ => return Ok(None),
    };
    if func.name() != "sum" {
        return Ok(None);
    }
    let mut params = params.clone();
    params.args = vec![cast(argument.clone(), wide)];
    Ok(Some(Expr::AggregateFunction(AggregateFunction { func: Arc::clone(func), params })))
}
