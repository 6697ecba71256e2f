//! A request that may bring files: parameters, and the parts of a multipart form. DALI 1.1 section 3.4.5, RFC 7578.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Method, header};
use futures::{Stream, StreamExt};
use multer::{Field, Multipart};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::fault::{Fault, Kind};
use crate::gate::Place;
use crate::parameters::Parameters;
use crate::service::Service;

/// A part that is no file, in bytes.
const TEXT_BYTES: usize = 2 << 20;
/// Requests without files that have more bytes count as such that bring files.
const SHORT_BYTES: u64 = 1 << 20;
/// Parts of a request at most.
const PARTS: usize = 1000;
/// How long a client may take to send everything.
const BODY_TIME: Duration = Duration::from_secs(600);

/// What a request brings.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    pub(crate) parameters: Parameters,
    /// Files, gone when this is dropped.
    pub(crate) parts: Vec<Part>,
    /// Who brings files has one of a few places.
    _place: Option<Place>,
}

/// A part of a form, in a file.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its name in the form.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The folder that the file is in, which goes with it.
    _folder: TempDir,
}

impl Submission {
    /// Reads the query string and the body, a form of either kind.
    ///
    /// # Errors
    /// [`Fault`] for a body that is too large, too slow, or no form.
    pub(crate) async fn read(service: &Service, request: Request) -> Result<Self, Fault> {
        match boundary_of(&request) {
            Some(boundary) => Self::read_form(service, request, boundary).await,
            None => Ok(Self::of(Parameters::read(request).await?)),
        }
    }

    /// As [`Submission::read`], of a request that may have very many ids.
    ///
    /// # Errors
    /// As [`Submission::read`].
    pub(crate) async fn read_long(service: &Service, request: Request) -> Result<Self, Fault> {
        if let Some(boundary) = boundary_of(&request) {
            return Self::read_form(service, request, boundary).await;
        }
        // Kept with what was read, which takes as much memory as files may.
        let _place = if is_long(&request) { Some(service.uploads.enter().await?) } else { None };
        Ok(Self { parameters: Parameters::read_long(request).await?, parts: Vec::new(), _place })
    }

    async fn read_form(service: &Service, request: Request, boundary: String) -> Result<Self, Fault> {
        let mut submission = Self { _place: Some(service.uploads.enter().await?), ..Self::default() };
        submission.parameters.add(request.uri().query().unwrap_or_default().as_bytes())?;
        if request.method() == Method::POST {
            let read = submission.read_parts(service, request.into_body(), boundary);
            let slow = |_| Fault::usage("the request's body took too long to arrive");
            tokio::time::timeout(BODY_TIME, read).await.map_err(slow)??;
        }
        Ok(submission)
    }

    /// Parameters that bring no files.
    pub(crate) fn of(parameters: Parameters) -> Self {
        Self { parameters, ..Self::default() }
    }

    /// The file of a part.
    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    async fn read_parts(&mut self, service: &Service, body: Body, boundary: String) -> Result<(), Fault> {
        let mut form = Multipart::new(body.into_data_stream(), boundary);
        let mut left = service.settings.upload_mb << 20;
        let wrong = |error: multer::Error| Fault::usage(format!("the request's body is no form: {error}"));
        for _ in 0..PARTS {
            let Some(field) = form.next_field().await.map_err(wrong)? else { return Ok(()) };
            let Some(name) = field.name().map(str::to_owned) else { continue };
            if field.file_name().is_some() || field.content_type().is_some_and(|kind| kind.type_() != "text") {
                self.parts.push(file(service, name, field, &mut left).await?);
            } else {
                self.parameter(service, name, field, &mut left).await?;
            }
        }
        Err(Fault::usage(format!("a form has at most {PARTS} parts")))
    }

    /// A parameter, which may at the same time be the content that another one refers to.
    async fn parameter(
        &mut self,
        service: &Service,
        name: String,
        field: Field<'_>,
        left: &mut usize,
    ) -> Result<(), Fault> {
        let part = file(service, name.clone(), field, left).await?;
        let size = tokio::fs::metadata(&part.path).await.map_or(0, |file| file.len());
        if size <= TEXT_BYTES as u64 {
            let failed = |error| Fault::internal("read the request", &error);
            let value = tokio::fs::read(&part.path).await.map_err(failed)?;
            self.parameters.push(&name, String::from_utf8_lossy(&value).into_owned())?;
        }
        self.parts.push(part);
        Ok(())
    }
}

/// Whether a request may bring very many ids along.
fn is_long(request: &Request) -> bool {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    request.method() == Method::POST && length.is_none_or(|length: u64| length > SHORT_BYTES)
}

fn boundary_of(request: &Request) -> Option<String> {
    boundary(request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?)
}

/// What divides the parts of a multipart form. astroquery's TapPlus has letters in it that should stand between quotes, and does not quote
/// them.
fn boundary(content_type: &str) -> Option<String> {
    let (media_type, parameters) = content_type.split_once(';')?;
    media_type.trim().eq_ignore_ascii_case("multipart/form-data").then_some(())?;
    let mut given = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let (_, boundary) = given.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let boundary = boundary.trim().trim_matches('"');
    (!boundary.is_empty()).then(|| boundary.to_owned())
}

/// Puts a part into a file.
async fn file(service: &Service, name: String, field: Field<'_>, left: &mut usize) -> Result<Part, Fault> {
    let (folder, path) = written(service, &format!("part {name:?}"), field, left).await?;
    Ok(Part { name, path, _folder: folder })
}

/// The body of a request, in a file that is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) path: PathBuf,
    /// Its media type, as whoever sent it says; empty where nothing is said.
    pub(crate) content_type: String,
    _folder: TempDir,
    _place: Place,
}

impl Brought {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Fault`] for one that is empty, too large, or too slow.
    pub(crate) async fn read(service: &Service, request: Request) -> Result<Self, Fault> {
        let place = service.uploads.enter().await?;
        let said = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let content_type = said.unwrap_or_default().to_owned();
        let kept = Self::keep(service, request.into_body(), content_type, place);
        let slow = |_| Fault::usage("the request's body took too long to arrive");
        tokio::time::timeout(BODY_TIME, kept).await.map_err(slow)?
    }

    async fn keep(service: &Service, body: Body, content_type: String, place: Place) -> Result<Self, Fault> {
        let most = service.settings.upload_mb << 20;
        let mut left = most;
        let (folder, path) = written(service, "the request's body", body.into_data_stream(), &mut left).await?;
        if left == most {
            return Err(Fault::usage("the request's body is empty; it is the table, or its description"));
        }
        Ok(Self { path, content_type, _folder: folder, _place: place })
    }
}

/// Writes what comes into a file in a folder of its own: `left` bytes at most, which become fewer.
async fn written<E: Display>(
    service: &Service,
    what: &str,
    mut coming: impl Stream<Item = Result<Bytes, E>> + Unpin,
    left: &mut usize,
) -> Result<(TempDir, PathBuf), Fault> {
    let failed = |error: std::io::Error| Fault::internal("keep the upload", &error);
    let folder = tempfile::Builder::new().prefix("upload-").tempdir_in(service.spool.as_path()).map_err(failed)?;
    let path = folder.path().join("part");
    let mut file = tokio::fs::File::create(&path).await.map_err(failed)?;
    while let Some(bytes) = coming.next().await {
        let bytes = bytes.map_err(|error| Fault::usage(format!("{what} breaks off: {error}")))?;
        *left = left.checked_sub(bytes.len()).ok_or_else(|| too_large(service.settings.upload_mb))?;
        file.write_all(&bytes).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok((folder, path))
}

/// What is said of too much.
pub(crate) fn too_large(most_mb: usize) -> Fault {
    Fault { kind: Kind::TooLarge, message: format!("a request brings at most {most_mb} MB along") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_found_with_and_without_quotes() {
        for (content_type, expect) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\"", Some("a b")),
            ("multipart/form-data; boundary===--x==", Some("==--x==")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/mixed; boundary=abc", None),
            ("application/x-www-form-urlencoded", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), expect, "{content_type}");
        }
    }
}
