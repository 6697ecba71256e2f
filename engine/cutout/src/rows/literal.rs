//! Values that files keep as texts or numbers: times, dates, UUIDs and decimal numbers. What is none is told in words.

use chrono::{Datelike, NaiveDate, NaiveDateTime};

/// The days of the years 1 to 9999, counted from 1970-01-01: what has a form in every format that answers are written in.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// Microseconds since 1970 of an ISO 8601 text, UTC; a `Z` at the end is allowed.
pub(super) fn microseconds(text: &str) -> Result<i64, String> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let parsed = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(bare, format).ok());
    let time = parsed.ok_or_else(|| format!("{} is no ISO 8601 time", shown(text)))?;
    in_years(time.date()).map_err(|fault| format!("{} {fault}", shown(text)))?;
    Ok(time.and_utc().timestamp_micros())
}

/// Days since 1970 of a text `2016-05-21`.
pub(super) fn day(text: &str) -> Result<i32, String> {
    let part = |at, byte: u8| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    let is_date = text.len() == 10 && text.bytes().enumerate().all(|(at, byte)| part(at, byte));
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| is_date);
    let date = parsed.ok_or_else(|| format!("{} is no date like 2016-05-21", shown(text)))?;
    in_years(date).map_err(|fault| format!("{} {fault}", shown(text)))?;
    Ok(date.to_epoch_days())
}

/// A day counted from 1970.
pub(super) fn counted_day(days: i64) -> Result<i32, String> {
    match i32::try_from(days) {
        Ok(day) if DAYS.contains(&days) => Ok(day),
        _ => Err(format!("day {days} since 1970 is not of the years 1 to 9999")),
    }
}

fn in_years(date: NaiveDate) -> Result<(), &'static str> {
    if (1..=9999).contains(&date.year()) { Ok(()) } else { Err("is not of the years 1 to 9999") }
}

/// The bytes of a UUID's text: 32 hexadecimal digits of either case, with the usual hyphens or without.
pub(super) fn uuid(text: &str) -> Result<[u8; 16], String> {
    let hyphens = [8, 13, 18, 23];
    let bare: Vec<u8> = match text.len() {
        36 if hyphens.iter().all(|at| text.as_bytes()[*at] == b'-') => {
            text.bytes().enumerate().filter(|(at, _)| !hyphens.contains(at)).map(|(_, digit)| digit).collect()
        }
        _ => text.bytes().collect(),
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes =
        bare.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect::<Option<Vec<u8>>>();
    let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("{} is no UUID", shown(text)))
}

/// A decimal number as a multiple of its last decimal: `12.5` with two decimals is 1250. Nothing is rounded.
pub(super) fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, String> {
    let parsed = parts(text.trim_ascii()).ok_or_else(|| format!("{} is no decimal number", shown(text)))?;
    let (negative, digits, power) = parsed;
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // The power of ten of the last digit that counts, in units of the column's last decimal.
    let trailing = digits.trim_start_matches('0').len() - significant.len();
    let power = power + trailing as i64 + i64::from(scale);
    if power < 0 {
        return Err(format!("{} has more than {scale} digits behind the point", shown(text)));
    }
    if significant.len() as i64 + power > precision.into() {
        return Err(format!("{} has more than {} digits before the point", shown(text), precision - scale));
    }
    let value = significant.parse::<i128>().ok().and_then(|value| value.checked_mul(10i128.checked_pow(power as u32)?));
    let value = value.ok_or_else(|| format!("{} has too many digits", shown(text)))?;
    Ok(if negative { -value } else { value })
}

/// The sign of a number, its digits without a point, and the power of ten of the last one.
fn parts(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let bare = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, decimals) = bare.split_once('.').unwrap_or((bare, ""));
    let digits = format!("{whole}{decimals}");
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    // More than any number in a file needs; less than overflows.
    let exponent: i16 = exponent.parse().ok()?;
    is_number.then(|| (mantissa.starts_with('-'), digits, i64::from(exponent) - decimals.len() as i64))
}

/// The beginning of a text, as messages have it.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(50).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_microsecond() {
        assert_eq!(microseconds("2017-05-05T15:27:27.522425"), Ok(1_493_998_047_522_425));
        assert_eq!(microseconds("1969-12-31 23:59:59.999999Z"), Ok(-1));
        assert_eq!(microseconds("0001-01-01T00:00:00"), Ok(-62_135_596_800_000_000));
        assert!(microseconds("yesterday").is_err());
        assert!(microseconds("0000-12-31T00:00:00").unwrap_err().contains("years 1 to 9999"));
    }

    #[test]
    fn dates_are_days() {
        assert_eq!(day("1970-01-01"), Ok(0));
        assert_eq!(day("1969-12-31"), Ok(-1));
        assert_eq!(day("2016-02-29"), Ok(16_860));
        for (text, days) in [("0001-01-01", *DAYS.start()), ("9999-12-31", *DAYS.end())] {
            assert_eq!(day(text), Ok(days as i32));
            assert_eq!(counted_day(days), Ok(days as i32));
        }
        for wrong in ["2015-02-29", "2016-5-21", "2016-05-21T00:00:00", "16-05-21", "", "+2016-05-2"] {
            assert!(day(wrong).unwrap_err().contains("no date"), "{wrong}");
        }
        assert!(day("0000-01-01").unwrap_err().contains("years 1 to 9999"));
        assert!(counted_day(DAYS.end() + 1).is_err() && counted_day(i64::MIN).is_err());
    }

    #[test]
    fn uuids_have_hyphens_or_none() {
        let bytes = [0xe0, 0xb8, 0x95, 0xca, 0x2e, 0xe4, 0x4f, 0x0f, 0xb5, 0x95, 0xcb, 0xd8, 0x3b, 0xe4, 0x0b, 0x04];
        assert_eq!(uuid("e0b895ca-2ee4-4f0f-b595-cbd83be40b04"), Ok(bytes));
        assert_eq!(uuid("E0B895CA2EE44F0FB595CBD83BE40B04"), Ok(bytes));
        let wrong =
            ["", "e0b895ca", "e0b895ca-2ee4-4f0f-b595-cbd83be40b0g", "e0b895ca-2ee44f0f--b595-cbd83be40b04", "é"];
        for wrong in wrong {
            assert!(uuid(wrong).unwrap_err().contains("no UUID"), "{wrong}");
        }
    }

    #[test]
    fn decimals_are_never_rounded() {
        let check = |text: &str, precision, scale, expected: Result<i128, &str>| match (
            decimal(text, precision, scale),
            expected,
        ) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(fault), Err(words)) => assert!(fault.contains(words), "{fault}"),
            (found, expected) => panic!("{text}: {found:?} instead of {expected:?}"),
        };
        check("12.34", 10, 2, Ok(1234));
        check(" -0012.3 ", 10, 2, Ok(-1230));
        check("+.5", 1, 1, Ok(5));
        check("5.", 1, 0, Ok(5));
        check("1.2340e3", 4, 0, Ok(1234));
        check("12e-1", 2, 1, Ok(12));
        check("0.000", 1, 0, Ok(0));
        check("-0", 1, 1, Ok(0));
        check("1500", 4, 2, Err("more than 2 digits before the point"));
        check("0.1250", 10, 2, Err("more than 2 digits behind the point"));
        check("99999999999999999999999999999999999999", 38, 0, Ok(10i128.pow(38) - 1));
        check("-0.99999999999999999999999999999999999999", 38, 38, Ok(1 - 10i128.pow(38)));
        check("100000000000000000000000000000000000000", 38, 0, Err("before the point"));
        check("1e30000", 38, 0, Err("before the point"));
        check("1e-30000", 38, 38, Err("behind the point"));
        for wrong in ["", ".", "-", "1e", "e5", "1.2.3", "inf", "NaN", "0x10", "1,5", "--1", "1e99999999999", "١"] {
            check(wrong, 38, 2, Err("no decimal number"));
        }
    }
}
