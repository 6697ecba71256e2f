//! Geometry functions: shapes are taken apart and become calls on their coordinates (section 4.2).

use sqlparser::ast::UnaryOperator;
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value, ValueWithSpan};
use sqlparser::tokenizer::{Location, Span};

use super::Checker;
use super::expression::{Clause, called_name, not_offered};
use super::scope::Names;
use crate::error::{AdqlError, ErrorKind};
use crate::functions::{Becomes, Geometry, function, names as targets};
use crate::tree;

/// A position on the sky, in degrees.
struct Position {
    lon: Expr,
    lat: Expr,
}

/// A shape that a query writes out.
enum Shape {
    Point(Box<Position>),
    /// A circle by its centre and its radius in degrees.
    Circle(Box<Position>, Box<Expr>),
}

impl Checker<'_> {
    /// What a call of a geometry function becomes.
    pub(super) fn geometry(
        &mut self,
        geometry: Geometry,
        call: &mut Function,
        names: &Names,
        clause: Clause,
    ) -> Result<Expr, AdqlError> {
        let (written, span) = called_name(call);
        let arguments = take_arguments(call);
        match geometry {
            Geometry::Point => {
                let Position { lon, lat } = self.point(arguments, names, clause)?;
                Ok(tree::call_of(targets::POINT, span, [lon, lat]))
            }
            Geometry::Coord1 | Geometry::Coord2 => {
                let [point] = exactly(arguments, span.start)?;
                let Position { lon, lat } = self.position(point, names, clause)?;
                Ok(Expr::Nested(Box::new(if geometry == Geometry::Coord1 { lon } else { lat })))
            }
            Geometry::Distance => self.distance(arguments, span, names, clause),
            Geometry::Contains => {
                let [inner, outer] = exactly(arguments, span.start)?;
                self.in_circle(inner, outer, span, names, clause)
            }
            Geometry::Intersects => {
                let [left, right] = exactly(arguments, span.start)?;
                let (left, right) = if is_call_of(&right, Geometry::Point) { (right, left) } else { (left, right) };
                self.in_circle(left, right, span, names, clause)
            }
            Geometry::Circle => Err(not_offered(span.start, "CIRCLE outside CONTAINS and INTERSECTS")),
            Geometry::Area
            | Geometry::Box
            | Geometry::Centroid
            | Geometry::Coordsys
            | Geometry::Polygon
            | Geometry::Region => Err(not_offered(span.start, &written.to_ascii_uppercase())),
        }
    }

    fn distance(&mut self, arguments: Vec<Expr>, span: Span, names: &Names, clause: Clause) -> Result<Expr, AdqlError> {
        let coordinates = match <[Expr; 2]>::try_from(arguments) {
            Ok([from, to]) => {
                let from = self.position(from, names, clause)?;
                let to = self.position(to, names, clause)?;
                [from.lon, from.lat, to.lon, to.lat]
            }
            Err(numbers) => {
                let [lon1, lat1, lon2, lat2] = exactly(numbers, span.start)?;
                let from = self.coordinates(lon1, lat1, names, clause)?;
                let to = self.coordinates(lon2, lat2, names, clause)?;
                [from.lon, from.lat, to.lon, to.lat]
            }
        };
        Ok(tree::call_of(targets::DISTANCE, span, coordinates))
    }

    /// `CONTAINS(point, circle)`, to which INTERSECTS of the same comes down.
    fn in_circle(
        &mut self,
        point: Expr,
        circle: Expr,
        span: Span,
        names: &Names,
        clause: Clause,
    ) -> Result<Expr, AdqlError> {
        let at = [tree::place_of(&point), tree::place_of(&circle)];
        match (self.shape(point, names, clause)?, self.shape(circle, names, clause)?) {
            (Shape::Point(point), Shape::Circle(centre, radius)) => {
                let arguments = [point.lon, point.lat, centre.lon, centre.lat, *radius];
                Ok(tree::call_of(targets::IN_CIRCLE, span, arguments))
            }
            (Shape::Circle(..), _) => Err(not_offered(at[0], "a CIRCLE in or across another shape")),
            (_, Shape::Point(_)) => Err(not_offered(at[1], "a POINT as the containing shape")),
        }
    }

    fn shape(&mut self, expr: Expr, names: &Names, clause: Clause) -> Result<Shape, AdqlError> {
        let at = tree::place_of(&expr);
        match expr {
            Expr::Nested(inner) => self.shape(*inner, names, clause),
            Expr::Function(mut call) if is_geometry(&call, Geometry::Point) => {
                self.point(take_arguments(&mut call), names, clause).map(|point| Shape::Point(Box::new(point)))
            }
            Expr::Function(mut call) if is_geometry(&call, Geometry::Circle) => {
                self.circle(take_arguments(&mut call), at, names, clause)
            }
            // An unknown column or function is named first, a known one is no geometry.
            mut other => {
                self.expression(&mut other, names, clause)?;
                Err(not_offered(at, "a geometry that is no POINT or CIRCLE in place"))
            }
        }
    }

    /// A point, where only a point can stand.
    fn position(&mut self, expr: Expr, names: &Names, clause: Clause) -> Result<Position, AdqlError> {
        let at = tree::place_of(&expr);
        match self.shape(expr, names, clause)? {
            Shape::Point(position) => Ok(*position),
            Shape::Circle(..) => Err(AdqlError::new(ErrorKind::Argument, at, "expected a POINT, found a CIRCLE")),
        }
    }

    /// The arguments of POINT.
    fn point(&mut self, arguments: Vec<Expr>, names: &Names, clause: Clause) -> Result<Position, AdqlError> {
        let at = arguments.first().map_or(Location::empty(), tree::place_of);
        let arguments = if arguments.len() > 2 { without_coordsys(arguments)? } else { arguments };
        let [lon, lat] = exactly(arguments, at)?;
        self.coordinates(lon, lat, names, clause)
    }

    /// The arguments of CIRCLE.
    fn circle(
        &mut self,
        arguments: Vec<Expr>,
        at: Location,
        names: &Names,
        clause: Clause,
    ) -> Result<Shape, AdqlError> {
        let mut arguments = without_coordsys(arguments)?;
        let mut radius = arguments.pop().unwrap_or_else(|| tree::literal(Value::Null, Span::empty()));
        self.expression(&mut radius, names, clause)?;
        refuse_outside(&radius, 0.0, 180.0, "the radius of a circle")?;
        let centre = match <[Expr; 1]>::try_from(arguments) {
            Ok([point]) => self.position(point, names, clause)?,
            Err(numbers) => {
                let [lon, lat] = exactly(numbers, at)?;
                self.coordinates(lon, lat, names, clause)?
            }
        };
        Ok(Shape::Circle(Box::new(centre), Box::new(radius)))
    }

    fn coordinates(
        &mut self,
        mut lon: Expr,
        mut lat: Expr,
        names: &Names,
        clause: Clause,
    ) -> Result<Position, AdqlError> {
        self.expressions([&mut lon, &mut lat], names, clause)?;
        refuse_outside(&lat, -90.0, 90.0, "a latitude")?;
        Ok(Position { lon, lat })
    }
}

/// Drops the deprecated first argument; only the one system that positions here are in is taken.
fn without_coordsys(mut arguments: Vec<Expr>) -> Result<Vec<Expr>, AdqlError> {
    if !arguments.first().is_some_and(tree::is_coordsys) {
        return Ok(arguments);
    }
    let coordsys = arguments.remove(0);
    match &coordsys {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(name), span })
            if !name.is_empty() && !name.eq_ignore_ascii_case("ICRS") =>
        {
            let message = format!("coordinate system '{name}' is not offered; positions are in 'ICRS'");
            Err(AdqlError::new(ErrorKind::Unsupported, span.start, message))
        }
        _ => Ok(arguments),
    }
}

/// Refuses a literal outside a range of degrees.
fn refuse_outside(expr: &Expr, least: f64, most: f64, what: &str) -> Result<(), AdqlError> {
    match literal_value(expr) {
        Some(value) if !(least..=most).contains(&value) => {
            let message = format!("{what} is between {least} and {most} degrees, found {value}");
            Err(AdqlError::new(ErrorKind::Argument, tree::place_of(expr), message))
        }
        _ => Ok(()),
    }
}

fn literal_value(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.parse().ok(),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => literal_value(expr).map(|value| -value),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } | Expr::Nested(expr) => literal_value(expr),
        _ => None,
    }
}

fn is_call_of(expr: &Expr, geometry: Geometry) -> bool {
    match expr {
        Expr::Nested(inner) => is_call_of(inner, geometry),
        Expr::Function(call) => is_geometry(call, geometry),
        _ => false,
    }
}

fn is_geometry(call: &Function, geometry: Geometry) -> bool {
    function(&called_name(call).0).is_some_and(|called| called.becomes == Becomes::Geometry(geometry))
}

fn take_arguments(call: &mut Function) -> Vec<Expr> {
    let arguments = match &mut call.args {
        FunctionArguments::List(list) => std::mem::take(&mut list.args),
        _ => vec![],
    };
    let values = arguments.into_iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    values.collect()
}

/// So many arguments; the parser has counted them already.
fn exactly<const N: usize>(arguments: Vec<Expr>, at: Location) -> Result<[Expr; N], AdqlError> {
    arguments.try_into().map_err(|found: Vec<Expr>| {
        AdqlError::new(ErrorKind::Argument, at, format!("expected {N} arguments, found {}", found.len()))
    })
}
