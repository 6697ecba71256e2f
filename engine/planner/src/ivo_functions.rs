//! User defined functions that the IVOA's catalogue describes (Catalogue of ADQL User Defined Functions 1.2).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::comparison::ilike;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::{Signature, Volatility};
use spolia_adql::names;

use crate::functions::{AdqlFunction, doubles, row};

/// The modified Julian date of 1970-01-01, and what a Julian date has more.
const MJD_OF_1970: f64 = 40_587.0;
const JD_LESS_MJD: f64 = 2_400_000.5;
const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// All of them but those about pixels, which are in `geometry`.
pub(crate) fn all() -> impl Iterator<Item = AdqlFunction> {
    let texts = |count| Signature::exact(vec![DataType::Utf8; count], Volatility::Immutable);
    let times = || {
        let types = vec![TIME, DataType::Date32, DataType::Utf8];
        Signature::uniform(1, types, Volatility::Immutable)
    };
    let (flag, number) = (DataType::Int32, DataType::Float64);
    let random = Signature::exact(vec![DataType::Float64; 2], Volatility::Volatile);
    [
        AdqlFunction::new(names::IVO_HASWORD, texts(2), flag.clone(), |arrays| flags(arrays, has_words)),
        AdqlFunction::new(names::IVO_HASHLIST_HAS, texts(2), flag.clone(), |arrays| flags(arrays, list_has)),
        AdqlFunction::new(names::IVO_NOCASEMATCH, texts(2), flag.clone(), no_case_match),
        AdqlFunction::new(names::IVO_INTERVAL_OVERLAPS, doubles(4), flag, interval_overlaps),
        AdqlFunction::new(names::IVO_TO_JD, times(), number.clone(), |arrays| days(arrays, JD_LESS_MJD)),
        AdqlFunction::new(names::IVO_TO_MJD, times(), number.clone(), |arrays| days(arrays, 0.0)),
        AdqlFunction::new(names::IVO_NORMAL_RANDOM, random, number.clone(), normal_random),
        AdqlFunction::new(names::IVO_HMS_TO_DEGREES, texts(1), number.clone(), |arrays| angles(arrays, 'h')),
        AdqlFunction::new(names::IVO_DMS_TO_DEGREES, texts(1), number, |arrays| angles(arrays, 'd')),
    ]
    .into_iter()
}

/// IVO_NORMAL_RANDOM(mean, deviation): another number in every row.
fn normal_random(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let one = |i| row::<2>(arrays, i).map(|[mean, deviation]| mean + deviation * normal());
    Ok(Arc::new((0..arrays[0].len()).map(one).collect::<Float64Array>()))
}

/// A random number of mean 0 and deviation 1. Box and Muller 1958.
fn normal() -> f64 {
    // Never 0, which has no logarithm.
    let [one, other] = [1.0 - rand::random::<f64>(), rand::random::<f64>()];
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Whether something holds of two texts: 1 or 0.
fn flags(arrays: &[ArrayRef], holds: fn(&str, &str) -> bool) -> Result<ArrayRef> {
    let [first, second]: [&StringArray; 2] = [arrays[0].as_string(), arrays[1].as_string()];
    let one = |(a, b): (Option<&str>, Option<&str>)| Some(i32::from(holds(a?, b?)));
    Ok(Arc::new(first.iter().zip(second).map(one).collect::<Int32Array>()))
}

fn has_words(haystack: &str, needle: &str) -> bool {
    let words = |text: &str| -> std::collections::HashSet<String> {
        let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    words(needle).is_subset(&words(haystack))
}

fn list_has(list: &str, item: &str) -> bool {
    !item.contains('#') && list.split('#').any(|held| held.to_lowercase() == item.to_lowercase())
}

fn no_case_match(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    Ok(cast(&ilike(&arrays[0], &arrays[1])?, &DataType::Int32)?)
}

fn interval_overlaps(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let overlap = |[a1, b1, a2, b2]: [f64; 4]| i32::from(a1 <= b1 && a2 <= b2 && a1 <= b2 && a2 <= b1);
    let rows = 0..arrays[0].len();
    Ok(Arc::new(rows.map(|i| row::<4>(arrays, i).map(overlap)).collect::<Int32Array>()))
}

/// Timestamps as days and parts of them, from the beginning of the modified Julian date, and so many more.
fn days(arrays: &[ArrayRef], more: f64) -> Result<ArrayRef> {
    let times = cast(&arrays[0], &TIME)?;
    let day = |us: i64| {
        let (whole, part) = (us.div_euclid(MICROSECONDS_A_DAY), us.rem_euclid(MICROSECONDS_A_DAY));
        (whole as f64 + MJD_OF_1970 + more) + part as f64 / MICROSECONDS_A_DAY as f64
    };
    let times = times.as_primitive::<TimestampMicrosecondType>();
    Ok(Arc::new(times.iter().map(|us| us.map(day)).collect::<Float64Array>()))
}

fn angles(arrays: &[ArrayRef], unit: char) -> Result<ArrayRef> {
    let texts: &StringArray = arrays[0].as_string();
    let hour = if unit == 'h' { 15.0 } else { 1.0 };
    Ok(Arc::new(texts.iter().map(|text| sexagesimal(text?, unit).map(|value| value * hour)).collect::<Float64Array>()))
}

/// `d:m:s`, `dDmMsS` or `ddmmss`, with a sign before it or not, where `d` is the letter of the unit.
fn sexagesimal(text: &str, unit: char) -> Option<f64> {
    let text = text.trim().to_ascii_lowercase();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    let parts: Vec<&str> = match rest.strip_suffix('s') {
        Some(rest) => rest.split([unit, 'm']).collect(),
        None if rest.contains(':') => rest.split(':').collect(),
        None => vec![rest.get(..2)?, rest.get(2..4)?, rest.get(4..)?],
    };
    let [units, minutes, seconds] = <[&str; 3]>::try_from(parts).ok()?;
    let whole =
        |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?;
    let (units, minutes) = (f64::from(whole(units)?), f64::from(whole(minutes)?));
    let is_number = seconds.bytes().all(|digit| digit.is_ascii_digit() || digit == b'.');
    let seconds = seconds.parse::<f64>().ok().filter(|_| is_number)?;
    (minutes < 60.0 && seconds < 60.0).then_some(sign * (units + minutes / 60.0 + seconds / 3600.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_s_examples() {
        assert!(
            has_words("Miller and Urey have", "miller") && has_words("shown that a primordial", "shown primordial")
        );
        assert!(!has_words("shown that a primordial", "soup") && !has_words("shown that a primordial", "shown soup"));
        assert!(list_has("Red#green#blue", "red") && !list_has("red#green#blue", "re"));
        assert!(!list_has("red#green#blue", "red#green"));
        for text in ["3:34:45.4", "3h34m45.4s", "3H34M45.4S", "033445.4"] {
            assert!((sexagesimal(text, 'h').unwrap() * 15.0 - 53.689_166_666_7).abs() < 1e-9, "{text}");
        }
        for (text, value) in
            [("42:9:6.768", 42.15188), ("42D9M6.768S", 42.15188), ("-00:15:00", -0.25), ("+0d15m0s", 0.25)]
        {
            assert!((sexagesimal(text, 'd').unwrap() - value).abs() < 1e-12, "{text}");
        }
        for text in ["", "12", "1:2", "1:2:3:4", "a:b:c", "1:60:0", "1:-2:3", "1h2m3", "1:2:1e1", "é1:2:3"] {
            assert_eq!(sexagesimal(text, 'd'), None, "{text}");
        }
    }
}
