//! Jobs: what their owners see, and what becomes of them when time is over, a server ends, or someone else asks.

use std::time::{Duration, Instant};

use crate::locked::Locked;
use crate::served::{Doors, Served};
use crate::site::{TestSite, make_gaia, run};

const SOURCES: &str = "gaia.completesource";
const SMALL: &str = "QUERY=SELECT TOP 5 source_id FROM gaia.completesource ORDER BY source_id";

/// `curl` on a path of some doors; the answer, and its status on the last line.
fn curl(doors: &Doors, path: &str, options: &[&str]) -> String {
    let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", doors.base_url) };
    let mut command = std::process::Command::new("curl");
    run(command.args(["-s", "-S", "--max-time", "60", "-w", "\n%{http_code} %{redirect_url}"]).args(options).arg(url))
        .ok()
}

/// Makes a job and returns its address.
fn make(doors: &Doors, parameters: &[&str]) -> String {
    let mut options = vec!["-d", "LANG=ADQL"];
    parameters.iter().for_each(|parameter| options.extend(["--data-urlencode", parameter]));
    let made = curl(doors, "/tap/async", &options);
    let (_, address) = made.rsplit_once("303 ").unwrap_or_else(|| panic!("{made}"));
    address.to_owned()
}

fn phase(doors: &Doors, job: &str) -> String {
    curl(doors, &format!("{job}/phase"), &[]).lines().next().unwrap_or_default().to_owned()
}

/// Waits until a job has ended; returns its document.
fn ended(doors: &Doors, job: &str) -> String {
    for _ in 0..60 {
        let document = curl(doors, &format!("{job}?WAIT=5"), &[]);
        if ["COMPLETED", "ERROR", "ABORTED"].iter().any(|phase| document.contains(&format!("<uws:phase>{phase}"))) {
            return document;
        }
    }
    panic!("{job} does not end");
}

/// Statements of readers on a node.
fn statements(site: &TestSite, node: &str) -> String {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%completesource_c%' AND pid <> pg_backend_pid()";
    site.psql(node, "postgres", sql).ok().trim().to_owned()
}

#[test]
fn a_job_is_made_run_read_and_deleted() {
    let served = Served::start();
    let job = make(&served, &[SMALL, "RESPONSEFORMAT=csv", "RUNID=mine", "WHATEVER=1"]);
    let document = curl(&served, &job, &[]);
    for part in [
        "<uws:job ",
        "version=\"1.1\"",
        "<uws:phase>PENDING</uws:phase>",
        "<uws:runId>mine</uws:runId>",
        "<uws:ownerId xsi:nil=\"true\"/>",
        "<uws:quote xsi:nil=\"true\"/>",
        "<uws:startTime xsi:nil=\"true\"/>",
        "<uws:executionDuration>3600</uws:executionDuration>",
        "<uws:parameter id=\"WHATEVER\">1</uws:parameter>",
        "SELECT TOP 5 source_id",
    ] {
        assert!(document.contains(part), "{part} is not in\n{document}");
    }
    assert!(curl(&served, &format!("{job}/results/result"), &[]).contains("404"));
    assert!(curl(&served, &format!("{job}/error"), &[]).contains("404"));
    for (path, form) in [
        ("/executionduration", "EXECUTIONDURATION=77"),
        ("/destruction", "DESTRUCTION=2020-01-01T00:00:00Z"),
        ("/destruction", "DESTRUCTION=2999-01-01"),
        ("/parameters", "MAXREC=3"),
        ("", "RUNID=yours"),
    ] {
        let answer = curl(&served, &format!("{job}{path}"), &["-d", form]);
        assert!(answer.ends_with(&format!("303 {job}")), "{path} {form}: {answer}");
    }
    assert_eq!(curl(&served, &format!("{job}/executionduration"), &[]), "77\n200 ");
    assert!(!curl(&served, &format!("{job}/destruction"), &[]).starts_with("2999"), "a week at most");
    for (path, form) in [
        ("/phase", "PHASE=SLEEP"),
        ("/executionduration", "EXECUTIONDURATION=-1"),
        ("/destruction", "DESTRUCTION=soon"),
        ("/parameters", "MAXREC=lots"),
        ("/parameters", "RESPONSEFORMAT=sketch"),
        ("/phase", "WRONG=RUN"),
    ] {
        let answer = curl(&served, &format!("{job}{path}"), &["-d", form]);
        assert!(answer.contains("400") && answer.contains("VOTABLE"), "{path} {form}: {answer}");
    }
    assert!(curl(&served, &format!("{job}/phase"), &["-d", "PHASE=RUN"]).ends_with(&format!("303 {job}")));
    let document = ended(&served, &job);
    assert!(
        document.contains("<uws:phase>COMPLETED") && document.contains("mime-type=\"text/csv;header=present\""),
        "{document}"
    );
    let result = curl(&served, &format!("{job}/results/result"), &[]);
    assert!(result.starts_with("source_id\r\n") && result.lines().count() == 6, "three rows: {result}");
    assert!(curl(&served, &format!("{job}/results/result"), &["-r", "0-8"]).starts_with("source_id\n206"));
    for again in [("/phase", "PHASE=RUN"), ("/parameters", "MAXREC=9")] {
        assert!(curl(&served, &format!("{job}{}", again.0), &["-d", again.1]).contains("403"), "it has run");
    }
    let folder = served.site.path().join("jobs").join(job.rsplit('/').next().unwrap());
    assert!(folder.join("result.csv").is_file());
    let deleted = curl(&served, &job, &["-X", "DELETE"]);
    assert!(deleted.ends_with(&format!("303 {}/tap/async", served.base_url)), "{deleted}");
    assert!(curl(&served, &job, &[]).contains("404") && !folder.exists());
    let list = curl(&served, "/tap/async", &[]);
    assert!(list.contains("<uws:jobs ") && !list.contains("jobref"), "{list}");
}

#[test]
fn a_job_that_fails_says_why() {
    let served = Served::start();
    for (query, words) in [
        ("QUERY=SELECT nothing FROM gaia.completesource", "nothing"),
        ("QUERY=SELECT 'unclosed FROM gaia.completesource", "line 1"),
        ("MAXREC=1", "QUERY is missing"),
        ("QUERY=SELECT source_id * 1000000000000 AS x FROM gaia.completesource", "out of the range"),
    ] {
        let job = make(&served, &[query, "PHASE=RUN", "RESPONSEFORMAT=csv"]);
        let document = ended(&served, &job);
        assert!(document.contains("<uws:phase>ERROR") && document.contains("type=\"fatal\""), "{query}: {document}");
        let error = curl(&served, &format!("{job}/error"), &[]);
        assert!(
            error.contains(words) && error.contains("<VOTABLE") && error.contains("QUERY_STATUS"),
            "{query}: {error}"
        );
    }
    assert!(curl(&served, "/tap/async/none-such/phase", &[]).contains("404"));
    assert!(curl(&served, "/tap/async", &["-d", "MAXREC=-1"]).contains("400"));
    assert!(curl(&served, "/tap/async?PHASE=RUNNING", &[]).contains("400"));
}

#[test]
fn an_ended_job_frees_its_nodes_and_a_slow_one_meets_its_time() {
    let served = Served::start();
    let lock = Locked::new(&served.site, "n2", SOURCES, 60);
    let (ended_by_owner, deleted, slow) = (
        make(&served, &["QUERY=SELECT COUNT(*) AS n FROM gaia.completesource", "PHASE=RUN"]),
        make(&served, &["QUERY=SELECT COUNT(*) AS n FROM gaia.completesource", "PHASE=RUN"]),
        make(&served, &["QUERY=SELECT COUNT(*) AS n FROM gaia.completesource", "PHASE=RUN", "EXECUTIONDURATION=2"]),
    );
    let at_work = || statements(&served.site, "n2");
    let reach = |count: &str| {
        let begun = Instant::now();
        while at_work() != count {
            assert!(begun.elapsed() < Duration::from_secs(10), "{} statements instead of {count}", at_work());
            std::thread::sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    };
    reach("2");
    assert_eq!([&ended_by_owner, &deleted, &slow].map(|job| phase(&served, job)), ["EXECUTING", "EXECUTING", "QUEUED"]);
    let begun = Instant::now();
    let waiting = curl(&served, &format!("{slow}?WAIT=1&PHASE=QUEUED"), &[]);
    assert!(waiting.contains("QUEUED") && begun.elapsed() >= Duration::from_secs(1));
    let begun = Instant::now();
    curl(&served, &format!("{slow}?WAIT=30&PHASE=PENDING"), &[]);
    assert!(begun.elapsed() < Duration::from_secs(5), "it is in another phase, so that there is nothing to wait for");
    assert!(curl(&served, &format!("{ended_by_owner}/phase"), &["-d", "PHASE=ABORT"]).contains("303"));
    assert_eq!(phase(&served, &ended_by_owner), "ABORTED");
    assert!(curl(&served, &deleted, &["-d", "ACTION=DELETE"]).contains("303"));
    let freed = reach("1");
    assert!(freed < Duration::from_secs(3), "{freed:?}");
    let document = ended(&served, &slow);
    assert!(document.contains("ABORTED") && document.contains("timeout: the job was ended after 2 s"), "{document}");
    reach("0");
    lock.open();
}

#[test]
fn jobs_outlive_their_server() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "300", "--transits", "300"]);
    let site = TestSite::with_files(2, files.path());
    site.spolia(&["up"]).ok();
    let first = Doors::of(&site, &[]);
    let done = make(&first, &[SMALL, "PHASE=RUN"]);
    assert!(ended(&first, &done).contains("COMPLETED"));
    let lock = Locked::new(&site, "n2", SOURCES, 60);
    let count = ["QUERY=SELECT COUNT(*) AS n FROM gaia.completesource", "PHASE=RUN", "RESPONSEFORMAT=csv"];
    let (interrupted, pending) = (make(&first, &count), make(&first, &count[..1]));
    while phase(&first, &interrupted) != "EXECUTING" {
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill();
    lock.open();
    let second = Doors::of(&site, &[]);
    let path = |job: &str| format!("/tap/async/{}", job.rsplit('/').next().unwrap());
    assert!(ended(&second, &path(&interrupted)).contains("COMPLETED"));
    assert!(curl(&second, &format!("{}/results/result", path(&interrupted)), &[]).contains("300"));
    assert!(curl(&second, &format!("{}/results/result", path(&done)), &[]).contains("TABLEDATA"));
    assert_eq!(phase(&second, &path(&pending)), "PENDING");
    // The end of a job's time, and of a server that is asked to stop.
    let gone = path(&done);
    assert!(curl(&second, &format!("{gone}/destruction"), &["-d", "DESTRUCTION=2020-01-01"]).contains("303"));
    let folder = site.path().join("jobs").join(gone.rsplit('/').next().unwrap());
    let begun = Instant::now();
    while !curl(&second, &gone, &[]).contains("404") || folder.exists() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
    let lock = Locked::new(&site, "n2", SOURCES, 60);
    let given_back = path(&make(&second, &count));
    while phase(&second, &given_back) != "EXECUTING" {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(second);
    lock.open();
    let third = Doors::of(&site, &[]);
    let begun = Instant::now();
    assert!(ended(&third, &given_back).contains("COMPLETED"));
    assert!(begun.elapsed() < Duration::from_secs(8), "it was given back, so that nobody waits for its claim to end");
}

#[test]
fn jobs_have_owners_and_owners_have_quotas() {
    let served = Served::with(
        &["--layout", "mixed", "--sources", "100", "--transits", "100"],
        &[("SPOLIA__SERVER__JOBS_ACTIVE", "3"), ("SPOLIA__SERVER__JOBS_KEPT", "4")],
    );
    let token = |name: &str| {
        let secret = served.site.spolia(&["token", "add", name, "--group", "dpct"]).ok();
        format!("Authorization: Bearer {}", secret.trim())
    };
    let (ada, bob) = (token("ada"), token("bob"));
    let as_ada = |path: &str, options: &[&str]| curl(&served, path, &[&["-H", ada.as_str()], options].concat());
    let made = as_ada("/tap/async", &["--data-urlencode", SMALL]);
    let job = made.rsplit_once("303 ").unwrap_or_else(|| panic!("{made}")).1;
    assert!(as_ada(job, &[]).contains("<uws:ownerId>ada</uws:ownerId>"));
    assert_eq!(as_ada(&format!("{job}/owner"), &[]), "ada\n200 ");
    assert!(as_ada(job, &["-D", "-"]).contains("x-vo-authenticated: ada"));
    // To others it is as if it were not there, whatever they ask of it.
    let other = format!("{}{}", &job[..job.len() - 8], "00000000");
    let id = |job: &str| job.rsplit('/').next().unwrap().to_owned();
    for (place, who) in ["", "/phase", "/results/result", "/error", "/parameters"]
        .iter()
        .flat_map(|place| [(place, Some(&bob)), (place, None)])
    {
        let asked = |job: &str| {
            let header = who.map_or(Vec::new(), |who| vec!["-H", who]);
            curl(&served, &format!("{job}{place}"), &header)
        };
        let (not_theirs, not_there) = (asked(job), asked(&other));
        assert!(not_theirs.contains("404"), "{place}: {not_theirs}");
        assert_eq!(not_theirs.replace(&id(job), ""), not_there.replace(&id(&other), ""), "{place}");
    }
    let nobody = curl(&served, "/tap/tables/mine", &["-D", "-", "-X", "PUT", "--data-binary", "id"]);
    assert!(
        nobody.contains("401")
            && nobody.contains("www-authenticate: Bearer")
            && nobody.contains("www-authenticate: Basic"),
        "{nobody}"
    );
    assert!(curl(&served, &format!("{job}/phase"), &["-d", "PHASE=RUN"]).contains("404"));
    assert!(as_ada("/tap/async", &[]).contains("jobref"));
    assert!(as_ada("/tap/async?PHASE=COMPLETED", &[]).matches("jobref").count() == 0);
    assert!(as_ada("/tap/async?AFTER=2999-01-01", &[]).matches("jobref").count() == 0);
    assert!(as_ada("/tap/async?LAST=1&PHASE=PENDING&PHASE=QUEUED", &[]).contains("jobref"));
    for _ in 0..2 {
        assert!(as_ada("/tap/async", &["--data-urlencode", SMALL]).contains("303"));
    }
    let over = as_ada("/tap/async", &["--data-urlencode", SMALL]);
    assert!(over.contains("403") && over.contains("ada may have 3 jobs waiting or at work"), "{over}");
    for _ in 0..4 {
        let job = make(&served, &[SMALL, "PHASE=RUN"]);
        assert!(ended(&served, &job).contains("COMPLETED"));
    }
    let over = curl(&served, "/tap/async", &["--data-urlencode", SMALL]);
    assert!(over.contains("403") && over.contains("anonymous may have 4 jobs"), "{over}");
    served.site.spolia(&["token", "revoke", "ada"]).ok();
    assert!(as_ada("/tap/async", &[]).contains("401"), "a revoked token opens nothing");
    assert_eq!(served.site.spolia(&["token", "list"]).ok(), "bob  dpct\n");
}

#[test]
fn collections_have_rules_at_every_door() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "100", "--transits", "100"]);
    let site = TestSite::with_files(2, files.path());
    let rules = "\n[access.gaia]\nquery = [\"dpct\", \"guests\"]\ncut = [\"dpct\"]\nfile = []\n";
    let settings = site.path().join("spolia.toml");
    std::fs::write(&settings, std::fs::read_to_string(&settings).unwrap() + rules).unwrap();
    let doors = Doors::of(&site, &[]);
    let token = |name: &str, group: &str| {
        let secret = site.spolia(&["token", "add", name, "--group", group]).ok();
        format!("Authorization: Bearer {}", secret.trim())
    };
    let (nobody, guest, member) = ("X-Nothing: 1".to_owned(), token("guest", "guests"), token("member", "dpct"));
    let sync = |who: &str, adql: &str| {
        let query = format!("QUERY={adql}");
        curl(
            &doors,
            "/tap/sync",
            &["-H", who, "-d", "LANG=ADQL", "-d", "RESPONSEFORMAT=csv", "--data-urlencode", &query],
        )
    };
    let count = "SELECT COUNT(*) AS n FROM gaia.completesource";
    let tables = "SELECT COUNT(*) AS n FROM tap_schema.tables WHERE schema_name = 'gaia'";
    assert!(sync(&nobody, count).contains("401") && sync(&nobody, count).contains("say who you are"));
    assert!(sync(&nobody, tables).starts_with("n\r\n0\r\n"), "what may not be queried is not there");
    assert!(sync(&guest, count).contains("\n100") && sync(&member, count).contains("\n100"));
    assert!(!curl(&doors, "/tap/tables", &[]).contains("completesource"));
    assert!(curl(&doors, "/tap/tables", &["-H", &guest]).contains("completesource"));
    let job = |who: &str| {
        let made =
            curl(&doors, "/tap/async", &["-H", who, "-d", "PHASE=RUN", "--data-urlencode", &format!("QUERY={count}")]);
        let job = made.rsplit_once("303 ").unwrap_or_else(|| panic!("{made}")).1.to_owned();
        let begun = Instant::now();
        loop {
            // Each phase that it comes to ends the waiting.
            curl(&doors, &format!("{job}?WAIT=20"), &["-H", who]);
            let phase = curl(&doors, &format!("{job}/phase"), &["-H", who]);
            if !phase.starts_with("QUEUED") && !phase.starts_with("EXECUTING") {
                break phase;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{phase}");
        }
    };
    assert!(job(&nobody).starts_with("ERROR") && job(&guest).starts_with("COMPLETED"));
    let links = sync(&member, "SELECT TOP 1 access_url FROM gaia.completesource");
    let link = links.lines().nth(1).unwrap();
    let cut = format!("/datalink/gaiamerger?{}", link.split_once('?').unwrap().1);
    let file =
        |who: &str| curl(&doors, "/api/files?name=CompleteSource_130097_0000.h5", &["-H", who, "-o", "/dev/null"]);
    for (who, cut_status, has_links) in [(&nobody, "401", false), (&guest, "403", true), (&member, "200", true)] {
        let status = curl(&doors, &cut, &["-H", who, "-o", "/dev/null"]);
        assert!(status.contains(cut_status), "{who}: {status}");
        let table = curl(&doors, link, &["-H", who]);
        assert_eq!(!table.contains("NotFoundFault"), has_links, "{who}: {table}");
        assert!(file(who).contains("404"), "nobody may take files");
    }
    assert!(site.spolia(&["query", count]).ok().contains("100"), "whoever has the site may do everything");
}
