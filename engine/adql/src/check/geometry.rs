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
    /// A box by its centre, and its width and height in degrees.
    Box(Box<Position>, Box<[Expr; 2]>),
    /// A polygon by its vertices.
    Polygon(Vec<Position>),
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Self::Point(_) => "a POINT",
            Self::Circle(..) => "a CIRCLE",
            Self::Box(..) => "a BOX",
            Self::Polygon(_) => "a POLYGON",
        }
    }
}

/// Vertices of a polygon at most.
const MOST_VERTICES: usize = 1000;

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
                self.within(inner, outer, span, names, clause)
            }
            Geometry::Intersects => {
                let [left, right] = exactly(arguments, span.start)?;
                let (left, right) = if is_call_of(&right, Geometry::Point) { (right, left) } else { (left, right) };
                self.within(left, right, span, names, clause)
            }
            Geometry::Circle | Geometry::Box | Geometry::Polygon => {
                let outside = format!("{} outside CONTAINS and INTERSECTS", written.to_ascii_uppercase());
                Err(not_offered(span.start, &outside))
            }
            Geometry::Area | Geometry::Centroid | Geometry::Coordsys | Geometry::Region => {
                Err(not_offered(span.start, &written.to_ascii_uppercase()))
            }
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

    /// `CONTAINS(point, shape)`, to which INTERSECTS of the same comes down.
    fn within(
        &mut self,
        point: Expr,
        shape: Expr,
        span: Span,
        names: &Names,
        clause: Clause,
    ) -> Result<Expr, AdqlError> {
        let at = [tree::place_of(&point), tree::place_of(&shape)];
        let point = match self.shape(point, names, clause)? {
            Shape::Point(point) => *point,
            other => return Err(not_offered(at[0], &format!("{} in or across another shape", other.name()))),
        };
        let (target, of_shape) = match self.shape(shape, names, clause)? {
            Shape::Circle(centre, radius) => (targets::IN_CIRCLE, vec![centre.lon, centre.lat, *radius]),
            Shape::Box(centre, sides) => {
                let [width, height] = *sides;
                (targets::IN_BOX, vec![centre.lon, centre.lat, width, height])
            }
            Shape::Polygon(vertices) => {
                (targets::IN_POLYGON, vertices.into_iter().flat_map(|vertex| [vertex.lon, vertex.lat]).collect())
            }
            Shape::Point(_) => return Err(not_offered(at[1], "a POINT as the containing shape")),
        };
        Ok(tree::call_of(target, span, [point.lon, point.lat].into_iter().chain(of_shape)))
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
            Expr::Function(mut call) if is_geometry(&call, Geometry::Box) => {
                self.box_of(take_arguments(&mut call), at, names, clause)
            }
            Expr::Function(mut call) if is_geometry(&call, Geometry::Polygon) => {
                self.polygon(take_arguments(&mut call), at, names, clause)
            }
            // An unknown column or function is named first, a known one is no geometry.
            mut other => {
                self.expression(&mut other, names, clause)?;
                Err(not_offered(at, "a geometry that is no POINT, CIRCLE, BOX or POLYGON in place"))
            }
        }
    }

    /// A point, where only a point can stand.
    fn position(&mut self, expr: Expr, names: &Names, clause: Clause) -> Result<Position, AdqlError> {
        let at = tree::place_of(&expr);
        match self.shape(expr, names, clause)? {
            Shape::Point(position) => Ok(*position),
            other => {
                let message = format!("expected a POINT, found {}", other.name());
                Err(AdqlError::new(ErrorKind::Argument, at, message))
            }
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
        let radius = self.length(arguments.pop(), "the radius of a circle", names, clause)?;
        let centre = self.centre(arguments, at, names, clause)?;
        Ok(Shape::Circle(Box::new(centre), Box::new(radius)))
    }

    /// The arguments of BOX.
    fn box_of(
        &mut self,
        arguments: Vec<Expr>,
        at: Location,
        names: &Names,
        clause: Clause,
    ) -> Result<Shape, AdqlError> {
        let mut arguments = without_coordsys(arguments)?;
        let height = self.length(arguments.pop(), "the height of a box", names, clause)?;
        let width = self.length(arguments.pop(), "the width of a box", names, clause)?;
        let centre = self.centre(arguments, at, names, clause)?;
        Ok(Shape::Box(Box::new(centre), Box::new([width, height])))
    }

    /// The arguments of POLYGON.
    fn polygon(
        &mut self,
        arguments: Vec<Expr>,
        at: Location,
        names: &Names,
        clause: Clause,
    ) -> Result<Shape, AdqlError> {
        let arguments = without_coordsys(arguments)?;
        let by_points = arguments.first().is_some_and(|first| is_call_of(first, Geometry::Point));
        let count = if by_points { arguments.len() } else { arguments.len() / 2 };
        if count > MOST_VERTICES {
            let message = format!("a polygon has {MOST_VERTICES} vertices at most, found {count}");
            return Err(AdqlError::new(ErrorKind::Argument, at, message));
        }
        let mut vertices = Vec::with_capacity(count);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            vertices.push(match by_points {
                true => self.position(argument, names, clause)?,
                false => {
                    let [lat] = exactly(arguments.next().into_iter().collect(), at)?;
                    self.coordinates(argument, lat, names, clause)?
                }
            });
        }
        Ok(Shape::Polygon(vertices))
    }

    /// A radius or side in degrees.
    fn length(&mut self, argument: Option<Expr>, what: &str, names: &Names, clause: Clause) -> Result<Expr, AdqlError> {
        let mut length = argument.unwrap_or_else(|| tree::literal(Value::Null, Span::empty()));
        self.expression(&mut length, names, clause)?;
        refuse_outside(&length, 0.0, 180.0, what)?;
        Ok(length)
    }

    /// The centre of a circle or box: a point, or two numbers.
    fn centre(
        &mut self,
        arguments: Vec<Expr>,
        at: Location,
        names: &Names,
        clause: Clause,
    ) -> Result<Position, AdqlError> {
        match <[Expr; 1]>::try_from(arguments) {
            Ok([point]) => self.position(point, names, clause),
            Err(numbers) => {
                let [lon, lat] = exactly(numbers, at)?;
                self.coordinates(lon, lat, names, clause)
            }
        }
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
