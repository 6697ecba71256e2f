//! Tables that users keep: made, loaded and dropped by pyvo, joined with those of the nodes, for their owner alone, and gone when it is time.

use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::served::{Doors, Served};
use crate::site::{TestSite, own_folder, python, run};

const SOME: [&str; 6] = ["--layout", "mixed", "--sources", "60", "--transits", "300"];

/// A token of that name.
fn token(site: &TestSite, name: &str) -> String {
    site.spolia(&["token", "add", name]).ok().trim().to_owned()
}

/// Runs a part of `user_tables.py`.
#[track_caller]
fn judged(part: &str, arguments: &[&str]) {
    let Some(python) = python() else {
        println!("skipped: no Python with pyvo and pyarrow (SPOLIA_PYTHON)");
        return;
    };
    run(Command::new(python).arg(own_folder().join("python/user_tables.py")).arg(part).args(arguments)).ok();
}

/// `curl` with a token.
fn curl(url: &str, token: &str, options: &[&str]) -> String {
    let header = format!("Authorization: Bearer {token}");
    run(Command::new("curl").args(["-s", "-S", "--max-time", "60", "-H", &header]).args(options).arg(url)).ok()
}

/// How many tables of users the nodes have.
fn on_nodes(site: &TestSite) -> usize {
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'spolia_user' AND tablename <> 'held'";
    let count = |node| site.psql(node, "postgres", sql).ok().trim().parse::<usize>().unwrap();
    ["n1", "n2"].into_iter().map(count).sum()
}

#[test]
fn pyvo_makes_loads_indexes_and_drops_tables() {
    let served = Served::with(&SOME, &[]);
    let ada = token(&served.site, "ada");
    judged("youcat", &[&served.base_url, &ada]);
    judged("cut", &[&served.base_url, &ada]);

    // A server that ended while it made a table leaves a name, which can be given up.
    let sql = "INSERT INTO spolia.user_table (owner, table_name, definition, state, destruction)
        VALUES ('ada', 'left_over', '{\"column\": []}', 'new', now() + interval '1 day')";
    served.site.psql("n1", "postgres", sql).ok();
    let url = format!("{}/tap/tables/left_over", served.base_url);
    let asked = |options: &[&str]| curl(&url, &ada, &[options, &["-w", "%{http_code}"]].concat());
    let taken = asked(&["-X", "PUT", "--data-binary", "id\n1\n"]);
    assert!(taken.contains("it is being made") && taken.ends_with("409"), "{taken}");
    assert_eq!(asked(&["-X", "DELETE"]), "204");
    assert!(asked(&["-X", "DELETE"]).ends_with("404"));
    assert!(asked(&["-X", "PUT", "--data-binary", "id\n1\n"]).ends_with("201"));
}

#[test]
fn the_client_of_youcat_makes_loads_indexes_and_drops_tables() {
    let Some(program) = python().map(|python| python.with_file_name("cadc-tap")).filter(|program| program.exists())
    else {
        println!("skipped: no cadc-tap beside the Python of the tests (SPOLIA_PYTHON)");
        return;
    };
    let served = Served::with(&SOME, &[]);
    let (ada, service, home) =
        (token(&served.site, "ada"), format!("{}/tap", served.base_url), TempDir::new().unwrap());
    let cadc_tap = |command: &str, arguments: &[&str]| {
        let known = ["--token", &ada, "--service", &service];
        // It asks before it drops a table.
        std::fs::write(home.path().join("said"), "yes\n").unwrap();
        let said = std::fs::File::open(home.path().join("said")).unwrap();
        run(Command::new(&program).arg(command).args(known).args(arguments).env("HOME", home.path()).stdin(said)).ok()
    };
    let file = |name: &str, content: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let column = |name, of_type| format!("<column><name>{name}</name><dataType {of_type}</dataType></column>");
    let columns = column("article", "arraysize='30*'>char") + &column("count", ">long");
    let described = file("described.xml", &format!("<table><name>user_ada.articles</name>{columns}</table>"));
    cadc_tap("create", &["user_ada.articles", &described]);
    cadc_tap("load", &["user_ada.articles", &file("rows.tsv", "article\tcount\nfirst\t1\nsecond\t2\n")]);
    cadc_tap("load", &["--format", "csv", "user_ada.articles", &file("rows.csv", "count,article\n3,third\n")]);
    cadc_tap("index", &["--unique", "user_ada.articles", "count"]);
    assert!(cadc_tap("schema", &["user_ada.articles"]).contains("count"));
    let answer =
        cadc_tap("query", &["--format", "csv", "SELECT article, \"count\" FROM user_ada.articles ORDER BY article"]);
    assert!(answer.contains("first,1") && answer.contains("third,3"), "{answer}");
    cadc_tap("delete", &["user_ada.articles"]);
    assert_eq!(served.site.spolia(&["tables", "list"]).ok(), "");
}

#[test]
fn tables_of_all_formats_are_kept() {
    let served = Served::with(&SOME, &[]);
    judged("formats", &[&served.base_url, &token(&served.site, "ada"), &served.flight_url]);
}

#[test]
fn tables_are_their_owners_alone() {
    let served = Served::with(&SOME, &[]);
    let [ada, bob] = ["ada", "bob"].map(|name| token(&served.site, name));
    judged("owners", &[&served.base_url, &ada, &bob, &served.flight_url]);
    // The operator sees all, on the nodes where they are, and may drop them.
    let listed = served.site.spolia(&["tables", "list", "--json"]).ok();
    let tables: Vec<serde_json::Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = tables.iter().map(|table| (table["table"].as_str().unwrap(), table["rows"].as_u64())).collect();
    assert_eq!(told, [("user_ada.secret", Some(1)), ("user_bob.secret", Some(2))]);
    assert_ne!(tables[0]["node"], tables[1]["node"], "users are spread over the nodes");
    let both = "SELECT a.word, b.id FROM user_ada.secret AS a JOIN user_bob.secret AS b ON b.id > a.id ORDER BY b.id";
    assert_eq!(served.site.rows(both), [["hidden", "2"], ["hidden", "3"]]);
    let all = "SELECT id FROM user_ada.secret UNION ALL SELECT id FROM user_bob.secret ORDER BY 1";
    assert_eq!(served.site.rows(all), [["1"], ["2"], ["3"]]);
    served.site.spolia(&["tables", "drop", "user_bob.secret"]).ok();
    assert!(served.site.spolia(&["tables", "drop", "secret.user_bob"]).refused().contains("no table"));
    assert!(!served.site.spolia(&["tables", "list"]).ok().contains("bob"));
    freed(&served.site, 1);
}

/// Waits until the nodes have no more than so many tables of users.
#[track_caller]
fn freed(site: &TestSite, left: usize) {
    let begun = Instant::now();
    while on_nodes(site) > left {
        assert!(begun.elapsed() < Duration::from_secs(90), "what is over is still on its node");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(on_nodes(site), left);
}

#[test]
fn tables_have_bounds_and_an_end() {
    let bounds = [("SPOLIA__USER_TABLES__QUOTA_MB", "2"), ("SPOLIA__USER_TABLES__TABLES", "3")];
    let served = Served::with(&SOME, &bounds);
    judged("bounds", &[&served.base_url, &token(&served.site, "ada")]);
    freed(&served.site, 1);
    // Nobody keeps tables where the site wants none, and what is there can still be dropped.
    let doors = Doors::of(&served.site, &[("SPOLIA__USER_TABLES__QUOTA_MB", "0")]);
    let (url, carol) = (format!("{}/tap", doors.base_url), token(&served.site, "carol"));
    let told = curl(&format!("{url}/tables/mine"), &carol, &["-X", "PUT", "-d", "id"]);
    assert!(told.contains("keeps no tables"), "{told}");
    assert!(!curl(&format!("{url}/capabilities"), &carol, &[]).contains("table-load"));
}

#[test]
fn a_load_that_breaks_off_changes_nothing() {
    let served = Served::with(&SOME, &[]);
    let (ada, url) = (token(&served.site, "ada"), format!("{}/tap", served.base_url));
    let path = served.site.path().join("rows.csv");
    let rows = (0..200_000).map(|n| format!("{n},{}\n", n * 7)).collect::<String>();
    std::fs::write(&path, format!("id,n\n{rows}")).unwrap();
    let (body, table) = (format!("@{}", path.display()), format!("{url}/tables/mine"));
    curl(&table, &ada, &["-X", "PUT", "--data-binary", "id,n\n-1,0\n"]);
    let count = || served.site.rows("SELECT COUNT(*) AS n, SUM(n) AS s FROM user_ada.mine");

    // The client is gone in the middle of its body.
    let load = format!("{url}/load/mine");
    let cut = run(Command::new("curl")
        .args(["-s", "--max-time", "1", "--limit-rate", "500k", "-H", &format!("Authorization: Bearer {ada}")])
        .args(["--data-binary", &body, &load]));
    assert!(!cut.success);
    assert_eq!(count(), [["1", "0"]]);

    // The node is gone; it is named, and has what it had when it is back.
    served.site.kill_node("n1");
    let told = curl(&load, &ada, &["--data-binary", &body, "-w", "%{http_code}"]);
    assert!(told.ends_with("503"), "{told}");
    served.site.spolia(&["up"]).ok();
    assert_eq!(count(), [["1", "0"]]);

    // Loads at the same time follow one another.
    let loads: Vec<_> = (0..3)
        .map(|_| {
            let (load, ada, body) = (load.clone(), ada.clone(), body.clone());
            std::thread::spawn(move || curl(&load, &ada, &["--data-binary", &body]))
        })
        .collect();
    for load in loads {
        let told = load.join().unwrap();
        assert!(told.contains("200000 rows were added"), "{told}");
    }
    assert_eq!(count()[0][0], "600001");

    // A table that is dropped while it is read is read to its end.
    let query = "QUERY=SELECT a.id, b.n FROM user_ada.mine AS a JOIN user_ada.mine AS b ON a.id = b.id";
    let reading = std::thread::spawn({
        let (url, ada) = (format!("{url}/sync"), ada.clone());
        move || {
            let options = ["-d", "LANG=ADQL", "-d", "FORMAT=votable/b2", "-d", "MAXREC=10000000", "--limit-rate", "8M"];
            curl(
                &url,
                &ada,
                &[&options[..], &["--data-urlencode", query, "-o", "/dev/null", "-w", "%{size_download} %{http_code}"]]
                    .concat(),
            )
        }
    });
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(curl(&table, &ada, &["-X", "DELETE", "-w", "%{http_code}"]), "204");
    let read = reading.join().unwrap();
    let (bytes, code) = read.split_once(' ').unwrap();
    assert!(code == "200" && bytes.parse::<u64>().unwrap() > 1_800_001 * 10, "{read}");
    freed(&served.site, 0);
}
