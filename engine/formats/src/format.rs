//! The formats on offer: their TAP names, media types and file extensions.

use crate::error::{FormatError, Result};

/// A form a query result can be written in. TAP 1.1 section 2.7.3 (RESPONSEFORMAT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// VOTable 1.4 with rows as XML elements.
    VotableTabledata,
    /// VOTable 1.4 with rows as base64-encoded binary without null flags, for readers older than VOTable 1.3.
    VotableBinary,
    /// VOTable 1.4 with rows as base64-encoded binary with null flags.
    VotableBinary2,
    /// RFC 4180: a header line, CRLF, quotes where needed.
    Csv,
    /// CSV without the header line.
    CsvHeaderless,
    /// Tab-separated values with a header line; tabs and line breaks in text become spaces.
    Tsv,
    /// ECSV 1.0, astropy's CSV with a head that says what the columns are.
    Ecsv,
    /// `{"metadata": […], "data": [[…]], "status": …}`; 64-bit integers, NaN and infinities are strings.
    Json,
    /// Aligned columns for a terminal.
    Text,
    /// A page with a table, for people.
    Html,
    /// The Arrow IPC stream.
    Arrow,
    /// Parquet with a VOTable header (VOParquet 1.0).
    Parquet,
    /// A FITS binary table.
    Fits,
}

/// The longest RESPONSEFORMAT that is looked at, in bytes.
const LONGEST_NAME: usize = 200;

impl Format {
    /// Every format a capabilities document or a `--format` flag should list, the default first.
    #[must_use]
    pub fn all() -> &'static [Format] {
        use Format::{
            Arrow, Csv, Ecsv, Fits, Html, Json, Parquet, Text, Tsv, VotableBinary, VotableBinary2, VotableTabledata,
        };
        &[VotableTabledata, VotableBinary2, VotableBinary, Csv, Tsv, Ecsv, Json, Text, Html, Arrow, Parquet, Fits]
    }

    /// Reads a RESPONSEFORMAT: a short name (`votable/b2`) or a media type with parameters, in any case.
    ///
    /// # Errors
    /// [`FormatError::UnknownFormat`] with the names on offer.
    pub fn from_tap(asked: &str) -> Result<Self> {
        let known = (asked.len() <= LONGEST_NAME).then(|| asked.to_ascii_lowercase());
        known.as_deref().and_then(parse).ok_or_else(|| FormatError::UnknownFormat {
            asked: asked.chars().take(80).collect(),
            offered: Self::all().iter().map(|format| format.name()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The short name: the first of [`Format::aliases`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.aliases()[0]
    }

    /// The short names [`Format::from_tap`] takes, the usual one first; never empty. TAPRegExt 1.0 `alias`.
    #[must_use]
    pub fn aliases(&self) -> &'static [&'static str] {
        match self {
            Format::VotableTabledata => &["votable", "votable/td"],
            Format::VotableBinary => &["votable/b"],
            Format::VotableBinary2 => &["votable/b2"],
            Format::Csv | Format::CsvHeaderless => &["csv"],
            Format::Tsv => &["tsv"],
            Format::Ecsv => &["ecsv"],
            Format::Json => &["json"],
            Format::Text => &["text"],
            Format::Html => &["html"],
            Format::Arrow => &["arrow"],
            Format::Parquet => &["parquet"],
            Format::Fits => &["fits"],
        }
    }

    /// The media type of the answer, which [`Format::from_tap`] reads back.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Format::VotableTabledata => "application/x-votable+xml",
            Format::VotableBinary => "application/x-votable+xml;serialization=BINARY",
            Format::VotableBinary2 => "application/x-votable+xml;serialization=BINARY2",
            Format::Csv => "text/csv;header=present",
            Format::CsvHeaderless => "text/csv;header=absent",
            Format::Tsv => "text/tab-separated-values;charset=utf-8",
            // None is registered; this one is usual.
            Format::Ecsv => "text/x-ecsv",
            Format::Json => "application/json",
            Format::Text => "text/plain;charset=utf-8",
            Format::Html => "text/html;charset=utf-8",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Fits => "application/fits",
        }
    }

    /// The usual file extension, without the dot.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self {
            Format::VotableTabledata | Format::VotableBinary | Format::VotableBinary2 => "vot",
            Format::Csv | Format::CsvHeaderless => "csv",
            Format::Tsv => "tsv",
            Format::Ecsv => "ecsv",
            Format::Json => "json",
            Format::Text => "txt",
            Format::Html => "html",
            Format::Arrow => "arrows",
            Format::Parquet => "parquet",
            Format::Fits => "fits",
        }
    }

    /// Whether bytes leave while rows still come; false for FITS, whose header holds the row count.
    #[must_use]
    pub fn streams(&self) -> bool {
        !matches!(self, Format::Fits)
    }

    /// Whether the document itself tells an overflow *and* a failure in mid-stream, where its readers look. Where it doesn't, a server
    /// that wants to tell them must spool the result and say so in a header, and break the transfer on a failure.
    #[must_use]
    pub fn reports_status(&self) -> bool {
        use Format::{Html, Json, Text, VotableBinary, VotableBinary2, VotableTabledata};
        matches!(self, VotableTabledata | VotableBinary | VotableBinary2 | Json | Text | Html)
    }
}

/// Reads a lower-case name or media type.
fn parse(asked: &str) -> Option<Format> {
    let mut parts = asked.split(';').map(str::trim);
    let base = parts.next()?;
    let parameters: Vec<(&str, &str)> = parts
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')))
        .collect();
    let parameter = |name: &str| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    match base {
        "votable" | "votable/td" => Some(Format::VotableTabledata),
        "votable/b" => Some(Format::VotableBinary),
        "votable/b2" => Some(Format::VotableBinary2),
        // A client that forgets to escape the plus sign sends a space.
        "application/x-votable+xml" | "application/x-votable xml" | "text/xml" | "application/xml" => {
            serialization(parameter("serialization"))
        }
        "csv" | "text/csv" => match parameter("header") {
            None | Some("present") => Some(Format::Csv),
            Some("absent") => Some(Format::CsvHeaderless),
            Some(_) => None,
        },
        "tsv" | "text/tab-separated-values" => Some(Format::Tsv),
        "ecsv" | "text/x-ecsv" | "text/ecsv" | "application/ecsv" => Some(Format::Ecsv),
        "json" | "application/json" => Some(Format::Json),
        "text" | "text/plain" => Some(Format::Text),
        "html" | "text/html" => Some(Format::Html),
        "arrow" | "application/vnd.apache.arrow.stream" => Some(Format::Arrow),
        "parquet" | "application/vnd.apache.parquet" => Some(Format::Parquet),
        "fits" | "application/fits" => Some(Format::Fits),
        _ => None,
    }
}

/// The VOTable serialization a media type's parameter names. VOTable 1.4 section 8.
fn serialization(parameter: Option<&str>) -> Option<Format> {
    match parameter {
        None | Some("tabledata") => Some(Format::VotableTabledata),
        Some("binary") => Some(Format::VotableBinary),
        Some("binary2") => Some(Format::VotableBinary2),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: &str, expect: Option<Format>) {
        assert_eq!(Format::from_tap(asked).ok(), expect, "{asked:?}");
    }

    #[test]
    fn tap_names_and_media_types() {
        check("votable", Some(Format::VotableTabledata));
        check("votable/td", Some(Format::VotableTabledata));
        check("VOTable/B2", Some(Format::VotableBinary2));
        check("application/x-votable+xml", Some(Format::VotableTabledata));
        check("application/x-votable+xml; serialization=BINARY2", Some(Format::VotableBinary2));
        check("application/x-votable+xml;serialization=\"TABLEDATA\"", Some(Format::VotableTabledata));
        check("application/x-votable xml;serialization=binary2", Some(Format::VotableBinary2));
        check("text/xml", Some(Format::VotableTabledata));
        check("csv", Some(Format::Csv));
        check("text/csv;header=absent", Some(Format::CsvHeaderless));
        check("text/csv; charset=utf-8; header=present", Some(Format::Csv));
        check("text/tab-separated-values", Some(Format::Tsv));
        check("Application/JSON", Some(Format::Json));
        check("text/plain", Some(Format::Text));
        check("application/vnd.apache.arrow.stream", Some(Format::Arrow));
        check("application/vnd.apache.parquet", Some(Format::Parquet));
        check("application/fits", Some(Format::Fits));
        check("", None);
        check("VOTABLE/B", Some(Format::VotableBinary));
        check("application/x-votable+xml;serialization=BINARY", Some(Format::VotableBinary));
        check("text/x-ecsv; charset=utf-8", Some(Format::Ecsv));
        check("text/html", Some(Format::Html));
        check("application/x-votable+xml;serialization=BINARY3", None);
        check("application/xhtml+xml", None);
        check("text/csv;header=maybe", None);
        check(&format!("csv;{}", "x".repeat(LONGEST_NAME)), None);
    }

    #[test]
    fn every_name_given_out_is_taken_back() {
        for format in Format::all().iter().chain(&[Format::CsvHeaderless]) {
            check(format.content_type(), Some(*format));
        }
        for format in Format::all() {
            for alias in format.aliases() {
                check(alias, Some(*format));
            }
        }
    }

    #[test]
    fn refusal_lists_the_offer_and_cuts_what_was_asked() {
        let message = Format::from_tap(&"é".repeat(5000)).unwrap_err().to_string();
        assert!(
            message.contains("votable, votable/b2, votable/b, csv, tsv, ecsv, json, text, html, arrow, parquet, fits"),
            "{message}"
        );
        assert!(message.len() < 400, "{}", message.len());
    }
}
