//! Which parts of which queries go to nodes: plans, without nodes that run.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{LogicalPlan, ScalarFunctionImplementation, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::{SessionConfig, SessionContext};
use spolia_adql::names::{DISTANCE, IN_POLYGON};
use spolia_catalogue::{ColumnType, UserColumn, UserSchema, UserTable, UserTableDef, Visibility};

use super::node_query::NodeQuery;
use super::planner::federated;
use crate::sharded_table::ShardedTable;
use crate::sharded_table::tests::{epoch, source_table, transit_table};
use crate::user_tables::as_queried;

/// A function by the name of one of ADQL's, which no plan calls.
fn named(name: &str, arguments: usize, returns: DataType) -> ScalarUDF {
    let never: ScalarFunctionImplementation = Arc::new(|_| datafusion::common::not_impl_err!("no plan calls it"));
    create_udf(name, vec![DataType::Float64; arguments], returns, Volatility::Immutable, never)
}

/// A table of a user, on n1.
fn user_table(name: &str, number: i32) -> UserTable {
    let column = |(name, column_type): (&str, ColumnType)| UserColumn {
        name: name.to_owned(),
        column_type,
        meaning: BTreeMap::new(),
        indexed: false,
    };
    let columns = [("id", ColumnType::Bigint), ("RA (J2000)", ColumnType::Double), ("dec", ColumnType::Double)];
    let definition = UserTableDef { description: None, columns: columns.map(column).to_vec() };
    let schema = UserSchema { owner: "ada".to_owned(), name: "user_ada".to_owned(), group: 1 };
    let destruction = DateTime::UNIX_EPOCH;
    UserTable { number, schema, name: name.to_owned(), definition, rows: 0, bytes: 0, destruction }
}

/// A query gone through: what stays above, and each query for nodes with the statement for each.
struct Planned {
    above: String,
    queries: Vec<Vec<(String, String)>>,
}

async fn planned(sql: &str) -> Planned {
    let config = SessionConfig::new().with_default_catalog_and_schema("archive", "gaia");
    let context = SessionContext::new_with_config(config);
    let schema = MemorySchemaProvider::new();
    let epoch = epoch(Visibility { watermark: 1, hidden: Vec::new() });
    for table in [source_table(), transit_table()] {
        let table = ShardedTable::new("gaia", &table, Arc::clone(&epoch));
        schema.register_table(table.name().1.to_owned(), Arc::new(table)).unwrap();
    }
    for table in as_queried(&[user_table("stars", 7), user_table("notes", 8)], &epoch.nodes) {
        schema.register_table(table.name().1.to_owned(), table).unwrap();
    }
    let columns = [("name", DataType::Int64), ("ra", DataType::Float64), ("dec", DataType::Float64)];
    let columns = columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec();
    let mine = MemTable::try_new(Arc::new(Schema::new(columns)), vec![Vec::new()]).unwrap();
    schema.register_table("mine".to_owned(), Arc::new(mine)).unwrap();
    context.register_udf(named(DISTANCE, 4, DataType::Float64));
    context.register_udf(named(IN_POLYGON, 8, DataType::Int32));
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("gaia", Arc::new(schema)).unwrap();
    context.register_catalog("archive", Arc::new(catalog));
    let plan = context.state().create_logical_plan(sql).await.unwrap();
    let plan = federated(&context.state().optimize(&plan).unwrap()).unwrap();
    let mut queries = Vec::new();
    plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::Extension(extension) = plan
            && let Some(query) = extension.node.as_any().downcast_ref::<NodeQuery>()
        {
            let scans = query.scans().unwrap();
            queries.push(scans.into_iter().filter_map(|scan| Some((scan.node.name().to_owned(), scan.sql?))).collect());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    Planned { above: plan.display_indent().to_string(), queries }
}

/// A query of which everything goes to the nodes of these names, in one statement each, which has these words.
async fn check_down(sql: &str, nodes: &[&str], words: &[&str]) {
    let Planned { above, queries } = planned(sql).await;
    assert_eq!(above.lines().count(), 2, "more than names stay above for {sql}:\n{above}\n{queries:?}");
    let [query] = queries.as_slice() else { panic!("{} queries for {sql}", queries.len()) };
    assert_eq!(query.iter().map(|(node, _)| node.as_str()).collect::<Vec<_>>(), nodes, "{sql}");
    for word in words {
        assert!(query[0].1.contains(word), "{word:?} is not in\n{}", query[0].1);
    }
}

/// A query of which this stays above, over so many queries for nodes, the first of which has these words.
async fn check_above(sql: &str, stays: &str, count: usize, words: &[&str]) {
    let Planned { above, queries } = planned(sql).await;
    assert!(above.contains(stays), "{stays:?} does not stay above for {sql}:\n{above}\n{queries:?}");
    assert_eq!(queries.len(), count, "{above}\n{queries:?}");
    for word in words {
        assert!(queries[0][0].1.contains(word), "{word:?} is not in\n{}", queries[0][0].1);
    }
}

const LOW: i64 = 5;

#[tokio::test]
async fn conditions_and_columns_go_down() {
    check_down(
        "SELECT source_id, file_name FROM completesource WHERE varpi > 1.0 AND alpha < 0.5 AND delta > 1.0 AND file_name LIKE 'C%'",
        &["n0", "n1"],
        &[
            "SELECT f1.file_name AS c0, t1.source_id AS c1",
            "(SELECT * FROM gaia.completesource_c0 UNION ALL SELECT * FROM gaia.completesource_c2) AS t1",
            "(t1.varpi > '1e0'::double precision)",
            "t1.hpx29 BETWEEN",
            "JOIN spolia_node.file AS f1",
        ],
    )
    .await;
    check_down(
        "SELECT CASE WHEN varpi IS NULL THEN 0 ELSE 1 END AS c FROM completesource",
        &["n0", "n1"],
        &["(CASE WHEN"],
    )
    .await;
}

#[tokio::test]
async fn batches_without_wanted_rows_are_left_out() {
    let only_the_second = "AND (t1.batch BETWEEN 2 AND 2)";
    check_down("SELECT * FROM astroelementary WHERE transit_id > 200", &["n0", "n1"], &[only_the_second]).await;
    let joined = "SELECT s.varpi FROM completesource s JOIN astroelementary t ON s.source_id = t.source_id WHERE t.transit_id < 150";
    check_down(joined, &["n0", "n1"], &["(t2.batch BETWEEN 1 AND 1)"]).await;
}

#[tokio::test]
async fn polygons_are_pixels_and_sides() {
    check_down(
        "SELECT source_id FROM completesource WHERE adql_in_polygon(degrees(alpha), degrees(delta), 1.0, 1.0, 2.0, 1.0, 2.0, 2.0) = 1",
        &["n0", "n1"],
        &["t1.hpx29 BETWEEN", "(CASE WHEN t1.ux * '", " + t1.uz * '", ">= '-1e-15'::double precision AND t1.ux"],
    )
    .await;
}

#[tokio::test]
async fn days_decimals_uuids_and_bytes_go_down() {
    check_down(
        "SELECT source_id, key FROM completesource WHERE seen > '2016-01-01' AND key = 'e0b895ca' AND price > 12.5::numeric(12, 3)",
        &["n0", "n1"],
        &[
            "t1.key::text AS c",
            "(t1.key::text = 'e0b895ca'::text)",
            "(t1.seen > (date '1970-01-01' + 16801))",
            "(t1.price > '12500e-3'::numeric(12,3))",
        ],
    )
    .await;
    check_down(
        "SELECT price::numeric(20, 5) AS p, price::double AS d, seen::timestamp(6) AS t FROM completesource",
        &["n0", "n1"],
        &["(t1.price)::numeric(20,5)", "(t1.price)::double precision", "(t1.seen)::timestamp"],
    )
    .await;
    let in_order = "SELECT raw, key FROM completesource ORDER BY raw, key LIMIT 5";
    check_down(in_order, &["n0", "n1"], &["ORDER BY t1.raw, (t1.key::text COLLATE \"C\")", "LIMIT 5"]).await;
    let sums = "SELECT sum(price) AS s, min(seen) AS d, max(key) AS k FROM completesource";
    check_above(sums, "Aggregate", 1, &["sum(t1.price)::numeric(22,3)", "min(t1.seen)", "max((t1.key::text COLLATE"])
        .await;
    // PostgreSQL has no least bytes, and rounds where DataFusion cuts off.
    check_above("SELECT min(raw) AS r FROM completesource", "min(", 1, &["t1.raw AS c0"]).await;
    check_above("SELECT price::numeric(12, 1) AS p FROM completesource", "CAST(", 1, &["t1.price AS c0"]).await;
}

#[tokio::test]
async fn an_id_leads_to_one_node_that_does_everything() {
    let wanted = format!("SELECT COUNT(*) AS n, AVG(varpi) AS a FROM completesource WHERE source_id = {LOW}");
    check_down(&wanted, &["n1"], &["count('1'::bigint)", "avg(t1.varpi)", "FROM gaia.completesource_c1 AS t1"]).await;
    let wanted =
        format!("SELECT alpha FROM completesource WHERE source_id = {LOW} ORDER BY varpi DESC LIMIT 3 OFFSET 2");
    check_down(&wanted, &["n1"], &["ORDER BY t1.varpi DESC", "LIMIT 3", "OFFSET 2"]).await;
    let wanted = format!("SELECT DISTINCT alpha FROM completesource WHERE source_id = {LOW}");
    check_down(&wanted, &["n1"], &["GROUP BY"]).await;
}

#[tokio::test]
async fn joins_on_the_key_stay_on_their_nodes() {
    check_down(
        "SELECT s.alpha, t.transit_id FROM completesource s JOIN astroelementary t ON s.source_id = t.source_id WHERE s.varpi > 3.0",
        &["n0", "n1"],
        &["INNER JOIN", "ON (t1.source_id = t2.source_id)"],
    )
    .await;
    check_down(
        "SELECT s.alpha, t.transit_id FROM completesource s LEFT JOIN astroelementary t ON s.source_id = t.source_id AND t.transit_id > 7",
        &["n0", "n1"],
        &["LEFT JOIN", "(t2.transit_id > '7'::bigint)"],
    )
    .await;
    check_down(
        "SELECT alpha FROM completesource s WHERE EXISTS (SELECT 1 FROM astroelementary t WHERE t.source_id = s.source_id)",
        &["n0", "n1"],
        &["EXISTS (SELECT"],
    )
    .await;
    let one = format!(
        "SELECT s.alpha, t.transit_id FROM completesource s JOIN astroelementary t ON s.source_id = t.source_id WHERE s.source_id = {LOW}"
    );
    check_down(&one, &["n1"], &["gaia.completesource_c1 AS t1", "gaia.astroelementary_c1 AS t2"]).await;
}

#[tokio::test]
async fn a_join_on_something_else_is_made_above() {
    let sql = "SELECT s.alpha FROM completesource s JOIN astroelementary t ON s.source_id = t.transit_id";
    check_above(sql, "Inner Join", 2, &["SELECT t1.source_id AS c0, t1.alpha AS c1"]).await;
}

#[tokio::test]
async fn groups_by_the_key_are_made_by_nodes() {
    check_down(
        "SELECT source_id, COUNT(*) AS n FROM astroelementary GROUP BY source_id HAVING COUNT(*) > 3",
        &["n0", "n1"],
        &["GROUP BY t1.source_id", "WHERE (t2.c1 > '3'::bigint)"],
    )
    .await;
}

#[tokio::test]
async fn other_groups_are_made_in_parts() {
    check_above(
        "SELECT file_name, COUNT(*) AS n, AVG(alpha) AS a, STDDEV(alpha) AS s, MAX(file_name) AS m FROM completesource GROUP BY file_name",
        "Aggregate: groupBy=[[c0]]",
        1,
        &[
            "count('1'::bigint) AS c1, sum(t1.alpha) AS c2, count(t1.alpha) AS c3",
            "max((f1.file_name COLLATE \"C\"))",
            "GROUP BY f1.file_name",
        ],
    )
    .await;
    check_above("SELECT COUNT(*) AS n FROM completesource", "sum(c0)", 1, &["SELECT count('1'::bigint) AS c0"]).await;
    check_above(
        "SELECT COUNT(DISTINCT source_id) AS n, COUNT(*) AS m FROM astroelementary",
        "sum(c0)",
        1,
        &["count(DISTINCT t1.source_id)"],
    )
    .await;
}

#[tokio::test]
async fn the_first_rows_of_an_order_come_from_every_node() {
    let Planned { above, queries } =
        planned("SELECT source_id FROM completesource ORDER BY varpi LIMIT 3 OFFSET 1").await;
    assert!(above.contains("Limit: skip=1, fetch=3") && !above.contains("Sort"), "{above}");
    assert!(queries[0].iter().all(|(_, sql)| sql.contains("ORDER BY t1.varpi\nLIMIT 4")), "{queries:?}");
    let Planned { queries, .. } = planned("SELECT source_id FROM completesource LIMIT 5").await;
    assert!(queries[0].iter().all(|(_, sql)| sql.ends_with("LIMIT 5")), "{queries:?}");
}

#[tokio::test]
async fn unions_and_differences_go_down_where_they_may() {
    check_down(
        "SELECT source_id FROM completesource WHERE alpha < 1.0 UNION ALL SELECT source_id FROM astroelementary",
        &["n0", "n1"],
        &["UNION ALL ("],
    )
    .await;
    check_down(
        "SELECT source_id FROM completesource EXCEPT SELECT source_id FROM astroelementary",
        &["n0", "n1"],
        &["NOT EXISTS (SELECT"],
    )
    .await;
}

#[tokio::test]
async fn what_no_node_evaluates_stays_above() {
    check_above("SELECT lower(file_name) AS l FROM completesource", "lower(c0)", 1, &["SELECT f1.file_name AS c0"])
        .await;
    check_above("SELECT alpha FROM completesource WHERE lower(file_name) = 'x'", "Filter: lower", 1, &[]).await;
    // A column that is computed above does not keep the order from being made below.
    let Planned { above, queries } =
        planned("SELECT lower(file_name) AS l, varpi FROM completesource ORDER BY varpi LIMIT 3").await;
    assert!(!above.contains("Sort"), "{above}");
    assert!(queries[0][0].1.contains("ORDER BY t1.varpi\nLIMIT 3"), "{queries:?}");
}

#[tokio::test]
async fn lists_of_ids_are_split_among_the_nodes() {
    let high = (spolia_sky::PIXELS as i64 / 2) << 35;
    let ids = (0..20).map(|i| if i % 2 == 0 { LOW + i } else { high + i }).map(|id| id.to_string()).collect::<Vec<_>>();
    let Planned { queries, .. } =
        planned(&format!("SELECT alpha FROM completesource WHERE source_id IN ({})", ids.join(", "))).await;
    let [(n0, first), (n1, second)] = queries[0].as_slice() else { panic!("{queries:?}") };
    assert_eq!((n0.as_str(), n1.as_str()), ("n0", "n1"));
    assert!(first.contains(&format!("'{{{},", high + 1)) && !first.contains("'{5,"), "{first}");
    assert!(second.contains("t1.source_id = ANY ('{5,7,9,"), "{second}");
}

#[tokio::test]
async fn a_few_rows_with_ids_are_looked_up() {
    let keyed = &["t1.source_id = ANY ('{…}'::bigint[])"];
    for sql in [
        "SELECT s.alpha, m.ra FROM mine m JOIN completesource s ON s.source_id = m.name",
        "SELECT s.alpha, m.ra FROM completesource s JOIN mine m ON s.source_id = m.name",
        "SELECT s.alpha, m.ra FROM mine m LEFT JOIN completesource s ON s.source_id = m.name",
        "SELECT alpha FROM completesource WHERE source_id IN (SELECT name FROM mine)",
        "SELECT ra FROM mine WHERE EXISTS (SELECT 1 FROM completesource s WHERE s.source_id = mine.name)",
        "SELECT ra FROM mine WHERE NOT EXISTS (SELECT 1 FROM completesource s WHERE s.source_id = mine.name)",
    ] {
        check_above(sql, "Shared", 1, keyed).await;
    }
    // Here rows without a partner are wanted too.
    let all = "SELECT s.alpha, m.ra FROM completesource s LEFT JOIN mine m ON s.source_id = m.name";
    let Planned { above, queries } = planned(all).await;
    assert!(!above.contains("Shared") && !queries[0][0].1.contains("ANY"), "{above}");
    // What nodes have grouped is looked up too.
    check_above(
        "SELECT m.ra, t.n FROM mine m JOIN (SELECT source_id, COUNT(*) AS n FROM astroelementary GROUP BY source_id) t ON t.source_id = m.name",
        "Shared",
        1,
        &["WHERE t2.c0 = ANY"],
    )
    .await;
}

#[tokio::test]
async fn tables_of_a_user_are_one_nodes_business() {
    check_down(
        "SELECT id, \"RA (J2000)\" FROM stars WHERE \"dec\" > 1.0 ORDER BY id, \"dec\"",
        &["n1"],
        &["SELECT t1.c0 AS c0, t1.c1 AS c1", "FROM spolia_user.t7 AS t1", "(t1.c2 > '1e0'", "ORDER BY t1.c0, t1.c2"],
    )
    .await;
    check_down(
        "SELECT n.id, COUNT(*) AS c FROM stars s LEFT JOIN notes n ON n.id = s.id GROUP BY n.id",
        &["n1"],
        &["FROM spolia_user.t7 AS t1\n  LEFT JOIN spolia_user.t8 AS t2 ON (t1.c0 = t2.c0)"],
    )
    .await;
    // Nothing says where their rows are, so that they meet others above the nodes, and positions in cells.
    check_above("SELECT s.id FROM stars s JOIN completesource c ON c.source_id = s.id", "Inner Join", 2, &[]).await;
    let near = "adql_distance(s.\"RA (J2000)\", s.\"dec\", n.\"RA (J2000)\", n.\"dec\") < 0.001";
    check_above(&format!("SELECT s.id FROM stars s JOIN notes n ON {near}"), "left cell", 2, &[]).await;
}

#[tokio::test]
async fn a_few_rows_with_positions_are_looked_around() {
    let distance = "adql_distance(m.ra, m.dec, degrees(s.alpha), degrees(s.delta)) < 0.001";
    let words = &["(t1.hpx29 BETWEEN …)"];
    for join in ["mine m JOIN completesource s", "completesource s JOIN mine m", "mine m LEFT JOIN completesource s"] {
        check_above(&format!("SELECT s.source_id, m.name FROM {join} ON {distance}"), "left cell", 1, words).await;
    }
    let near = format!("SELECT m.name FROM mine m WHERE EXISTS (SELECT 1 FROM completesource s WHERE {distance})");
    check_above(&near, "Shared", 1, words).await;
    // Two large tables meet by cells alone.
    check_above(
        "SELECT a.source_id FROM completesource a JOIN completesource b
            ON adql_distance(degrees(a.alpha), degrees(a.delta), degrees(b.alpha), degrees(b.delta)) < 0.001",
        "Inner Join: left cell = right cell",
        2,
        &["SELECT t1.source_id AS c0"],
    )
    .await;
}
