//! Units of measure, written as VOUnits 1.1 says, what arithmetic makes of them, and what one is in another.
//!
//! A [`Unit`] is a number times powers of symbols. Symbols need not be known: products and quotients of them can be written all the
//! same. Only a conversion asks what they are worth (`known`), as a number times powers of base units: angles, counts, photons and the
//! like are bases of their own, so that nothing is made of what is not alike.

mod exponent;
mod known;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use exponent::Exponent;

/// A unit: a number times powers of symbols, each of which stands once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    number: Scale,
    powers: Vec<(Symbol, Exponent)>,
}

/// What a power is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Symbol {
    /// A unit with its prefix, as it is written.
    Named(String),
    /// A unit in quotes, which is none of the known ones, with its prefix and quotes.
    Quoted(String),
    /// A function of a unit other than a root, as it is written: equal to itself, and to nothing else.
    Function(String),
}

impl Symbol {
    fn text(&self) -> &str {
        match self {
            Self::Named(text) | Self::Quoted(text) | Self::Function(text) => text,
        }
    }
}

/// A positive number as a quotient: so that 3600 is the quotient of a degree and an arcsecond, and not nearly so.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    multiplied: f64,
    divided: f64,
}

impl Scale {
    const ONE: Self = Self { multiplied: 1.0, divided: 1.0 };

    fn times(self, other: Self) -> Self {
        Self { multiplied: self.multiplied * other.multiplied, divided: self.divided * other.divided }
    }

    fn to_the(self, exponent: Exponent) -> Self {
        let Self { multiplied, divided } = self;
        let inverted = Self { multiplied: divided, divided: multiplied };
        let (base, exponent) = if exponent.is_negative() { (inverted, exponent.negated()) } else { (self, exponent) };
        let power = |value: f64| match exponent.as_integer() {
            Some(whole) => value.powi(whole),
            None => value.powf(exponent.value()),
        };
        Self { multiplied: power(base.multiplied), divided: power(base.divided) }
    }
}

/// What a unit is worth: a number times powers of base units.
#[derive(Debug, Clone, PartialEq)]
struct Worth {
    scale: Scale,
    bases: BTreeMap<String, Exponent>,
}

/// Why a value cannot be given in another unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    /// The text does not follow the grammar of VOUnits.
    #[error("\"{text}\" is no unit of VOUnits: {fault}")]
    Grammar { text: String, fault: String },
    /// A symbol stands for nothing that is known.
    #[error("\"{0}\" is no known unit of VOUnits")]
    Unknown(String),
    /// The two measure different things.
    #[error("\"{from}\" cannot be given in \"{to}\"")]
    Incompatible { from: String, to: String },
    /// A unit of nothing.
    #[error("without a unit there is nothing to convert to")]
    Unitless,
    /// The factor is no finite number.
    #[error("\"{from}\" is too far from \"{to}\"")]
    OutOfRange { from: String, to: String },
}

/// How values of one unit become values of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Conversion {
    /// They are the same.
    Same,
    /// By this factor.
    Times(f64),
    /// By this divisor, which is a whole number.
    Over(f64),
    /// From radians to degrees.
    Degrees,
    /// From degrees to radians.
    Radians,
}

impl Unit {
    /// The unit that `text` writes. VOUnits 1.1, appendix C.
    ///
    /// # Errors
    /// [`UnitError::Grammar`] for what is none, [`UnitError::Unitless`] for an empty text, a 1, and symbols that cancel out.
    pub(crate) fn parse(text: &str) -> Result<Self, UnitError> {
        let unit = parse::parse(text)?;
        if unit.powers.is_empty() { Err(UnitError::Unitless) } else { Ok(unit) }
    }

    /// The product with another unit; nothing where an exponent is too large.
    pub(crate) fn times(&self, other: &Self) -> Option<Self> {
        let mut product = Self { number: self.number.times(other.number), powers: self.powers.clone() };
        for (symbol, exponent) in &other.powers {
            product.multiply(symbol.clone(), *exponent)?;
        }
        Some(product)
    }

    /// The quotient by another unit; nothing where an exponent is too large.
    pub(crate) fn over(&self, other: &Self) -> Option<Self> {
        self.times(&other.to_the(Exponent::integer(-1))?)
    }

    /// The unit to a power that is written in decimals, as `2` or `0.5`; nothing for what is none, or too large.
    pub(crate) fn to_the_power(&self, digits: &str, negative: bool) -> Option<Self> {
        let exponent = Exponent::of_decimal(digits)?;
        self.to_the(if negative { exponent.negated() } else { exponent })
    }

    /// The square root.
    pub(crate) fn root(&self) -> Option<Self> {
        self.to_the(Exponent::HALF)
    }

    /// What has no unit, to begin products with.
    pub(crate) fn one() -> Self {
        Self { number: Scale::ONE, powers: Vec::new() }
    }

    /// Whether all symbols have cancelled out, and no number is left.
    pub(crate) fn is_one(&self) -> bool {
        self.powers.is_empty() && self.number.multiplied == self.number.divided
    }

    /// Whether the two are the same, in whatever order they are written.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let sorted = |unit: &Self| {
            let mut powers = unit.powers.clone();
            powers.sort();
            powers
        };
        self.number == other.number && sorted(self) == sorted(other)
    }

    /// How values in this unit become values in another.
    ///
    /// # Errors
    /// [`UnitError`] where they cannot.
    pub(crate) fn conversion(&self, to: &Self) -> Result<Conversion, UnitError> {
        if self.same(to) {
            // A unit that is not known is equal to itself, but can hardly have been meant.
            return to.worth().map(|_| Conversion::Same);
        }
        let (own, wanted) = (self.worth()?, to.worth()?);
        let pair = || (self.to_string(), to.to_string());
        if own.bases != wanted.bases || own.bases.is_empty() {
            let (from, to) = pair();
            return Err(UnitError::Incompatible { from, to });
        }
        let above = own.scale.multiplied * wanted.scale.divided;
        let below = own.scale.divided * wanted.scale.multiplied;
        let (factor, divisor) = (above / below, below / above);
        if !(factor.is_normal() && divisor.is_normal()) {
            let (from, to) = pair();
            return Err(UnitError::OutOfRange { from, to });
        }
        Ok(match factor {
            1.0 => Conversion::Same,
            _ if factor == 180.0 / std::f64::consts::PI => Conversion::Degrees,
            _ if divisor == 180.0 / std::f64::consts::PI => Conversion::Radians,
            _ if divisor > 1.0 && divisor.trunc() == divisor => Conversion::Over(divisor),
            _ => Conversion::Times(factor),
        })
    }

    fn to_the(&self, exponent: Exponent) -> Option<Self> {
        let power = |(symbol, own): &(Symbol, Exponent)| Some((symbol.clone(), own.times(exponent)?));
        let powers = self.powers.iter().map(power).collect::<Option<Vec<_>>>()?;
        let powers = powers.into_iter().filter(|(_, exponent)| !exponent.is_zero()).collect();
        Some(Self { number: self.number.to_the(exponent), powers })
    }

    fn multiply(&mut self, symbol: Symbol, exponent: Exponent) -> Option<()> {
        match self.powers.iter().position(|(known, _)| *known == symbol) {
            Some(place) => {
                let sum = self.powers[place].1.plus(exponent)?;
                if sum.is_zero() {
                    self.powers.remove(place);
                } else {
                    self.powers[place].1 = sum;
                }
            }
            None => self.powers.push((symbol, exponent)),
        }
        Some(())
    }

    fn worth(&self) -> Result<Worth, UnitError> {
        let mut worth = Worth { scale: self.number, bases: BTreeMap::new() };
        for (symbol, exponent) in &self.powers {
            let of_symbol = known::worth(symbol).ok_or_else(|| UnitError::Unknown(symbol.text().to_owned()))?;
            worth.scale = worth.scale.times(of_symbol.scale.to_the(*exponent));
            for (base, power) in of_symbol.bases {
                let too_large = || UnitError::Unknown(self.to_string());
                let added = power.times(*exponent).ok_or_else(too_large)?;
                let sum = worth.bases.get(&base).map_or(Some(added), |own| own.plus(added)).ok_or_else(too_large)?;
                worth.bases.insert(base, sum);
            }
        }
        worth.bases.retain(|_, exponent| !exponent.is_zero());
        Ok(worth)
    }
}

/// As VOUnits writes it: `mas/yr`, `kg.m**2.s**-2`.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.multiplied / self.number.divided;
        if number != 1.0 {
            if (1e-3..1e9).contains(&number) { write!(f, "{number}")? } else { write!(f, "{number:e}")? }
        }
        // There is one division at most, and none without a product before it.
        let (above, below): (Vec<_>, Vec<_>) = self.powers.iter().partition(|(_, exponent)| !exponent.is_negative());
        let divides = below.len() == 1 && !above.is_empty();
        let products = above.iter().chain(below.iter().filter(|_| !divides));
        for (place, (symbol, exponent)) in products.enumerate() {
            let dot = if place > 0 { "." } else { "" };
            write!(f, "{dot}{}{exponent}", symbol.text())?;
        }
        match below.as_slice() {
            [(symbol, exponent)] if divides => write!(f, "/{}{}", symbol.text(), exponent.negated()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
