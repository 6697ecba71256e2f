//! Tables that clients send: files whose content tells their format, read within the bounds of uploads.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use quick_xml::Reader;
use quick_xml::events::Event;
use spolia_formats::{ReadBounds, fitted, read_rows_for, read_table};

use crate::fault::Fault;
use crate::service::Service;

/// Bytes of a file that tell its format.
const HEAD_BYTES: u64 = 64 << 10;

/// What divides the columns of a text, where whoever sent it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Divided {
    ByCommas,
    ByTabs,
}

impl Divided {
    /// What a media type says.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next()?.trim().to_ascii_lowercase();
        Some(match kind.as_str() {
            "text/csv" => Self::ByCommas,
            "text/tab-separated-values" => Self::ByTabs,
            _ => return None,
        })
    }
}

/// The table in a file, whatever its format is.
///
/// # Errors
/// [`Fault`] for what is no table, or too large.
pub(crate) async fn read(
    service: &Service,
    path: PathBuf,
    divided: Option<Divided>,
) -> Result<(SchemaRef, Vec<RecordBatch>), Fault> {
    let table = with_extension(service, path, divided, |service, path, bounds, aside| match aside {
        true => service.decoder.decode(path, &bounds),
        false => read_table(path, &bounds).map_err(|error| told(&error, path)),
    });
    match table.await? {
        (schema, _) if schema.fields().is_empty() => Err(Fault::usage("the table has no columns")),
        table => Ok(table),
    }
}

/// The rows in a file, for a table with the columns of `wanted`.
///
/// # Errors
/// As [`read`], and for rows that do not fit.
pub(crate) async fn read_for(
    service: &Service,
    path: PathBuf,
    divided: Option<Divided>,
    wanted: SchemaRef,
) -> Result<Vec<RecordBatch>, Fault> {
    let rows = with_extension(service, path, divided, move |service, path, bounds, aside| match aside {
        true => {
            let (schema, rows) = service.decoder.decode(path, &bounds)?;
            fitted(&schema, rows, &wanted).map_err(|error| Fault::usage(error.to_string()))
        }
        false => read_rows_for(path, &wanted, &bounds).map_err(|error| told(&error, path)),
    });
    rows.await
}

/// Has a file read under a name with the extension that its content usually has; `aside` where a process of its own must do it.
async fn with_extension<T: Send + 'static>(
    service: &Service,
    path: PathBuf,
    divided: Option<Divided>,
    read: impl FnOnce(&Service, &Path, ReadBounds, bool) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    // Held to the end of the work, which goes on when nobody waits for it any more.
    let (place, service) = (service.reading.enter().await?, service.clone());
    let bounds = ReadBounds {
        rows: service.settings.upload_rows,
        memory_bytes: service.settings.upload_memory_mb << 20,
        ..ReadBounds::default()
    };
    let failed = |error: std::io::Error| Fault::internal("read the uploaded table", &error);
    let sniffed = path.clone();
    let (extension, aside) = off_the_runtime(move || format(&sniffed, divided).map_err(failed)).await?;
    let decoding = if aside { Some(service.decoding.enter().await?) } else { None };
    off_the_runtime(move || {
        let _held = (place, decoding);
        let typed = path.with_extension(extension);
        std::fs::hard_link(&path, &typed).map_err(failed)?;
        let table = read(&service, &typed, bounds, aside);
        std::fs::remove_file(&typed).map_err(failed)?;
        table
    })
    .await
}

/// What a reader says, without the place where the file lay.
fn told(error: &dyn std::error::Error, path: &Path) -> Fault {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Fault::usage(message.replace(&path.display().to_string(), "it"))
}

/// The extension that a file of this content usually has, and whether a process of its own must read it: lengths that a stranger's Parquet
/// or Arrow file claims are believed by their readers, and may be more than there is memory.
fn format(path: &Path, divided: Option<Divided>) -> std::io::Result<(&'static str, bool)> {
    let head = head(path)?;
    let text = text(&head);
    let first_line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    Ok(match text {
        [b'<', ..] => ("vot", false),
        _ if head.starts_with(b"PAR1") => ("parquet", true),
        _ if [&b"ARROW1"[..], b"\xFF\xFF\xFF\xFF"].iter().any(|magic| head.starts_with(magic)) => ("arrow", true),
        _ if head.starts_with(b"SIMPLE  =") => ("fits", false),
        _ if text.starts_with(b"# %ECSV") => ("ecsv", false),
        _ => match divided {
            Some(Divided::ByTabs) => ("tsv", false),
            None if first_line.contains(&b'\t') && !first_line.contains(&b',') => ("tsv", false),
            _ => ("csv", false),
        },
    })
}

/// Whether a file is XML whose first element is not that of a VOTable.
pub(super) fn is_description(path: &Path) -> std::io::Result<bool> {
    let (head, mut buffer) = (head(path)?, Vec::new());
    let text = text(&head);
    if !text.starts_with(b"<") {
        return Ok(false);
    }
    let mut reader = Reader::from_reader(text);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(first) | Event::Empty(first)) => {
                return Ok(first.local_name().into_inner() != "VOTABLE");
            }
            Ok(Event::Eof) | Err(_) => return Ok(false),
            Ok(_) => {}
        }
    }
}

/// The beginning of a file.
fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// A text without what may stand before it.
fn text(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start()
}

/// Does what takes long, or waits for files, on a thread of its own.
pub(super) async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Fault::internal("read a table", &error)))
}
