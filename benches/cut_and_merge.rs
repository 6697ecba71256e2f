//! Cut & Merge of sources, rows found and files located, against a plain h5py loop that is told where everything lies.
//!
//! Needs `SPOLIA_PYTHON`, a Python with h5py; each run of the peer starts in a process that has imported it already.

#![allow(clippy::expect_used, missing_docs, clippy::print_stderr, reason = "a bench that cannot run ends there")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use spolia_benches::BenchSite;
use spolia_exec::{CutOptions, CutRequest, Selection};

/// Copies objects, one line of `file object` pairs at a time.
const H5PY_LOOP: &str = "
import sys, h5py
for line in sys.stdin:
    words = line.split()
    with h5py.File(words[0], 'w') as out:
        for path, name in zip(words[1::2], words[2::2]):
            with h5py.File(path) as source:
                source.copy(name, out.require_group(path.rsplit('/', 1)[1]))
    print('done', flush=True)
";

fn cut_and_merge(criterion: &mut Criterion) {
    let site = BenchSite::new(&["--layout", "object", "--sources", "4000", "--transits", "4000"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let archive = runtime.block_on(site.archive());
    let mut group = criterion.benchmark_group("cut_and_merge");
    group.sample_size(10);
    for count in [5usize, 100, 1000] {
        let objects = objects(&site, count);
        let ids = objects.iter().map(|object| object.0).collect();
        let request = CutRequest {
            most_objects: None,
            options: CutOptions::default(),
            selection: Selection::SourceIds(ids),
            with_transits: false,
            keep_unmatched: false,
            epoch: None,
        };
        let output = site.path().join("merged.h5");
        group.bench_function(BenchmarkId::new("spolia", count), |bencher| {
            bencher
                .to_async(&runtime)
                .iter(|| async { archive.cut(&request, &output, &Arc::default()).await.expect("a merged file") });
        });
        let Some(python) = std::env::var_os("SPOLIA_PYTHON") else {
            eprintln!("skipped: no Python with h5py (SPOLIA_PYTHON)");
            continue;
        };
        let mut peer = Command::new(python)
            .args(["-c", H5PY_LOOP])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let pairs = objects
            .iter()
            .map(|(_, file, name)| format!(" {} {name}", site.files().join(format!("{file}.h5")).display()));
        let line = format!("{}{}\n", site.path().join("h5py.h5").display(), pairs.collect::<String>());
        let mut answers = BufReader::new(peer.stdout.take().expect("its output"));
        group.bench_function(BenchmarkId::new("h5py loop", count), |bencher| {
            bencher.iter(|| ask(&mut peer, &mut answers, &line))
        });
        drop(peer.stdin.take());
        peer.wait().expect("python ends");
    }
    group.finish();
}

fn ask(peer: &mut Child, answers: &mut impl BufRead, line: &str) {
    peer.stdin.as_mut().expect("its input").write_all(line.as_bytes()).expect("python listens");
    let mut answer = String::new();
    answers.read_line(&mut answer).expect("python answers");
    assert_eq!(answer, "done\n");
}

/// Ids, files and names of sources spread over all files.
fn objects(site: &BenchSite, count: usize) -> Vec<(i64, String, String)> {
    let c = site.connection();
    let sql = format!(
        "SELECT t.source_id, f.file_name, f.object || '_' || (t.id & 4294967295) FROM gaia.completesource t \
         JOIN spolia_node.file f ON f.file_id = t.id >> 32 ORDER BY md5(t.source_id::text) LIMIT {count}"
    );
    let mut psql = Command::new("psql");
    psql.env("PGPASSWORD", &c.password).args(["-X", "-q", "-A", "-t", "-F", " ", "-h"]).arg(&c.host);
    let answer =
        psql.args(["-p", &c.port.to_string(), "-U", &c.user, "-d", &c.dbname, "-c", &sql]).output().expect("psql runs");
    let text = String::from_utf8(answer.stdout).expect("text");
    let object = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?.parse().ok()?, words.next()?, words.next()?))
    };
    text.lines().filter_map(object).collect()
}

criterion_group!(benches, cut_and_merge);
criterion_main!(benches);
