//! What processes at work have to tell: a file of lines for each, in its own order, put together by time for who reads them.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

/// The folder of these files in the order's.
const FOLDER: &str = "log";
/// Bytes of one file that are read, from its end.
const MOST_READ: u64 = 8 << 20;

/// Has this process, of a rank, write what it has to tell into the folder of an order. Where it cannot, it tells nobody.
pub fn write_log(folder: &Path, rank: u32) {
    let open = || {
        fs::create_dir_all(folder.join(FOLDER))?;
        File::options().append(true).create(true).open(folder.join(FOLDER).join(format!("rank-{rank:06}.log")))
    };
    let filter = EnvFilter::try_from_env("SPOLIA_LOG").unwrap_or_else(|_| EnvFilter::new("warn,spolia=info"));
    if let Ok(file) = open() {
        // Another one may have been there before.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_target(false)
            .with_writer(Mutex::new(file))
            .try_init();
    }
}

/// What all processes have told that worked on the order in a folder, in the order of time: each line with its time, its rank and the text.
///
/// # Errors
/// When a file cannot be read.
pub fn read_log(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut lines = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(rank) = name.strip_prefix("rank-").and_then(|rank| rank.parse::<u32>().ok()) else { continue };
        // A line without a time belongs to the one before it.
        let mut time = String::new();
        for line in end_of(&path)?.lines() {
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let is_time = first.len() > 19 && first.ends_with('Z') && first.as_bytes().get(10) == Some(&b'T');
            let text = if is_time { rest.trim_start() } else { &line };
            if is_time {
                time = first.to_owned();
            }
            lines.push((time.clone(), rank, text.to_owned()));
        }
    }
    lines.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    Ok(lines.into_iter().map(|(time, rank, text)| format!("{time} rank {rank}: {text}")).collect())
}

/// The end of a file, from the beginning of a line on.
fn end_of(path: &Path) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_READ)))?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match length > MOST_READ {
        true => Ok(text.split_once('\n').map_or_else(String::new, |(_, rest)| rest.to_owned())),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_ranks_are_in_the_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_log(folder.path()).unwrap(), Vec::<String>::new());
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let write = |rank: &str, text: &str| fs::write(folder.path().join(FOLDER).join(rank), text).unwrap();
        write(
            "rank-000000.log",
            "2026-11-28T07:00:00.1Z  INFO begins\n2026-11-28T07:00:02.0Z ERROR ends\nbadly\x1b[31m\n",
        );
        write("rank-000012.log", "2026-11-28T07:00:01.0Z  INFO begins\n");
        write("other", "no log\n");
        let expected = [
            "2026-11-28T07:00:00.1Z rank 0: INFO begins",
            "2026-11-28T07:00:01.0Z rank 12: INFO begins",
            "2026-11-28T07:00:02.0Z rank 0: ERROR ends",
            "2026-11-28T07:00:02.0Z rank 0: badly [31m",
        ];
        assert_eq!(read_log(folder.path()).unwrap(), expected);
    }
}
