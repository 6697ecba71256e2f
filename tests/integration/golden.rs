//! The golden queries: the same rows from one node, from four, and from plain SQL on one PostgreSQL that holds everything.
//!
//! `tests/golden/*.golden` are paragraphs: `# name`, `adql: …`, `sql: …` where the oracle's text is another one, and
//! `tolerance: …` where numbers are computed.

use crate::oracle::{Oracle, Question};
use crate::site::{TestSite, make_gaia, own_folder};

#[test]
fn one_node_and_four_answer_as_plain_sql_does() {
    let files =
        make_gaia(&["--layout", "mixed", "--sources", "600", "--transits", "5000", "--transits-per-file", "700"]);
    let (one, four) = (TestSite::with_files(1, files.path()), TestSite::with_files(4, files.path()));
    let oracle = Oracle::beside(&one);
    let queries = read();
    assert!(queries.len() >= 40, "{} queries", queries.len());
    let faults = oracle.faults(&queries, &[&one, &four]);
    assert!(faults.is_empty(), "{} of {} queries differ:\n{}", faults.len(), 2 * queries.len(), faults.join("\n"));
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
