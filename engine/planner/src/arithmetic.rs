//! ADQL's arithmetic: the same on every machine that evaluates it, with an error where a result is out of range.
//!
//! DataFusion's own operators wrap integers around and make infinities and NaN of doubles. Here, and on the nodes: a result that the
//! type cannot hold is an error, a division by zero has no result and is NULL. Integers are divided towards zero.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int16Type, Int32Type, Int64Type};
use datafusion::common::{DFSchema, Result, exec_err, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use spolia_adql::names;

use crate::functions::evaluated;

/// All of it, ready to register.
pub(crate) fn all() -> Vec<ScalarUDF> {
    use Operation::{Add, Divide, Modulo, Multiply, Negate, Subtract};
    let operations = [Add, Subtract, Multiply, Divide, Modulo, Negate];
    operations.into_iter().map(|operation| ScalarUDF::new_from_impl(Arithmetic::new(operation))).collect()
}

/// Plans ADQL's operators as calls of its arithmetic.
#[derive(Debug)]
pub(crate) struct Operators {
    functions: Vec<Arc<ScalarUDF>>,
}

impl Operators {
    pub(crate) fn new() -> Self {
        Self { functions: all().into_iter().map(Arc::new).collect() }
    }
}

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let name = match expr.op {
            BinaryOperator::Plus => names::ADD,
            BinaryOperator::Minus => names::SUBTRACT,
            BinaryOperator::Multiply => names::MULTIPLY,
            BinaryOperator::Divide => names::DIVIDE,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let function = self.functions.iter().find(|function| function.name() == name);
        Ok(match function {
            Some(function) => PlannerResult::Planned(function.call(vec![expr.left, expr.right])),
            None => PlannerResult::Original(expr),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    operation: Operation,
    signature: Signature,
}

impl Arithmetic {
    fn new(operation: Operation) -> Self {
        Self { operation, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => names::ADD,
            Operation::Subtract => names::SUBTRACT,
            Operation::Multiply => names::MULTIPLY,
            Operation::Divide => names::DIVIDE,
            Operation::Modulo => names::MOD,
            Operation::Negate => names::NEGATE,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Integers are taken in the longer of their types, everything else as doubles.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wanted = if self.operation == Operation::Negate { 1 } else { 2 };
        if types.len() != wanted {
            return plan_err!("arithmetic with {} operands", types.len());
        }
        let rank = |data_type: &DataType| match data_type {
            DataType::Int16 => Ok(0),
            DataType::Int32 => Ok(1),
            DataType::Int64 | DataType::Null => Ok(2),
            data_type if data_type.is_numeric() => Ok(3),
            other => plan_err!("arithmetic is for numbers, not for {other}"),
        };
        let ranks = types.iter().map(rank).collect::<Result<Vec<_>>>()?;
        let types = [DataType::Int16, DataType::Int32, DataType::Int64, DataType::Float64];
        Ok(vec![types[ranks.into_iter().max().unwrap_or(3)].clone(); wanted])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().map_or_else(|| plan_err!("arithmetic without operands"), Ok)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluated(args, |arrays| match arrays[0].data_type() {
            DataType::Int16 => self.integers::<Int16Type>(arrays),
            DataType::Int32 => self.integers::<Int32Type>(arrays),
            DataType::Int64 => self.integers::<Int64Type>(arrays),
            DataType::Float64 => self.doubles(arrays),
            other => exec_err!("arithmetic is for numbers, not for {other}"),
        })
    }
}

/// Arithmetic that fails instead of wrapping around.
trait Checked: Copy + PartialEq + Default {
    fn add(self, other: Self) -> Option<Self>;
    fn subtract(self, other: Self) -> Option<Self>;
    fn multiply(self, other: Self) -> Option<Self>;
    fn divide(self, other: Self) -> Option<Self>;
    fn modulo(self, other: Self) -> Option<Self>;
}

macro_rules! checked {
    ($($integer:ty),*) => {$(
        impl Checked for $integer {
            fn add(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }
            fn subtract(self, other: Self) -> Option<Self> {
                self.checked_sub(other)
            }
            fn multiply(self, other: Self) -> Option<Self> {
                self.checked_mul(other)
            }
            fn divide(self, other: Self) -> Option<Self> {
                self.checked_div(other)
            }
            fn modulo(self, other: Self) -> Option<Self> {
                Some(self.wrapping_rem(other))
            }
        }
    )*};
}

checked!(i16, i32, i64);

impl Checked for f64 {
    fn add(self, other: Self) -> Option<Self> {
        in_range(self + other, &[self, other])
    }
    fn subtract(self, other: Self) -> Option<Self> {
        in_range(self - other, &[self, other])
    }
    fn multiply(self, other: Self) -> Option<Self> {
        let product = in_range(self * other, &[self, other])?;
        (product != 0.0 || self == 0.0 || other == 0.0).then_some(product)
    }
    fn divide(self, other: Self) -> Option<Self> {
        let quotient = in_range(self / other, &[self])?;
        (quotient != 0.0 || self == 0.0 || other.is_infinite()).then_some(quotient)
    }
    fn modulo(self, other: Self) -> Option<Self> {
        Some(self % other)
    }
}

/// A result of doubles, unless it became infinite out of numbers that are not.
pub(crate) fn in_range(result: f64, operands: &[f64]) -> Option<f64> {
    (!result.is_infinite() || operands.iter().any(|operand| operand.is_infinite())).then_some(result)
}

/// The error of a result that its type cannot hold.
pub(crate) fn out_of_range<T>(data_type: &DataType) -> Result<T> {
    let name = match data_type {
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::Decimal128(..) => "NUMERIC",
        _ => "DOUBLE PRECISION",
    };
    exec_err!("a computed number is out of the range of {name}")
}

impl Arithmetic {
    fn integers<T: ArrowPrimitiveType>(&self, arrays: &[ArrayRef]) -> Result<ArrayRef>
    where
        T::Native: Checked,
    {
        self.computed::<T>(arrays)
    }

    fn doubles(&self, arrays: &[ArrayRef]) -> Result<ArrayRef> {
        self.computed::<Float64Type>(arrays)
    }

    fn computed<T: ArrowPrimitiveType>(&self, arrays: &[ArrayRef]) -> Result<ArrayRef>
    where
        T::Native: Checked,
    {
        let zero = T::Native::default();
        let left = arrays[0].as_primitive::<T>();
        if self.operation == Operation::Negate {
            let negate = |value: Option<T::Native>| match value {
                Some(value) => {
                    zero.subtract(value).map_or_else(|| out_of_range(&T::DATA_TYPE), |value| Ok(Some(value)))
                }
                None => Ok(None),
            };
            return Ok(Arc::new(left.iter().map(negate).collect::<Result<PrimitiveArray<T>>>()?));
        }
        let right = arrays[1].as_primitive::<T>();
        let divides = matches!(self.operation, Operation::Divide | Operation::Modulo);
        let one = |(x, y): (Option<T::Native>, Option<T::Native>)| {
            let (Some(x), Some(y)) = (x, y) else { return Ok(None) };
            if divides && y == zero {
                return Ok(None);
            }
            let result = match self.operation {
                Operation::Add => x.add(y),
                Operation::Subtract => x.subtract(y),
                Operation::Multiply => x.multiply(y),
                Operation::Divide => x.divide(y),
                _ => x.modulo(y),
            };
            result.map_or_else(|| out_of_range(&T::DATA_TYPE), |result| Ok(Some(result)))
        };
        Ok(Arc::new(left.iter().zip(right).map(one).collect::<Result<PrimitiveArray<T>>>()?))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float64Array, Int64Array};

    use super::*;

    fn integers(operation: Operation, x: i64, y: i64) -> Result<Option<i64>> {
        let array = |value| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        let result = Arithmetic::new(operation).integers::<Int64Type>(&[array(x), array(y)])?;
        Ok(result.as_primitive::<Int64Type>().iter().next().flatten())
    }

    fn doubles(operation: Operation, x: f64, y: f64) -> Result<Option<f64>> {
        let array = |value| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
        let result = Arithmetic::new(operation).doubles(&[array(x), array(y)])?;
        Ok(result.as_primitive::<Float64Type>().iter().next().flatten())
    }

    #[test]
    fn integers_never_wrap_around() {
        assert_eq!(integers(Operation::Add, 2, 3).unwrap(), Some(5));
        assert!(integers(Operation::Add, i64::MAX, 1).unwrap_err().to_string().contains("out of the range of BIGINT"));
        assert!(integers(Operation::Multiply, i64::MAX, 2).is_err());
        assert!(integers(Operation::Divide, i64::MIN, -1).is_err());
        assert!(integers(Operation::Negate, i64::MIN, 0).is_err());
        assert_eq!(integers(Operation::Divide, -7, 2).unwrap(), Some(-3));
        assert_eq!(integers(Operation::Modulo, -7, 2).unwrap(), Some(-1));
        assert_eq!(integers(Operation::Modulo, i64::MIN, -1).unwrap(), Some(0));
    }

    #[test]
    fn a_division_by_zero_has_no_result() {
        assert_eq!(integers(Operation::Divide, 1, 0).unwrap(), None);
        assert_eq!(integers(Operation::Modulo, 1, 0).unwrap(), None);
        assert_eq!(doubles(Operation::Divide, 1.0, 0.0).unwrap(), None);
        assert_eq!(doubles(Operation::Divide, 0.0, -0.0).unwrap(), None);
    }

    #[test]
    fn doubles_that_leave_their_range_are_errors() {
        assert!(doubles(Operation::Multiply, 1e200, 1e200).is_err());
        assert!(doubles(Operation::Multiply, 1e-200, 1e-200).is_err());
        assert!(doubles(Operation::Add, f64::MAX, f64::MAX).is_err());
        assert_eq!(doubles(Operation::Multiply, 0.0, 1e-200).unwrap(), Some(0.0));
        assert_eq!(doubles(Operation::Divide, 1.0, 4.0).unwrap(), Some(0.25));
    }
}
