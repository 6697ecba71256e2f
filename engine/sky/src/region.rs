//! Regions: points, circles and polygons, and what two of them have in common.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::position::{angle_rad, cross, dot, normalised, sum};
use crate::{Cone, Polygon, Position};

/// Boundaries that are this near to each other touch, in radians (0.2 nano-arcsecond).
const TOUCHING: f64 = 1e-15;
/// Polygons smaller than this are as good as flat, in radians.
const FLAT_RAD: f64 = 1e-4;

/// A region on the sky, boundary included. ADQL 2.1 section 4.2.
#[derive(Debug, Clone, PartialEq)]
pub enum Region {
    /// A position.
    Point(Position),
    /// A circle.
    Circle(Cone),
    /// A polygon or box.
    Polygon(Polygon),
}

impl Region {
    /// Its area in square degrees.
    pub fn area_deg2(&self) -> f64 {
        let steradian = match self {
            Self::Point(_) => 0.0,
            Self::Circle(cone) => 4.0 * PI * (cone.radius_rad() / 2.0).sin().powi(2),
            Self::Polygon(polygon) => triangles(polygon).map(|(_, excess)| excess).sum::<f64>().abs(),
        };
        steradian * (180.0 / PI).powi(2)
    }

    /// The middle of its area.
    pub fn centroid(&self) -> Position {
        match self {
            Self::Point(position) => *position,
            Self::Circle(cone) => cone.centre(),
            Self::Polygon(polygon) => centroid(polygon),
        }
    }

    /// True when all of the other region lies in this one.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Point(own), Self::Point(other)) => own == other,
            (Self::Point(own), Self::Circle(circle)) => circle.radius_rad() == 0.0 && circle.centre() == *own,
            (Self::Point(_), Self::Polygon(_)) => false,
            (Self::Circle(own), Self::Point(point)) => own.contains(point),
            (Self::Circle(own), Self::Circle(circle)) => {
                let most = angle_rad(own.axis(), circle.axis()) + circle.radius_rad();
                own.radius_rad() >= PI || most <= own.radius_rad() + TOUCHING
            }
            (Self::Circle(own), Self::Polygon(polygon)) => has_polygon(own, polygon),
            (Self::Polygon(own), Self::Point(point)) => own.contains(point),
            (Self::Polygon(own), Self::Circle(circle)) => {
                let inside = own.contains_vector(circle.axis());
                inside && to_boundary(own, circle.axis()) >= circle.radius_rad() - TOUCHING
            }
            (Self::Polygon(own), Self::Polygon(other)) => {
                other.corners().iter().all(|corner| own.contains_vector(*corner))
                    // A corner of this one within the other is a bay that the other lies across.
                    && !own.corners().iter().any(|corner| is_within(other, *corner))
                    && !any_sides(own, other, cross_over)
            }
        }
    }

    /// True when the two have a position in common.
    pub fn intersects(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Point(_), other) => other.contains(self),
            (own, Self::Point(_)) => own.contains(other),
            (Self::Circle(own), Self::Circle(circle)) => {
                angle_rad(own.axis(), circle.axis()) <= own.radius_rad() + circle.radius_rad() + TOUCHING
            }
            (Self::Circle(circle), Self::Polygon(polygon)) | (Self::Polygon(polygon), Self::Circle(circle)) => {
                let nearest = to_boundary(polygon, circle.axis());
                polygon.contains_vector(circle.axis()) || nearest <= circle.radius_rad() + TOUCHING
            }
            (Self::Polygon(own), Self::Polygon(other)) => {
                other.corners().iter().any(|corner| own.contains_vector(*corner))
                    || own.corners().iter().any(|corner| other.contains_vector(*corner))
                    || any_sides(own, other, cross_over)
            }
        }
    }
}

/// Triangles from a polygon's middle to its sides, with their areas in steradian: negative where the side goes with the clock.
/// The tangent of half an area is the triple product over a sum of scalar ones (Eriksson 1990).
fn triangles(polygon: &Polygon) -> impl Iterator<Item = ([[f64; 3]; 2], f64)> {
    let middle = polygon.middle();
    polygon.arcs().map(move |[from, to]| {
        let less = |corner: [f64; 3]| sum(corner, middle.map(|axis| -axis));
        let volume = dot(middle, cross(less(from), less(to)));
        ([from, to], 2.0 * volume.atan2(1.0 + dot(middle, from) + dot(from, to) + dot(to, middle)))
    })
}

/// The direction of the integral over all of a polygon's positions. It is half the sum of the unit normals of the sides' planes, each
/// times the length of the side (Brock 1975); what is flat is added up triangle by triangle.
fn centroid(polygon: &Polygon) -> Position {
    let middle = polygon.middle();
    let whole = match polygon.corners().iter().all(|corner| angle_rad(*corner, middle) < FLAT_RAD) {
        true => triangles(polygon)
            .fold([0.0; 3], |whole, ([from, to], area)| sum(whole, sum(middle, sum(from, to)).map(|axis| axis * area))),
        false => polygon.arcs().filter(|[from, to]| from != to).fold([0.0; 3], |whole, [from, to]| {
            let length = angle_rad(from, to);
            sum(whole, upright(from, to).map(|axis| axis * length))
        }),
    };
    // A box without width or height has no area, and its centre is its middle.
    Position::of_vector(if dot(whole, whole) > 0.0 { whole } else { middle })
}

/// The unit vector that stands on the plane of two others.
fn upright(from: [f64; 3], to: [f64; 3]) -> [f64; 3] {
    normalised(cross(from, sum(to, from.map(|axis| -axis))))
}

/// The angle from a position to the nearest point of a polygon's boundary, in radians.
fn to_boundary(polygon: &Polygon, vector: [f64; 3]) -> f64 {
    polygon.arcs().map(|arc| to_arc(vector, arc)).fold(PI, f64::min)
}

fn to_arc(vector: [f64; 3], [from, to]: [[f64; 3]; 2]) -> f64 {
    let to_ends = angle_rad(vector, from).min(angle_rad(vector, to));
    if from == to {
        return to_ends;
    }
    let plane = upright(from, to);
    let is_beside = dot(vector, cross(plane, from)) > 0.0 && dot(vector, cross(to, plane)) > 0.0;
    if is_beside { dot(vector, plane).abs().min(1.0).asin() } else { to_ends }
}

/// True when a circle has all of a polygon: its corners, and beyond half of the sky nothing of what the circle leaves out.
fn has_polygon(circle: &Cone, polygon: &Polygon) -> bool {
    let opposite = circle.axis().map(|axis| -axis);
    if circle.radius_rad() <= FRAC_PI_2 {
        return polygon.corners().iter().all(|corner| circle.contains_vector(*corner));
    }
    let outside = PI - circle.radius_rad();
    outside <= 0.0 || (!polygon.contains_vector(opposite) && to_boundary(polygon, opposite) >= outside - TOUCHING)
}

/// True well within a polygon, away from its boundary.
fn is_within(polygon: &Polygon, vector: [f64; 3]) -> bool {
    polygon.contains_vector(vector) && to_boundary(polygon, vector) > 1e3 * TOUCHING
}

fn any_sides(a: &Polygon, b: &Polygon, meet: impl Fn([[f64; 3]; 2], [[f64; 3]; 2]) -> bool) -> bool {
    a.arcs().any(|one| b.arcs().any(|other| meet(one, other)))
}

/// True when two arcs go over each other: the ends of each lie well on different sides of the other, in the same half of the sky.
fn cross_over([a, b]: [[f64; 3]; 2], [c, d]: [[f64; 3]; 2]) -> bool {
    if a == b || c == d {
        return false;
    }
    let (one, other) = (upright(a, b), upright(c, d));
    let apart = |plane, from, to| {
        let (from, to): (f64, f64) = (dot(plane, from), dot(plane, to));
        from.abs().min(to.abs()) > 1e3 * TOUCHING && (from > 0.0) != (to > 0.0)
    };
    let meeting = cross(one, other);
    let in_front = dot(meeting, sum(a, b)) * dot(meeting, sum(c, d)) > 0.0;
    apart(one, c, d) && apart(other, a, b) && in_front
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> Position {
        Position::from_degrees(lon, lat).unwrap()
    }

    fn circle(lon: f64, lat: f64, radius: f64) -> Region {
        Region::Circle(Cone::new(at(lon, lat), radius).unwrap())
    }

    fn polygon(vertices: &[(f64, f64)]) -> Region {
        let vertices: Vec<_> = vertices.iter().map(|(lon, lat)| at(*lon, *lat)).collect();
        Region::Polygon(Polygon::new(&vertices).unwrap())
    }

    fn box_of(lon: f64, lat: f64, width: f64, height: f64) -> Region {
        Region::Polygon(Polygon::of_box(&at(lon, lat), width, height).unwrap())
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1e-30), "{found} instead of {expected}");
    }

    #[test]
    fn areas_are_those_of_the_sphere() {
        let sky = 4.0 * PI * (180.0 / PI).powi(2);
        assert_eq!(Region::Point(at(1.0, 2.0)).area_deg2(), 0.0);
        close(circle(77.0, -3.0, 180.0).area_deg2(), sky);
        close(circle(77.0, -3.0, 90.0).area_deg2(), sky / 2.0);
        close(polygon(&[(0.0, 0.0), (90.0, 0.0), (0.0, 90.0)]).area_deg2(), sky / 8.0);
        close(polygon(&[(0.0, 90.0), (90.0, 0.0), (0.0, 0.0)]).area_deg2(), sky / 8.0);
        close(box_of(30.0, 40.0, 180.0, 180.0).area_deg2(), sky / 2.0);
        // A pyramid of right angles has four times the arc sine of the product of the sines of half its angles.
        let sine = |angle: f64| (angle.to_radians() / 2.0).sin();
        close(
            box_of(30.0, 80.0, 20.0, 50.0).area_deg2(),
            4.0 * (sine(20.0) * sine(50.0)).asin() * (180.0 / PI).powi(2),
        );
        assert_eq!(box_of(30.0, 80.0, 20.0, 0.0).area_deg2(), 0.0);
        // What is small is flat.
        let small = 1e-6;
        let found = polygon(&[(0.0, 0.0), (small, 0.0), (small, small), (0.0, small)]).area_deg2();
        assert!((found / (small * small) - 1.0).abs() < 1e-7, "{found}");
    }

    #[test]
    fn an_l_is_as_large_as_its_parts() {
        let l = polygon(&[(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 4.0), (0.0, 4.0)]);
        let parts = [
            polygon(&[(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0)]),
            polygon(&[(0.0, 0.0), (1.0, 1.0), (1.0, 4.0), (0.0, 4.0)]),
        ];
        close(l.area_deg2(), parts.iter().map(Region::area_deg2).sum());
    }

    #[test]
    fn centroids_lie_in_the_middle() {
        let near = |found: Position, expected: Position| {
            assert!(found.distance_deg(&expected) < 1e-9, "{found:?} instead of {expected:?}");
        };
        near(circle(5.0, 6.0, 7.0).centroid(), at(5.0, 6.0));
        near(
            polygon(&[(0.0, 0.0), (90.0, 0.0), (0.0, 90.0)]).centroid(),
            at(45.0, (0.5f64.sqrt()).atan().to_degrees()),
        );
        near(polygon(&[(0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (270.0, 80.0)]).centroid(), at(0.0, 90.0));
        for size in [1e-5, 1e-2, 1.0, 100.0] {
            near(box_of(200.0, -33.0, size, size / 2.0).centroid(), at(200.0, -33.0));
        }
        near(box_of(200.0, -33.0, 0.0, 0.0).centroid(), at(200.0, -33.0));
        let small = polygon(&[(10.0, 0.0), (10.0 + 3e-5, 0.0), (10.0, 3e-5)]);
        near(small.centroid(), at(10.0 + 1e-5, 1e-5));
    }

    #[test]
    fn circles_contain_and_meet() {
        assert!(
            circle(0.0, 0.0, 2.0).contains(&circle(1.0, 0.0, 1.0))
                && !circle(0.0, 0.0, 2.0).contains(&circle(1.1, 0.0, 1.0))
        );
        assert!(circle(0.0, 0.0, 1.0).contains(&circle(0.0, 0.0, 1.0)));
        assert!(
            circle(0.0, 0.0, 1.0).intersects(&circle(2.0, 0.0, 1.0))
                && !circle(0.0, 0.0, 1.0).intersects(&circle(2.1, 0.0, 1.0))
        );
        assert!(
            circle(0.0, 90.0, 179.0).contains(&circle(0.0, 0.0, 88.9))
                && !circle(0.0, 90.0, 179.0).contains(&circle(0.0, 0.0, 89.1))
        );
        assert!(circle(0.0, 0.0, 180.0).contains(&circle(7.0, 8.0, 180.0)));
        assert!(!circle(0.0, 0.0, 100.0).contains(&circle(180.0, 0.0, 1.0)));
    }

    #[test]
    fn circles_and_polygons_contain_and_meet() {
        let square = polygon(&[(-2.0, -2.0), (2.0, -2.0), (2.0, 2.0), (-2.0, 2.0)]);
        assert!(square.contains(&circle(0.0, 0.0, 1.99)) && !square.contains(&circle(0.0, 0.0, 2.01)));
        assert!(square.contains(&circle(1.0, 0.0, 0.99)) && !square.contains(&circle(1.0, 0.0, 1.01)));
        assert!(circle(0.0, 0.0, 2.9).contains(&square) && !circle(0.0, 0.0, 2.8).contains(&square));
        assert!(circle(0.0, 3.0, 1.0).intersects(&square) && !circle(0.0, 3.1, 1.0).intersects(&square));
        assert!(square.intersects(&circle(0.0, 0.0, 50.0)) && square.intersects(&circle(0.0, 0.0, 0.1)));
        // Nearly everything, but for a hole within the square, on its side, and beside it.
        let all_but = |lon: f64, lat: f64| circle(lon + 180.0, -lat, 179.0);
        assert!(
            !all_but(0.0, 0.0).contains(&square)
                && !all_but(0.0, 2.5).contains(&square)
                && all_but(0.0, 3.1).contains(&square)
        );
        assert!(all_but(0.0, 0.0).intersects(&square));
    }

    #[test]
    fn polygons_contain_and_meet() {
        let l = polygon(&[(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 4.0), (0.0, 4.0)]);
        let inside = polygon(&[(0.2, 0.2), (3.0, 0.2), (0.2, 3.0), (0.2, 0.3)]);
        assert!(!l.contains(&inside) && l.intersects(&inside), "it lies across the bay");
        assert!(l.contains(&polygon(&[(0.2, 0.2), (0.8, 0.2), (0.8, 3.0), (0.2, 3.0)])));
        assert!(l.contains(&l) && l.intersects(&l));
        assert!(!l.intersects(&polygon(&[(2.0, 2.0), (3.0, 2.0), (3.0, 3.0)])));
        let bar = |lat: f64| polygon(&[(-5.0, lat), (5.0, lat), (5.0, lat + 0.2), (-5.0, lat + 0.2)]);
        let post = polygon(&[(0.0, -5.0), (0.2, -5.0), (0.2, 5.0), (0.0, 5.0)]);
        assert!(bar(0.0).intersects(&post) && post.intersects(&bar(3.0)) && !post.intersects(&bar(6.0)));
        assert!(!bar(0.0).contains(&post) && !post.contains(&bar(0.0)));
        // On the other side of the sky.
        assert!(!post.intersects(&box_of(180.0, 0.0, 3.0, 3.0)) && post.intersects(&box_of(0.0, 0.0, 3.0, 3.0)));
        assert!(box_of(0.0, 0.0, 180.0, 180.0).contains(&post) && box_of(0.0, 0.0, 30.0, 0.0).intersects(&post));
    }
}
