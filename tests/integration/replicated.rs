//! A collection of one's own with a small table that every node has whole: joined on each node, counted once, replaced everywhere.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::oracle::same;
use crate::site::{TestSite, cells, own_folder, python, run};

const MODEL: &str = r#"
name = "survey"
description = "Stars and the bands that they were seen in"

[[table]]
name = "star"
description = "One row per star"
class = "Star"
object = "StarImpl"
shard_key = "source_id"
position = { lon = "alpha", lat = "delta" }
column = [
    { name = "source_id", field = "sourceId", type = "bigint", required = true, indexed = true },
    { name = "alpha", field = "alpha", type = "double", required = true },
    { name = "delta", field = "delta", type = "double", required = true },
    { name = "band", field = "band", type = "integer" },
]

[[table]]
name = "band"
description = "One row per band"
class = "Band"
object = "BandImpl"
replicated = true
column = [
    { name = "number", field = "number", type = "integer", required = true },
    { name = "name", field = "name", type = "text" },
    { name = "wavelength", field = "wavelength", type = "double", unit = "nm" },
]
"#;

const BANDS: &str = "number,name,wavelength\n1,G,622.5\n2,BP,511.25\n3,RP,777.5\n9,none,1.5\n";

const QUERIES: &[&str] = &[
    "SELECT s.source_id, b.name FROM survey.star AS s JOIN survey.band AS b ON b.number = s.band",
    "SELECT s.source_id, b.name FROM survey.star AS s LEFT JOIN survey.band AS b ON b.number = s.band AND b.wavelength > 600",
    "SELECT b.name, s.source_id FROM survey.band AS b LEFT JOIN survey.star AS s ON b.number = s.band",
    "SELECT b.name, s.source_id FROM survey.star AS s RIGHT JOIN survey.band AS b ON b.number = s.band",
    "SELECT b.name, s.source_id FROM survey.band AS b FULL JOIN survey.star AS s ON b.number = s.band",
    "SELECT b.name, COUNT(*) AS n, AVG(b.wavelength * s.alpha) AS m FROM survey.star AS s JOIN survey.band AS b ON b.number = s.band GROUP BY b.name",
    "SELECT COUNT(*) AS n, SUM(number) AS s FROM survey.band",
    "SELECT source_id FROM survey.star WHERE band IN (SELECT number FROM survey.band WHERE wavelength > 600)",
    "SELECT source_id FROM survey.star WHERE band NOT IN (SELECT number FROM survey.band)",
    "SELECT name FROM survey.band AS b WHERE EXISTS (SELECT 1 AS one FROM survey.star AS s WHERE s.band = b.number)",
    "SELECT name FROM survey.band AS b WHERE NOT EXISTS (SELECT 1 AS one FROM survey.star AS s WHERE s.band = b.number)",
    "SELECT COUNT(*) AS n FROM survey.star, survey.band",
    "SELECT band AS n FROM survey.star UNION ALL SELECT number AS n FROM survey.band",
    "SELECT number AS n FROM survey.band UNION ALL SELECT number + 1 AS n FROM survey.band",
    "SELECT number AS n FROM survey.band EXCEPT SELECT band AS n FROM survey.star",
    "SELECT a.name, b.name AS other FROM survey.band AS a LEFT JOIN survey.band AS b ON a.number = b.number - 1",
    "SELECT s.source_id, b.name, c.name AS other FROM survey.star AS s JOIN survey.band AS b ON b.number = s.band JOIN survey.band AS c ON c.number = b.number + 1",
    "SELECT a.source_id, c.band, b.name FROM survey.star AS a JOIN survey.star AS c ON a.source_id = c.source_id JOIN survey.band AS b ON b.number = c.band",
];

/// A file of the collection out of CSV.
fn file(folder: &Path, name: &str, csv: &str) -> PathBuf {
    let (rows, path) = (folder.join(format!("{name}.csv")), folder.join(format!("{name}.h5")));
    std::fs::write(&rows, csv).unwrap();
    run(Command::new(python().unwrap()).arg(own_folder().join("python/table_file.py")).arg(&rows).arg(&path)).ok();
    path
}

fn stars() -> String {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut csv = "sourceId,alpha,delta,band\n".to_owned();
    for number in 0..500i64 {
        let id = (random.random_range(0..12i64 << 24) << 35) | number;
        let (alpha, delta) = (random.random_range(0.0..6.0), random.random_range(-1.5..1.5));
        let _ = writeln!(csv, "{id},{alpha},{delta},{}", random.random_range(0..5));
    }
    csv
}

fn insert(site: &TestSite, table: &str, columns: &str, csv: &str) {
    let quoted = |cell: &String| format!("'{cell}'");
    let row = |row: &Vec<String>| format!("({})", row.iter().map(quoted).collect::<Vec<_>>().join(","));
    let rows = cells(csv).iter().map(row).collect::<Vec<_>>().join(",");
    let sql = format!(
        "CREATE SCHEMA IF NOT EXISTS plain; CREATE TABLE plain.{table} ({columns}); INSERT INTO plain.{table} VALUES {rows}"
    );
    site.psql("n1", "postgres", &sql).ok();
}

#[test]
fn a_table_that_every_node_has_is_joined_there_and_counted_once() {
    if python().is_none() {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("survey.toml");
    std::fs::write(&model, MODEL).unwrap();
    let stars = stars();
    let files = [file(folder.path(), "Star_1", &stars), file(folder.path(), "Band_1", BANDS)];
    let sites = [1, 3].map(TestSite::new);
    for site in &sites {
        site.spolia(&["up"]).ok();
        run(site.command(&["ingest"]).arg(&model).args(&files)).ok();
    }
    insert(&sites[0], "star", "source_id bigint, alpha float8, delta float8, band int", &stars);
    insert(&sites[0], "band", "number int, name text, wavelength float8", BANDS);
    for adql in QUERIES {
        let sql = adql.replace("survey.", "plain.");
        let expected = sites[0].psql("n1", "postgres", &sql).ok();
        let expected: Vec<_> = expected.lines().map(crate::site::split).collect();
        for site in &sites {
            let difference = same(adql, site.rows(adql), expected.clone(), 1e-9);
            assert!(difference.is_ok(), "{}: {adql}: {difference:?}", site.path().display());
        }
    }
    let three = &sites[1];
    let explained = three.spolia(&["explain", QUERIES[5]]).ok();
    assert!(explained.contains("survey.star, survey.band: 3 of 3 nodes asked"), "{explained}");
    let explained = three.spolia(&["explain", QUERIES[6]]).ok();
    assert!(explained.contains("survey.band: 1 of 3 nodes asked"), "{explained}");
    let again = file(folder.path(), "Band_1", "number,name,wavelength\n1,G,600.5\n");
    run(three.command(&["ingest"]).arg(&model).arg("--supersede").arg(&again)).ok();
    assert_eq!(three.rows("SELECT name, wavelength FROM survey.band"), [["G", "600.5"]]);
    let joined = "SELECT COUNT(*) AS n FROM survey.star AS s JOIN survey.band AS b ON b.number = s.band";
    assert_eq!(three.rows(joined), three.rows("SELECT COUNT(*) AS n FROM survey.star WHERE band = 1"));
    let merged = three.path().join("band.h5");
    three.spolia(&["cut", "--adql", "SELECT id FROM survey.band", "-o", merged.to_str().unwrap()]).ok();
    assert!(merged.is_file());
}
