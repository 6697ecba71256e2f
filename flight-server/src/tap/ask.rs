//! From the parameters of TAP to a query. TAP 1.1 section 2.7.

use axum::http::HeaderValue;
use spolia_exec::{QueryRequest, Upload};
use spolia_formats::Format;

use crate::answer::Ask;
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::service::{Service, client_id};
use crate::settings::ServerSettings;

/// The query that parameters ask for, with the tables that came along.
///
/// # Errors
/// [`Fault`] for a value that is none, and where there is no query.
pub(crate) fn ask(service: &Service, parameters: &Parameters, uploads: Vec<Upload>, head: bool) -> Result<Ask, Fault> {
    check(service, parameters)?;
    check_language(parameters.one("LANG")?)?;
    let adql = parameters.one("QUERY")?.ok_or_else(|| Fault::usage("QUERY is missing: give it an ADQL query"))?;
    let (format, content_type) = format(parameters)?;
    let maxrec = maxrec(parameters, &service.settings)?;
    let links = service.links(client_id(parameters.one("CLIENTID")?));
    let request = QueryRequest { maxrec: Some(maxrec), uploads, ..QueryRequest::new(adql, links) };
    Ok(Ask { door: Door::Tap, request, maxrec, format, content_type, head })
}

/// Checks all values but the query and its language, which a job may fail at later.
///
/// # Errors
/// [`Fault`] for a value that is none.
pub(crate) fn check(service: &Service, parameters: &Parameters) -> Result<(), Fault> {
    format(parameters)?;
    maxrec(parameters, &service.settings)?;
    parameters.one("QUERY")?;
    match parameters.one("REQUEST")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("doquery" | "getcapabilities") => Ok(()),
        Some(_) => Err(Fault::usage("REQUEST is doQuery or getCapabilities")),
    }
}

/// Checks LANG against the languages of the capabilities document. A client that names none can only mean ADQL.
///
/// # Errors
/// [`Fault`] for another language.
pub(crate) fn check_language(language: Option<&str>) -> Result<(), Fault> {
    match language.map(str::to_ascii_uppercase).as_deref() {
        None | Some("ADQL" | "ADQL-2.0" | "ADQL-2.1") => Ok(()),
        Some(_) => Err(Fault::usage("LANG: unknown query language; this service knows ADQL, ADQL-2.0 and ADQL-2.1")),
    }
}

/// RESPONSEFORMAT, or FORMAT as of old, and the media type to answer with. DALI 1.1 section 3.4.3.
pub(crate) fn format(parameters: &Parameters) -> Result<(Format, HeaderValue), Fault> {
    let asked = match parameters.one("RESPONSEFORMAT")? {
        Some(asked) => asked,
        None => parameters.one("FORMAT")?.unwrap_or("votable"),
    };
    let format = Format::from_tap(asked)?;
    // Who asks for text/xml is told text/xml, as DALI wants it.
    let plain_xml = ["text/xml", "application/xml"].into_iter().find(|xml| asked.to_ascii_lowercase().starts_with(xml));
    Ok((format, HeaderValue::from_static(plain_xml.unwrap_or(format.content_type()))))
}

/// Rows at most: what the client says, or the default, and never more than the hard limit.
pub(crate) fn maxrec(parameters: &Parameters, settings: &ServerSettings) -> Result<usize, Fault> {
    let asked = parameters.number("MAXREC")?.map(|maxrec| usize::try_from(maxrec).unwrap_or(usize::MAX));
    Ok(asked.unwrap_or(settings.maxrec_default).min(settings.maxrec_hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_those_of_the_capabilities() {
        for known in [None, Some("ADQL"), Some("adql"), Some("ADQL-2.0"), Some("ADQL-2.1")] {
            assert!(check_language(known).is_ok(), "{known:?}");
        }
        for unknown in ["SQL", "ADQL-3.0", "PQL"] {
            assert!(check_language(Some(unknown)).is_err(), "{unknown}");
        }
    }

    #[test]
    fn the_media_type_answers_the_one_asked_for() {
        let check = |text: &str| format(&Parameters::from(text));
        assert_eq!(check("").unwrap().1, "application/x-votable+xml");
        assert_eq!(check("FORMAT=text/xml").unwrap().1, "text/xml");
        assert_eq!(check("FORMAT=csv").unwrap().1, "text/csv;header=present");
        assert_eq!(check("FORMAT=csv&RESPONSEFORMAT=fits").unwrap().0, Format::Fits);
        assert!(check("RESPONSEFORMAT=sketch").unwrap_err().message.contains("votable/b2"));
    }

    #[test]
    fn maxrec_has_a_default_and_a_limit() {
        let settings = ServerSettings { maxrec_default: 10, maxrec_hard: 100, ..ServerSettings::default() };
        for (text, expect) in
            [("", 10), ("MAXREC=50", 50), ("MAXREC=0", 0), ("MAXREC=1000", 100), ("MAXREC=18446744073709551615", 100)]
        {
            assert_eq!(maxrec(&Parameters::from(text), &settings), Ok(expect), "{text}");
        }
    }
}
