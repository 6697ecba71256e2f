//! `spolia decode-table`: reads a stranger's table for the server, in bounds that the kernel keeps.

use std::io::Write;

use arrow::ipc::writer::StreamWriter;
use rustix::process::{Resource, Rlimit, setrlimit};
use spolia_formats::{ReadBounds, read_table};

use crate::arguments::DecodeTable;
use crate::error::CommandError;

/// Memory that the program takes by itself, and that a reader takes for what it has not yet handed on.
const OWN_MB: usize = 512;
/// Letters of a message at most.
const LONGEST_MESSAGE: usize = 500;
/// Seconds of a processor.
const CPU_S: u64 = 60;

/// Writes the table in a file to standard output, as an Arrow IPC stream.
pub fn run(table: &DecodeTable) -> Result<(), CommandError> {
    let memory_bytes = (table.memory_mb as usize) << 20;
    let limit = |resource, most: u64| {
        let bound = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, bound).map_err(|error| CommandError::Said(format!("no bound can be set: {error}")))
    };
    limit(Resource::Data, (2 * memory_bytes + (OWN_MB << 20)) as u64)?;
    limit(Resource::Cpu, CPU_S)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    let bounds = ReadBounds { rows: table.rows, memory_bytes, ..ReadBounds::default() };
    let (schema, rows) = read_table(&table.path, &bounds).map_err(|error| {
        let said = CommandError::from(error).message();
        CommandError::Said(
            said.replace(&table.path.display().to_string(), "it").chars().take(LONGEST_MESSAGE).collect(),
        )
    })?;
    let failed =
        |error: arrow::error::ArrowError| CommandError::Said(format!("the table cannot be handed on: {error}"));
    let mut writer = StreamWriter::try_new_buffered(std::io::stdout().lock(), &schema).map_err(failed)?;
    rows.iter().try_for_each(|rows| writer.write(rows)).and_then(|()| writer.finish()).map_err(failed)?;
    let mut out = writer.into_inner().map_err(failed)?;
    out.flush().map_err(|error| failed(error.into()))
}
