//! Instants and durations as UWS writes them. UWS 1.1 section 2.2.1, DALI 1.1 section 3.3.3.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};

use crate::fault::Fault;

/// An instant, UTC, to the millisecond.
pub(crate) fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads an instant: a day, or a day and a time, in UTC.
///
/// # Errors
/// [`Fault`] for another text.
pub(crate) fn instant(name: &str, text: &str) -> Result<DateTime<Utc>, Fault> {
    let plain = text.trim().trim_end_matches(['Z', 'z']);
    let time = NaiveDateTime::parse_from_str(plain, "%Y-%m-%dT%H:%M:%S%.f");
    let day = || NaiveDate::parse_from_str(plain, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN));
    let shown: String = text.chars().take(40).collect();
    let wrong = |_| Fault::usage(format!("{name} is a time such as 2026-12-24T18:00:00Z, not {shown:?}"));
    Ok(time.or_else(|_| day()).map_err(wrong)?.and_utc())
}

/// Reads a number of seconds; 0 is without an end. What is longer than `most` becomes that.
///
/// # Errors
/// [`Fault`] for another text.
pub(super) fn seconds(name: &str, text: &str, most: u32) -> Result<u32, Fault> {
    let shown: String = text.chars().take(40).collect();
    let wrong = |_| Fault::usage(format!("{name} is a whole number of seconds from 0, not {shown:?}"));
    let asked: u64 = text.trim().parse().map_err(wrong)?;
    Ok(if asked == 0 { most } else { u32::try_from(asked).unwrap_or(most).min(most) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_they_are_read() {
        for (text, expect) in [
            ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00.000Z"),
            ("2026-12-24T18:00:00.1234", "2026-12-24T18:00:00.123Z"),
            ("2026-12-24", "2026-12-24T00:00:00.000Z"),
        ] {
            assert_eq!(written(instant("DESTRUCTION", text).unwrap()), expect);
        }
        for wrong in ["", "tomorrow", "2026-13-01T00:00:00Z", "2026-12-24 18:00:00", "2026-12-24T18:00:00+01:00"] {
            assert!(instant("DESTRUCTION", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_a_bound() {
        for (text, expect) in [("0", 60), ("7", 7), ("61", 60), ("99999999999", 60)] {
            assert_eq!(seconds("EXECUTIONDURATION", text, 60), Ok(expect));
        }
        for wrong in ["-1", "1.5", "", "1h"] {
            assert!(seconds("EXECUTIONDURATION", wrong, 60).is_err(), "{wrong}");
        }
    }
}
