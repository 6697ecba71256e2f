//! What someone sends who means no good. PostgreSQL's log is the witness of what reached a node.

use std::net::TcpListener;
use std::process::Command;

use crate::served::Doors;
use crate::site::{TestSite, make_gaia, own_folder, python, run};

/// A word that hostile queries have in every place; outside of a literal it must reach no node.
const MARKER: &str = "hx7731qz";

#[test]
fn nothing_hostile_reaches_a_node_or_stops_the_doors() {
    let Some(python) = python() else {
        println!("skipped: no Python with requests (SPOLIA_PYTHON)");
        return;
    };
    let files = make_gaia(&["--layout", "mixed", "--sources", "200", "--transits", "3000"]);
    let site = TestSite::with_files(2, files.path());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = site.path().join("spolia.toml");
    let bounds = format!(
        "\n[server]\nstall_timeout_s = 2\nupload_mb = 5\nwait_s = 5\nupload_hosts = [\"{free}\"]\n[log]\nkeep = 3\n"
    );
    std::fs::write(&settings, std::fs::read_to_string(&settings).unwrap() + &bounds).unwrap();
    site.spolia(&["up"]).ok();
    for node in ["n1", "n2"] {
        site.psql(node, "postgres", "ALTER SYSTEM SET log_statement = 'all'").ok();
        site.psql(node, "postgres", "SELECT pg_reload_conf()").ok();
    }
    let doors = Doors::of(&site, &[]);
    let script = own_folder().join("python/hostile.py");
    let done = run(Command::new(python).arg(script).args([&doors.base_url, &format!("http://{free}"), MARKER]));
    let said = done.ok();
    assert!(said.contains("nothing hostile gets through"), "{said}");
    println!("{said}");
    let mut literals = 0;
    for node in ["n1", "n2"] {
        let log = std::fs::read(site.path().join("nodes").join(node).join("server.log")).unwrap();
        let log = String::from_utf8_lossy(&log).to_lowercase();
        let statements = log.split("log:  statement: ").chain(log.split("log:  execute ")).skip(1);
        for statement in statements.filter(|statement| statement.contains(MARKER)) {
            let statement = statement.split("\n20").next().unwrap();
            assert!(!outside_of_literals(statement).contains(MARKER), "{statement}");
            literals += 1;
        }
    }
    assert!(literals > 20, "only {literals} statements have the word, so that nothing was seen");
}

/// A statement without what stands between quotes, as PostgreSQL reads them with `standard_conforming_strings`.
fn outside_of_literals(statement: &str) -> String {
    let (mut outside, mut letters) = (String::new(), statement.chars().peekable());
    while let Some(letter) = letters.next() {
        if letter != '\'' {
            outside.push(letter);
            continue;
        }
        let escapes = outside.ends_with('e') && !outside.trim_end_matches('e').ends_with(char::is_alphanumeric);
        while let Some(inner) = letters.next() {
            match inner {
                '\\' if escapes => drop(letters.next()),
                '\'' if letters.peek() == Some(&'\'') => drop(letters.next()),
                '\'' => break,
                _ => {}
            }
        }
    }
    outside
}

#[test]
fn no_path_leads_out_of_the_catalogue() {
    let Some(python) = python() else {
        println!("skipped: no Python (SPOLIA_PYTHON)");
        return;
    };
    let files = make_gaia(&["--layout", "mixed", "--sources", "60", "--transits", "300"]);
    let site = TestSite::with_files(1, files.path());
    std::fs::write(site.path().join("secret.txt"), "a secret of the site").unwrap();
    let open = Doors::of(&site, &[]);
    let settings = site.path().join("spolia.toml");
    let rules = std::fs::read_to_string(&settings).unwrap() + "\n[access.gaia]\nfile = [\"insiders\"]\n";
    std::fs::write(&settings, rules).unwrap();
    let closed = Doors::of(&site, &[]);
    let script = own_folder().join("python/paths.py");
    let done = run(Command::new(python).arg(script).args([&open.base_url, &closed.base_url])).ok();
    assert!(done.contains("no path leads out of the catalogue"), "{done}");
    println!("{done}");
}

#[test]
fn literals_are_told_from_the_rest() {
    assert_eq!(outside_of_literals("select 'a''b' || e'\\'x' from t"), "select  || e from t");
    assert!(outside_of_literals(&format!("select 'x' {MARKER}")).contains(MARKER));
}
