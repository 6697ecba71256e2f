//! ADQL's functions that DataFusion lacks or means otherwise. ADQL 2.1 section 2.3; those of geometry are in `geometry`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use spolia_adql::names;
use spolia_sky::{HPX29_ORDER, PIXEL_ORDER, Position, SkyError, SourceId, healpix_index};

use crate::arithmetic::{self, in_range, out_of_range};
use crate::{geometry, ivo_astrometry, ivo_functions};

/// All of them, ready to register.
pub(crate) fn all() -> Vec<ScalarUDF> {
    let number = |name, eval| AdqlFunction::new(name, doubles(1), DataType::Float64, eval);
    let exact = |types| Signature::exact(types, Volatility::Immutable);
    let of_position = vec![DataType::Int64, DataType::Float64, DataType::Float64];
    let functions = [
        AdqlFunction::new(names::GAIA_HEALPIX_INDEX, exact(vec![DataType::Int64; 2]), DataType::Int64, pixel_of_id),
        AdqlFunction::new(names::IVO_HEALPIX_INDEX, exact(of_position), DataType::Int64, pixel_of_position),
        number(names::SQRT, |arrays| each(arrays, |[x]| Ok((x >= 0.0).then(|| x.sqrt())))),
        number(names::LOG, |arrays| each(arrays, |[x]| Ok((x > 0.0).then(|| x.ln())))),
        number(names::LOG10, |arrays| each(arrays, |[x]| Ok((x > 0.0).then(|| x.log10())))),
        number(names::ASIN, |arrays| each(arrays, |[x]| Ok((x.abs() <= 1.0).then(|| x.asin())))),
        number(names::ACOS, |arrays| each(arrays, |[x]| Ok((x.abs() <= 1.0).then(|| x.acos())))),
        number(names::EXP, |arrays| each(arrays, |[x]| exponential(x).map(Some))),
        AdqlFunction::new(names::POWER, doubles(2), DataType::Float64, |arrays| each(arrays, |[x, y]| power(x, y))),
    ];
    let functions = functions.into_iter().chain(geometry::all()).chain(ivo_functions::all());
    let functions = functions.chain(ivo_astrometry::all()).map(ScalarUDF::new_from_impl);
    functions.chain(arithmetic::all()).chain([ivo_astrometry::transform()]).collect()
}

/// So many doubles.
pub(crate) fn doubles(count: usize) -> Signature {
    Signature::exact(vec![DataType::Float64; count], Volatility::Immutable)
}

/// What a function makes of arrays of equal length.
pub(crate) type Eval = fn(&[ArrayRef]) -> Result<ArrayRef>;

/// One function: arrays of equal length in, one array out. Its name tells it from the others.
#[derive(Debug)]
pub(crate) struct AdqlFunction {
    name: &'static str,
    signature: Signature,
    returns: FieldRef,
    eval: Eval,
}

impl AdqlFunction {
    pub(crate) fn new(name: &'static str, signature: Signature, returns: DataType, eval: Eval) -> Self {
        Self { name, signature, returns: Arc::new(Field::new(name, returns, true)), eval }
    }

    /// The same, whose values are of a DALI xtype.
    pub(crate) fn of_xtype(mut self, xtype: &str) -> Self {
        let metadata = [("xtype".to_owned(), xtype.to_owned())].into();
        self.returns = Arc::new(Field::clone(&self.returns).with_metadata(metadata));
        self
    }
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
        Ok(self.returns.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&self.returns))
    }

    /// Where a signature leaves the types open, the arguments are shapes.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        types.iter().map(geometry::shape_type).collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.signature.volatility == Volatility::Volatile {
            // The same arguments do not mean the same result.
            let arrays =
                args.args.into_iter().map(|arg| arg.into_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
            return Ok(ColumnarValue::Array((self.eval)(&arrays)?));
        }
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
pub(crate) fn order(value: i64, most: u8) -> Result<u8> {
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
pub(crate) fn row<const N: usize>(arrays: &[ArrayRef], row: usize) -> Option<[f64; N]> {
    let mut values = [0.0; N];
    for (value, array) in values.iter_mut().zip(arrays) {
        let array = array.as_primitive::<Float64Type>();
        *value = array.is_valid(row).then(|| array.value(row))?;
    }
    Some(values)
}

pub(crate) fn sky(error: SkyError) -> DataFusionError {
    DataFusionError::Execution(error.to_string())
}
