//! Datestamps, to the second; clients may also ask by days. OAI-PMH 2.0 section 3.3, Registry Interfaces 1.1 section 2.3.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};

use super::refusal::{Refusal, shown};

/// How fine datestamps are, as OAI-PMH writes it.
pub(super) const GRANULARITY: &str = "YYYY-MM-DDThh:mm:ssZ";

/// A bound of a time that a client asks for: a day, or a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// A day.
    Day(NaiveDate),
    /// A second.
    Second(DateTime<Utc>),
}

impl Bound {
    /// Reads an argument.
    ///
    /// # Errors
    /// [`Refusal`] for what is neither.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, Refusal> {
        let wrong = || {
            Refusal::argument(format!("{name} is a day or second such as 2026-12-24T18:00:00Z, not {:?}", shown(text)))
        };
        // Years have four digits, and everything else two.
        let form = if text.len() == 10 { "dddd-dd-dd" } else { "dddd-dd-ddTdd:dd:ddZ" };
        let of_form = |(letter, form): (u8, u8)| if form == b'd' { letter.is_ascii_digit() } else { letter == form };
        if text.len() != form.len() || !text.bytes().zip(form.bytes()).all(of_form) {
            return Err(wrong());
        }
        let read = match text.len() {
            10 => NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Self::Day),
            _ => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").map(|time| Self::Second(time.and_utc())),
        };
        read.map_err(|_| wrong())
    }

    /// Whether both are days, or both seconds.
    pub(super) fn is_like(self, other: Self) -> bool {
        matches!(self, Self::Day(_)) == matches!(other, Self::Day(_))
    }

    /// Its first second.
    pub(super) fn first(self) -> DateTime<Utc> {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN).and_utc(),
            Self::Second(second) => second,
        }
    }

    /// Its last second.
    pub(super) fn last(self) -> DateTime<Utc> {
        match self {
            Self::Day(day) => {
                let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
                next.and_time(NaiveTime::MIN).and_utc() - TimeDelta::seconds(1)
            }
            Self::Second(second) => second,
        }
    }
}

/// A datestamp.
pub(super) fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_days_or_seconds() {
        for (text, first, last) in [
            ("2026-12-24", "2026-12-24T00:00:00Z", "2026-12-24T23:59:59Z"),
            ("2026-12-24T18:00:01Z", "2026-12-24T18:00:01Z", "2026-12-24T18:00:01Z"),
        ] {
            let bound = Bound::read("from", text).unwrap();
            assert_eq!((written(bound.first()), written(bound.last())), (first.to_owned(), last.to_owned()));
        }
        for wrong in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "26-1-1-1-1",
            "+026-01-01",
            "2026-12-24T18:00:00",
            "2026-12-24T18:00Z",
            "2026-12-24T18:00:00.5Z",
            "2026-12-24T25:00:00Z",
            "2026-12-24 18:00:00Z",
            "2026-12-2é",
        ] {
            assert!(Bound::read("from", wrong).is_err(), "{wrong}");
        }
    }
}
