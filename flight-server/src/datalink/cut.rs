//! `/datalink/gaiamerger`: Cut & Merge of the chosen rows, as a file to download.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Response};
use spolia_exec::{CutAnswer, CutOptions, CutRequest, ExecError, Outline, PreparedCut, grow, outline};

use super::HDF5;
use super::choice::Choice;
use super::rows::client;
use crate::answer::EPOCH_HEADER;
use crate::delivery::{Artefact, Asked, Source, deliver, unchanged};
use crate::door::Door;
use crate::fault::Fault;
use crate::gate::Place;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::submission::Submission;
use crate::tap::uploaded;
use crate::visitor::Visitor;

/// What a user should know of the cut; the file's own provenance says the same.
const MESSAGE_HEADER: HeaderName = HeaderName::from_static("x-spolia-message");
/// The number of objects in the file.
const OBJECTS_HEADER: HeaderName = HeaderName::from_static("x-spolia-objects");
/// Letters of a message that go into a header.
const MESSAGE_LENGTH: usize = 1000;
/// Objects below which a merged file is made at once rather than measured first.
const WORTH_STREAMING: usize = 500;
/// Bytes from which on a merged file is sent while it is made.
const STREAMED_BYTES: u64 = 8 << 20;

/// What came of a request.
enum Made {
    File(Artefact, Place),
    /// The client has the file already.
    Unchanged(Response<Body>),
}

/// Cuts, merges and sends.
pub(crate) async fn cut(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let asked = Asked { headers: request.headers().clone(), head: request.method() == Method::HEAD };
    let answered = async {
        let submission = Submission::read_long(&service, request).await?;
        let (parameters, most) = (&submission.parameters, service.settings.cut_rows);
        let client = client(parameters);
        let uploads = uploaded(&service, &submission).await?.into_tables();
        let choice = Choice::read(&service, parameters, uploads, &client, most).await?;
        let mut record = service.begin("cut", Door::Cut, &choice.text());
        record.note("client", client);
        let made = async {
            let request = request_of(&service, parameters, choice, Some(most)).await?;
            record.note("with_transits", request.with_transits);
            make(&service, &asked, &request, &mut record).await
        };
        match made.await {
            Ok(Made::File(artefact, place)) => deliver(&service, &asked, artefact, record, place).await,
            Ok(Made::Unchanged(response)) => {
                record.succeed();
                Ok(response)
            }
            Err(fault) => {
                record.fail(&fault.message);
                Err(fault)
            }
        }
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.text())
}

/// What a cut is asked for; `most` objects.
pub(super) async fn request_of(
    service: &Service,
    parameters: &Parameters,
    choice: Choice,
    most: Option<usize>,
) -> Result<CutRequest, Fault> {
    let (selection, epoch) = choice.into_selection(service).await?;
    Ok(CutRequest {
        options: options(parameters)?,
        selection,
        with_transits: parameters.flag("WITH_TRANSITS")?,
        keep_unmatched: parameters.flag("KEEP_UNMATCHED")?,
        epoch,
        most_objects: most,
    })
}

/// What is taken of objects, and the form it has.
pub(super) fn options(parameters: &Parameters) -> Result<CutOptions, Fault> {
    let fields = parameters.all("FIELD").flat_map(|text| text.split(',')).map(|field| field.trim().to_owned());
    let compression = parameters.number("COMPRESSION")?.map(|level| {
        let level = u8::try_from(level).ok().filter(|level| (1..=9).contains(level));
        level.ok_or_else(|| Fault::usage("COMPRESSION is a level from 1 (fast) to 9 (small)".to_owned()))
    });
    Ok(CutOptions {
        fields: fields.filter(|field| !field.is_empty()).collect::<BTreeSet<_>>().into_iter().collect(),
        packed: parameters.flag("PACKED")?,
        compression: compression.transpose()?,
    })
}

/// The merged file, or the answer to a client that has it already.
async fn make(service: &Service, asked: &Asked, request: &CutRequest, record: &mut Record) -> Result<Made, Fault> {
    let place = service.cuts.enter().await?;
    let prepared = service.archive.prepare_cut(request).await?;
    // Equal plans give equal files.
    let etag = prepared.plan().fingerprint();
    if let Some(response) = unchanged(asked, &etag) {
        return Ok(Made::Unchanged(response));
    }
    let outline = match prepared.objects() >= WORTH_STREAMING {
        true => outline(service.archive.files(), prepared.plan()).await.map_err(ExecError::from)?,
        false => None,
    };
    let (source, answer) = match outline.filter(|outline| asked.head || outline.bytes() >= STREAMED_BYTES) {
        Some(outline) => {
            record.note("streamed", true);
            let answer = prepared.answer(outline.report.clone(), 0.0);
            (if asked.head { Source::Nothing } else { growing(service, outline)? }, answer)
        }
        None => whole(service, prepared).await?,
    };
    note(record, &answer);
    let artefact = Artefact {
        source,
        size: answer.report.bytes_written,
        file_name: format!("gaia_merger_{etag}.h5"),
        etag,
        content_type: HDF5.into(),
        headers: headers(&answer),
    };
    Ok(Made::File(artefact, place))
}

/// The merged file, which is sent while it is made.
fn growing(service: &Service, outline: Outline) -> Result<Source, Fault> {
    let spool = service.spool.as_path();
    let file = tempfile::tempfile_in(spool).map_err(unmade)?;
    let written = file.try_clone().map_err(unmade)?;
    Ok(Source::Growing(grow(service.archive.files(), outline, written, spool, &Arc::default()), file.into()))
}

/// The merged file, made.
async fn whole(service: &Service, prepared: PreparedCut) -> Result<(Source, CutAnswer), Fault> {
    // The folder goes when this function ends; the open file lives on until it has been sent.
    let folder = tempfile::Builder::new().prefix("cut-").tempdir_in(service.spool.as_path()).map_err(unmade)?;
    let path = folder.path().join("merged.h5");
    let answer = service.archive.make_cut(prepared, &path, &Arc::default()).await?;
    Ok((Source::Local(tokio::fs::File::open(&path).await.map_err(unmade)?), answer))
}

fn unmade(error: std::io::Error) -> Fault {
    Fault::internal("make the merged file", &error)
}

pub(super) fn note(record: &mut Record, answer: &CutAnswer) {
    record.rows(answer.objects.values().sum::<usize>() as u64);
    record.note("epoch", answer.epoch);
    record.note("files", answer.files);
    record.note("query_ms", answer.query_ms);
    record.note("locate_ms", answer.locate_ms);
    record.note("merge_ms", answer.merge_ms);
    record.note("messages", answer.messages.clone());
    record.note_nodes(&answer.nodes);
}

fn headers(answer: &CutAnswer) -> Vec<(HeaderName, HeaderValue)> {
    let objects = answer.objects.values().sum::<usize>();
    let mut headers =
        vec![(EPOCH_HEADER, HeaderValue::from(answer.epoch)), (OBJECTS_HEADER, HeaderValue::from(objects))];
    if !answer.messages.is_empty() {
        headers.extend(header_text(&answer.messages.join("; ")).map(|text| (MESSAGE_HEADER, text)));
    }
    headers
}

/// A message as a header can carry it: printable ASCII, of bounded length.
fn header_text(message: &str) -> Option<HeaderValue> {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let text: String = message.chars().take(MESSAGE_LENGTH).map(plain).collect();
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_break_out_of_its_header() {
        let text = header_text("3 of 5 transits dropped\r\nSet-Cookie: a=b é").unwrap();
        assert_eq!(text, "3 of 5 transits dropped??Set-Cookie: a=b ?");
        assert_eq!(header_text(&"x".repeat(5000)).unwrap().len(), MESSAGE_LENGTH);
    }
}
