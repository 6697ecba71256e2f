//! A point on the sky, and the errors of things that are not on it.

/// What makes a position or a region impossible.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SkyError {
    /// The longitude is not a finite number.
    #[error("longitude {0} is not a finite angle")]
    Longitude(f64),
    /// The latitude lies beyond a pole, or is not a number.
    #[error("latitude {0} deg lies outside -90 to 90")]
    Latitude(f64),
    /// The radius of a cone is negative, above 180 degrees, or not a number.
    #[error("radius {0} deg lies outside 0 to 180")]
    Radius(f64),
    /// The width or height of a box is negative, above 180 degrees, or not a number.
    #[error("the side {0} deg of a box lies outside 0 to 180")]
    Side(f64),
    /// A star's motion leads nowhere.
    #[error("a star that moves through the observer, or by no finite numbers, has no position")]
    Motion,
    /// The vertices make no polygon.
    #[error("a polygon cannot have {0}")]
    Polygon(&'static str),
}

/// A point on the sky in ICRS; longitude in [0, 2 pi) and latitude in [-pi/2, pi/2], kept in radians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    lon_rad: f64,
    lat_rad: f64,
}

impl Position {
    /// A position from radians, as Gaia's `alpha` and `delta` are stored.
    ///
    /// # Errors
    /// [`SkyError`] when an angle is not finite or the latitude lies beyond a pole.
    pub fn from_radians(lon_rad: f64, lat_rad: f64) -> Result<Self, SkyError> {
        if !lon_rad.is_finite() {
            return Err(SkyError::Longitude(lon_rad));
        }
        if lat_rad.is_nan() || lat_rad.abs() > std::f64::consts::FRAC_PI_2 {
            return Err(SkyError::Latitude(lat_rad.to_degrees()));
        }
        Ok(Self { lon_rad: lon_rad.rem_euclid(std::f64::consts::TAU), lat_rad })
    }

    /// A position from degrees, as ADQL's POINT takes them.
    ///
    /// # Errors
    /// As [`Position::from_radians`].
    pub fn from_degrees(lon_deg: f64, lat_deg: f64) -> Result<Self, SkyError> {
        if lat_deg.is_nan() || lat_deg.abs() > 90.0 {
            return Err(SkyError::Latitude(lat_deg));
        }
        let lat_rad = lat_deg.to_radians().clamp(-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2);
        Self::from_radians(lon_deg.to_radians(), lat_rad)
    }

    /// Longitude (right ascension) in radians, in [0, 2 pi).
    pub fn lon_rad(&self) -> f64 {
        self.lon_rad
    }

    /// Latitude (declination) in radians.
    pub fn lat_rad(&self) -> f64 {
        self.lat_rad
    }

    /// The unit vector that points there: x to (0, 0), y to (90 deg, 0), z to the north pole.
    ///
    /// Nodes keep it beside each row: what is tested with it takes nothing but products and sums, which every machine computes alike.
    pub fn unit_vector(&self) -> [f64; 3] {
        unit_vector(self.lon_rad, self.lat_rad)
    }

    /// The position that a vector of any length but 0 points to.
    pub(crate) fn of_vector([x, y, z]: [f64; 3]) -> Self {
        let lon = y.atan2(x).rem_euclid(std::f64::consts::TAU);
        Self { lon_rad: if lon < std::f64::consts::TAU { lon } else { 0.0 }, lat_rad: z.atan2(x.hypot(y)) }
    }

    /// The angle to another position, in radians; exact to rounding for all angles.
    pub fn distance_rad(&self, other: &Position) -> f64 {
        angle_rad(self.unit_vector(), other.unit_vector())
    }

    /// The angle to another position, in degrees. ADQL 2.1 section 4.2.16, DISTANCE.
    pub fn distance_deg(&self, other: &Position) -> f64 {
        self.distance_rad(other).to_degrees()
    }
}

/// The unit vector of a longitude and a latitude in radians.
pub(crate) fn unit_vector(lon_rad: f64, lat_rad: f64) -> [f64; 3] {
    let (sin_lon, cos_lon) = lon_rad.sin_cos();
    let (sin_lat, cos_lat) = lat_rad.sin_cos();
    // Squares of differences of these must not be too small for a double.
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat].map(|axis| if axis.abs() < 1e-30 { 0.0 } else { axis })
}

/// The sum of two vectors.
pub(crate) fn sum(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// The scalar product of two vectors.
pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product of two vectors.
pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The unit vector of the same direction.
pub(crate) fn normalised(a: [f64; 3]) -> [f64; 3] {
    let length = dot(a, a).sqrt();
    a.map(|axis| axis / length)
}

/// The square of the distance of two points.
pub(crate) fn squared_distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    x * x + y * y + z * z
}

/// The angle between two unit vectors, in radians: twice that whose tangent is half their difference over half their sum.
pub(crate) fn angle_rad(a: [f64; 3], b: [f64; 3]) -> f64 {
    let apart = squared_distance(a, b).sqrt();
    let together = squared_distance(a, b.map(|axis| -axis)).sqrt();
    2.0 * apart.atan2(together)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitude_wraps_and_latitude_is_bounded() {
        assert!((Position::from_degrees(-10.0, 0.0).unwrap().lon_rad() - 350f64.to_radians()).abs() < 1e-15);
        assert_eq!(Position::from_degrees(0.0, 90.1), Err(SkyError::Latitude(90.1)));
        assert!(Position::from_radians(f64::NAN, 0.0).is_err());
        assert!(Position::from_degrees(12.0, 90.0).is_ok());
    }

    #[test]
    fn distance_across_the_wrap_and_the_pole() {
        let a = Position::from_degrees(359.9, 0.0).unwrap();
        let b = Position::from_degrees(0.1, 0.0).unwrap();
        assert!((a.distance_deg(&b) - 0.2).abs() < 1e-12);
        let north = Position::from_degrees(0.0, 89.0).unwrap();
        let over = Position::from_degrees(180.0, 89.0).unwrap();
        assert!((north.distance_deg(&over) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn small_and_large_distances_are_exact() {
        let milliarcsecond = 1e-3 / 3600.0;
        for lat in [-60.0, 0.0, 30.0] {
            let a = Position::from_degrees(10.0, lat).unwrap();
            let near = Position::from_degrees(10.0, lat + milliarcsecond).unwrap();
            assert!((a.distance_deg(&near) / milliarcsecond - 1.0).abs() < 1e-6);
            let far = Position::from_degrees(190.0, -lat - milliarcsecond).unwrap();
            assert!(((180.0 - a.distance_deg(&far)) / milliarcsecond - 1.0).abs() < 1e-6);
            assert_eq!(a.distance_deg(&a), 0.0);
        }
    }
}
