//! ADQL's geometry functions. ADQL 2.1 section 4.2.
//!
//! A shape is a list of doubles in degrees, as DALI 1.2 section 3.3 writes it: a point of two, a circle of three, a polygon of six and more.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListBuilder, Float64Array, Float64Builder, Int32Array, ListBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{Signature, Volatility};
use spolia_adql::names;
use spolia_sky::{Cone, HPX29_ORDER, Polygon, Position, Region, SkyError, healpix_centre};

use crate::functions::{AdqlFunction, doubles, order, row, sky};

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = AdqlFunction> {
    let many = || Signature::variadic(vec![DataType::Float64], Volatility::Immutable);
    let shapes = || Signature::user_defined(Volatility::Immutable);
    let text = || Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
    let pixels = Signature::exact(vec![DataType::Int64; 2], Volatility::Immutable);
    let (flag, number) = (DataType::Int32, DataType::Float64);
    [
        AdqlFunction::new(names::POINT, doubles(2), fixed_type(2), fixed::<2>).of_xtype("point"),
        AdqlFunction::new(names::CIRCLE, doubles(3), fixed_type(3), fixed::<3>).of_xtype("circle"),
        AdqlFunction::new(names::BOX, doubles(4), list_type(), corners).of_xtype("polygon"),
        AdqlFunction::new(names::POLYGON, many(), list_type(), vertices).of_xtype("polygon"),
        AdqlFunction::new(names::TO_POINT, text(), fixed_type(2), read::<2>).of_xtype("point"),
        AdqlFunction::new(names::TO_CIRCLE, text(), fixed_type(3), read::<3>).of_xtype("circle"),
        AdqlFunction::new(names::TO_POLYGON, text(), list_type(), read_polygon).of_xtype("polygon"),
        AdqlFunction::new(names::COORD1, shapes(), number.clone(), |arrays| coordinate(arrays, 0)),
        AdqlFunction::new(names::COORD2, shapes(), number.clone(), |arrays| coordinate(arrays, 1)),
        AdqlFunction::new(names::AREA, shapes(), number.clone(), area),
        AdqlFunction::new(names::CENTROID, shapes(), fixed_type(2), centroid).of_xtype("point"),
        AdqlFunction::new(names::CONTAINS, shapes(), flag.clone(), |arrays| pairs(arrays, |a, b| b.contains(a))),
        AdqlFunction::new(names::INTERSECTS, shapes(), flag.clone(), |arrays| pairs(arrays, Region::intersects)),
        AdqlFunction::new(names::IN_CIRCLE, doubles(5), flag.clone(), in_circle),
        AdqlFunction::new(names::IN_BOX, doubles(6), flag.clone(), in_box),
        AdqlFunction::new(names::IN_POLYGON, many(), flag, in_polygon),
        AdqlFunction::new(names::IVO_HEALPIX_CENTER, pixels, fixed_type(2), centre_of_pixel).of_xtype("point"),
        AdqlFunction::new(names::DISTANCE, doubles(4), number, distance),
    ]
    .into_iter()
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float64, true))
}

fn list_type() -> DataType {
    DataType::List(item())
}

pub(crate) fn fixed_type(length: i32) -> DataType {
    DataType::FixedSizeList(item(), length)
}

/// The type that shapes are read as.
///
/// # Errors
/// For what holds no shape.
pub(crate) fn shape_type(given: &DataType) -> Result<DataType> {
    match given {
        DataType::Null => Ok(list_type()),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if item.data_type().is_floating() =>
        {
            Ok(list_type())
        }
        other => plan_err!("a geometry is expected, not a value of type {other}"),
    }
}

/// The shapes of a column; what is the same as in the row before is made once.
struct Shapes<'a> {
    column: &'a ArrayRef,
    last: Option<(Vec<f64>, Region)>,
}

impl<'a> Shapes<'a> {
    fn new(column: &'a ArrayRef) -> Self {
        Self { column, last: None }
    }

    /// The shape of a row; nothing where it is null, or without numbers or with NaN, which is how DALI writes no shape.
    fn get(&mut self, row: usize) -> Result<Option<&Region>> {
        let column = self.column.as_list::<i32>();
        if column.is_null(row) {
            return Ok(None);
        }
        let values = column.value(row);
        let values = values.as_primitive::<Float64Type>();
        if values.is_empty() || values.null_count() > 0 || values.values().iter().any(|value| value.is_nan()) {
            return Ok(None);
        }
        if !self.last.as_ref().is_some_and(|(made_of, _)| made_of.as_slice() == &values.values()[..]) {
            self.last = Some((values.values().to_vec(), region(values.values()).map_err(sky)?));
        }
        Ok(self.last.as_ref().map(|(_, region)| region))
    }
}

/// Lists of the same kind, whose numbers have become others; nothing becomes of what is null, or no shape.
pub(crate) fn mapped(lists: &ArrayRef, map: impl Fn(&[f64]) -> Result<Vec<f64>>) -> Result<ArrayRef> {
    let plain = datafusion::arrow::compute::cast(lists, &list_type())?;
    let plain = plain.as_list::<i32>();
    let mut mapped = ListBuilder::new(Float64Builder::new());
    for list in plain.iter() {
        let numbers = list.as_ref().map(|list| list.as_primitive::<Float64Type>());
        match numbers
            .filter(|numbers| numbers.null_count() == 0 && numbers.values().iter().all(|number| !number.is_nan()))
        {
            Some(numbers) => mapped.append_value(map(numbers.values())?.into_iter().map(Some)),
            None => mapped.append_null(),
        }
    }
    let mapped: ArrayRef = Arc::new(mapped.finish());
    Ok(datafusion::arrow::compute::cast(&mapped, lists.data_type())?)
}

/// The shape that numbers make.
fn region(values: &[f64]) -> std::result::Result<Region, SkyError> {
    match values {
        [lon, lat] => Position::from_degrees(*lon, *lat).map(Region::Point),
        [lon, lat, radius] => Ok(Region::Circle(Cone::new(Position::from_degrees(*lon, *lat)?, *radius)?)),
        values => polygon(values).or_else(|fault| box_of(values).ok_or(fault)).map(Region::Polygon),
    }
}

/// The box whose corners these numbers are, where they make no other polygon.
fn box_of(values: &[f64]) -> Option<Polygon> {
    let corners = values.chunks_exact(2).map(|corner| Position::from_degrees(corner[0], corner[1]).ok());
    Polygon::of_box_corners(&corners.collect::<Option<Vec<_>>>().filter(|_| values.len() == 8)?)
}

fn polygon(values: &[f64]) -> std::result::Result<Polygon, SkyError> {
    if values.len() % 2 == 1 {
        return Err(SkyError::Polygon("an odd number of coordinates"));
    }
    let vertices = values.chunks_exact(2).map(|vertex| Position::from_degrees(vertex[0], vertex[1]));
    Polygon::new(&vertices.collect::<std::result::Result<Vec<_>, _>>()?)
}

fn rows(arrays: &[ArrayRef]) -> std::ops::Range<usize> {
    0..arrays.first().map_or(0, Array::len)
}

/// POINT(lon, lat), CIRCLE(lon, lat, radius).
fn fixed<const N: usize>(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut shapes = FixedSizeListBuilder::new(Float64Builder::new(), N as i32);
    for i in rows(arrays) {
        let shape = row::<N>(arrays, i);
        if let Some(shape) = &shape {
            region(shape).map_err(sky)?;
        }
        shape.or_nulls().into_iter().for_each(|value| shapes.values().append_option(value));
        shapes.append(shape.is_some());
    }
    Ok(Arc::new(shapes.finish()))
}

/// The values of a shape, or as many nulls.
trait OrNulls<const N: usize> {
    fn or_nulls(&self) -> [Option<f64>; N];
}

impl<const N: usize> OrNulls<N> for Option<[f64; N]> {
    fn or_nulls(&self) -> [Option<f64>; N] {
        self.map_or([None; N], |values| values.map(Some))
    }
}

/// BOX(lon, lat, width, height) by its corners.
fn corners(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut shapes = ListBuilder::new(Float64Builder::new());
    for i in rows(arrays) {
        match row::<4>(arrays, i) {
            Some([lon, lat, width, height]) => {
                let centre = Position::from_degrees(lon, lat).map_err(sky)?;
                let polygon = Polygon::of_box(&centre, width, height).map_err(sky)?;
                let degrees = |corner: Position| [corner.lon_rad().to_degrees(), corner.lat_rad().to_degrees()];
                shapes.append_value(polygon.vertices().flat_map(degrees).map(Some));
            }
            None => shapes.append_null(),
        }
    }
    Ok(Arc::new(shapes.finish()))
}

/// POLYGON(lon1, lat1, lon2, lat2, …).
fn vertices(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut shapes = ListBuilder::new(Float64Builder::new());
    for i in rows(arrays) {
        match coordinates(arrays, i) {
            Some(values) => {
                polygon(&values).map_err(sky)?;
                shapes.append_value(values.into_iter().map(Some));
            }
            None => shapes.append_null(),
        }
    }
    Ok(Arc::new(shapes.finish()))
}

/// The values of all arguments in one row; nothing when one of them is null.
fn coordinates(arrays: &[ArrayRef], row: usize) -> Option<Vec<f64>> {
    let value = |array: &ArrayRef| {
        let array = array.as_primitive::<Float64Type>();
        array.is_valid(row).then(|| array.value(row))
    };
    arrays.iter().map(value).collect()
}

/// COORD1(point) and COORD2(point): the numbers that the point has, to the last digit.
fn coordinate(arrays: &[ArrayRef], which: usize) -> Result<ArrayRef> {
    let mut shapes = Shapes::new(&arrays[0]);
    let one = |i| match shapes.get(i)? {
        Some(Region::Point(_)) => {
            Ok(Some(arrays[0].as_list::<i32>().value(i).as_primitive::<Float64Type>().value(which)))
        }
        Some(_) => exec_err!("COORD1, COORD2 and DISTANCE take points, not circles or polygons"),
        None => Ok(None),
    };
    Ok(Arc::new(rows(arrays).map(one).collect::<Result<Float64Array>>()?))
}

/// The numbers that texts write, with blanks between them. DALI 1.2 section 3.3.
fn numbers(arrays: &[ArrayRef], row: usize, what: &str) -> Result<Option<Vec<f64>>> {
    let texts = arrays[0].as_string::<i32>();
    if texts.is_null(row) {
        return Ok(None);
    }
    let text = texts.value(row);
    let number = |word: &str| word.parse().ok().filter(|number: &f64| number.is_finite());
    match text.split_whitespace().map(number).collect() {
        Some(numbers) => Ok(Some(numbers)),
        None => exec_err!("{text:?} is no {what}"),
    }
}

/// CAST(text AS POINT), CAST(text AS CIRCLE).
fn read<const N: usize>(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut shapes = FixedSizeListBuilder::new(Float64Builder::new(), N as i32);
    let what = if N == 2 { "POINT" } else { "CIRCLE" };
    for i in rows(arrays) {
        let shape = match numbers(arrays, i, what)?.map(<[f64; N]>::try_from) {
            Some(Err(found)) => return exec_err!("a {what} has {N} numbers, not {}", found.len()),
            Some(Ok(shape)) => {
                region(&shape).map_err(sky)?;
                Some(shape)
            }
            None => None,
        };
        shape.or_nulls().into_iter().for_each(|value| shapes.values().append_option(value));
        shapes.append(shape.is_some());
    }
    Ok(Arc::new(shapes.finish()))
}

/// CAST(text AS POLYGON).
fn read_polygon(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut shapes = ListBuilder::new(Float64Builder::new());
    for i in rows(arrays) {
        match numbers(arrays, i, "POLYGON")? {
            Some(values) => {
                polygon(&values).map_err(sky)?;
                shapes.append_value(values.into_iter().map(Some));
            }
            None => shapes.append_null(),
        }
    }
    Ok(Arc::new(shapes.finish()))
}

/// AREA(shape), in square degrees.
fn area(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    each(arrays, |shape| Ok(shape.area_deg2()))
}

/// A number of each shape.
fn each(arrays: &[ArrayRef], eval: impl Fn(&Region) -> Result<f64>) -> Result<ArrayRef> {
    let mut shapes = Shapes::new(&arrays[0]);
    let one = |i| shapes.get(i)?.map(&eval).transpose();
    Ok(Arc::new(rows(arrays).map(one).collect::<Result<Float64Array>>()?))
}

/// CENTROID(shape).
fn centroid(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let mut shapes = Shapes::new(&arrays[0]);
    points(arrays, |i| Ok(shapes.get(i)?.map(Region::centroid)))
}

/// IVO_HEALPIX_CENTER(order, pixel).
fn centre_of_pixel(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let [orders, pixels] = [0, 1].map(|i: usize| arrays[i].as_primitive::<Int64Type>());
    points(arrays, |i| {
        if orders.is_null(i) || pixels.is_null(i) {
            return Ok(None);
        }
        let order = order(orders.value(i), HPX29_ORDER)?;
        let centre = u64::try_from(pixels.value(i)).ok().and_then(|pixel| healpix_centre(order, pixel));
        centre.map_or_else(
            || exec_err!("{} is no HEALPix pixel of order {order}", pixels.value(i)),
            |centre| Ok(Some(centre)),
        )
    })
}

/// A point for each row.
fn points(arrays: &[ArrayRef], mut of_row: impl FnMut(usize) -> Result<Option<Position>>) -> Result<ArrayRef> {
    let mut points = FixedSizeListBuilder::new(Float64Builder::new(), 2);
    for i in rows(arrays) {
        let point = of_row(i)?;
        let degrees = point.map(|point| [point.lon_rad().to_degrees(), point.lat_rad().to_degrees()]);
        degrees.or_nulls().into_iter().for_each(|value| points.values().append_option(value));
        points.append(degrees.is_some());
    }
    Ok(Arc::new(points.finish()))
}

/// CONTAINS(inner, outer) and INTERSECTS(one, other): 1 or 0.
fn pairs(arrays: &[ArrayRef], holds: impl Fn(&Region, &Region) -> bool) -> Result<ArrayRef> {
    let (mut first, mut second) = (Shapes::new(&arrays[0]), Shapes::new(&arrays[1]));
    let one = |i| Ok(first.get(i)?.zip(second.get(i)?).map(|(a, b)| i32::from(holds(a, b))));
    Ok(Arc::new(rows(arrays).map(one).collect::<Result<Int32Array>>()?))
}

/// CONTAINS(POINT(lon, lat), CIRCLE(clon, clat, radius)): 1 or 0; all in degrees.
fn in_circle(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let one = |i| {
        let Some([lon, lat, centre_lon, centre_lat, radius_deg]) = row(arrays, i) else { return Ok(None) };
        let centre = Position::from_degrees(centre_lon, centre_lat).map_err(sky)?;
        let cone = Cone::new(centre, radius_deg).map_err(sky)?;
        Ok(Some(i32::from(cone.contains(&Position::from_degrees(lon, lat).map_err(sky)?))))
    };
    Ok(Arc::new(rows(arrays).map(one).collect::<Result<Int32Array>>()?))
}

/// CONTAINS(POINT(lon, lat), BOX(clon, clat, width, height)): 1 or 0; all in degrees.
fn in_box(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    within(arrays, |shape| match shape {
        [lon, lat, width, height] => Polygon::of_box(&Position::from_degrees(*lon, *lat)?, *width, *height),
        _ => Err(SkyError::Polygon("another number of arguments")),
    })
}

/// CONTAINS(POINT(lon, lat), POLYGON(lon1, lat1, lon2, lat2, …)): 1 or 0; all in degrees.
fn in_polygon(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    within(arrays, polygon)
}

/// Whether positions, the first two arrays, lie in the polygons that the others make.
fn within(arrays: &[ArrayRef], make: impl Fn(&[f64]) -> std::result::Result<Polygon, SkyError>) -> Result<ArrayRef> {
    // Mostly it is the same in all rows.
    let mut last: Option<(Vec<f64>, Polygon)> = None;
    let one = |row: usize| {
        let Some(values) = coordinates(arrays, row) else { return Ok(None) };
        let Some(([lon, lat], shape)) = values.split_first_chunk::<2>() else { return Ok(None) };
        let position = Position::from_degrees(*lon, *lat).map_err(sky)?;
        let polygon = match last.take() {
            Some((made_of, polygon)) if made_of == shape => polygon,
            _ => make(shape).map_err(sky)?,
        };
        let contains = polygon.contains(&position);
        last = Some((shape.to_vec(), polygon));
        Ok(Some(i32::from(contains)))
    };
    Ok(Arc::new(rows(arrays).map(one).collect::<Result<Int32Array>>()?))
}

/// DISTANCE(POINT(lon1, lat1), POINT(lon2, lat2)) in degrees.
fn distance(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let one = |i| {
        let Some([lon1, lat1, lon2, lat2]) = row(arrays, i) else { return Ok(None) };
        let from = Position::from_degrees(lon1, lat1).map_err(sky)?;
        Ok(Some(from.distance_deg(&Position::from_degrees(lon2, lat2).map_err(sky)?)))
    };
    Ok(Arc::new(rows(arrays).map(one).collect::<Result<Float64Array>>()?))
}
