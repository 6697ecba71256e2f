//! Queries over four nodes, against the statements that the nodes are sent asked of them alone, against one plain PostgreSQL that
//! holds everything, and against postgres_fdw over the same nodes. Prints a table: the median and the 99th of a hundred runs, in
//! milliseconds, and ratios to ours.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench that cannot run ends there")]

use std::time::Instant;

use futures::{StreamExt, pin_mut};
use spolia_benches::BenchSite;
use spolia_exec::{Archive, LinkBase, QueryRequest};
use spolia_local_node::Connection;
use tokio_postgres::{Client, NoTls};

const NODES: usize = 4;
const SOURCES: &str = "40000";
const TRANSITS: &str = "400000";

/// A query in ADQL, and the same in SQL over tables `{s}` of sources and `{t}` of transits.
struct Asked {
    name: &'static str,
    adql: String,
    sql: String,
    runs: usize,
}

/// What some runs took, in milliseconds.
struct Taken {
    half: f64,
    most: f64,
}

impl Taken {
    fn of(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        let at = |part: f64| runs[((runs.len() - 1) as f64 * part).round() as usize];
        Self { half: at(0.5), most: at(0.99) }
    }
}

fn questions(id: i64) -> Vec<Asked> {
    let asked = |name, runs, adql: &str, sql: &str| Asked { name, runs, adql: adql.to_owned(), sql: sql.to_owned() };
    let ask_id = format!("WHERE source_id = {id}");
    let cone = "1 = CONTAINS(POINT(DEGREES(alpha), DEGREES(delta)), CIRCLE(92.72, 23.03, 0.05))";
    let zone = "degrees(2 * asin(sqrt(sin((delta - radians(23.03)) / 2) ^ 2 \
                + cos(delta) * cos(radians(23.03)) * sin((alpha - radians(92.72)) / 2) ^ 2))) <= 0.05";
    let bound = "delta BETWEEN radians(22.97) AND radians(23.09) AND alpha BETWEEN radians(92.65) AND radians(92.79)";
    vec![
        asked(
            "one source by its id",
            200,
            &format!("SELECT source_id, alpha, delta, varpi FROM gaia.completesource {ask_id}"),
            &format!("SELECT source_id, alpha, delta, varpi FROM {{s}} {ask_id}"),
        ),
        asked(
            "a cone of 3 arcmin",
            200,
            &format!("SELECT source_id, alpha, delta, varpi FROM gaia.completesource WHERE {cone}"),
            &format!("SELECT source_id, alpha, delta, varpi FROM {{s}} WHERE {bound} AND {zone}"),
        ),
        asked(
            "transits of a source",
            200,
            &format!(
                "SELECT t.transit_id, t.transit_time, s.varpi FROM gaia.completesource AS s JOIN gaia.astroelementary AS t ON t.source_id = s.source_id WHERE s.source_id = {id}"
            ),
            &format!(
                "SELECT t.transit_id, t.transit_time, s.varpi FROM {{s}} AS s JOIN {{t}} AS t ON t.source_id = s.source_id WHERE s.source_id = {id}"
            ),
        ),
        asked("count", 30, "SELECT COUNT(*) AS n FROM gaia.astroelementary", "SELECT COUNT(*) AS n FROM {t}"),
        asked(
            "map of the sky",
            30,
            "SELECT GAIA_HEALPIX_INDEX(6, source_id) AS p, COUNT(*) AS n FROM gaia.astroelementary GROUP BY GAIA_HEALPIX_INDEX(6, source_id)",
            "SELECT source_id >> 47 AS p, COUNT(*) AS n FROM {t} GROUP BY source_id >> 47",
        ),
        asked(
            "sources and the number of their transits",
            15,
            "SELECT s.source_id, s.varpi, COUNT(*) AS n FROM gaia.completesource AS s JOIN gaia.astroelementary AS t ON t.source_id = s.source_id GROUP BY s.source_id, s.varpi",
            "SELECT s.source_id, s.varpi, COUNT(*) AS n FROM {s} AS s JOIN {t} AS t ON t.source_id = s.source_id GROUP BY s.source_id, s.varpi",
        ),
        asked(
            "the 100 nearest",
            30,
            "SELECT TOP 100 source_id, varpi FROM gaia.completesource WHERE varpi > 0 ORDER BY varpi DESC",
            "SELECT source_id, varpi FROM {s} WHERE varpi > 0 ORDER BY varpi DESC, source_id LIMIT 100",
        ),
        asked(
            "pairs within 5 arcsec",
            15,
            "SELECT a.source_id, b.source_id AS other FROM gaia.completesource AS a JOIN gaia.completesource AS b
                ON DISTANCE(DEGREES(a.alpha), DEGREES(a.delta), DEGREES(b.alpha), DEGREES(b.delta)) < 5 / 3600. WHERE a.source_id < b.source_id",
            "SELECT a.source_id, b.source_id AS other FROM {s} AS a JOIN {s} AS b
                ON q3c_join(degrees(a.alpha), degrees(a.delta), degrees(b.alpha), degrees(b.delta), 5 / 3600.) WHERE a.source_id < b.source_id",
        ),
        asked(
            "all transits",
            5,
            "SELECT source_id, transit_id, transit_time, ac_win_coord FROM gaia.astroelementary",
            "SELECT source_id, transit_id, transit_time, ac_win_coord FROM {t}",
        ),
    ]
}

async fn connect(c: &Connection) -> Client {
    let mut config = tokio_postgres::Config::new();
    config.host_path(&c.host).port(c.port).user(&c.user).password(&c.password).dbname(&c.dbname);
    let (client, connection) = config.connect(NoTls).await.expect("a node");
    tokio::spawn(connection);
    client.batch_execute("SET jit = off").await.expect("a setting");
    client
}

/// Reads an answer by COPY to its end; returns its bytes.
async fn copied(client: &Client, sql: &str) -> usize {
    let stream = client.copy_out(&format!("COPY ({sql}) TO STDOUT (FORMAT binary)")).await.expect("an answer");
    pin_mut!(stream);
    let mut bytes = 0;
    while let Some(piece) = stream.next().await {
        bytes += piece.expect("its bytes").len();
    }
    bytes
}

async fn by_us(archive: &Archive, adql: &str, runs: usize) -> Taken {
    let links = LinkBase { base_url: String::new(), client_id: String::new() };
    let request = QueryRequest::new(adql, links);
    let mut taken = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        let mut answer = archive.query(&request).await.expect("an answer");
        while let Some(batch) = answer.next().await {
            batch.expect("rows");
        }
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Taken::of(taken)
}

async fn by_statements(statements: &[(Client, String)], runs: usize) -> Taken {
    let mut taken = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        futures::future::join_all(statements.iter().map(|(client, sql)| copied(client, sql))).await;
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Taken::of(taken)
}

/// The statements that the nodes are sent for a query, each with a connection to its node.
async fn statements(archive: &Archive, connections: &[Connection], adql: &str) -> Vec<(Client, String)> {
    let links = LinkBase { base_url: String::new(), client_id: String::new() };
    let request = QueryRequest::new(adql, links);
    let explained = archive.explain(&request, false).await.expect("an explanation");
    let mut found = Vec::new();
    for node in explained.tables.into_iter().flat_map(|table| table.nodes) {
        if let Some(sql) = node.sql {
            let number: usize = node.node.trim_start_matches('n').parse().expect("n and a number");
            found.push((connect(&connections[number - 1]).await, sql));
        }
    }
    found
}

/// Tables of everything on one node: `plain.s`, `plain.t` with indexes, and `fdw.s`, `fdw.t` over the nodes of another site.
async fn peers(single: &BenchSite, nodes: &[Connection]) -> Client {
    let client = connect(&single.connection()).await;
    let mut sql = "CREATE SCHEMA plain; CREATE SCHEMA fdw; CREATE EXTENSION postgres_fdw; CREATE EXTENSION q3c;
        CREATE TABLE plain.s AS SELECT * FROM gaia.completesource; CREATE TABLE plain.t AS SELECT * FROM gaia.astroelementary;
        CREATE INDEX ON plain.s (source_id); CREATE INDEX ON plain.s (delta); CREATE INDEX ON plain.s (q3c_ang2ipix(degrees(alpha), degrees(delta))); CREATE INDEX ON plain.t (source_id);
        ANALYZE plain.s; ANALYZE plain.t;"
        .to_owned();
    let mut views = [Vec::new(), Vec::new()];
    for (number, c) in nodes.iter().enumerate() {
        let (host, port, user, password) = (c.host.display(), c.port, &c.user, &c.password);
        sql.push_str(&format!(
            "CREATE SERVER n{number} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', port '{port}', dbname '{}', use_remote_estimate 'true', async_capable 'true', fetch_size '10000');
             CREATE USER MAPPING FOR CURRENT_USER SERVER n{number} OPTIONS (user '{user}', password '{password}');
             CREATE SCHEMA far{number};
             IMPORT FOREIGN SCHEMA gaia LIMIT TO (completesource, astroelementary) FROM SERVER n{number} INTO far{number};",
            c.dbname
        ));
        views[0].push(format!("SELECT * FROM far{number}.completesource"));
        views[1].push(format!("SELECT * FROM far{number}.astroelementary"));
    }
    let [sources, transits] = views.map(|all| all.join(" UNION ALL "));
    sql.push_str(&format!("CREATE VIEW fdw.s AS {sources}; CREATE VIEW fdw.t AS {transits};"));
    client.batch_execute(&sql).await.expect("the peers' tables");
    client
}

fn main() {
    let options = ["--layout", "table", "--sources", SOURCES, "--transits", TRANSITS, "--transits-per-file", "50000"];
    let (many, single) = (BenchSite::with_nodes(NODES, &options), BenchSite::new(&options));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (archive, nodes) = (many.archive().await, many.connections());
        let peer = peers(&single, &nodes).await;
        let id: i64 = peer.query_one("SELECT source_id FROM plain.s OFFSET 100 LIMIT 1", &[]).await.expect("a source").get(0);
        println!("{SOURCES} sources and {TRANSITS} transits on {NODES} nodes; median / 99th of 100 in ms\n");
        println!("| query | spolia | its statements alone | one PostgreSQL | postgres_fdw | alone : ours | one : ours | fdw : ours |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        for Asked { name, adql, sql, runs } in questions(id) {
            let alone = statements(&archive, &nodes, &adql).await;
            let of = |schema: &str| sql.replace("{s}", &format!("{schema}.s")).replace("{t}", &format!("{schema}.t"));
            let (plain, far) = (of("plain"), of("fdw"));
            // Everything is read once before, by each.
            by_us(&archive, &adql, 2).await;
            by_statements(&alone, 2).await;
            let own = by_us(&archive, &adql, runs).await;
            let alone = by_statements(&alone, runs).await;
            let one = async |sql: &str| {
                let mut taken = Vec::new();
                for _ in 0..runs {
                    let begun = Instant::now();
                    copied(&peer, sql).await;
                    taken.push(begun.elapsed().as_secs_f64() * 1e3);
                }
                Taken::of(taken)
            };
            let plain = one(&plain).await;
            // Far tables have no index of q3c, and every pair would be looked at.
            let far = if sql.contains("q3c") { None } else { Some(one(&far).await) };
            let shown = |taken: &Taken| format!("{:.2} / {:.2}", taken.half, taken.most);
            let ratio = |taken: &Taken| format!("{:.2}", taken.half / own.half);
            let (of_far, far_ratio) = far.as_ref().map(|far| (shown(far), ratio(far))).unwrap_or_default();
            println!(
                "| {name} | {} | {} | {} | {of_far} | {} | {} | {far_ratio} |",
                shown(&own), shown(&alone), shown(&plain), ratio(&alone), ratio(&plain)
            );
        }
    });
}
