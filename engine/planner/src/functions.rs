//! ADQL's functions that DataFusion lacks or means otherwise. ADQL 2.1 sections 2.3 and 4.2.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int32Array, Int64Array, ListBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use spolia_adql::names;
use spolia_sky::{Cone, Position, SkyError};

/// All of them, ready to register.
pub(crate) fn all() -> Vec<ScalarUDF> {
    let doubles = |n| Signature::exact(vec![DataType::Float64; n], Volatility::Immutable);
    let point = DataType::List(Arc::new(Field::new("item", DataType::Float64, true)));
    let modulo = Signature::one_of(
        vec![TypeSignature::Exact(vec![DataType::Int64; 2]), TypeSignature::Exact(vec![DataType::Float64; 2])],
        Volatility::Immutable,
    );
    [
        AdqlFunction { name: names::IN_CIRCLE, signature: doubles(5), returns: Some(DataType::Int32), eval: in_circle },
        AdqlFunction { name: names::DISTANCE, signature: doubles(4), returns: Some(DataType::Float64), eval: distance },
        AdqlFunction { name: names::POINT, signature: doubles(2), returns: Some(point), eval: point_of },
        AdqlFunction { name: names::MOD, signature: modulo, returns: None, eval: modulo_of },
    ]
    .map(ScalarUDF::new_from_impl)
    .to_vec()
}

/// One function: arrays of equal length in, one array out. Its name tells it from the others.
#[derive(Debug)]
struct AdqlFunction {
    name: &'static str,
    signature: Signature,
    /// What it returns; none for the type of its first argument.
    returns: Option<DataType>,
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

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match (&self.returns, arg_types.first()) {
            (Some(data_type), _) | (None, Some(data_type)) => Ok(data_type.clone()),
            (None, None) => exec_err!("{} needs arguments", self.name),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = args.args.into_iter().map(|arg| arg.into_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        let result = (self.eval)(&arrays)?;
        if scalar && !result.is_empty() {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
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

/// MOD(x, y): the remainder with the sign of x, for integers and for doubles.
fn modulo_of(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let [x, y] = arrays else { return exec_err!("MOD needs two arguments") };
    if x.data_type() == &DataType::Float64 {
        let pairs = x.as_primitive::<Float64Type>().iter().zip(y.as_primitive::<Float64Type>());
        return Ok(Arc::new(pairs.map(|(x, y)| Some(x? % y?)).collect::<Float64Array>()));
    }
    let remainder = |(x, y): (Option<i64>, Option<i64>)| match (x, y) {
        (Some(_), Some(0)) => exec_err!("MOD by zero"),
        (Some(x), Some(y)) => Ok(Some(x.wrapping_rem(y))),
        _ => Ok(None),
    };
    let pairs = x.as_primitive::<Int64Type>().iter().zip(y.as_primitive::<Int64Type>());
    Ok(Arc::new(pairs.map(remainder).collect::<Result<Int64Array>>()?))
}
