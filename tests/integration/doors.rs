//! The doors, judged by clients that nobody here wrote: pyvo, astropy, stilts, curl, pyarrow and ADBC.

use std::path::Path;
use std::process::Command;

use crate::served::{Doors, Served};
use crate::site::{TestSite, make_gaia, own_folder, python, run};

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
fn links_lead_where_they_say_with_pyvo() {
    let Some(python) = python() else {
        println!("skipped: no Python with pyvo (SPOLIA_PYTHON)");
        return;
    };
    let served = Served::start();
    let done = run(Command::new(python).arg(own_folder().join("python/datalink.py")).arg(&served.base_url));
    assert!(done.ok().contains("links lead where they say"));
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

/// `stilts`, if this machine has it.
fn stilts(arguments: &[&str]) -> Option<Command> {
    if Command::new("stilts").arg("-version").output().is_err() {
        println!("skipped: no stilts");
        return None;
    }
    let mut command = Command::new("stilts");
    command.args(arguments);
    Some(command)
}

/// votlint has nothing to say about a document.
#[track_caller]
fn is_clean(document: &Path) {
    let lint = run(Command::new("stilts").args(["votlint", &format!("votable={}", document.display())]));
    assert_eq!((lint.stdout.as_str(), lint.stderr.as_str()), ("", ""), "{}", document.display());
}

/// The lines of a CSV file that stilts has written, without the header.
fn lines(path: &Path) -> Vec<String> {
    let mut lines: Vec<String> = std::fs::read_to_string(path).unwrap().lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn votlint_has_nothing_to_say() {
    if stilts(&[]).is_none() {
        return;
    }
    let served = Served::start();
    let folder = tempfile::tempdir().unwrap();
    let ask = |name: &str, path: &str, parameters: &[&str]| {
        let file = folder.path().join(name);
        let mut options = vec!["-L", "-o", file.to_str().unwrap()];
        parameters.iter().for_each(|parameter| options.extend(["-F", parameter]));
        served.curl(path, &options).ok();
        is_clean(&file);
        std::fs::read_to_string(file)
    };
    // Numbers, texts, NULLs, times, arrays and shapes. In the binary forms votlint before 3.5 says of every polygon, also in
    // files of stilts's own making, that the stream is corrupt: it takes its length for coordinates.
    let all = "source_id, file_name, DEGREES(alpha) AS ra, radial_velocity, access_url, POINT(1, 2) AS p, CIRCLE(1, 2, 3) AS c, \
               CAST('2020-01-01T00:00:00' AS TIMESTAMP) AS t, IVO_EPOCH_PROP(1, 2, 3, 4, 5, 6, 2000, 2016) AS e";
    let all = format!("QUERY=SELECT TOP 50 {all} FROM gaia.completesource");
    let polygon = "QUERY=SELECT TOP 5 source_id, POLYGON(10, 10, 20, 10, 20, 20) AS p FROM gaia.completesource";
    ask("polygon.vot", "/tap/sync", &["LANG=ADQL", polygon]).unwrap();
    for form in ["votable", "votable/td", "votable/b", "votable/b2", "text/xml"] {
        let name = form.replace('/', "-");
        let format = format!("RESPONSEFORMAT={form}");
        for (what, parameters) in [
            ("rows", &["LANG=ADQL", all.as_str(), format.as_str()][..]),
            ("overflow", &["LANG=ADQL", all.as_str(), format.as_str(), "MAXREC=7"]),
            ("no-rows", &["LANG=ADQL", "QUERY=SELECT * FROM gaia.astroelementary", format.as_str(), "MAXREC=0"]),
        ] {
            ask(&format!("{what}-{name}.vot"), "/tap/sync", parameters).unwrap();
        }
        // What was answered comes along with the next query.
        let upload = format!("file=@{}", folder.path().join(format!("rows-{name}.vot")).display());
        let query = "QUERY=SELECT * FROM TAP_UPLOAD.mine";
        let again = ["LANG=ADQL", query, format.as_str(), "UPLOAD=mine,param:file", upload.as_str()];
        ask(&format!("again-{name}.vot"), "/tap/sync", &again).unwrap();
        let csv = ["RESPONSEFORMAT=csv", "LANG=ADQL", query, "UPLOAD=mine,param:file", upload.as_str()];
        let options: Vec<&str> = csv.iter().flat_map(|parameter| ["-F", parameter]).collect();
        let csv = served.curl("/tap/sync", &options).ok();
        assert_eq!(csv.lines().count(), 51, "{form}: {csv}");
    }
    for (name, query) in [("syntax.vot", "QUERY=SELECT"), ("column.vot", "QUERY=SELECT no<&> FROM gaia.completesource")]
    {
        let error = ask(name, "/tap/sync", &["LANG=ADQL", query]).unwrap();
        assert!(error.contains("QUERY_STATUS") && error.contains("ERROR"), "{error}");
    }
    for (name, query, end) in
        [("job", all.as_str(), "results/result"), ("failed", "QUERY=SELECT nothing FROM a", "error")]
    {
        let made = served.curl("/tap/async", &["-D", "-", "-d", "PHASE=RUN", "--data-urlencode", query]).ok();
        let job = made.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{made}"));
        let job = job.trim().strip_prefix(&served.base_url).unwrap();
        served.curl(&format!("{job}?WAIT=30"), &[]).ok();
        ask(&format!("{name}.vot"), &format!("{job}/{end}"), &[]).unwrap();
    }
    let query = "QUERY=SELECT TOP 1 access_url FROM gaia.completesource";
    let row =
        served.curl("/tap/sync", &["-d", "LANG=ADQL", "-d", "RESPONSEFORMAT=csv", "--data-urlencode", query]).ok();
    let links = row.lines().nth(1).unwrap().trim().strip_prefix(&served.base_url).unwrap().to_owned();
    ask("links.vot", &links, &[]).unwrap();
    ask("transits.vot", &links.replace("/datalink?", "/datalink/transits?"), &[]).unwrap();
    ask("no-link.vot", "/datalink?id=none", &[]).unwrap();
    // Debian's datalinklint does not know these words of the IVOA's vocabulary.
    let mut lint = stilts(&["datalinklint", "report=EWF"]).unwrap();
    let report = run(lint.arg(format!("votable={}{links}", served.base_url))).stdout;
    let said = |line: &&str| ["E-", "W-", "F-"].iter().any(|kind| line.starts_with(kind));
    let words = ["'counterpart'", "'documentation'"];
    let is_known = |line: &&str| line.starts_with("E-SMCO") && words.iter().any(|word| line.contains(word));
    let unknown: Vec<&str> = report.lines().filter(said).filter(|line| !is_known(line)).collect();
    assert!(report.contains("Totals:") && unknown.is_empty(), "{report}");
}

#[test]
fn stilts_asks_uploads_waits_and_resumes() {
    if stilts(&[]).is_none() {
        return;
    }
    let served = Served::start();
    let folder = tempfile::tempdir().unwrap();
    let (mine, out) = (folder.path().join("mine.csv"), folder.path().join("out.csv"));
    let (upload, to) = (format!("upload1={}", mine.display()), format!("out={}", out.display()));
    let tap = format!("tapurl={}/tap", served.base_url);
    let sources = "adql=SELECT TOP 20 source_id, DEGREES(alpha) AS ra FROM gaia.completesource ORDER BY source_id";
    let to_mine = format!("out={}", mine.display());
    run(&mut stilts(&["tapquery", "sync=true", &tap, sources, &to_mine, "ofmt=csv"]).unwrap()).ok();
    assert_eq!(lines(&mine).len(), 20);
    let join = "adql=SELECT m.source_id, m.ra, t.transit_id FROM TAP_UPLOAD.mine AS m \
                JOIN gaia.astroelementary AS t ON t.source_id = m.source_id";
    let upload =
        ["nupload=1", upload.as_str(), "ufmt1=csv", "upname1=mine", tap.as_str(), join, "ofmt=csv", to.as_str()];
    run(stilts(&["tapquery", "sync=true"]).unwrap().args(upload)).ok();
    let expected = lines(&out);
    assert!(!expected.is_empty());
    let job =
        run(stilts(&["tapquery", "sync=false", "poll=100", "delete=never", "progress=true"]).unwrap().args(upload));
    assert_eq!(lines(&out), expected, "by a job");
    let said = format!("{}{}", job.stdout, job.stderr);
    let url = said.lines().find(|line| line.starts_with("http")).unwrap_or_else(|| panic!("no job in {said}"));
    let again = folder.path().join("again.csv");
    let (url, to) = (format!("joburl={url}"), format!("out={}", again.display()));
    run(&mut stilts(&["tapresume", &url, "delete=now", "ofmt=csv", &to]).unwrap()).ok();
    assert_eq!(lines(&again), expected, "of the job again");
    run(&mut stilts(&["tapresume", &url, "ofmt=csv", &to]).unwrap()).refused();
}

#[test]
fn stilts_is_known_by_name_and_token() {
    if stilts(&[]).is_none() {
        return;
    }
    let files = make_gaia(&["--layout", "mixed", "--sources", "50", "--transits", "50"]);
    let site = TestSite::with_files(1, files.path());
    let settings = site.path().join("spolia.toml");
    std::fs::write(&settings, std::fs::read_to_string(&settings).unwrap() + "\n[access.gaia]\nquery = [\"dpct\"]\n")
        .unwrap();
    let doors = Doors::of(&site, &[]);
    let secret = site.spolia(&["token", "add", "ada", "--group", "dpct"]).ok();
    let ask = |password: &str| {
        let password = format!("-Dstar.basicauth.password={password}");
        let query = "adql=SELECT COUNT(*) AS n FROM gaia.completesource";
        let tap = format!("tapurl={}/tap", doors.base_url);
        let known = ["-Dstar.basicauth.user=ada", &password, "tapquery", "sync=true", &tap, query, "ofmt=csv-noheader"];
        run(&mut stilts(&known).unwrap())
    };
    assert_eq!(ask(secret.trim()).ok().trim(), "50");
    ask("wrong").refused();
    // Newer ones, and TOPCAT, log in where the capabilities offer it, before anything is refused.
    let capabilities = format!("{}/tap/capabilities", doors.base_url);
    let head = |who: &[&str]| run(Command::new("curl").args(["-s", "-i"]).args(who).arg(&capabilities)).ok();
    assert!(head(&[]).contains("www-authenticate: Basic"));
    assert!(!head(&["-u", &format!("ada:{}", secret.trim())]).contains("www-authenticate"));
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
