//! UPLOAD: tables that come with a query. TAP 1.1 section 2.7.6, DALI 1.1 section 3.4.5.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use spolia_exec::Upload;
use spolia_queue::UploadedTable;

use super::fetch::fetch;
use super::table_file::{off_the_runtime, read};
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
        return named(name, service, path).await;
    }
    if !address.contains("://") {
        return Err(wrong());
    }
    let failed = |error: std::io::Error| Fault::internal("keep the upload", &error);
    let folder = tempfile::Builder::new().prefix("upload-").tempdir_in(service.spool.as_path()).map_err(failed)?;
    let path = folder.path().join("part");
    let fetched = fetch(&service.settings, address, &path).await;
    fetched.map_err(|fault| about(&name, fault))?;
    named(name, service, path).await
}

/// The table in a file, under its name.
async fn named(name: String, service: &Service, path: PathBuf) -> Result<Upload, Fault> {
    let (schema, rows) = read(service, path, None).await.map_err(|fault| about(&name, fault))?;
    Ok(Upload { name, schema, rows })
}

/// A fault with the name of the table that it is about.
fn about(name: &str, fault: Fault) -> Fault {
    Fault { message: format!("UPLOAD {name}: {}", fault.message), ..fault }
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
