//! A text of any size and shape takes bounded time, memory and stack.

use std::time::{Duration, Instant};

use spolia_adql::{AdqlError, ErrorKind, MAX_TEXT_BYTES, parse};

use crate::gaia::tap_schema;

/// Checks a text on a thread with the stack of a tokio worker, and drops what comes out there.
fn check(text: String) -> Result<(), AdqlError> {
    let run = move || parse(&text)?.check(&tap_schema()).map(drop);
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread").join().expect("no panic")
}

fn refusal(text: String) -> AdqlError {
    let begun = Instant::now();
    let error = check(text).expect_err("a text that must be refused");
    assert!(begun.elapsed() < Duration::from_secs(20), "{error} took {:?}", begun.elapsed());
    error
}

fn select(condition: &str) -> String {
    format!("SELECT source_id FROM gaia.completesource WHERE {condition}")
}

#[test]
fn a_hundred_thousand_ids_in_a_list_pass() {
    let ids: Vec<_> = (0..100_000_u64).map(|n| (3_425_114_617_586_286_848 + n).to_string()).collect();
    check(select(&format!("source_id IN ({})", ids.join(", ")))).unwrap();
}

#[test]
fn ten_thousand_conditions_in_a_row_pass() {
    let conditions: Vec<_> = (0..10_000).map(|n| format!("source_id = {n}")).collect();
    check(select(&conditions.join(" OR "))).unwrap();
}

#[test]
fn a_hundred_joins_and_many_columns_pass() {
    let joins: String = (1..100).map(|n| format!(" JOIN gaia.crossmatch AS x{n} USING (id, source_id)")).collect();
    let columns = vec!["x0.flags, x99.flags"; 1_000].join(", ");
    check(format!("SELECT {columns} FROM gaia.crossmatch AS x0{joins}")).unwrap();
    let flags = vec!["x0.flags"; 100_000].join(", ");
    check(format!("SELECT * FROM gaia.crossmatch AS x0{joins} WHERE 1 IN ({flags})")).unwrap();
}

#[test]
fn reasonable_nesting_passes() {
    check(select(&format!("{}alpha > 1{}", "(".repeat(40), ")".repeat(40)))).unwrap();
    check(select(&format!("{}alpha{} > 1", "ABS(".repeat(40), ")".repeat(40)))).unwrap();
    let open = "source_id IN (SELECT source_id FROM gaia.crossmatch WHERE ".repeat(40);
    check(select(&format!("{open}1 = 1{}", ")".repeat(40)))).unwrap();
}

#[test]
fn the_deepest_tree_that_is_taken_fits_the_stack() {
    let sum = vec!["alpha"; 240].join(" + ");
    let value = format!("{}{sum}{}", "(".repeat(15), ")".repeat(15));
    let unions = [vec![select("alpha > 1"); 149], vec![select(&format!("{value} > 1"))]].concat().join(" UNION ");
    let open = "source_id IN (SELECT source_id FROM gaia.crossmatch WHERE ".repeat(30);
    check(select(&format!("{open} source_id IN ({unions}){}", ")".repeat(30)))).unwrap();
}

#[test]
fn deep_nesting_is_refused() {
    for open in
        ["(", "ABS(", "NOT (", "-(", "COALESCE(1, ", "CAST(", "1 IN (", "EXISTS (SELECT 1 FROM x WHERE ", "1 IN (("]
    {
        assert_eq!(refusal(select(&open.repeat(200_000))).kind, ErrorKind::TooComplex, "{open}");
    }
    for open in ["(", "(SELECT * FROM ", "((SELECT * FROM ", "x JOIN ("] {
        let error = refusal(format!("SELECT * FROM {}", open.repeat(200_000)));
        assert_eq!(error.kind, ErrorKind::TooComplex, "{open}");
    }
}

#[test]
fn shapes_in_shapes_do_not_grow_without_bound() {
    let around =
        |times| select(&format!("AREA({}POINT(1, 2){}) > 1", "CENTROID(CIRCLE(".repeat(times), ", 1))".repeat(times)));
    check(around(4)).unwrap();
    assert_eq!(refusal(around(22)).kind, ErrorKind::TooComplex);
}

#[test]
fn long_chains_are_refused() {
    for link in ["1 + ", "1 * ", "alpha || ", "1 - - "] {
        assert!(check(select(&format!("{}1 = 1", link.repeat(400_000)))).is_err(), "{link}");
    }
    let sums = vec![select(&format!("{} > 1", vec!["alpha"; 240].join(" + "))); 3].join(" UNION ");
    assert_eq!(refusal(sums).kind, ErrorKind::TooComplex, "each of them is short enough");
    let union = "SELECT 1 FROM gaia.crossmatch UNION ".repeat(50_000);
    assert_eq!(refusal(union).kind, ErrorKind::TooComplex);
    let join = "JOIN gaia.crossmatch USING (id) ".repeat(50_000);
    assert_eq!(refusal(format!("SELECT 1 FROM gaia.crossmatch {join}")).kind, ErrorKind::TooComplex);
}

#[test]
fn long_lists_are_refused() {
    let refused = |text: String| assert_eq!(refusal(text).kind, ErrorKind::TooComplex);
    refused(format!("SELECT 1 FROM {} x", "gaia.crossmatch, ".repeat(100_000)));
    refused(format!("SELECT {}* FROM gaia.crossmatch", "*, ".repeat(100_000)));
    refused(format!("SELECT {}* FROM gaia.crossmatch", "*, ".repeat(1_000)));
    refused(format!("SELECT 1 FROM gaia.crossmatch ORDER BY 1{}", ", 1".repeat(100_000)));
    refused(format!("SELECT 1 FROM gaia.crossmatch GROUP BY id{}", ", id".repeat(100_000)));
}

#[test]
fn an_error_deep_inside_is_found_at_once() {
    let text = format!("{}SELECT FROM{}", "SELECT * FROM ((".repeat(20), ")) AS q".repeat(20));
    assert_eq!(refusal(text).column, 320 + 8);
}

#[test]
fn long_texts_are_refused() {
    assert_eq!(refusal(" ".repeat(MAX_TEXT_BYTES + 1)).kind, ErrorKind::TooComplex);
    assert_eq!(refusal("1,".repeat(1_000_000)).kind, ErrorKind::TooComplex);
    assert_eq!(refusal(format!("SELECT {} FROM t", "a".repeat(1_000_000))).kind, ErrorKind::TooComplex);
}

#[test]
fn no_text_brings_it_down() {
    for text in [
        "",
        "\0",
        "'",
        "\"",
        "--",
        "(",
        ")",
        ";",
        ".",
        "SELECT",
        "\u{feff}SELECT 1 FROM t",
        "é",
        "SELECT é",
        "1e",
        "0x",
        "N'",
        "$$",
        "{",
        "\\",
    ] {
        check(text.to_owned()).unwrap_err();
    }
    // Every beginning of a query, and every query that lacks one character.
    let whole = "WITH w AS (SELECT TOP 1 * FROM gaia.crossmatch) SELECT w.id, COUNT(*) FROM w JOIN gaia.completesource \
                 AS c USING (id) WHERE 1 = CONTAINS(POINT('', 1, 2), CIRCLE('', 1, 2, 3)) AND c.id IN (1) GROUP BY w.id";
    for end in 0..whole.len() {
        let _ = check(whole[..end].to_owned());
        let _ = check([&whole[..end], &whole[end + 1..]].concat());
    }
    check(whole.to_owned()).unwrap();
}
