//! A site of its own for a test: real nodes, real files, the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use spolia_local_node::LocalNodes;
use tempfile::TempDir;

/// A site in a temporary folder; its nodes are stopped and removed with it.
pub struct TestSite {
    path: PathBuf,
    _folder: Option<TempDir>,
}

impl TestSite {
    /// An empty site with running nodes.
    pub fn new(shards: u32) -> Self {
        let folder = open_folder();
        let mut site = Self::at(folder.path(), shards);
        site._folder = Some(folder);
        site
    }

    /// An empty site with running nodes in a folder that the test keeps.
    pub fn at(path: &Path, shards: u32) -> Self {
        let site = Self { path: path.to_owned(), _folder: None };
        site.spolia(&["init", "--shards", &shards.to_string()]).ok();
        site.spolia(&["up"]).ok();
        site
    }

    /// A site in a folder that has its settings, whose nodes belong to others.
    pub fn of_others(path: &Path) -> Self {
        Self { path: path.to_owned(), _folder: None }
    }

    /// A site that holds `files`.
    pub fn with_files(shards: u32, files: &Path) -> Self {
        let site = Self::new(shards);
        site.ingest(&hdf5_files(files), &[]).ok();
        site
    }

    /// The site's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `spolia` on this site.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("spolia"));
        command.env("SPOLIA_SITE", self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs `spolia` on this site to its end.
    pub fn spolia(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }

    /// Ingests files into collection gaia.
    pub fn ingest(&self, files: &[PathBuf], options: &[&str]) -> Run {
        run(self.command(&["ingest", "gaia"]).args(options).args(files))
    }

    /// The rows of a query, as CSV cells without the header.
    pub fn rows(&self, adql: &str) -> Vec<Vec<String>> {
        cells(&self.spolia(&["query", adql, "-f", "csv"]).ok())
    }

    /// `psql` on one of the site's nodes; the answer as CSV.
    pub fn psql(&self, node: &str, database: &str, sql: &str) -> Run {
        run(&mut self.psql_command(node, database, sql))
    }

    /// `psql` on a node, not yet run.
    pub fn psql_command(&self, node: &str, database: &str, sql: &str) -> Command {
        let nodes = LocalNodes::new(self.path(), Default::default()).expect("the site has nodes");
        let node = nodes.open(node).expect("the node was made");
        let c = node.connection();
        let mut psql = Command::new("psql");
        psql.env("PGPASSWORD", &c.password)
            .args(["-X", "-q", "--csv", "-t", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(&c.host);
        psql.args(["-p", &c.port.to_string(), "-U", &c.user, "-d", database, "-c", sql]);
        psql
    }

    /// The process of a node's server.
    pub fn server_pid(&self, name: &str) -> Pid {
        let nodes = LocalNodes::new(self.path(), Default::default()).expect("the site has nodes");
        let node = nodes.open(name).expect("the node was made");
        let pid = std::fs::read_to_string(node.data_dir().join("postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("a pid").parse().expect("a number");
        Pid::from_raw(pid).expect("no pid is 0")
    }

    /// Kills a node's server with SIGKILL and waits until it is gone.
    pub fn kill_node(&self, name: &str) {
        let pid = self.server_pid(name);
        kill_process(pid, Signal::KILL).expect("it is ours");
        while Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("exe").exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for TestSite {
    fn drop(&mut self) {
        if self.path().join("spolia.toml").exists() {
            let _ = self.command(&["down"]).output();
        }
    }
}

/// A temporary folder that the server's user can enter too.
pub fn open_folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("spolia-test-").tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("our own folder");
    folder
}

/// What a program left.
#[derive(Debug)]
pub struct Run {
    pub success: bool,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Its standard output; the test fails when the program did.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.success, "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Its complaint; the test fails when the program did not.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(!self.success, "it should have failed:\n{}\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run { success: status.success(), code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// One of the workspace's programs, which lie one folder above the test binary.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test binary");
    let path = test.parent().and_then(Path::parent).expect("a target folder").join(name);
    assert!(path.is_file(), "{} is not built; run `make test`", path.display());
    path
}

/// Gaia-shaped files in a folder of their own.
pub fn make_gaia(options: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(Command::new(program("spolia")).arg("make-gaia").args(options).arg("--out").arg(folder.path())).ok();
    folder
}

/// The HDF5 files in a folder, by name.
pub fn hdf5_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "h5"));
    paths.sort();
    paths
}

/// The cells of CSV without its header line. Quoted cells may hold commas, not line breaks.
pub fn cells(csv: &str) -> Vec<Vec<String>> {
    csv.lines().skip(1).map(split).collect()
}

/// The cells of one line of CSV.
pub fn split(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for letter in line.trim_end_matches('\r').chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().expect("at least one").push(other),
        }
    }
    cells
}

/// The Python with the clients of `tests/setup/requirements.txt`, if the tier has one.
pub fn python() -> Option<PathBuf> {
    std::env::var_os("SPOLIA_PYTHON").map(PathBuf::from).filter(|path| path.is_file())
}

/// The folder of this crate.
pub fn own_folder() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests"))
}
