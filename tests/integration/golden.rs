//! The golden queries: the same rows from one node, from four, and from plain SQL on one PostgreSQL that holds everything.
//!
//! `tests/golden/*.golden` are paragraphs: `# name`, `adql: …`, and `sql: …` where the oracle's text is another one. Rows are
//! compared in order where the query ends in ORDER BY, else as sets; numbers are compared as numbers, computed ones
//! (`tolerance: …`) within a relative tolerance.

use crate::site::{TestSite, cells, make_gaia, own_folder, split};

struct Golden {
    name: String,
    adql: String,
    sql: String,
    tolerance: f64,
}

#[test]
fn one_node_and_four_answer_as_plain_sql_does() {
    let files =
        make_gaia(&["--layout", "mixed", "--sources", "600", "--transits", "5000", "--transits-per-file", "700"]);
    let (one, four) = (TestSite::with_files(1, files.path()), TestSite::with_files(4, files.path()));
    let oracle = Oracle::beside(&one);
    let queries = read();
    assert!(queries.len() >= 40, "{} queries", queries.len());
    let mut faults = Vec::new();
    for query in &queries {
        let expected = oracle.rows(&query.sql);
        for (site, nodes) in [(&one, 1), (&four, 4)] {
            let run = site.spolia(&["query", &query.adql, "-f", "csv"]);
            if !run.success {
                faults.push(format!("{} on {nodes} nodes: {}", query.name, run.stderr));
            } else if let Err(fault) = same(query, cells(&run.stdout), expected.clone()) {
                faults.push(format!("{} on {nodes} nodes: {fault}", query.name));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {} queries differ:\n{}", faults.len(), 2 * queries.len(), faults.join("\n"));
}

/// A database with plain tables of everything, on the one-node site's server.
struct Oracle<'a> {
    site: &'a TestSite,
}

impl<'a> Oracle<'a> {
    fn beside(site: &'a TestSite) -> Self {
        let own = "f.did_rse, f.did_scope, f.did_name, f.checksum, f.file_version, f.file_name, f.file_extension, \
                   f.object || '_' || (t.id & 4294967295) AS key_name";
        for table in ["completesource", "astroelementary", "crossmatch"] {
            let sql = format!(
                "CREATE SCHEMA IF NOT EXISTS plain; CREATE TABLE plain.{table} AS SELECT {own}, t.* FROM gaia.{table} t \
                 JOIN spolia_node.file f ON f.file_id = t.id >> 32"
            );
            site.psql("n1", "postgres", &sql).ok();
        }
        let functions = "CREATE FUNCTION plain.dist(a1 float8, d1 float8, a2 float8, d2 float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS \
            $$ SELECT degrees(2 * asin(sqrt(least(1, sin(radians(d2 - d1) / 2) ^ 2 \
               + cos(radians(d1)) * cos(radians(d2)) * sin(radians(a2 - a1) / 2) ^ 2)))) $$";
        site.psql("n1", "postgres", functions).ok();
        Self { site }
    }

    fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let answer = self.site.psql("n1", "postgres", &format!("SET timezone = 'UTC'; {sql}")).ok();
        answer.lines().map(split).collect()
    }
}

fn read() -> Vec<Golden> {
    let folder = own_folder().join("golden");
    let mut texts: Vec<_> =
        std::fs::read_dir(folder).expect("the golden queries").map(|entry| entry.expect("an entry").path()).collect();
    texts.sort();
    let texts = texts.iter().map(|path| std::fs::read_to_string(path).expect("a golden file"));
    texts
        .flat_map(|text| text.split("\n\n").filter(|part| part.contains("adql:")).map(golden).collect::<Vec<_>>())
        .collect()
}

fn golden(paragraph: &str) -> Golden {
    let part = |key: &str| paragraph.lines().find_map(|line| line.strip_prefix(key)).map(|text| text.trim().to_owned());
    let adql = part("adql:").expect("every paragraph has a query");
    let sql = part("sql:").unwrap_or_else(|| adql.clone());
    Golden {
        name: part("#").unwrap_or_default(),
        tolerance: part("tolerance:").map_or(0.0, |text| text.parse().expect("a number")),
        sql: sql.replace("gaia.", "plain."),
        adql,
    }
}

fn same(query: &Golden, mut found: Vec<Vec<String>>, mut expected: Vec<Vec<String>>) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} rows instead of {}", found.len(), expected.len()));
    }
    // What an ORDER BY of the query itself leaves open may come in any order, so goldens that have one order by a key.
    if !query.adql.contains("ORDER BY") {
        found.sort();
        expected.sort();
    }
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let differs =
            found.len() != expected.len() || found.iter().zip(expected).any(|(a, b)| !same_cell(a, b, query.tolerance));
        if differs {
            return Err(format!("row {row}: {found:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

fn same_cell(found: &str, expected: &str, tolerance: f64) -> bool {
    let plain = |text: &str| text.replace(['[', ']', '{', '}', ' '], "").replace('T', "");
    if plain(found) == plain(expected) {
        return true;
    }
    // Integers are exact or wrong; only what is written as a float is compared as one.
    let float = |text: &str| text.contains(['.', 'e', 'E']).then(|| text.parse::<f64>().ok()).flatten();
    match (float(found), float(expected).or_else(|| expected.parse().ok())) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs()),
        _ => matches!((found, expected), ("true", "t") | ("false", "f")),
    }
}

#[test]
fn the_comparison_finds_differences() {
    let query = golden("# x\nadql: SELECT a FROM b\ntolerance: 1e-9");
    let row = |cells: &[&str]| vec![cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()];
    assert!(same(&query, row(&["1.0", "3425114617586286848"]), row(&["1", "3425114617586286848"])).is_ok());
    assert!(same(&query, row(&["3425114617586286848"]), row(&["3425114617586286849"])).is_err());
    assert!(same(&query, row(&["1.0"]), row(&["1.001"])).is_err());
    assert!(same(&query, row(&["a"]), Vec::new()).is_err());
    assert!(
        same(&query, row(&["2017-05-05T15:27:27.522425", "[1, 2]"]), row(&["2017-05-05 15:27:27.522425", "{1,2}"]))
            .is_ok()
    );
}
