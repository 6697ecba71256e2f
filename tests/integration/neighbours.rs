//! Objects that are near each other, and regions: the edges of chunks go through dense clusters, at the poles, on the wrap of the longitudes
//! and at the corners of pixels, and ids say other places than positions. q3c and pgsphere are asked for a second opinion.

use std::fmt::Write;
use std::process::Command;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spolia_sky::{PIXEL_ORDER, Position, healpix_index};

use crate::oracle::{Oracle, same};
use crate::served::Doors;
use crate::site::{TestSite, cells, hdf5_files, own_folder, python, run};

/// Where clusters are, in degrees.
const CENTRES: [(f64, f64); 10] = [
    (0.0, 89.997),
    (45.0, -89.999),
    (0.0, 0.0),
    (359.9995, 45.0),
    (45.0, 41.810_314_895_778_6),
    (120.0, -30.0),
    (270.0, 66.56),
    (266.4, -29.0),
    (92.72, 23.03),
    (180.0, 0.001),
];

/// The fields of a source.
const HEADER: &str = "sourceId,alpha,delta,varpi\n";

/// Sources as CSV: clusters, some sources far from all, pairs in the same place, and ids that say another place.
fn sources(random: &mut ChaCha8Rng) -> String {
    let mut csv = HEADER.to_owned();
    let mut number = 0;
    let mut add = |lon: f64, lat: f64, random: &mut ChaCha8Rng| {
        number += 1;
        let position = Position::from_degrees(lon, lat).unwrap();
        let said = match random.random_range(0..100) {
            0 | 1 => None,
            2 => Some(somewhere(random)),
            3..15 => Some(around((lon, lat), 60.0, random)),
            _ => Some((lon, lat)),
        };
        let pixel = said.map(|(lon, lat)| healpix_index(PIXEL_ORDER, &Position::from_degrees(lon, lat).unwrap()));
        let id = pixel.map_or(-number, |pixel| (pixel as i64) << 35 | number);
        let (alpha, delta) = (position.lon_rad().rem_euclid(std::f64::consts::TAU), position.lat_rad());
        let varpi = random.random_range(0..10);
        let _ = writeln!(csv, "{id},{alpha:e},{delta:e},{varpi}.5");
    };
    for centre in CENTRES {
        for star in 0..220 {
            let (lon, lat) = around(centre, 45.0, random);
            add(lon, lat, random);
            if star % 40 == 0 {
                add(lon, lat, random);
            }
        }
    }
    for (lon, lat) in [(0.0, 90.0), (77.0, 90.0), (200.0, -90.0), (0.0, 0.0), (359.999_999_9, 0.0)] {
        add(lon, lat, random);
    }
    for _ in 0..200 {
        let (lon, lat) = somewhere(random);
        add(lon, lat, random);
    }
    csv
}

fn somewhere(random: &mut ChaCha8Rng) -> (f64, f64) {
    (random.random_range(0.0..360.0), random.random_range(-1.0f64..1.0).asin().to_degrees())
}

/// A position within so many arcsec of another, at the poles too.
fn around(position: (f64, f64), arcsec: f64, random: &mut ChaCha8Rng) -> (f64, f64) {
    let distance_deg = arcsec * random.random::<f64>().sqrt() / 3600.0;
    away(position, distance_deg, random.random_range(0.0..std::f64::consts::TAU))
}

/// The position at some distance from another, in the direction of an angle from north over east.
fn away((lon, lat): (f64, f64), distance_deg: f64, angle: f64) -> (f64, f64) {
    let distance = distance_deg.to_radians();
    let (lat, sin) = (lat.to_radians(), distance.sin());
    let new = (lat.sin() * distance.cos() + lat.cos() * sin * angle.cos()).clamp(-1.0, 1.0).asin();
    let turn = (angle.sin() * sin * lat.cos()).atan2(distance.cos() - lat.sin() * new.sin());
    ((lon + turn.to_degrees()).rem_euclid(360.0), new.to_degrees().clamp(-90.0, 90.0))
}

/// Sites of one node, of three and of eight with the same sources.
fn sites() -> Option<[TestSite; 3]> {
    let python = python()?;
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("sources.csv");
    std::fs::write(&csv, sources(&mut ChaCha8Rng::seed_from_u64(20261127))).unwrap();
    let write = own_folder().join("python/table_file.py");
    run(Command::new(python).arg(write).arg(&csv).arg(folder.path().join("CompleteSource_1.h5"))).ok();
    assert_eq!(hdf5_files(folder.path()).len(), 1);
    Some([1, 3, 8].map(|nodes| TestSite::with_files(nodes, folder.path())))
}

/// Positions in degrees beside the plain table, with the indexes of q3c and pgsphere.
fn second_opinions(site: &TestSite) {
    let sql = "CREATE EXTENSION IF NOT EXISTS q3c; CREATE EXTENSION IF NOT EXISTS pg_sphere;
        CREATE TABLE plain.s AS SELECT source_id, varpi, degrees(alpha) AS ra, degrees(delta) AS dec, spoint(alpha, delta) AS p,
            alpha, delta FROM plain.completesource;
        CREATE INDEX ON plain.s (q3c_ang2ipix(ra, dec)); CREATE INDEX ON plain.s USING gist (p); ANALYZE plain.s";
    site.psql("n1", "postgres", sql).ok();
}

/// A join of `a` and `b` in ADQL, and the same for the oracle, for a radius in arcsec.
fn pairs(shape: &str, radius_arcsec: f64) -> (String, [String; 2]) {
    let adql = format!(
        "DISTANCE(DEGREES(a.alpha), DEGREES(a.delta), DEGREES(b.alpha), DEGREES(b.delta)) < {radius_arcsec} / 3600."
    );
    let q3c = format!("q3c_join(a.ra, a.dec, b.ra, b.dec, {radius_arcsec} / 3600.)");
    // The circles of pgsphere are wider by its own tolerance.
    let sphere = format!(
        "(b.p <@ scircle(a.p, radians({radius_arcsec} / 3600.)) AND b.p <-> a.p < radians({radius_arcsec} / 3600.))"
    );
    // The third table is close to the second one.
    let close = |near: &str| near.replace("b.", "c.").replace("a.", "b.");
    let of =
        |near: &str, table: &str| shape.replace("NEAR", near).replace("CLOSE", &close(near)).replace("TABLE", table);
    (of(&adql, "gaia.completesource"), [of(&q3c, "plain.s"), of(&sphere, "plain.s")])
}

const SHAPES: &[&str] = &[
    "SELECT a.source_id, b.source_id AS other FROM TABLE AS a JOIN TABLE AS b ON NEAR WHERE a.source_id < b.source_id",
    "SELECT a.source_id, b.source_id AS other, b.varpi FROM TABLE AS a LEFT JOIN TABLE AS b ON NEAR AND a.source_id <> b.source_id AND b.varpi > 5",
    "SELECT a.source_id, b.source_id AS other FROM TABLE AS a RIGHT JOIN TABLE AS b ON NEAR AND a.varpi < 5",
    "SELECT a.source_id FROM TABLE AS a WHERE EXISTS (SELECT 1 AS one FROM TABLE AS b WHERE NEAR AND a.source_id <> b.source_id)",
    "SELECT a.source_id FROM TABLE AS a WHERE a.varpi > 2 AND NOT EXISTS (SELECT 1 AS one FROM TABLE AS b WHERE NEAR AND a.source_id <> b.source_id)",
    "SELECT a.source_id, COUNT(*) AS n, MAX(b.varpi) AS m FROM TABLE AS a JOIN TABLE AS b ON NEAR GROUP BY a.source_id",
    "SELECT COUNT(*) AS n, AVG(a.varpi + b.varpi) AS m, COUNT(DISTINCT a.source_id) AS d FROM TABLE AS a JOIN TABLE AS b ON NEAR",
    "SELECT a.source_id, c.varpi FROM TABLE AS a JOIN TABLE AS b ON NEAR JOIN TABLE AS c ON c.source_id = b.source_id WHERE a.delta > 1.5",
    "SELECT a.source_id, b.source_id AS other FROM TABLE AS a JOIN TABLE AS b ON NEAR WHERE a.source_id < 0",
    "SELECT a.source_id, c.source_id AS other FROM TABLE AS a JOIN TABLE AS b ON NEAR JOIN TABLE AS c ON CLOSE WHERE c.source_id < 0 AND b.varpi < 5",
    "SELECT a.source_id, b.source_id AS other FROM TABLE AS a JOIN TABLE AS b ON NEAR WHERE a.alpha > 6.2 AND b.varpi < 3",
];

#[test]
fn neighbours_are_found_across_the_edges_of_chunks() {
    let Some(sites) = sites() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let oracle = Oracle::beside(&sites[0]);
    second_opinions(&sites[0]);
    let doors = sites.each_ref().map(|site| Doors::of(site, &[]));
    // Within the margin of 10 arcsec, on its edge, beyond it, and far beyond.
    for radius_arcsec in [0.5, 4.0, 10.0, 25.0] {
        for shape in SHAPES {
            let (adql, opinions) = pairs(shape, radius_arcsec);
            let [expected, other] = opinions.map(|sql| oracle.rows(&sql));
            let agreed = same(&adql, expected.clone(), other, 1e-9);
            assert!(agreed.is_ok(), "q3c and pgsphere differ: {adql}: {agreed:?}");
            for (site, doors) in sites.iter().zip(&doors) {
                let difference = same(&adql, cells(&doors.csv(&adql).unwrap()), expected.clone(), 1e-9);
                assert!(difference.is_ok(), "{}: {adql}: {difference:?}", site.path().display());
            }
        }
    }
    made_where_they_must_be(&sites[2]);
    regions_are_as_others_see_them(&doors, &oracle);
    polygons_are_as_others_see_them(&doors, &oracle);
    copies_come_and_go_with_their_rows(&sites[1]);
}

/// Pairs within the margin are counted by nodes, wider ones above them.
fn made_where_they_must_be(site: &TestSite) {
    for (radius_arcsec, by_nodes) in [(9.0, true), (11.0, false)] {
        let (adql, _) = pairs("SELECT COUNT(*) AS n FROM TABLE AS a JOIN TABLE AS b ON NEAR", radius_arcsec);
        let explained = site.spolia(&["explain", &adql]).ok();
        let counted = explained.contains("spolia_chunk") && explained.contains("SELECT count(");
        assert_eq!(counted, by_nodes, "{explained}");
        assert_eq!(explained.contains("left cell"), !by_nodes, "{explained}");
    }
}

fn regions_are_as_others_see_them(doors: &[Doors], oracle: &Oracle) {
    let radii = [0.0, 0.001, 0.01, 1.0, 30.0, 89.9985, 90.0003, 119.9, 179.9, 180.0];
    for (lon, lat) in CENTRES.into_iter().chain([(359.999_999, -12.0), (13.0, 89.9993)]) {
        for radius in radii {
            let centre = format!("{lon}, {lat}");
            let adql = format!(
                "SELECT source_id FROM gaia.completesource
                 WHERE 1 = CONTAINS(POINT(DEGREES(alpha), DEGREES(delta)), CIRCLE({centre}, {radius}))"
            );
            let distance = format!("q3c_dist(ra, dec, {centre}) <= {radius}");
            let angle = format!("p <-> spoint(radians({lon}), radians({lat})) <= radians({radius})");
            let [expected, other] =
                [distance, angle].map(|near| oracle.rows(&format!("SELECT source_id FROM plain.s WHERE {near}")));
            let agreed = same(&adql, expected.clone(), other, 0.0);
            assert!(agreed.is_ok(), "q3c and pgsphere differ: {adql}: {agreed:?}");
            for doors in doors {
                let difference = same(&adql, cells(&doors.csv(&adql).unwrap()), expected.clone(), 0.0);
                assert!(difference.is_ok(), "{adql}: {difference:?}");
            }
        }
    }
}

/// Stars of 4 to 12 vertices, with bays or without, of every size, around every sort of centre.
fn polygons_are_as_others_see_them(doors: &[Doors], oracle: &Oracle) {
    let random = &mut ChaCha8Rng::seed_from_u64(20261128);
    for centre in CENTRES.into_iter().chain([(359.999_999, -12.0), (13.0, 89.9993)]) {
        for size_deg in [0.001, 0.01, 1.0, 30.0, 60.0] {
            let count = random.random_range(4..=12);
            let deepest = *[0.2, 0.95].choose(random).unwrap();
            let vertex = |number: i32| {
                let turn = f64::from(number) * std::f64::consts::TAU / f64::from(count);
                away(centre, size_deg * random.random_range(deepest..1.0), turn)
            };
            let vertices: Vec<_> = (0..count).map(vertex).collect();
            let written = |of: fn(&(f64, f64)) -> String| vertices.iter().map(of).collect::<Vec<_>>().join(", ");
            let corners = written(|(lon, lat)| format!("{lon}, {lat}"));
            let adql = format!(
                "SELECT source_id FROM gaia.completesource WHERE 1 = CONTAINS(POINT(DEGREES(alpha), DEGREES(delta)), POLYGON({corners}))"
            );
            let sphere = format!("p <@ spoly '{{{}}}'", written(|(lon, lat)| format!("({lon}d, {lat}d)")));
            let q3c = format!("q3c_poly_query(ra, dec, ARRAY[{corners}])");
            let rows = |inside: &str| oracle.rows(&format!("SELECT source_id FROM plain.s WHERE {inside}"));
            let expected = rows(&sphere);
            // q3c has none that are wider than some 23 degrees.
            if size_deg < 10.0 {
                let agreed = same(&adql, expected.clone(), rows(&q3c), 0.0);
                assert!(agreed.is_ok(), "q3c and pgsphere differ: {adql}: {agreed:?}");
            }
            for doors in doors {
                let difference = same(&adql, cells(&doors.csv(&adql).unwrap()), expected.clone(), 0.0);
                assert!(difference.is_ok(), "{adql}: {difference:?}");
            }
        }
    }
}

/// A file that replaces another takes the copies of its rows along.
fn copies_come_and_go_with_their_rows(site: &TestSite) {
    let (adql, _) = pairs("SELECT COUNT(*) AS n FROM TABLE AS a JOIN TABLE AS b ON NEAR", 10.0);
    let folder = tempfile::tempdir().unwrap();
    let two = format!("{HEADER}3425114617586286848,1.0,0.5,1.5\n3425114617586286849,1.0,0.50001,1.5\n");
    let csv = folder.path().join("two.csv");
    std::fs::write(&csv, two).unwrap();
    let write = own_folder().join("python/table_file.py");
    run(Command::new(python().unwrap()).arg(write).arg(&csv).arg(folder.path().join("CompleteSource_1.h5"))).ok();
    site.ingest(&hdf5_files(folder.path()), &["--supersede"]).ok();
    // Each of the two with itself and with the other, which is 2 arcsec away.
    assert_eq!(site.rows(&adql), [["4"]]);
}
