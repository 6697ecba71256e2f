//! Stars that move, and frames of positions. Catalogue of ADQL User Defined Functions 1.2, section 2.2.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, FixedSizeListBuilder, Float64Array, Float64Builder};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use spolia_adql::names;
use spolia_sky::{Frame, Motion, Position};

use crate::functions::{AdqlFunction, doubles, evaluated, sky};
use crate::geometry::{fixed_type, shape_type};

/// The functions of stars.
pub(crate) fn all() -> impl Iterator<Item = AdqlFunction> {
    [
        AdqlFunction::new(names::IVO_EPOCH_PROP_POS, doubles(8), fixed_type(2), positions).of_xtype("point"),
        AdqlFunction::new(names::IVO_EPOCH_PROP, doubles(8), fixed_type(6), motions),
    ]
    .into_iter()
}

/// IVO_EPOCH_PROP_POS(lon, lat, parallax, pm_lon, pm_lat, radial_velocity, from, to).
fn positions(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    moved(arrays, 2, |[lon, lat, ..]| vec![lon, lat])
}

/// IVO_EPOCH_PROP(lon, lat, parallax, pm_lon, pm_lat, radial_velocity, from, to).
fn motions(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    moved(arrays, 6, Vec::from)
}

/// Lists of so many of the numbers that stars have in another year. What is not known of a star stays so.
fn moved(arrays: &[ArrayRef], length: i32, wanted: fn([Option<f64>; 6]) -> Vec<Option<f64>>) -> Result<ArrayRef> {
    let arrays: Vec<&Float64Array> = arrays.iter().map(|array| array.as_primitive::<Float64Type>()).collect();
    let mut lists = FixedSizeListBuilder::new(Float64Builder::new(), length);
    for row in 0..arrays.first().map_or(0, |array| array.len()) {
        let value = |place: usize| arrays[place].is_valid(row).then(|| arrays[place].value(row));
        let (Some(lon), Some(lat), Some(from), Some(to)) = (value(0), value(1), value(6), value(7)) else {
            return exec_err!(
                "a star without position or epoch cannot be moved to another one; leave NULLs out by WHERE"
            );
        };
        let now = Motion {
            position: Position::from_degrees(lon, lat).map_err(sky)?,
            parallax_mas: value(2).unwrap_or(0.0),
            pm_lon_mas_yr: value(3).unwrap_or(0.0),
            pm_lat_mas_yr: value(4).unwrap_or(0.0),
            radial_velocity_km_s: value(5).unwrap_or(0.0),
        };
        let then = now.after(to - from).map_err(sky)?;
        let position = [then.position.lon_rad(), then.position.lat_rad()].map(|angle| Some(angle.to_degrees()));
        let all = [
            position[0],
            position[1],
            value(2).map(|_| then.parallax_mas),
            Some(then.pm_lon_mas_yr),
            Some(then.pm_lat_mas_yr),
            value(5).map(|_| then.radial_velocity_km_s),
        ];
        wanted(all).into_iter().for_each(|number| lists.values().append_option(number));
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// IVO_GEOM_TRANSFORM(from, to, shape), which gives a shape of the same kind.
pub(crate) fn transform() -> ScalarUDF {
    ScalarUDF::new_from_impl(Transform { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Transform {
    signature: Signature,
}

impl ScalarUDFImpl for Transform {
    fn name(&self) -> &str {
        names::IVO_GEOM_TRANSFORM
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.get(2).map_or_else(|| plan_err!("a shape is expected"), |shape| Ok(shape.clone()))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [.., shape] = args.arg_fields else { return plan_err!("a shape is expected") };
        Ok(Arc::new(Field::clone(shape).with_name(self.name()).with_nullable(true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [_, _, shape] = types else { return plan_err!("two frames and a shape are expected") };
        // A list of fixed length says which shape it is.
        let shape = match shape {
            DataType::FixedSizeList(item, 2 | 3) if *item.data_type() == DataType::Float64 => shape.clone(),
            other => shape_type(other)?,
        };
        Ok(vec![DataType::Utf8, DataType::Utf8, shape])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [from, to] = [frame(&args, 0)?, frame(&args, 1)?];
        evaluated(args, |arrays| turned(&arrays[2], |position| from.to(to, position)))
    }
}

/// A frame by its name, which the query has checked.
fn frame(args: &ScalarFunctionArgs, place: usize) -> Result<Frame> {
    let name = match args.args.get(place) {
        Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(name)))) => name.as_str(),
        _ => "",
    };
    Frame::named(name).map_or_else(|| exec_err!("{name:?} is no frame of positions"), Ok)
}

/// Shapes of a list's kind, whose positions are turned. A radius, the last of three numbers, stays.
fn turned(shapes: &ArrayRef, turn: impl Fn(&Position) -> Position) -> Result<ArrayRef> {
    let one = |numbers: &[f64]| -> Result<Vec<f64>> {
        let mut turned = Vec::with_capacity(numbers.len());
        let pairs = numbers.chunks_exact(2);
        let radius = pairs.remainder();
        for pair in pairs {
            let position = turn(&Position::from_degrees(pair[0], pair[1]).map_err(sky)?);
            turned.extend([position.lon_rad().to_degrees(), position.lat_rad().to_degrees()]);
        }
        turned.extend(radius);
        Ok(turned)
    };
    crate::geometry::mapped(shapes, one)
}
