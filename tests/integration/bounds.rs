//! Bounds: a query that takes too much, a node that takes too long, no connection left. Each is said, and others go on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::locked::Locked;
use crate::served::Served;

const COUNT: &str = "SELECT COUNT(*) AS n FROM gaia.astroelementary";

/// What the service says of a query that fails, at its beginning or after some rows.
fn refused(served: &Served, adql: &str, words: &[&str]) {
    let query = format!("QUERY={adql}");
    let options = ["-w", "%{http_code}", "-d", "LANG=ADQL", "-d", "MAXREC=1000000", "--data-urlencode", &query];
    let said = served.curl("/tap/sync", &options).ok();
    assert!(said.contains(r#"name="QUERY_STATUS" value="ERROR""#), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

/// A source of the first node.
fn on_n1(served: &Served) -> String {
    let sql = "SELECT source_id FROM gaia.completesource LIMIT 1";
    format!(
        "SELECT alpha FROM gaia.completesource WHERE source_id = {}",
        served.site.psql("n1", "postgres", sql).ok().trim()
    )
}

#[test]
fn a_slow_node_is_waited_for_so_long_and_no_longer() {
    let served = Served::with(
        &["--layout", "table", "--sources", "300", "--transits", "3000"],
        &[("SPOLIA__ROUTER__STATEMENT_TIMEOUT_S", "3")],
    );
    let other = on_n1(&served);
    let patient = Locked::new(&served.site, "n2", "gaia.astroelementary", 1);
    assert_eq!(served.csv(COUNT), Ok("n\r\n3000\r\n".to_owned()), "what takes a second is waited for");
    patient.end();
    let slow = Locked::new(&served.site, "n2", "gaia.astroelementary", 8);
    let asked = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| refused(&served, COUNT, &["node n2 gave up after 3 s", "statement_timeout_s"]));
        while !waiting.is_finished() {
            assert!(served.csv(&other).is_ok(), "other nodes go on");
        }
        waiting.join().unwrap();
    });
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    slow.end();
    assert_eq!(served.csv(COUNT), Ok("n\r\n3000\r\n".to_owned()));
}

#[test]
fn no_connection_left_is_said_and_none_is_lost() {
    let served = Served::with(
        &["--layout", "table", "--sources", "300", "--transits", "3000"],
        &[("SPOLIA__ROUTER__CONNECTIONS", "2"), ("SPOLIA__ROUTER__CONNECT_TIMEOUT_S", "1")],
    );
    let locked = Locked::new(&served.site, "n2", "gaia.astroelementary", 6);
    let url = format!("{}/tap/sync", served.base_url);
    let query = format!("QUERY={COUNT}");
    let ask = || {
        let data = ["-s", "-d", "LANG=ADQL", "-d", "RESPONSEFORMAT=csv", "--data-urlencode", query.as_str()];
        Command::new("curl").args(data).arg(&url).stdout(Stdio::piped()).spawn().unwrap()
    };
    let waiting = [ask(), ask()];
    let active = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let begun = Instant::now();
    while served.site.psql("n2", "postgres", active).ok().trim() != "2" {
        assert!(begun.elapsed() < Duration::from_secs(30), "the two never wait on the node");
        std::thread::sleep(Duration::from_millis(20));
    }
    refused(&served, COUNT, &["node n2", "2 connections", "connections in [router]"]);
    assert!(served.csv(&on_n1(&served)).is_ok(), "the other node goes on");
    for child in waiting {
        let answer = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "n\r\n3000\r\n");
    }
    locked.end();
    for _ in 0..5 {
        assert_eq!(served.csv(COUNT), Ok("n\r\n3000\r\n".to_owned()), "connections come back");
    }
}

#[test]
fn a_query_over_its_bounds_is_told_which() {
    let served = Served::with(
        &["--layout", "table", "--sources", "300", "--transits", "60000"],
        &[("SPOLIA__QUERY__QUERY_MEMORY_MB", "5"), ("SPOLIA__ROUTER__ROWS_PER_QUERY", "150000")],
    );
    // Two tables that meet on no key, above the nodes.
    let join = "SELECT MAX(a.key_name) AS k, MAX(a.checksum) AS c, MAX(b.key_name) AS l, MAX(b.checksum) AS d
        FROM gaia.astroelementary AS a JOIN gaia.crossmatch AS b ON a.id = b.id + 1";
    refused(&served, join, &["more memory", "query_memory_mb"]);
    let three = "SELECT id FROM gaia.astroelementary UNION ALL SELECT id FROM gaia.crossmatch UNION ALL SELECT id FROM gaia.astroelementary";
    refused(&served, three, &["more than 150000 rows", "rows_per_query"]);
    // What is within the bounds is answered, after those too.
    assert_eq!(served.csv(COUNT), Ok("n\r\n60000\r\n".to_owned()));
    let sum = format!("SELECT {}1 AS s FROM gaia.completesource", "alpha + ".repeat(250));
    let sums = [sum.as_str(), &sum, &sum].join(" UNION ALL ");
    refused(&served, &sums, &["levels of operators"]);
}

#[test]
fn temporary_files_of_a_node_are_bounded() {
    let served = Served::with(
        &["--layout", "table", "--sources", "300", "--transits", "150000"],
        &[("SPOLIA__ROUTER__TEMPORARY_MB", "1"), ("SPOLIA__ROUTER__RANGE_SCANS", "1")],
    );
    let sorted = "SELECT key_name, file_name, checksum, did_name, transit_id, ac_win_coord FROM gaia.astroelementary ORDER BY key_name";
    refused(&served, sorted, &["temporary space on node", "temporary_mb", "</VOTABLE>\n400"]);
    assert_eq!(served.csv(COUNT), Ok("n\r\n150000\r\n".to_owned()));
}
