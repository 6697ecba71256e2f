//! REGION and CAST: shapes written in strings, as STC-S (TAP 1.0 appendix 6) and DALI write them.

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
    let text = literal_text(argument).ok_or_else(|| wrong(argument, "REGION takes a string".to_owned()))?;
    let mut words = text.split_whitespace().map(str::to_ascii_uppercase).peekable();
    let name = words.next().unwrap_or_default();
    while words.next_if(|word| UNSAID.contains(&word.as_str())).is_some() {}
    let number = |word: String| finite(&word).ok_or_else(|| not_in_icrs(argument, &name, &word));
    let numbers = words.map(number).collect::<Result<Vec<f64>, _>>()?;
    let forms = "write REGION('POSITION lon lat'), REGION('CIRCLE lon lat radius'), REGION('BOX lon lat width height') or \
                 REGION('POLYGON lon1 lat1 lon2 lat2 lon3 lat3 …')";
    of_numbers(&name, &numbers, argument)?.ok_or_else(|| wrong(argument, forms.to_owned()))
}

/// The shape of a kind (POINT, CIRCLE or POLYGON) that a string literal writes as DALI does: its numbers, and nothing else.
pub(super) fn cast_region(name: &str, argument: &Expr) -> Result<Shape, AdqlError> {
    let form = match name {
        "POINT" => "'lon lat'",
        "CIRCLE" => "'lon lat radius'",
        _ => "'lon1 lat1 lon2 lat2 lon3 lat3 …'",
    };
    let form = || wrong(argument, format!("no {name}; write CAST({form} AS {name})"));
    let words = literal_text(argument).unwrap_or_default().split_whitespace();
    let numbers = words.map(finite).collect::<Option<Vec<f64>>>().ok_or_else(form)?;
    of_numbers(name, &numbers, argument)?.ok_or_else(form)
}

fn literal_text(argument: &Expr) -> Option<&str> {
    match argument {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

fn finite(word: &str) -> Option<f64> {
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

fn wrong(argument: &Expr, message: String) -> AdqlError {
    AdqlError::new(ErrorKind::Argument, tree::place_of(argument), message)
}

fn not_in_icrs(argument: &Expr, name: &str, word: &str) -> AdqlError {
    wrong(argument, format!("{word:?} is no number in ICRS, in REGION('{name} …')"))
}

/// The shape of that name that numbers make; nothing for another name, or number of them.
fn of_numbers(name: &str, numbers: &[f64], argument: &Expr) -> Result<Option<Shape>, AdqlError> {
    let span = match argument {
        Expr::Value(literal) => literal.span,
        _ => Span::empty(),
    };
    let literal = |number: &f64| literal(*number, span);
    let position = |lon: &f64, lat: &f64| match lat.abs() <= 90.0 {
        true => Ok(Position { lon: literal(lon), lat: literal(lat) }),
        false => Err(wrong(argument, format!("a latitude is between -90 and 90 degrees, found {lat}"))),
    };
    let length = |length: &f64| match (0.0..=180.0).contains(length) {
        true => Ok(literal(length)),
        false => Err(wrong(argument, format!("a radius or side is between 0 and 180 degrees, found {length}"))),
    };
    Ok(Some(match (name, numbers) {
        ("POSITION" | "POINT", [lon, lat]) => Shape::Point(Box::new(position(lon, lat)?)),
        ("CIRCLE", [lon, lat, radius]) => Shape::Circle(Box::new(position(lon, lat)?), Box::new(length(radius)?)),
        ("BOX", [lon, lat, width, height]) => {
            Shape::Box(Box::new(position(lon, lat)?), Box::new([length(width)?, length(height)?]))
        }
        ("POLYGON", numbers) if numbers.len() >= 6 && numbers.len() % 2 == 0 => {
            let vertices = numbers.chunks_exact(2).map(|vertex| position(&vertex[0], &vertex[1]));
            Shape::Polygon(vertices.collect::<Result<_, _>>()?)
        }
        _ => return Ok(None),
    }))
}

fn literal(number: f64, span: Span) -> Expr {
    tree::literal(Value::Number(number.to_string(), false), span)
}
