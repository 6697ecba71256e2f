//! Documents in the folder of an order: each is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Who may read what everybody may, and what only its owner may.
pub(super) const OPEN: u32 = 0o644;
pub(super) const SECRET: u32 = 0o600;
/// Bytes of a document at most.
const LONGEST: u64 = 4 << 30;

/// Writes a document.
pub(super) fn put(folder: &Path, name: &str, document: &impl Serialize, mode: u32) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    forget(folder, &format!("{name}.part"))?;
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&part)?;
    file.write_all(&serde_json::to_vec(document)?)?;
    fs::rename(part, folder.join(name))
}

/// Reads a document.
pub(super) fn take<T: DeserializeOwned>(folder: &Path, name: &str) -> io::Result<T> {
    let file =
        File::open(folder.join(name)).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    if file.metadata()?.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} is too large")));
    }
    let read = serde_json::from_reader(io::BufReader::new(file));
    read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}")))
}

/// Removes a document, if it is there.
pub(super) fn forget(folder: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
