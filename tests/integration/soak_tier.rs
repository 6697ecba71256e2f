//! Hours of random work, run by `make soak`: each test goes on for SPOLIA_SOAK_MINUTES (40 where it is not set) and prints the
//! seed that makes its work again (SPOLIA_SOAK_SEED).

mod million;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::judges_tier::slurm::killed_at_random;
use crate::oracle::Oracle;
use crate::random_queries::draw;
use crate::site::{TestSite, cells, hdf5_files, make_gaia};

/// Random queries that are asked at least, where no shorter time is set.
const QUERIES: u64 = 10_000;

/// How long a test goes on, and what it draws from.
struct Soak {
    end: Instant,
    is_cut_short: bool,
    random: ChaCha8Rng,
    rounds: u64,
}

impl Soak {
    fn begin(name: &str) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
        let drawn = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let seed = number("SPOLIA_SOAK_SEED").unwrap_or(drawn);
        let wanted = number("SPOLIA_SOAK_MINUTES");
        let minutes = wanted.unwrap_or(40);
        println!("{name}: SPOLIA_SOAK_SEED={seed}, {minutes} minutes");
        let end = Instant::now() + Duration::from_secs(60 * minutes);
        Self { end, is_cut_short: wanted.is_some(), random: ChaCha8Rng::seed_from_u64(seed), rounds: 0 }
    }

    /// Whether there is time for another round; there always is for the first `least`, or just the first where a time is set.
    fn goes_on(&mut self, least: u64) -> bool {
        let least = if self.is_cut_short { 1 } else { least };
        let goes_on = self.rounds < least || Instant::now() < self.end;
        self.rounds += u64::from(goes_on);
        goes_on
    }
}

/// Where SLURM is installed, as by `make judges`.
#[test]
fn jobs_survive_forty_kills() {
    killed_at_random(30, 10);
}

#[test]
fn random_queries_are_answered_as_plain_sql_does() {
    let files =
        make_gaia(&["--layout", "table", "--sources", "900", "--transits", "8000", "--transits-per-file", "900"]);
    let (one, four) = (TestSite::with_files(1, files.path()), TestSite::with_files(4, files.path()));
    let oracle = Oracle::beside(&one);
    let mut soak = Soak::begin("random queries");
    let questions = std::iter::from_fn(|| soak.goes_on(QUERIES).then(|| draw(&mut soak.random)));
    let faults = oracle.faults(questions, &[&one, &four]);
    println!("random queries: {} on one node and on four", soak.rounds);
    assert!(faults.is_empty(), "{} answers differ:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn ingests_and_nodes_killed_at_random_lose_nothing() {
    let files =
        make_gaia(&["--layout", "table", "--sources", "400", "--transits", "9000", "--transits-per-file", "300"]);
    let paths = hdf5_files(files.path());
    let mut soak = Soak::begin("kills");
    let mut kills = 0;
    while soak.goes_on(1) {
        let site = TestSite::new(3);
        while let Some(mut ingest) = interrupted(&site, &paths, &mut soak.random) {
            kills += 1;
            let _ = ingest.kill();
            ingest.wait().unwrap();
            site.spolia(&["up"]).ok();
            check_no_part_is_seen(&site);
        }
        for (table, rows) in [("completesource", "400"), ("astroelementary", "9000")] {
            let sql = format!("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS m FROM gaia.{table}");
            assert_eq!(site.rows(&sql), [[rows, rows]], "round {}", soak.rounds);
        }
    }
    println!("kills: {kills} in {} sites", soak.rounds);
}

/// Starts an ingest and, at some moment, kills it or a node under it; nothing when it came to its end before.
fn interrupted(site: &TestSite, paths: &[std::path::PathBuf], random: &mut ChaCha8Rng) -> Option<Child> {
    let mut ingest = site.command(&["ingest", "gaia"]).args(paths).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(random.random_range(20..1500)));
    match ingest.try_wait().unwrap() {
        Some(status) if status.success() => return None,
        _ => {}
    }
    // Half of the time the ingest itself is killed, by the caller.
    if random.random_bool(0.5) {
        site.kill_node(["n1", "n2", "n3"].choose(random).unwrap());
        std::thread::sleep(Duration::from_millis(300));
    }
    Some(ingest)
}

/// A batch is seen whole or not at all, whatever happened.
fn check_no_part_is_seen(site: &TestSite) {
    let run = site.spolia(&["query", "SELECT COUNT(*) AS n FROM gaia.astroelementary", "-f", "csv"]);
    let nothing_yet = run.stderr.contains("the archive holds no collection");
    assert!(nothing_yet || matches!(cells(&run.ok())[0][0].as_str(), "0" | "9000"));
}

#[test]
fn damaged_files_are_refused_or_read_and_never_hang() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "40", "--transits", "300", "--transits-per-file", "100"]);
    let good: Vec<Vec<u8>> = hdf5_files(files.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();
    let names: Vec<_> = hdf5_files(files.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    let site = TestSite::new(1);
    let folder = tempfile::tempdir().unwrap();
    let mut soak = Soak::begin("damaged files");
    let mut refused = 0;
    while soak.goes_on(1) {
        let chosen = soak.random.random_range(0..good.len());
        let path = folder.path().join(&names[chosen]);
        std::fs::write(&path, damaged(good[chosen].clone(), &mut soak.random)).unwrap();
        let started = Instant::now();
        let run = site.ingest(std::slice::from_ref(&path), &["--supersede"]);
        assert!(started.elapsed() < Duration::from_secs(60), "round {}", soak.rounds);
        if !run.success {
            refused += 1;
            let named = run.stderr.contains(names[chosen].to_string_lossy().trim_end_matches(".h5"));
            assert!(run.code == Some(1) && named, "round {}: {run:?}", soak.rounds);
        }
    }
    assert_eq!(site.spolia(&["status"]).code, Some(0));
    println!("damaged files: {refused} of {} refused", soak.rounds);
}

/// Some bits flipped, mostly where the structure is, or the end cut off.
fn damaged(mut bytes: Vec<u8>, random: &mut ChaCha8Rng) -> Vec<u8> {
    for _ in 0..random.random_range(1..30) {
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    }
    if random.random_bool(0.2) {
        bytes.truncate(random.random_range(0..bytes.len()));
    }
    bytes
}
