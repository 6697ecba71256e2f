//! Ingests as jobs of a scheduler: processes of this machine, and MPI ranks. What was killed goes on from what was done, and becomes visible
//! whole, in one epoch.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::scheduled::{alone, at_some_time, done_once, ranks, workers};
use crate::site::{TestSite, hdf5_files, make_gaia, run};

/// Files with some objects.
const FILES: [&str; 10] = [
    "--layout",
    "mixed",
    "--sources",
    "300",
    "--transits",
    "2000",
    "--sources-per-file",
    "30",
    "--transits-per-file",
    "100",
];

/// A list of the files in a folder.
pub fn list(folder: &Path) -> String {
    let path = folder.join("files.txt");
    let files: Vec<String> = hdf5_files(folder).iter().map(|path| path.display().to_string()).collect();
    std::fs::write(&path, files.join("\n")).unwrap();
    format!("@{}", path.display())
}

/// Makes a job that no scheduler takes; returns the folder with its order.
fn order(site: &TestSite, files: &Path) -> PathBuf {
    let mut submit = site.command(&["jobs", "submit", "ingest", "gaia", &list(files), "--scheduler", "local"]);
    let job = run(submit.env("SPOLIA__JOBS__MOST", "0")).ok();
    site.path().join("jobs").join(job.trim())
}

/// All rows of all tables of these files, but for their ids, which another order of files would change, and for links, which each site signs.
fn rows(site: &TestSite, files: &Path) -> Vec<Vec<String>> {
    let names: Vec<String> =
        hdf5_files(files).iter().map(|path| path.file_stem().unwrap().display().to_string()).collect();
    let all = ["completesource", "astroelementary", "crossmatch"].map(|table| {
        let rows = site.rows(&format!("SELECT * FROM gaia.{table}")).into_iter();
        let kept = |cells: Vec<String>| cells.into_iter().skip(1).filter(|cell| !cell.starts_with("http")).collect();
        rows.map(kept).filter(|cells: &Vec<String>| names.contains(&cells[5])).collect::<Vec<_>>()
    });
    let mut all = all.concat();
    all.sort_unstable();
    all
}

/// Files with other names.
fn others() -> TempDir {
    let files = make_gaia(&["--sources", "40", "--transits", "0", "--seed", "9"]);
    for path in hdf5_files(files.path()) {
        let name = path.file_name().unwrap().to_str().unwrap().replace("_0", "_9");
        std::fs::rename(&path, path.with_file_name(name)).unwrap();
    }
    files
}

fn epoch(site: &TestSite) -> Option<u64> {
    let status: Value = serde_json::from_str(&site.spolia(&["status", "--json"]).ok()).unwrap();
    status["epoch"].as_u64()
}

/// The first row that a site has otherwise than one that ingested the files in one process.
pub fn difference(site: &TestSite, files: &Path) -> Option<(Vec<String>, Vec<String>)> {
    let (found, expected) = (rows(site, files), rows(&TestSite::with_files(2, files), files));
    let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    let lengths = (vec![found.len().to_string()], vec![expected.len().to_string()]);
    let other = || (found.len() != expected.len()).then_some(lengths);
    first.map(|(found, expected)| (found.clone(), expected.clone())).or_else(other)
}

#[test]
fn files_come_in_by_a_job_of_this_machine() {
    let files = make_gaia(&FILES);
    let site = TestSite::new(2);
    let options = ["jobs", "submit", "ingest", "gaia", &list(files.path()), "--scheduler", "local", "--wait"];
    let submitted = site.spolia(&options);
    assert!(submitted.stderr.contains("objects came in; epoch 1, by job "), "{submitted:?}");
    let job = submitted.ok().trim().to_owned();
    assert_eq!(difference(&site, files.path()), None);
    let shown: Value = serde_json::from_str(&site.spolia(&["jobs", "show", &job, "--json"]).ok()).unwrap();
    let count = hdf5_files(files.path()).len().to_string();
    let notes = &shown["results"][0]["notes"];
    assert_eq!((notes["files"].as_str(), notes["epoch"].as_str()), (Some(count.as_str()), Some("1")), "{shown}");
    assert_eq!((shown["kind"].as_str(), shown["phase"].as_str()), (Some("ingest"), Some("COMPLETED")));
    let report = site.spolia(&["jobs", "report", &job]).ok();
    assert!(report.contains("check") && report.contains("load") && report.contains("epoch 1"), "{report}");
    assert!(site.spolia(&["jobs", "logs", &job]).ok().contains("loaded file=\"CompleteSource_130097_0000\""));

    // The passwords of the nodes are for its owner only, and gone when it is done.
    let nodes = |folder: &Path| folder.join("nodes.json");
    assert!(!nodes(&site.path().join("jobs").join(&job)).exists());
    let folder = order(&site, files.path());
    assert_eq!(nodes(&folder).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let order = std::fs::read_to_string(folder.join("order.json")).unwrap();
    assert!(!order.contains("password"), "{order}");

    // What is there already does not come in again.
    let again = site.spolia(&["ingest", "gaia", &list(files.path()), "--scheduler", "local"]);
    assert!(again.stderr.contains("nothing to do: all") && epoch(&site) == Some(1), "{again:?}");
}

#[test]
fn what_cannot_come_in_is_told_and_mended() {
    let files = make_gaia(&FILES);
    let site = TestSite::with_files(1, others().path());
    let list = list(files.path());
    let refused =
        site.spolia(&["jobs", "submit", "ingest", "gaia", "@/no/such/list", "--scheduler", "local"]).refused();
    assert!(refused.contains("/no/such/list"), "{refused}");
    let stranger = files.path().join("Stranger_1.h5");
    std::fs::write(&stranger, "").unwrap();
    let path = stranger.display().to_string();
    let refused = site.spolia(&["jobs", "submit", "ingest", "gaia", &list, &path, "--scheduler", "local"]).refused();
    assert!(refused.contains("Stranger_1.h5") && refused.contains("begins with no class"), "{refused}");
    std::fs::remove_file(stranger).unwrap();
    assert!(site.spolia(&["jobs", "list", "--all"]).ok().is_empty(), "no job was made of it");

    // One that is damaged: nothing of all is visible, and all but that one is not done again.
    let damaged = files.path().join("AstroElementary_134760_0000.h5");
    let damaged = if damaged.exists() { damaged } else { hdf5_files(files.path()).remove(0) };
    let whole = std::fs::read(&damaged).unwrap();
    std::fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let ingest = ["jobs", "submit", "ingest", "gaia", &list, "--scheduler", "local", "--wait"];
    let failed = site.spolia(&ingest);
    let name = damaged.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(!failed.success && failed.stderr.contains("is ERROR") && failed.stderr.contains(&name), "{failed:?}");
    assert_eq!((epoch(&site), rows(&site, files.path()).len()), (Some(1), 0), "nothing is visible");
    std::fs::write(&damaged, &whole).unwrap();
    let job = failed.stdout.trim();
    // A retry has what it takes from the site as it is then.
    assert!(!site.path().join("jobs").join(job).join("nodes.json").exists(), "the passwords are still there");
    let retried = site.spolia(&["jobs", "retry", job, "--wait"]).ok();
    let folder = site.path().join("jobs").join(retried.trim());
    assert_eq!(["check", "load"].map(|stage| done_again(&folder, stage)), [1, 0], "only what was mended is done again");
    assert_eq!(difference(&site, files.path()), None);
}

/// Shares of a stage that the ledger has twice.
fn done_again(folder: &Path, stage: &str) -> usize {
    let ledger = std::fs::read_to_string(folder.join("ledger.jsonl")).unwrap();
    let lines = ledger.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let numbers = lines.filter(|line| line["share"]["share"]["stage"] == stage);
    let mut numbers: Vec<u64> = numbers.map(|line| line["share"]["share"]["number"].as_u64().unwrap()).collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    all - numbers.len()
}

#[test]
fn an_ingest_that_is_killed_goes_on() {
    let files = make_gaia(&FILES);
    let site = TestSite::new(2);
    let folder = order(&site, files.path());
    let mut random = StdRng::seed_from_u64(7);
    let mut kills = 0;
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(120), "it is never done");
        let mut child = alone(&folder).stderr(Stdio::null()).spawn().unwrap();
        // It is given more and more time, so that it is done in the end.
        if at_some_time(&mut child, &mut random, 50..300 + 100 * kills) {
            kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::KILL).unwrap();
            kills += 1;
        }
        if child.wait().unwrap().success() {
            break;
        }
        assert_eq!(epoch(&site), None, "nothing is visible before all is");
    }
    assert!(kills > 0);
    let attempts = done_once(&folder);
    println!("{kills} kills, {attempts} attempts");
    assert_eq!(difference(&site, files.path()), None);
    assert_eq!(epoch(&site), Some(1));
    let orphans = site.psql("n1", "postgres", "SELECT count(*) FROM spolia.file WHERE state <> 'loaded'").ok();
    assert_eq!(orphans.trim(), "0");
}

#[test]
fn an_ingest_that_is_to_end_before_its_time_ends_what_it_has_begun() {
    let files = make_gaia(&FILES);
    let site = TestSite::new(2);
    let folder = order(&site, files.path());
    let loaded = || {
        let sql = "SELECT coalesce(string_agg(file_id::text, ','), '0') FROM spolia.file WHERE state = 'loaded'";
        site.psql("n1", "postgres", sql).stdout.trim().trim_matches('"').to_owned()
    };
    let Some(mut three) = ranks(&folder, 3) else { return };
    let mut child = three.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while ["", "0"].contains(&loaded().as_str()) {
        assert!(begun.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none(), "nothing is loaded");
        std::thread::sleep(Duration::from_millis(1));
    }
    workers(&folder).iter().for_each(|pid| kill_process(*pid, Signal::TERM).unwrap_or_default());
    let status = child.wait().unwrap();
    assert!(status.success() || status.code() == Some(75), "{status}");
    assert!(!folder.join("failure.json").exists());
    let ids = loaded();
    let half = ["n1", "n2"].map(|node| {
        let sql = format!("SELECT count(*) FROM gaia.astroelementary WHERE id >> 32 NOT IN ({ids})");
        site.psql(node, "postgres", &sql).ok().trim().to_owned()
    });
    assert_eq!(half, ["0", "0"], "files were begun and not ended");
    run(&mut alone(&folder)).ok();
    assert_eq!(difference(&site, files.path()), None);
}

#[test]
fn a_link_to_a_file_keeps_its_name() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "40", "--transits", "200"]);
    let links = files.path().join("links");
    std::fs::create_dir(&links).unwrap();
    for (number, path) in hdf5_files(files.path()).iter().enumerate() {
        let blob = files.path().join(format!("blob-{number}"));
        std::fs::rename(path, &blob).unwrap();
        std::os::unix::fs::symlink(&blob, links.join(path.file_name().unwrap())).unwrap();
    }
    let site = TestSite::new(1);
    site.spolia(&["jobs", "submit", "ingest", "gaia", &list(&links), "--scheduler", "local", "--wait"]).ok();
    assert_eq!(difference(&site, &links), None);
}

#[test]
fn ranks_bring_in_what_one_process_brings_in() {
    let files = make_gaia(&FILES);
    let site = TestSite::new(2);
    let folder = order(&site, files.path());
    let Some(mut three) = ranks(&folder, 3) else { return };
    // One is killed on the way, and the others end with it.
    let mut child = three.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let victim = loop {
        let pids = workers(&folder);
        if pids.len() == 3 {
            break pids[StdRng::seed_from_u64(3).random_range(0..3)];
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no ranks are at work");
        std::thread::sleep(Duration::from_millis(5));
    };
    std::thread::sleep(Duration::from_millis(300));
    kill_process(victim, Signal::KILL).unwrap();
    child.wait().unwrap();
    run(&mut ranks(&folder, 3).unwrap()).ok();
    done_once(&folder);
    assert_eq!(difference(&site, files.path()), None);
    assert_eq!(epoch(&site), Some(1));
    // It is done: nothing comes of doing it again.
    run(&mut ranks(&folder, 2).unwrap()).ok();
    assert_eq!(epoch(&site), Some(1));
}

#[test]
fn an_ingest_waits_for_one_that_has_the_collection() {
    let (first, second) = (make_gaia(&FILES), others());
    let site = TestSite::new(1);
    let submit = |files: &Path| {
        let list = list(files);
        let job = site.spolia(&["jobs", "submit", "ingest", "gaia", &list, "--scheduler", "local"]).ok();
        job.trim().to_owned()
    };
    let jobs = [submit(first.path()), submit(second.path())];
    site.spolia(&["jobs", "wait", &jobs[0], &jobs[1]]).ok();
    assert_eq!(epoch(&site), Some(2));
}

#[test]
fn files_that_are_not_what_they_were_are_found() {
    let files = make_gaia(&FILES);
    let site = TestSite::with_files(1, files.path());
    let count = hdf5_files(files.path()).len();
    let verify = ["jobs", "submit", "verify", "gaia", "--scheduler", "local", "--wait"];
    let whole = site.spolia(&verify);
    let told = format!("{count} files with ");
    assert!(whole.success && whole.stderr.contains(&told) && whole.stderr.contains("are what they were"), "{whole:?}");
    assert!(site.spolia(&["jobs", "submit", "verify", "gaja", "--scheduler", "local"]).refused().contains("no files"));

    let objects = site.path().join("objects/gaia");
    let object = |name: &str| {
        let versions: Vec<_> =
            std::fs::read_dir(objects.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(versions.len() == 1 && versions[0].display().to_string().contains("/v0-"), "{versions:?}");
        versions[0].join(format!("{name}.h5"))
    };
    let [damaged, gone] = ["CompleteSource_130097_0000", "CompleteSource_130097_0001"].map(object);
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    std::fs::remove_file(&gone).unwrap();
    std::fs::remove_file(object("CompleteSource_130097_0002").with_extension("h5.index")).unwrap();
    let unreadable = object("CompleteSource_130097_0003");
    let away = unreadable.with_extension("away");
    std::fs::rename(&unreadable, &away).unwrap();
    std::fs::create_dir(&unreadable).unwrap();
    let found = site.spolia(&verify);
    for words in
        ["is ERROR", &format!("3 of {count} files"), "0000.h5: it has another content", "0001.h5: it is not there"]
    {
        assert!(!found.success && found.stderr.contains(words), "{words}: {found:?}");
    }
    // What was mended since is looked at again, and only that.
    std::fs::remove_dir(&unreadable).unwrap();
    std::fs::rename(&away, &unreadable).unwrap();
    let retried = site.spolia(&["jobs", "retry", found.stdout.trim(), "--wait"]);
    assert!(!retried.success && retried.stderr.contains(&format!("2 of {count} files")), "{retried:?}");
    let report = site.spolia(&["jobs", "report", retried.stdout.trim(), "--json"]).ok();
    let report: Value = serde_json::from_str(&report).unwrap();
    let looked_at: Vec<u64> =
        report["ranks"].as_array().unwrap().iter().map(|rank| rank["shares"].as_u64().unwrap()).collect();
    assert_eq!(looked_at, [count as u64 - 3, 3], "{report}");
    // The same by ranks, on an order that somebody has prepared.
    let folder = site.path().join("by-hand");
    let command =
        run(site.command(&["jobs", "submit", "verify", "gaia", "--scheduler", "local", "--prepare"]).arg(&folder)).ok();
    assert!(command.contains(" work ") && command.trim().ends_with("by-hand 0"), "{command}");
    let again =
        run(site.command(&["jobs", "submit", "verify", "gaia", "--scheduler", "local", "--prepare"]).arg(&folder));
    assert!(again.refused().contains("has an order already"));
    let Some(mut three) = ranks(&folder, 3) else { return };
    run(&mut three).ok();
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(["missing", "damaged", "without_index"].map(|key| report[key].as_u64()), [Some(1); 3], "{report}");
}
