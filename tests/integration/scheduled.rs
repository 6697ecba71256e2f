//! Cuts as jobs of a scheduler: processes of this machine, and MPI ranks. What was killed goes on from what was done, and the file is the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::served::Served;
use crate::site::{Run, TestSite, make_gaia, program, run};

/// All sources with their transits.
pub const ALL: [&str; 3] = ["--adql", "SELECT source_id FROM gaia.completesource", "--with-transits"];

/// A site with some objects in some files.
fn site(sources: &str, transits: &str) -> TestSite {
    let options = ["--layout", "mixed", "--sources", sources, "--transits", transits, "--sources-per-file", "50"];
    TestSite::with_files(2, make_gaia(&options).path())
}

/// Makes a job that no scheduler takes; returns the folder with its order.
pub fn order(site: &TestSite, options: &[&str]) -> PathBuf {
    let mut submit = site.command(&["jobs", "submit", "cut", "--scheduler", "local"]);
    let job = run(submit.args(options).env("SPOLIA__JOBS__MOST", "0")).ok();
    site.path().join("jobs").join(job.trim())
}

/// Works alone on an order.
pub fn alone(folder: &Path) -> Command {
    let mut command = Command::new(program("spolia"));
    command.arg("work").arg(folder).arg("1");
    command
}

/// Works on an order by so many ranks; nothing where there is no `mpirun`.
pub fn ranks(folder: &Path, ranks: u32) -> Option<Command> {
    if !Path::new("/usr/bin/mpirun").exists() {
        println!("skipped: Open MPI is not installed (openmpi-bin)");
        return None;
    }
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks.to_string()]);
    command.arg(program("spolia-worker")).arg(folder).arg("--threads=1");
    Some(command)
}

/// The programs of an order's ranks.
pub fn workers(folder: &Path) -> Vec<Pid> {
    let listed = run(Command::new("ps").args(["-eo", "pid=,stat=,args="])).ok();
    let own = folder.display().to_string();
    let is_worker = |line: &&str| line.contains(&own) && line.contains("spolia-worker ") && !line.contains("mpirun");
    let pid = |line: &str| Pid::from_raw(line.split_whitespace().next()?.parse().ok()?);
    listed.lines().filter(is_worker).filter_map(pid).collect()
}

/// Each share of the ledger was done once; returns the number of attempts.
#[track_caller]
pub fn done_once(folder: &Path) -> u64 {
    let ledger = std::fs::read_to_string(folder.join("ledger.jsonl")).unwrap();
    let lines = ledger.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut seen, mut attempts) = (BTreeSet::new(), 0);
    for line in lines {
        attempts = line["attempt"]["number"].as_u64().unwrap_or(attempts);
        let share = &line["share"]["share"];
        if share.is_object() {
            let key = (share["stage"].to_string(), share["number"].as_u64().unwrap());
            assert!(seen.insert(key.clone()), "{key:?} was done twice");
        }
    }
    attempts
}

fn same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).unwrap() == std::fs::read(other).unwrap()
}

/// What one process makes of it.
fn cut(site: &TestSite, options: &[&str]) -> PathBuf {
    let path = site.path().join(format!("cut-{}.h5", std::fs::read_dir(site.path()).unwrap().count()));
    run(site.command(&["cut"]).args(options).arg("-o").arg(&path)).ok();
    path
}

/// Jobs as `spolia jobs list` has them.
fn listed(site: &TestSite) -> Vec<Value> {
    let listed = site.spolia(&["jobs", "list", "--all", "--json", "--last", "1000"]).ok();
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_job_of_this_machine_is_submitted_watched_and_accounted_for() {
    let site = site("400", "2000");
    let (one, two) = (cut(&site, &ALL), site.path().join("two.h5"));
    let submitted = run(site
        .command(&["jobs", "submit", "cut", "--scheduler", "local", "--name", "mine", "--owner", "ada", "--wait", "-o"])
        .arg(&two)
        .args(ALL));
    let job = submitted.ok().trim().to_owned();
    assert!(same(&one, &two));
    assert!(site.spolia(&["jobs", "list", "--owner", "bob"]).ok().is_empty());
    let list = site.spolia(&["jobs", "list", "--owner", "ada", "--phase", "COMPLETED"]).ok();
    assert!(list.contains(&job) && list.contains("mine") && list.contains("100%"), "{list}");
    let shown = site.spolia(&["jobs", "show", &job[..8]]).ok();
    assert!(shown.contains("COMPLETED") && shown.contains("exit status 0") && shown.contains("merged.h5"), "{shown}");
    let shown: Value = serde_json::from_str(&site.spolia(&["jobs", "show", &job, "--json"]).ok()).unwrap();
    assert_eq!((shown["results"][0]["notes"]["epoch"].as_str(), shown["part"].as_f64()), (Some("1"), Some(1.0)));
    assert!(site.spolia(&["jobs", "logs", &job]).ok().contains("rank 0: INFO begins"));
    let report = site.spolia(&["jobs", "report", &job]).ok();
    assert!(report.contains("fill") && report.contains("hash") && report.contains("1 attempts"), "{report}");
    let report: Value = serde_json::from_str(&site.spolia(&["jobs", "report", &job, "--json"]).ok()).unwrap();
    assert_eq!(report["report"]["bytes_written"].as_u64(), Some(one.metadata().unwrap().len()));
    let page = site.path().join("report.html");
    run(site.command(&["jobs", "report", &job, "--html"]).arg(&page)).ok();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<rect class=\"fill\"") && page.contains("<title>Job ") && !page.contains("<script"));

    // By the cut's own command; ids, and what is taken of objects.
    let ids = site.rows("SELECT TOP 20 source_id FROM gaia.completesource ORDER BY source_id");
    let list = site.path().join("ids.txt");
    std::fs::write(&list, ids.concat().join("\n")).unwrap();
    let list = format!("@{}", list.display());
    for options in [
        &["--ids", &list, "--with-transits", "--compress"][..],
        &["--ids", &list, "--packed", "--fields", "alpha,delta"],
    ] {
        let three = site.path().join("three.h5");
        run(site.command(&["cut", "--scheduler", "local", "-o"]).arg(&three).args(options)).ok();
        assert!(same(&cut(&site, options), &three), "{options:?}");
    }

    // What would be submitted, and what is not.
    let slurm = [
        "jobs",
        "submit",
        "cut",
        "--scheduler",
        "slurm",
        "--ntasks",
        "4",
        "--time",
        "1:30:00",
        "--mem",
        "2G",
        "--dry-run",
    ];
    let script = run(site.command(&slurm).args(ALL)).ok();
    assert!(
        script.starts_with("# sbatch --parsable --export=NONE") && script.contains("--time=90 --mem=2048M --ntasks=4"),
        "{script}"
    );
    let refused = |options: &[&str], words: &str| {
        let said = run(site.command(&["jobs", "submit", "cut", "--scheduler", "local"]).args(options)).refused();
        assert!(said.contains(words), "{said}");
    };
    refused(&["--adql", "SELECT nothing FROM gaia.completesource"], "nothing");
    refused(&["--ids", "1"], "no source with id 1");
    refused(&["--ids", "1", "--partition=-w"], "is no name");
    refused(&["--ids", "1", "--dependency", "afterany:1"], "afterok");
    refused(&["--ids", "1", "--dependency", "afterok:none"], "there is no job none");
    refused(&[], "--ids, --adql or --array");
    let nobody = run(site.command(&["jobs", "submit", "cut"]).args(ALL)).refused();
    assert!(nobody.contains("name a scheduler"), "{nobody}");
    // Three jobs have been made so far, and no refused one.
    assert_eq!(listed(&site).len(), 3);
}

#[test]
fn jobs_wait_for_others_are_ended_and_tried_again() {
    let site = site("400", "2000");
    let ok = |options: &[&str]| site.spolia(options).ok().trim().to_owned();
    let phase = |job: &str| listed(&site).iter().find(|listed| listed["job"] == *job).unwrap()["phase"].clone();
    // Nobody takes it, so that it can be ended before it begins.
    let folder = order(&site, &ALL);
    let job = folder.file_name().unwrap().to_str().unwrap().to_owned();
    run(site.command(&["jobs", "cancel", &job]).env("SPOLIA__JOBS__MOST", "0")).ok();
    assert_eq!(phase(&job), "ABORTED");
    assert!(site.spolia(&["jobs", "wait", &job]).refused().contains("is ABORTED"));
    assert!(site.spolia(&["jobs", "report", &job]).refused().contains("nothing has been done"));
    let again = ok(&["jobs", "retry", &job, "--wait"]);
    assert!(!folder.exists() && phase(&again) == "COMPLETED" && phase(&job) == "ABORTED");
    assert!(site.spolia(&["jobs", "retry", &again]).refused().contains("is COMPLETED"));

    // One that follows another begins when that has completed, and never where it cannot.
    let first = order(&site, &ALL);
    let first = first.file_name().unwrap().to_str().unwrap().to_owned();
    let submit = ["jobs", "submit", "cut", "--scheduler", "local", "--dependency"];
    let mut second = site.command(&submit);
    second.arg(format!("afterok:{first}")).args(ALL).env("SPOLIA__JOBS__MOST", "0");
    let second = run(&mut second).ok().trim().to_owned();
    ok(&["jobs", "wait", &first, &second]);
    let begun = |job: &str| listed(&site).iter().find(|listed| listed["job"] == *job).unwrap()["started"].to_string();
    assert!(begun(&first) < begun(&second));
    let after = format!("afterok:{job}");
    let never = run(site.command(&submit).arg(&after).args(ALL)).refused();
    assert!(never.contains("has ended as ABORTED"), "{never}");

    // A job for each query.
    let queries = site.path().join("queries.txt");
    let query = |sign: &str| format!("SELECT source_id FROM gaia.completesource WHERE alpha {sign} 3\n");
    std::fs::write(&queries, query("<") + "\n" + &query(">")).unwrap();
    let made = run(site
        .command(&["jobs", "submit", "cut", "--scheduler", "local", "--name", "both", "--array"])
        .arg(&queries))
    .ok();
    let made: Vec<&str> = made.lines().collect();
    ok(&["jobs", "wait", made[0], made[1]]);
    let names: Vec<String> = listed(&site).iter().map(|job| job["name"].as_str().unwrap_or("-").to_owned()).collect();
    assert!(names.contains(&"both.1".to_owned()) && names.contains(&"both.2".to_owned()), "{names:?}");
}

/// Waits for a moment that nobody foresees, or for the end; returns whether it is still at work.
pub fn at_some_time(child: &mut Child, random: &mut StdRng, ms: std::ops::Range<u64>) -> bool {
    let until = Instant::now() + Duration::from_millis(random.random_range(ms));
    while Instant::now() < until {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.try_wait().unwrap().is_none()
}

#[test]
fn work_that_is_killed_goes_on() {
    let site = site("2000", "10000");
    for options in [&ALL[..], &[ALL[0], ALL[1], ALL[2], "--compress=1"], &[ALL[0], ALL[1], ALL[2], "--packed"]] {
        let (one, folder) = (cut(&site, options), order(&site, options));
        let mut random = StdRng::seed_from_u64(7);
        let mut killed = 0;
        for round in 0.. {
            let mut child = alone(&folder).stderr(Stdio::null()).spawn().unwrap();
            // In the end it is left in peace.
            if round < 12 && at_some_time(&mut child, &mut random, 0..250) {
                // By turns as somebody would who wants it to end, and by force.
                let signal = if round % 3 == 0 { Signal::TERM } else { Signal::KILL };
                kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
                killed += 1;
            }
            let status = child.wait().unwrap();
            if status.success() {
                break;
            }
            assert!(!folder.join("merged.h5").exists(), "half a file is visible");
            assert!(round < 12, "{status}");
        }
        assert!(same(&one, &folder.join("merged.h5")), "{options:?}");
        println!("killed {killed} times, {} attempts", done_once(&folder));
        let parts = ["merged.part", "columns.part", "chunks.part"].map(|name| folder.join(name).exists());
        assert_eq!(parts, [false; 3]);
    }
}

#[test]
fn ranks_make_the_same_file_however_many_they_are() {
    let site = site("2000", "10000");
    for options in
        [&ALL[..], &[ALL[0], ALL[1], ALL[2], "--compress=1"], &[ALL[0], ALL[1], ALL[2], "--packed", "--compress=1"]]
    {
        let one = cut(&site, options);
        for count in [1, 2, 4] {
            let folder = order(&site, options);
            let Some(mut command) = ranks(&folder, count) else { return };
            let Run { success, stderr, .. } = run(&mut command);
            assert!(success, "{stderr}");
            assert!(same(&one, &folder.join("merged.h5")), "{options:?} by {count}");
            assert_eq!(done_once(&folder), 1);
        }
    }
    // A rank that is lost ends the others, and what they had done stays done.
    let (one, mut random, mut killed) = (cut(&site, &ALL), StdRng::seed_from_u64(11), 0);
    let mut folder = order(&site, &ALL);
    for round in 0..24 {
        let mut command = ranks(&folder, 1 + round % 4).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if at_some_time(&mut child, &mut random, 300..700) {
            let pids = workers(&folder);
            if let Some(pid) = pids.get(random.random_range(0..pids.len().max(1))) {
                let _ = kill_process(*pid, if round % 3 == 0 { Signal::TERM } else { Signal::KILL });
            }
        }
        if !child.wait().unwrap().success() {
            killed += 1;
            continue;
        }
        assert!(same(&one, &folder.join("merged.h5")));
        println!("{} attempts", done_once(&folder));
        if killed > 3 {
            break;
        }
        folder = order(&site, &ALL);
    }
    run(&mut ranks(&folder, 2).unwrap());
    // Nobody works on it twice at a time, and what is whole stays whole.
    let mut again = ranks(&folder, 2).unwrap();
    assert!(run(&mut again).success && same(&one, &folder.join("merged.h5")));
}

#[test]
fn what_takes_too_long_is_ended_and_what_nobody_wants_is_forgotten() {
    let site = site("2000", "10000");
    let sql = |sql: &str| site.psql("n1", "postgres", sql).ok().trim().to_owned();
    // Its process stands still, and its time is over.
    let job = run(site.command(&["jobs", "submit", "cut", "--scheduler", "local"]).args(ALL)).ok().trim().to_owned();
    let folder = site.path().join("jobs").join(&job);
    let begun = Instant::now();
    let pid = loop {
        let listed = run(Command::new("ps").args(["-eo", "pid=,args="])).ok();
        let own = listed.lines().find(|line| line.contains("work ") && line.contains(folder.to_str().unwrap()));
        match own.and_then(|line| Pid::from_raw(line.split_whitespace().next()?.parse().ok()?)) {
            Some(pid) => break pid,
            None => assert!(begun.elapsed() < Duration::from_secs(5), "it is not at work"),
        }
    };
    kill_process(pid, Signal::STOP).unwrap();
    let phase = || listed(&site)[0]["phase"].as_str().unwrap().to_owned();
    assert_eq!(phase(), "EXECUTING");
    sql(&format!("UPDATE spolia.job SET execution_duration_s = 0 WHERE job_id = '{job}'"));
    assert_eq!(phase(), "EXECUTING");
    kill_process(pid, Signal::CONT).unwrap();
    let said = site.spolia(&["jobs", "wait", &job]).refused();
    assert!(said.contains("is ABORTED: timeout"), "{said}");

    // One that was about to be handed over when it was ended.
    let folder = order(&site, &ALL);
    let job = folder.file_name().unwrap().to_str().unwrap();
    let attempt = "INSERT INTO spolia.job_attempt (job_id, number, scheduler, state) VALUES";
    sql(&format!("{attempt} ('{job}', 1, 'local', 'PENDING'), ('of-nobody', 1, 'local', 'PENDING')"));
    run(site.command(&["jobs", "cancel", job]).env("SPOLIA__JOBS__MOST", "0")).ok();
    let states = sql("SELECT state, ended IS NOT NULL FROM spolia.job_attempt WHERE external_id IS NULL");
    assert_eq!(states.lines().collect::<Vec<_>>(), ["GONE,t", "GONE,t"]);
}

#[test]
fn what_cannot_be_worked_on_is_told() {
    let site = site("60", "300");
    let folder = order(&site, &ALL);
    let failed = |words: &str| {
        let said = run(&mut alone(&folder)).refused();
        assert!(said.contains(words), "{said}");
        let failure = std::fs::read_to_string(folder.join("failure.json")).unwrap();
        assert!(failure.contains(words), "{failure}");
        assert_eq!(std::fs::read_to_string(folder.join("attempt-1.exit")).unwrap(), "1\n");
    };
    let order = std::fs::read_to_string(folder.join("order.json")).unwrap();
    std::fs::write(folder.join("order.json"), order.replace("\"version\":2", "\"version\":9")).unwrap();
    failed("of version 9");
    std::fs::write(folder.join("order.json"), &order).unwrap();
    let plan = std::fs::read_to_string(folder.join("plan.json")).unwrap();
    std::fs::write(folder.join("plan.json"), &plan[..plan.len() / 2]).unwrap();
    failed("plan.json");
    std::fs::write(folder.join("plan.json"), &plan).unwrap();
    let objects = site.path().join("objects");
    std::fs::rename(&objects, site.path().join("elsewhere")).unwrap();
    failed("No such file");
    std::fs::remove_dir_all(&objects).unwrap();
    std::fs::rename(site.path().join("elsewhere"), &objects).unwrap();
    run(&mut alone(&folder)).ok();
    assert!(!folder.join("failure.json").exists() && folder.join("merged.h5").exists());
}

#[test]
fn hostile_names_and_files_do_nothing() {
    let site = site("60", "300");
    let canary = site.path().join("canary");
    let touch = format!("touch {}", canary.display());
    let mut random = StdRng::seed_from_u64(5);
    let pieces = [
        "$(X)",
        "`X`",
        ";X;",
        "|X",
        "&&X",
        "\nX\n",
        "--wrap=X",
        "-",
        "'",
        "\"",
        "\\",
        "%j",
        "#SBATCH --wrap=X",
        "../../..",
        "\t",
        "é",
        "*",
        "~",
        "<X",
        ">Y",
        "$IFS",
        "!!",
    ];
    let hostile: Vec<String> = (0..170)
        .map(|_| {
            let name: String =
                (0..random.random_range(1..5)).map(|_| pieces[random.random_range(0..pieces.len())]).collect();
            name.replace('X', &touch).replace('Y', &canary.display().to_string())
        })
        .collect();
    let ids = site.rows("SELECT TOP 1 source_id FROM gaia.completesource");
    let (id, mut made) = (format!("--ids={}", ids[0][0]), 0);
    for name in &hostile {
        // As a name: a job is made, or it is said why not, and its script is the one of all jobs.
        let submit = |options: &[&str]| {
            run(site
                .command(&["jobs", "submit", "cut", &id])
                .arg(format!("--name={name}"))
                .args(options)
                .env("SPOLIA__JOBS__MOST", "0"))
        };
        let script = submit(&["--scheduler", "slurm", "--dry-run"]).ok();
        let command = script.lines().next().unwrap();
        let own = command.split(' ').find_map(|word| word.strip_prefix("--job-name=spolia-")).unwrap();
        assert!(own.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{command}");
        assert_eq!(command.split(' ').count(), 13, "{command}");
        made += u32::from(submit(&["--scheduler", "local"]).success);
        // As a file of ids, and as a partition.
        let file = site.path().join(name.replace(['/', '\0'], "_"));
        let path = format!("@{}", file.display());
        let _ = site.spolia(&["jobs", "submit", "cut", "--scheduler", "local", "--dry-run", "--ids", &path]);
        run(site
            .command(&["jobs", "submit", "cut", "--scheduler", "slurm", "--dry-run"])
            .arg(format!("--partition={name}"))
            .args(ALL))
        .refused();
    }
    assert!(!canary.exists());
    assert_eq!(listed(&site).len() as u32, made);
    site.spolia(&["jobs", "list", "--all"]).ok();
    assert!(!canary.exists());
}

#[test]
fn a_large_cut_from_a_door_is_handed_over_and_a_small_one_is_not() {
    let options = ["--layout", "mixed", "--sources", "400", "--transits", "2000"];
    let settings =
        [("SPOLIA__JOBS__SCHEDULER", "local"), ("SPOLIA__JOBS__OBJECTS", "100"), ("SPOLIA__JOBS__POLL_S", "1")];
    let served = Served::with(&options, &settings);
    let curl = |options: &[&str], url: &str| {
        run(Command::new("curl").args(["-s", "-S", "--max-time", "60"]).args(options).arg(url)).ok()
    };
    let list = format!("{}/datalink/gaiamerger/async", served.base_url);
    let made = |query: &str, more: &[&str]| {
        let query = format!("QUERY={query}");
        let options = [&["-o", "/dev/null", "-w", "%{redirect_url}", "--data-urlencode", &query], more].concat();
        curl(&options, &list)
    };
    let ended = |job: &str| {
        let begun = Instant::now();
        loop {
            let document = curl(&[], &format!("{job}?WAIT=5"));
            if ["COMPLETED", "ERROR", "ABORTED"].iter().any(|phase| document.contains(&format!("<uws:phase>{phase}"))) {
                return document;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{document}");
        }
    };
    let all = made(ALL[1], &["-d", "PHASE=RUN", "-d", "WITH_TRANSITS=true"]);
    let document = ended(&all);
    for part in
        ["<uws:phase>COMPLETED", "<scheduler>local</scheduler>", "<attempt>1</attempt>", "<progress>1.000</progress>"]
    {
        assert!(document.contains(part), "{document}");
    }
    // The same file as by any other way, whole and in ranges.
    let (one, two, part) =
        (cut(&served.site, &ALL), served.site.path().join("two.h5"), served.site.path().join("part"));
    let result = format!("{all}/results/merged");
    curl(&["-o", two.to_str().unwrap()], &result);
    assert!(same(&one, &two));
    curl(&["-r", "1000-1999", "-o", part.to_str().unwrap()], &result);
    assert_eq!(std::fs::read(part).unwrap(), std::fs::read(one).unwrap()[1000..2000]);
    // It is one of the jobs that the command line knows.
    let id = all.rsplit('/').next().unwrap();
    assert!(served.site.spolia(&["jobs", "show", id]).ok().contains("COMPLETED"));

    let small = made("SELECT TOP 5 source_id FROM gaia.completesource", &["-d", "PHASE=RUN"]);
    let document = ended(&small);
    assert!(document.contains("<uws:phase>COMPLETED") && !document.contains("<scheduler>"), "{document}");
    let wrong = made("SELECT nothing FROM gaia.completesource", &["-d", "PHASE=RUN"]);
    let document = ended(&wrong);
    assert!(document.contains("<uws:phase>ERROR") && document.contains("nothing"), "{document}");
    // One that waits is ended like any other; a deleted one is gone with its folder.
    let waits = made(ALL[1], &["-d", "WITH_TRANSITS=true"]);
    curl(&["-d", "PHASE=ABORT"], &format!("{waits}/phase"));
    assert!(ended(&waits).contains("<uws:phase>ABORTED"));
    curl(&["-X", "DELETE"], &all);
    assert!(!served.site.path().join("jobs").join(id).exists());
}
