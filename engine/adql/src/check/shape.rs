//! Shapes: points, circles, boxes and polygons that a query writes out, and values that hold one.

use spolia_sky::MOST_VERTICES;
use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, UnaryOperator, Value,
    ValueWithSpan,
};
use sqlparser::tokenizer::{Location, Span};

use super::expression::{Clause, called_name};
use super::geometry::COORDSYS;
use super::scope::Names;
use super::written_region::{cast_region, written_region};
use super::{Checker, OutputColumn};
use crate::error::{AdqlError, ErrorKind};
use crate::functions::{Becomes, Geometry, function, names as targets};
use crate::tree;

/// The xtypes of columns that hold shapes. DALI 1.2 section 3.3.
const GEOMETRIES: [&str; 3] = ["point", "circle", "polygon"];

/// The xtype of texts that write a polygon as DALI does, as ObsCore's s_region is declared. TAP 1.0 section 2.5.
const WRITTEN_REGION: &str = "adql:REGION";

/// Letters of an expression that gives a point, at most, where its coordinates are taken apart.
const LONGEST_POINT: usize = 4096;

/// A position on the sky, in degrees.
pub(super) struct Position {
    pub(super) lon: Expr,
    pub(super) lat: Expr,
}

/// A shape.
pub(super) enum Shape {
    Point(Box<Position>),
    /// A circle by its centre and its radius in degrees.
    Circle(Box<Position>, Box<Expr>),
    /// A box by its centre, and its width and height in degrees.
    Box(Box<Position>, Box<[Expr; 2]>),
    /// A polygon by its vertices.
    Polygon(Vec<Position>),
    /// What a column or function has.
    Value(Box<Expr>),
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Self::Point(_) => "a POINT",
            Self::Circle(..) => "a CIRCLE",
            Self::Box(..) => "a BOX",
            Self::Polygon(_) => "a POLYGON",
            Self::Value(_) => "a geometry",
        }
    }

    /// The shape as a value.
    pub(super) fn value(self, span: Span) -> Expr {
        match self {
            Self::Point(point) => tree::call_of(targets::POINT, span, [point.lon, point.lat]),
            Self::Circle(centre, radius) => tree::call_of(targets::CIRCLE, span, [centre.lon, centre.lat, *radius]),
            Self::Box(centre, sides) => {
                let [width, height] = *sides;
                tree::call_of(targets::BOX, span, [centre.lon, centre.lat, width, height])
            }
            Self::Polygon(vertices) => {
                let coordinates = vertices.into_iter().flat_map(|vertex| [vertex.lon, vertex.lat]);
                tree::call_of(targets::POLYGON, span, coordinates)
            }
            Self::Value(value) => *value,
        }
    }
}

impl Checker<'_> {
    /// The shape that an expression is.
    pub(super) fn shape(&mut self, expr: Expr, names: &Names, clause: Clause) -> Result<Shape, AdqlError> {
        match expr {
            Expr::Nested(inner) => self.shape(*inner, names, clause),
            Expr::Cast { expr, data_type: DataType::Custom(name, _), .. } => self.cast(*expr, &name, names, clause),
            Expr::Function(mut call) => match constructor(&call) {
                Some(geometry) => self.constructed(geometry, &mut call, names, clause),
                None => self.of_column(Expr::Function(call), names, clause),
            },
            other => self.of_column(other, names, clause),
        }
    }

    /// What a constructor of a shape makes.
    pub(super) fn constructed(
        &mut self,
        geometry: Geometry,
        call: &mut Function,
        names: &Names,
        clause: Clause,
    ) -> Result<Shape, AdqlError> {
        let (at, arguments) = (called_name(call).1.start, take_arguments(call));
        match geometry {
            Geometry::Circle => {
                let (centre, [radius]) = self.centred(arguments, ["the radius of a circle"], at, names, clause)?;
                Ok(Shape::Circle(centre, Box::new(radius)))
            }
            Geometry::Box => {
                let what = ["the width of a box", "the height of a box"];
                let (centre, sides) = self.centred(arguments, what, at, names, clause)?;
                Ok(Shape::Box(centre, Box::new(sides)))
            }
            Geometry::Polygon => self.polygon(arguments, at, names, clause),
            Geometry::Region => written_region(&exactly(arguments, at)?),
            _ => Ok(Shape::Point(Box::new(self.point(arguments, names, clause)?))),
        }
    }

    /// CAST(text AS POINT), CIRCLE or POLYGON: a shape as DALI writes it. ADQL 2.1 section 4.6.1.
    pub(super) fn cast(
        &mut self,
        mut text: Expr,
        name: &ObjectName,
        names: &Names,
        clause: Clause,
    ) -> Result<Shape, AdqlError> {
        let word = name.to_string().to_ascii_uppercase();
        let span = tree::identifiers(name).first().map_or(Span::empty(), |name| name.span);
        if matches!(text, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. })) {
            return cast_region(&word, &text);
        }
        self.expression(&mut text, names, clause)?;
        let target = match word.as_str() {
            "POINT" => targets::TO_POINT,
            "CIRCLE" => targets::TO_CIRCLE,
            _ => targets::TO_POLYGON,
        };
        Ok(Shape::Value(Box::new(tree::call_of(target, span, [text]))))
    }

    /// A shape that a column holds, or that another function gives.
    fn of_column(&mut self, mut expr: Expr, names: &Names, clause: Clause) -> Result<Shape, AdqlError> {
        let at = tree::place_of(&expr);
        let found = match &expr {
            Expr::Identifier(name) => Some(names.column(std::slice::from_ref(name))?.column),
            Expr::CompoundIdentifier(parts) => Some(names.column(parts)?.column),
            _ => None,
        };
        if let Some(OutputColumn { name, origin: Some(origin), .. }) = &found {
            let table = self.tables.iter().find(|known| known.table.name == origin.table);
            let column = table.and_then(|known| known.table.column(&origin.column));
            let xtype = column.and_then(|column| column.xtype.as_deref());
            if xtype == Some(WRITTEN_REGION) {
                self.expression(&mut expr, names, clause)?;
                return Ok(Shape::Value(Box::new(tree::call_of(targets::TO_POLYGON, Span::new(at, at), [expr]))));
            }
            if column.is_some() && !xtype.is_some_and(|xtype| GEOMETRIES.contains(&xtype)) {
                let message = format!("expected a geometry, and column {name:?} holds none");
                return Err(AdqlError::new(ErrorKind::Argument, at, message));
            }
        }
        self.expression(&mut expr, names, clause)?;
        Ok(Shape::Value(Box::new(expr)))
    }

    /// A point, where only a point can stand.
    pub(super) fn position(&mut self, expr: Expr, names: &Names, clause: Clause) -> Result<Position, AdqlError> {
        let at = tree::place_of(&expr);
        match self.shape(expr, names, clause)? {
            Shape::Point(position) => Ok(*position),
            // Both coordinates of a point inside of a point inside of a point would soon be too much.
            Shape::Value(value) if value.to_string().len() > LONGEST_POINT => {
                let message = "geometries are nested too deeply here; give the inner one a name in a sub-query";
                Err(AdqlError::new(ErrorKind::TooComplex, at, message))
            }
            Shape::Value(value) => {
                let of = |target| tree::call_of(target, Span::empty(), [Expr::clone(&value)]);
                Ok(Position { lon: of(targets::COORD1), lat: of(targets::COORD2) })
            }
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

    /// The arguments of CIRCLE and BOX: a centre and so many lengths in degrees, which messages call as `what` says.
    fn centred<const N: usize>(
        &mut self,
        arguments: Vec<Expr>,
        what: [&str; N],
        at: Location,
        names: &Names,
        clause: Clause,
    ) -> Result<(Box<Position>, [Expr; N]), AdqlError> {
        let mut arguments = without_coordsys(arguments)?;
        let mut lengths = exactly(arguments.split_off(arguments.len().saturating_sub(N)), at)?;
        for (length, what) in lengths.iter_mut().zip(what) {
            self.expression(length, names, clause)?;
            refuse_outside(length, 0.0, 180.0, what)?;
        }
        let centre = match <[Expr; 1]>::try_from(arguments) {
            Ok([point]) => self.position(point, names, clause)?,
            Err(numbers) => {
                let [lon, lat] = exactly(numbers, at)?;
                self.coordinates(lon, lat, names, clause)?
            }
        };
        Ok((Box::new(centre), lengths))
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
        let by_points = arguments.first().is_some_and(is_point);
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

    pub(super) fn coordinates(
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
            if !name.is_empty() && !name.eq_ignore_ascii_case(COORDSYS) =>
        {
            let message = format!("coordinate system '{name}' is not offered; positions are in '{COORDSYS}'");
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

/// Whether an expression calls POINT.
fn is_point(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_point(inner),
        Expr::Function(call) => constructor(call) == Some(Geometry::Point),
        _ => false,
    }
}

/// The shape that a call makes, if it makes one.
fn constructor(call: &Function) -> Option<Geometry> {
    match function(&called_name(call).0)?.becomes {
        Becomes::Geometry(
            shape @ (Geometry::Point | Geometry::Circle | Geometry::Box | Geometry::Polygon | Geometry::Region),
        ) => Some(shape),
        _ => None,
    }
}

pub(super) fn take_arguments(call: &mut Function) -> Vec<Expr> {
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
pub(super) fn exactly<const N: usize>(arguments: Vec<Expr>, at: Location) -> Result<[Expr; N], AdqlError> {
    arguments.try_into().map_err(|found: Vec<Expr>| {
        AdqlError::new(ErrorKind::Argument, at, format!("expected {N} arguments, found {}", found.len()))
    })
}
