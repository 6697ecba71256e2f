//! Conditions that two positions are near each other: of a row and a point, or of two rows.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use spolia_adql::names::{DISTANCE, IN_CIRCLE};

/// A necessary condition: two positions lie within a radius of each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Near {
    /// Longitude and latitude in degrees.
    pub a: [Expr; 2],
    /// Those of the other position.
    pub b: [Expr; 2],
    /// In degrees, 0 to 180.
    pub radius_deg: f64,
}

impl Near {
    /// What `adql_in_circle(…) = 1`, `adql_distance(…) < r` or `r >= adql_distance(…)` demands.
    pub(crate) fn of(condition: &Expr) -> Option<Self> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
        Self::compared(left, *op, right).or_else(|| Self::compared(right, op.swap()?, left))
    }

    fn compared(left: &Expr, op: Operator, right: &Expr) -> Option<Self> {
        let Expr::ScalarFunction(call) = left else { return None };
        let (args, radius) = match (call.name(), call.args.as_slice(), op) {
            (IN_CIRCLE, [args @ .., radius], Operator::Eq) if number(right) == Some(1.0) => (args, radius),
            (DISTANCE, args, Operator::Lt | Operator::LtEq) => (args, right),
            _ => return None,
        };
        let [a_lon, a_lat, b_lon, b_lat] = args else { return None };
        let radius_deg = number(radius)?.clamp(0.0, 180.0);
        Some(Self { a: [a_lon.clone(), a_lat.clone()], b: [b_lon.clone(), b_lat.clone()], radius_deg })
    }
}

/// The value of a literal number.
pub(crate) fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(value), _) => value.filter(|value| value.is_finite()),
        Expr::Literal(ScalarValue::Int64(value), _) => value.map(|value| value as f64),
        Expr::Literal(ScalarValue::Int32(value), _) => value.map(f64::from),
        _ => None,
    }
}
