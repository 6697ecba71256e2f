//! Ingest: the same again, changed files, interruptions, and files that are not what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::site::{TestSite, hdf5_files, make_gaia};

/// Rows and checksums of every table, from the manifest.
fn content(site: &TestSite) -> String {
    let sql = "SELECT t.key, sum((t.value->>'rows')::bigint), sum((t.value->>'checksum')::numeric) % 18446744073709551616 \
        FROM (SELECT document FROM spolia.manifest ORDER BY epoch DESC LIMIT 1) m, jsonb_array_elements(m.document->'chunks') c, \
        jsonb_each(c->'tables') t GROUP BY t.key ORDER BY t.key";
    site.psql("n1", "postgres", sql).ok()
}

/// Rows that really are on the nodes, seen or not.
fn rows_on_nodes(site: &TestSite, table: &str) -> u64 {
    let count = |node: &str| {
        site.psql(node, "postgres", &format!("SELECT count(*) FROM gaia.{table}")).ok().trim().parse::<u64>()
    };
    ["n1", "n2"].iter().map(|node| count(node).unwrap()).sum()
}

fn small_files() -> tempfile::TempDir {
    make_gaia(&[
        "--layout",
        "mixed",
        "--sources",
        "120",
        "--transits",
        "900",
        "--sources-per-file",
        "30",
        "--transits-per-file",
        "100",
    ])
}

#[test]
fn the_same_files_again_change_nothing() {
    let files = small_files();
    let site = TestSite::with_files(2, files.path());
    let before = content(&site);
    let again = site.ingest(&hdf5_files(files.path()), &[]);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    again.ok();
    assert_eq!(content(&site), before);
    assert_eq!(rows_on_nodes(&site, "astroelementary"), 900);
}

#[test]
fn a_changed_file_is_refused_or_superseded() {
    let files = small_files();
    let site = TestSite::with_files(2, files.path());
    let other = make_gaia(&[
        "--layout",
        "mixed",
        "--sources",
        "110",
        "--transits",
        "900",
        "--sources-per-file",
        "30",
        "--seed",
        "2",
    ]);
    let changed = other.path().join("CompleteSource_130097_0001.h5");
    let before = content(&site);
    let complaint = site.ingest(std::slice::from_ref(&changed), &[]).refused();
    assert!(complaint.matches("MD5").count() == 2 && complaint.contains("--supersede"), "{complaint}");
    assert_eq!(content(&site), before);
    site.ingest(std::slice::from_ref(&changed), &["--supersede"]).ok();
    let rows = site.rows("SELECT file_version, COUNT(*) AS n FROM gaia.completesource WHERE file_name = 'CompleteSource_130097_0001' GROUP BY file_version");
    assert_eq!(rows, [["1", "30"]]);
    assert_eq!(site.rows("SELECT COUNT(*) AS n FROM gaia.completesource"), [["120"]]);
    assert_eq!(rows_on_nodes(&site, "completesource"), 150, "the old rows are still there, unseen");
}

#[test]
fn an_ingest_killed_at_any_moment_is_finished_by_the_next() {
    let files = small_files();
    let paths = hdf5_files(files.path());
    let undisturbed = TestSite::new(2);
    let started = Instant::now();
    undisturbed.ingest(&paths, &[]).ok();
    let whole = started.elapsed();
    let expected = content(&undisturbed);
    drop(undisturbed);
    let site = TestSite::new(2);
    let mut killed = 0;
    for round in 0..10 {
        let started = Instant::now();
        let mut child =
            site.command(&["ingest", "gaia"]).args(&paths).stderr(std::process::Stdio::null()).spawn().unwrap();
        // Later each time, since what was done is not done again, and a little elsewhere every time the test runs.
        let jitter = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_micros() % 100;
        std::thread::sleep(whole * (round * 100 + jitter) / 2000);
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
        assert!(started.elapsed() < Duration::from_secs(60));
    }
    let last = site.ingest(&paths, &[]);
    last.ok();
    assert!(killed >= 5, "only {killed} of ten were killed");
    assert_eq!(content(&site), expected);
    assert_eq!(rows_on_nodes(&site, "astroelementary"), 900);
    assert_eq!(rows_on_nodes(&site, "completesource"), 120);
}

#[test]
fn rows_are_not_replaced_by_what_never_came() {
    let files = small_files();
    let paths = hdf5_files(files.path());
    let (old, other) = (&paths[0], paths.last().unwrap());
    let site = TestSite::new(2);
    site.ingest(std::slice::from_ref(old), &[]).ok();
    let before = content(&site);
    // Another version is all there but for the epoch, which the control node refuses.
    let newer = files.path().join("newer");
    std::fs::create_dir(&newer).unwrap();
    let newer = newer.join(old.file_name().unwrap());
    let mut bytes = std::fs::read(old).unwrap();
    bytes.extend_from_slice(&[0; 64]);
    std::fs::write(&newer, bytes).unwrap();
    let sql = |sql: &str| site.psql("n1", "postgres", sql).ok();
    sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$");
    sql("CREATE TRIGGER refuse BEFORE INSERT ON spolia.manifest FOR EACH ROW EXECUTE FUNCTION refuse()");
    let refused = site.ingest(std::slice::from_ref(&newer), &["--supersede"]).refused();
    assert!(refused.contains("not now"), "{refused}");
    sql("DROP TRIGGER refuse ON spolia.manifest");
    assert_eq!(content(&site), before);
    // The next ingest takes the batch up and does not bring that version.
    site.ingest(std::slice::from_ref(other), &[]).ok();
    let table =
        if old.display().to_string().contains("AstroElementary") { "astroelementary" } else { "completesource" };
    let name = old.file_stem().unwrap().display().to_string();
    let seen =
        site.rows(&format!("SELECT COUNT(*) AS n FROM gaia.{table} WHERE file_name = '{name}' AND file_version = 0"));
    let marked =
        |node: &str| sql_count(&site, node, &format!("SELECT count(*) FROM gaia.{table} WHERE superseded IS NOT NULL"));
    assert_ne!(seen, [["0"]], "the old rows are gone");
    assert_eq!([marked("n1"), marked("n2")], [0, 0]);
    // It can still come in.
    site.ingest(std::slice::from_ref(&newer), &["--supersede"]).ok();
    let seen_now = |version: u32| {
        site.rows(&format!(
            "SELECT COUNT(*) AS n FROM gaia.{table} WHERE file_name = '{name}' AND file_version = {version}"
        ))
    };
    assert_eq!((seen_now(0), seen_now(1)), (vec![vec!["0".to_owned()]], seen));
}

fn sql_count(site: &TestSite, node: &str, sql: &str) -> u64 {
    site.psql(node, "postgres", sql).ok().trim().parse().unwrap()
}

#[test]
fn an_ingest_that_was_given_up_adds_nothing() {
    let files = small_files();
    let paths = hdf5_files(files.path());
    let undisturbed = TestSite::new(2);
    undisturbed.ingest(&paths, &[]).ok();
    let expected = content(&undisturbed);
    drop(undisturbed);
    let mut refused = 0;
    for round in 0..4 {
        let site = TestSite::new(2);
        let first = site.command(&["ingest", "gaia"]).args(&paths).stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(first.id().cast_signed()).unwrap();
        // It stands still while it is loading, and what kept others out of the collection is lost.
        let begun = Instant::now();
        let loading = "SELECT count(*) >= $ FROM spolia.file".replace('$', &(round + 1).to_string());
        while site.psql("n1", "postgres", &loading).stdout.trim() != "t" {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not begin");
            std::thread::sleep(Duration::from_millis(1));
        }
        kill_process(pid, Signal::STOP).unwrap();
        let lost = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'";
        site.psql("n1", "postgres", lost).ok();
        let second = site.command(&["ingest", "gaia"]).args(&paths).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        kill_process(pid, Signal::CONT).unwrap();
        let (first, second) = (first.wait_with_output().unwrap(), second.wait_with_output().unwrap());
        assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
        refused += u32::from(!first.status.success());
        assert_eq!(content(&site), expected, "{}", String::from_utf8_lossy(&first.stderr));
        assert_eq!((rows_on_nodes(&site, "astroelementary"), rows_on_nodes(&site, "completesource")), (900, 120));
    }
    assert!(refused > 0, "none was given up in the middle");
}

/// Ingests one file that must be refused with these words; nothing may be seen of it.
fn refused(site: &TestSite, path: &Path, words: &[&str]) {
    let complaint = site.ingest(&[path.to_owned()], &[]).refused();
    for word in words {
        assert!(complaint.contains(word), "{}: {complaint}", path.display());
    }
    assert!(complaint.contains(&path.file_name().unwrap().to_string_lossy().into_owned()), "{complaint}");
}

#[test]
fn files_that_are_not_what_they_say_are_refused() {
    let files = small_files();
    let site = TestSite::with_files(2, files.path());
    let before = content(&site);
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let good = std::fs::read(files.path().join("CompleteSource_130097_0000.h5")).unwrap();
    refused(&site, &named("CompleteSource_1_0001.h5", b"no HDF5 at all"), &["it is no HDF5 file"]);
    refused(&site, &named("CompleteSource_1_0002.h5", b""), &["no HDF5"]);
    for share in [10, 50, 95] {
        refused(&site, &named("CompleteSource_1_0003.h5", &good[..good.len() * share / 100]), &[]);
    }
    let transits = std::fs::read(files.path().join("AstroElementary_134755_0006.h5")).unwrap();
    refused(&site, &named("CompleteSource_1_0004.h5", &transits), &["holds no object CompleteSourceImpl"]);
    refused(&site, &named("Unheard_1.h5", &good), &["begins with no class", "CompleteSource_"]);
    refused(&site, &folder.path().join("CompleteSource_1_0005.h5"), &["cannot be read"]);
    refused(&site, folder.path(), &["begins with no class"]);
    let twice = [
        named("CompleteSource_1_0006.h5", &good),
        files.path().join("..").join(files.path().file_name().unwrap()).join("x.h5"),
    ];
    assert!(site.ingest(&[twice[0].clone(), twice[0].clone()], &[]).refused().contains("the same name"));
    assert_eq!(content(&site), before);
    let seen: BTreeSet<_> = site.rows("SELECT DISTINCT file_name FROM gaia.completesource").into_iter().collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_query_about_some_time_reads_the_batches_of_that_time() {
    let files = small_files();
    let (transits, sources): (Vec<_>, Vec<_>) =
        hdf5_files(files.path()).into_iter().partition(|path| path.to_string_lossy().contains("AstroElementary"));
    let site = TestSite::new(2);
    site.ingest(&sources, &[]).ok();
    transits.chunks(3).for_each(|batch| drop(site.ingest(batch, &[]).ok()));
    let all: Vec<i64> =
        site.rows("SELECT transit_id FROM gaia.astroelementary").iter().map(|row| row[0].parse().unwrap()).collect();
    let (last, first) = (*all.iter().max().unwrap(), *all.iter().min().unwrap());
    for (after, narrowed) in [(first - 1, false), (last - (last - first) / 8, true)] {
        let adql = format!("SELECT transit_id FROM gaia.astroelementary WHERE transit_id > {after}");
        assert_eq!(site.rows(&adql).len(), all.iter().filter(|id| **id > after).count());
        let explained = site.spolia(&["explain", &adql]).ok();
        assert_eq!(explained.contains(".batch BETWEEN"), narrowed, "{explained}");
    }
    let none = site.spolia(&["explain", &format!("SELECT * FROM gaia.astroelementary WHERE transit_id > {last}")]).ok();
    assert!(none.contains("outside the bounds of transit_id"), "{none}");
}
