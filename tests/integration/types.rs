//! A column of every type that a data model may declare: from files through nodes to every format, and what may be asked of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::oracle::{Oracle, Question};
use crate::served::Doors;
use crate::site::{Run, TestSite, cells, hdf5_files, open_folder, own_folder, python, run};

const MODEL: &str = "models/things.toml";
/// The columns of things that `things.py` knows the values of.
const COLUMNS: &str = "b, i, s, d, r, t, f, made, seen, \"key\", price, huge, tiny, raw, bs, is3, ss, ds, rs2, fs, fs2";

fn things(python: &Path, act: &str, folder: &Path) -> Run {
    run(Command::new(python).arg(own_folder().join("python/things.py")).arg(act).arg(folder))
}

fn model() -> PathBuf {
    own_folder().join(MODEL)
}

fn ingest(site: &TestSite, model: &Path, files: &[PathBuf]) -> Run {
    run(site.command(&["ingest", model.to_str().unwrap()]).args(files))
}

/// A site that holds things and visits; nothing without the Python that makes files of them.
fn site(shards: u32) -> Option<(tempfile::TempDir, TestSite)> {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return None;
    };
    let files = open_folder();
    things(&python, "make", files.path()).ok();
    let site = TestSite::new(shards);
    ingest(&site, &model(), &hdf5_files(files.path())).ok();
    Some((files, site))
}

#[test]
fn every_type_is_the_same_in_every_format() {
    let Some((_files, site)) = site(3) else { return };
    let (doors, folder) = (Doors::of(&site, &[]), open_folder());
    let query = format!("QUERY=SELECT {COLUMNS} FROM kinds.thing ORDER BY source_id");
    for (format, name) in [
        ("votable", "things.vot"),
        ("votable/b2", "things_b2.vot"),
        ("csv", "things.csv"),
        ("tsv", "things.tsv"),
        ("json", "things.json"),
        ("text", "things.txt"),
        ("arrow", "things.arrows"),
        ("parquet", "things.parquet"),
        ("fits", "things.fits"),
    ] {
        let (path, format) = (folder.path().join(name), format!("RESPONSEFORMAT={format}"));
        let url = format!("{}/tap/sync", doors.base_url);
        let asked = ["-sS", "-f", &url, "-d", "LANG=ADQL", "-d", &format, "--data-urlencode", &query, "-o"];
        run(Command::new("curl").args(asked).arg(path)).ok();
    }
    let told = things(&python().unwrap(), "answers", folder.path()).ok();
    assert!(told.contains("every type is the same in every format"), "{told}");
    assert_eq!(
        site.rows("SELECT column_name, datatype, arraysize, xtype FROM tap_schema.columns WHERE table_name = 'kinds.visit' AND principal = 1 ORDER BY column_index"),
        cells("\nsource_id,long,,\nnight,char,*,timestamp\ncost,char,*,\nkey,char,*,uuid\naccess_url,char,*,\ndatalink_url,char,*,")
    );
}

/// Queries, and the SQL that says the same where it has other words for it.
const QUESTIONS: &[(&str, &str)] = &[
    ("SELECT source_id, seen FROM kinds.thing WHERE seen > '1969-12-31'", ""),
    ("SELECT source_id FROM kinds.thing WHERE seen BETWEEN '0001-01-01' AND '1969-12-31'", ""),
    ("SELECT source_id FROM kinds.thing WHERE seen IN ('2016-05-21', '9999-12-31')", ""),
    ("SELECT source_id FROM kinds.thing WHERE seen < made", ""),
    ("SELECT source_id FROM kinds.thing WHERE made < '1677-01-02'", ""),
    ("SELECT source_id FROM kinds.thing WHERE made >= CAST('1582-10-15T00:00:00' AS TIMESTAMP)", ""),
    ("SELECT source_id, made FROM kinds.thing WHERE made = '9999-12-31T23:59:59.999999'", ""),
    ("SELECT CAST(seen AS TIMESTAMP) AS t FROM kinds.thing", ""),
    ("SELECT CAST(seen AS VARCHAR) AS t, CAST(price AS VARCHAR) AS p FROM kinds.thing", ""),
    ("SELECT MIN(seen) AS a, MAX(seen) AS b, COUNT(DISTINCT seen) AS n FROM kinds.thing", ""),
    ("SELECT seen, COUNT(*) AS n FROM kinds.thing GROUP BY seen", ""),
    ("SELECT source_id FROM kinds.thing WHERE \"key\" = 'e0b895ca-2ee4-4f0f-b595-cbd83be40b04'", ""),
    ("SELECT source_id FROM kinds.thing WHERE \"key\" = 'E0B895CA-2EE4-4F0F-B595-CBD83BE40B04'", ""),
    (
        "SELECT source_id FROM kinds.thing WHERE \"key\" LIKE 'ffff%' OR \"key\" IN ('00000000-0000-0000-0000-000000000000')",
        "SELECT source_id FROM kinds.thing WHERE key::text LIKE 'ffff%' OR key IN ('00000000-0000-0000-0000-000000000000')",
    ),
    ("SELECT \"key\", COUNT(*) AS n FROM kinds.thing GROUP BY \"key\"", ""),
    (
        "SELECT MIN(\"key\") AS a, MAX(\"key\") AS b FROM kinds.thing",
        "SELECT MIN(key::text), MAX(key::text) FROM kinds.thing",
    ),
    ("SELECT t.source_id, v.night FROM kinds.thing AS t JOIN kinds.visit AS v ON v.\"key\" = t.\"key\"", ""),
    ("SELECT source_id FROM kinds.thing WHERE price = 12.34", ""),
    ("SELECT source_id FROM kinds.thing WHERE price > 0.1249", ""),
    ("SELECT source_id FROM kinds.thing WHERE price > -1e-20 AND price < 1e20", ""),
    ("SELECT source_id FROM kinds.thing WHERE price IN (0.125, 12.34, 0, 0.0001)", ""),
    ("SELECT source_id FROM kinds.thing WHERE price NOT BETWEEN -0.001 AND 12.34", ""),
    ("SELECT source_id FROM kinds.thing WHERE price = '999999999.500'", ""),
    ("SELECT source_id FROM kinds.thing WHERE price < d", ""),
    ("SELECT source_id FROM kinds.thing WHERE price <= i", ""),
    ("SELECT source_id FROM kinds.thing WHERE huge = '12345678901234567890123'", ""),
    ("SELECT source_id FROM kinds.thing WHERE huge > 1e37 OR huge = -1", ""),
    ("SELECT source_id FROM kinds.thing WHERE huge > 0.5", ""),
    ("SELECT source_id FROM kinds.thing WHERE tiny < b", ""),
    ("SELECT source_id FROM kinds.thing WHERE tiny > huge", ""),
    ("SELECT source_id FROM kinds.thing WHERE tiny > 1e-38 AND tiny < 0.5", ""),
    ("SELECT SUM(price) AS s, MIN(price) AS a, MAX(price) AS b, COUNT(price) AS n FROM kinds.thing", ""),
    ("SELECT AVG(price) AS a FROM kinds.thing", "SELECT AVG(price::float8) FROM kinds.thing"),
    (
        "SELECT AVG(huge) AS a, STDDEV(price) AS s FROM kinds.thing WHERE huge < 1e30 AND huge > -1e30",
        "SELECT AVG(huge)::float8, STDDEV(price::float8) FROM kinds.thing WHERE huge < 1e30 AND huge > -1e30",
    ),
    ("SELECT SUM(huge) AS s FROM kinds.thing WHERE source_id > 0", ""),
    ("SELECT SUM(cost) AS s FROM kinds.visit", ""),
    ("SELECT source_id, SUM(cost) AS s FROM kinds.visit GROUP BY source_id", ""),
    ("SELECT SUM(DISTINCT price) AS s FROM kinds.thing", ""),
    (
        "SELECT price * 2 AS p, -price AS m, ABS(price) AS a FROM kinds.thing",
        "SELECT price::float8 * 2, -price::float8, ABS(price) FROM kinds.thing",
    ),
    ("SELECT IN_UNIT(price, 'mmag') AS p FROM kinds.thing", "SELECT price::float8 * 1000 FROM kinds.thing"),
    (
        "SELECT IVO_HISTOGRAM(price, 0, 1000, 2) AS h, IVO_HISTOGRAM(s, -1, 1e2, 1) AS s FROM kinds.thing",
        "SELECT ARRAY[COUNT(*) FILTER (WHERE price < 0 OR price IS NULL), COUNT(*) FILTER (WHERE price >= 0 AND price < 500),
         COUNT(*) FILTER (WHERE price BETWEEN 500 AND 1000), COUNT(*) FILTER (WHERE price > 1000)],
         ARRAY[COUNT(*) FILTER (WHERE s < -1 OR s IS NULL), COUNT(*) FILTER (WHERE s BETWEEN -1 AND 100),
         COUNT(*) FILTER (WHERE s > 100)] FROM kinds.thing",
    ),
    (
        "SELECT IVO_STRING_AGG(\"key\", ' ') AS k, IVO_STRING_AGG(t, '\u{e4}') AS t FROM kinds.thing",
        "SELECT string_agg(key::text, ' ' ORDER BY key::text), string_agg(t, '\u{e4}' ORDER BY t COLLATE \"C\") FROM kinds.thing",
    ),
    ("SELECT COALESCE(price, 0.5) AS p FROM kinds.thing", "SELECT COALESCE(price::float8, 0.5) FROM kinds.thing"),
    (
        "SELECT COALESCE(d, price) AS x FROM kinds.thing WHERE source_id > 0",
        "SELECT COALESCE(d, price::float8) FROM kinds.thing",
    ),
    (
        "SELECT price AS x FROM kinds.thing UNION SELECT d FROM kinds.thing",
        "SELECT price::float8 FROM kinds.thing UNION SELECT d FROM kinds.thing",
    ),
    ("SELECT price, COUNT(*) AS n FROM kinds.thing GROUP BY price HAVING COUNT(*) > 1", ""),
    (
        "SELECT TOP 5 source_id, price FROM kinds.thing WHERE price IS NOT NULL ORDER BY price DESC, source_id",
        "SELECT source_id, price FROM kinds.thing WHERE price IS NOT NULL ORDER BY price DESC, source_id LIMIT 5",
    ),
    (
        "SELECT TOP 7 seen, source_id FROM kinds.thing WHERE seen IS NOT NULL ORDER BY seen, source_id",
        "SELECT seen, source_id FROM kinds.thing WHERE seen IS NOT NULL ORDER BY seen, source_id LIMIT 7",
    ),
    (
        "SELECT TOP 4 source_id FROM kinds.thing WHERE raw IS NOT NULL ORDER BY raw, source_id",
        "SELECT source_id FROM kinds.thing WHERE raw IS NOT NULL ORDER BY raw, source_id LIMIT 4",
    ),
    ("SELECT DISTINCT v.night FROM kinds.visit AS v WHERE v.night > '2018-01-01'", ""),
    (
        "SELECT t.source_id, MIN(v.night) AS soonest FROM kinds.thing AS t LEFT JOIN kinds.visit AS v ON v.source_id = t.source_id AND v.night > t.seen GROUP BY t.source_id",
        "",
    ),
    ("SELECT is3, bs FROM kinds.thing WHERE source_id > 0", "SELECT is3, bs FROM kinds.thing"),
    ("SELECT source_id FROM kinds.thing WHERE ds IS NULL", ""),
];

#[test]
fn queries_about_every_type_mean_the_same_on_any_number_of_nodes() {
    let sites = [1, 3].map(site);
    let [Some((_, one)), Some((_, three))] = &sites else { return };
    let oracle = Oracle::of(one, "kinds", &["thing", "visit"]);
    let question = |(adql, sql): &(&str, &str)| Question {
        name: "of kinds".to_owned(),
        adql: (*adql).to_owned(),
        sql: if sql.is_empty() { *adql } else { *sql }.replace("kinds.", "plain."),
        tolerance: 1e-12,
    };
    let questions: Vec<Question> = QUESTIONS.iter().map(question).collect();
    let faults = oracle.faults(&questions, &[one, three]);
    assert!(faults.is_empty(), "{} answers differ:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn values_that_are_none_are_named_with_file_table_row_and_column() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let (site, folder) = (TestSite::new(1), open_folder());
    let told = things(&python, "bad", folder.path()).ok();
    let faults: Vec<(&str, &str)> = told.lines().filter_map(|line| line.split_once('\t')).collect();
    assert!(faults.len() > 20, "{told}");
    for (name, words) in faults {
        let complaint = ingest(&site, &model(), &[folder.path().join(name)]).refused();
        assert!(complaint.contains(name) && complaint.contains(words), "{name}: {words:?} is not in {complaint}");
        assert_eq!(complaint.trim_end().lines().count(), 1, "{complaint}");
    }
}

#[test]
fn models_with_types_that_there_are_not_are_refused() {
    let (site, folder) = (TestSite::new(1), open_folder());
    let path = folder.path().join("model.toml");
    for (name, words) in [
        ("numeric(50,2)", "a numeric has 1 to 38 digits"),
        ("uuid[]", "there are no arrays of uuid"),
        ("double[0]", "an array has 1 to 1048576 elements"),
        ("money", "there is no such type"),
    ] {
        let text = std::fs::read_to_string(model()).unwrap().replace("numeric(12,3)", name);
        std::fs::write(&path, text).unwrap();
        let complaint = ingest(&site, &path, &[PathBuf::from("Thing_1_0001.h5")]).refused();
        assert!(complaint.contains(&format!("{name:?}")) && complaint.contains(words), "{complaint}");
    }
}

#[test]
fn models_whose_tables_or_products_cannot_be_queried_are_refused() {
    let (site, folder) = (TestSite::new(1), open_folder());
    let path = folder.path().join("model.toml");
    let whole = std::fs::read_to_string(model()).unwrap();
    for (said, instead, words) in [
        ("\"'measurements'\"", "\"nothing\"", "kinds.thing: dataproduct_type in"),
        ("calib_level = \"i\"", "calib_level = \"NEW(\"", "kinds.thing: calib_level in"),
        ("em_min = \"price\"", "em_min = \"fs\"", "kinds.thing: em_min in"),
        ("em_min = ", "colour = ", "obscore names \"colour\", which is no column of ObsCore 1.1"),
        ("calib_level = \"i\", ", "", "obscore says calib_level and dataproduct_type at least"),
        ("y = \"ds\"", "y = \"d\"", "preview column \"d\" must be an array"),
        ("name = \"visit\"", "name = \"select\"", "kinds.select: select in"),
        ("[[table]]", "reference_url = 'page'\n[[table]]", "reference_url \"page\" is no address of a web page"),
    ] {
        assert!(whole.contains(said), "{said}");
        std::fs::write(&path, whole.replacen(said, instead, 1)).unwrap();
        let complaint = ingest(&site, &path, &[PathBuf::from("Thing_1_0001.h5")]).refused();
        let is_told = complaint.contains("the data model is not usable") && complaint.contains(words);
        assert!(is_told, "{instead}: {complaint}");
        assert_eq!(complaint.trim_end().lines().count(), 1, "{complaint}");
    }
}

#[test]
fn products_have_the_types_of_obscore_and_regions_are_searched() {
    let Some((_files, site)) = site(3) else { return };
    let things = site.rows("SELECT COUNT(*) AS n FROM kinds.thing");
    let found = |condition: &str| site.rows(&format!("SELECT COUNT(*) AS n FROM ivoa.obscore WHERE {condition}"));
    for condition in [
        "1 = CONTAINS(POINT(11, 11), s_region)",
        "1 = CONTAINS(CIRCLE(11, 11, 0.5), s_region)",
        "1 = INTERSECTS(s_region, CIRCLE(9, 11, 1.5))",
        "AREA(s_region) BETWEEN 3.8 AND 4.0",
        "obs_collection = 'kinds' AND s_region = '10 10 12 10 12 12 10 12'",
    ] {
        assert_eq!(found(condition), things, "{condition}");
    }
    for condition in ["1 = CONTAINS(POINT(13, 11), s_region)", "1 = INTERSECTS(s_region, CIRCLE(9, 11, 0.5))"] {
        assert_eq!(found(condition), cells("n\n0"), "{condition}");
    }
    assert_eq!(
        site.rows("SELECT COUNT(target_name) AS k, SUM(calib_level) AS i, MAX(em_min) AS p FROM ivoa.obscore"),
        site.rows("SELECT COUNT(\"key\") AS k, SUM(i) AS i, MAX(price * 1.0) AS p FROM kinds.thing")
    );
}

#[test]
fn columns_may_be_called_by_words_of_adql() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let (site, folder) = (TestSite::new(1), open_folder());
    things(&python, "make", folder.path()).ok();
    let mut text = std::fs::read_to_string(model()).unwrap();
    for (said, instead) in [
        ("\"ds\"", "\"time\""),
        ("\"source_id\"", "\"number\""),
        ("\"alpha\",", "\"first\","),
        ("\"delta\" }", "\"last\" }"),
    ] {
        text = text.replace(said, instead);
    }
    text = text.replace("name = \"delta\"", "name = \"last\"").replace("field = \"first\"", "field = \"alpha\"");
    let path = folder.path().join("words.toml");
    std::fs::write(&path, text).unwrap();
    ingest(&site, &path, &hdf5_files(folder.path())).ok();
    let doors = Doors::of(&site, &[]);
    let row =
        "SELECT TOP 1 id, access_url FROM kinds.thing WHERE \"time\" IS NOT NULL AND ABS(\"last\") < 2 ORDER BY id";
    let url = run(Command::new("curl")
        .args(["-sS", "-f", &format!("{}/tap/sync", doors.base_url), "-d", "LANG=ADQL"])
        .args(["-d", "RESPONSEFORMAT=csv", "--data-urlencode", &format!("QUERY={row}")]))
    .ok();
    let given = url.trim_end().split_once("?").unwrap().1;
    for (resource, words) in [("preview", "PNG"), ("transits", "kinds.visit"), ("gaiamerger", "HDF")] {
        let file = folder.path().join("answer");
        let url = format!("{}/datalink/{resource}?{given}", doors.base_url);
        run(Command::new("curl").args(["-sS", "-f", &url, "-o"]).arg(&file)).ok();
        let answer = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        assert!(answer.contains(words), "{resource}: {}", answer.chars().take(500).collect::<String>());
    }
    assert_eq!(
        site.rows("SELECT COUNT(s_dec) AS n FROM ivoa.obscore"),
        site.rows("SELECT COUNT(*) AS n FROM kinds.thing")
    );
}

#[test]
fn days_skip_chunks_and_uuids_are_looked_up() {
    let Some((_files, site)) = site(3) else { return };
    let explained = |adql: &str| site.spolia(&["explain", adql]).ok();
    let skipped = explained("SELECT source_id FROM kinds.visit WHERE night > '2100-01-01'");
    assert!(skipped.contains("outside the bounds of night") && !skipped.contains("SELECT t1"), "{skipped}");
    let some = explained("SELECT source_id FROM kinds.thing WHERE seen = '2016-05-21'");
    assert!(some.contains("outside the bounds of seen") && some.contains("t1.seen"), "{some}");
    // The index is of what is compared.
    let indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'kinds' AND indexname = 'thing_key'";
    assert!(site.psql("n2", "postgres", indexes).ok().contains("(((key)::text))"));
    let plan =
        "SET enable_seqscan = off; EXPLAIN SELECT * FROM kinds.thing_c1 AS t1 WHERE (t1.key::text = 'e0b8'::text)";
    let nodes = ["n1", "n2", "n3"].map(|node| site.psql(node, "postgres", plan));
    assert!(nodes.iter().any(|run| run.stdout.contains("Index Scan using thing_c1_key_idx")), "{nodes:?}");
    for (adql, words) in [
        (
            "SELECT seen + 1 AS x FROM kinds.thing",
            "spolia: the query cannot be planned: arithmetic is for numbers, not for Date32",
        ),
        (
            "SELECT seen FROM kinds.thing WHERE seen > '2016-13-01'",
            "Cannot cast string '2016-13-01' to value of Date32 type",
        ),
        ("SELECT price FROM kinds.thing WHERE price = 'cheap'", "Cannot cast string 'cheap'"),
    ] {
        let complaint = site.spolia(&["query", adql]).refused();
        assert!(complaint.contains(words) && !complaint.contains("adql_"), "{complaint}");
    }
    let sum = site.spolia(&["query", "SELECT SUM(huge) AS s FROM kinds.thing WHERE huge > 1"]).refused();
    assert!(sum.contains("out of the range of NUMERIC"), "a sum that overflows is an error: {sum}");
}

#[test]
fn long_arrays_come_in_whole() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let (site, folder) = (TestSite::new(1), open_folder());
    things(&python, "long", folder.path()).ok();
    ingest(&site, &model(), &hdf5_files(folder.path())).ok();
    let wrong = "SELECT count(*), count(*) FILTER (WHERE ds[1] <> source_id OR ds[16000] <> source_id + 15999 OR cardinality(ds) <> 16000 \
         OR array_length(ss, 1) <> 5000 OR source_id <> ALL (ss)) FROM kinds.thing";
    assert_eq!(site.psql("n1", "postgres", wrong).ok(), "300,0\n");
    let longest = site.rows("SELECT ds FROM kinds.thing WHERE source_id = 299");
    assert_eq!(longest[0][0].split(", ").count(), 16_000);
}

#[test]
fn a_site_of_before_is_brought_up() {
    let Some((_files, site)) = site(1) else { return };
    let definition = "SELECT md5(definition::text) FROM spolia.collection";
    let now = site.psql("n1", "postgres", definition).ok();
    // How arrays were written, bounds by chunk instead of by batch.
    let before = "UPDATE spolia.collection SET definition = replace(definition::text, '\"integer[3]\"', '\"integer\", \"length\": 3')::jsonb; \
         UPDATE spolia.manifest SET document = jsonb_set(document, '{chunks}', (SELECT jsonb_agg(jsonb_set(c, '{tables}', \
             (SELECT coalesce(jsonb_object_agg(key, (t - 'batches') || '{\"bounds\": {\"source_id\": [1, 1000000]}}'), '{}') \
              FROM jsonb_each(c->'tables') AS tables(key, t))) ORDER BY place) \
             FROM jsonb_array_elements(document->'chunks') WITH ORDINALITY AS chunks(c, place))); \
         DELETE FROM spolia.version WHERE version >= 3";
    site.psql("n1", "postgres", before).ok();
    assert_ne!(site.psql("n1", "postgres", definition).ok(), now);
    assert!(site.spolia(&["query", "SELECT is3 FROM kinds.thing"]).refused().contains("run `spolia init`"));
    site.spolia(&["init"]).ok();
    assert_eq!(site.psql("n1", "postgres", definition).ok(), now);
    assert_eq!(site.rows("SELECT COUNT(is3) AS n FROM kinds.thing"), [["11"]]);
    assert_eq!(site.rows("SELECT COUNT(is3) AS n FROM kinds.thing WHERE source_id < 1"), [["0"]]);
}
