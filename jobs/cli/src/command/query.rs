//! `spolia query`: an ADQL query answered on standard output or into a file.

use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use futures::StreamExt;
use spolia_exec::{Archive, LinkBase, QueryAnswer, QueryRequest, Upload};
use spolia_formats::{Encoder, Format, ReadBounds, ResultInfo, Status, read_table};

use crate::arguments::{Query, UploadedFile};
use crate::error::CommandError;
use crate::site::Site;

/// Rows shown on a terminal where no limit is given.
const TERMINAL_ROWS: usize = 100;

/// Answers the query.
pub async fn run(site: &Site, query: Query) -> Result<(), CommandError> {
    let format = format(query.format.as_deref(), query.output.as_deref())?;
    let on_terminal = query.output.is_none() && std::io::stdout().is_terminal();
    if on_terminal && matches!(format, Format::Arrow | Format::Parquet | Format::Fits) {
        return Err(CommandError::Said("this format is no text; name a file with -o, or pipe it".to_owned()));
    }
    let maxrec = query.maxrec.or(on_terminal.then_some(TERMINAL_ROWS));
    let uploads = uploads(site, &query.upload)?;
    let request = QueryRequest { maxrec, uploads, ..QueryRequest::new(text(&query.adql)?, links(site)) };
    let archive = site.archive().await?;
    let mut operation = archive.log().begin("query", archive.who(), &request.adql);
    operation.note("door", "cli");
    match answer(&archive, &request, format, query.output.as_deref()).await {
        Ok((answer, bytes)) => {
            operation.note("epoch", answer.epoch);
            operation.note("rows", answer.rows());
            operation.note("bytes", bytes);
            operation.succeed();
            if answer.overflow() {
                eprintln!("only the first {} rows are shown; ask for more with --maxrec", answer.rows());
            }
            Ok(())
        }
        Err(error) => {
            operation.fail(&error.message());
            Err(error)
        }
    }
}

/// The query itself, or standard input for `-`.
pub fn text(adql: &str) -> Result<String, CommandError> {
    if adql != "-" {
        return Ok(adql.to_owned());
    }
    let mut text = String::new();
    // Twice what ADQL's parser takes, so that it is the one to complain.
    std::io::stdin().take(8 << 20).read_to_string(&mut text).map_err(CommandError::file("read", "standard input"))?;
    Ok(text)
}

/// The tables that come with a query.
pub fn uploads(site: &Site, files: &[UploadedFile]) -> Result<Vec<Upload>, CommandError> {
    let bounds = ReadBounds { rows: site.settings.query.upload_rows, ..ReadBounds::default() };
    let read = |UploadedFile { name, path }: &UploadedFile| {
        let (schema, rows) = read_table(path, &bounds)?;
        Ok(Upload { name: name.clone(), schema, rows })
    };
    files.iter().map(read).collect()
}

/// Links of answers given on the command line lead to where the site would serve.
pub fn links(site: &Site) -> LinkBase {
    let server = &site.settings.server;
    let base_url = server.base_url.clone().unwrap_or_else(|| format!("http://{}", server.listen));
    LinkBase { base_url, client_id: uuid::Uuid::new_v4().to_string() }
}

fn format(asked: Option<&str>, output: Option<&Path>) -> Result<Format, CommandError> {
    let by_extension = output.and_then(Path::extension).map(|extension| extension.to_string_lossy().to_lowercase());
    match (asked, by_extension.as_deref()) {
        (Some(name), _) => Ok(Format::from_tap(name)?),
        (None, Some("vot" | "xml")) => Ok(Format::VotableTabledata),
        (None, Some("arrow")) => Ok(Format::Arrow),
        (None, Some(extension)) => {
            Ok(Format::all().iter().copied().find(|f| f.extension() == extension).unwrap_or(Format::Text))
        }
        (None, None) => Ok(Format::Text),
    }
}

async fn answer(
    archive: &Archive,
    request: &QueryRequest,
    format: Format,
    output: Option<&Path>,
) -> Result<(QueryAnswer, u64), CommandError> {
    let mut answer = archive.query(request).await?;
    let info =
        ResultInfo { query: Some(request.adql.clone()), room_for_status: output.is_some(), ..ResultInfo::default() };
    let encoder = Encoder::new(format, answer.schema.clone(), info)?;
    let Some(path) = output else {
        let name = Path::new("standard output");
        let written = write(&mut answer, request, encoder, &mut std::io::stdout().lock(), name).await?;
        return Ok((answer, written.bytes));
    };
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part).map_err(CommandError::file("write", &part))?;
    let written = write(&mut answer, request, encoder, &mut file, &part).await;
    let written = written.inspect_err(|_| drop(std::fs::remove_file(&part)))?;
    if let Some(beginning) = written.beginning {
        file.write_all_at(&beginning, 0).map_err(CommandError::file("write", &part))?;
    }
    std::fs::rename(&part, path).map_err(CommandError::file("write", path))?;
    Ok((answer, written.bytes))
}

struct Written {
    bytes: u64,
    /// What the first bytes are to be, now that it is known how the result ended.
    beginning: Option<Vec<u8>>,
}

async fn write(
    answer: &mut QueryAnswer,
    request: &QueryRequest,
    mut encoder: Encoder,
    output: &mut dyn Write,
    path: &Path,
) -> Result<Written, CommandError> {
    let (mut bytes, mut buffer) = (0, Vec::new());
    let mut flush = |buffer: &mut Vec<u8>| {
        bytes += buffer.len() as u64;
        let done = output.write_all(buffer);
        buffer.clear();
        done.map_err(CommandError::file("write", path))
    };
    while let Some(batch) = answer.next().await {
        let batch = batch.map_err(|error| CommandError::Exec(error.into()))?;
        encoder.batch(&batch, &mut buffer)?;
        flush(&mut buffer)?;
    }
    let status = match (answer.overflow(), request.maxrec) {
        (true, Some(maxrec)) => Status::Overflow { maxrec: maxrec as u64 },
        _ => Status::Ok,
    };
    let beginning = encoder.beginning(&status);
    encoder.finish(&status, &mut buffer)?;
    flush(&mut buffer)?;
    Ok(Written { bytes, beginning })
}
