//! Cuts of objects of a real S3 server, which answers well, or badly through a proxy.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::scheduled::{order, ranks};
use crate::site::{TestSite, hdf5_files, make_gaia, own_folder, program, python, run};

const BUCKET: &str = "archive";
/// The user and the password of the server.
const KEYS: (&str, &str) = ("ada", "lovelace");

/// A program that is stopped when it is not needed any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// s3s-fs over a folder, whose folders are buckets; and its port.
fn serve(server: &Path, root: &Path) -> (Running, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(server);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--access-key", KEYS.0, "--secret-key", KEYS.1]);
    let process = command.arg(root).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("s3s-fs runs");
    let running = Running(process);
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "s3s-fs does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    (running, port)
}

/// A proxy before it that spoils every Nth answer; and its port.
fn spoil(python: &Path, server: u16, every: u32) -> (Running, u16) {
    let mut command = Command::new(python);
    command.arg(own_folder().join("python/fault_proxy.py")).args([server.to_string(), every.to_string()]);
    let mut process = command.stdout(Stdio::piped()).spawn().expect("python runs");
    let mut port = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (Running(process), port.trim().parse().unwrap())
}

fn spolia(port: u16, secret: &str) -> Command {
    let mut command = Command::new(program("spolia"));
    command.env("AWS_ACCESS_KEY_ID", KEYS.0).env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_REGION", "us-east-1");
    command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")).env("AWS_ALLOW_HTTP", "true");
    command
}

#[test]
fn five_objects_of_four_hundred_files_are_cut_whatever_the_server_spoils() {
    let (Some(server), Some(python)) = (std::env::var_os("SPOLIA_S3S").map(PathBuf::from), python()) else {
        println!("skipped: no S3 server (SPOLIA_S3S) or no Python (SPOLIA_PYTHON)");
        return;
    };
    let files = make_gaia(&["--layout", "mixed", "--sources", "40", "--transits", "6000", "--transits-per-file", "30"]);
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join(BUCKET)).unwrap();
    let paths: Vec<PathBuf> =
        hdf5_files(files.path()).into_iter().filter(|path| !path.to_string_lossy().contains("Complete")).collect();
    assert_eq!(paths.len(), 400);
    for path in &paths {
        std::fs::copy(path, root.path().join(BUCKET).join(path.file_name().unwrap())).unwrap();
    }
    let urls = paths.iter().map(|path| format!("s3://{BUCKET}/{}", path.file_name().unwrap().to_string_lossy()));
    let urls: Vec<String> = urls.collect();
    let ids =
        "import h5py, sys; print(','.join(str(h5py.File(f)['AstroElementary/transitId'][3]) for f in sys.argv[1:]))";
    let chosen: Vec<&PathBuf> =
        paths.iter().filter(|path| path.to_string_lossy().contains("Astro")).step_by(45).take(5).collect();
    let ids = run(Command::new(&python).args(["-c", ids]).args(chosen)).ok();
    let out = tempfile::tempdir().unwrap();
    let local = out.path().join("local.h5");
    let options = ["--ids", ids.trim(), "--id-field", "transitId", "-o"];
    run(Command::new(program("spolia")).arg("cut").args(&paths).args(options).arg(&local)).ok();
    let (_server, port) = serve(&server, root.path());
    let merged = out.path().join("merged.h5");
    for every in [0, 10, 3] {
        let proxy = (every > 0).then(|| spoil(&python, port, every));
        let port = proxy.as_ref().map_or(port, |(_, port)| *port);
        run(spolia(port, KEYS.1).arg("cut").args(&urls).args(options).arg(&merged)).ok();
        let compared = own_folder().join("python/compare_cut.py");
        let told = run(Command::new(&python).arg(compared).arg(&merged).arg(files.path())).ok();
        // Each transit and its match.
        assert!(told.starts_with("10 objects of 10 files"), "one of {every} spoilt: {told}");
        std::fs::remove_file(&merged).unwrap();
    }
    let (_proxy, hopeless) = spoil(&python, port, 1);
    let refused = run(spolia(hopeless, KEYS.1).arg("cut").args(&urls[..1]).args(options).arg(&merged)).refused();
    assert!(refused.contains(&urls[0]), "{refused}");
    let refused = run(spolia(port, "guess").arg("cut").args(&urls[..1]).args(options).arg(&merged)).refused();
    assert!(refused.contains(&urls[0]) && !refused.contains("guess"), "{refused}");
    let left: Vec<_> = std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["local.h5"], "a half-written output was left behind");
}

#[test]
fn an_archive_on_s3_is_filled_and_cut_by_its_indexes_and_notices_what_changed() {
    let (Some(server), Some(python)) = (std::env::var_os("SPOLIA_S3S").map(PathBuf::from), python()) else {
        println!("skipped: no S3 server (SPOLIA_S3S) or no Python (SPOLIA_PYTHON)");
        return;
    };
    let files =
        make_gaia(&["--layout", "mixed", "--sources", "200", "--transits", "1000", "--transits-per-file", "300"]);
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join(BUCKET)).unwrap();
    let (_server, port) = serve(&server, root.path());
    let site = TestSite::new(2);
    let settings = site.path().join("spolia.toml");
    let own = std::fs::read_to_string(&settings).unwrap();
    let store = format!(
        "[store]\nurl = \"s3://{BUCKET}/dr3\"\nendpoint = \"http://127.0.0.1:{port}\"\nregion = \"us-east-1\"\n\
         access_key_id = \"{}\"\nsecret_access_key = \"{}\"\nallow_http = true\n",
        KEYS.0, KEYS.1
    );
    std::fs::write(&settings, format!("{own}\n{store}")).unwrap();
    let shown = site.spolia(&["settings"]).ok();
    assert!(shown.contains("s3://archive/dr3") && !shown.contains(KEYS.1), "{shown}");
    site.ingest(&hdf5_files(files.path()), &[]).ok();
    assert!(!site.path().join("objects").exists(), "nothing lies in the site's folder");
    let merged = site.path().join("merged.h5");
    let query = "SELECT source_id FROM gaia.completesource WHERE delta > 0";
    let output = merged.to_str().unwrap();
    let report = site.spolia(&["cut", "--adql", query, "--with-transits", "--json", "-o", output]).ok();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let (read, whole) = (report["report"]["bytes_read"].as_u64().unwrap(), bytes_of(files.path()));
    assert!(read > 0 && read < whole, "{read} bytes are read of {whole}");
    let compared = own_folder().join("python/compare_cut.py");
    run(Command::new(&python).arg(&compared).arg(&merged).arg(files.path())).ok();
    let again = site.path().join("again.h5");
    site.spolia(&["cut", "--again", output, "-o", again.to_str().unwrap()]).ok();
    assert!(std::fs::read(&merged).unwrap() == std::fs::read(&again).unwrap(), "other bytes the second time");
    // The same by ranks, whose key lies beside their order, where nobody else can read it.
    let folder = order(&site, &["--adql", query, "--with-transits"]);
    let mode = std::fs::metadata(folder.join("key.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!std::fs::read_to_string(folder.join("order.json")).unwrap().contains(KEYS.1));
    if let Some(mut command) = ranks(&folder, 2) {
        run(&mut command).ok();
        assert!(
            std::fs::read(&merged).unwrap() == std::fs::read(folder.join("merged.h5")).unwrap(),
            "other bytes by ranks"
        );
    }
    // A file is written anew behind the archive's back, with one bit changed.
    let stored = files_below(root.path());
    let changed = stored.iter().find(|path| path.to_string_lossy().ends_with(".h5")).expect("files in the bucket");
    let mut bytes = std::fs::read(changed).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    let (spoilt, key) = (site.path().join("spoilt"), changed.strip_prefix(root.path()).unwrap().display());
    std::fs::write(&spoilt, bytes).unwrap();
    let mut put = Command::new("curl");
    put.args([
        "-sSf",
        "-H",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        "--aws-sigv4",
        "aws:amz:us-east-1:s3",
        "--user",
        &format!("{}:{}", KEYS.0, KEYS.1),
        "-T",
    ]);
    run(put.arg(&spoilt).arg(format!("http://127.0.0.1:{port}/{key}"))).ok();
    let refused = site.spolia(&["cut", "--again", output, "-o", again.to_str().unwrap()]).refused();
    let name = changed.file_stem().unwrap().to_string_lossy();
    assert!(refused.contains(&*name) && refused.contains("ETag"), "{name}: {refused}");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

fn bytes_of(folder: &Path) -> u64 {
    hdf5_files(folder).iter().map(|path| path.metadata().unwrap().len()).sum()
}
