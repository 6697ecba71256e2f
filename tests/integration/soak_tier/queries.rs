//! Random queries in the part of ADQL that PostgreSQL reads as well.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::oracle::Question;

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

/// A query, and the same for the oracle.
pub fn draw(random: &mut ChaCha8Rng) -> Question {
    let table = TABLES.choose(random).unwrap();
    let (adql, limit) = match random.random_range(0..4) {
        0 => (grouped(table, random), None),
        1 => (joined(random), None),
        2 => top(table, random),
        _ => (filtered(table, random), None),
    };
    // TOP is the one word that PostgreSQL does not know.
    let sql = match limit {
        Some(limit) => format!("{} LIMIT {limit}", adql.replacen(&format!("TOP {limit} "), "", 1)),
        None => adql.clone(),
    };
    Question { name: "random".to_owned(), sql: sql.replace("gaia.", "plain."), adql, tolerance: 1e-10 }
}

fn filtered(table: &Table, random: &mut ChaCha8Rng) -> String {
    let column = column(table, random);
    format!("SELECT id, {column} AS c FROM {} WHERE {}", table.name, condition(table, "", 3, random))
}

fn top(table: &Table, random: &mut ChaCha8Rng) -> (String, Option<u32>) {
    let limit = random.random_range(1..60);
    let way = ["ASC", "DESC"].choose(random).unwrap();
    // The key ends the order, so that every tie is broken the same way everywhere.
    let adql = format!(
        "SELECT TOP {limit} id, {c} AS c FROM {} WHERE {} ORDER BY {c} {way}, id",
        table.name,
        condition(table, "", 2, random),
        c = column(table, random),
    );
    (adql, Some(limit))
}

fn grouped(table: &Table, random: &mut ChaCha8Rng) -> String {
    let key = ["file_name", "source_id"].choose(random).unwrap();
    let number = column(table, random);
    let having = if random.random_bool(0.5) {
        format!(" HAVING COUNT(*) > {}", random.random_range(0..20))
    } else {
        String::new()
    };
    format!(
        "SELECT {key}, COUNT(*) AS n, COUNT(DISTINCT {number}) AS d, MIN({number}) AS a, MAX({number}) AS b FROM {} WHERE {} GROUP BY {key}{having}",
        table.name,
        condition(table, "", 2, random),
    )
}

fn joined(random: &mut ChaCha8Rng) -> String {
    let (sources, transits) = (&TABLES[0], TABLES[1..].choose(random).unwrap());
    let kind = ["JOIN", "LEFT OUTER JOIN"].choose(random).unwrap();
    format!(
        "SELECT s.id, t.transit_id, s.alpha FROM {} AS s {kind} {} AS t ON s.source_id = t.source_id WHERE {} AND {}",
        sources.name,
        transits.name,
        condition(sources, "s.", 2, random),
        condition(transits, "t.", 1, random),
    )
}

fn column(table: &Table, random: &mut ChaCha8Rng) -> &'static str {
    match table.floats.is_empty() || random.random_bool(0.4) {
        true => table.integers.choose(random).unwrap(),
        false => table.floats.choose(random).unwrap(),
    }
}

fn condition(table: &Table, prefix: &str, depth: u32, random: &mut ChaCha8Rng) -> String {
    if depth > 0 && random.random_bool(0.55) {
        let one = condition(table, prefix, depth - 1, random);
        let other = condition(table, prefix, depth - 1, random);
        return match random.random_range(0..3) {
            0 => format!("({one} AND {other})"),
            1 => format!("({one} OR {other})"),
            _ => format!("NOT ({one})"),
        };
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
    match random.random_range(0..8) {
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
    }
}
