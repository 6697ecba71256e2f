//! Tables of formats whose readers believe what a file claims (Parquet, Arrow): a process of their own reads them, in which the kernel
//! keeps the bounds, and gives them as an Arrow IPC stream.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use spolia_formats::{ReadBounds, bytes_of};

use crate::fault::Fault;

/// How long the process may take, whatever it waits for.
const LONGEST: Duration = Duration::from_secs(120);
/// Megabytes that it may be told to take at most.
const MOST_MB: usize = 1024;
/// Bytes of a message of the process.
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
    /// [`Fault`] with the reason, for whoever sent it.
    pub(crate) fn decode(&self, path: &Path, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>), Fault> {
        let mut child =
            self.spawn(path, bounds).map_err(|error| Fault::internal("read tables of this format", &error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let child = Mutex::new(child);
        let kill = || {
            // One that has ended cannot be killed, and need not be.
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        };
        let (ended, waiting) = mpsc::channel::<()>();
        let (table, said) = std::thread::scope(|scope| {
            let said = scope.spawn(|| stderr.map(message).unwrap_or_default());
            let kill = &kill;
            scope.spawn(move || {
                if waiting.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                    kill();
                }
            });
            let table = received(stdout, bounds);
            // One that has more to write than it may is not waited for; any other ends by itself, and says why.
            if matches!(table, Err(ArrowError::MemoryError(_))) {
                kill();
            }
            let said = said.join().unwrap_or_default();
            drop(ended);
            (table, said)
        });
        let status = child.into_inner().unwrap_or_else(PoisonError::into_inner).wait();
        match status {
            Ok(status) if status.success() => {
                table.map_err(|error| Fault::usage(format!("the table cannot be read: {error}")))
            }
            _ => Err(Fault::usage(reason(&said))),
        }
    }

    fn spawn(&self, path: &Path, bounds: &ReadBounds) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .arg(format!("--rows={}", bounds.rows))
            .arg(format!("--memory-mb={}", (bounds.memory_bytes >> 20).clamp(1, MOST_MB)))
            .arg(path)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// The beginning of what the process says; the rest is read and dropped, so that it never waits for a reader.
fn message(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let read = stderr.by_ref().take(LONGEST_MESSAGE).read_to_end(&mut said);
    if read.and_then(|_| std::io::copy(&mut stderr, &mut std::io::sink())).is_err() {
        said.clear();
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn received(stdout: Option<ChildStdout>, bounds: &ReadBounds) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
    let nothing = || ArrowError::IpcError("nothing was read".to_owned());
    let reader = StreamReader::try_new_buffered(stdout.ok_or_else(nothing)?, None)?;
    let schema = reader.schema();
    let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
    for batch in reader {
        let batch = batch?;
        rows += batch.num_rows();
        bytes += bytes_of(&batch);
        if rows > bounds.rows || bytes > bounds.memory_bytes {
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
            decoder.decode(Path::new("x"), &ReadBounds::default()).unwrap_err().message
        };
        assert_eq!(decode("/bin/sh", "echo spolia: it is empty >&2; exit 1"), "it is empty");
        assert!(decode("/bin/sh", "kill -9 $$").contains("damaged"));
        assert!(decode("/bin/sh", "echo no stream").contains("cannot be read"));
        // However much it says, it is not waited for.
        assert!(
            decode("/bin/sh", "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo spolia: no >&2; exit 1")
                .contains("damaged")
        );
        assert!(decode("/nowhere/program", "").contains("could not read tables"));
    }
}
