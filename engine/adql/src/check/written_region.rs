//! REGION: a shape written in a string, as STC-S (TAP 1.0 appendix 6) and DALI write it.

use sqlparser::ast::{Expr, Value, ValueWithSpan};
use sqlparser::tokenizer::Span;

use super::shape::{Position, Shape};
use crate::error::{AdqlError, ErrorKind};
use crate::tree;

/// Words that may stand between the name of a shape and its numbers: where it is seen from, and how its numbers are meant.
const UNSAID: [&str; 9] = [
    "ICRS",
    "BARYCENTER",
    "GEOCENTER",
    "HELIOCENTER",
    "TOPOCENTER",
    "UNKNOWNREFPOS",
    "SPHERICAL2",
    "UNKNOWNFRAME",
    "J2000",
];

/// The shape that the argument of REGION is.
pub(super) fn written_region([argument]: &[Expr; 1]) -> Result<Shape, AdqlError> {
    let at = tree::place_of(argument);
    let wrong = |message: String| AdqlError::new(ErrorKind::Argument, at, message);
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span }) = argument else {
        return Err(wrong("REGION takes a string".to_owned()));
    };
    let mut words = text.split_whitespace().map(str::to_ascii_uppercase).peekable();
    let name = words.next().unwrap_or_default();
    while words.next_if(|word| UNSAID.contains(&word.as_str())).is_some() {}
    let number = |word: String| match word.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(wrong(format!("{word:?} is no number in ICRS, in REGION('{name} …')"))),
    };
    let numbers = words.map(number).collect::<Result<Vec<f64>, _>>()?;
    let literal = |number: &f64| literal(*number, *span);
    let position = |lon: &f64, lat: &f64| match lat.abs() <= 90.0 {
        true => Ok(Position { lon: literal(lon), lat: literal(lat) }),
        false => Err(wrong(format!("a latitude is between -90 and 90 degrees, found {lat}"))),
    };
    let length = |length: &f64| match (0.0..=180.0).contains(length) {
        true => Ok(literal(length)),
        false => Err(wrong(format!("a radius or side is between 0 and 180 degrees, found {length}"))),
    };
    match (name.as_str(), numbers.as_slice()) {
        ("POSITION" | "POINT", [lon, lat]) => Ok(Shape::Point(Box::new(position(lon, lat)?))),
        ("CIRCLE", [lon, lat, radius]) => Ok(Shape::Circle(Box::new(position(lon, lat)?), Box::new(length(radius)?))),
        ("BOX", [lon, lat, width, height]) => {
            Ok(Shape::Box(Box::new(position(lon, lat)?), Box::new([length(width)?, length(height)?])))
        }
        ("POLYGON", numbers) if numbers.len() >= 6 && numbers.len() % 2 == 0 => {
            let vertices = numbers.chunks_exact(2).map(|vertex| position(&vertex[0], &vertex[1]));
            Ok(Shape::Polygon(vertices.collect::<Result<_, _>>()?))
        }
        _ => Err(wrong(
            "write REGION('POSITION lon lat'), REGION('CIRCLE lon lat radius'), REGION('BOX lon lat width height') or \
             REGION('POLYGON lon1 lat1 lon2 lat2 lon3 lat3 …')"
                .to_owned(),
        )),
    }
}

fn literal(number: f64, span: Span) -> Expr {
    tree::literal(Value::Number(number.to_string(), false), span)
}
