//! A zone: the positions between two longitudes and two latitudes, as a query's plain comparisons describe it.

use std::f64::consts::{FRAC_PI_2, TAU};

use crate::healpix::{HPX29_ORDER, PixelRanges};

/// Slack added on each side when a zone is turned into pixels, in radians.
const COVER_SLACK_RAD: f64 = 1e-12;

/// Positions with longitude in [`lon_min`, `lon_max`] within [0, 2 pi] and latitude in [`lat_min`, `lat_max`], radians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zone {
    /// Smallest longitude.
    pub lon_min: f64,
    /// Largest longitude.
    pub lon_max: f64,
    /// Smallest latitude.
    pub lat_min: f64,
    /// Largest latitude.
    pub lat_max: f64,
}

impl Zone {
    /// The whole sky.
    pub const SKY: Self = Self { lon_min: 0.0, lon_max: TAU, lat_min: -FRAC_PI_2, lat_max: FRAC_PI_2 };

    /// The zone common to both.
    pub fn intersection(self, other: Self) -> Self {
        Self {
            lon_min: self.lon_min.max(other.lon_min),
            lon_max: self.lon_max.min(other.lon_max),
            lat_min: self.lat_min.max(other.lat_min),
            lat_max: self.lat_max.min(other.lat_max),
        }
    }

    /// True when no position can lie in it.
    pub fn is_empty(&self) -> bool {
        self.lon_min > self.lon_max || self.lat_min > self.lat_max
    }

    /// The deepest order, up to 20, at which the zone's cover stays at a few hundred pixels.
    pub fn cover_order(&self) -> u8 {
        let equatorward = self.lat_min.max(-self.lat_max).clamp(0.0, 1.5);
        let width = ((self.lon_max - self.lon_min) * equatorward.cos()).max(0.0);
        let height = (self.lat_max - self.lat_min).max(0.0);
        let pixels = |order: u8| {
            let pixel_rad = 0.5f64.powi(i32::from(order));
            (width / pixel_rad + 1.0) * (height / pixel_rad + 1.0)
        };
        (0..20).find(|order| pixels(order + 1) > 256.0).unwrap_or(20)
    }

    /// HEALPix ranges at `order` that cover the whole zone: never too few pixels, some too many.
    pub fn pixel_ranges(&self, order: u8) -> PixelRanges {
        let order = order.min(HPX29_ORDER);
        if self.is_empty() {
            return PixelRanges::new(order, Vec::new());
        }
        let padded = Self {
            lon_min: (self.lon_min - COVER_SLACK_RAD).max(0.0),
            lon_max: (self.lon_max + COVER_SLACK_RAD).min(TAU),
            lat_min: (self.lat_min - COVER_SLACK_RAD).max(-FRAC_PI_2),
            lat_max: (self.lat_max + COVER_SLACK_RAD).min(FRAC_PI_2),
        };
        if padded == Self::SKY {
            return PixelRanges::new(order, vec![0..12u64 << (2 * u32::from(order))]);
        }
        // The zones of cdshealpix miss pixels of those that reach over both poles.
        PixelRanges::touched(order, |lon, lat, radius| padded.may_touch(lon, lat, radius))
    }

    /// False only for a circle that lies outside of the zone.
    fn may_touch(&self, lon: f64, lat: f64, radius: f64) -> bool {
        if lat + radius < self.lat_min || lat - radius > self.lat_max {
            return false;
        }
        // A circle around a pole has every longitude.
        if lat.abs() + radius >= FRAC_PI_2 {
            return true;
        }
        let half_width = (radius.sin() / lat.cos()).min(1.0).asin();
        let meets = |shift: f64| lon + half_width + shift >= self.lon_min && lon - half_width + shift <= self.lon_max;
        [-TAU, 0.0, TAU].into_iter().any(meets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Position, healpix_index};

    #[test]
    fn cover_holds_every_point_of_the_zone() {
        let zones = [
            Zone { lon_min: 1.61815, lon_max: 1.61835, lat_min: 0.40185, lat_max: 0.40205 },
            Zone { lon_min: 0.0, lon_max: 6.0, lat_min: 1.2, lat_max: FRAC_PI_2 },
            Zone { lon_min: 3.0, lon_max: 3.001, lat_min: -FRAC_PI_2, lat_max: FRAC_PI_2 },
            Zone { lat_max: -0.7, ..Zone::SKY },
            Zone { lon_min: 4.0, ..Zone::SKY },
            Zone { lon_max: 0.407406, ..Zone::SKY },
            Zone { lon_max: 1e-9, ..Zone::SKY },
            Zone { lon_min: 6.2, ..Zone::SKY },
            Zone { lon_min: 1.0, lon_max: 5.0, lat_min: -0.1, ..Zone::SKY },
            Zone { lon_min: 2.0, lon_max: 2.0, ..Zone::SKY },
            Zone { lon_max: 3.0, lat_min: 1.5, ..Zone::SKY },
        ];
        for zone in zones {
            let ranges = zone.pixel_ranges(zone.cover_order());
            assert!(ranges.as_slice().len() < 3000, "{zone:?} {}", ranges.as_slice().len());
            for i in 0..=60 {
                for j in 0..=60 {
                    let at =
                        |low: f64, high: f64, step: i32| (low + (high - low) * f64::from(step) / 60.0).clamp(low, high);
                    let lon = at(zone.lon_min, zone.lon_max, i).min(TAU - 1e-12);
                    let lat = at(zone.lat_min, zone.lat_max, j);
                    let pixel = healpix_index(ranges.order(), &Position::from_radians(lon, lat).unwrap());
                    assert!(ranges.as_slice().iter().any(|r| r.contains(&pixel)), "{zone:?} {lon} {lat}");
                }
            }
        }
    }
}
