//! Rows from a node into Arrow, against `psql -c "COPY … TO STDOUT (FORMAT binary)"` into nothing, on the same rows.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot run ends there")]

use std::process::{Command, Stdio};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use spolia_benches::BenchSite;
use spolia_exec::{LinkBase, QueryRequest};

const ROWS: u64 = 200_000;
const COLUMNS: &str = "id, source_id, transit_id, ac_win_coord, transit_time";

fn node_to_arrow(criterion: &mut Criterion) {
    let site = BenchSite::new(&[
        "--layout",
        "table",
        "--sources",
        "4000",
        "--transits",
        &ROWS.to_string(),
        "--transits-per-file",
        "20000",
    ]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let archive = runtime.block_on(site.archive());
    let links = LinkBase { base_url: String::new(), client_id: String::new() };
    let request = QueryRequest::new(format!("SELECT {COLUMNS} FROM gaia.astroelementary"), links);
    let mut group = criterion.benchmark_group("node_to_arrow");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    group.bench_function("spolia", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let mut answer = archive.query(&request).await.expect("an answer");
            while let Some(batch) = answer.next().await {
                batch.expect("rows");
            }
            assert_eq!(answer.rows() as u64, ROWS);
        });
    });
    let c = site.connection();
    let copy = format!("COPY (SELECT {COLUMNS} FROM gaia.astroelementary) TO STDOUT (FORMAT binary)");
    group.bench_function("psql COPY binary", |bencher| {
        bencher.iter(|| {
            let mut psql = Command::new("psql");
            psql.env("PGPASSWORD", &c.password).args(["-X", "-q", "-h"]).arg(&c.host).args(["-p", &c.port.to_string()]);
            let status = psql.args(["-U", &c.user, "-d", &c.dbname, "-c", &copy]).stdout(Stdio::null()).status();
            assert!(status.expect("psql runs").success());
        });
    });
    group.finish();
}

criterion_group!(benches, node_to_arrow);
criterion_main!(benches);
