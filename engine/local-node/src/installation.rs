//! Finding the PostgreSQL server programs of this machine.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::{Error, LocalNodeSettings, Result};

/// The oldest major version whose programs take the options used here.
const OLDEST_MAJOR: u32 = 13;
/// Where Debian and its kin keep one folder per major version.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";

/// One installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installation {
    /// Major version, such as 15.
    pub(crate) major: u32,
    /// Folder of `initdb` and `postgres`.
    pub(crate) bin_dir: PathBuf,
}

impl Installation {
    /// Path of one of its programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// The newest one.
    pub(crate) async fn newest(settings: &LocalNodeSettings) -> Result<Self> {
        let (found, looked) = search(settings).await;
        found.into_iter().max_by_key(|i| i.major).ok_or(Error::FindPostgres { looked })
    }

    /// The one that can open a data folder of this major version.
    pub(crate) async fn of_major(settings: &LocalNodeSettings, major: u32, node: &str) -> Result<Self> {
        let (found, _) = search(settings).await;
        found.into_iter().find(|i| i.major == major).ok_or(Error::FindMajor { node: node.to_owned(), major })
    }
}

/// All usable installations, and a text of where they were looked for.
async fn search(settings: &LocalNodeSettings) -> (Vec<Installation>, String) {
    let (folders, looked) = match &settings.bin_dir {
        Some(bin_dir) => (vec![bin_dir.clone()], bin_dir.display().to_string()),
        None => (candidates().await, format!("{DEBIAN_ROOT}/*/bin, `pg_config --bindir` and PATH")),
    };
    let mut found = Vec::new();
    for bin_dir in folders {
        if let Some(major) = usable_major(&bin_dir).await {
            found.push(Installation { major, bin_dir });
        }
    }
    (found, looked)
}

/// Folders that may hold the programs, the likeliest first.
async fn candidates() -> Vec<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN_ROOT).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    if let Some(bin_dir) = first_line(Command::new("pg_config").arg("--bindir")).await {
        folders.push(PathBuf::from(bin_dir));
    }
    if let Some(postgres) = first_line(Command::new("sh").args(["-c", "command -v postgres"])).await {
        let real = std::fs::canonicalize(&postgres).unwrap_or_else(|_| PathBuf::from(postgres));
        folders.extend(real.parent().map(Path::to_owned));
    }
    folders
}

/// The major version of the programs in a folder, if both are there and new enough.
async fn usable_major(bin_dir: &Path) -> Option<u32> {
    if !bin_dir.join("initdb").is_file() {
        return None;
    }
    let version = first_line(Command::new(bin_dir.join("postgres")).arg("--version")).await?;
    parse_major(&version).filter(|major| *major >= OLDEST_MAJOR)
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is 15; `16beta2` is 16.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The first line a program prints, if it succeeds.
async fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(std::process::Stdio::null()).output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().filter(|line| output.status.success() && !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_postgres_prints_them() {
        let check = |text, major| assert_eq!(parse_major(text), major, "{text}");
        check("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15));
        check("postgres (PostgreSQL) 16beta2", Some(16));
        check("postgres (PostgreSQL) 9.6.24", Some(9));
        check("bash: no such thing", None);
    }

    #[tokio::test]
    async fn a_folder_without_programs_is_refused_with_the_package_to_install() {
        let settings = LocalNodeSettings { bin_dir: Some("/nonexistent/bin".into()), ..Default::default() };
        let message = Installation::newest(&settings).await.unwrap_err().to_string();
        assert!(message.contains("/nonexistent/bin") && message.contains("postgresql-15"), "{message}");
    }
}
