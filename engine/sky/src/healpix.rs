//! HEALPix pixels (NESTED) and sorted sets of pixel ranges.

use std::ops::Range;

use crate::Position;
use crate::position::{squared_distance, unit_vector};

/// The order at which chunks are cut: that of the pixel in a Gaia `source_id`.
pub const PIXEL_ORDER: u8 = 12;
/// The number of pixels at [`PIXEL_ORDER`].
pub const PIXELS: u64 = 12 << (2 * PIXEL_ORDER as u64);
/// The deepest HEALPix order that fits 64 bits; the `hpx29` column holds pixels of it.
pub const HPX29_ORDER: u8 = 29;

/// The HEALPix pixel (NESTED) of a position at `order` 0 to 29.
pub fn healpix_index(order: u8, position: &Position) -> u64 {
    cdshealpix::nested::hash(order.min(HPX29_ORDER), position.lon_rad(), position.lat_rad())
}

/// The middle of a HEALPix pixel (NESTED) of `order` 0 to 29; nothing for a number that no pixel has.
pub fn healpix_centre(order: u8, pixel: u64) -> Option<Position> {
    let order = order.min(HPX29_ORDER);
    let is_pixel = pixel < 12 << (2 * u64::from(order));
    let (lon, lat) = is_pixel.then(|| cdshealpix::nested::center(order, pixel))?;
    Position::from_radians(lon, lat).ok()
}

/// A sorted set of disjoint, half-open pixel ranges of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelRanges {
    order: u8,
    ranges: Vec<Range<u64>>,
}

impl PixelRanges {
    /// Sorts the ranges, joins those that touch, and drops empty ones.
    pub fn new(order: u8, mut ranges: Vec<Range<u64>>) -> Self {
        ranges.retain(|range| range.start < range.end);
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Self { order, ranges: joined }
    }

    /// The pixels at `order` that something may touch, found from the whole sky down. `touches` is asked with the centre of a pixel
    /// (longitude, latitude) and the radius of a circle that has all of it, in radians; it may be wrong in saying yes.
    pub(crate) fn touched(order: u8, touches: impl Fn(f64, f64, f64) -> bool) -> Self {
        let mut ranges = Vec::new();
        (0..12).for_each(|pixel| descend(0, pixel, order, &touches, &mut ranges));
        Self::new(order, ranges)
    }

    /// The order of the pixels, 0 to 29.
    pub fn order(&self) -> u8 {
        self.order
    }

    /// The ranges, ascending and disjoint.
    pub fn as_slice(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// True when no pixel is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The part of the sky that the pixels take, 0 to 1.
    pub fn sky_fraction(&self) -> f64 {
        let pixels: u64 = self.ranges.iter().map(|range| range.end - range.start).sum();
        pixels as f64 / (12u64 << (2 * u32::from(self.order))) as f64
    }

    /// The smallest set at `order` that covers this one: exact for a deeper order, rounded outward for a coarser one.
    pub fn covering(&self, order: u8) -> Self {
        let order = order.min(HPX29_ORDER);
        let ranges = if order >= self.order {
            let shift = 2 * u32::from(order - self.order);
            self.ranges.iter().map(|r| r.start << shift..r.end << shift).collect()
        } else {
            let shift = 2 * u32::from(self.order - order);
            self.ranges.iter().map(|r| r.start >> shift..((r.end - 1) >> shift) + 1).collect()
        };
        Self::new(order, ranges)
    }

    /// The set as a MOC in its ASCII form, with four pixels as the one that they make up: `3/1-2 4/20`. Empty for an empty set. MOC 2.0
    /// section 4.3.2.
    pub fn moc_ascii(&self) -> String {
        let mut by_order = vec![Vec::new(); usize::from(self.order) + 1];
        for range in &self.ranges {
            let mut start = range.start;
            while start < range.end {
                let fits = |up: &u8| start % (1 << (2 * up)) == 0 && start + (1 << (2 * up)) <= range.end;
                let up = (0..=self.order).take_while(fits).last().unwrap_or(0);
                let pixel = start >> (2 * up);
                by_order[usize::from(self.order - up)].push(pixel..pixel + 1);
                start += 1 << (2 * up);
            }
        }
        let orders = (0..).zip(by_order).map(|(order, pixels)| Self::new(order, pixels));
        let written = orders.filter(|set| !set.is_empty()).map(|set| {
            let ranges = set.ranges.iter().map(|range| match range.end - range.start {
                1 => range.start.to_string(),
                _ => format!("{}-{}", range.start, range.end - 1),
            });
            format!("{}/{}", set.order, ranges.collect::<Vec<_>>().join(","))
        });
        written.collect::<Vec<_>>().join(" ")
    }

    /// True when a pixel of the set, whose order is that of the range, lies in the range.
    pub fn meets(&self, range: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|held| held.end <= range.start);
        self.ranges.get(after).is_some_and(|held| held.start < range.end)
    }

    /// True when the two sets share a pixel; compared at the deeper of the two orders.
    pub fn overlaps(&self, other: &Self) -> bool {
        let order = self.order.max(other.order);
        let (a, b) = (self.covering(order), other.covering(order));
        let (mut i, mut j) = (0, 0);
        while let (Some(x), Some(y)) = (a.ranges.get(i), b.ranges.get(j)) {
            if x.start < y.end && y.start < x.end {
                return true;
            }
            if x.end <= y.end { i += 1 } else { j += 1 }
        }
        false
    }
}

fn descend(depth: u8, pixel: u64, order: u8, touches: &impl Fn(f64, f64, f64) -> bool, ranges: &mut Vec<Range<u64>>) {
    let (lon, lat) = cdshealpix::nested::center(depth, pixel);
    if !touches(lon, lat, largest_radius(depth)) {
        return;
    }
    if depth == order {
        if touches(lon, lat, radius_of(depth, pixel)) {
            ranges.push(pixel..pixel + 1);
        }
        return;
    }
    (4 * pixel..4 * pixel + 4).for_each(|child| descend(depth + 1, child, order, touches, ranges));
}

/// The radius of a circle that has any pixel of this depth, around its centre: that of those beside the transition latitude, at the
/// edges of base pixels. (What cdshealpix says of pixels there is up to 8 % too small, and so its covers lack some.)
fn largest_radius(depth: u8) -> f64 {
    1.08 * 0.5f64.powi(i32::from(depth))
}

/// The radius of a circle that has this pixel, around its centre.
fn radius_of(depth: u8, pixel: u64) -> f64 {
    let (lon, lat) = cdshealpix::nested::center(depth, pixel);
    let centre = unit_vector(lon, lat);
    let away = |(lon, lat): (f64, f64)| squared_distance(centre, unit_vector(lon, lat)).sqrt();
    let chord = cdshealpix::nested::vertices(depth, pixel).into_iter().map(away).fold(0.0, f64::max);
    1.01 * 2.0 * (chord / 2.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_have_their_pixels_whole() {
        const POINTS: u32 = 200_000;
        for depth in 0..=6 {
            for step in 0..POINTS {
                // All over the sky, evenly (Fibonacci).
                let lat = (1.0 - 2.0 * (f64::from(step) + 0.5) / f64::from(POINTS)).asin();
                let position = Position::from_radians(f64::from(step) * 2.399_963_229_728_653, lat).unwrap();
                let pixel = healpix_index(depth, &position);
                let (lon, lat) = cdshealpix::nested::center(depth, pixel);
                let away = position.distance_rad(&Position::from_radians(lon, lat).unwrap());
                assert!(away < radius_of(depth, pixel) && radius_of(depth, pixel) < 1.02 * largest_radius(depth));
            }
        }
    }

    #[test]
    fn udf_catalogue_vector() {
        let position = Position::from_degrees(1.0, 1.0).unwrap();
        assert_eq!(healpix_index(17, &position), 81_609_757_711);
    }

    #[test]
    fn a_moc_has_the_largest_pixels() {
        for (order, ranges, expect) in [
            (6, vec![], ""),
            (0, vec![0..12], "0/0-11"),
            (6, vec![0..12 << 12], "0/0-11"),
            (2, vec![3..9, 20..21, 22..23], "1/1 2/3,8,20,22"),
            (3, vec![16..80], "1/1-4"),
        ] {
            assert_eq!(PixelRanges::new(order, ranges).moc_ascii(), expect);
        }
    }

    #[test]
    fn ranges_join_cover_and_overlap() {
        let set = PixelRanges::new(12, vec![8..10, 0..4, 4..5, 7..7]);
        assert_eq!(set.as_slice(), &[0..5, 8..10]);
        assert_eq!(set.covering(11).as_slice(), &[0..3]);
        assert_eq!(set.covering(13).as_slice(), &[0..20, 32..40]);
        assert_eq!(PixelRanges::new(1, vec![0..12]).sky_fraction(), 0.25);
        assert!(set.overlaps(&PixelRanges::new(13, vec![39..40])));
        assert!(!set.overlaps(&PixelRanges::new(13, vec![20..32])));
        assert!(set.meets(&(4..6)) && set.meets(&(0..100)) && set.meets(&(9..10)));
        assert!(!set.meets(&(5..8)) && !set.meets(&(10..12)));
    }
}
