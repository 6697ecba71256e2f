//! Queries on the command line: exact ids, plain errors, nodes that are down, and what is asked of whom.

use std::process::{Command, Stdio};

use crate::site::{TestSite, make_gaia, own_folder, program, python, run};

const EXAMPLE: &str = "3425114617586286848";

fn site(shards: u32) -> (tempfile::TempDir, TestSite) {
    let files = make_gaia(&["--layout", "mixed", "--sources", "400", "--transits", "3000"]);
    let site = TestSite::with_files(shards, files.path());
    (files, site)
}

#[test]
fn ids_are_exact_in_every_format() {
    let (_files, site) = site(2);
    let adql = format!("SELECT source_id FROM gaia.completesource WHERE source_id = {EXAMPLE}");
    for format in ["csv", "tsv", "json", "votable", "text"] {
        let answer = site.spolia(&["query", &adql, "-f", format]).ok();
        assert!(answer.contains(EXAMPLE), "{format}: {answer}");
    }
    let json: serde_json::Value = serde_json::from_str(&site.spolia(&["query", &adql, "-f", "json"]).ok()).unwrap();
    assert_eq!(json["data"][0][0], serde_json::json!(EXAMPLE), "an id is no JSON number");
    for (extension, begin) in [("parquet", &b"PAR1"[..]), ("fits", b"SIMPLE"), ("arrows", b"\xff\xff\xff\xff")] {
        let path = site.path().join(format!("ids.{extension}"));
        site.spolia(&["query", &adql, "-o", path.to_str().unwrap()]).ok();
        assert!(std::fs::read(&path).unwrap().starts_with(begin), "{extension}");
    }
}

#[test]
fn answers_say_what_their_columns_mean() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "300", "--transits", "1000"]);
    for shards in [1, 3] {
        let site = TestSite::with_files(shards, files.path());
        let fields = |adql: &str| {
            let answer = site.spolia(&["query", adql, "-f", "votable"]).ok();
            let fields = answer.split("<FIELD ").skip(1).map(|field| field.split('>').next().unwrap().to_owned());
            fields.collect::<Vec<_>>()
        };
        for (adql, expected) in [
            ("SELECT varpi AS p FROM gaia.completesource", &["unit=\"mas\" ucd=\"pos.parallax.trig\""][..]),
            (
                "SELECT q.* FROM (SELECT varpi, 2 * varpi AS w FROM gaia.completesource) AS q ORDER BY varpi",
                &["unit=\"mas\" ucd=\"pos.parallax.trig\"", "unit=\"mas\""],
            ),
            (
                "SELECT AVG(varpi) AS m, COUNT(*) AS n, IN_UNIT(MAX(varpi), 'arcsec') AS a FROM gaia.completesource",
                &[
                    "unit=\"mas\" ucd=\"stat.mean;pos.parallax.trig\"",
                    "ucd=\"meta.number\"",
                    "unit=\"arcsec\" ucd=\"stat.max;",
                ],
            ),
            (
                "SELECT source_id, STDDEV(varpi) AS s FROM gaia.completesource GROUP BY source_id ORDER BY source_id",
                &["ucd=\"meta.id", "unit=\"mas\" ucd=\"stat.stdev;pos.parallax.trig\""],
            ),
            (
                "SELECT TOP 2 mu_delta / varpi AS r, POINT(IN_UNIT(alpha, 'deg'), IN_UNIT(delta, 'deg')) AS p,
                 DISTANCE(POINT(DEGREES(alpha), DEGREES(delta)), POINT(1, 2)) AS d FROM gaia.completesource ORDER BY d",
                &[
                    "unit=\"yr**-1\"",
                    "unit=\"deg\" ucd=\"pos.eq\" xtype=\"point\"",
                    "unit=\"deg\" ucd=\"pos.angDistance\"",
                ],
            ),
            (
                "SELECT s.varpi, t.transit_time FROM gaia.completesource AS s JOIN gaia.astroelementary AS t USING (source_id)",
                &["unit=\"mas\"", "xtype=\"timestamp\""],
            ),
            (
                "SELECT varpi FROM gaia.completesource UNION SELECT varpi_error FROM gaia.completesource",
                &["unit=\"mas\""],
            ),
            ("SELECT CAST(varpi AS VARCHAR) AS t FROM gaia.completesource", &["ucd=\"pos.parallax.trig\""]),
        ] {
            let found = fields(adql);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (field, expected) in found.iter().zip(expected) {
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                let has_all = words(expected).iter().all(|word| field.contains(word.as_str()));
                assert!(has_all && (field.contains("unit=") == expected.contains("unit=")), "{adql}: {field}");
            }
        }
        let described = site.spolia(&["query", "SELECT 2 * varpi AS w FROM gaia.completesource", "-f", "votable"]).ok();
        assert!(described.contains("<DESCRIPTION>2 * varpi</DESCRIPTION>"), "{described}");
        let refused = site.spolia(&["query", "SELECT IN_UNIT(varpi, 'kg') AS w FROM gaia.completesource"]).refused();
        assert!(
            refused.contains("line 1, column 23") && refused.contains("\"mas\" cannot be given in \"kg\""),
            "{refused}"
        );
    }
}

#[test]
fn astropy_agrees_about_units_frames_and_motions() {
    let Some(python) = python() else {
        println!("skipped: no Python (SPOLIA_PYTHON)");
        return;
    };
    let (_files, site) = site(2);
    let answer = site.path().join("judged.vot");
    let adql = "SELECT source_id, varpi, mu_alpha_star, mu_delta, radial_velocity,
        IN_UNIT(alpha, 'deg') AS ra, IN_UNIT(delta, 'deg') AS dec, AREA(CIRCLE(1, 2, 3)) AS size_deg2,
        IN_UNIT(varpi, 'arcsec') AS parallax_arcsec, IN_UNIT(varpi, 'rad') AS parallax_rad,
        SQRT(POWER(mu_alpha_star, 2) + POWER(mu_delta, 2)) AS speed,
        IN_UNIT(SQRT(POWER(mu_alpha_star, 2) + POWER(mu_delta, 2)), 'deg/d') AS speed_deg_d,
        SQRT(POWER(mu_alpha_star, 2) + POWER(mu_delta, 2)) / varpi AS tangential,
        IN_UNIT(radial_velocity, 'AU/yr') AS velocity, ABS(varpi) + 1 AS near,
        IVO_GEOM_TRANSFORM('ICRS', 'GALACTIC', POINT(DEGREES(alpha), DEGREES(delta))) AS galactic,
        IVO_GEOM_TRANSFORM('ICRS', 'FK4', POINT(DEGREES(alpha), DEGREES(delta))) AS fk4,
        IVO_GEOM_TRANSFORM('ICRS', 'ECLIPTIC', POINT(DEGREES(alpha), DEGREES(delta))) AS ecliptic,
        IVO_EPOCH_PROP_POS(DEGREES(alpha), DEGREES(delta), ABS(varpi) + 1, mu_alpha_star, mu_delta, radial_velocity, 2016, 2116) AS moved,
        IVO_EPOCH_PROP(DEGREES(alpha), DEGREES(delta), ABS(varpi) + 1, mu_alpha_star, mu_delta, radial_velocity, 2016, 2116) AS all_then
        FROM gaia.completesource WHERE varpi <> 0";
    site.spolia(&["query", adql, "-o", answer.to_str().unwrap()]).ok();
    let judge = own_folder().join("python/sky_judge.py");
    let judged = run(Command::new(python).arg(judge).arg(&answer)).ok();
    assert!(judged.ends_with("rows agree\n"), "{judged}");
}

#[test]
fn a_text_is_adql_or_not_without_a_site() {
    let folder = tempfile::tempdir().unwrap();
    let parsed = |text: &str| {
        let path = folder.path().join("query.adql");
        std::fs::write(&path, text).unwrap();
        let mut spolia = Command::new(program("spolia"));
        let spolia = spolia.args(["explain", "--parse-only", "-"]).current_dir(folder.path());
        let ended = spolia.stdin(std::fs::File::open(&path).unwrap()).output().unwrap();
        assert!(ended.stdout.is_empty());
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    let none_of_it_exists =
        "SELECT TOP 3 f(a) AS x, AREA(q.shape) FROM not_there.nothing AS q WHERE 1 = INTERSECTS(b, CIRCLE(1, 2, 3))";
    assert_eq!(parsed(none_of_it_exists), (Some(0), String::new()));
    let (code, said) = parsed("SELECT a\nFROM t LIMIT 5");
    assert!(code == Some(1) && said.starts_with("spolia: line 2, column 8"), "{said}");
    assert_eq!(parsed("").0, Some(1));
}

#[test]
fn faults_in_a_query_are_named_with_their_place() {
    let (_files, site) = site(1);
    for (adql, words) in [
        ("SELECT paralax FROM gaia.completesource", &["line 1, column 8", "\"paralax\""][..]),
        ("SELECT sourceid FROM gaia.completesource", &["did you mean \"source_id\"?"]),
        ("SELECT source_id FROM gaia.completsource", &["line 1, column 23", "gaia.completesource"]),
        ("SELECT source_id\nFROM gaia.completesource\nWHRE alpha < 1", &["line 3"]),
        ("SELECT", &["line 1"]),
        ("DROP TABLE gaia.completesource", &["line 1, column 1"]),
        ("SELECT 1 FROM gaia.completesource; DELETE FROM gaia.completesource", &["line 1"]),
        ("SELECT source_id FROM gaia.completesource LIMIT 5", &["TOP"]),
        ("SELECT source_id FROM pg_catalog.pg_authid", &["pg_authid"]),
        ("SELECT source_id FROM gaia.completesource WHERE 1 = CONTAINS(POINT(1, 2), CIRCLE(1, 2, -3))", &["line 1"]),
    ] {
        let run = site.spolia(&["query", adql]);
        assert_eq!(run.code, Some(1));
        let complaint = run.refused();
        for word in words {
            assert!(complaint.contains(word), "{adql}: {complaint}");
        }
    }
    for adql in [
        "SELECT s.id FROM gaia.completesource AS s WHERE EXISTS (SELECT c.id FROM gaia.crossmatch AS c WHERE c.source_id = s.source_id OFFSET 9)",
        "SELECT s.id FROM gaia.completesource AS s WHERE 7 IN (SELECT TOP 1 c.flags FROM gaia.crossmatch AS c WHERE c.source_id = s.source_id)",
        "SELECT s.id FROM gaia.completesource AS s WHERE s.source_id IN (SELECT c.source_id FROM gaia.crossmatch AS c WHERE c.flags > s.varpi GROUP BY c.source_id HAVING COUNT(*) > 1)",
        "SELECT t.id FROM gaia.astroelementary AS t LEFT JOIN gaia.completesource AS s ON s.source_id = t.source_id AND t.source_id IN (SELECT source_id FROM gaia.crossmatch)",
    ] {
        let complaint = site.spolia(&["query", adql]).refused();
        assert!(complaint.contains("offer"), "{adql}: {complaint}");
    }
    let sum = site.spolia(&["query", "SELECT SUM(source_id) AS s FROM gaia.completesource"]).refused();
    assert!(
        sum.contains("out of the range of BIGINT") && sum.lines().count() == 1,
        "a sum that overflows is an error: {sum}"
    );
    assert_eq!(site.spolia(&["query"]).code, Some(2), "wrong usage");
    assert_eq!(site.rows("SELECT COUNT(*) AS n FROM gaia.completesource"), [["400"]]);
}

#[test]
fn a_node_that_is_down_is_named_and_the_others_go_on() {
    let (_files, site) = site(4);
    let explained = site
        .spolia(&["explain", &format!("SELECT * FROM gaia.completesource WHERE source_id = {EXAMPLE}"), "--json"])
        .ok();
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    let nodes = explained["tables"][0]["nodes"].as_array().unwrap();
    let asked: Vec<&str> =
        nodes.iter().filter(|node| !node["sql"].is_null()).map(|node| node["node"].as_str().unwrap()).collect();
    assert_eq!((nodes.len(), asked.len()), (4, 1), "an id lookup asks one node");
    // The control database is on n1, so another one is killed.
    let victim = ["n2", "n3", "n4"].into_iter().find(|node| asked[0] != *node).unwrap();
    site.kill_node(victim);
    let complaint = site.spolia(&["query", "SELECT COUNT(*) AS n FROM gaia.completesource"]).refused();
    assert!(complaint.contains(&format!("node {victim}")), "{complaint}");
    let one = site.rows(&format!("SELECT source_id FROM gaia.completesource WHERE source_id = {EXAMPLE}"));
    assert_eq!(one, [[EXAMPLE]]);
    let status = site.spolia(&["status"]).ok();
    assert!(status.contains(&format!("{victim}: down")), "{status}");
    site.spolia(&["up"]).ok();
    assert_eq!(site.rows("SELECT COUNT(*) AS n FROM gaia.completesource"), [["400"]]);
}

#[test]
fn the_operation_log_has_a_line_for_each() {
    let (_files, site) = site(1);
    site.spolia(&["query", "SELECT TOP 3 source_id\nFROM gaia.completesource"]).ok();
    site.spolia(&["query", "SELECT nothing\nFROM gaia.completesource"]).refused();
    let log = std::fs::read_to_string(site.path().join("log/operations.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (lines[0]["status"].as_str(), lines[0]["rows"].as_u64(), lines[0]["epoch"].as_i64()),
        (Some("ok"), Some(3), Some(1))
    );
    assert_eq!((lines[1]["status"].as_str(), lines[1]["who"].as_str()), (Some("error"), Some("operator")));
}

#[test]
fn an_explanation_tells_what_each_node_is_asked_and_has_done() {
    let (_files, site) = site(4);
    let asked = |adql: &str| {
        let explained: serde_json::Value =
            serde_json::from_str(&site.spolia(&["explain", adql, "--json"]).ok()).unwrap();
        let nodes = explained["tables"][0]["nodes"].as_array().unwrap().clone();
        nodes.into_iter().filter(|node| !node["sql"].is_null()).collect::<Vec<_>>()
    };
    let cone = "SELECT source_id FROM gaia.completesource \
                WHERE DISTANCE(POINT(DEGREES(alpha), DEGREES(delta)), POINT(92.7, 23.03)) < 10 / 3600.0";
    assert!((1..=2).contains(&asked(cone).len()), "a cone of 10 arcsec asks one node or two");
    assert_eq!(asked("SELECT alpha FROM gaia.completesource WHERE source_id = 1").len(), 1);
    let early = "SELECT transit_id FROM gaia.astroelementary WHERE transit_time < '2000-01-01T00:00:00'";
    assert_eq!(asked(early).len(), 0, "no chunk has rows before the mission");
    let explained = site.spolia(&["explain", early]).ok();
    assert!(explained.contains("skipped: outside the bounds of transit_time"), "{explained}");
    let analyzed = site.spolia(&["explain", "--analyze", "SELECT COUNT(*) AS n FROM gaia.completesource"]).ok();
    assert!(analyzed.contains("sent 1 rows") && analyzed.contains("AggregateExec"), "{analyzed}");
    let answer =
        site.spolia(&["query", "EXPLAIN ANALYZE SELECT source_id FROM gaia.completesource", "-f", "json"]).ok();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let rows = answer["data"].as_array().unwrap();
    let sent: usize = rows.iter().filter_map(|row| row[7].as_str()?.parse::<usize>().ok()).sum();
    assert_eq!((rows.len(), sent), (5, 400), "four statements and what runs above them: {answer}");
    let fault = site.spolia(&["query", "EXPLAIN\nSELECT paralax FROM gaia.completesource"]).refused();
    assert!(fault.contains("line 2, column 8"), "{fault}");
}

#[test]
fn whoever_has_read_enough_ends_it_without_a_complaint() {
    let (_files, site) = site(1);
    let rows = "SELECT * FROM gaia.astroelementary";
    for command in [&["status"][..], &["query", rows, "-f", "csv"], &["explain", rows], &["completions", "bash"]] {
        let mut child = site.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.is_empty(), "{command:?}: {}, {said}", ended.status);
    }
}
