//! The doors, judged by clients that nobody here wrote: pyvo, astropy, stilts, curl, pyarrow and ADBC.

use std::process::Command;

use crate::served::Served;
use crate::site::{own_folder, python, run};

#[test]
fn the_notebook_runs_with_pyvo() {
    let Some(python) = python() else {
        println!("skipped: no Python with pyvo (SPOLIA_PYTHON)");
        return;
    };
    let served = Served::start();
    let done = run(Command::new(python).arg(own_folder().join("python/notebook.py")).arg(&served.base_url));
    assert!(done.ok().contains("the notebook runs"));
}

#[test]
fn jobs_and_uploads_work_with_pyvo_and_astroquery() {
    let Some(python) = python() else {
        println!("skipped: no Python with pyvo (SPOLIA_PYTHON)");
        return;
    };
    let served = Served::start();
    let secret = served.site.spolia(&["token", "add", "ada"]).ok();
    let script = own_folder().join("python/jobs.py");
    let done = run(Command::new(python).arg(script).args([served.base_url.as_str(), secret.trim()])).ok();
    assert!(done.contains("jobs and uploads work"));
    println!("{done}");
}

#[test]
fn flight_sql_answers_adbc_and_pyarrow() {
    let Some(python) = python() else {
        println!("skipped: no Python with pyarrow (SPOLIA_PYTHON)");
        return;
    };
    let served = Served::start();
    let adql = "SELECT source_id, alpha, file_name FROM gaia.completesource";
    let script = own_folder().join("python/flight.py");
    let done = run(Command::new(python).arg(script).args([served.flight_url.as_str(), adql, "300"]));
    assert!(done.ok().contains("300 rows by Flight"));
}

#[test]
fn stilts_takes_the_answers() {
    if Command::new("stilts").arg("-version").output().is_err() {
        println!("skipped: no stilts");
        return;
    }
    let served = Served::start();
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("out.csv").to_string_lossy().into_owned();
    let tap = format!("tapurl={}/tap", served.base_url);
    let adql = "adql=SELECT source_id, alpha FROM gaia.completesource WHERE source_id = 3425114617586286848";
    run(Command::new("stilts").args(["tapquery", "sync=true", &tap, adql, &format!("out={table}"), "ofmt=csv"])).ok();
    assert!(std::fs::read_to_string(&table).unwrap().contains("3425114617586286848"));
    let query = "QUERY=SELECT TOP 50 * FROM gaia.astroelementary";
    let links = served
        .curl(
            "/tap/sync",
            &[
                "-d",
                "LANG=ADQL",
                "-d",
                "RESPONSEFORMAT=csv",
                "--data-urlencode",
                "QUERY=SELECT TOP 1 access_url FROM gaia.completesource",
            ],
        )
        .ok();
    let datalink = links.lines().nth(1).unwrap().strip_prefix(&served.base_url).unwrap().to_owned();
    for (name, path, options) in [
        ("td.vot", "/tap/sync", &["-d", "LANG=ADQL", "--data-urlencode", query][..]),
        ("b2.vot", "/tap/sync", &["-d", "LANG=ADQL", "-d", "RESPONSEFORMAT=votable/b2", "--data-urlencode", query]),
        ("error.vot", "/tap/sync", &["-d", "LANG=ADQL", "-d", "QUERY=SELECT"]),
        ("links.vot", datalink.as_str(), &[]),
    ] {
        let file = folder.path().join(name);
        served.curl(path, &[options, &["-o", file.to_str().unwrap()]].concat()).ok();
        let lint = run(Command::new("stilts").args(["votlint", &format!("votable={}", file.display())]));
        assert_eq!((lint.stdout.as_str(), lint.stderr.as_str()), ("", ""), "{name}");
    }
}

#[test]
fn curl_goes_the_whole_way() {
    let served = Served::start();
    let query =
        "QUERY=SELECT source_id, file_name, access_url FROM gaia.completesource WHERE source_id = 3425114617586286848";
    let csv =
        served.curl("/tap/sync", &["-d", "LANG=ADQL", "-d", "RESPONSEFORMAT=csv", "--data-urlencode", query]).ok();
    let row: Vec<&str> = csv.lines().nth(1).unwrap().trim_end().split(',').collect();
    assert_eq!(row[0], "3425114617586286848");
    let id = row[2].split("id=").nth(1).unwrap().split('&').next().unwrap();
    let links = served.curl(&format!("/datalink?id={id}"), &[]).ok();
    for semantics in ["#this", "#progenitor", "#counterpart"] {
        assert!(links.contains(semantics), "{links}");
    }
    let folder = tempfile::tempdir().unwrap();
    let merged = folder.path().join("merged.h5").to_string_lossy().into_owned();
    served.curl(&format!("/datalink/gaiamerger?id={id}"), &["-f", "-o", &merged]).ok();
    assert!(std::fs::read(&merged).unwrap().starts_with(b"\x89HDF\r\n\x1a\n"));
    for path in ["/tap/tables", "/tap/capabilities", "/tap/availability", "/tap/examples", "/", "/healthz", "/metrics"]
    {
        assert_eq!(served.status(path), "200", "{path}");
    }
}

#[test]
fn bad_requests_are_refused_by_name() {
    let served = Served::start();
    for name in ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "", "CompleteSource_1_9999.h5"] {
        let answer = served.curl(&format!("/api/files?name={name}"), &["-i"]).ok();
        assert!(answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
        assert!(!answer.contains("root:"), "{name}: {answer}");
    }
    let forged = "A".repeat(40);
    let answer = served.curl(&format!("/datalink/gaiamerger?id={forged}"), &["-i"]).ok();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let error = served
        .curl("/tap/sync", &["-d", "LANG=ADQL", "-d", "QUERY=SELECT paralax FROM gaia.completesource", "-i"])
        .ok();
    assert!(
        error.starts_with("HTTP/1.1 400") && error.contains("QUERY_STATUS") && error.contains("line 1, column 8"),
        "{error}"
    );
    let crossed = "SELECT alpha FROM gaia.completesource WHERE 1 = CONTAINS(POINT(alpha, delta), POLYGON(0, 0, 1, 1, 1, 0, 0, 1))";
    let error = served.curl("/tap/sync", &["-d", "LANG=ADQL", "-d", &format!("QUERY={crossed}"), "-i"]).ok();
    let words = "a polygon cannot have sides that cross or touch each other";
    assert!(error.starts_with("HTTP/1.1 400") && error.contains(words), "{error}");
    assert!(served.status("/tap/sync?LANG=ADQL").starts_with('4'), "no query");
    assert_eq!(served.status("/healthz"), "200", "and it still serves");
}
