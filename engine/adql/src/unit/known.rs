//! The units that VOUnits 1.1 knows (table 1), and what they are worth.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use super::exponent::Exponent;
use super::{Scale, Symbol, Worth, parse};

/// A known unit.
struct Known {
    symbol: &'static str,
    /// Whether a prefix may stand before it.
    prefixed: bool,
    /// It is worth this number, as a quotient, …
    scale: [f64; 2],
    /// … times this unit; nothing for a base unit.
    of: &'static str,
}

const fn base(symbol: &'static str) -> Known {
    Known { symbol, prefixed: true, scale: [1.0, 1.0], of: "" }
}

const fn exactly(symbol: &'static str, of: &'static str) -> Known {
    times(symbol, 1.0, of)
}

const fn times(symbol: &'static str, number: f64, of: &'static str) -> Known {
    Known { symbol, prefixed: true, scale: [number, 1.0], of }
}

const fn over(symbol: &'static str, number: f64, of: &'static str) -> Known {
    Known { symbol, prefixed: true, scale: [1.0, number], of }
}

const fn unprefixed(known: Known) -> Known {
    Known { prefixed: false, ..known }
}

/// An astronomical unit in metres, by definition. IAU 2012 resolution B2.
const AU_M: f64 = 149_597_870_700.0;

/// All of them. Numbers are definitions where there is one, else of CODATA 2022; the Sun's are nominal (IAU 2015 resolution B3), its
/// mass by the nominal product of mass and constant of gravity.
const KNOWN: &[Known] = &[
    base("m"),
    base("s"),
    base("g"),
    base("A"),
    base("K"),
    base("mol"),
    base("cd"),
    // Angles.
    base("deg"),
    Known { symbol: "rad", prefixed: true, scale: [180.0, PI], of: "deg" },
    over("arcmin", 60.0, "deg"),
    over("arcsec", 3600.0, "deg"),
    unprefixed(over("mas", 3.6e6, "deg")),
    exactly("sr", "rad**2"),
    // Times.
    times("min", 60.0, "s"),
    times("h", 3600.0, "s"),
    times("d", 86_400.0, "s"),
    times("a", 31_557_600.0, "s"),
    times("yr", 31_557_600.0, "s"),
    times("ta", 365.242_19, "d"),
    times("Ba", 365.242_198_781, "d"),
    // Lengths.
    unprefixed(times("AU", AU_M, "m")),
    unprefixed(times("au", AU_M, "m")),
    Known { symbol: "pc", prefixed: true, scale: [AU_M * 648_000.0, PI], of: "m" },
    times("lyr", 9_460_730_472_580_800.0, "m"),
    times("solRad", 6.957e8, "m"),
    over("Angstrom", 1e10, "m"),
    over("angstrom", 1e10, "m"),
    // Mechanics and heat.
    exactly("Hz", "s**-1"),
    exactly("N", "kg.m.s**-2"),
    exactly("Pa", "N.m**-2"),
    exactly("J", "N.m"),
    exactly("W", "J/s"),
    over("erg", 1e7, "J"),
    times("eV", 1.602_176_634e-19, "J"),
    times("Ry", 13.605_693_122_990, "eV"),
    times("u", 1.660_539_068_92e-27, "kg"),
    times("solMass", 1.988_409_870_698_051e30, "kg"),
    times("solLum", 3.828e26, "W"),
    over("barn", 1e28, "m**2"),
    over("Jy", 1e26, "W.m**-2.Hz**-1"),
    // Electricity and light.
    exactly("C", "A.s"),
    exactly("V", "W/A"),
    exactly("Ohm", "V/A"),
    exactly("S", "A/V"),
    exactly("F", "C/V"),
    exactly("Wb", "V.s"),
    exactly("T", "Wb/m**2"),
    exactly("H", "Wb/A"),
    over("G", 1e4, "T"),
    times("D", 3.335_640_951_981_521e-30, "C.m"),
    exactly("lm", "cd.sr"),
    exactly("lx", "lm/m**2"),
    Known { symbol: "R", prefixed: true, scale: [1e10, 4.0 * PI], of: "photon.m**-2.s**-1.sr**-1" },
    // What is counted, and what is a logarithm.
    base("count"),
    exactly("ct", "count"),
    base("photon"),
    exactly("ph", "photon"),
    base("pixel"),
    exactly("pix", "pixel"),
    base("voxel"),
    base("adu"),
    base("beam"),
    base("bin"),
    base("chan"),
    base("bit"),
    times("byte", 8.0, "bit"),
    times("B", 8.0, "bit"),
    base("mag"),
    unprefixed(base("dB")),
    unprefixed(base("Sun")),
    unprefixed(Known { symbol: "%", prefixed: false, scale: [1.0, 100.0], of: "1" }),
];

/// Prefixes and the powers of ten that they stand for.
const DECIMAL: [(&str, i32); 24] = [
    ("k", 3),
    ("m", -3),
    ("M", 6),
    ("u", -6),
    ("G", 9),
    ("n", -9),
    ("T", 12),
    ("p", -12),
    ("h", 2),
    ("c", -2),
    ("d", -1),
    ("P", 15),
    ("f", -15),
    ("E", 18),
    ("a", -18),
    ("Z", 21),
    ("z", -21),
    ("Y", 24),
    ("y", -24),
    ("R", 27),
    ("r", -27),
    ("Q", 30),
    ("q", -30),
    ("da", 1),
];

/// Prefixes of bits and bytes, and the powers of two that they stand for.
const BINARY: [(&str, i32); 8] =
    [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60), ("Zi", 70), ("Yi", 80)];

/// What a symbol is worth; nothing for one that is not known.
pub(super) fn worth(symbol: &Symbol) -> Option<Worth> {
    match symbol {
        Symbol::Named(text) => of_text(text),
        Symbol::Quoted(_) => None,
        // It is what it is.
        Symbol::Function(text) => {
            Some(Worth { scale: Scale::ONE, bases: BTreeMap::from([(text.clone(), Exponent::ONE)]) })
        }
    }
}

fn of_text(text: &str) -> Option<Worth> {
    if let Some(known) = known(text) {
        return of_known(known);
    }
    let decimal = DECIMAL.iter().find_map(|(prefix, power)| {
        let known = known(text.strip_prefix(prefix)?).filter(|known| known.prefixed)?;
        Some((known, Scale { multiplied: 10.0, divided: 1.0 }.to_the(Exponent::integer(*power))))
    });
    let binary = || {
        BINARY.iter().find_map(|(prefix, power)| {
            let known = known(text.strip_prefix(prefix)?).filter(|known| ["bit", "byte", "B"].contains(&known.symbol));
            Some((known?, Scale { multiplied: 2.0, divided: 1.0 }.to_the(Exponent::integer(*power))))
        })
    };
    let (known, scale) = decimal.or_else(binary)?;
    let worth = of_known(known)?;
    Some(Worth { scale: worth.scale.times(scale), ..worth })
}

fn known(symbol: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.symbol == symbol)
}

fn of_known(known: &Known) -> Option<Worth> {
    let [multiplied, divided] = known.scale;
    if known.of.is_empty() {
        return Some(Worth { scale: Scale::ONE, bases: BTreeMap::from([(known.symbol.to_owned(), Exponent::ONE)]) });
    }
    let worth = parse::parse(known.of).ok()?.worth().ok()?;
    Some(Worth { scale: worth.scale.times(Scale { multiplied, divided }), ..worth })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_worth_something_and_no_prefix_hides_another() {
        for known in KNOWN {
            let worth = of_known(known).unwrap_or_else(|| panic!("{}", known.symbol));
            assert!(worth.scale.multiplied.is_normal() && worth.scale.divided.is_normal(), "{}", known.symbol);
        }
        let text = |text: &str| of_text(text).map(|worth| worth.scale.multiplied / worth.scale.divided);
        assert_eq!(
            [text("Pa"), text("ha"), text("cd"), text("au")],
            [Some(1000.0), Some(3.15576e9), Some(1.0), Some(AU_M)]
        );
        assert_eq!([text("KiB"), text("kB"), text("mmas"), text("furlong")], [Some(8192.0), Some(8000.0), None, None]);
    }
}
