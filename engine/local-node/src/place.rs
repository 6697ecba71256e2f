//! Where a node's data folder and socket lie.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::files::{failed, make_folder, read_small, remove_folder};
use crate::record::NodeRecord;
use crate::server_user::ServerUser;
use crate::{Error, LocalNodeSettings, Result};

/// Names the socket file. Each node has a socket folder of its own, so all use the same number.
pub(crate) const PORT: u16 = 5432;
/// Bytes of a Unix socket's path, `sun_path` without its closing NUL.
const SOCKET_PATH_BYTES: usize = 107;
/// Where sockets go whose path would be too long.
const SHORT_ROOT: &str = "/tmp";
/// In a folder below `fallback_root`: the path of the node it belongs to.
const NODE_PATH_FILE: &str = "node_path";

/// Decides where a new node's data go: `None` is the node's own folder, else a folder below `fallback_root`.
pub(crate) async fn choose(
    node_dir: &Path,
    token: &str,
    user: &ServerUser,
    settings: &LocalNodeSettings,
) -> Result<Option<PathBuf>> {
    if !user.is_other() {
        return Ok(None);
    }
    let probe = node_dir.join("probe");
    make_folder(&probe, 0o700)?;
    user.give(&probe)?;
    let reachable = user.can_use(&probe).await;
    remove_folder(&probe)?;
    if reachable {
        return Ok(None);
    }
    warn_of_leftovers(node_dir, &settings.fallback_root);
    Ok(Some(settings.fallback_root.join(format!("{}-{token}", readable_name(node_dir)))))
}

/// Makes the folder that [`choose`] named, and writes into it whose it is.
pub(crate) fn make(place: &Path, node_dir: &Path) -> Result<()> {
    if let Some(root) = place.parent() {
        fs::create_dir_all(root).map_err(failed("make", root))?;
    }
    make_folder(place, 0o711)?;
    let note = place.join(NODE_PATH_FILE);
    fs::write(&note, node_dir.as_os_str().as_bytes()).map_err(failed("write", &note))
}

/// `<site>-<node>` of a path `<site>/nodes/<node>`, with harmless characters only and not too long.
fn readable_name(node_dir: &Path) -> String {
    let site: String =
        file_name(node_dir.ancestors().nth(2)).chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!("{site}-{}", file_name(Some(node_dir)))
}

fn file_name(path: Option<&Path>) -> Cow<'_, str> {
    path.and_then(Path::file_name).map(OsStr::to_string_lossy).unwrap_or_default()
}

/// A site that was removed by hand leaves its data here; a new site at the same path must neither use nor destroy them.
fn warn_of_leftovers(node_dir: &Path, fallback_root: &Path) {
    for entry in fs::read_dir(fallback_root).into_iter().flatten().flatten() {
        let owner = read_small(&entry.path().join(NODE_PATH_FILE)).ok().flatten();
        if owner.is_some_and(|path| path.as_bytes() == node_dir.as_os_str().as_bytes()) {
            tracing::warn!(folder = %entry.path().display(), "data of an earlier site at the same path; remove them if that site is gone for good");
        }
    }
}

/// The folder of a node's socket: beside its data, or a short one when the socket's path would be too long or could not
/// stand in PostgreSQL's comma-separated setting.
pub(crate) fn socket_dir(place: &Path, record: &NodeRecord) -> PathBuf {
    let beside = place.join("socket");
    let bytes = beside.as_os_str().as_bytes();
    let file_bytes = format!("/.s.PGSQL.{PORT}").len();
    let fits = bytes.len() + file_bytes <= SOCKET_PATH_BYTES;
    if fits && !bytes.contains(&b',') && !bytes.contains(&b'"') {
        return beside;
    }
    Path::new(SHORT_ROOT).join(format!("spolia-{}", record.token))
}

/// Makes the socket folder, or accepts the one that is there if nobody but the server's user can have put anything in it.
pub(crate) fn ensure_socket_dir(path: &Path, user: &ServerUser) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(failed("make", path)(e)),
        _ => {}
    }
    let found = path.symlink_metadata().map_err(failed("look at", path))?;
    // A caller that was killed between making the folder and giving it away leaves it its own.
    let ours = found.uid() == user.uid || found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_dir() || !ours || found.mode() & 0o077 != 0 {
        return Err(Error::CheckSocketFolder { path: path.to_owned(), owner: user.uid });
    }
    user.give(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn record() -> NodeRecord {
        NodeRecord { token: "0123456789abcdef".to_owned(), created: true, place: None }
    }

    #[test]
    fn a_socket_path_of_107_bytes_is_the_longest() {
        let check = |place_bytes: usize, short: bool| {
            let place = PathBuf::from(format!("/{}", "x".repeat(place_bytes - 1)));
            let folder = socket_dir(&place, &record());
            assert_eq!(folder == Path::new("/tmp/spolia-0123456789abcdef"), short, "{place_bytes}");
        };
        // "/socket" and "/.s.PGSQL.5432" are 21 bytes.
        check(107 - 21, false);
        check(108 - 21, true);
    }

    #[test]
    fn a_comma_in_the_path_needs_the_short_folder() {
        assert!(socket_dir(Path::new("/data/a,b"), &record()).starts_with("/tmp"));
    }

    #[test]
    fn an_open_folder_or_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let user = ServerUser::of_node("n1", folder.path()).or_else(|_| {
            // Root owns the test's folder, but never runs a server: take somebody else's.
            lchown_to_nobody(folder.path());
            ServerUser::of_node("n1", folder.path())
        });
        let user = user.unwrap();
        let socket = folder.path().join("socket");
        ensure_socket_dir(&socket, &user).unwrap();
        ensure_socket_dir(&socket, &user).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(ensure_socket_dir(&socket, &user).unwrap_err().to_string().contains("0700"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/", &link).unwrap();
        assert!(ensure_socket_dir(&link, &user).is_err());
    }

    fn lchown_to_nobody(path: &Path) {
        std::os::unix::fs::lchown(path, Some(65534), Some(65534)).unwrap();
    }

    #[test]
    fn a_fallback_folder_has_a_name_a_person_can_read() {
        assert_eq!(readable_name(Path::new("/home/ann/my site/nodes/n1")), "mysite-n1");
    }
}
