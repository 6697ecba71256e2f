//! Joins of positions that are near each other, above the nodes: by the cells of the sky that they have in common.
//!
//! Each row of one side stands in the cell of its position, each row of the other in all cells that its circle touches. So rows that
//! match have exactly one cell in common, and the join becomes one of equal cells, with the condition itself to decide. Cells are
//! HEALPix pixels of about twice the radius, of which a circle touches a few, at the poles and where longitudes wrap too.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, Int64Builder, ListBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Column, JoinType, Result, exec_datafusion_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Join, LogicalPlan, LogicalPlanBuilder, ScalarUDF, Volatility, create_udf,
};
use spolia_sky::{Cone, HPX29_ORDER, Position, healpix_index};

use crate::near::Near;

/// The cell that a row is joined by, on the left and on the right.
const LEFT: &str = "left cell";
const RIGHT: &str = "right cell";

/// The join with one by cells in its place; as it was where it is not one of positions alone, or must keep all rows of both sides.
pub(crate) fn by_cells(join: Join) -> Result<LogicalPlan> {
    let near = if join.on.is_empty() { oriented(&join) } else { None };
    let many_on_the_right = match join.join_type {
        JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => true,
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => false,
        JoinType::Full => return Ok(LogicalPlan::Join(join)),
    };
    let Some(Near { a, b, radius_deg }) = near else { return Ok(LogicalPlan::Join(join)) };
    let columns: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    let order = order_of_cells(radius_deg);
    let (one, many) = (cell(order), cells(order, radius_deg));
    let (left, right) = if many_on_the_right { (&one, &many) } else { (&many, &one) };
    let left = with_cell(&join.left, left.call(a.to_vec()), LEFT, !many_on_the_right)?;
    let right = with_cell(&join.right, right.call(b.to_vec()), RIGHT, many_on_the_right)?;
    let on = vec![(Expr::Column(Column::new_unqualified(LEFT)), Expr::Column(Column::new_unqualified(RIGHT)))];
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        join.filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(join)).project(columns)?.build()
}

/// What a join's condition says of positions of which the first is of the left side and the second of the right.
pub(crate) fn oriented(join: &Join) -> Option<Near> {
    let of = |side: &LogicalPlan, position: &[Expr; 2]| {
        let held = |column: &Column| side.schema().has_column(column);
        position.iter().all(|angle| {
            let columns = angle.column_refs();
            !columns.is_empty() && columns.into_iter().all(held)
        })
    };
    let oriented = |near: Near| match &near {
        Near { a, b, .. } if of(&join.left, a) && of(&join.right, b) => Some(near),
        Near { a, b, .. } if of(&join.left, b) && of(&join.right, a) => {
            Some(Near { a: near.b, b: near.a, radius_deg: near.radius_deg })
        }
        _ => None,
    };
    split_conjunction(join.filter.as_ref()?).into_iter().filter_map(Near::of).find_map(oriented)
}

fn with_cell(side: &Arc<LogicalPlan>, cell: Expr, name: &str, many: bool) -> Result<LogicalPlan> {
    let columns = side.schema().columns().into_iter().map(Expr::Column).chain([cell.alias(name)]);
    let builder = LogicalPlanBuilder::from(Arc::clone(side)).project(columns)?;
    let builder = if many { builder.unnest_column(Column::new_unqualified(name))? } else { builder };
    builder.build()
}

/// The deepest order whose pixels are at least as wide as a circle.
pub(crate) fn order_of_cells(radius_deg: f64) -> u8 {
    let widest_rad = 2.0 * radius_deg.to_radians();
    let width_rad = |order: u8| (std::f64::consts::PI / 3.0).sqrt() / 2f64.powi(i32::from(order));
    (1..=HPX29_ORDER).rev().find(|order| width_rad(*order) >= widest_rad).unwrap_or(0)
}

/// A function of each row's position; null where there is none.
fn of_positions<T>(args: &[ColumnarValue], evaluate: impl Fn(Position) -> Result<T>) -> Result<Vec<Option<T>>> {
    let arrays = ColumnarValue::values_to_arrays(args)?;
    let (lon, lat) = (arrays[0].as_primitive::<Float64Type>(), arrays[1].as_primitive::<Float64Type>());
    let one = |(lon, lat): (Option<f64>, Option<f64>)| {
        let (Some(lon), Some(lat)) = (lon, lat) else { return Ok(None) };
        let position = Position::from_degrees(lon, lat).map_err(|error| exec_datafusion_err!("{error}"))?;
        evaluate(position).map(Some)
    };
    lon.iter().zip(lat).map(one).collect()
}

fn function(
    name: &str,
    returns: DataType,
    evaluate: impl Fn(&[ColumnarValue]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    let arguments = vec![DataType::Float64, DataType::Float64];
    let evaluate = move |args: &[ColumnarValue]| evaluate(args).map(ColumnarValue::Array);
    create_udf(name, arguments, returns, Volatility::Immutable, Arc::new(evaluate))
}

/// The cell of a position in degrees.
fn cell(order: u8) -> ScalarUDF {
    function(&format!("cell_{order}"), DataType::Int64, move |args| {
        let cells = of_positions(args, |position| Ok(healpix_index(order, &position) as i64))?;
        Ok(Arc::new(Int64Array::from(cells)))
    })
}

/// The cells that the circle around a position touches.
fn cells(order: u8, radius_deg: f64) -> ScalarUDF {
    let item = Arc::new(Field::new_list_field(DataType::Int64, true));
    function(&format!("cells_{order}"), DataType::List(item), move |args| {
        let touched = of_positions(args, |position| {
            let cone = Cone::new(position, radius_deg).map_err(|error| exec_datafusion_err!("{error}"))?;
            Ok(cone.pixel_ranges(order))
        })?;
        let mut lists = ListBuilder::new(Int64Builder::with_capacity(touched.len()));
        for ranges in touched {
            let cells = ranges.iter().flat_map(|ranges| ranges.as_slice().iter().cloned().flatten());
            cells.for_each(|cell| lists.values().append_value(cell as i64));
            lists.append(ranges.is_some());
        }
        Ok(Arc::new(lists.finish()) as ArrayRef)
    })
}
