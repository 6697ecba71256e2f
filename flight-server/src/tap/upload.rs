//! UPLOAD: tables that come with a query. TAP 1.1 section 2.7.6, DALI 1.1 section 3.4.5.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use spolia_exec::Upload;
use spolia_formats::{ReadBounds, read_table};
use spolia_queue::UploadedTable;

use super::fetch::fetch;
use crate::fault::Fault;
use crate::jobs::file_in;
use crate::service::Service;
use crate::submission::Submission;

/// Tables of one request at most.
const TABLES: usize = 20;

/// Tables that came with a request.
#[derive(Debug, Default)]
pub(crate) struct Tables(Vec<Upload>);

impl Tables {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_tables(self) -> Vec<Upload> {
        self.0
    }

    /// Puts them into a job's folder, where `held` lie already.
    ///
    /// # Errors
    /// [`Fault`] when they cannot be written.
    pub(crate) async fn keep(self, service: &Service, job_id: &str, held: usize) -> Result<Vec<UploadedTable>, Fault> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |error: std::io::Error| Fault::internal("keep the uploaded tables", &error);
        let folder = service.jobs.make_folder(job_id).await.map_err(failed)?;
        let named = |(at, table): (usize, Upload)| (format!("upload-{at}.arrow"), table);
        let tables: Vec<_> = (held..).zip(self.0).map(named).collect();
        off_the_runtime(move || {
            let write = |(file, table): (String, Upload)| {
                let failed = |error| Fault::internal("keep an uploaded table", &error);
                write(&folder.join(&file), &table).map_err(failed)?;
                Ok(UploadedTable { name: table.name, file })
            };
            tables.into_iter().map(write).collect()
        })
        .await
    }
}

/// The tables of a request: of each UPLOAD, `name,address` pairs divided by semicolons.
///
/// # Errors
/// [`Fault`] for what is no table, cannot be fetched, or is too large.
pub(crate) async fn uploaded(service: &Service, submission: &Submission) -> Result<Tables, Fault> {
    let given = submission.parameters.all("UPLOAD").flat_map(|value| value.split(';')).map(str::trim);
    let mut tables = Vec::new();
    for pair in given.filter(|pair| !pair.is_empty()) {
        if tables.len() == TABLES {
            return Err(Fault::usage(format!("a request brings at most {TABLES} tables along")));
        }
        tables.push(one(service, submission, pair).await?);
    }
    Ok(Tables(tables))
}

async fn one(service: &Service, submission: &Submission, pair: &str) -> Result<Upload, Fault> {
    let shown: String = pair.chars().take(80).collect();
    let wrong = || Fault::usage(format!("UPLOAD is name,param:part or name,http://…, not {shown:?}"));
    let (name, address) = pair.split_once(',').ok_or_else(wrong)?;
    let (name, address) = (name.trim().to_owned(), address.trim());
    if let Some(part) = address.strip_prefix("param:") {
        let missing = || Fault::usage(format!("UPLOAD {name}: the form has no part {part:?} with the table"));
        let path = submission.part(part).ok_or_else(missing)?.path.clone();
        return read(service, name, path).await;
    }
    if !address.contains("://") {
        return Err(wrong());
    }
    let failed = |error: std::io::Error| Fault::internal("keep the upload", &error);
    let folder = tempfile::Builder::new().prefix("upload-").tempdir_in(service.spool.as_path()).map_err(failed)?;
    let path = folder.path().join("part");
    let fetched = fetch(&service.settings, address, &path).await;
    fetched.map_err(|fault| Fault { message: format!("UPLOAD {name}: {}", fault.message), ..fault })?;
    read(service, name, path).await
}

/// The table in a file, whatever its format is.
async fn read(service: &Service, name: String, path: PathBuf) -> Result<Upload, Fault> {
    let bounds = ReadBounds {
        rows: service.settings.upload_rows,
        memory_bytes: service.settings.upload_memory_mb << 20,
        ..ReadBounds::default()
    };
    off_the_runtime(move || {
        let failed = |error: std::io::Error| Fault::internal("read the uploaded table", &error);
        let extension = extension(&path).map_err(failed)?.ok_or_else(|| {
            let taken = "Parquet and Arrow files are not taken here; send VOTable, FITS, ECSV or CSV";
            Fault::usage(format!("UPLOAD {name}: {taken}"))
        })?;
        let typed = path.with_extension(extension);
        std::fs::hard_link(&path, &typed).map_err(failed)?;
        let table = read_table(&typed, &bounds);
        std::fs::remove_file(&typed).map_err(failed)?;
        let (schema, rows) = table.map_err(|error| Fault::usage(format!("UPLOAD {name}: {}", told(&error, &typed))))?;
        match schema.fields().is_empty() {
            true => Err(Fault::usage(format!("UPLOAD {name}: the table has no columns"))),
            false => Ok(Upload { name, schema, rows }),
        }
    })
    .await
}

/// What a reader says, without the place where the file lay.
fn told(error: &dyn std::error::Error, path: &Path) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message.replace(&path.display().to_string(), "it")
}

/// The extension that a file of this content usually has; none where it is not read: lengths that a stranger's Parquet or Arrow file
/// claims are believed by their readers, and may be more than there is memory.
fn extension(path: &Path) -> std::io::Result<Option<&'static str>> {
    use std::io::Read;
    let mut head = Vec::new();
    File::open(path)?.take(1024).read_to_end(&mut head)?;
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head).trim_ascii_start();
    Ok(match text {
        [b'<', ..] => Some("vot"),
        _ if [&b"PAR1"[..], b"ARROW1", b"\xFF\xFF\xFF\xFF"].iter().any(|magic| head.starts_with(magic)) => None,
        _ if head.starts_with(b"SIMPLE  =") => Some("fits"),
        _ if text.starts_with(b"# %ECSV") => Some("ecsv"),
        _ => Some("csv"),
    })
}

/// The tables that lie in a job's folder.
///
/// # Errors
/// [`Fault`] when one cannot be read.
pub(crate) async fn kept(folder: PathBuf, tables: Vec<UploadedTable>) -> Result<Vec<Upload>, Fault> {
    off_the_runtime(move || {
        let read = |table: UploadedTable| {
            let failed = |error| Fault::internal("read an uploaded table", &error);
            let lost = || Fault::internal("find an uploaded table", &table.file);
            let file = File::open(file_in(&folder, &table.file).ok_or_else(lost)?);
            let reader = StreamReader::try_new_buffered(file.map_err(|error| failed(error.into()))?, None);
            let reader = reader.map_err(failed)?;
            let schema = reader.schema();
            Ok(Upload { name: table.name, schema, rows: reader.collect::<Result<_, _>>().map_err(failed)? })
        };
        tables.into_iter().map(read).collect()
    })
    .await
}

fn write(path: &Path, table: &Upload) -> Result<(), arrow::error::ArrowError> {
    let mut writer = StreamWriter::try_new_buffered(File::create(path)?, &table.schema)?;
    table.rows.iter().try_for_each(|rows| writer.write(rows))?;
    writer.finish()
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Fault::internal("read a table", &error)))
}
