//! Local nodes with real PostgreSQL servers: made, found again, killed, moved, left behind by nobody.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may panic, and a skipped test says so")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use spolia_local_node::{
    Error, LocalNode, LocalNodeSettings, LocalNodes, NodeStatus, StartOptions, Started, start_all,
};
use tempfile::TempDir;

/// A site in a temporary folder, whose servers end with the test, however it ends.
struct Site {
    folder: TempDir,
    nodes: LocalNodes,
}

impl Site {
    /// A site that every user can pass.
    fn new() -> Self {
        Self::below(folder(0o755), "")
    }

    /// A site in the folder `name` of a temporary folder.
    fn below(folder: TempDir, name: &str) -> Self {
        let site_dir = folder.path().join(name);
        fs::create_dir_all(&site_dir).unwrap();
        let nodes = nodes_of(&site_dir);
        Self { folder, nodes }
    }

    async fn started(&self, name: &str) -> LocalNode {
        let node = self.nodes.create(name).await.unwrap();
        assert!(matches!(node.start(StartOptions::default()).await.unwrap(), Started::Spawned { .. }));
        node
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let nodes = self.nodes.clone();
        let end = async move {
            for name in nodes.names().unwrap_or_default() {
                let _ = nodes.remove(&name).await;
            }
        };
        // A runtime can't be entered inside another one, so the clearing has a thread of its own.
        let _ = std::thread::spawn(move || tokio::runtime::Runtime::new().unwrap().block_on(end)).join();
    }
}

fn folder(mode: u32) -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempdir().unwrap()
}

/// The nodes of a site, with the fallback folder beside the site's nodes where everybody may reach it.
fn nodes_of(site_dir: &Path) -> LocalNodes {
    LocalNodes::new(site_dir, settings(site_dir.join("fallback"))).unwrap()
}

fn settings(fallback_root: PathBuf) -> LocalNodeSettings {
    LocalNodeSettings { fallback_root, ..Default::default() }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs SQL with psql; an error is its message.
fn sql(node: &LocalNode, query: &str) -> Result<String, String> {
    let output = psql(node, query).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn psql(node: &LocalNode, query: &str) -> Command {
    let to = node.connection();
    let mut psql = Command::new("psql");
    psql.args([
        "-X",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        &to.user,
        "-d",
        &to.dbname,
        "-p",
        &to.port.to_string(),
    ]);
    psql.arg("-h").arg(&to.host).arg("-w").args(["-c", query]).env("PGPASSFILE", node.password_file());
    psql.current_dir("/").stdin(Stdio::null());
    psql
}

fn kill_9(pid: i32) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

fn running_pid(node: &LocalNode) -> i32 {
    match node.status().unwrap() {
        NodeStatus::Running { pid, .. } => pid,
        other => panic!("{other:?}"),
    }
}

/// Waits for something that must come true within 15 s.
async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(15), "not within 15 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The example `hold_node`, which cargo builds along with this test.
fn hold_node() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/hold_node");
    assert!(program.exists(), "cargo build -p spolia-local-node --examples makes {}", program.display());
    program
}

/// Starts `hold_node` and reads the pid of its server.
fn hold(mut command: Command, site_dir: &Path, mode: &str) -> (Child, i32) {
    use std::io::{BufRead, BufReader};
    let mut child = command.arg(site_dir).arg(mode).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}

#[tokio::test]
async fn a_node_is_made_once_started_used_and_stopped() {
    let site = Site::new();
    let node = site.started("n1").await;
    let pid = running_pid(&node);
    assert_eq!(site.nodes.create("n1").await.unwrap().connection(), node.connection());
    let again = node.start(StartOptions::default()).await.unwrap();
    assert_eq!(again, Started::AlreadyRunning { pid, owner: None });

    let check = |query: &str, answer: &str| assert_eq!(sql(&node, query).as_deref(), Ok(answer), "{query}");
    check("SHOW data_checksums", "on");
    check("SHOW server_encoding", "UTF8");
    check("SHOW lc_collate", "C");
    check("SHOW fsync", "on");
    check("SHOW jit", "off");
    check("SHOW listen_addresses", "");
    check("SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256%'", "spolia");
    let wrong = psql(&node, "SELECT 1").env_remove("PGPASSFILE").env("PGPASSWORD", "wrong").output().unwrap();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("password authentication failed"), "{wrong:?}");

    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(node.connection().host.clone()), 0o700);
    assert_eq!(mode(node.data_dir()), 0o700);
    assert_eq!(mode(node.password_file()), 0o600);
    assert_eq!(site.nodes.names().unwrap(), ["n1"]);

    sql(&node, "CREATE TABLE kept AS SELECT 7 AS x").unwrap();
    node.stop().await.unwrap();
    node.stop().await.unwrap();
    assert_eq!(node.status().unwrap(), NodeStatus::Stopped);
    node.start(StartOptions::default()).await.unwrap();
    check("SELECT x FROM kept", "7");
}

#[tokio::test]
async fn four_nodes_start_side_by_side_and_two_starts_make_one_server() {
    let site = Site::new();
    let mut nodes = Vec::new();
    for name in ["n1", "n2", "n3", "n4"] {
        nodes.push(site.nodes.create(name).await.unwrap());
    }
    nodes.push(site.nodes.open("n1").unwrap());
    let begun = Instant::now();
    let started: Vec<Started> =
        start_all(&nodes, StartOptions::default()).await.into_iter().collect::<Result<_, _>>().unwrap();
    println!("four nodes started in {:?}", begun.elapsed());
    let spawned = started.iter().filter(|started| matches!(started, Started::Spawned { .. })).count();
    assert_eq!(spawned, 4, "{started:?}");
    for node in &nodes {
        assert_eq!(sql(node, "SHOW cluster_name").unwrap().split('_').nth(1), Some(node.name()));
    }
}

#[tokio::test]
async fn a_server_killed_with_its_clients_at_work_comes_back_with_what_was_committed() {
    let site = Site::new();
    let node = site.started("n1").await;
    sql(&node, "CREATE TABLE kept AS SELECT 7 AS x").unwrap();
    // A backend that computes does not look whether its server lives.
    let mut busy = psql(&node, "SELECT count(*) FROM generate_series(1, 10000000000::bigint)");
    let mut busy = busy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the query runs", || {
        sql(&node, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM generate%'").as_deref()
            == Ok("1")
    })
    .await;
    kill_9(running_pid(&node));
    wait_for("the server is gone", || node.status().unwrap() == NodeStatus::Stale).await;
    assert!(matches!(node.start(StartOptions::default()).await.unwrap(), Started::Spawned { .. }));
    assert_eq!(sql(&node, "SELECT x FROM kept").unwrap(), "7");
    busy.wait().unwrap();
}

#[tokio::test]
async fn a_pid_file_that_names_a_stranger_is_neither_trusted_nor_signalled() {
    let site = Site::new();
    let node = site.nodes.create("n1").await.unwrap();
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    fs::write(node.data_dir().join("postmaster.pid"), format!("{}\n/x\n1\n5432\n/x\n\n1 1\nready\n", stranger.id()))
        .unwrap();
    fs::create_dir(&node.connection().host).unwrap();
    fs::set_permissions(&node.connection().host, Permissions::from_mode(0o700)).unwrap();
    fs::write(node.connection().host.join(".s.PGSQL.5432.lock"), format!("{}\n/x\n", stranger.id())).unwrap();
    assert_eq!(node.status().unwrap(), NodeStatus::Stale);
    assert!(matches!(node.start(StartOptions::default()).await.unwrap(), Started::Spawned { .. }));
    node.stop().await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was signalled");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_server_ends_with_the_program_that_held_it() {
    let site = Site::new();
    let (mut holder, pid) = hold(Command::new(hold_node()), site.folder.path(), "hold");
    let node = site.nodes.open("n1").unwrap();
    let owner = i32::try_from(holder.id()).unwrap();
    assert_eq!(node.status().unwrap(), NodeStatus::Running { pid, owner: Some(owner) });
    assert_eq!(node.start(StartOptions::default()).await.unwrap(), Started::AlreadyRunning { pid, owner: Some(owner) });
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Whether the server is still going down at this moment or not: a start must end with a server that stays.
    assert!(matches!(node.start(StartOptions::default()).await.unwrap(), Started::Spawned { .. }));
    assert_eq!(sql(&node, "SELECT 1").unwrap(), "1");
    assert_ne!(running_pid(&node), pid);
}

#[tokio::test]
async fn a_killed_holder_leaves_nothing_running() {
    let site = Site::new();
    let (mut holder, _) = hold(Command::new(hold_node()), site.folder.path(), "hold");
    let node = site.nodes.open("n1").unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_for("the server shut itself down", || node.status().unwrap() == NodeStatus::Stopped).await;
}

#[tokio::test]
async fn a_server_left_running_is_found_again_also_when_its_site_was_moved() {
    let folder = folder(0o755);
    let first = folder.path().join("first");
    let site = Site::below(folder, "second");
    fs::create_dir(&first).unwrap();
    let (mut left, pid) = hold(Command::new(hold_node()), &first, "leave");
    assert!(left.wait().unwrap().success());
    let node = nodes_of(&first).open("n1").unwrap();
    assert_eq!(node.start(StartOptions::default()).await.unwrap(), Started::AlreadyRunning { pid, owner: None });
    fs::remove_dir(site.folder.path().join("second")).unwrap();
    fs::rename(&first, site.folder.path().join("second")).unwrap();
    let moved = site.nodes.open("n1").unwrap();
    assert_eq!(running_pid(&moved), pid);
    assert_eq!(sql(&moved, "SELECT 1").unwrap(), "1");
    moved.stop().await.unwrap();
    assert!(matches!(moved.start(StartOptions::default()).await.unwrap(), Started::Spawned { .. }));
}

#[tokio::test]
async fn making_a_node_that_was_interrupted_begins_anew() {
    let site = Site::new();
    let mut maker =
        Command::new(hold_node()).arg(site.folder.path()).arg("leave").stdout(Stdio::null()).spawn().unwrap();
    let node_dir = site.folder.path().join("nodes/n1");
    let unfinished = || {
        let entries = fs::read_dir(&node_dir).into_iter().flatten().flatten();
        entries.filter(|e| e.file_name().to_string_lossy().starts_with("data.part")).map(|e| e.path()).next()
    };
    wait_for("initdb writes", || unfinished().is_some_and(|part| part.join("PG_VERSION").exists())).await;
    maker.kill().unwrap();
    maker.wait().unwrap();
    assert!(matches!(site.nodes.open("n1"), Err(Error::OpenNode { .. })));
    let node = site.started("n1").await;
    assert_eq!(sql(&node, "SELECT 1").unwrap(), "1");
}

#[tokio::test]
async fn data_that_are_gone_are_not_made_again_in_silence() {
    let site = Site::new();
    let node = site.nodes.create("n1").await.unwrap();
    let (data, away) = (node.data_dir(), site.folder.path().join("away"));
    fs::rename(&data, &away).unwrap();
    let refused = site.nodes.create("n1").await.unwrap_err();
    assert!(matches!(refused, Error::FindData { .. }), "{refused}");
    fs::rename(&away, &data).unwrap();
}

#[tokio::test]
async fn a_long_site_path_gets_a_short_socket_folder_that_nobody_else_can_have_prepared() {
    let folder = folder(0o755);
    let site = Site::below(folder, &format!("{0}/{0}", "long".repeat(20)));
    let node = site.nodes.create("n1").await.unwrap();
    let socket_dir = node.connection().host.clone();
    assert!(socket_dir.starts_with("/tmp") && socket_dir.as_os_str().len() < 40, "{socket_dir:?}");
    fs::create_dir(&socket_dir).unwrap();
    fs::set_permissions(&socket_dir, Permissions::from_mode(0o777)).unwrap();
    let refused = node.start(StartOptions::default()).await.unwrap_err();
    assert!(matches!(refused, Error::CheckSocketFolder { .. }), "{refused}");
    fs::remove_dir(&socket_dir).unwrap();
    node.start(StartOptions::default()).await.unwrap();
    assert_eq!(sql(&node, "SELECT 1").unwrap(), "1");
    site.nodes.remove("n1").await.unwrap();
    assert!(!socket_dir.exists());
}

#[tokio::test]
async fn a_server_that_does_not_start_shows_the_end_of_its_log() {
    let site = Site::new();
    let node = site.nodes.create("n1").await.unwrap();
    let conf = node.data_dir().join("postgresql.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("{text}\nwork_mem = 'much'\n")).unwrap();
    let refused = node.start(StartOptions::default()).await.unwrap_err().to_string();
    assert!(refused.contains("n1") && refused.contains("invalid value for parameter \"work_mem\""), "{refused}");
    assert_eq!(node.status().unwrap(), NodeStatus::Stopped);
}

#[tokio::test]
async fn a_node_that_runs_on_another_machine_is_left_alone() {
    let site = Site::new();
    let node = site.nodes.create("n1").await.unwrap();
    let pid_file = node.data_dir().join("postmaster.pid");
    fs::write(&pid_file, "4194303\n/x\n1\n5432\n/x\n\n1 1\nready\n").unwrap();
    let started_on = site.folder.path().join("nodes/n1/started_on");
    fs::write(started_on, r#"{"host":"login2.example.org","boot_id":"another"}"#).unwrap();
    assert_eq!(node.status().unwrap(), NodeStatus::Elsewhere { host: "login2.example.org".to_owned() });
    let refused = node.start(StartOptions::default()).await.unwrap_err().to_string();
    assert!(refused.contains("login2.example.org") && refused.contains("postmaster.pid"), "{refused}");
    assert!(node.stop().await.is_err() && pid_file.exists());
    fs::remove_file(&pid_file).unwrap();
    node.start(StartOptions::default()).await.unwrap();
}

#[tokio::test]
async fn root_keeps_the_data_of_a_private_site_where_the_server_can_reach_them() {
    if !is_root() {
        println!("skipped: only root runs servers as another user");
        return;
    }
    let outside = folder(0o755);
    let private = folder(0o700);
    let fallback_root = outside.path().join("spolia");
    let nodes = LocalNodes::new(private.path(), settings(fallback_root.clone())).unwrap();
    let site = Site { folder: private, nodes };
    let node = site.started("n1").await;
    assert!(node.data_dir().starts_with(&fallback_root), "{:?}", node.data_dir());
    assert!(node.connection().host.starts_with(&fallback_root));
    assert_eq!(sql(&node, "SELECT 1").unwrap(), "1");
    let owner = fs::metadata(node.data_dir()).unwrap().uid();
    let server = fs::metadata(format!("/proc/{}", running_pid(&node))).unwrap().uid();
    assert_eq!((owner, server != 0), (server, true));
    site.nodes.remove("n1").await.unwrap();
    assert_eq!(fs::read_dir(&fallback_root).unwrap().count(), 0);
}

#[tokio::test]
async fn an_ordinary_user_runs_nodes_and_root_may_help() {
    if !is_root() {
        println!("skipped: the other tests ran as an ordinary user already");
        return;
    }
    let site = Site::new();
    let program = site.folder.path().join("hold_node");
    fs::copy(hold_node(), &program).unwrap();
    let home = site.folder.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    chown(&home, Some(65534), Some(65534)).unwrap();
    let as_nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&program).current_dir("/");
        command
    };
    let (mut holder, pid) = hold(as_nobody(), &home, "hold");
    assert_eq!(fs::metadata(format!("/proc/{pid}")).unwrap().uid(), 65534);
    let node = nodes_of(&home).open("n1").unwrap();
    assert_eq!(sql(&node, "SELECT 1").unwrap(), "1");
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_for("the server shut itself down", || node.status().unwrap() == NodeStatus::Stopped).await;

    // Root starts it: still as its owner, and the owner can go on with it.
    node.start(StartOptions::default()).await.unwrap();
    assert_eq!(fs::metadata(format!("/proc/{}", running_pid(&node))).unwrap().uid(), 65534);
    node.stop().await.unwrap();
    let (mut left, _) = hold(as_nobody(), &home, "leave");
    assert!(left.wait().unwrap().success());
    node.stop().await.unwrap();

    // Somebody else is told whose it is.
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65533", "--regid=65533", "--clear-groups", "--"]).arg(&program).arg(site.folder.path());
    let refused: Output = other.arg("leave").current_dir("/").output().unwrap();
    assert!(!refused.status.success(), "{refused:?}");
}
