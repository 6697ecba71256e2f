//! A cone on the sky: the region within a radius of a position.

use std::f64::consts::PI;

use crate::healpix::{HPX29_ORDER, PixelRanges};
use crate::position::{angle_rad, squared_distance, unit_vector};
use crate::{Position, SkyError};

/// Rounding slack added to a radius when it is turned into pixels, in radians (about 0.2 micro-arcsecond).
const COVER_SLACK_RAD: f64 = 1e-12;

/// A cone in ICRS: all positions within `radius` of the centre, boundary included. ADQL 2.1 section 4.2.10.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cone {
    centre: Position,
    radius_rad: f64,
    axis: [f64; 3],
    reach: Reach,
}

/// How far a cone reaches, as a test of unit vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reach {
    /// To vectors whose squared distance from the axis is no more than this.
    Near(f64),
    /// To vectors whose squared distance from the opposite of the axis is no less than this.
    Far(f64),
    /// To all.
    All,
}

impl Reach {
    /// The reach of a radius in degrees, in [0, 180].
    ///
    /// # Errors
    /// [`SkyError::Radius`] outside that range.
    pub fn of(radius_deg: f64) -> Result<Self, SkyError> {
        if !(0.0..=180.0).contains(&radius_deg) {
            return Err(SkyError::Radius(radius_deg));
        }
        let half = radius_deg.to_radians() / 2.0;
        Ok(match radius_deg {
            180.0 => Self::All,
            ..=90.0 => Self::Near(4.0 * half.sin() * half.sin()),
            _ => Self::Far(4.0 * half.cos() * half.cos()),
        })
    }
}

impl Cone {
    /// A cone around `centre`; `radius_deg` in [0, 180].
    ///
    /// # Errors
    /// [`SkyError::Radius`] outside that range.
    pub fn new(centre: Position, radius_deg: f64) -> Result<Self, SkyError> {
        let reach = Reach::of(radius_deg)?;
        Ok(Self { centre, radius_rad: radius_deg.to_radians(), axis: centre.unit_vector(), reach })
    }

    /// The centre.
    pub fn centre(&self) -> Position {
        self.centre
    }

    /// The radius in radians.
    pub fn radius_rad(&self) -> f64 {
        self.radius_rad
    }

    /// The unit vector of the centre.
    pub(crate) fn axis(&self) -> [f64; 3] {
        self.axis
    }

    /// True when the position lies within the radius, boundary included.
    pub fn contains(&self, position: &Position) -> bool {
        self.contains_vector(position.unit_vector())
    }

    pub(crate) fn contains_vector(&self, vector: [f64; 3]) -> bool {
        match self.reach {
            Reach::Near(most) => squared_distance(vector, self.axis) <= most,
            Reach::Far(least) => squared_distance(vector, self.axis.map(|axis| -axis)) >= least,
            Reach::All => true,
        }
    }

    /// HEALPix ranges at `order` that cover the whole cone: never too few pixels, some too many.
    pub fn pixel_ranges(&self, order: u8) -> PixelRanges {
        let order = order.min(HPX29_ORDER);
        let radius_rad = self.radius_rad + COVER_SLACK_RAD;
        if radius_rad >= PI {
            return PixelRanges::new(order, vec![0..12u64 << (2 * u32::from(order))]);
        }
        PixelRanges::touched(order, |lon, lat, pixel_rad| {
            angle_rad(self.axis, unit_vector(lon, lat)) <= radius_rad + pixel_rad
        })
    }

    /// The order at which the cone's cover has a few dozen ranges: fine enough to be tight, coarse enough to be short.
    pub fn cover_order(&self) -> u8 {
        let mut order = 0;
        let mut pixel_rad = 1.0;
        while order < HPX29_ORDER && pixel_rad > self.radius_rad / 4.0 {
            order += 1;
            pixel_rad /= 2.0;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::healpix_index;

    fn cone(lon_deg: f64, lat_deg: f64, radius_deg: f64) -> Cone {
        Cone::new(Position::from_degrees(lon_deg, lat_deg).unwrap(), radius_deg).unwrap()
    }

    #[test]
    fn cover_holds_every_point_of_the_cone() {
        // The last ones at the corner of a base pixel, where pixels are longest.
        let corner = (2.0f64 / 3.0).asin().to_degrees();
        for (lon, lat, radius) in [
            (0.0, 0.0, 0.1),
            (92.7, 23.0, 1.0),
            (10.0, 89.95, 0.2),
            (359.99, -45.0, 0.05),
            (45.0, corner, 0.01),
            (45.0, corner, 0.7),
            (45.0, corner - 0.01, 20.0),
        ] {
            let cone = cone(lon, lat, radius);
            let ranges = cone.pixel_ranges(cone.cover_order());
            for step in 0..720 {
                let angle = f64::from(step).to_radians() / 2.0;
                let (dx, dy) = (angle.cos() * radius * 0.999, angle.sin() * radius * 0.999);
                let lat_p = (lat + dy).clamp(-90.0, 90.0);
                let Ok(p) = Position::from_degrees(lon + dx / lat_p.to_radians().cos().max(1e-9), lat_p) else {
                    continue;
                };
                if cone.contains(&p) {
                    let pixel = healpix_index(ranges.order(), &p);
                    assert!(ranges.as_slice().iter().any(|r| r.contains(&pixel)), "{lon} {lat} {radius} {step}");
                }
            }
        }
    }

    #[test]
    fn covers_of_large_cones_lack_nothing() {
        let whole = 12u64 << 8;
        for radius in [20.0, 40.0, 90.0, 145.0, 165.0, 178.0, 179.9] {
            for (lon, lat) in [(92.72, 23.03), (10.0, 0.0), (200.0, -40.0), (0.0, 90.0), (0.0, 89.0), (300.0, -89.9)] {
                let cone = cone(lon, lat, radius);
                let ranges = cone.pixel_ranges(cone.cover_order());
                for pixel in 0..whole {
                    let (lon, lat) = cdshealpix::nested::center(4, pixel);
                    let position = Position::from_radians(lon, lat).unwrap();
                    let held = ranges.as_slice().iter().any(|r| r.contains(&healpix_index(ranges.order(), &position)));
                    assert!(held || !cone.contains(&position), "{radius} around {lon} {lat}");
                }
            }
        }
    }

    #[test]
    fn the_whole_sky_and_a_point_have_covers() {
        assert_eq!(cone(0.0, 0.0, 180.0).pixel_ranges(3).as_slice(), &[0..768]);
        let point = cone(92.7, 23.0, 0.0);
        let pixel = healpix_index(12, &point.centre());
        assert!(point.pixel_ranges(12).as_slice().iter().any(|r| r.contains(&pixel)));
    }

    #[test]
    fn a_cover_stays_short() {
        for radius in [0.001, 0.1, 1.0, 30.0] {
            let cone = cone(92.7, 23.0, radius);
            assert!(cone.pixel_ranges(cone.cover_order()).as_slice().len() < 150, "{radius}");
        }
    }

    #[test]
    fn half_the_sky_and_more_is_told_from_the_other_side() {
        let at = |lat| Position::from_degrees(0.0, lat).unwrap();
        let from_north = |radius| cone(0.0, 90.0, radius);
        assert!(from_north(90.0).contains(&at(1e-9)) && !from_north(90.0).contains(&at(-1e-9)));
        assert!(from_north(179.999).contains(&at(-89.998)) && !from_north(179.999).contains(&at(-89.9999)));
        assert!(from_north(180.0).contains(&at(-90.0)));
        assert!(from_north(0.0).contains(&at(90.0)) && !from_north(0.0).contains(&at(89.999_999_999)));
    }

    #[test]
    fn impossible_radii_are_refused() {
        let centre = Position::from_degrees(0.0, 0.0).unwrap();
        assert_eq!(Cone::new(centre, -1.0), Err(SkyError::Radius(-1.0)));
        assert!(Cone::new(centre, f64::NAN).is_err());
    }
}
