//! The forms of what is published: texts, identifiers, addresses. Whatever would make a record that the schemas do not take is refused here.

use crate::error::ServerError;

/// Letters of an authority at least (IVOA Identifiers 2.0 section 2.3.1) and at most.
const AUTHORITY_LENGTH: std::ops::RangeInclusive<usize> = 3..=100;

/// What is wrong with a setting.
pub(super) fn fault(setting: &str, fault: impl Into<String>) -> ServerError {
    ServerError::Registry { setting: setting.to_owned(), fault: fault.into() }
}

/// A text that must be there.
pub(super) fn text(setting: &str, given: &str) -> Result<(), ServerError> {
    match given.trim() {
        "" => Err(fault(setting, "is not given, and the records need it")),
        _ => Ok(()),
    }
}

/// A name of so many letters at most.
pub(super) fn short_name(setting: &str, given: &str, most: usize) -> Result<(), ServerError> {
    match given.chars().count() {
        length if length > most => Err(fault(setting, format!("has {length} letters; it may have {most}"))),
        _ => Ok(()),
    }
}

/// A naming authority: letters and digits, and after the first one what RFC 3986 reserves for nothing. IVOA Identifiers 2.0 section 2.3.1.
pub(super) fn authority(setting: &str, given: &str) -> Result<(), ServerError> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let is_one = AUTHORITY_LENGTH.contains(&given.len())
        && given.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && given.bytes().all(unreserved);
    let no_authority =
        || format!("{given:?} is no naming authority: 3 letters or more of A-Z a-z 0-9 - . _ ~, such as org.example");
    if is_one { Ok(()) } else { Err(fault(setting, no_authority())) }
}

/// The identifier of a record.
pub(super) fn identifier(setting: &str, given: &str) -> Result<(), ServerError> {
    let (name, key) = given.strip_prefix("ivo://").map_or((given, None), |rest| match rest.split_once('/') {
        Some((name, key)) => (name, Some(key)),
        None => (rest, None),
    });
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let is_one = given.starts_with("ivo://") && key.is_none_or(|key| key.split('/').all(plain));
    if !is_one {
        return Err(fault(setting, format!("{given:?} is no identifier such as ivo://org.example/organisation")));
    }
    authority(setting, name)
}

/// An address for mail, as OAI-PMH 2.0's schema takes it.
pub(super) fn email(setting: &str, given: &str) -> Result<(), ServerError> {
    let named = given.rsplit_once('@').filter(|(name, host)| {
        !name.is_empty() && host.contains('.') && host.split('.').all(|label| !label.is_empty())
    });
    match named {
        Some(_) if !given.contains(|c: char| c.is_whitespace() || c.is_control()) => Ok(()),
        _ => Err(fault(setting, format!("{given:?} is no address such as archive@example.org"))),
    }
}

/// Concepts of the UAT are known by words in lower case with hyphens between them. Whether there is such a concept is not looked up.
pub(super) fn subjects(setting: &str, given: &[String]) -> Result<(), ServerError> {
    let plain = |concept: &str| {
        !concept.is_empty() && concept.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match given.iter().find(|concept| !plain(concept)) {
        Some(wrong) => Err(fault(
            setting,
            format!(
                "{wrong:?} is no concept of http://www.ivoa.net/rdf/uat, as they stand in URLs: virtual-observatories"
            ),
        )),
        None => Ok(()),
    }
}

/// An address in the Web, if one is given.
pub(super) fn url(setting: &str, given: Option<&str>) -> Result<(), ServerError> {
    let Some(given) = given else { return Ok(()) };
    let known = reqwest::Url::parse(given).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let plain = given.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    match known {
        Some(_) if plain => Ok(()),
        _ => Err(fault(setting, format!("{given:?} is no URL such as https://archive.example.org"))),
    }
}
