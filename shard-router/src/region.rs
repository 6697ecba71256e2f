//! Regions on the sky that a query writes out: the constant shape of a condition, if it is one.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use spolia_adql::names::{IN_BOX, IN_POLYGON};
use spolia_sky::{Polygon, Position};

use crate::near::number;

/// Longitude and latitude, and the box or polygon of literals that a call asks whether it has them.
pub(crate) fn polygon_of(call: &ScalarFunction) -> Option<([&Expr; 2], Polygon)> {
    let [lon, lat, shape @ ..] = call.args.as_slice() else { return None };
    let shape = || shape.iter().map(number).collect::<Option<Vec<f64>>>();
    let polygon = match call.name() {
        IN_BOX => match shape()?.as_slice() {
            [lon, lat, width, height] => {
                Polygon::of_box(&Position::from_degrees(*lon, *lat).ok()?, *width, *height).ok()?
            }
            _ => return None,
        },
        IN_POLYGON => {
            let numbers = shape()?;
            let vertices = numbers.chunks_exact(2).map(|vertex| Position::from_degrees(vertex[0], vertex[1]).ok());
            Polygon::new(&vertices.collect::<Option<Vec<_>>>()?).ok()?
        }
        _ => return None,
    };
    Some(([lon, lat], polygon))
}
