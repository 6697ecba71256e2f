//! Exponents of units: small fractions.

use std::fmt;

/// No larger numbers make sense in an exponent.
const LARGEST: i32 = 1000;

/// A fraction in lowest terms, whose denominator is positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Exponent {
    above: i32,
    below: i32,
}

impl Exponent {
    pub(super) const ONE: Self = Self { above: 1, below: 1 };
    pub(super) const HALF: Self = Self { above: 1, below: 2 };

    pub(super) fn integer(value: i32) -> Self {
        Self { above: value, below: 1 }
    }

    /// A fraction; nothing where it is none, or too large.
    pub(super) fn fraction(above: i32, below: i32) -> Option<Self> {
        if below == 0 {
            return None;
        }
        let divisor = common_divisor(above, below).max(1) * below.signum();
        let reduced = Self { above: above / divisor, below: below / divisor };
        (reduced.above.abs() <= LARGEST && reduced.below <= LARGEST).then_some(reduced)
    }

    /// What decimals without sign write: `2`, `1.5`, `.25`; nothing where they do not, or have too many places.
    pub(super) fn of_decimal(digits: &str) -> Option<Self> {
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let places = places.trim_end_matches('0');
        let all = format!("{whole}{places}");
        let is_number = !all.is_empty() && all.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number || places.len() > 3 {
            return None;
        }
        Self::fraction(all.parse().ok()?, 10_i32.pow(places.len() as u32))
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Self::fraction(self.above * other.below + other.above * self.below, self.below * other.below)
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Self::fraction(self.above * other.above, self.below * other.below)
    }

    pub(super) fn negated(self) -> Self {
        Self { above: -self.above, below: self.below }
    }

    pub(super) fn is_negative(self) -> bool {
        self.above < 0
    }

    pub(super) fn is_zero(self) -> bool {
        self.above == 0
    }

    pub(super) fn as_integer(self) -> Option<i32> {
        (self.below == 1).then_some(self.above)
    }

    pub(super) fn value(self) -> f64 {
        f64::from(self.above) / f64::from(self.below)
    }
}

fn common_divisor(a: i32, b: i32) -> i32 {
    if b == 0 { a.abs() } else { common_divisor(b, a % b) }
}

/// As it stands behind a symbol: nothing for 1, `**2`, `**(1/2)`.
impl fmt::Display for Exponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.above, self.below) {
            (1, 1) => Ok(()),
            (above, 1) => write!(f, "**{above}"),
            (above, below) => write!(f, "**({above}/{below})"),
        }
    }
}
