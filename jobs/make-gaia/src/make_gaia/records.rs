//! The fields of each class of objects.

use chrono::DateTime;
use hdf5_metno::H5Type;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spolia_sky::{FieldOfView, TransitId};

use crate::make_gaia::stars::Star;
use crate::make_gaia::transits::{Transit, time_us};

/// A mean flux: a compound.
#[derive(H5Type, Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct MeanFlux {
    /// Observations; 64 bits, so that the compound has no padding of undefined bytes.
    pub nobs: i64,
    /// Electrons per second.
    pub flux: f64,
    /// Its standard error.
    pub error: f64,
}

/// A flag with names.
#[derive(H5Type, Debug, Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum VariabilityFlag {
    /// Nobody looked.
    NotAvailable = 0,
    /// It does not vary.
    Constant = 1,
    /// It does.
    Variable = 2,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// 64-bit integer.
    Long(i64),
    /// 32-bit integer.
    Int(i32),
    /// 16-bit integer.
    Short(i16),
    /// 64-bit float.
    Double(f64),
    /// 32-bit float.
    Float(f32),
    /// Integers, always as many.
    Ints(Vec<i32>),
    /// Floats, always as many.
    Floats(Vec<f32>),
    /// Text of any length.
    Text(String),
    /// A compound.
    Flux(MeanFlux),
    /// An enumeration.
    Flag(VariabilityFlag),
}

/// A field: its name, its unit, and whether an object keeps it as an attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// As the Main Database names it.
    pub name: &'static str,
    /// VOUnits; empty for none.
    pub unit: &'static str,
    /// Kept as an attribute of the object's group.
    pub attribute: bool,
    /// Its value; none where the object has not got it.
    pub value: Option<Value>,
}

/// All fields of one object, the same ones for each object of a class.
pub type Record = Vec<Field>;

fn field(name: &'static str, unit: &'static str, value: Value) -> Field {
    Field { name, unit, attribute: false, value: Some(value) }
}

fn attribute(name: &'static str, value: Value) -> Field {
    Field { name, unit: "", attribute: true, value: Some(value) }
}

/// A CompleteSource. One in six has a two-parameter solution: no parallax, no proper motion.
pub fn source(star: &Star, random: &mut ChaCha8Rng) -> Record {
    let five_parameters = random.random_range(0..6) > 0;
    let only = |name, unit, value| Field {
        name,
        unit,
        attribute: false,
        value: five_parameters.then_some(Value::Double(value)),
    };
    let mut error = || random.random_range(0.01..0.6);
    let errors: [f64; 6] = std::array::from_fn(|_| error());
    let varpi = random.random_range(0.05f64..30.0);
    let flux = 10f64.powf((25.7 - f64::from(star.magnitude)) / 2.5);
    vec![
        field("sourceId", "", Value::Long(star.source_id)),
        attribute("solutionId", Value::Long(1_636_148_068_921_376_768)),
        field("alpha", "rad", Value::Double(star.alpha)),
        field("alphaStarError", "mas", Value::Double(errors[0])),
        field("delta", "rad", Value::Double(star.delta)),
        field("deltaError", "mas", Value::Double(errors[1])),
        only("varpi", "mas", varpi),
        only("varpiError", "mas", errors[2]),
        only("muAlphaStar", "mas/yr", f64::from(star.pmra)),
        only("muAlphaStarError", "mas/yr", errors[3]),
        only("muDelta", "mas/yr", f64::from(star.pmdec)),
        only("muDeltaError", "mas/yr", errors[4]),
        field("nuEffUsedInAstrometry", "um**-1", Value::Double(random.random_range(1.1..1.9))),
        field("radialVelocity", "km/s", Value::Double(random.random_range(-150.0..150.0))),
        field("radialVelocityError", "km/s", Value::Double(errors[5])),
        attribute("matchedObservations", Value::Short(random.random_range(8..60))),
        field("nObs", "", Value::Ints(vec![random.random_range(100..500), random.random_range(10..60)])),
        field("scanDirectionStrength", "", Value::Floats((0..4).map(|_| random.random_range(0.0..1.0)).collect())),
        field(
            "gMean",
            "",
            Value::Flux(MeanFlux { nobs: random.random_range(100..500), flux, error: flux.sqrt() / 10.0 }),
        ),
        attribute("photometricVariabilityFlag", Value::Flag(flag(random))),
        attribute(
            "solutionName",
            Value::Text(format!("AGIS {}", if five_parameters { "five parameters" } else { "two" })),
        ),
    ]
}

fn flag(random: &mut ChaCha8Rng) -> VariabilityFlag {
    match random.random_range(0..10) {
        0 => VariabilityFlag::Variable,
        1..5 => VariabilityFlag::Constant,
        _ => VariabilityFlag::NotAvailable,
    }
}

/// An AstroElementary.
pub fn transit(transit: &Transit, random: &mut ChaCha8Rng) -> Record {
    let id = TransitId(transit.transit_id);
    let time = DateTime::from_timestamp_micros(time_us(transit.transit_id)).unwrap_or_default();
    let second = matches!(id.field_of_view(), Some(FieldOfView::Following));
    let class = ["WC0a", "WC0b", "WC1", "WC2"][random.random_range(0..4)];
    let first = i32::from(id.ac_pixel());
    vec![
        field("sourceId", "", Value::Long(transit.source_id)),
        field("transitId", "", Value::Long(transit.transit_id)),
        field(
            "acWinCoord",
            "pixel",
            Value::Ints((0..10).map(|ccd| first + ccd * random.random_range(-2..3)).collect()),
        ),
        field("transitTime", "", Value::Text(time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string())),
        attribute("fov", Value::Short(if second { 2 } else { 1 })),
        attribute("ccdRow", Value::Short(i16::from(id.ccd_row()))),
        field("gFlux", "electron/s", Value::Float(random.random_range(100.0..1e6))),
        field("samples", "electron", Value::Floats((0..12).map(|_| random.random_range(0.0..1e5)).collect())),
        attribute("windowClass", Value::Text(class.to_owned())),
    ]
}

/// A CrossMatch.
pub fn crossmatch(transit: &Transit, random: &mut ChaCha8Rng) -> Record {
    let pixel = spolia_sky::SourceId(transit.source_id).pixel(9).unwrap_or_default() as i32;
    let second = matches!(TransitId(transit.transit_id).field_of_view(), Some(FieldOfView::Following));
    vec![
        field("sourceId", "", Value::Long(transit.source_id)),
        field("transitId", "", Value::Long(transit.transit_id)),
        field("flags", "", Value::Int(random.random_range(0..8))),
        field("healPixFov", "", Value::Int(pixel * 2 + i32::from(second))),
    ]
}
