//! Making a node: `initdb` into a folder of another name, then a rename.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::{failed, last_lines, make_folder, remove_file, remove_folder, sync_folder, write_private};
use crate::installation::Installation;
use crate::lock::NodeLock;
use crate::node::SUPERUSER;
use crate::place;
use crate::record::{NodeRecord, password};
use crate::server_user::{ServerUser, is_root};
use crate::{Error, LocalNodeSettings, Result};

/// Longest wait for another process that makes the same node.
const LOCK_PATIENCE: Duration = Duration::from_secs(180);

/// Unfinished data folders are called this and a random number.
const PART_PREFIX: &str = "data.part-";

/// Settings of every local node, for some four of them on a machine of 2 cores and 24 GB or less. What depends on the
/// place (socket, name) is given on the command line at each start.
const CONFIGURATION: &str = "
# Added by spolia. Your own changes go below; they are kept.
listen_addresses = ''
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
max_connections = 64
shared_buffers = 256MB
effective_cache_size = 2GB
work_mem = 32MB
maintenance_work_mem = 128MB
min_wal_size = 64MB
max_wal_size = 1GB
checkpoint_timeout = 10min
log_checkpoints = off
# The router works on all nodes at once; workers within each would only compete, and need a big /dev/shm.
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
";

/// Makes the node unless it is made. Interrupted anywhere, it goes on or begins anew the next time.
pub(crate) async fn create(node_dir: &Path, name: &str, settings: &LocalNodeSettings) -> Result<()> {
    make_node_folder(node_dir)?;
    let _lock = NodeLock::take(&node_dir.join("lock"), name, LOCK_PATIENCE).await?;
    let record_path = node_dir.join("node.json");
    let known = NodeRecord::read(&record_path)?;
    if known.as_ref().is_some_and(|record| record.created) {
        return Ok(());
    }
    let user = ServerUser::for_new_node(settings).await?;
    let mut record = match known {
        Some(record) => record,
        None => plan(node_dir, &user, settings).await?,
    };
    record.write(&record_path)?;
    let place = record.place.clone().unwrap_or_else(|| node_dir.to_owned());
    if record.place.is_some() {
        place::make(&place, node_dir)?;
    }
    if !place.join("data").exists() {
        let password = password(&node_dir.join("pgpass"), SUPERUSER)?;
        make_data(&place, name, &password, &user, settings).await?;
    }
    record.created = true;
    record.write(&record_path)
}

/// `<site>/nodes/<name>`, which the server's user must be able to pass when the caller is root.
fn make_node_folder(node_dir: &Path) -> Result<()> {
    let mode = if is_root() { 0o711 } else { 0o700 };
    if let Some(nodes) = node_dir.parent() {
        make_folder(nodes, mode)?;
    }
    make_folder(node_dir, mode)
}

/// A new record, with the place where the data will be.
async fn plan(node_dir: &Path, user: &ServerUser, settings: &LocalNodeSettings) -> Result<NodeRecord> {
    let record = NodeRecord::new();
    let place = place::choose(node_dir, &record.token, user, settings).await?;
    Ok(NodeRecord { place, ..record })
}

/// Makes `<place>/data`, whole or not at all.
async fn make_data(
    place: &Path,
    name: &str,
    password: &str,
    user: &ServerUser,
    settings: &LocalNodeSettings,
) -> Result<()> {
    // A name of its own each time: what an interrupted attempt left may still be written to for a moment.
    remove_unfinished(place);
    let part = place.join(format!("{PART_PREFIX}{:08x}", rand::random::<u32>()));
    make_folder(&part, 0o700)?;
    user.give(&part)?;
    let password_file = place.join("initdb_password");
    write_private(&password_file, password)?;
    user.give(&password_file)?;
    let made = initdb(&part, &password_file, name, user, settings).await;
    remove_file(&password_file)?;
    if made.is_err() {
        remove_unfinished(place);
    }
    made?;
    configure(&part)?;
    let data_dir = place.join("data");
    fs::rename(&part, &data_dir).map_err(failed("make", &data_dir))?;
    sync_folder(place)
}

/// Removes what interrupted attempts left, as far as that goes.
fn remove_unfinished(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let unfinished = entry.file_name().to_string_lossy().starts_with(PART_PREFIX);
        if unfinished && let Err(error) = remove_folder(&entry.path()) {
            tracing::warn!(folder = %entry.path().display(), %error, "what an interrupted initdb left stays behind");
        }
    }
}

/// Runs `initdb`, with page checksums, UTF8 and the C collation.
async fn initdb(
    data_dir: &Path,
    password_file: &Path,
    name: &str,
    user: &ServerUser,
    settings: &LocalNodeSettings,
) -> Result<()> {
    let program = Installation::newest(settings).await?.program("initdb");
    let mut command = user.command(&program, true);
    command.args(["--data-checksums", "--encoding=UTF8", "--locale=C", "--username", SUPERUSER]);
    command.args(["--auth-local=scram-sha-256", "--auth-host=scram-sha-256"]);
    command.arg("--pgdata").arg(data_dir).arg("--pwfile").arg(password_file);
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
    let output = output.map_err(|source| Error::RunProgram { program: program.display().to_string(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let output = last_lines(&String::from_utf8_lossy(&text), 15);
    Err(Error::Initdb { node: name.to_owned(), place: PathBuf::from(data_dir), output })
}

/// Appends this program's settings to `postgresql.conf`.
fn configure(data_dir: &Path) -> Result<()> {
    let path = data_dir.join("postgresql.conf");
    let append = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&path)?;
        file.write_all(CONFIGURATION.as_bytes())?;
        file.sync_all()
    };
    append().map_err(failed("write", &path))
}
