//! Polygons on the sky, as unions of convex pieces.

use crate::healpix::{HPX29_ORDER, PixelRanges};
use crate::position::{cross, dot, normalised, squared_distance, sum, unit_vector};
use crate::{Position, SkyError};

/// Vertices of a polygon at most.
pub const MOST_VERTICES: usize = 1000;
/// What is this near to a side lies on it: the rounding of unit vectors, in radians (0.2 nano-arcsecond).
const ON_SIDE: f64 = 1e-15;
/// Corners that are this near to each other are one, in radians.
const SAME: f64 = 1e-14;
/// Rounding slack added to a side when a polygon is turned into pixels, in radians.
const COVER_SLACK_RAD: f64 = 1e-12;
/// Steps in the search for the middle of half a sky that holds all vertices.
const MOST_STEPS: usize = 10_000;

/// A region whose sides are arcs of great circles, boundary included. It lies in half of the sky; which way round its vertices go
/// does not matter. ADQL 2.1 sections 4.2.9 (BOX) and 4.2.20 (POLYGON).
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    pieces: Vec<Convex>,
    corners: Vec<[f64; 3]>,
    middle: [f64; 3],
    size_rad: f64,
}

/// A convex piece of a polygon: what lies on the inner side of all of its sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Convex {
    sides: Vec<[f64; 3]>,
}

impl Convex {
    /// The unit vectors that stand on the planes of its sides and point inwards: a position lies in the piece where its own unit
    /// vector's product with each is at least [`Convex::LEAST`].
    pub fn sides(&self) -> &[[f64; 3]] {
        &self.sides
    }

    /// The least product of what still lies on a side.
    pub const LEAST: f64 = -ON_SIDE;

    /// The piece between corners that go round it against the clock, seen from where we are not.
    fn between(corners: &[[f64; 3]]) -> Self {
        let next = corners.iter().cycle().skip(1);
        // A side's direction is its end less its beginning, which is exact where these are near each other.
        let side = |(from, to): (&[f64; 3], &[f64; 3])| normalised(cross(*from, sum(*to, from.map(|axis| -axis))));
        Self { sides: corners.iter().zip(next).map(side).collect() }
    }

    fn contains(&self, vector: [f64; 3]) -> bool {
        self.sides.iter().all(|side| dot(vector, *side) >= Self::LEAST)
    }

    /// False only for a circle that lies outside.
    fn may_touch(&self, centre: [f64; 3], radius_rad: f64) -> bool {
        let least = -(radius_rad + COVER_SLACK_RAD).min(std::f64::consts::FRAC_PI_2).sin();
        self.sides.iter().all(|side| dot(centre, *side) >= least)
    }
}

impl Polygon {
    /// A polygon of at least three vertices, of which the last is joined to the first; a vertex may be given again right after itself.
    ///
    /// # Errors
    /// [`SkyError::Polygon`] for fewer vertices, more than [`MOST_VERTICES`], such as do not lie in one half of the sky or lie on one
    /// line, and for sides that cross.
    pub fn new(vertices: &[Position]) -> Result<Self, SkyError> {
        let mut corners: Vec<[f64; 3]> = vertices.iter().map(Position::unit_vector).collect();
        corners.dedup();
        if corners.len() > 1 && corners.first() == corners.last() {
            corners.pop();
        }
        match corners.len() {
            ..3 => return Err(SkyError::Polygon("fewer than three vertices")),
            3..=MOST_VERTICES => {}
            _ => return Err(SkyError::Polygon("more than 1000 vertices")),
        }
        let middle = middle(&corners).ok_or(SkyError::Polygon("vertices that do not lie in one half of the sky"))?;
        let mut plane = flattened(&corners, middle);
        if let Some(fault) = crossing(&plane) {
            return Err(SkyError::Polygon(fault));
        }
        if turn(&plane) < 0.0 {
            plane.reverse();
            corners.reverse();
        }
        let size_rad = corners.iter().map(|corner| dot(*corner, middle).clamp(-1.0, 1.0).acos()).fold(0.0, f64::max);
        Ok(Self { pieces: pieces(&corners, &plane), corners, middle, size_rad })
    }

    /// A box: a cross of arms along the meridian and the parallel of its centre, half of `width_deg` and `height_deg` long, and the
    /// great circles that stand upright on their ends.
    ///
    /// # Errors
    /// [`SkyError::Side`] for a width or height outside of 0 to 180 degrees.
    pub fn of_box(centre: &Position, width_deg: f64, height_deg: f64) -> Result<Self, SkyError> {
        for length in [width_deg, height_deg] {
            if !(0.0..=180.0).contains(&length) {
                return Err(SkyError::Side(length));
            }
        }
        let ((sin_lon, cos_lon), (sin_lat, cos_lat)) = (centre.lon_rad().sin_cos(), centre.lat_rad().sin_cos());
        let east = [-sin_lon, cos_lon, 0.0];
        let north = [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat];
        let middle = centre.unit_vector();
        let side = |(arm, length_deg): ([f64; 3], f64)| {
            let (sin, cos) = (length_deg.to_radians() / 2.0).sin_cos();
            sum(middle.map(|axis| axis * sin), arm.map(|axis| -axis * cos))
        };
        let opposite = |arm: [f64; 3]| arm.map(|axis| -axis);
        let arms = [(east, width_deg), (opposite(east), width_deg), (north, height_deg), (opposite(north), height_deg)];
        // Where an arm has no length, its two sides are one plane, of which the half that is behind does not count.
        let sides = arms.into_iter().map(side).chain([middle]).collect();
        let [across, along] = [width_deg, height_deg].map(|length| (length.to_radians() / 2.0).tan());
        let corner = |(x, y): (f64, f64)| {
            normalised(sum(middle, sum(east.map(|axis| axis * across * x), north.map(|axis| axis * along * y))))
        };
        let corners = match (width_deg, height_deg) {
            // Its sides meet at the ends of its arms; the other corners are where the other arms end.
            (180.0, _) | (_, 180.0) => {
                let end = |(arm, length_deg): ([f64; 3], f64)| {
                    let (sin, cos) = (length_deg.to_radians() / 2.0).sin_cos();
                    let cos = if length_deg == 180.0 { 0.0 } else { cos };
                    sum(middle.map(|axis| axis * cos), arm.map(|axis| axis * sin))
                };
                [(opposite(east), width_deg), (opposite(north), height_deg), (east, width_deg), (north, height_deg)]
                    .map(end)
            }
            _ => [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(corner),
        }
        .to_vec();
        let size_rad = width_deg.hypot(height_deg).to_radians() / 2.0;
        Ok(Self { pieces: vec![Convex { sides }], corners, middle, size_rad })
    }

    /// The box whose four corners these are, where they make no other polygon: without width or height, or as wide or high as half
    /// of the sky.
    pub fn of_box_corners(corners: &[Position]) -> Option<Self> {
        let corners: Vec<[f64; 3]> = corners.iter().map(Position::unit_vector).collect();
        let [a, b, c, d] = corners.as_slice() else { return None };
        let equal = |a, b| squared_distance(a, b) < SAME * SAME;
        let opposite = |a: &[f64; 3], b: [f64; 3]| equal(a.map(|axis| -axis), b);
        if opposite(a, *c) || opposite(b, *d) {
            let (ends, others) = if opposite(a, *c) { ([*a, *b], [*b, *d]) } else { ([*b, *c], [*a, *c]) };
            let middle = match opposite(&others[0], others[1]) {
                true => cross(ends[0], ends[1]),
                false => sum(others[0], others[1]),
            };
            let middle = normalised(middle);
            let mut piece = Convex::between(&corners);
            piece.sides.push(middle);
            if !piece.contains(middle) {
                return None;
            }
            return Some(Self { pieces: vec![piece], corners, middle, size_rad: std::f64::consts::FRAC_PI_2 });
        }
        let [from, to] = match (equal(*a, *b) && equal(*c, *d), equal(*a, *d) && equal(*b, *c)) {
            (true, true) => return Self::of_box(&Position::of_vector(*a), 0.0, 0.0).ok(),
            (true, false) => [*b, *c],
            (false, true) => [*a, *b],
            (false, false) => return None,
        };
        let middle = normalised(sum(from, to));
        let plane = normalised(cross(from, sum(to, from.map(|axis| -axis))));
        let sides = vec![plane, plane.map(|axis| -axis), cross(plane, from), cross(to, plane), middle];
        let size_rad = dot(from, middle).clamp(-1.0, 1.0).acos();
        Some(Self { pieces: vec![Convex { sides }], corners: vec![from, to], middle, size_rad })
    }

    /// The convex pieces, which may share sides.
    pub fn pieces(&self) -> &[Convex] {
        &self.pieces
    }

    /// Its vertices, against the clock, seen from where we are not.
    pub fn vertices(&self) -> impl Iterator<Item = Position> {
        self.corners.iter().map(|corner| Position::of_vector(*corner))
    }

    /// The unit vectors of its corners, against the clock, seen from where we are not.
    pub(crate) fn corners(&self) -> &[[f64; 3]] {
        &self.corners
    }

    /// Its sides, from corner to corner.
    pub(crate) fn arcs(&self) -> impl Iterator<Item = [[f64; 3]; 2]> {
        self.corners.iter().zip(self.corners.iter().cycle().skip(1)).map(|(from, to)| [*from, *to])
    }

    /// A unit vector less than a quarter of a circle from all corners.
    pub(crate) fn middle(&self) -> [f64; 3] {
        self.middle
    }

    /// True when the position lies inside or on a side.
    pub fn contains(&self, position: &Position) -> bool {
        self.contains_vector(position.unit_vector())
    }

    pub(crate) fn contains_vector(&self, vector: [f64; 3]) -> bool {
        self.pieces.iter().any(|piece| piece.contains(vector))
    }

    /// HEALPix ranges at `order` that cover the whole polygon: never too few pixels, some too many.
    pub fn pixel_ranges(&self, order: u8) -> PixelRanges {
        PixelRanges::touched(order.min(HPX29_ORDER), |lon, lat, radius_rad| {
            let centre = unit_vector(lon, lat);
            self.pieces.iter().any(|piece| piece.may_touch(centre, radius_rad))
        })
    }

    /// The order at which the polygon's cover has a few dozen ranges.
    pub fn cover_order(&self) -> u8 {
        let fine = |order: &u8| 0.5f64.powi(i32::from(*order)) <= self.size_rad / 8.0;
        (0..HPX29_ORDER).find(fine).unwrap_or(HPX29_ORDER)
    }
}

/// The middle of half a sky that holds all of these; nothing where there is none, or hardly.
fn middle(corners: &[[f64; 3]]) -> Option<[f64; 3]> {
    let mut middle = corners.iter().copied().fold([0.0; 3], sum);
    for _ in 0..MOST_STEPS {
        let upright = normalised(middle);
        let lowest = corners.iter().copied().min_by(|a, b| dot(*a, upright).total_cmp(&dot(*b, upright)))?;
        if dot(lowest, upright) > 1e-6 {
            return Some(upright);
        }
        middle = sum(middle, lowest);
    }
    None
}

/// Corners on the plane that touches the sky at `middle`, seen from its centre: there, great circles are straight lines.
fn flattened(corners: &[[f64; 3]], middle: [f64; 3]) -> Vec<[f64; 2]> {
    let least = [0, 1, 2].into_iter().min_by(|a, b| middle[*a].abs().total_cmp(&middle[*b].abs())).unwrap_or(0);
    let mut aside = [0.0; 3];
    aside[least] = 1.0;
    let right = normalised(cross(aside, middle));
    let up = cross(middle, right);
    let flat = |corner: &[f64; 3]| [right, up].map(|axis| dot(*corner, axis) / dot(*corner, middle));
    corners.iter().map(flat).collect()
}

/// Twice the area on the plane, positive against the clock.
fn turn(corners: &[[f64; 2]]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    corners.iter().zip(next).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum()
}

/// On which side of the line from `a` to `b` is `c`.
fn side_of(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// What is wrong with a ring of corners: it has no area, or two of its sides cross or touch.
fn crossing(corners: &[[f64; 2]]) -> Option<&'static str> {
    let n = corners.len();
    let corner = |i: usize| corners[i % n];
    let length = |i: usize| (corner(i + 1)[0] - corner(i)[0]).hypot(corner(i + 1)[1] - corner(i)[1]);
    let straight =
        |i: usize| side_of(corner(i), corner(i + 1), corner(i + 2)).abs() <= ON_SIDE * (length(i) + length(i + 1));
    if (0..n).all(straight) {
        return Some("vertices that lie on one great circle");
    }
    let within = |a: [f64; 2], b: [f64; 2], c: [f64; 2]| {
        (0..2).all(|axis| a[axis].min(b[axis]) <= c[axis] && c[axis] <= a[axis].max(b[axis]))
    };
    let meet = |i: usize, j: usize| {
        let (a, b, c, d) = (corner(i), corner(i + 1), corner(j), corner(j + 1));
        let (of_c, of_d) = (side_of(a, b, c), side_of(a, b, d));
        let (of_a, of_b) = (side_of(c, d, a), side_of(c, d, b));
        let cross = of_c * of_d < 0.0 && of_a * of_b < 0.0;
        let touch = |side: f64, a, b, c| side == 0.0 && within(a, b, c);
        cross || touch(of_c, a, b, c) || touch(of_d, a, b, d) || touch(of_a, c, d, a) || touch(of_b, c, d, b)
    };
    // A side shares its ends with the one before and the one after, and may run back on neither.
    let back = |i: usize| {
        let (a, b, c) = (corner(i), corner(i + 1), corner(i + 2));
        side_of(a, b, c) == 0.0 && (0..2).map(|axis| (b[axis] - a[axis]) * (c[axis] - b[axis])).sum::<f64>() < 0.0
    };
    let apart = |i: usize, j: usize| j > i + 1 && !(i == 0 && j + 1 == n);
    let crosses = (0..n).any(|i| back(i) || (i + 1..n).any(|j| apart(i, j) && meet(i, j)));
    crosses.then_some("sides that cross or touch each other")
}

/// A convex ring as it is, another one in triangles.
fn pieces(corners: &[[f64; 3]], plane: &[[f64; 2]]) -> Vec<Convex> {
    let n = plane.len();
    if (0..n).all(|i| side_of(plane[i], plane[(i + 1) % n], plane[(i + 2) % n]) >= 0.0) {
        return vec![Convex::between(corners)];
    }
    let mut triangles: Vec<usize> = Vec::new();
    earcut::Earcut::new().earcut(plane.iter().copied(), &[], &mut triangles);
    let piece = |triangle: &[usize]| {
        let [a, b, c] = [triangle[0], triangle[1], triangle[2]];
        let against = if side_of(plane[a], plane[b], plane[c]) >= 0.0 { [a, b, c] } else { [a, c, b] };
        Convex::between(&against.map(|corner| corners[corner]))
    };
    triangles.chunks_exact(3).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> Position {
        Position::from_degrees(lon, lat).unwrap()
    }

    fn polygon(vertices: &[(f64, f64)]) -> Result<Polygon, SkyError> {
        Polygon::new(&vertices.iter().map(|(lon, lat)| at(*lon, *lat)).collect::<Vec<_>>())
    }

    #[test]
    fn sides_and_vertices_belong_to_it_either_way_round() {
        let corners = [(10.0, 0.0), (20.0, 0.0), (20.0, 10.0), (10.0, 10.0)];
        let mut turned = corners;
        turned.reverse();
        for square in [polygon(&corners).unwrap(), polygon(&turned).unwrap()] {
            for (lon, lat) in
                corners.into_iter().chain([(15.0, 0.0), (10.0, 5.0), (20.0, 5.0), (15.0, 10.03), (15.0, 5.0)])
            {
                assert!(square.contains(&at(lon, lat)), "{lon} {lat}");
            }
            for (lon, lat) in [(15.0, -1e-9), (9.999999, 5.0), (20.000001, 5.0), (15.0, 10.1), (195.0, -5.0)] {
                assert!(!square.contains(&at(lon, lat)), "{lon} {lat}");
            }
        }
    }

    #[test]
    fn a_pole_and_the_wrap_are_nothing_special() {
        let cap = polygon(&[(0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (270.0, 80.0)]).unwrap();
        assert!(cap.contains(&at(0.0, 90.0)) && cap.contains(&at(45.0, 86.0)) && !cap.contains(&at(0.0, 79.9)));
        let across = polygon(&[(350.0, -5.0), (10.0, -5.0), (10.0, 5.0), (350.0, 5.0)]).unwrap();
        assert!(
            across.contains(&at(0.0, 0.0)) && across.contains(&at(359.0, 4.0)) && !across.contains(&at(180.0, 0.0))
        );
    }

    #[test]
    fn one_that_is_not_convex_leaves_its_bay_out() {
        let l = polygon(&[(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 4.0), (0.0, 4.0)]).unwrap();
        assert!(l.contains(&at(0.5, 3.5)) && l.contains(&at(3.5, 0.5)) && l.contains(&at(0.5, 0.5)));
        assert!(l.contains(&at(1.0, 1.0)) && !l.contains(&at(2.0, 2.0)) && !l.contains(&at(1.01, 1.01)));
    }

    #[test]
    fn small_ones_are_exact() {
        let milliarcsecond = 1e-3 / 3600.0;
        let side = 5.0 / 3600.0;
        let square =
            polygon(&[(92.7, 23.0), (92.7 + side, 23.0), (92.7 + side, 23.0 + side), (92.7, 23.0 + side)]).unwrap();
        assert!(square.contains(&at(92.7, 23.0)) && square.contains(&at(92.7 + milliarcsecond, 23.0 + side / 2.0)));
        assert!(!square.contains(&at(92.7 - milliarcsecond, 23.0 + side / 2.0)));
    }

    #[test]
    fn what_is_no_polygon_is_refused() {
        let refused = |vertices: &[(f64, f64)]| match polygon(vertices) {
            Err(SkyError::Polygon(fault)) => fault,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&[(0.0, 0.0), (1.0, 0.0), (0.0, 0.0)]), "fewer than three vertices");
        assert_eq!(refused(&[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]), "vertices that lie on one great circle");
        let bow = refused(&[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]);
        assert_eq!(bow, "sides that cross or touch each other");
        assert_eq!(refused(&[(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 0.0), (0.0, 4.0)]), bow);
        let around = refused(&[(0.0, -10.0), (120.0, -10.0), (240.0, -10.0), (0.0, 90.0)]);
        assert_eq!(around, "vertices that do not lie in one half of the sky");
        assert!(polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)]).is_ok());
    }

    #[test]
    fn half_the_sky_nearly_is_taken() {
        let wide: Vec<_> = (0..36).map(|i| (f64::from(i) * 10.0, 0.01)).collect();
        let wide = polygon(&wide).unwrap();
        assert!(wide.contains(&at(77.0, 0.02)) && wide.contains(&at(0.0, 90.0)) && !wide.contains(&at(77.0, -0.01)));
        let lopsided = [(0.0, 80.0), (1.0, 80.0), (1.0, 1.0), (120.0, 1.0), (180.0, 1.0)];
        assert!(polygon(&lopsided).is_ok());
    }

    #[test]
    fn boxes_are_known_by_their_corners() {
        for (width, height) in [
            (0.0, 0.0),
            (0.0, 10.0),
            (10.0, 0.0),
            (180.0, 180.0),
            (180.0, 30.0),
            (30.0, 180.0),
            (180.0, 0.0),
            (0.0, 180.0),
        ] {
            for (lon, lat) in [(0.0, 0.0), (92.7, 23.0), (200.0, -80.0)] {
                let made = Polygon::of_box(&at(lon, lat), width, height).unwrap();
                // As a value keeps them.
                let degrees = |corner: Position| at(corner.lon_rad().to_degrees(), corner.lat_rad().to_degrees());
                let corners: Vec<_> = made.vertices().map(degrees).collect();
                assert!(Polygon::new(&corners).is_err(), "{width} {height}");
                let known =
                    Polygon::of_box_corners(&corners).unwrap_or_else(|| panic!("{width} {height} at {lon} {lat}"));
                for step in 0..20_000u32 {
                    let lat = (1.0 - 2.0 * (f64::from(step) + 0.5) / 20_000.0).asin().to_degrees();
                    let position = at(f64::from(step) * 137.507_764_05, lat);
                    assert_eq!(made.contains(&position), known.contains(&position), "{width} {height} {position:?}");
                }
                assert!(known.contains(&at(lon, lat)), "{width} {height} at {lon} {lat}");
            }
        }
        let square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(lon, lat)| at(lon, lat));
        assert_eq!(Polygon::of_box_corners(&square), None);
    }

    #[test]
    fn a_box_stands_upright_on_its_arms() {
        let across = Polygon::of_box(&at(0.0, 0.0), 10.0, 6.0).unwrap();
        assert!(across.contains(&at(5.0, 0.0)) && across.contains(&at(355.0, 0.0)) && across.contains(&at(0.0, -3.0)));
        assert!(
            !across.contains(&at(5.001, 0.0)) && !across.contains(&at(0.0, 3.001)) && !across.contains(&at(180.0, 0.0))
        );
        let polar = Polygon::of_box(&at(30.0, 90.0), 2.0, 2.0).unwrap();
        assert!([30.0, 120.0, 210.0, 300.0].into_iter().all(|lon| polar.contains(&at(lon, 89.0))));
        assert!(polar.contains(&at(75.0, 88.6)) && !polar.contains(&at(30.0, 88.99)));
        let point = Polygon::of_box(&at(92.7, 23.0), 0.0, 0.0).unwrap();
        assert!(
            point.contains(&at(92.7, 23.0))
                && !point.contains(&at(92.7, 23.000_001))
                && !point.contains(&at(272.7, -23.0))
        );
        let half = Polygon::of_box(&at(92.7, 23.0), 180.0, 180.0).unwrap();
        assert!(half.contains(&at(182.0, 0.0)) && half.contains(&at(3.0, 0.0)) && !half.contains(&at(272.7, 0.0)));
        assert_eq!(Polygon::of_box(&at(0.0, 0.0), 181.0, 1.0), Err(SkyError::Side(181.0)));
    }

    /// Whether a point lies in a ring of the plane: it does where a line from it crosses an odd number of sides.
    fn in_ring(ring: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
        let next = ring.iter().cycle().skip(1);
        let crosses = |(a, b): (&[f64; 2], &[f64; 2])| {
            (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]
        };
        ring.iter().zip(next).filter(|side| crosses(*side)).count() % 2 == 1
    }

    #[test]
    fn stars_are_as_rays_in_the_plane_see_them() {
        // A pseudo-random sequence in [0, 1).
        let mut seed = 1u64;
        let mut next = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        for (lon, lat) in [(45.0, 41.810_314_9), (0.0, 90.0), (0.0, 0.0), (200.0, -66.0)] {
            for size_deg in [1e-4_f64, 0.01, 1.0, 60.0] {
                let size = size_deg.to_radians().tan();
                let centre = at(lon, lat).unit_vector();
                let right = normalised(cross([0.31, 0.27, 0.11], centre));
                let up = cross(centre, right);
                let raised = |[x, y]: [f64; 2]| {
                    let lifted = sum(centre, sum(right.map(|axis| axis * x), up.map(|axis| axis * y)));
                    let [x, y, z] = normalised(lifted);
                    Position::from_radians(y.atan2(x), z.atan2(x.hypot(y))).unwrap()
                };
                let count = 4 + (next() * 9.0) as usize;
                let corner = |i: usize| {
                    let (sin, cos) = (std::f64::consts::TAU * i as f64 / count as f64).sin_cos();
                    let away = size * (0.2 + 0.8 * next());
                    [cos * away, sin * away]
                };
                let ring: Vec<[f64; 2]> = (0..count).map(corner).collect();
                let star = Polygon::new(&ring.iter().map(|corner| raised(*corner)).collect::<Vec<_>>()).unwrap();
                for _ in 0..2000 {
                    let point = [size * (2.0 * next() - 1.0), size * (2.0 * next() - 1.0)];
                    assert_eq!(
                        star.contains(&raised(point)),
                        in_ring(&ring, point),
                        "{lon} {lat} {size_deg} {point:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn covers_lack_nothing_and_stay_short() {
        let regions = [
            polygon(&[(0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (270.0, 80.0)]).unwrap(),
            polygon(&[(350.0, -5.0), (10.0, -5.0), (10.0, 5.0), (350.0, 5.0)]).unwrap(),
            polygon(&[(0.0, 0.0), (40.0, 0.0), (40.0, 10.0), (10.0, 10.0), (10.0, 40.0), (0.0, 40.0)]).unwrap(),
            polygon(&(0..36).map(|i| (f64::from(i) * 10.0, -1.0)).collect::<Vec<_>>()).unwrap(),
            Polygon::of_box(&at(200.0, -89.0), 30.0, 1.0).unwrap(),
            Polygon::of_box(&at(0.0, 0.0), 180.0, 0.0).unwrap(),
        ];
        for region in regions {
            let ranges = region.pixel_ranges(region.cover_order());
            assert!(ranges.as_slice().len() < 400, "{}", ranges.as_slice().len());
            for step in 0..200_000u32 {
                // Points all over the sky, evenly (Fibonacci).
                let lat = (1.0 - 2.0 * (f64::from(step) + 0.5) / 200_000.0).asin().to_degrees();
                let position = at(f64::from(step) * 137.507_764_05, lat);
                let pixel = crate::healpix_index(ranges.order(), &position);
                let held = ranges.as_slice().iter().any(|range| range.contains(&pixel));
                assert!(held || !region.contains(&position), "{position:?}");
            }
        }
    }
}
