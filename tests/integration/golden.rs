//! The golden queries: the same rows from one node, from three, four and eight, and from plain SQL on one PostgreSQL that holds everything.
//!
//! `tests/golden/*.golden` are paragraphs: `# name`, `adql: …`, `sql: …` where the oracle's text is another one, and
//! `tolerance: …` where numbers are computed.

use crate::oracle::{Oracle, Question};
use crate::site::{TestSite, make_gaia, own_folder};

#[test]
fn one_node_three_four_and_eight_answer_as_plain_sql_does() {
    let files =
        make_gaia(&["--layout", "mixed", "--sources", "600", "--transits", "5000", "--transits-per-file", "700"]);
    let sites = [1, 3, 4, 8].map(|nodes| TestSite::with_files(nodes, files.path()));
    let oracle = Oracle::beside(&sites[0]);
    let queries = read();
    assert!(queries.len() >= 200, "{} queries", queries.len());
    let faults = oracle.faults(&queries, &sites.each_ref());
    assert!(faults.is_empty(), "{} of {} answers differ:\n{}", faults.len(), 4 * queries.len(), faults.join("\n"));
}

#[test]
fn every_declared_feature_has_a_golden_query() {
    let queries = read();
    for feature in spolia_adql::features() {
        let word = feature.word().to_ascii_uppercase();
        // What stands in a string is not used.
        let outside = |adql: &str| adql.split('\'').step_by(2).collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        let letters = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
        let used = |question: &Question| outside(&question.adql).split(letters).any(|found| found == word);
        assert!(queries.iter().any(used), "no golden query uses {}", feature.form);
    }
}

fn read() -> Vec<Question> {
    let folder = own_folder().join("golden");
    let mut texts: Vec<_> =
        std::fs::read_dir(folder).expect("the golden queries").map(|entry| entry.expect("an entry").path()).collect();
    texts.sort();
    let texts = texts.iter().map(|path| std::fs::read_to_string(path).expect("a golden file"));
    texts
        .flat_map(|text| text.split("\n\n").filter(|part| part.contains("adql:")).map(golden).collect::<Vec<_>>())
        .collect()
}

fn golden(paragraph: &str) -> Question {
    let part = |key: &str| paragraph.lines().find_map(|line| line.strip_prefix(key)).map(|text| text.trim().to_owned());
    let adql = part("adql:").expect("every paragraph has a query");
    let sql = part("sql:").unwrap_or_else(|| adql.clone());
    Question {
        name: part("#").unwrap_or_default(),
        tolerance: part("tolerance:").map_or(0.0, |text| text.parse().expect("a number")),
        sql: sql.replace("gaia.", "plain."),
        adql,
    }
}
