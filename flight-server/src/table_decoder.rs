//! Tables of formats whose readers believe what a file claims (Parquet, Arrow): a process of their own reads them, in which the kernel
//! keeps the bounds, and gives them as an Arrow IPC stream.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use spolia_formats::ReadBounds;

/// Letters of a message of the process.
const LONGEST_MESSAGE: u64 = 2000;

/// The program that reads such tables.
#[derive(Debug, Clone)]
pub struct TableDecoder {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl TableDecoder {
    /// A program that takes `--rows`, `--memory-mb` and a path behind these arguments. It keeps to the bounds, writes the table as an Arrow IPC
    /// stream, and says on its standard error why it could not.
    pub fn new(program: PathBuf, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { program, arguments: arguments.into_iter().collect() }
    }

    /// The table in a file, which its extension says the format of. Blocks.
    ///
    /// # Errors
    /// Why it cannot be read, for whoever sent it.
    pub(crate) fn decode(&self, path: &Path, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>), String> {
        let mut child = self.spawn(path, bounds).map_err(|error| {
            tracing::error!(%error, program = %self.program.display(), "tables cannot be read");
            "tables of this format cannot be read now".to_owned()
        })?;
        let table = received(&mut child, bounds);
        // One that has more to write than it may is not waited for; any other ends by itself, and says why.
        let killed = if matches!(table, Err(ArrowError::MemoryError(_))) { child.kill() } else { Ok(()) };
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            // What it says matters only where it fails, and a part of that is enough.
            let _ = stderr.take(LONGEST_MESSAGE).read_to_string(&mut said);
        }
        match (child.wait(), killed) {
            (Ok(status), Ok(())) if status.success() => {
                table.map_err(|error| format!("the table cannot be read: {error}"))
            }
            _ => Err(reason(&said)),
        }
    }

    fn spawn(&self, path: &Path, bounds: &ReadBounds) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .arg(format!("--rows={}", bounds.rows))
            .arg(format!("--memory-mb={}", bounds.memory_bytes >> 20))
            .arg(path)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

fn received(child: &mut Child, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
    let nothing = || ArrowError::IpcError("nothing was read".to_owned());
    let reader = StreamReader::try_new_buffered(child.stdout.take().ok_or_else(nothing)?, None)?;
    let schema = reader.schema();
    let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
    for batch in reader {
        let batch = batch?;
        rows += batch.num_rows();
        bytes += batch.get_array_memory_size();
        if rows > bounds.rows || bytes > bounds.memory_bytes.saturating_mul(2) {
            return Err(ArrowError::MemoryError("it has more than it said".to_owned()));
        }
        batches.push(batch);
    }
    Ok((schema, batches))
}

/// Why the process failed: in its own words, unless it was ended in the middle of them.
fn reason(said: &str) -> String {
    let own = said.lines().rev().find_map(|line| line.strip_prefix("spolia: "));
    own.unwrap_or("the table is damaged, or takes more memory than may be brought along").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_fails_says_why() {
        assert_eq!(reason("x\nspolia: no table\n"), "no table");
        assert!(reason("memory allocation of 99999999999 bytes failed").contains("more memory"));
        let decode = |program: &str, script: &str| {
            let decoder = TableDecoder::new(program.into(), ["-c".into(), script.into()]);
            decoder.decode(Path::new("x"), &ReadBounds::default()).unwrap_err()
        };
        assert_eq!(decode("/bin/sh", "echo spolia: it is empty >&2; exit 1"), "it is empty");
        assert!(decode("/bin/sh", "kill -9 $$").contains("damaged"));
        assert!(decode("/bin/sh", "echo no stream").contains("cannot be read"));
        assert!(decode("/nowhere/program", "").contains("cannot be read now"));
    }
}
