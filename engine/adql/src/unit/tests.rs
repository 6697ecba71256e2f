use super::*;

fn unit(text: &str) -> Unit {
    Unit::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn factor(from: &str, to: &str) -> f64 {
    match unit(from).conversion(&unit(to)).unwrap_or_else(|error| panic!("{error}")) {
        Conversion::Same => 1.0,
        Conversion::Times(factor) => factor,
        Conversion::Over(divisor) => 1.0 / divisor,
        Conversion::Degrees => 180.0 / std::f64::consts::PI,
        Conversion::Radians => std::f64::consts::PI / 180.0,
    }
}

#[test]
fn what_is_whole_is_exact() {
    for (from, to, expected) in [
        ("deg", "arcsec", 3600.0),
        ("deg", "mas", 3.6e6),
        ("arcsec", "mas", 1000.0),
        ("arcsec", "uas", 1e6),
        ("arcsec", "uarcsec", 1e6),
        ("mas", "marcsec", 1.0),
        ("d", "s", 86_400.0),
        ("yr", "d", 365.25),
        ("km/s", "m/s", 1000.0),
        ("km.s**-1", "m/s", 1000.0),
        ("GHz", "MHz", 1000.0),
        ("Jy", "mJy", 1000.0),
        ("mag", "mmag", 1000.0),
        ("byte", "bit", 8.0),
        ("KiB", "byte", 1024.0),
        ("10**3m", "km", 1.0),
        ("sqrt(m**2)", "cm", 100.0),
        ("ct/s", "count/s", 1.0),
        ("um**-1", "um**-1", 1.0),
        ("log(Hz)", "log(Hz)", 1.0),
    ] {
        assert_eq!(factor(from, to), expected, "{from} in {to}");
    }
    assert_eq!(unit("mas").conversion(&unit("arcsec")), Ok(Conversion::Over(1000.0)));
    assert_eq!(unit("rad").conversion(&unit("deg")), Ok(Conversion::Degrees));
    assert_eq!(unit("deg").conversion(&unit("rad")), Ok(Conversion::Radians));
}

#[test]
fn physics_holds() {
    // Numbers of astropy 8.0 and of the definitions.
    for (from, to, expected) in [
        ("pc", "m", 3.085_677_581_491_367e16),
        ("kpc", "lyr", 3_261.563_777_167_433_6),
        ("pc", "AU", 206_264.806_247_096_36),
        ("deg**2", "sr", 3.046_174_197_867_085_7e-4),
        ("erg.s**-1.cm**-2", "W/m**2", 1e-3),
        ("eV", "J", 1.602_176_634e-19),
        ("Jy", "W.m**-2.Hz**-1", 1e-26),
        ("mas/yr", "deg/d", 7.605_141_075_366_948e-10),
        ("mas/yr", "rad/s", 1.536_281_850_044_160_4e-16),
        ("solLum/pc**2", "W.m**-2", 4.020_414_574_226_875_6e-7),
        ("Angstrom", "nm", 0.1),
        ("km/(s.Mpc)", "s**-1", 3.240_779_289_444_365e-20),
        ("Ry", "eV", 13.605_693_122_990),
        ("R", "photon.cm**-2.s**-1.sr**-1", 79_577.471_545_947_67),
        ("1.5m", "mm", 1500.0),
        ("Hz**(1/2)", "s**(-1/2)", 1.0),
        ("Hz**(0.5)", "sqrt(Hz)", 1.0),
        ("%", "%", 1.0),
    ] {
        let found = factor(from, to);
        assert!((found / expected - 1.0).abs() < 1e-14, "{from} in {to}: {found} instead of {expected}");
    }
}

#[test]
fn unlike_things_are_not_converted() {
    let refusal = |from: &str, to: &str| unit(from).conversion(&unit(to)).unwrap_err();
    for (from, to) in
        [("deg", "kg"), ("count", "photon"), ("mag", "Jy"), ("mag", "dB"), ("log(Hz)", "log(MHz)"), ("rad", "m/m**2")]
    {
        assert!(matches!(refusal(from, to), UnitError::Incompatible { .. }), "{from} in {to}");
    }
    for (from, to) in [("deg", "foo"), ("furlong", "m"), ("'m'", "m"), ("foo", "foo"), ("degree", "deg")] {
        assert!(matches!(refusal(from, to), UnitError::Unknown(_)), "{from} in {to}");
    }
    assert!(matches!(refusal("Qm**100", "m**100"), UnitError::OutOfRange { .. }));
}

#[test]
fn the_grammar_is_that_of_vounits() {
    for text in ["", "1", "m/m"] {
        assert_eq!(Unit::parse(text), Err(UnitError::Unitless), "{text}");
    }
    for text in [
        "m s", "m*s", "m^2", "m2", "km s-1", "m/s/s", "m**", "m**x", "(m", "m)", "/s", "m.", ".m", "m/", "2", "10**",
        "m**1.5", "m**(1/0)", "'", "'m", "m s**-1 ", "(m/s)**2", "é", "m**99999",
    ] {
        assert!(matches!(Unit::parse(text), Err(UnitError::Grammar { .. })), "{text}: {:?}", Unit::parse(text));
    }
    assert!(Unit::parse(&"(".repeat(100)).is_err() && Unit::parse(&"m.".repeat(10_000)).is_err());
    let said = Unit::parse("km s**-1").unwrap_err().to_string();
    assert!(said.contains("character 3") && said.contains("with a dot"), "{said}");
}

#[test]
fn products_are_written_as_vounits() {
    let product = |a: &str, b: &str| unit(a).times(&unit(b)).unwrap().to_string();
    let quotient = |a: &str, b: &str| unit(a).over(&unit(b)).unwrap().to_string();
    assert_eq!(product("mas/yr", "yr"), "mas");
    assert_eq!(product("mas", "mas"), "mas**2");
    assert_eq!(product("km/s", "kg"), "km.kg/s");
    assert_eq!(quotient("mas", "yr"), "mas/yr");
    assert_eq!(quotient("mas/yr", "yr"), "mas/yr**2");
    assert_eq!(quotient("kg", "m.s**2"), "kg.m**-1.s**-2");
    assert_eq!(Unit::one().over(&unit("um**-1")).unwrap().to_string(), "um");
    assert_eq!(Unit::one().over(&unit("s")).unwrap().to_string(), "s**-1");
    assert_eq!(unit("mas**2").root().unwrap().to_string(), "mas");
    assert_eq!(unit("m").root().unwrap().to_string(), "m**(1/2)");
    assert_eq!(unit("mas/yr").to_the_power("2", false).unwrap().to_string(), "mas**2/yr**2");
    assert!(unit("m/m**3").over(&unit("m**-2")).unwrap().is_one());
    assert!(unit("m/s").same(&unit("s**-1.m")) && !unit("m/s").same(&unit("km/s")));
    for text in ["mas/yr", "10**3m", "1.898e27kg", "kg.m**2.s**-2", "'furlong'/s", "log(1000Hz)"] {
        let again = unit(&unit(text).to_string());
        assert!(again.same(&unit(text)), "{text}: {again}");
    }
}
