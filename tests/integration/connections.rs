//! Connections to nodes that break at any byte of an answer, and queries that nobody waits for any more.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use spolia_local_node::{Connection, LocalNodes};

use crate::served::{Doors, Served};
use crate::site::{TestSite, make_gaia, open_folder};

/// More bytes than any answer here has.
const NO_END: i64 = i64::MAX / 2;

/// Queries of every way that rows come from nodes.
const QUERIES: [&str; 20] = [
    "SELECT COUNT(*) AS n FROM gaia.completesource",
    "SELECT source_id, alpha FROM gaia.completesource ORDER BY source_id",
    "SELECT TOP 7 source_id, varpi FROM gaia.completesource ORDER BY varpi",
    "SELECT TOP 7 source_id, varpi FROM gaia.completesource ORDER BY varpi OFFSET 3",
    "SELECT DISTINCT file_name FROM gaia.astroelementary ORDER BY file_name",
    "SELECT source_id, COUNT(*) AS n FROM gaia.astroelementary GROUP BY source_id ORDER BY source_id",
    "SELECT MOD(source_id, 5) AS k, COUNT(*) AS n FROM gaia.astroelementary GROUP BY MOD(source_id, 5) ORDER BY k",
    "SELECT AVG(alpha) AS a, MIN(delta) AS b, MAX(file_name) AS c FROM gaia.completesource",
    "SELECT s.source_id, t.transit_id FROM gaia.completesource AS s JOIN gaia.astroelementary AS t ON t.source_id = s.source_id ORDER BY t.transit_id",
    "SELECT COUNT(t.id) AS n, COUNT(*) AS m FROM gaia.completesource AS s LEFT JOIN gaia.crossmatch AS t ON t.source_id = s.source_id AND t.flags = 3",
    "SELECT t.id FROM gaia.astroelementary AS t JOIN gaia.crossmatch AS x ON t.transit_id = x.transit_id ORDER BY t.id",
    "SELECT id FROM gaia.completesource WHERE LOWER(file_name) LIKE 'complete%' ORDER BY id",
    "SELECT source_id FROM gaia.completesource WHERE source_id IN (SELECT source_id FROM gaia.crossmatch WHERE flags > 2) ORDER BY source_id",
    "SELECT source_id FROM gaia.completesource WHERE NOT EXISTS (SELECT 1 FROM gaia.crossmatch AS c WHERE c.source_id = gaia.completesource.source_id AND c.flags = 1) ORDER BY source_id",
    "SELECT source_id FROM gaia.completesource UNION SELECT source_id FROM gaia.astroelementary ORDER BY source_id",
    "SELECT source_id FROM gaia.astroelementary EXCEPT SELECT source_id FROM gaia.crossmatch WHERE flags = 2 ORDER BY source_id",
    "SELECT COUNT(*) AS n FROM gaia.completesource WHERE 1 = CONTAINS(POINT(DEGREES(alpha), DEGREES(delta)), CIRCLE(90, 20, 100))",
    "SELECT source_id, key_name, file_version FROM gaia.completesource WHERE delta > 0.5 ORDER BY source_id",
    "SELECT transit_id, ac_win_coord, transit_time FROM gaia.astroelementary WHERE transit_id > 50000000000000000 ORDER BY transit_id",
    "SELECT q.n, COUNT(*) AS m FROM (SELECT source_id, COUNT(*) AS n FROM gaia.astroelementary GROUP BY source_id) AS q GROUP BY q.n ORDER BY q.n",
];

/// A node's connections by way of a port, which breaks them off after some bytes of answers.
struct Proxy {
    port: u16,
    left: Arc<AtomicI64>,
}

impl Proxy {
    fn to(node: &Connection) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = node.host.join(format!(".s.PGSQL.{}", node.port));
        let (port, left) = (listener.local_addr().unwrap().port(), Arc::new(AtomicI64::new(NO_END)));
        let bytes = Arc::clone(&left);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Ok(server) = UnixStream::connect(&socket) {
                    Self::pass(client, server, &bytes);
                }
            }
        });
        Self { port, left }
    }

    fn pass(client: TcpStream, server: UnixStream, left: &Arc<AtomicI64>) {
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let (mut from_server, mut to_client, left) = (server, client, Arc::clone(left));
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(count @ 1..) = from_server.read(&mut bytes) {
                let held = left.fetch_sub(count as i64, Ordering::SeqCst).max(0);
                let passed = count.min(held as usize);
                if to_client.write_all(&bytes[..passed]).is_err() || passed < count {
                    break;
                }
            }
            let _ = to_client.shutdown(Shutdown::Both);
            let _ = from_server.shutdown(Shutdown::Both);
        });
    }

    /// Breaks all connections off after so many bytes more.
    fn break_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

fn connection(site: &TestSite, name: &str) -> Connection {
    LocalNodes::new(site.path(), Default::default()).unwrap().open(name).unwrap().connection().clone()
}

#[test]
fn a_connection_that_breaks_at_any_byte_gives_the_right_rows_or_names_its_node() {
    let files =
        make_gaia(&["--layout", "table", "--sources", "150", "--transits", "1200", "--transits-per-file", "400"]);
    let site = TestSite::with_files(2, files.path());
    let (first, second) = (connection(&site, "n1"), connection(&site, "n2"));
    let proxy = Proxy::to(&second);
    let url = |c: &Connection, host: &str, port: u16| {
        format!("postgresql://{}:{}@{host}:{port}/{}", c.user, c.password, c.dbname)
    };
    let urls = [
        url(&first, &first.host.to_string_lossy().replace('/', "%2F"), first.port),
        url(&second, "127.0.0.1", proxy.port),
    ];
    // Another site of the same nodes, the second of which is reached by the proxy.
    let folder = open_folder();
    std::fs::write(folder.path().join("spolia.toml"), format!("[nodes]\nlocal = 0\nurls = {urls:?}\n")).unwrap();
    let far = TestSite::of_others(folder.path());
    let doors = Doors::of(&far, &[("SPOLIA__ROUTER__SILENCE_S", "1"), ("SPOLIA__ROUTER__CONNECT_TIMEOUT_S", "3")]);
    let (mut right, mut named) = (0, 0);
    for query in QUERIES {
        let expected = doors.csv(query).unwrap_or_else(|said| panic!("{query}: {said}"));
        assert!(expected.lines().count() > 1, "{query} has no rows");
        for bytes in [0, 1, 30, 90, 200, 400, 900, 3000, 9000] {
            proxy.break_after(bytes);
            match doors.csv(query) {
                Ok(answer) => {
                    assert_eq!(answer, expected, "{query}, broken after {bytes} bytes");
                    right += 1;
                }
                Err(said) => {
                    assert!(said.contains("node n2"), "{query}, broken after {bytes} bytes: {said}");
                    named += 1;
                }
            }
            proxy.break_after(NO_END);
            assert_eq!(doors.csv(query), Ok(expected.clone()), "{query}, after it was broken after {bytes} bytes");
        }
    }
    println!("{right} answers were right and {named} named the node");
    assert!(named > QUERIES.len(), "{named}");
    // What broke is not kept, and nothing else is held.
    let held =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let held: u32 = site.psql("n2", "postgres", held).ok().trim().parse().unwrap();
    assert!(held <= 20, "{held} connections to a node that may have 16 readers and 4 writers");
}

#[test]
fn a_query_that_nobody_waits_for_ends_on_its_node_within_a_second() {
    let served = Served::with(&["--layout", "table", "--sources", "400", "--transits", "6000"], &[]);
    // Every pair of a node's transits is looked at, which takes long; nothing is sent before the end.
    let slow = "QUERY=SELECT COUNT(*) AS n FROM gaia.astroelementary AS a JOIN gaia.astroelementary AS b \
                ON a.source_id = b.source_id JOIN gaia.astroelementary AS c ON c.source_id = a.source_id \
                JOIN gaia.astroelementary AS d ON d.source_id = a.source_id AND MOD(a.id + b.id, 7) > MOD(c.id * 3, 11)";
    let mut reader = Command::new("curl")
        .args(["-s", "--max-time", "60", "-d", "LANG=ADQL", "--data-urlencode", slow])
        .arg(format!("{}/tap/sync", served.base_url))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let running = || {
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY (SELECT%'";
        ["n1", "n2"]
            .iter()
            .map(|node| served.site.psql(node, "postgres", sql).ok().trim().parse::<u32>().unwrap())
            .sum::<u32>()
    };
    let begun = Instant::now();
    while running() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the query never runs on a node");
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.kill().unwrap();
    reader.wait().unwrap();
    let left = Instant::now();
    while running() > 0 {
        assert!(left.elapsed() < Duration::from_secs(1), "it goes on without a reader");
        std::thread::sleep(Duration::from_millis(50));
    }
}
