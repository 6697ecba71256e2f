//! Ten million rows of one node through the router to Arrow, against `psql` copying the same rows to nowhere. Prints a table: rows per
//! second, processor time per million rows of the node, the router and psql apart, and how much memory the stream takes.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench that cannot run ends there")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use futures::StreamExt;
use spolia_benches::BenchSite;
use spolia_exec::{Archive, LinkBase, QueryRequest};
use spolia_local_node::Connection;
use tokio_postgres::NoTls;

const TRANSITS: u32 = 400_000;
/// How many times each of them is there in the end.
const TIMES: u32 = 25;
const COLUMNS: &str = "source_id, transit_id, transit_time, ac_win_coord";

/// What a way of reading took.
struct Taken {
    rows: usize,
    seconds: f64,
    node_cpu: f64,
    reader_cpu: f64,
}

impl Taken {
    fn shown(&self) -> String {
        let per_million = |cpu: f64| cpu / self.rows as f64 * 1e6;
        let (node, reader) = (per_million(self.node_cpu), per_million(self.reader_cpu));
        format!("{:.0} | {:.2} | {node:.2} | {reader:.2}", self.rows as f64 / self.seconds / 1e3, self.seconds)
    }
}

/// Seconds of processor time of the process in a folder of /proc, with those of children it has waited for.
fn cpu_of(process: &Path) -> Option<f64> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>();
    Some(ticks / 100.0)
}

/// Processor time of all servers and their backends.
fn nodes_cpu() -> f64 {
    let processes = std::fs::read_dir("/proc").expect("Linux").filter_map(|entry| Some(entry.ok()?.path()));
    let is_node = |process: &std::path::PathBuf| {
        std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "postgres")
    };
    processes.filter(is_node).filter_map(|process| cpu_of(&process)).sum()
}

/// The memory that this process takes now, and the most that it has taken, in MB.
fn memory_mb() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field of every process");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).expect("a number of kB") / 1024.0
    };
    (field("VmRSS"), field("VmHWM"))
}

async fn multiply(c: &Connection) {
    let mut config = tokio_postgres::Config::new();
    config.host_path(&c.host).port(c.port).user(&c.user).password(&c.password).dbname(&c.dbname);
    let (client, connection) = config.connect(NoTls).await.expect("the node");
    tokio::spawn(connection);
    let more = TIMES - 1;
    let sql = format!(
        "INSERT INTO gaia.astroelementary SELECT t.* FROM gaia.astroelementary AS t, generate_series(1, {more});
         VACUUM ANALYZE gaia.astroelementary"
    );
    for statement in sql.split(';') {
        client.batch_execute(statement).await.expect("more rows");
    }
}

async fn by_us(archive: &Archive) -> Taken {
    let links = LinkBase { base_url: String::new(), client_id: String::new() };
    let request = QueryRequest::new(format!("SELECT {COLUMNS} FROM gaia.astroelementary"), links);
    let own = Path::new("/proc/self");
    let (node, reader, begun) = (nodes_cpu(), cpu_of(own).expect("ours"), Instant::now());
    let mut answer = archive.query(&request).await.expect("an answer");
    let mut rows = 0;
    while let Some(batch) = answer.next().await {
        rows += batch.expect("rows").num_rows();
    }
    let seconds = begun.elapsed().as_secs_f64();
    Taken { rows, seconds, node_cpu: nodes_cpu() - node, reader_cpu: cpu_of(own).expect("ours") - reader }
}

fn by_psql(c: &Connection, rows: usize) -> Taken {
    let copy = format!("COPY (SELECT {COLUMNS} FROM gaia.astroelementary) TO STDOUT (FORMAT binary)");
    let own = Path::new("/proc/self");
    let (node, reader, begun) = (nodes_cpu(), cpu_of(own).expect("ours"), Instant::now());
    let done = Command::new("psql")
        .env("PGPASSWORD", &c.password)
        .args(["-X", "-q", "-c", &copy, "-p", &c.port.to_string(), "-U", &c.user, "-d", &c.dbname, "-h"])
        .arg(&c.host)
        .stdout(Stdio::null())
        .status();
    assert!(done.expect("psql runs").success());
    let seconds = begun.elapsed().as_secs_f64();
    // The backend has ended and counts with the server that waited for it; psql with us.
    Taken { rows, seconds, node_cpu: nodes_cpu() - node, reader_cpu: cpu_of(own).expect("ours") - reader }
}

fn main() {
    let transits = TRANSITS.to_string();
    let options = ["--layout", "table", "--sources", "40000", "--transits", &transits, "--transits-per-file", "50000"];
    let site = BenchSite::new(&options);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        multiply(&site.connection()).await;
        println!("| way | 1,000 rows/s | s | node CPU s per 10^6 rows | reader CPU s per 10^6 rows |");
        println!("|---|--:|--:|--:|--:|");
        for scans in [1, 2] {
            let archive = site.archive_with(scans).await;
            by_us(&archive).await;
            // From here on the most is that of the stream.
            std::fs::write("/proc/self/clear_refs", "5").expect("our own marks");
            let (before, _) = memory_mb();
            let own = by_us(&archive).await;
            let (_, most) = memory_mb();
            let psql = by_psql(&site.connection(), own.rows);
            println!("| spolia, {scans} statements at once | {} |", own.shown());
            println!("| psql to nowhere | {} |", psql.shown());
            println!(
                "\n{:.2} of the rows per second of psql; {} rows, {before:.0} MB before, {most:.0} MB at most\n",
                psql.seconds / own.seconds,
                own.rows
            );
        }
    });
}
