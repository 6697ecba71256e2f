//! A Redis server of its own for a test.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The Redis server under another name, as Debian's redis-tools has it: it does what the name says that it is called by.
const UNDER_ANOTHER_NAME: &str = "/usr/bin/redis-check-rdb";

/// A Redis server that keeps nothing on disk.
pub struct RedisServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl RedisServer {
    /// One on a free port; none where this machine has no Redis, which is said.
    pub fn start() -> Option<Self> {
        let folder = TempDir::with_prefix("spolia-test-redis-").unwrap();
        let Some(program) = program(folder.path()) else {
            println!("skipped: no Redis server");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { child: run(&program, port, folder.path()), port, folder })
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same port and with nothing in it.
    pub fn start_again(&mut self) {
        let program = program(self.folder.path()).unwrap();
        self.child = run(&program, self.port, self.folder.path());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(folder: &Path) -> Option<PathBuf> {
    let installed = PathBuf::from("/usr/bin/redis-server");
    if installed.exists() {
        return Some(installed);
    }
    let link = folder.join("redis-server");
    if !link.exists() {
        Path::new(UNDER_ANOTHER_NAME).exists().then(|| symlink(UNDER_ANOTHER_NAME, &link).unwrap())?;
    }
    Some(link)
}

fn run(program: &Path, port: u16, folder: &Path) -> Child {
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "Redis does not answer");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}
