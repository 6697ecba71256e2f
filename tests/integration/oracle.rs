//! The oracle: plain SQL on one PostgreSQL that holds everything, and what "the same rows" means.
//!
//! Rows are compared in order where the query has ORDER BY, else as sets; numbers are compared as numbers, computed ones
//! within a relative tolerance; integers are exact.

use std::borrow::Borrow;
use std::sync::Mutex;

use crate::served::Doors;
use crate::site::{TestSite, cells, split};

/// Questions that are asked at the same time.
const AT_ONCE: usize = 2;
/// Faults after which nothing more is asked.
const MOST_FAULTS: usize = 100;

/// Angles on the sky in plain SQL, in degrees: the distance of two positions, on which side of the great circle from one position to
/// another a third one lies, whether it lies in a triangle, and whether in a box.
const FUNCTIONS: &str = "
CREATE FUNCTION plain.dist(a1 float8, d1 float8, a2 float8, d2 float8) RETURNS float8 IMMUTABLE STRICT LANGUAGE sql AS
    $$ SELECT degrees(2 * asin(sqrt(least(1, sin(radians(d2 - d1) / 2) ^ 2
       + cos(radians(d1)) * cos(radians(d2)) * sin(radians(a2 - a1) / 2) ^ 2)))) $$;
CREATE FUNCTION plain.side(a float8, d float8, a1 float8, d1 float8, a2 float8, d2 float8) RETURNS float8 IMMUTABLE STRICT LANGUAGE sql AS
    $$ SELECT cosd(d) * (cosd(d1) * sind(d2) * sind(a1 - a) + sind(d1) * cosd(d2) * sind(a - a2)) + sind(d) * cosd(d1) * cosd(d2) * sind(a2 - a1) $$;
CREATE FUNCTION plain.in_triangle(a float8, d float8, a1 float8, d1 float8, a2 float8, d2 float8, a3 float8, d3 float8)
    RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS
    $$ SELECT least(s1 * o, s2 * o, s3 * o) >= 0 FROM (SELECT plain.side(a, d, a1, d1, a2, d2) AS s1, plain.side(a, d, a2, d2, a3, d3) AS s2,
       plain.side(a, d, a3, d3, a1, d1) AS s3, sign(plain.side(a1, d1, a2, d2, a3, d3)) AS o) AS s $$;
CREATE FUNCTION plain.in_box(a float8, d float8, ca float8, cd float8, w float8, h float8) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql AS
    $$ SELECT abs(atan2d(cosd(d) * sind(a - ca), x)) <= w / 2 AND abs(atan2d(sind(d) * cosd(cd) - cosd(d) * sind(cd) * cosd(a - ca), x)) <= h / 2
       FROM (SELECT sind(d) * sind(cd) + cosd(d) * cosd(cd) * cosd(a - ca) AS x) AS s $$";

/// A query in ADQL, and the SQL that the oracle is asked instead.
pub struct Question {
    pub name: String,
    pub adql: String,
    pub sql: String,
    pub tolerance: f64,
}

/// A database with plain tables of everything, on the one-node site's server.
pub struct Oracle<'a> {
    site: &'a TestSite,
}

impl<'a> Oracle<'a> {
    /// Makes the tables of the Gaia collection anew.
    pub fn beside(site: &'a TestSite) -> Self {
        Self::of(site, "gaia", &["completesource", "astroelementary", "crossmatch"])
    }

    /// Makes the tables of a collection anew.
    pub fn of(site: &'a TestSite, collection: &str, tables: &[&str]) -> Self {
        let own = "f.did_rse, f.did_scope, f.did_name, f.checksum, f.file_version, f.file_name, f.file_extension, \
                   f.object || '_' || (t.id & 4294967295) AS key_name";
        site.psql("n1", "postgres", "DROP SCHEMA IF EXISTS plain CASCADE; CREATE SCHEMA plain").ok();
        for table in tables {
            let sql = format!(
                "CREATE TABLE plain.{table} AS SELECT {own}, t.* FROM {collection}.{table} t \
                 JOIN spolia_node.file f ON f.file_id = t.id >> 32"
            );
            site.psql("n1", "postgres", &sql).ok();
        }
        site.psql("n1", "postgres", FUNCTIONS).ok();
        Self { site }
    }

    /// The rows of plain SQL.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let answer = self.site.psql("n1", "postgres", &format!("SET timezone = 'UTC'; {sql}")).ok();
        answer.lines().map(split).collect()
    }

    /// Asks each question of the oracle and of every site, some at the same time; what differs, a line each, until it is much.
    pub fn faults<Q: Borrow<Question>>(
        &self,
        questions: impl IntoIterator<Item = Q, IntoIter: Send>,
        sites: &[&TestSite],
    ) -> Vec<String> {
        // Doors that stay open answer sooner than programs that begin anew.
        let doors: Vec<(&TestSite, Doors)> = sites.iter().map(|site| (*site, Doors::of(site, &[]))).collect();
        let (waiting, faults) = (Mutex::new(questions.into_iter()), Mutex::new(Vec::new()));
        let work = || {
            while faults.lock().unwrap().len() < MOST_FAULTS {
                let next = waiting.lock().unwrap().next();
                let Some(question) = next else { break };
                let found = self.faults_of(question.borrow(), &doors);
                faults.lock().unwrap().extend(found);
            }
        };
        std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
        faults.into_inner().unwrap()
    }

    fn faults_of(&self, question: &Question, sites: &[(&TestSite, Doors)]) -> Vec<String> {
        let expected = self.rows(&question.sql);
        let fault = |(site, doors): &(&TestSite, Doors)| {
            let fault = match doors.csv(&question.adql) {
                Ok(answer) => same(&question.adql, cells(&answer), expected.clone(), question.tolerance).err(),
                Err(said) => Some(said),
            };
            fault.map(|fault| {
                format!(
                    "{} on {}: {fault}\n  {}\n  {}",
                    question.name,
                    site.path().display(),
                    question.adql,
                    question.sql
                )
            })
        };
        sites.iter().filter_map(fault).collect()
    }
}

/// Whether the answer to a query has the rows that are expected; what differs where it does not.
pub fn same(
    adql: &str,
    mut found: Vec<Vec<String>>,
    mut expected: Vec<Vec<String>>,
    tolerance: f64,
) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} rows instead of {}", found.len(), expected.len()));
    }
    // What an ORDER BY of the query itself leaves open may come in any order, so goldens that have one order by a key.
    if !is_ordered(adql) {
        found.sort();
        expected.sort();
    }
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let differs =
            found.len() != expected.len() || found.iter().zip(expected).any(|(a, b)| !same_cell(a, b, tolerance));
        if differs {
            return Err(format!("row {row}: {found:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

/// Whether a query has an ORDER BY of its own, beside those of its sub-queries.
fn is_ordered(adql: &str) -> bool {
    let depth = |text: &str| text.matches('(').count() as i64 - text.matches(')').count() as i64;
    adql.match_indices("ORDER BY").any(|(place, _)| depth(&adql[..place]) == 0)
}

fn same_cell(found: &str, expected: &str, tolerance: f64) -> bool {
    let plain = |text: &str| text.replace(['[', ']', '{', '}', ' '], "").replace('T', "");
    if plain(found) == plain(expected) {
        return true;
    }
    // Arrays are compared element by element.
    let elements = |text: &str| -> Option<Vec<String>> {
        let inside = text.strip_prefix(['[', '{'])?.strip_suffix([']', '}'])?;
        Some(inside.split(',').map(|element| element.trim().to_owned()).collect())
    };
    if let (Some(found), Some(expected)) = (elements(found), elements(expected)) {
        let pairs = found.iter().zip(&expected);
        return found.len() == expected.len() && pairs.into_iter().all(|(a, b)| same_cell(a, b, tolerance));
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
    assert!(is_ordered("SELECT (1) ORDER BY (a)") && !is_ordered("SELECT a FROM (SELECT a FROM b ORDER BY a)"));
    let same = |found, expected| same("SELECT a FROM b", found, expected, 1e-9);
    let row = |cells: &[&str]| vec![cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()];
    assert!(same(row(&["1.0", "3425114617586286848"]), row(&["1", "3425114617586286848"])).is_ok());
    assert!(same(row(&["3425114617586286848"]), row(&["3425114617586286849"])).is_err());
    assert!(same(row(&["1.0"]), row(&["1.001"])).is_err());
    assert!(same(row(&["a"]), Vec::new()).is_err());
    assert!(same(row(&["[1.0, 2.5]"]), row(&["{1,2.5000000001}"])).is_ok());
    assert!(same(row(&["[1, 2]"]), row(&["{1,3}"])).is_err() && same(row(&["[1]"]), row(&["{1,1}"])).is_err());
    assert!(
        same(row(&["2017-05-05T15:27:27.522425", "[1, 2]"]), row(&["2017-05-05 15:27:27.522425", "{1,2}"])).is_ok()
    );
}
