//! The data files under `queries`, whose first lines say how to read them.

use std::ops::ControlFlow;

use spolia_adql::{AdqlError, CheckedQuery, features, parse};
use sqlparser::ast::{Expr, Ident, Statement, visit_expressions, visit_relations};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use crate::gaia::tap_schema;

/// A query of a data file, and the lines that say what is expected of it.
struct Case {
    title: &'static str,
    text: String,
    expected: Vec<(&'static str, &'static str)>,
}

fn cases(file: &'static str) -> Vec<Case> {
    let blocks = file.split("\n== ").skip(1);
    blocks
        .map(|block| {
            let (title, rest) = block.split_once('\n').expect("a title and a text");
            let marker =
                |line: &&str| ["=> ", "-> ", "<- ", "!! ", "?? ", "@@ "].iter().any(|mark| line.starts_with(mark));
            let text = rest.lines().take_while(|line| !marker(line)).collect::<Vec<_>>().join("\n");
            let expected = rest.lines().filter(marker).map(|line| line.split_at(3)).collect();
            Case { title, text: text.trim_end().to_owned(), expected }
        })
        .collect()
}

fn check(text: &str) -> Result<CheckedQuery, AdqlError> {
    parse(text)?.check(&tap_schema())
}

#[test]
fn valid_queries_become_statements_for_the_planner() {
    let cases = cases(include_str!("queries/valid.txt"));
    assert!(cases.len() >= 60);
    for Case { title, text, expected } in cases {
        let query = check(&text).unwrap_or_else(|error| panic!("{title}: {error}"));
        for (mark, wanted) in expected {
            let found = match mark {
                "=> " => query.statement().to_string(),
                "-> " => query.columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
                _ => query.tables().collect::<Vec<_>>().join(", "),
            };
            assert_eq!(found, wanted, "{title}");
        }
        assert_names_are_final(title, query.statement());
        assert_same_after_parsing_again(title, query.statement());
    }
}

#[test]
fn invalid_queries_are_refused_with_place_kind_and_message() {
    let cases = cases(include_str!("queries/invalid.txt"));
    assert!(cases.len() >= 200);
    let mut faults = Vec::new();
    for Case { title, text, expected } in cases {
        let suggestion = expected.iter().find(|(mark, _)| *mark == "?? ").map(|(_, suggestion)| *suggestion);
        let (_, wanted) = expected.iter().find(|(mark, _)| *mark == "!! ").expect("what is wrong");
        let words: Vec<_> = wanted.splitn(3, ' ').collect();
        let Err(error) = check(&text) else {
            faults.push(format!("{title}: taken"));
            continue;
        };
        let place = format!("{}:{}", error.line, error.column);
        let as_wanted = words[..2] == [place, format!("{:?}", error.kind)] && error.message.contains(words[2]);
        if !as_wanted || error.suggestion.as_deref() != suggestion {
            faults.push(format!("{title}: {:?} {error}", error.kind));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_result_column_knows_the_column_that_it_comes_from() {
    let query = check("SELECT q.a, b FROM (SELECT alpha AS a, alpha + 1 AS b FROM completesource) AS q").unwrap();
    let origins: Vec<_> = query.columns().iter().map(|column| column.origin.clone()).collect();
    let origin = origins[0].as_ref().expect("a plain column has an origin");
    assert_eq!((origin.table.as_str(), origin.column.as_str()), ("gaia.completesource", "alpha"));
    assert_eq!(origins[1], None);
    assert!(tap_schema().table(&origin.table).and_then(|table| table.column(&origin.column)).is_some());
}

#[test]
fn every_declared_feature_is_there() {
    for feature in features() {
        let checked = check(feature.example);
        assert!(checked.is_ok(), "{}: {:?}", feature.form, checked.err());
        let uses = feature.example.to_ascii_uppercase().contains(&feature.word().to_ascii_uppercase());
        assert!(uses, "{} is not in its example", feature.form);
    }
}

#[test]
fn columns_mean_what_follows_from_those_of_the_schema() {
    let cases = cases(include_str!("queries/meaning.txt"));
    assert!(cases.len() >= 30);
    for Case { title, text, expected } in cases {
        let query = check(&text).unwrap_or_else(|error| panic!("{title}: {error}"));
        let found = query.columns().iter().map(|column| {
            let entries =
                [&column.meaning.unit, &column.meaning.ucd, &column.meaning.xtype, &column.meaning.description];
            entries.map(|entry| entry.as_deref().unwrap_or("-")).join(" | ")
        });
        let expected: Vec<_> = expected.into_iter().map(|(_, line)| line.to_owned()).collect();
        assert_eq!(found.collect::<Vec<_>>(), expected, "{title}");
    }
}

#[test]
fn the_grammar_s_productions_are_taken() {
    let cases = cases(include_str!("queries/grammar.txt"));
    assert!(cases.len() >= 90);
    for Case { title, text, .. } in cases {
        parse(&text).unwrap_or_else(|error| panic!("{title}: {error}"));
    }
}

#[test]
fn grammar_is_checked_without_a_schema() {
    assert!(parse("SELECT wfau_align(x) FROM such.a_table").is_ok());
    assert!(parse("SELECT AREA(POLYGON(1, 1, 2, 2, 3, 1)), IN_UNIT(x, 'deg') FROM t").is_ok());
}

/// Every identifier is quoted, so that nobody folds it any more.
fn assert_names_are_final(title: &str, statement: &Statement) {
    let is_final = |name: &Ident| name.quote_style == Some('"');
    let in_expressions = visit_expressions(statement, |expr| match expr {
        Expr::Identifier(name) if !is_final(name) => ControlFlow::Break(expr.to_string()),
        Expr::CompoundIdentifier(parts) if !parts.iter().all(is_final) => ControlFlow::Break(expr.to_string()),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(in_expressions, ControlFlow::Continue(()), "{title}");
    let in_relations = visit_relations(statement, |name| {
        let all_final = name.0.iter().all(|part| part.as_ident().is_some_and(is_final));
        if all_final { ControlFlow::Continue(()) } else { ControlFlow::Break(name.to_string()) }
    });
    assert_eq!(in_relations, ControlFlow::Continue(()), "{title}");
}

/// The tree is one that sqlparser could have made itself.
fn assert_same_after_parsing_again(title: &str, statement: &Statement) {
    let text = statement.to_string();
    let again = Parser::parse_sql(&GenericDialect, &text).unwrap_or_else(|error| panic!("{title}: {error}: {text}"));
    assert_eq!(again.len(), 1, "{title}");
    assert_eq!(again[0].to_string(), text, "{title}");
}
