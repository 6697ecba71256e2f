//! How a star moves: in a straight line, seen from here. The Hipparcos and Tycho Catalogues (ESA SP-1200), volume 1, section 1.5.5.

use crate::position::{dot, sum};
use crate::{Position, SkyError};

/// An astronomical unit a year, in km/s (of Julian years).
const AU_PER_YEAR_KM_S: f64 = 149_597_870.7 / 31_557_600.0;

/// Where a star is, and how it moves, at some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Where it is, in any frame.
    pub position: Position,
    /// Parallax in mas; 0 for what is infinitely far away. Negative ones, which measurements give, count as 0.
    pub parallax_mas: f64,
    /// Proper motion in longitude, times the cosine of latitude, in mas a year.
    pub pm_lon_mas_yr: f64,
    /// Proper motion in latitude, in mas a year.
    pub pm_lat_mas_yr: f64,
    /// Radial velocity in km/s, away from us.
    pub radial_velocity_km_s: f64,
}

/// A milli-arcsecond in radians.
fn mas() -> f64 {
    (1.0_f64 / 3.6e6).to_radians()
}

/// The directions in which longitude and latitude grow.
fn east_and_north(position: &Position) -> [[f64; 3]; 2] {
    let ((sin_lon, cos_lon), (sin_lat, cos_lat)) = (position.lon_rad().sin_cos(), position.lat_rad().sin_cos());
    [[-sin_lon, cos_lon, 0.0], [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat]]
}

fn times(vector: [f64; 3], factor: f64) -> [f64; 3] {
    vector.map(|axis| axis * factor)
}

impl Motion {
    /// The same star so many Julian years later, or earlier where they are negative. Light takes no time.
    ///
    /// # Errors
    /// [`SkyError::Motion`] where the star would have gone through us, or a number is not finite.
    pub fn after(&self, years: f64) -> Result<Self, SkyError> {
        let parallax = self.parallax_mas.max(0.0) * mas();
        let [east, north] = east_and_north(&self.position);
        let proper = sum(times(east, self.pm_lon_mas_yr * mas()), times(north, self.pm_lat_mas_yr * mas()));
        // What a year adds to the distance, in units of the distance.
        let radial = self.radial_velocity_km_s * parallax / AU_PER_YEAR_KM_S;
        let squared = dot(proper, proper);
        let stretched = 1.0 + radial * years;
        let distance = (stretched * stretched + squared * years * years).sqrt();
        if !distance.is_normal() {
            return Err(SkyError::Motion);
        }
        let now = self.position.unit_vector();
        let position = Position::of_vector(sum(times(now, stretched), times(proper, years)));
        let moving = times(sum(times(proper, stretched), times(now, -squared * years)), distance.powi(-3));
        let [east, north] = east_and_north(&position);
        let receding = (radial + (squared + radial * radial) * years) / (distance * distance);
        Ok(Self {
            position,
            parallax_mas: self.parallax_mas.max(0.0) / distance,
            pm_lon_mas_yr: dot(moving, east) / mas(),
            pm_lat_mas_yr: dot(moving, north) / mas(),
            radial_velocity_km_s: match parallax > 0.0 {
                true => receding * AU_PER_YEAR_KM_S * distance / parallax,
                false => self.radial_velocity_km_s,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn star(
        lon: f64,
        lat: f64,
        [parallax_mas, pm_lon_mas_yr, pm_lat_mas_yr, radial_velocity_km_s]: [f64; 4],
    ) -> Motion {
        let position = Position::from_degrees(lon, lat).unwrap();
        Motion { position, parallax_mas, pm_lon_mas_yr, pm_lat_mas_yr, radial_velocity_km_s }
    }

    #[test]
    fn the_catalogue_s_examples() {
        for (motion, years, expected) in [
            ([125.0, 300.0, -428.8, 52.51], -23.75, [7.604_061_404_627_978, 11.793_270_382_827_9]),
            ([125.0, 300.0, -428.8, 52.51], -141.0, [7.594_068_213_694_308, 11.807_251_375_203_935]),
            ([125.0, 300.0, -428.8, 0.0], -141.0, [7.594_079_587_029_898, 11.807_235_464_326_332]),
            ([125.0, 300.0, 0.0, 0.0], -141.0, [7.594_080_321_498_365, 11.790_440_798_509_207]),
            ([0.0, 300.0, -428.8, 52.51], -141.0, [7.594_079_587_020_846, 11.807_235_464_339_055]),
        ] {
            let moved = star(7.606_083_572, 11.790_441_05, motion).after(years).unwrap();
            // The last one is of some small parallax.
            let within = if motion[0] == 0.0 { 2e-11 } else { 1e-12 };
            near(&moved, expected, within);
        }
    }

    fn near(moved: &Motion, expected: [f64; 2], within: f64) {
        let found = [moved.position.lon_rad().to_degrees(), moved.position.lat_rad().to_degrees()];
        let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < within);
        assert!(near, "{found:?} instead of {expected:?}");
    }

    #[test]
    fn straight_lines_in_space() {
        // Vectors in long doubles. The first is like Barnard's star, where astropy, which counts the time that light takes, differs by
        // 1 mas.
        for (position, motion, years, at, then) in [
            (
                [269.452_076_958_619, 4.693_364_966_576_67],
                [547.4506, -801.551, 10_362.394, -110.47],
                100.0,
                [269.429_588_376_316_25, 4.982_997_804_508_551_5],
                [550.850_598_054_121_3, -811.885_459_661_509, 10_491.480_242_563_015, -110.012_279_290_137_46],
            ),
            (
                [10.0, 89.9],
                [20.0, 3000.0, -1500.0, 50.0],
                2000.0,
                [70.745_855_525_808_8, 88.094_245_517_857],
                [19.948_670_960_670_95, 156.639_796_258_289_12, -3_333.229_286_463_496, 75.762_585_398_317_28],
            ),
            (
                [359.9999, -45.0],
                [1.5, 100.0, 0.0, -20.0],
                500.0,
                [0.019_542_155_587_582_186, -44.999_998_316_567_61],
                [1.500_022_967_303_89, 100.003_059_392_396_03, 0.024_241_796_846_581_648, -19.923_390_074_862_017],
            ),
        ] {
            let moved = star(position[0], position[1], motion).after(years).unwrap();
            near(&moved, at, 1e-12);
            let found = [moved.parallax_mas, moved.pm_lon_mas_yr, moved.pm_lat_mas_yr, moved.radial_velocity_km_s];
            for (found, expected) in found.into_iter().zip(then) {
                assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
            }
        }
    }

    #[test]
    fn there_and_back_again() {
        let motion = [125.0, 300.0, -428.8, 52.51];
        let begun = star(7.6, 11.8, motion);
        let back = begun.after(5000.0).unwrap().after(-5000.0).unwrap();
        near(&back, [7.6, 11.8], 1e-11);
        assert!((back.radial_velocity_km_s - 52.51).abs() < 1e-9 && (back.parallax_mas - 125.0).abs() < 1e-9);
        // Straight at us, and through.
        let at_us = star(7.6, 11.8, [1000.0, 0.0, 0.0, -AU_PER_YEAR_KM_S]);
        assert!(at_us.after(1.0 / (1000.0 * mas())).is_err());
        assert!(star(1.0, 2.0, [f64::NAN, 0.0, 0.0, 1.0]).after(f64::INFINITY).is_err());
    }
}
