//! Reference frames, as rotations. IVOA catalogue of user defined functions 1.2, `ivo_geom_transform`; names of the IVOA's `refframe`.

use crate::Position;
use crate::position::dot;

/// Obliquity of the ecliptic of J2000.0, in degrees. IAU 2006.
const OBLIQUITY_DEG: f64 = 84_381.406 / 3600.0;
/// Longitude and latitude of the north galactic pole in ICRS, and galactic longitude of the celestial one, in degrees: those of FK5
/// (Reid and Brunthaler 2004), turned by the bias of the frames.
const GALACTIC_DEG: [f64; 3] = [192.859_477_894_776_06, 27.128_252_414_968, 122.931_925_255_416_62];
/// The same in FK4 of B1950.0, by definition (Blaauw et al. 1960).
const GALACTIC_B1950_DEG: [f64; 3] = [192.25, 27.4, 123.0];

/// A frame of positions.
///
/// All are rotations of each other. FK5 of J2000.0 is taken for ICRS, which it is to 23 mas; FK4 of B1950.0 has no elliptic terms and turns
/// by way of the galactic frame that it defines; the ecliptic is that of J2000.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// International Celestial Reference System.
    Icrs,
    /// Fifth fundamental catalogue, J2000.0.
    Fk5,
    /// Fourth fundamental catalogue, B1950.0.
    Fk4,
    /// Galactic longitude and latitude.
    Galactic,
    /// Ecliptic longitude and latitude, J2000.0.
    Ecliptic,
}

type Matrix = [[f64; 3]; 3];

impl Frame {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Icrs, Self::Fk5, Self::Fk4, Self::Galactic, Self::Ecliptic];

    /// Its name in the IVOA's vocabulary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Icrs => "ICRS",
            Self::Fk5 => "FK5",
            Self::Fk4 => "FK4",
            Self::Galactic => "GALACTIC",
            Self::Ecliptic => "ECLIPTIC",
        }
    }

    /// The frame of that name, whose letters are capitals.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|frame| frame.name() == name)
    }

    /// The same place on the sky, given in another frame.
    pub fn to(self, other: Self, position: &Position) -> Position {
        let turned = |matrix: &Matrix, vector| matrix.map(|row| dot(row, vector));
        let equal = |frame: Self| if frame == Self::Fk5 { Self::Icrs } else { frame };
        if equal(self) == equal(other) {
            return *position;
        }
        let galactic = turned(&self.to_galactic(), position.unit_vector());
        Position::of_vector(turned(&transposed(&other.to_galactic()), galactic))
    }

    fn to_galactic(self) -> Matrix {
        match self {
            Self::Icrs | Self::Fk5 => by_pole(GALACTIC_DEG),
            Self::Fk4 => by_pole(GALACTIC_B1950_DEG),
            Self::Galactic => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Self::Ecliptic => {
                let (sin, cos) = OBLIQUITY_DEG.to_radians().sin_cos();
                product(&by_pole(GALACTIC_DEG), &[[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
            }
        }
    }
}

/// The rotation to a frame by its pole's position in the old one, and the old pole's longitude in it.
fn by_pole([lon, lat, lon_of_old]: [f64; 3]) -> Matrix {
    let about_pole = |angle_deg: f64| {
        let (sin, cos) = angle_deg.to_radians().sin_cos();
        [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]
    };
    let (sin, cos) = (90.0 - lat).to_radians().sin_cos();
    let down = [[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]];
    product(&about_pole(180.0 - lon_of_old), &product(&down, &about_pole(lon)))
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let columns = transposed(b);
    a.map(|row| columns.map(|column| dot(row, column)))
}

fn transposed(matrix: &Matrix) -> Matrix {
    [0, 1, 2].map(|column| matrix.map(|row| row[column]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(from: Frame, to: Frame, lon: f64, lat: f64) -> [f64; 2] {
        let position = from.to(to, &Position::from_degrees(lon, lat).unwrap());
        [position.lon_rad().to_degrees(), position.lat_rad().to_degrees()]
    }

    #[test]
    fn the_catalogue_s_examples() {
        for (from, to, [lon, lat], expected, within) in [
            (Frame::Icrs, Frame::Galactic, [120.0, -23.0], [241.121_831_182, 3.627_857_880_87], 1e-9),
            (Frame::Fk4, Frame::Galactic, [189.703_030_55, 22.962_400_06], [275.000_254_05, 84.999_961_54], 1e-7),
            (Frame::Galactic, Frame::Fk5, [5.0, 3.0], [266.447_21, -23.107_310], 5e-6),
            (Frame::Galactic, Frame::Fk5, [4.0, 4.0], [264.950_88, -23.434_037], 5e-6),
            (Frame::Galactic, Frame::Fk5, [4.5, 2.0], [267.099_36, -24.051_919], 5e-6),
        ] {
            let found = turned(from, to, lon, lat);
            let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= within);
            assert!(near, "{from:?} {lon} {lat} in {to:?}: {found:?}");
        }
    }

    #[test]
    fn poles_are_where_they_are_defined() {
        let [_, lat] = turned(Frame::Fk4, Frame::Galactic, 192.25, 27.4);
        assert!((lat - 90.0).abs() < 1e-6);
        let [lon, lat] = turned(Frame::Icrs, Frame::Ecliptic, 90.0, OBLIQUITY_DEG);
        assert!((lon - 90.0).abs() < 1e-12 && lat.abs() < 1e-12, "{lon} {lat}");
        let [_, lat] = turned(Frame::Ecliptic, Frame::Icrs, 0.0, 90.0);
        assert!((lat - 90.0 + OBLIQUITY_DEG).abs() < 1e-12);
    }

    #[test]
    fn there_and_back_again() {
        for from in Frame::ALL {
            assert_eq!(Frame::named(from.name()), Some(from));
            for to in Frame::ALL {
                let [lon, lat] = turned(from, to, 123.4, -56.7);
                let [lon, lat] = turned(to, from, lon, lat);
                assert!((lon - 123.4).abs() < 1e-12 && (lat + 56.7).abs() < 1e-12, "{from:?} {to:?}");
            }
        }
        assert_eq!(turned(Frame::Icrs, Frame::Fk5, 0.1, 0.2), turned(Frame::Icrs, Frame::Icrs, 0.1, 0.2));
        assert_eq!(Frame::named("icrs"), None);
    }
}
