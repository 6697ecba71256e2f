//! Numbers, times and decimals as text. Nothing here allocates beyond the output buffer.

use arrow::datatypes::TimeUnit;

/// How NaN, positive and negative infinity are spelt.
pub(crate) struct Nonfinite {
    nan: &'static [u8],
    positive: &'static [u8],
    negative: &'static [u8],
}

/// VOTable 1.4 section 6.
pub(crate) const VOTABLE: Nonfinite = Nonfinite { nan: b"NaN", positive: b"+Inf", negative: b"-Inf" };

/// What Python, Java, R, PostgreSQL and Rust all read.
pub(crate) const PLAIN: Nonfinite = Nonfinite { nan: b"NaN", positive: b"Infinity", negative: b"-Infinity" };

/// What Python writes, and numpy reads.
pub(crate) const PYTHON: Nonfinite = Nonfinite { nan: b"nan", positive: b"inf", negative: b"-inf" };

#[inline]
pub(crate) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The shortest digits that read back as the same single.
#[inline]
pub(crate) fn float(value: f32, nonfinite: &Nonfinite, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(nonfinite.name(f64::from(value)));
    }
}

/// The shortest digits that read back as the same double.
#[inline]
pub(crate) fn double(value: f64, nonfinite: &Nonfinite, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(nonfinite.name(value));
    }
}

impl Nonfinite {
    fn name(&self, value: f64) -> &'static [u8] {
        match (value.is_nan(), value.is_sign_positive()) {
            (true, _) => self.nan,
            (false, true) => self.positive,
            (false, false) => self.negative,
        }
    }
}

/// ISO 8601 UTC without a zone and with as many fraction digits as the value needs. DALI 1.1 section 3.3.3.
pub(crate) fn timestamp(ticks: i64, unit: TimeUnit, out: &mut Vec<u8>) {
    let (per_second, digits) = match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    };
    let (seconds, fraction) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    calendar_date(days, out);
    for (mark, part) in [(b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(mark);
        padded(part.unsigned_abs(), 2, out);
    }
    if fraction > 0 {
        out.push(b'.');
        padded(fraction.unsigned_abs(), digits, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// ISO 8601 date.
pub(crate) fn date(days: i32, out: &mut Vec<u8>) {
    calendar_date(i64::from(days), out);
}

/// Proleptic Gregorian date of a day counted from 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn calendar_date(days: i64, out: &mut Vec<u8>) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if year < 0 {
        out.push(b'-');
    }
    padded(year.unsigned_abs(), 4, out);
    for part in [month, day] {
        out.push(b'-');
        padded(part.unsigned_abs(), 2, out);
    }
}

/// Microseconds since 1970-01-01T00:00:00 of an ISO 8601 UTC time or date of the years 1 to 9999, with or without `Z`; digits beyond
/// microseconds are dropped. DALI 1.1 section 3.3.3; astropy writes a space for the `T`.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let days = day_number(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(6)
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some(((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + micros)
}

/// Three numbers of so many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01 to a proleptic Gregorian date (H. Hinnant, as above); none for a date that isn't.
fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=days_of_month).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// A fixed-point number with exactly `scale` decimals (a negative scale appends zeros).
pub(crate) fn decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    let decimals = usize::try_from(scale).unwrap_or(0);
    match digits.len().checked_sub(decimals).filter(|whole| *whole > 0) {
        Some(whole) => out.extend_from_slice(&digits[..whole]),
        None => out.push(b'0'),
    }
    if decimals > 0 {
        out.push(b'.');
        out.resize(out.len() + decimals.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(&digits[digits.len().saturating_sub(decimals)..]);
    } else if unscaled != 0 {
        out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
    }
}

fn padded(value: u64, digits: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    out.resize(out.len() + digits.saturating_sub(text.len()), b'0');
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn check_time(ticks: i64, unit: TimeUnit, expect: &str) {
        assert_eq!(written(|out| timestamp(ticks, unit, out)), expect);
    }

    #[test]
    fn timestamps_are_dali() {
        check_time(1_493_998_047_522_425, TimeUnit::Microsecond, "2017-05-05T15:27:27.522425");
        check_time(0, TimeUnit::Second, "1970-01-01T00:00:00");
        check_time(-1, TimeUnit::Millisecond, "1969-12-31T23:59:59.999");
        check_time(1_500_000, TimeUnit::Microsecond, "1970-01-01T00:00:01.5");
        check_time(1, TimeUnit::Nanosecond, "1970-01-01T00:00:00.000000001");
        check_time(951_782_400, TimeUnit::Second, "2000-02-29T00:00:00");
        check_time(-62_135_596_800, TimeUnit::Second, "0001-01-01T00:00:00");
        check_time(-62_198_755_200, TimeUnit::Second, "-0001-01-01T00:00:00");
        check_time(i64::MIN, TimeUnit::Microsecond, "-290308-12-21T19:59:05.224192");
        check_time(i64::MAX, TimeUnit::Second, "292277026596-12-04T15:30:07");
    }

    #[test]
    fn timestamps_are_read_as_they_are_written() {
        for ticks in
            [0, -1, 1_493_998_047_522_425, 951_782_400_000_000, -62_135_596_800_000_000, 253_402_300_799_999_999]
        {
            assert_eq!(parse_timestamp(&written(|out| timestamp(ticks, TimeUnit::Microsecond, out))), Some(ticks));
        }
        assert_eq!(parse_timestamp("1970-01-02"), Some(86_400_000_000));
        assert_eq!(parse_timestamp("1970-01-01 00:00:01.5Z"), Some(1_500_000));
        assert_eq!(parse_timestamp("1970-01-01T00:00:00.1234567"), Some(123_456));
        for wrong in [
            "",
            "1970",
            "1970-13-01",
            "1900-02-29",
            "0000-01-01",
            "1970-01-01T24:00:00",
            "1970-01-01T00:00",
            "+970-01-01",
            "1970-01-01T00:00:00+01:00",
            "1970-01-01T00:00:00.x",
        ] {
            assert_eq!(parse_timestamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(written(|out| date(17_291, out)), "2017-05-05");
        assert_eq!(written(|out| date(-1, out)), "1969-12-31");
    }

    #[test]
    fn floats_are_the_shortest_that_read_back() {
        for value in [0.1, -0.0, 1e300, 5e-324, f64::MAX, 1.0 / 3.0, 123_456_789.0] {
            let text = written(|out| double(value, &PLAIN, out));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            assert!(text.len() <= 24, "{text}");
        }
        assert_eq!(written(|out| float(0.1, &PLAIN, out)), "0.1");
        assert_eq!(written(|out| double(f64::NEG_INFINITY, &VOTABLE, out)), "-Inf");
        assert_eq!(written(|out| float(f32::INFINITY, &PLAIN, out)), "Infinity");
        assert_eq!(written(|out| double(-f64::NAN, &VOTABLE, out)), "NaN");
    }

    #[test]
    fn decimals_are_exact() {
        let check = |unscaled, scale, expect: &str| assert_eq!(written(|out| decimal(unscaled, scale, out)), expect);
        check(12_345, 2, "123.45");
        check(-5, 3, "-0.005");
        check(5, 1, "0.5");
        check(0, 2, "0.00");
        check(7, 0, "7");
        check(7, -2, "700");
        check(0, -2, "0");
        check(i128::MIN, 0, "-170141183460469231731687303715884105728");
    }
}
