//! How many arguments a function takes, and of which kind (section 2.3 and `<geometry_value_function>`).

use sqlparser::ast::{DataType, Expr, Ident, UnaryOperator, Value, ValueWithSpan};

use super::value::{Kind, Term};
use crate::error::{AdqlError, ErrorKind};
use crate::functions::{Function, Geometry, Gives, Takes};
use crate::tree;

/// Checks the arguments of a call; those of a function that ADQL does not define can be any values.
pub(super) fn check(name: &Ident, called: Option<&Function>, arguments: &[Term]) -> Result<(), AdqlError> {
    let Some(called) = called else { return Ok(()) };
    let call = Call { name, function: called.name, arguments };
    match called.takes {
        Takes::Numbers(count) => call.count(count, count).and_then(|()| call.numbers(0)),
        Takes::NumberAndPlaces => call.number_and_places(),
        Takes::Seed => {
            call.count(0, 1)?;
            call.literal(0, "an integer literal without sign", is_unsigned)
        }
        Takes::Texts(count) => {
            call.count(count, count)?;
            arguments.iter().try_for_each(|argument| argument.require_text(call.function))
        }
        Takes::TextAndDelimiter => {
            call.count(2, 2)?;
            call.literal(1, "a delimiter as a string literal", is_text)?;
            arguments[0].require_text(call.function)
        }
        Takes::NumberAndBins => call.number_and_bins(),
        Takes::Value => call.count(1, 1),
        Takes::Values => call.count(1, usize::MAX),
        Takes::Set | Takes::SetOrAsterisk => call.count(1, 1),
        Takes::NumberAndUnit => {
            call.count(2, 2)?;
            call.literal(1, "a unit as a string literal", is_text)?;
            arguments[0].require_number(call.function)
        }
        Takes::Geometry(geometry) => call.geometry(geometry),
    }
}

/// A call whose arguments are being checked.
struct Call<'a> {
    name: &'a Ident,
    function: &'static str,
    arguments: &'a [Term],
}

impl Call<'_> {
    fn wrong(&self, message: String) -> AdqlError {
        AdqlError::new(ErrorKind::Argument, self.name.span.start, message)
    }

    fn count(&self, least: usize, most: usize) -> Result<(), AdqlError> {
        let (function, found) = (self.function, self.arguments.len());
        if (least..=most).contains(&found) {
            return Ok(());
        }
        Err(self.wrong(match (least, most) {
            (0, 0) => format!("{function} takes no arguments, found {found}"),
            (_, usize::MAX) => format!("{function} takes at least {least}, found {found}"),
            _ if least == most && least == 1 => format!("{function} takes 1 argument, found {found}"),
            _ if least == most => format!("{function} takes {least} arguments, found {found}"),
            _ => format!("{function} takes {least} or {most} arguments, found {found}"),
        }))
    }

    /// Requires numbers from the argument `from` on.
    fn numbers(&self, from: usize) -> Result<(), AdqlError> {
        self.arguments.iter().skip(from).try_for_each(|argument| argument.require_number(self.function))
    }

    /// Requires the argument at that index, if there is one, to be a literal.
    fn literal(&self, index: usize, what: &str, is_literal: fn(&Expr) -> bool) -> Result<(), AdqlError> {
        match self.arguments.get(index) {
            Some(argument) if !is_literal(&argument.expr) => {
                let message = format!("argument {} of {} must be {what}", index + 1, self.function);
                Err(AdqlError::new(ErrorKind::Argument, argument.at, message))
            }
            _ => Ok(()),
        }
    }

    fn number_and_places(&self) -> Result<(), AdqlError> {
        self.count(1, 2)?;
        self.literal(1, "a number of decimal places as an integer literal", |places| match places {
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_unsigned(expr),
            other => is_unsigned(other),
        })?;
        self.arguments[0].require_number(self.function)
    }

    fn number_and_bins(&self) -> Result<(), AdqlError> {
        self.count(4, 4)?;
        for bound in [1, 2] {
            self.literal(bound, "a number as a literal", |bound| match bound {
                Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_number(expr),
                other => is_number(other),
            })?;
        }
        self.literal(3, "a number of bins as an integer literal", is_unsigned)?;
        self.arguments[0].require_number(self.function)
    }

    fn geometry(&self, geometry: Geometry) -> Result<(), AdqlError> {
        match geometry {
            Geometry::Area | Geometry::Centroid | Geometry::Coordsys => {
                self.count(1, 1).and_then(|()| self.geometries())
            }
            Geometry::Contains | Geometry::Intersects => self.count(2, 2).and_then(|()| self.geometries()),
            Geometry::Coord1 | Geometry::Coord2 => self.count(1, 1).and_then(|()| self.position(0)),
            Geometry::Region => {
                self.count(1, 1)?;
                self.literal(0, "a string literal", is_text)
            }
            Geometry::Distance if self.arguments.len() == 2 => self.position(0).and_then(|()| self.position(1)),
            Geometry::Distance => {
                self.count(4, 4).map_err(|error| AdqlError {
                    message: format!("DISTANCE takes two points or four numbers, found {}", self.arguments.len()),
                    ..error
                })?;
                self.numbers(0)
            }
            Geometry::HealpixIndex if self.arguments.len() == 2 => {
                self.arguments[0].require_number(self.function).and_then(|()| self.position(1))
            }
            Geometry::HealpixIndex => self.count(3, 3).and_then(|()| self.numbers(0)),
            Geometry::Transform => {
                self.count(3, 3)?;
                for frame in [0, 1] {
                    self.literal(frame, "the name of a frame as a string literal", is_text)?;
                }
                self.arguments[2].require_geometry(self.function)
            }
            Geometry::Point => self.shape(0, "POINT([coordsys,] lon, lat)"),
            Geometry::Circle => {
                self.shape(1, "CIRCLE([coordsys,] lon, lat, radius) or CIRCLE([coordsys,] point, radius)")
            }
            Geometry::Box => {
                self.shape(2, "BOX([coordsys,] lon, lat, width, height) or BOX([coordsys,] point, width, height)")
            }
            Geometry::Polygon => self.polygon(),
        }
    }

    fn geometries(&self) -> Result<(), AdqlError> {
        self.arguments.iter().try_for_each(|argument| argument.require_geometry(self.function))
    }

    /// Requires a `<coord_value>` there: a point, or a column that may hold one.
    fn position(&self, index: usize) -> Result<(), AdqlError> {
        if self.arguments.get(index).is_some_and(is_position) {
            return Ok(());
        }
        let at = self.arguments.get(index).map_or(self.name.span.start, |argument| argument.at);
        let message =
            format!("argument {} of {} must be a POINT or a column that holds points", index + 1, self.function);
        Err(AdqlError::new(ErrorKind::Argument, at, message))
    }

    /// `[coordsys,] {lon, lat | point}` and so many numbers more. POINT, without any, takes no point.
    fn shape(&self, more: usize, form: &str) -> Result<(), AdqlError> {
        let begins = usize::from(begins_with_coordsys(self.arguments));
        let takes_point = more > 0 && self.arguments.get(begins).is_some_and(is_position);
        let rest = self.arguments.len() - begins;
        if rest == 2 + more {
            return self.numbers(begins);
        }
        // Without the string, `CIRCLE('ICRS', 2, 3)` would be a circle around a string: three arguments may be both.
        if rest == 1 + more && takes_point {
            return self.numbers(begins + 1);
        }
        if begins == 1 && self.arguments.len() == 2 + more && more == 0 {
            return self.numbers(0);
        }
        Err(self.wrong(format!("wrong arguments; write {form}")))
    }

    fn polygon(&self) -> Result<(), AdqlError> {
        let vertices = &self.arguments[usize::from(begins_with_coordsys(self.arguments))..];
        if vertices.len() >= 3 && vertices.iter().all(is_position) {
            return Ok(());
        }
        if vertices.len() < 6 || vertices.len() % 2 == 1 {
            let message =
                "POLYGON takes three or more vertices: POLYGON([coordsys,] lon1, lat1, lon2, lat2, lon3, lat3, …)";
            return Err(self.wrong(message.to_owned()));
        }
        vertices.iter().try_for_each(|vertex| vertex.require_number(self.function))
    }
}

fn begins_with_coordsys(arguments: &[Term]) -> bool {
    arguments.first().is_some_and(|first| tree::is_coordsys(&first.expr))
}

/// Whether a point may stand there: a column, or a call of what gives one or is not known.
fn is_position(term: &Term) -> bool {
    let other_shapes = [Geometry::Circle, Geometry::Box, Geometry::Polygon, Geometry::Region];
    let gives_points = |called: &Function| {
        called.gives == Gives::Geometry
            && !matches!(called.takes, Takes::Geometry(shape) if other_shapes.contains(&shape))
    };
    let is_point = term.function_name().is_some_and(|name| crate::functions::function(name).is_none_or(gives_points));
    let is_cast = matches!(&term.expr, Expr::Cast { data_type: DataType::Custom(name, _), .. }
        if name.to_string().eq_ignore_ascii_case("POINT"));
    term.is_column() || is_cast || is_point && term.kind != Kind::Number
}

fn is_unsigned(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })
        if digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Number(..), .. }))
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }))
}
