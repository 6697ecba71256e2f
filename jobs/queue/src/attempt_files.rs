//! What an attempt leaves in its job's folder: who has it, and its exit status. These outlive what a scheduler remembers.

use std::fs;
use std::io;
use std::path::Path;

/// The exit status of work that was ended before its time, and goes on from there when it is begun again: `EX_TEMPFAIL` of `sysexits.h`.
pub const TO_BE_CONTINUED: i32 = 75;

/// The scheduler's id of whoever has an attempt, if somebody does.
pub(crate) fn id_in(folder: &Path, attempt: u32) -> Option<String> {
    word(folder, &format!("attempt-{attempt}.id"))
}

/// Takes an attempt for whoever has an id of the scheduler; returns whether it is this one's.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn take(folder: &Path, attempt: u32, id: &str) -> io::Result<bool> {
    let path = folder.join(format!("attempt-{attempt}.id"));
    match fs::File::create_new(&path) {
        Ok(mut file) => io::Write::write_all(&mut file, id.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(fs::read_to_string(path)?.trim() == id),
        Err(error) => Err(error),
    }
}

/// The exit status of an attempt, if it has come to its end.
pub fn exit_in(folder: &Path, attempt: u32) -> Option<i32> {
    word(folder, &format!("attempt-{attempt}.exit"))?.parse().ok()
}

/// Notes the exit status of an attempt.
///
/// # Errors
/// When the folder cannot be written.
pub fn note_exit(folder: &Path, attempt: u32, status: i32) -> io::Result<()> {
    let part = folder.join(format!("attempt-{attempt}.exit.part"));
    fs::write(&part, format!("{status}\n"))?;
    fs::rename(part, folder.join(format!("attempt-{attempt}.exit")))
}

fn word(folder: &Path, name: &str) -> Option<String> {
    let path = folder.join(name);
    let length = fs::metadata(&path).ok()?.len();
    let text = if length <= 100 { fs::read_to_string(path).ok()? } else { return None };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_has_an_attempt() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!((id_in(folder.path(), 1), exit_in(folder.path(), 1)), (None, None));
        assert!(take(folder.path(), 1, "5").unwrap() && take(folder.path(), 1, "5").unwrap());
        assert!(!take(folder.path(), 1, "6").unwrap() && take(folder.path(), 2, "6").unwrap());
        note_exit(folder.path(), 1, 75).unwrap();
        assert_eq!((id_in(folder.path(), 1).as_deref(), exit_in(folder.path(), 1)), (Some("5"), Some(75)));
    }
}
