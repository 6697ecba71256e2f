//! Tables that come with a query: joined by id and by position, on one node and on four, as plain SQL has it.

use std::fmt::Write;
use std::process::Command;

use crate::oracle::{Oracle, same};
use crate::served::Doors;
use crate::site::{TestSite, cells, make_gaia, own_folder, python, run};

/// What is asked: the query, and what the oracle is asked where that is another text.
const QUERIES: &[(&str, &str)] = &[
    ("SELECT m.n, s.source_id, s.varpi FROM TAP_UPLOAD.mine AS m JOIN gaia.completesource AS s ON s.source_id = m.id", ""),
    ("SELECT m.n, s.source_id FROM TAP_UPLOAD.mine AS m LEFT JOIN gaia.completesource AS s ON s.source_id = m.id", ""),
    ("SELECT m.n, COUNT(*) AS c FROM TAP_UPLOAD.mine AS m JOIN gaia.astroelementary AS t ON t.source_id = m.id GROUP BY m.n", ""),
    ("SELECT source_id, alpha FROM gaia.completesource WHERE source_id IN (SELECT id FROM TAP_UPLOAD.mine)", ""),
    ("SELECT n FROM TAP_UPLOAD.mine AS m WHERE NOT EXISTS (SELECT 1 AS one FROM gaia.completesource AS s WHERE s.source_id = m.id)", ""),
    ("SELECT n FROM TAP_UPLOAD.mine AS m WHERE id NOT IN (SELECT source_id FROM gaia.completesource)", ""),
    ("SELECT m.n, s.source_id FROM gaia.completesource AS s LEFT JOIN TAP_UPLOAD.mine AS m ON s.source_id = m.id AND m.n < 50", ""),
    ("SELECT MAX(n) AS n, COUNT(*) AS c, COUNT(id) AS i, AVG(ra) AS r FROM TAP_UPLOAD.mine", ""),
    (
        "SELECT m.n, s.source_id FROM TAP_UPLOAD.mine AS m JOIN gaia.completesource AS s
            ON 1 = CONTAINS(POINT(DEGREES(s.alpha), DEGREES(s.delta)), CIRCLE(POINT(m.ra, m.dec), 4))",
        "SELECT m.n, s.source_id FROM TAP_UPLOAD.mine AS m JOIN gaia.completesource AS s
            ON plain.dist(degrees(s.alpha), degrees(s.delta), m.ra, m.dec) <= 4",
    ),
    (
        "SELECT m.n, s.source_id FROM TAP_UPLOAD.mine AS m LEFT JOIN gaia.completesource AS s
            ON DISTANCE(DEGREES(s.alpha), DEGREES(s.delta), m.ra, m.dec) < 0.02 AND s.varpi > 1",
        "SELECT m.n, s.source_id FROM TAP_UPLOAD.mine AS m LEFT JOIN gaia.completesource AS s
            ON plain.dist(degrees(s.alpha), degrees(s.delta), m.ra, m.dec) < 0.02 AND s.varpi > 1",
    ),
    (
        "SELECT s.source_id FROM gaia.completesource AS s WHERE EXISTS (SELECT 1 AS one FROM TAP_UPLOAD.mine AS m
            WHERE DISTANCE(DEGREES(s.alpha), DEGREES(s.delta), m.ra, m.dec) < 60 AND m.n = 1)",
        "SELECT s.source_id FROM gaia.completesource AS s WHERE EXISTS (SELECT 1 FROM TAP_UPLOAD.mine AS m
            WHERE plain.dist(degrees(s.alpha), degrees(s.delta), m.ra, m.dec) < 60 AND m.n = 1)",
    ),
    (
        "SELECT m.n, t.transit_id FROM TAP_UPLOAD.mine AS m JOIN gaia.completesource AS s
            ON DISTANCE(DEGREES(s.alpha), DEGREES(s.delta), m.ra, m.dec) < 1 JOIN gaia.astroelementary AS t ON t.source_id = s.source_id",
        "SELECT m.n, t.transit_id FROM TAP_UPLOAD.mine AS m JOIN gaia.completesource AS s
            ON plain.dist(degrees(s.alpha), degrees(s.delta), m.ra, m.dec) < 1 JOIN gaia.astroelementary AS t ON t.source_id = s.source_id",
    ),
];

/// A table of ids, some of them of no source, twice, or NULL, and of positions: of sources, at the poles, on the wrap.
fn table(site: &TestSite) -> String {
    let sources = site.rows("SELECT source_id, DEGREES(alpha), DEGREES(delta) FROM gaia.completesource");
    let mut csv = "n,id,ra,dec\n".to_owned();
    for (n, source) in sources.iter().step_by(4).enumerate() {
        let [id, ra, dec] = source.as_slice() else { panic!("{source:?}") };
        let id = match n % 10 {
            8 => String::new(),
            9 => format!("{}", id.parse::<i64>().unwrap() ^ 1),
            _ => id.clone(),
        };
        let _ = writeln!(csv, "{n},{id},{ra},{dec}");
    }
    csv + "1000,,0.0,90.0\n1001,,123.0,-90.0\n1002,-7,0.0,0.0\n1003,-7,359.9999,45.5\n1004,,,\n"
}

#[test]
fn a_table_that_comes_along_or_is_kept_is_joined_by_ids_and_positions() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "600", "--transits", "3000"]);
    let sites = [1, 4].map(|nodes| TestSite::with_files(nodes, files.path()));
    let oracle = Oracle::beside(&sites[0]);
    let csv = table(&sites[0]);
    let path = sites[0].path().join("mine.csv");
    std::fs::write(&path, &csv).unwrap();
    let null = |cell: &str| if cell.is_empty() { "NULL".to_owned() } else { cell.to_owned() };
    let row = |row: &Vec<String>| format!("({})", row.iter().map(|cell| null(cell)).collect::<Vec<_>>().join(","));
    let rows: Vec<String> = cells(&csv).iter().map(row).collect();
    let sql = format!(
        "CREATE TABLE plain.mine (n bigint, id bigint, ra float8, dec float8); INSERT INTO plain.mine VALUES {}",
        rows.join(",")
    );
    sites[0].psql("n1", "postgres", &sql).ok();
    let upload = format!("mine={}", path.display());
    for (adql, sql) in QUERIES {
        let sql = if sql.is_empty() { adql } else { sql };
        let expected = oracle.rows(&sql.replace("gaia.", "plain.").replace("TAP_UPLOAD.", "plain."));
        assert!(!expected.is_empty(), "{sql}");
        for site in &sites {
            let answer = site.spolia(&["query", adql, "--upload", &upload, "--format", "csv"]).ok();
            let difference = same(adql, cells(&answer), expected.clone(), 1e-9);
            assert!(difference.is_ok(), "{}: {adql}: {difference:?}", site.path().display());
        }
    }
    only_the_nodes_of_ids_and_circles_are_asked(&sites[1]);
    for site in &sites {
        keep(site, &path);
    }
    for (adql, sql) in QUERIES {
        let sql = if sql.is_empty() { adql } else { sql };
        let expected = oracle.rows(&sql.replace("gaia.", "plain.").replace("TAP_UPLOAD.", "plain."));
        let adql = adql.replace("TAP_UPLOAD.", "user_ada.");
        for site in &sites {
            let answer = site.spolia(&["query", &adql, "--format", "csv"]).ok();
            let difference = same(&adql, cells(&answer), expected.clone(), 1e-9);
            assert!(difference.is_ok(), "{}: {adql}: {difference:?}", site.path().display());
        }
    }
}

/// Makes a table of a user of a CSV file.
fn keep(site: &TestSite, path: &std::path::Path) {
    let doors = Doors::of(site, &[]);
    let token = site.spolia(&["token", "add", "ada"]).ok();
    run(Command::new("curl")
        .args(["-sSf", "-X", "PUT", "-H", &format!("Authorization: Bearer {}", token.trim())])
        .args(["--data-binary", &format!("@{}", path.display()), &format!("{}/tap/tables/mine", doors.base_url)]))
    .ok();
}

/// One source's id and position, as a table: one node has its transits, and at most two what is within 10 arcsec of it.
fn only_the_nodes_of_ids_and_circles_are_asked(site: &TestSite) {
    let path = site.path().join("one.csv");
    let source = site.rows("SELECT TOP 1 source_id, DEGREES(alpha), DEGREES(delta) FROM gaia.completesource");
    std::fs::write(&path, format!("id,ra,dec\n{}\n", source[0].join(","))).unwrap();
    let upload = format!("one={}", path.display());
    let asked = |join: &str| {
        let adql = format!("SELECT s.source_id FROM TAP_UPLOAD.one AS m JOIN {join}");
        let explained = site.spolia(&["explain", &adql, "--upload", &upload, "--analyze", "--json"]).ok();
        let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
        let nodes = explained["tables"][0]["nodes"].as_array().unwrap();
        let answered = nodes.iter().filter(|node| node["answered"]["bytes"].as_u64() > Some(0)).count();
        let rows: u64 = nodes.iter().filter_map(|node| node["answered"]["rows"].as_u64()).sum();
        (answered, rows)
    };
    let (nodes, rows) = asked("gaia.astroelementary AS s ON s.source_id = m.id");
    assert!(nodes == 1 && rows > 0, "{rows} rows of {nodes} nodes");
    let (nodes, rows) =
        asked("gaia.completesource AS s ON DISTANCE(DEGREES(s.alpha), DEGREES(s.delta), m.ra, m.dec) < 10 / 3600.");
    assert!((1..=2).contains(&nodes) && (1..5).contains(&rows), "{rows} rows of {nodes} nodes");
}

/// What `write_tables.py` writes, as CSV.
const TABLE: &str = "n,id,small,ra,mag,flag,name,pair,counts
1,3425114617586286848,-32767,0.1,0.1,true,a&<b>]]>,\"[1.5, 2.5]\",\"[1, 2, 3]\"
2,9223372036854775807,32767,-Infinity,-0.0,false,\"x, \"\"y\"\"\",\"[0.0, -1.0]\",\"[4, 5, 6]\"
3,,,,,true,,\"[Infinity, 4.0]\",\"[7, 8, 9]\"
4,-9223372036854775807,7,1e+300,3.4e+38,false,é λ 🪐,\"[1e-300, 5.0]\",\"[-1, 2147483647, -2147483647]\"
";

#[test]
fn tables_that_astropy_wrote_come_along() {
    let Some(python) = python() else {
        println!("skipped: no Python with astropy (SPOLIA_PYTHON)");
        return;
    };
    let files = make_gaia(&["--sources", "20", "--transits", "20"]);
    let site = TestSite::with_files(1, files.path());
    run(Command::new(python).arg(own_folder().join("python/write_tables.py")).arg(site.path())).ok();
    for name in ["tabledata.vot", "binary.vot", "binary2.vot", "table.fits", "table.ecsv", "commas.ecsv"] {
        let upload = format!("mine={}", site.path().join(name).display());
        let answer = |adql: &str| site.spolia(&["query", adql, "--upload", &upload, "--format", "csv"]).ok();
        let expect = if name.ends_with(".fits") { TABLE.replace("é λ 🪐", "? ? ?") } else { TABLE.to_owned() };
        assert_eq!(answer("SELECT * FROM tap_upload.mine ORDER BY n").replace("\r\n", "\n"), expect, "{name}");
        assert_eq!(answer("SELECT COUNT(*) AS c FROM tap_upload.mine WHERE ra IS NULL"), "c\r\n1\r\n", "{name}");
    }
}

#[test]
fn answers_come_along_again() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "300", "--transits", "600"]);
    let site = TestSite::with_files(2, files.path());
    let all = "SELECT source_id, alpha, delta, POINT(DEGREES(alpha), DEGREES(delta)) AS place FROM gaia.completesource";
    for (name, format) in [
        ("td.vot", "votable"),
        ("b.vot", "votable/b"),
        ("b2.xml", "votable/b2"),
        ("a.fits", "fits"),
        ("a.ecsv", "ecsv"),
        ("a.parquet", "parquet"),
    ] {
        let path = site.path().join(name);
        site.spolia(&["query", all, "--format", format, "-o", path.to_str().unwrap()]).ok();
        let upload = format!("mine={}", path.display());
        // FITS has no place for an xtype, so that nothing tells that the pair is a point.
        let near = match format {
            "fits" => "",
            _ => "AND 1 = CONTAINS(m.place, CIRCLE(DEGREES(s.alpha), DEGREES(s.delta), 0.0001))",
        };
        let same = format!(
            "SELECT COUNT(*) AS c FROM TAP_UPLOAD.mine AS m JOIN gaia.completesource AS s ON s.source_id = m.source_id
                WHERE s.alpha = m.alpha AND s.delta = m.delta {near}"
        );
        let answer = site.spolia(&["query", &same, "--upload", &upload, "--format", "csv"]).ok();
        assert_eq!(answer, "c\r\n300\r\n", "{name}");
    }
}

#[test]
fn tables_that_cannot_come_along_are_refused() {
    let files = make_gaia(&["--sources", "20", "--transits", "20"]);
    let site = TestSite::with_files(1, files.path());
    let write = |name: &str, content: &str| std::fs::write(site.path().join(name), content).unwrap();
    write("good.csv", "id,my size,dec\n5,1.5,2\n");
    write("twice.csv", "id,ID\n5,1\n");
    write("ragged.csv", "id,ra\n5\n");
    write("laughs.vot", "<!DOCTYPE v [<!ENTITY l \"lol\">]><VOTABLE/>");
    write("short.fits", "SIMPLE  =                    T");
    let ask = |upload: &str, adql: &str| {
        site.command(&["query", adql, "--format", "csv", "--upload", upload]).current_dir(site.path()).output().unwrap()
    };
    let good = ask("mine=good.csv", "SELECT \"my size\", dec FROM tap_upload.mine");
    assert_eq!(String::from_utf8_lossy(&good.stdout), "my size,dec\r\n1.5,2\r\n");
    for (upload, adql, words) in [
        ("good.csv", "SELECT 1 AS one FROM tap_upload.mine", "name=file"),
        ("mine=none.csv", "SELECT 1 AS one FROM tap_upload.mine", "cannot open none.csv"),
        ("mine=ragged.csv", "SELECT 1 AS one FROM tap_upload.mine", "ragged.csv"),
        ("mine=laughs.vot", "SELECT 1 AS one FROM tap_upload.mine", "remove it"),
        ("mine=short.fits", "SELECT 1 AS one FROM tap_upload.mine", "is it cut off?"),
        ("mine=good.csv", "SELECT id FROM tap_upload.yours", "tap_upload.mine"),
        ("my\"tab=good.csv", "SELECT 1 AS one FROM tap_upload.mine", "cannot be the name"),
        ("mine=good.csv", "SELECT nothing FROM tap_upload.mine", "nothing"),
    ] {
        let run = ask(upload, adql);
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && said.contains(words), "{upload}: {said}");
    }
}
