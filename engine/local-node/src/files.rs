//! The few file operations of a node, each with an error that names the path.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Attaches an act and a path to an I/O error.
pub(crate) fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { act, path, source }
}

/// Makes a folder of the given mode, whatever the umask; one that is there already is left as it is.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("make", path)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed("make", path)(e)),
    }
}

/// Removes a folder and all in it; none there is fine.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes a file; none there is fine.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Writes a file of mode 0600 so that a reader sees the old content or the new one, also after a power cut.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    remove_file(&part)?;
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(failed("write", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes renames inside a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

/// Reads a small text file; `None` when there is none.
pub(crate) fn read_small(path: &Path) -> Result<Option<String>> {
    const LIMIT_BYTES: u64 = 64 * 1024;
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(LIMIT_BYTES).read_to_string(&mut text).map(|_| Some(text)).map_err(failed("read", path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", path)(e)),
    }
}

/// The last lines of a log, from byte `since` on; what can't be read is said in their place.
pub(crate) fn tail(path: &Path, since: u64) -> String {
    const LIMIT_BYTES: u64 = 4096;
    const LINES: usize = 15;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(since.max(length.saturating_sub(LIMIT_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(LIMIT_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes), LINES),
        Err(e) => format!("(can't read the log: {e})"),
    }
}

/// The last `count` lines of a text, or a word that there are none.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    if lines.is_empty() {
        return "(nothing was written)".to_owned();
    }
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_starts_after_what_earlier_starts_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "old\nnew 1\nnew 2\n").unwrap();
        assert_eq!(tail(&log, 4), "new 1\nnew 2");
        assert_eq!(tail(&log, 16), "(nothing was written)");
    }

    #[test]
    fn a_private_file_is_private_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        write_private(&file, "one").unwrap();
        write_private(&file, "two").unwrap();
        assert_eq!(read_small(&file).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
