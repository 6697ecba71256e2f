//! Random queries in ADQL, and the same in SQL for the oracle.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::oracle::{Oracle, Question};
use crate::site::{TestSite, make_gaia};

/// Queries of one run of the tests; `make soak` draws more.
const QUERIES: usize = 300;

#[test]
fn one_node_and_four_answer_random_queries_as_plain_sql_does() {
    let files =
        make_gaia(&["--layout", "table", "--sources", "500", "--transits", "4000", "--transits-per-file", "900"]);
    let (one, four) = (TestSite::with_files(1, files.path()), TestSite::with_files(4, files.path()));
    let oracle = Oracle::beside(&one);
    let mut random = ChaCha8Rng::seed_from_u64(20261126);
    let questions: Vec<Question> = (0..QUERIES).map(|_| draw(&mut random)).collect();
    let faults = oracle.faults(&questions, &[&one, &four]);
    assert!(faults.is_empty(), "{} of {} answers differ:\n{}", faults.len(), 2 * QUERIES, faults.join("\n"));
}

/// A table and what can be asked of it.
struct Table {
    name: &'static str,
    integers: &'static [&'static str],
    floats: &'static [&'static str],
}

const TABLES: [Table; 3] = [
    Table {
        name: "gaia.completesource",
        integers: &["source_id", "id"],
        floats: &["alpha", "delta", "varpi", "mu_alpha_star", "mu_delta", "radial_velocity", "alpha_star_error"],
    },
    Table { name: "gaia.astroelementary", integers: &["source_id", "transit_id", "id"], floats: &[] },
    Table {
        name: "gaia.crossmatch",
        integers: &["source_id", "transit_id", "flags", "heal_pix_fov", "id"],
        floats: &[],
    },
];

/// A text in ADQL and in SQL.
#[derive(Clone)]
struct Text {
    adql: String,
    sql: String,
}

impl Text {
    fn same(text: impl Into<String>) -> Self {
        let adql = text.into();
        Self { sql: adql.clone(), adql }
    }

    fn new(adql: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { adql: adql.into(), sql: sql.into() }
    }

    /// A text around texts, which stand where `{}` is.
    fn around(pattern: &str, texts: &[&Text]) -> Self {
        let fill = |of: fn(&Text) -> &str| {
            let mut parts = pattern.split("{}");
            let first = parts.next().unwrap_or_default().to_owned();
            parts.zip(texts).fold(first, |all, (part, text)| all + of(text) + part)
        };
        Self { adql: fill(|text| &text.adql), sql: fill(|text| &text.sql) }
    }
}

/// A query, and the same for the oracle.
pub fn draw(random: &mut ChaCha8Rng) -> Question {
    let table = TABLES.choose(random).unwrap();
    let Text { adql, sql } = match random.random_range(0..15) {
        0 => grouped(table, random),
        1 => joined(random),
        2 | 3 => top(table, random),
        4 => totals(table, random),
        5 => three_joined(random),
        6 => among(random),
        7 => set_operation(random),
        8 => groups_of_groups(random),
        9 => top_within(table, random),
        10 => matched_by_transit(random),
        11 => distinct(table, random),
        12 => near(random),
        _ => filtered(table, random),
    };
    Question { name: "random".to_owned(), sql: sql.replace("gaia.", "plain."), adql, tolerance: 1e-9 }
}

fn filtered(table: &Table, random: &mut ChaCha8Rng) -> Text {
    let (value, condition) = (value(table, random), condition(table, "", 3, random));
    Text::around(&format!("SELECT id, {{}} AS c FROM {} WHERE {{}}", table.name), &[&value, &condition])
}

/// What is open in the order is decided by the columns of the result.
fn top(table: &Table, random: &mut ChaCha8Rng) -> Text {
    let (limit, offset) = (random.random_range(1..60), [0, 0, 3, 40].choose(random).unwrap());
    let way = ["ASC", "DESC"].choose(random).unwrap();
    let few = Text::new("MOD(source_id, 5)", "source_id % 5");
    let key = if random.random_bool(0.5) { few } else { Text::same(column(table, random)) };
    let condition = condition(table, "", 2, random);
    let select = format!("{{}} AS k, source_id, id FROM {} WHERE {{}} ORDER BY {{}} {way}", table.name);
    let text = Text::around(&select, &[&key, &condition, &key]);
    let offset_text = if *offset > 0 { format!(" OFFSET {offset}") } else { String::new() };
    Text::new(
        format!("SELECT TOP {limit} {}{offset_text}", text.adql),
        format!("SELECT {}, source_id, id LIMIT {limit}{offset_text}", text.sql),
    )
}

fn grouped(table: &Table, random: &mut ChaCha8Rng) -> Text {
    let few = Text::new("MOD(source_id, 7)", "source_id % 7");
    let key = match random.random_range(0..3) {
        0 => few,
        1 => Text::same("file_name"),
        _ => Text::same("source_id"),
    };
    let number = value(table, random);
    let having = match random.random_bool(0.5) {
        true => format!(" HAVING COUNT(*) > {}", random.random_range(0..20)),
        false => String::new(),
    };
    let condition = condition(table, "", 2, random);
    let select = format!(
        "SELECT {{}} AS k, COUNT(*) AS n, COUNT(DISTINCT {{}}) AS d, MIN({{}}) AS a, MAX({{}}) AS b FROM {} WHERE {{}} \
         GROUP BY {{}}{having}",
        table.name
    );
    Text::around(&select, &[&key, &number, &number, &number, &condition, &key])
}

fn totals(table: &Table, random: &mut ChaCha8Rng) -> Text {
    let (number, condition) = (value(table, random), condition(table, "", 2, random));
    let average = if table.floats.is_empty() { "" } else { ", AVG(alpha) AS v, SUM(alpha) AS s" };
    let select = format!(
        "SELECT COUNT(*) AS n, COUNT({{}}) AS c, MIN({{}}) AS a, MAX({{}}) AS b{average} FROM {} WHERE {{}}",
        table.name
    );
    Text::around(&select, &[&number, &number, &number, &condition])
}

fn joined(random: &mut ChaCha8Rng) -> Text {
    let (sources, transits) = (&TABLES[0], TABLES[1..].choose(random).unwrap());
    let kind = ["JOIN", "LEFT OUTER JOIN", "RIGHT OUTER JOIN", "FULL OUTER JOIN"].choose(random).unwrap();
    let (first, second) = (condition(sources, "s.", 2, random), condition(transits, "t.", 1, random));
    let on = if random.random_bool(0.3) && *kind != "FULL OUTER JOIN" {
        " AND t.transit_id > 50000000000000000"
    } else {
        ""
    };
    let select = format!(
        "SELECT s.id, t.transit_id, s.alpha FROM {} AS s {kind} {} AS t ON s.source_id = t.source_id{on} WHERE {{}} AND {{}}",
        sources.name, transits.name,
    );
    Text::around(&select, &[&first, &second])
}

fn three_joined(random: &mut ChaCha8Rng) -> Text {
    let (first, second) = (condition(&TABLES[0], "s.", 2, random), condition(&TABLES[2], "x.", 1, random));
    Text::around(
        "SELECT s.source_id, COUNT(*) AS n, MAX(x.flags) AS f FROM gaia.completesource AS s \
         JOIN gaia.astroelementary AS t ON t.source_id = s.source_id \
         JOIN gaia.crossmatch AS x ON x.source_id = t.source_id AND x.transit_id = t.transit_id \
         WHERE {} AND {} GROUP BY s.source_id",
        &[&first, &second],
    )
}

/// Rows that are among others, or are not.
fn among(random: &mut ChaCha8Rng) -> Text {
    let other = TABLES[1..].choose(random).unwrap();
    let not = ["", "NOT "].choose(random).unwrap();
    let (outer, inner) = (condition(&TABLES[0], "", 1, random), condition(other, "t.", 1, random));
    let test = match random.random_bool(0.5) {
        true => format!("source_id {not}IN (SELECT t.source_id FROM {} AS t WHERE {{}})", other.name),
        false => {
            let same = "t.source_id = gaia.completesource.source_id";
            format!("{not}EXISTS (SELECT 1 FROM {} AS t WHERE {same} AND {{}})", other.name)
        }
    };
    Text::around(&format!("SELECT id, alpha FROM gaia.completesource WHERE {{}} AND {test}"), &[&outer, &inner])
}

fn set_operation(random: &mut ChaCha8Rng) -> Text {
    let word = ["UNION", "UNION ALL", "EXCEPT", "EXCEPT ALL", "INTERSECT", "INTERSECT ALL"].choose(random).unwrap();
    let (first, second) = (TABLES.choose(random).unwrap(), TABLES.choose(random).unwrap());
    let (one, other) = (condition(first, "", 1, random), condition(second, "", 1, random));
    let select = format!(
        "SELECT source_id FROM {} WHERE {{}} {word} SELECT source_id FROM {} WHERE {{}}",
        first.name, second.name
    );
    Text::around(&select, &[&one, &other])
}

fn groups_of_groups(random: &mut ChaCha8Rng) -> Text {
    let table = TABLES[1..].choose(random).unwrap();
    let select = format!(
        "SELECT q.n, COUNT(*) AS m FROM (SELECT source_id, COUNT(*) AS n FROM {} WHERE {{}} GROUP BY source_id) AS q GROUP BY q.n",
        table.name
    );
    Text::around(&select, &[&condition(table, "", 2, random)])
}

/// The first rows of a table, and then some of these.
fn top_within(table: &Table, random: &mut ChaCha8Rng) -> Text {
    let limit = random.random_range(1..200);
    let (inner, outer) = (condition(table, "", 1, random), column(table, random));
    let select = |top: &str, end: &str| {
        format!(
            "SELECT COUNT(*) AS n, MAX(q.c) AS m FROM (SELECT {top}id, {outer} AS c FROM {} WHERE {{}} ORDER BY id{end}) AS q WHERE q.c IS NOT NULL",
            table.name
        )
    };
    let adql = Text::around(&select(&format!("TOP {limit} "), ""), &[&inner]).adql;
    Text::new(adql, Text::around(&select("", &format!(" LIMIT {limit}")), &[&inner]).sql)
}

/// A join that leads from node to node.
fn matched_by_transit(random: &mut ChaCha8Rng) -> Text {
    let (first, second) = (condition(&TABLES[1], "t.", 1, random), condition(&TABLES[2], "x.", 1, random));
    Text::around(
        "SELECT t.id, x.flags FROM gaia.astroelementary AS t JOIN gaia.crossmatch AS x ON t.transit_id = x.transit_id WHERE {} AND {}",
        &[&first, &second],
    )
}

/// Sources that are near others, within a margin or not, or near none.
fn near(random: &mut ChaCha8Rng) -> Text {
    let radius = [0.002, 0.02, 0.4, 3.0, 20.0].choose(random).unwrap();
    let angles = "DEGREES(a.alpha), DEGREES(a.delta), DEGREES(b.alpha), DEGREES(b.delta)";
    let near = Text::new(format!("DISTANCE({angles}) < {radius}"), format!("plain.dist({angles}) < {radius}"));
    let (first, second) = (condition(&TABLES[0], "a.", 2, random), condition(&TABLES[0], "b.", 1, random));
    let sources = "gaia.completesource";
    let select = match random.random_range(0..5) {
        0 => format!("SELECT a.id, b.id AS other FROM {sources} AS a JOIN {sources} AS b ON {{}} WHERE {{}} AND {{}}"),
        1 => format!(
            "SELECT a.id, b.id AS other FROM {sources} AS b LEFT JOIN {sources} AS a ON {{}} AND {{}} WHERE {{}}"
        ),
        2 => format!(
            "SELECT COUNT(*) AS n, MAX(b.alpha) AS m FROM {sources} AS a JOIN {sources} AS b ON {{}} AND a.id <> b.id WHERE {{}} AND {{}}"
        ),
        3 => format!(
            "SELECT a.id FROM {sources} AS a WHERE NOT EXISTS (SELECT 1 AS one FROM {sources} AS b WHERE {{}} AND a.id <> b.id AND {{}}) AND {{}}"
        ),
        _ => format!(
            "SELECT b.source_id, COUNT(*) AS n FROM {sources} AS a JOIN {sources} AS b ON {{}} WHERE {{}} AND {{}} GROUP BY b.source_id"
        ),
    };
    let swapped = select.contains("EXISTS");
    let (first, second) = if swapped { (second, first) } else { (first, second) };
    Text::around(&select, &[&near, &first, &second])
}

fn distinct(table: &Table, random: &mut ChaCha8Rng) -> Text {
    let few = Text::new("MOD(source_id, 11)", "source_id % 11");
    let condition = condition(table, "", 2, random);
    Text::around(&format!("SELECT DISTINCT {{}} AS k, file_name FROM {} WHERE {{}}", table.name), &[&few, &condition])
}

/// A column, or something computed.
fn value(table: &Table, random: &mut ChaCha8Rng) -> Text {
    let name = column(table, random);
    if table.floats.contains(&name) {
        let number = format!("{:.2}", random.random_range(0.1..9.0));
        return match random.random_range(0..8) {
            0 => Text::same(format!("({name} * {number} - {number})")),
            1 => Text::new(format!("({number} / {name})"), format!("({number} / nullif({name}, 0))")),
            2 => Text::same(format!("ABS({name})")),
            3 => Text::new(format!("SQRT({name})"), format!("(CASE WHEN {name} >= 0 THEN sqrt({name}) END)")),
            4 => Text::same(format!("FLOOR({name})")),
            5 => Text::same(format!("DEGREES({name})")),
            6 => Text::same(format!("COALESCE({name}, {number})")),
            _ => Text::same(name),
        };
    }
    match random.random_range(0..5) {
        0 => Text::new(format!("MOD({name}, 13)"), format!("({name} % 13)")),
        1 => Text::same(format!("({name} / 34359738368)")),
        2 => Text::same(format!("({name} - 17)")),
        _ => Text::same(name),
    }
}

fn column(table: &Table, random: &mut ChaCha8Rng) -> &'static str {
    match table.floats.is_empty() || random.random_bool(0.4) {
        true => table.integers.choose(random).unwrap(),
        false => table.floats.choose(random).unwrap(),
    }
}

fn condition(table: &Table, prefix: &str, depth: u32, random: &mut ChaCha8Rng) -> Text {
    if depth > 0 && random.random_bool(0.55) {
        let one = condition(table, prefix, depth - 1, random);
        let other = condition(table, prefix, depth - 1, random);
        return match random.random_range(0..3) {
            0 => Text::around("({} AND {})", &[&one, &other]),
            1 => Text::around("({} OR {})", &[&one, &other]),
            _ => Text::around("NOT ({})", &[&one]),
        };
    }
    if !table.floats.is_empty() && random.random_bool(0.15) {
        return region(prefix, random);
    }
    let name = column(table, random);
    let float = table.floats.contains(&name);
    let mut literal = || match (name, float) {
        ("source_id", _) => format!("{}", random.random_range(-200_000_i64..6_917_529_027_641_081_856)),
        ("transit_id", _) => format!("{}", random.random_range(0_i64..140_000_000_000_000_000)),
        ("alpha", _) => format!("{:.6}", random.random_range(0.0..std::f64::consts::TAU)),
        ("delta", _) => format!("{:.6}", random.random_range(-1.6..1.6)),
        (_, true) => format!("{:.4}", random.random_range(-60.0..60.0)),
        (_, false) => format!("{}", random.random_range(0..50_000_000_000_i64)),
    };
    let (low, high) = (literal(), literal());
    let name = format!("{prefix}{name}");
    Text::same(match random.random_range(0..8) {
        0 => format!("{name} BETWEEN {low} AND {high}"),
        1 => format!("{name} NOT BETWEEN {low} AND {high}"),
        2 => format!("{name} IS NULL"),
        3 => format!("{name} IS NOT NULL"),
        4 => format!("{prefix}key_name LIKE '%{}%'", random.random_range(0..100)),
        5 => format!(
            "{prefix}file_name {} '{}'",
            ["<", ">=", "<>"].choose(random).unwrap(),
            "AstroElementary_134760_0006"
        ),
        6 => format!("{name} IN ({low}, {high})"),
        _ => format!("{name} {} {low}", ["<", "<=", ">", ">=", "<>", "="].choose(random).unwrap()),
    })
}

/// Rows that lie in a region, with poles and the wrap of longitudes, or outside of it.
fn region(prefix: &str, random: &mut ChaCha8Rng) -> Text {
    let lon = [0.0, 359.9, random.random_range(0.0..360.0)].choose(random).copied().unwrap();
    let lat = [89.5, -90.0, random.random_range(-90.0..90.0)].choose(random).copied().unwrap();
    let position = format!("DEGREES({prefix}alpha), DEGREES({prefix}delta)");
    let centre = format!("{lon:.3}, {lat:.3}");
    let (shape, inside) = match random.random_range(0..4) {
        0 => {
            let radius = [0.5, 10.0, 80.0, 130.0].choose(random).unwrap();
            let distance = format!("DISTANCE(POINT({position}), POINT({centre})) < {radius}");
            return Text::new(distance, format!("plain.dist({position}, {centre}) < {radius}"));
        }
        1 => {
            let radius = [0.5, 10.0, 80.0, 130.0].choose(random).unwrap();
            (format!("CIRCLE({centre}, {radius})"), format!("plain.dist({position}, {centre}) <= {radius}"))
        }
        2 => {
            let [width, height] = [(); 2].map(|()| *[0.3, 8.0, 60.0, 170.0].choose(random).unwrap());
            let sides = format!("{centre}, {width}, {height}");
            (format!("BOX({sides})"), format!("plain.in_box({position}, {sides})"))
        }
        _ => {
            // Corners less than a quarter of the circle from the centre make a triangle that is less than half of the sky.
            let corner = |turn: f64, random: &mut ChaCha8Rng| {
                let away: f64 = *[1.0, 20.0, 80.0].choose(random).unwrap();
                // At a pole itself, there are no directions.
                let (sin_lat, cos_lat) = f64::clamp(lat, -89.9, 89.9).to_radians().sin_cos();
                let (turn, away) = ((turn + random.random_range(-50.0..50.0)).to_radians(), away.to_radians());
                let north = (sin_lat * away.cos() + cos_lat * away.sin() * turn.cos()).clamp(-1.0, 1.0);
                let east = (turn.sin() * away.sin() * cos_lat).atan2(away.cos() - sin_lat * north).to_degrees();
                format!("{:.4}, {:.4}", lon + east, north.asin().to_degrees())
            };
            let corners = [0.0, 120.0, 240.0].map(|turn| corner(turn, random)).join(", ");
            (format!("POLYGON({corners})"), format!("plain.in_triangle({position}, {corners})"))
        }
    };
    let (value, not) = *[(1, ""), (1, ""), (0, "NOT ")].choose(random).unwrap();
    Text::new(format!("{value} = CONTAINS(POINT({position}), {shape})"), format!("{not}{inside}"))
}
