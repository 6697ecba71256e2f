//! ADQL's functions that DataFusion lacks or means otherwise. ADQL 2.1 sections 2.3 and 4.2.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int32Array, Int64Array, ListBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use spolia_adql::names;
use spolia_sky::{Cone, HPX29_ORDER, PIXEL_ORDER, Polygon, Position, SkyError, SourceId, healpix_index};

use crate::arithmetic::{self, in_range, out_of_range};

/// All of them, ready to register.
pub(crate) fn all() -> Vec<ScalarUDF> {
    let doubles = |n| Signature::exact(vec![DataType::Float64; n], Volatility::Immutable);
    let number = |name, eval| AdqlFunction { name, signature: doubles(1), returns: DataType::Float64, eval };
    let point = DataType::List(Arc::new(Field::new("item", DataType::Float64, true)));
    let functions = [
        AdqlFunction { name: names::IN_CIRCLE, signature: doubles(5), returns: DataType::Int32, eval: in_circle },
        AdqlFunction { name: names::IN_BOX, signature: doubles(6), returns: DataType::Int32, eval: in_box },
        AdqlFunction {
            name: names::IN_POLYGON,
            signature: Signature::variadic(vec![DataType::Float64], Volatility::Immutable),
            returns: DataType::Int32,
            eval: in_polygon,
        },
        AdqlFunction { name: names::DISTANCE, signature: doubles(4), returns: DataType::Float64, eval: distance },
        AdqlFunction { name: names::POINT, signature: doubles(2), returns: point, eval: point_of },
        AdqlFunction {
            name: names::GAIA_HEALPIX_INDEX,
            signature: Signature::exact(vec![DataType::Int64; 2], Volatility::Immutable),
            returns: DataType::Int64,
            eval: pixel_of_id,
        },
        AdqlFunction {
            name: names::IVO_HEALPIX_INDEX,
            signature: Signature::exact(
                vec![DataType::Int64, DataType::Float64, DataType::Float64],
                Volatility::Immutable,
            ),
            returns: DataType::Int64,
            eval: pixel_of_position,
        },
        number(names::SQRT, |arrays| each(arrays, |[x]| Ok((x >= 0.0).then(|| x.sqrt())))),
        number(names::LOG, |arrays| each(arrays, |[x]| Ok((x > 0.0).then(|| x.ln())))),
        number(names::LOG10, |arrays| each(arrays, |[x]| Ok((x > 0.0).then(|| x.log10())))),
        number(names::ASIN, |arrays| each(arrays, |[x]| Ok((x.abs() <= 1.0).then(|| x.asin())))),
        number(names::ACOS, |arrays| each(arrays, |[x]| Ok((x.abs() <= 1.0).then(|| x.acos())))),
        number(names::EXP, |arrays| each(arrays, |[x]| exponential(x).map(Some))),
        AdqlFunction {
            name: names::POWER,
            signature: doubles(2),
            returns: DataType::Float64,
            eval: |arrays| each(arrays, |[x, y]| power(x, y)),
        },
    ];
    functions.into_iter().map(ScalarUDF::new_from_impl).chain(arithmetic::all()).collect()
}

/// One function: arrays of equal length in, one array out. Its name tells it from the others.
#[derive(Debug)]
struct AdqlFunction {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    eval: fn(&[ArrayRef]) -> Result<ArrayRef>,
}

impl PartialEq for AdqlFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for AdqlFunction {}

impl Hash for AdqlFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for AdqlFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        evaluated(args, self.eval)
    }
}

/// What a function of arrays makes of its arguments; a scalar where all of them are.
pub(crate) fn evaluated(
    args: ScalarFunctionArgs,
    eval: impl Fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let arrays = args.args.into_iter().map(|arg| arg.into_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
    let result = eval(&arrays)?;
    if scalar && !result.is_empty() {
        return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(result))
}

/// A HEALPix order, which is at most `most`.
fn order(value: i64, most: u8) -> Result<u8> {
    let order = u8::try_from(value).ok().filter(|order| *order <= most);
    order.map_or_else(|| exec_err!("{value} is no HEALPix order from 0 to {most}"), Ok)
}

/// GAIA_HEALPIX_INDEX(order, source_id).
fn pixel_of_id(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let pairs = arrays[0].as_primitive::<Int64Type>().iter().zip(arrays[1].as_primitive::<Int64Type>());
    let one = |pair: (Option<i64>, Option<i64>)| {
        let (Some(number), Some(id)) = pair else { return Ok(None) };
        let pixel = SourceId(id).pixel(order(number, PIXEL_ORDER)?);
        Ok(pixel.map(|pixel| pixel as i64))
    };
    Ok(Arc::new(pairs.map(one).collect::<Result<Int64Array>>()?))
}

/// IVO_HEALPIX_INDEX(order, lon, lat).
fn pixel_of_position(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let orders = arrays[0].as_primitive::<Int64Type>();
    let one = |(i, number): (usize, Option<i64>)| {
        let (Some(number), Some([lon, lat])) = (number, row(&arrays[1..], i)) else { return Ok(None) };
        let position = Position::from_degrees(lon, lat).map_err(sky)?;
        Ok(Some(healpix_index(order(number, HPX29_ORDER)?, &position) as i64))
    };
    Ok(Arc::new(orders.iter().enumerate().map(one).collect::<Result<Int64Array>>()?))
}

/// A function of doubles, row by row; NULL for NULL.
fn each<const N: usize>(arrays: &[ArrayRef], eval: impl Fn([f64; N]) -> Result<Option<f64>>) -> Result<ArrayRef> {
    let rows = arrays.first().map_or(0, Array::len);
    let one = |i| row::<N>(arrays, i).map_or(Ok(None), &eval);
    Ok(Arc::new((0..rows).map(one).collect::<Result<Float64Array>>()?))
}

/// EXP(x): 0 where the result is too small for a double.
fn exponential(x: f64) -> Result<f64> {
    if x < -745.0 {
        return Ok(0.0);
    }
    in_range(x.exp(), &[x]).map_or_else(|| out_of_range(&DataType::Float64), Ok)
}

/// POWER(x, y): nothing where it is no real number.
fn power(x: f64, y: f64) -> Result<Option<f64>> {
    if (x < 0.0 && y != y.trunc()) || (x == 0.0 && y < 0.0) {
        return Ok(None);
    }
    let result = in_range(x.powf(y), &[x, y]).filter(|result| *result != 0.0 || x == 0.0 || y.is_infinite());
    result.map_or_else(|| out_of_range(&DataType::Float64), |result| Ok(Some(result)))
}

/// The values of all arguments in one row; nothing when one of them is null.
fn row<const N: usize>(arrays: &[ArrayRef], row: usize) -> Option<[f64; N]> {
    let mut values = [0.0; N];
    for (value, array) in values.iter_mut().zip(arrays) {
        let array = array.as_primitive::<Float64Type>();
        *value = array.is_valid(row).then(|| array.value(row))?;
    }
    Some(values)
}

fn sky(error: SkyError) -> DataFusionError {
    DataFusionError::Execution(error.to_string())
}

/// CONTAINS(POINT(lon, lat), CIRCLE(clon, clat, radius)): 1 or 0; all in degrees.
fn in_circle(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = arrays.first().map_or(0, Array::len);
    let one = |i| {
        let Some([lon, lat, centre_lon, centre_lat, radius_deg]) = row(arrays, i) else { return Ok(None) };
        let centre = Position::from_degrees(centre_lon, centre_lat).map_err(sky)?;
        let cone = Cone::new(centre, radius_deg).map_err(sky)?;
        Ok(Some(i32::from(cone.contains(&Position::from_degrees(lon, lat).map_err(sky)?))))
    };
    Ok(Arc::new((0..rows).map(one).collect::<Result<Int32Array>>()?))
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
    within(arrays, |shape| {
        let vertices = shape.chunks_exact(2).map(|vertex| Position::from_degrees(vertex[0], vertex[1]));
        Polygon::new(&vertices.collect::<std::result::Result<Vec<_>, _>>()?)
    })
}

/// Whether positions, the first two arrays, lie in the polygons that the others make.
fn within(arrays: &[ArrayRef], make: impl Fn(&[f64]) -> std::result::Result<Polygon, SkyError>) -> Result<ArrayRef> {
    let arrays: Vec<_> = arrays.iter().map(|array| array.as_primitive::<Float64Type>()).collect();
    let rows = arrays.first().map_or(0, |array| array.len());
    // Mostly it is the same in all rows.
    let mut last: Option<(Vec<f64>, Polygon)> = None;
    let mut one = |row: usize| {
        let value = |array: &&Float64Array| array.is_valid(row).then(|| array.value(row));
        let Some(values) = arrays.iter().map(value).collect::<Option<Vec<f64>>>() else { return Ok(None) };
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
    Ok(Arc::new((0..rows).map(&mut one).collect::<Result<Int32Array>>()?))
}

/// DISTANCE(POINT(lon1, lat1), POINT(lon2, lat2)) in degrees.
fn distance(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = arrays.first().map_or(0, Array::len);
    let one = |i| {
        let Some([lon1, lat1, lon2, lat2]) = row(arrays, i) else { return Ok(None) };
        let from = Position::from_degrees(lon1, lat1).map_err(sky)?;
        Ok(Some(from.distance_deg(&Position::from_degrees(lon2, lat2).map_err(sky)?)))
    };
    Ok(Arc::new((0..rows).map(one).collect::<Result<Float64Array>>()?))
}

/// POINT(lon, lat) as a result column: two numbers in degrees.
fn point_of(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = arrays.first().map_or(0, Array::len);
    let mut points = ListBuilder::new(Float64Builder::with_capacity(2 * rows));
    for i in 0..rows {
        match row::<2>(arrays, i) {
            Some(point) => points.append_value(point.map(Some)),
            None => points.append_null(),
        }
    }
    Ok(Arc::new(points.finish()))
}
