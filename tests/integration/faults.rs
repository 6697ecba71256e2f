//! What happens when a part fails in the middle of something: a node killed or stalled under a long answer, a full disk.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::served::Served;
use crate::site::{TestSite, hdf5_files, make_gaia, run};

/// Files whose transits take a while to send.
const MANY_TRANSITS: [&str; 6] = ["--layout", "table", "--sources", "3000", "--transits", "150000"];

/// Begins to read a long answer slowly, and waits until a part of it is there.
fn slow_reader(served: &Served, answer: &Path) -> Child {
    let reader = Command::new("curl")
        .args(["-s", "-S", "--max-time", "120", "--limit-rate", "1500k", "-d", "LANG=ADQL", "-d", "MAXREC=1000000"])
        .args(["-d", "QUERY=SELECT * FROM gaia.astroelementary", "-o"])
        .arg(answer)
        .arg(format!("{}/tap/sync", served.base_url))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while answer.metadata().map_or(0, |file| file.len()) < 300_000 {
        assert!(started.elapsed() < Duration::from_secs(60), "no answer begins");
        std::thread::sleep(Duration::from_millis(20));
    }
    reader
}

/// The end of an answer that broke off must say so, and by whose fault.
fn check_broken_off(answer: &Path, node: &str) {
    let text = std::fs::read_to_string(answer).unwrap();
    let end = &text[text.len().saturating_sub(8000)..];
    assert!(end.contains(r#"name="QUERY_STATUS" value="ERROR""#) && end.contains(&format!("node {node}")), "{end}");
    assert!(end.trim_end().ends_with("</VOTABLE>"), "the document is whole: {end}");
}

/// A row of the node that is still there.
fn check_others_go_on(served: &Served) {
    let on_n1 = served.site.psql("n1", "postgres", "SELECT source_id FROM gaia.completesource LIMIT 1").ok();
    let query = format!("QUERY=SELECT source_id FROM gaia.completesource WHERE source_id = {}", on_n1.trim());
    let options = ["-d", "LANG=ADQL", "-d", "RESPONSEFORMAT=csv", "--data-urlencode", query.as_str()];
    assert!(served.curl("/tap/sync", &options).ok().contains(on_n1.trim()));
    let health = served.curl("/healthz", &["-i"]).ok();
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("node n2 does not answer"), "{health}");
}

#[test]
fn a_node_lost_under_a_long_answer_is_named_and_found_again() {
    let served =
        Served::with(&MANY_TRANSITS, &[("SPOLIA__ROUTER__SILENCE_S", "1"), ("SPOLIA__ROUTER__CONNECT_TIMEOUT_S", "3")]);
    let folder = tempfile::tempdir().unwrap();
    for (way, answer) in [("killed", folder.path().join("killed.vot")), ("stalled", folder.path().join("stalled.vot"))]
    {
        let mut reader = slow_reader(&served, &answer);
        let stalled = match way {
            "killed" => {
                served.site.kill_node("n2");
                None
            }
            _ => Some(Stalled::new(&served.site, "n2")),
        };
        check_others_go_on(&served);
        assert!(reader.wait().unwrap().success(), "the answer ends as a document, {way}");
        check_broken_off(&answer, "n2");
        drop(stalled);
        served.site.spolia(&["up"]).ok();
        let count = [
            "-d",
            "LANG=ADQL",
            "-d",
            "RESPONSEFORMAT=csv",
            "-d",
            "QUERY=SELECT COUNT(*) AS n FROM gaia.astroelementary",
        ];
        assert!(served.curl("/tap/sync", &count).ok().contains("150000"), "the node serves again, {way}");
    }
    let log = std::fs::read_to_string(served.site.path().join("log/operations.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(r#""status":"error""#) && line.contains("node n2")).count(), 2);
}

/// A node whose processes are stopped; they go on when this is dropped.
struct Stalled(Vec<Pid>);

impl Stalled {
    fn new(site: &TestSite, node: &str) -> Self {
        let server = site.server_pid(node);
        let number = server.as_raw_nonzero();
        let backends = std::fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap();
        let backends = backends.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().unwrap()));
        let stalled = Self(backends.chain([server]).collect());
        stalled.signal(Signal::STOP);
        stalled
    }

    fn signal(&self, signal: Signal) {
        for pid in &self.0 {
            // A backend may have ended meanwhile.
            let _ = kill_process(*pid, signal);
        }
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
    }
}

/// A small file system in memory, there until this is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// Nothing, with a word of it, where this machine does not allow it.
    fn mount(folder: &'a Path, size: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0755"), "tmpfs"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn counts(site: &TestSite) -> Vec<Vec<String>> {
    ["completesource", "astroelementary", "crossmatch"]
        .iter()
        .flat_map(|table| site.rows(&format!("SELECT COUNT(*) AS n FROM gaia.{table}")))
        .collect()
}

#[test]
fn a_full_object_store_stops_the_ingest_and_loses_nothing() {
    let files =
        make_gaia(&["--layout", "table", "--sources", "500", "--transits", "12000", "--transits-per-file", "2000"]);
    let site = TestSite::new(2);
    let paths = hdf5_files(files.path());
    site.ingest(&paths[..1], &[]).ok();
    let before = counts(&site);
    let store = site.path().join("objects/gaia");
    {
        let aside = tempfile::tempdir().unwrap();
        run(Command::new("cp").arg("-a").arg(store.join(".")).arg(aside.path())).ok();
        let Some(_disk) = SmallDisk::mount(&store, "1m") else { return };
        run(Command::new("cp").arg("-a").arg(aside.path().join(".")).arg(&store)).ok();
        let complaint = site.ingest(&paths, &[]).refused();
        assert!(complaint.contains("No space left on device"), "{complaint}");
        assert_eq!(counts(&site), before, "what was there is served, what failed is not seen");
    }
    site.ingest(&paths, &[]).ok();
    assert_eq!(counts(&site), [["500"], ["12000"], ["12000"]]);
}

#[test]
fn a_node_on_a_full_disk_stops_the_ingest_and_loses_nothing() {
    let files = make_gaia(&["--layout", "table", "--sources", "2000", "--transits", "120000"]);
    let folder = crate::site::open_folder();
    let Some(_disk) = SmallDisk::mount(folder.path(), "700m") else { return };
    let site = TestSite::at(&folder.path().join("site"), 1);
    let paths = hdf5_files(files.path());
    site.ingest(&paths[..1], &[]).ok();
    let before = counts(&site);
    // All but a little is taken by something else.
    let ballast = folder.path().join("ballast");
    let free = run(Command::new("stat").args(["-f", "-c", "%a %S"]).arg(folder.path())).ok();
    let free: Vec<u64> = free.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let length = free[0] * free[1] - (12 << 20);
    run(Command::new("fallocate").args(["-l", &length.to_string()]).arg(&ballast)).ok();
    let complaint = site.ingest(&paths, &[]).refused();
    assert!(complaint.contains("node n1") && complaint.contains("No space left on device"), "{complaint}");
    std::fs::remove_file(&ballast).unwrap();
    site.spolia(&["up"]).ok();
    // PostgreSQL may still notice in another of its processes that the disk was full, and begin anew once more.
    let end = Instant::now() + Duration::from_secs(60);
    while !site.spolia(&["query", "SELECT COUNT(*) AS n FROM gaia.completesource"]).success {
        assert!(Instant::now() < end, "the node does not come back");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(counts(&site), before, "what was there is served, what failed is not seen");
    site.ingest(&paths, &[]).ok();
    assert_eq!(counts(&site), [["2000"], ["120000"], ["120000"]]);
}
