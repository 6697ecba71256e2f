//! Which part of a file a client wants. RFC 9110 sections 13 and 14.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The part to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// The range lies outside.
    Unsatisfiable,
    /// The client has it already.
    NotModified,
}

/// What to send of `size` bytes whose strong entity tag is `etag` (with its quotes).
///
/// Several ranges at once, and ranges of another unit, are answered with the whole, as the standard allows.
pub(crate) fn extent(headers: &HeaderMap, etag: &str, size: u64) -> Extent {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let names_ours = |list: &str| list.split(',').map(str::trim).any(|tag| tag == "*" || weak(tag) == weak(etag));
    if text(header::IF_NONE_MATCH).is_some_and(names_ours) {
        return Extent::NotModified;
    }
    let Some(range) = text(header::RANGE) else { return Extent::Whole };
    // Only a strong tag vouches for equal bytes; files have no modification date to compare.
    if text(header::IF_RANGE).is_some_and(|tag| tag.trim() != etag) {
        return Extent::Whole;
    }
    let Ok(ranges) = http_range_header::parse_range_header(range.trim()) else { return Extent::Whole };
    match ranges.validate(size) {
        Ok(ranges) => match ranges.as_slice() {
            [range] => Extent::Part(*range.start()..range.end() + 1),
            _ => Extent::Whole,
        },
        Err(_) => Extent::Unsatisfiable,
    }
}

/// A tag without its mark of weakness.
fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[track_caller]
    fn check(headers: &[(HeaderName, &str)], expect: Extent) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        assert_eq!(extent(&headers.collect(), "\"abc\"", 100), expect);
    }

    #[test]
    fn one_range_is_served() {
        check(&[], Extent::Whole);
        check(&[(header::RANGE, "bytes=0-9")], Extent::Part(0..10));
        check(&[(header::RANGE, "bytes=90-")], Extent::Part(90..100));
        check(&[(header::RANGE, "bytes=-1")], Extent::Part(99..100));
        check(&[(header::RANGE, "bytes=50-1000")], Extent::Part(50..100));
        check(&[(header::RANGE, "bytes=-1000")], Extent::Part(0..100));
    }

    #[test]
    fn a_range_outside_is_refused() {
        check(&[(header::RANGE, "bytes=100-")], Extent::Unsatisfiable);
        check(&[(header::RANGE, "bytes=1000-2000")], Extent::Unsatisfiable);
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_answered_whole() {
        for range in ["bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=x-y", "bytes=5-2-1"] {
            check(&[(header::RANGE, range)], Extent::Whole);
        }
    }

    #[test]
    fn tags_decide_before_ranges() {
        check(&[(header::IF_NONE_MATCH, "\"abc\"")], Extent::NotModified);
        check(&[(header::IF_NONE_MATCH, "\"x\", W/\"abc\"")], Extent::NotModified);
        check(&[(header::IF_NONE_MATCH, "\"x\"")], Extent::Whole);
        let part = (header::RANGE, "bytes=0-9");
        check(&[part.clone(), (header::IF_RANGE, "\"abc\"")], Extent::Part(0..10));
        check(&[part.clone(), (header::IF_RANGE, "W/\"abc\"")], Extent::Whole);
        check(&[part, (header::IF_RANGE, "Tue, 15 Nov 1994 12:45:26 GMT")], Extent::Whole);
    }
}
