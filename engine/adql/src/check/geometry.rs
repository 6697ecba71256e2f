//! Geometry functions: shapes that a query writes out are taken apart, and become calls on their coordinates (section 4.2).

use sqlparser::ast::{Expr, Function, Value};
use sqlparser::tokenizer::Span;

use spolia_sky::Frame;

use super::Checker;
use super::expression::{Clause, called_name};
use super::meaning::text;
use super::scope::Names;
use super::shape::{Position, Shape, exactly, take_arguments};
use crate::error::{AdqlError, ErrorKind, nearest};
use crate::functions::{Geometry, names as targets};
use crate::tree;

/// The one system that positions here are in.
pub(super) const COORDSYS: &str = "ICRS";

impl Checker<'_> {
    /// What a call of a geometry function becomes.
    pub(super) fn geometry(
        &mut self,
        geometry: Geometry,
        call: &mut Function,
        names: &Names,
        clause: Clause,
    ) -> Result<Expr, AdqlError> {
        let span = called_name(call).1;
        match geometry {
            Geometry::Point | Geometry::Circle | Geometry::Box | Geometry::Polygon | Geometry::Region => {
                Ok(self.constructed(geometry, call, names, clause)?.value(span))
            }
            Geometry::Coord1 | Geometry::Coord2 => {
                let [point] = exactly(take_arguments(call), span.start)?;
                let Position { lon, lat } = self.position(point, names, clause)?;
                Ok(Expr::Nested(Box::new(if geometry == Geometry::Coord1 { lon } else { lat })))
            }
            Geometry::HealpixIndex => self.healpix_index(take_arguments(call), span, names, clause),
            Geometry::Transform => self.transform(take_arguments(call), span, names, clause),
            Geometry::Distance => self.distance(take_arguments(call), span, names, clause),
            Geometry::Contains | Geometry::Intersects => {
                let [left, right] = exactly(take_arguments(call), span.start)?;
                let (left, right) = (self.shape(left, names, clause)?, self.shape(right, names, clause)?);
                Ok(if geometry == Geometry::Contains {
                    contains(left, right, span)
                } else {
                    intersects(left, right, span)
                })
            }
            Geometry::Area | Geometry::Centroid => {
                let [of] = exactly(take_arguments(call), span.start)?;
                let of = self.shape(of, names, clause)?.value(span);
                let target = if geometry == Geometry::Area { targets::AREA } else { targets::CENTROID };
                Ok(tree::call_of(target, span, [of]))
            }
            Geometry::Coordsys => {
                let [of] = exactly(take_arguments(call), span.start)?;
                self.shape(of, names, clause)?;
                Ok(tree::literal(Value::SingleQuotedString(COORDSYS.to_owned()), span))
            }
        }
    }

    fn healpix_index(
        &mut self,
        mut arguments: Vec<Expr>,
        span: Span,
        names: &Names,
        clause: Clause,
    ) -> Result<Expr, AdqlError> {
        let mut order = arguments.remove(0);
        self.expression(&mut order, names, clause)?;
        let Position { lon, lat } = match <[Expr; 1]>::try_from(arguments) {
            Ok([point]) => self.position(point, names, clause)?,
            Err(numbers) => {
                let [lon, lat] = exactly(numbers, span.start)?;
                self.coordinates(lon, lat, names, clause)?
            }
        };
        Ok(tree::call_of(targets::IVO_HEALPIX_INDEX, span, [order, lon, lat]))
    }

    fn transform(
        &mut self,
        arguments: Vec<Expr>,
        span: Span,
        names: &Names,
        clause: Clause,
    ) -> Result<Expr, AdqlError> {
        let [from, to, shape] = exactly(arguments, span.start)?;
        for frame in [&from, &to] {
            let name = text(frame).unwrap_or_default();
            if Frame::named(name).is_none() {
                let known = Frame::ALL.map(Frame::name);
                let message = format!("\"{name}\" is no frame of positions; known are {}", known.join(", "));
                let suggestion = nearest(name, known);
                return Err(AdqlError::new(ErrorKind::Argument, tree::place_of(frame), message).suggest(suggestion));
            }
        }
        let shape = self.shape(shape, names, clause)?.value(span);
        Ok(tree::call_of(targets::IVO_GEOM_TRANSFORM, span, [from, to, shape]))
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
}

/// Whether a shape lies in another. A point in a shape that is written out is told by coordinates, which nodes can do.
fn contains(inner: Shape, outer: Shape, span: Span) -> Expr {
    let (point, target, of_shape) = match (inner, outer) {
        (Shape::Point(point), Shape::Circle(centre, radius)) => {
            (*point, targets::IN_CIRCLE, vec![centre.lon, centre.lat, *radius])
        }
        (Shape::Point(point), Shape::Box(centre, sides)) => {
            let [width, height] = *sides;
            (*point, targets::IN_BOX, vec![centre.lon, centre.lat, width, height])
        }
        (Shape::Point(point), Shape::Polygon(vertices)) => {
            let coordinates = vertices.into_iter().flat_map(|vertex| [vertex.lon, vertex.lat]);
            (*point, targets::IN_POLYGON, coordinates.collect())
        }
        (inner, outer) => return tree::call_of(targets::CONTAINS, span, [inner.value(span), outer.value(span)]),
    };
    tree::call_of(target, span, [point.lon, point.lat].into_iter().chain(of_shape))
}

/// Whether two shapes meet; a point meets what contains it.
fn intersects(left: Shape, right: Shape, span: Span) -> Expr {
    match (left, right) {
        (point @ Shape::Point(_), other) | (other, point @ Shape::Point(_)) => contains(point, other, span),
        (left, right) => tree::call_of(targets::INTERSECTS, span, [left.value(span), right.value(span)]),
    }
}
