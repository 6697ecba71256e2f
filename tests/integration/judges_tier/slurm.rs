//! SLURM on one machine: four nodes that run jobs, and nothing that stays behind; and Cut & Merge by ranks on them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::docs::the_commands_about_slurm_run;
use crate::ingest_jobs::{difference, list};
use crate::scheduled::{ALL, done_once};
use crate::site::{Run, TestSite, hdf5_files, make_gaia, open_folder, own_folder, run};

/// A cluster that ends with the test, and how slurmrestd is reached: its URL and the file with the token.
struct Cluster(TempDir, Option<(String, String)>);

fn script() -> PathBuf {
    own_folder().join("../slurm/one-machine")
}

fn is_installed() -> bool {
    let is_there = ["slurmctld", "slurmd", "munged"].iter().all(|daemon| Path::new("/usr/sbin").join(daemon).exists());
    if !is_there {
        println!("skipped: SLURM is not installed (slurm-wlm, munge)");
    }
    is_there
}

impl Cluster {
    /// Starts it; nothing where SLURM is not installed.
    fn start() -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = open_folder();
        let told = run(Command::new(script()).arg("up").arg(folder.path())).ok();
        assert!(told.contains(&format!("export SLURM_CONF={}", folder.path().join("slurm.conf").display())), "{told}");
        let said = |name: &str| told.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        let rest = said("SLURMRESTD_URL=").zip(said("SLURMRESTD_TOKEN="));
        Some(Self(folder, rest))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> Run {
        run(Command::new(program).args(arguments).env("SLURM_CONF", self.path().join("slurm.conf")))
    }

    /// Submits a script, waits for its end, and returns what became of it and what it said.
    fn job(&self, options: &[&str], commands: &str) -> (String, String) {
        let (script, out) = (self.path().join("job.sh"), self.path().join("job.out"));
        std::fs::write(&script, format!("#!/bin/bash\nexport PATH=/usr/bin:/bin SLURM_EXPORT_ENV=ALL\n{commands}\n"))
            .unwrap();
        let (script, output) = (script.display().to_string(), format!("--output={}", out.display()));
        let fixed = ["--export=NONE", "--parsable", "--wait", &output];
        let submitted = self.ask("sbatch", &[&fixed[..], options, &[&script]].concat());
        let told = self.ask("scontrol", &["--oneliner", "show", "job", submitted.stdout.trim()]).ok();
        let state = told.split("JobState=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        (state, std::fs::read_to_string(out).unwrap_or_default())
    }

    /// `spolia jobs` on a site, whose scheduler this is.
    fn jobs(&self, site: &TestSite, arguments: &[&str]) -> Command {
        let mut command = site.command(&["jobs"]);
        command
            .args(arguments)
            .env("SLURM_CONF", self.path().join("slurm.conf"))
            .env("SPOLIA__JOBS__SCHEDULER", "slurm");
        command
    }

    /// Makes a job of all sources with their transits; returns its id.
    fn submit(&self, site: &TestSite, options: &[&str]) -> String {
        let nodes = if options.iter().any(|option| option.starts_with("--nodes")) { None } else { Some("--nodes=4") };
        let mut submit = self.jobs(site, &["submit", "cut", "--ntasks=4"]);
        run(submit.args(ALL).args(nodes).args(options)).ok().trim().to_owned()
    }

    fn shown(&self, site: &TestSite, job: &str) -> Value {
        serde_json::from_str(&run(&mut self.jobs(site, &["show", job, "--json"])).ok()).unwrap()
    }

    /// Waits until a job is as it should be.
    #[track_caller]
    fn until(&self, site: &TestSite, job: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let shown = self.shown(site, job);
            if is(&shown) {
                return shown;
            }
            assert!(begun.elapsed() < Duration::from_secs(300), "{shown}\n{}", self.ask("squeue", &[]).stdout);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until a job has ended.
    #[track_caller]
    fn ended(&self, site: &TestSite, job: &str) -> Value {
        self.until(site, job, |shown| ["COMPLETED", "ERROR", "ABORTED"].contains(&shown["phase"].as_str().unwrap()))
    }

    /// The daemons that are there.
    fn daemons(&self) -> Vec<String> {
        let listed = run(Command::new("ps").args(["-eo", "stat=,args="])).ok();
        let own = self.path().display().to_string();
        listed.lines().filter(|line| line.contains(&own) && !line.starts_with('Z')).map(str::to_owned).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(script()).arg("down").arg(self.path()).status();
    }
}

#[test]
fn four_nodes_run_jobs_and_nothing_stays_behind() {
    let Some(cluster) = Cluster::start() else { return };
    assert!(!run(Command::new(script()).arg("up").arg(cluster.path())).success, "it runs already");
    let (state, said) = cluster.job(
        &["--nodes=4", "--ntasks=4"],
        "srun bash -c 'echo rank $SLURM_PROCID of $SLURM_NTASKS on $SLURMD_NODENAME'",
    );
    assert_eq!(state, "COMPLETED", "{said}");
    for rank in 0..4 {
        assert!(said.contains(&format!("rank {rank} of 4 on n{}", rank + 1)), "{said}");
    }
    assert_eq!(cluster.job(&[], "exit 3").0, "FAILED");
    let (state, said) =
        cluster.job(&["--mem=100"], "exec python3 -c 'import time; x = bytearray(500 << 20); time.sleep(30)'");
    assert!(state != "COMPLETED" && said.contains("Exceeded job memory limit"), "{state}: {said}");
    let refused = cluster.ask("sbatch", &["--partition=none", "--wrap=true"]).refused();
    assert!(refused.contains("invalid partition"), "{refused}");

    // What still runs ends with the cluster.
    cluster.ask("sbatch", &["--export=NONE", "--nodes=2", "--output=/dev/null", "--wrap=/bin/sleep 600"]).ok();
    assert!(!cluster.daemons().is_empty());
    run(Command::new(script()).arg("down").arg(cluster.path())).ok();
    assert_eq!(cluster.daemons(), Vec::<String>::new());
}

/// 48,000 sources and 152,000 transits of theirs, in 401 files.
fn large_site() -> TestSite {
    let options = ["--layout", "mixed", "--sources", "48000", "--transits", "153000", "--transits-per-file", "956"];
    TestSite::with_files(2, make_gaia(&options).path())
}

/// The ranks of a job that are at work.
fn ranks(site: &TestSite, job: &str) -> Vec<Pid> {
    let folder = site.path().join("jobs").join(job).display().to_string();
    let listed = run(Command::new("ps").args(["-eo", "pid=,stat=,args="])).ok();
    let is_rank = |line: &&str| {
        line.ends_with(&format!("spolia-worker {folder}")) && !line.contains("srun") && !line.contains(" Z ")
    };
    let pid = |line: &str| Pid::from_raw(line.split_whitespace().next()?.parse().ok()?);
    listed.lines().filter(is_rank).filter_map(pid).collect()
}

/// Waits until a job's ranks are at work.
#[track_caller]
fn at_work(site: &TestSite, job: &str, count: usize) -> Vec<Pid> {
    let begun = Instant::now();
    loop {
        let pids = ranks(site, job);
        if pids.len() >= count {
            return pids;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no ranks are at work on {job}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until all of a job's ranks have read its order.
#[track_caller]
fn begun(site: &TestSite, job: &str, count: usize) -> Vec<Pid> {
    let folder = site.path().join("jobs").join(job).join("log");
    let has_begun = |rank: usize| {
        let log = std::fs::read_to_string(folder.join(format!("rank-{rank:06}.log")));
        log.is_ok_and(|log| log.contains("begins"))
    };
    let begun = Instant::now();
    while !(0..count).all(has_begun) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no ranks have begun with {job}");
        std::thread::sleep(Duration::from_millis(2));
    }
    ranks(site, job)
}

/// Has ranks stand still.
fn stop(ranks: &[Pid]) {
    // One that has ended meanwhile cannot.
    ranks.iter().for_each(|pid| kill_process(*pid, Signal::STOP).unwrap_or_default());
}

fn one_process(site: &TestSite) -> Vec<u8> {
    let one = site.path().join("one.h5");
    run(site.command(&["cut", "-o"]).arg(&one).args(ALL)).ok();
    std::fs::read(one).unwrap()
}

fn merged(site: &TestSite, job: &str) -> Vec<u8> {
    std::fs::read(site.path().join("jobs").join(job).join("merged.h5")).unwrap()
}

#[test]
fn the_page_about_clusters_is_true() {
    if is_installed() {
        the_commands_about_slurm_run();
    }
}

#[test]
fn ranks_on_four_nodes_cut_two_hundred_thousand_objects() {
    let Some(cluster) = Cluster::start() else { return };
    let site = large_site();
    let one = one_process(&site);
    let job = cluster.submit(&site, &["--name=all", "--mem=1G", "--time=10"]);
    let shown = cluster.ended(&site, &job);
    assert_eq!(shown["phase"], "COMPLETED", "{shown}");
    assert!(merged(&site, &job) == one && done_once(&site.path().join("jobs").join(&job)) == 1);
    let notes = &shown["results"][0]["notes"];
    assert!(notes["objects"].as_str().unwrap().parse::<u32>().unwrap() > 200_000 && notes["files"] == "401", "{notes}");
    let report: Value = serde_json::from_str(&run(&mut cluster.jobs(&site, &["report", &job, "--json"])).ok()).unwrap();
    assert_eq!(report["ranks"].as_array().unwrap().len(), 4, "{report}");
    assert!(run(&mut cluster.jobs(&site, &["logs", &job])).ok().contains("rank 3: INFO begins"));

    // The same by slurmrestd.
    if let Some((url, token)) = &cluster.1 {
        let by_rest = |command: &mut Command| {
            let named = [("REST_URL", url.as_str()), ("REST_USER", "root"), ("REST_TOKEN", token)];
            run(command.envs(named.map(|(name, value)| (format!("SPOLIA__JOBS__SLURM__{name}"), value))))
        };
        let output = site.path().join("rest.h5");
        let mut submit =
            cluster.jobs(&site, &["submit", "cut", "--ntasks=4", "--nodes=2", "--mem=1G", "--time=10", "--wait", "-o"]);
        by_rest(submit.arg(&output).args(ALL)).ok();
        assert!(std::fs::read(output).unwrap() == one);
        let refused = by_rest(cluster.jobs(&site, &["submit", "cut", "--partition=none"]).args(ALL)).refused();
        assert!(refused.contains("Invalid partition"), "{refused}");
        let mut hold = cluster.jobs(&site, &["submit", "cut", "--nodes=4", "--ntasks=4", "--name=rest"]);
        let job = by_rest(hold.args(ALL)).ok().trim().to_owned();
        by_rest(&mut cluster.jobs(&site, &["cancel", &job])).ok();
        assert!(["ABORTED", "COMPLETED"].contains(&cluster.ended(&site, &job)["phase"].as_str().unwrap()));
    } else {
        println!("skipped: slurmrestd is not there (slurmrestd, slurm-wlm-jwt-plugin, and root to start it)");
    }

    // What goes wrong, each told clearly.
    let refused = run(cluster.jobs(&site, &["submit", "cut", "--partition=none"]).args(ALL)).refused();
    assert!(refused.contains("invalid partition"), "{refused}");
    let fails = |options: &[&str], phase: &str, words: &str| {
        let job = cluster.submit(&site, options);
        let shown = cluster.ended(&site, &job);
        assert!(shown["phase"] == phase && shown["error"].to_string().contains(words), "{shown}");
    };
    fails(&["--mem=20M"], "ERROR", "within 64 MiB of memory");
    // Its ranks stand still, so that its time is over before they are done.
    let short = cluster.submit(&site, &["--time=1"]);
    stop(&begun(&site, &short, 4));
    let shown = cluster.ended(&site, &short);
    assert!(shown["phase"] == "ABORTED" && shown["error"].to_string().contains("timeout"), "{shown}");
    let retried = run(&mut cluster.jobs(&site, &["retry", &short, "--time=10"])).ok().trim().to_owned();
    assert_eq!(cluster.ended(&site, &retried)["phase"], "COMPLETED");
    assert!(merged(&site, &retried) == one);

    // It takes more than it has asked for, against its order.
    let busy = || {
        cluster
            .ask("sbatch", &["--export=NONE", "--nodes=4", "--mem=3900", "--output=/dev/null", "--wrap=/bin/sleep 600"])
            .ok()
    };
    busy();
    let job = cluster.submit(&site, &["--mem=10M"]);
    let path = site.path().join("jobs").join(&job).join("order.json");
    let order = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, order.replace("\"memory_mib\":64", "\"memory_mib\":2048")).unwrap();
    cluster.ask("scancel", &["--me", "--name=wrap"]).ok();
    stop(&begun(&site, &job, 4));
    let shown = cluster.ended(&site, &job);
    assert!(
        shown["phase"] == "ERROR" && shown["error"].to_string().contains("more memory than it had asked for"),
        "{shown}"
    );

    // It waits as long as others have the nodes, and says so; then it is ended, and SLURM has it no more.
    busy();
    let job = cluster.submit(&site, &[]);
    let shown =
        cluster.until(&site, &job, |shown| shown["told"].as_str().is_some_and(|told| told.starts_with("waits: ")));
    assert_eq!(shown["phase"], "QUEUED");
    run(&mut cluster.jobs(&site, &["cancel", &job])).ok();
    let gone = |shown: &Value| shown["attempts"][0]["state"] == "CANCELLED";
    assert_eq!(cluster.until(&site, &job, gone)["phase"], "ABORTED");
    cluster.ask("scancel", &["--me"]).ok();

    // One that is held, and goes on; one that is at work, and is ended.
    let job = cluster.submit(&site, &[]);
    let ranks = at_work(&site, &job, 4);
    stop(&ranks);
    cluster.until(&site, &job, |shown| shown["phase"] == "EXECUTING");
    run(&mut cluster.jobs(&site, &["cancel", &job])).ok();
    cluster.until(&site, &job, gone);
    assert!(!site.path().join("jobs").join(&job).join("merged.h5").exists());
    let again = run(&mut cluster.jobs(&site, &["retry", &job])).ok().trim().to_owned();
    assert_eq!(cluster.ended(&site, &again)["phase"], "COMPLETED");
    assert!(merged(&site, &again) == one);

    // A node goes down under it: SLURM begins it anew on others.
    let job = cluster.submit(&site, &["--nodes=2"]);
    let ranks = at_work(&site, &job, 4);
    stop(&ranks);
    let nodes =
        cluster.until(&site, &job, |shown| shown["attempts"][0]["nodes"].is_string())["attempts"][0]["nodes"].clone();
    assert!(nodes.as_str().unwrap().contains('1'), "{nodes}");
    cluster.ask("scontrol", &["update", "nodename=n1", "state=down", "reason=trial"]).ok();
    let shown = cluster.ended(&site, &job);
    assert_eq!(shown["phase"], "COMPLETED", "{shown}");
    assert!(merged(&site, &job) == one);
    println!("after a node went down: {}", shown["attempts"]);
}

#[test]
fn ranks_on_four_nodes_bring_files_in() {
    let Some(cluster) = Cluster::start() else { return };
    let files =
        make_gaia(&["--layout", "mixed", "--sources", "4000", "--transits", "20000", "--transits-per-file", "250"]);
    let site = TestSite::new(2);
    let submit = |options: &[&str]| {
        let mut submit =
            cluster.jobs(&site, &["submit", "ingest", "gaia", &list(files.path()), "--ntasks=4", "--nodes=4"]);
        run(submit.args(options)).ok().trim().to_owned()
    };
    // A rank is lost on the way; SLURM ends the others, and the next attempt goes on.
    let job = submit(&["--mem=1G"]);
    let victims = begun(&site, &job, 4);
    kill_process(victims[1], Signal::KILL).unwrap();
    let shown = cluster.ended(&site, &job);
    assert_eq!(
        (shown["phase"].as_str(), shown["attempts"].as_array().unwrap().len()),
        (Some("COMPLETED"), 2),
        "{shown}"
    );
    let folder = site.path().join("jobs").join(&job);
    assert_eq!(done_once(&folder), 2);
    let notes = &shown["results"][0]["notes"];
    assert_eq!(
        (notes["epoch"].as_str(), notes["files"].as_str()),
        (Some("1"), Some(hdf5_files(files.path()).len().to_string().as_str()))
    );
    assert_eq!(difference(&site, files.path()), None);
    let report: Value = serde_json::from_str(&run(&mut cluster.jobs(&site, &["report", &job, "--json"])).ok()).unwrap();
    assert!(report["ranks"].as_array().unwrap().len() >= 5, "{report}");
    assert!(report["stages"]["load"]["bytes"].as_u64() > Some(0), "{report}");

    // An order that somebody submits by hand, again when it has failed.
    let by_hand = site.path().join("by-hand");
    let mut prepare = cluster.jobs(&site, &["submit", "cut", "--ntasks=2", "--name=mine", "--prepare"]);
    let command = run(prepare.arg(&by_hand).args(ALL)).ok().replacen("sbatch ", "sbatch --wait ", 1);
    assert!(command.contains("--job-name=spolia-mine"), "{command}");
    let submit = || run(Command::new("sh").args(["-c", &command]).env("SLURM_CONF", cluster.path().join("slurm.conf")));
    let told =
        || run(Command::new("sh").args(["-c", "tail -n 50 slurm-*.out failure.json"]).current_dir(&by_hand)).stdout;
    let plan = std::fs::read(by_hand.join("plan.json")).unwrap();
    std::fs::write(by_hand.join("plan.json"), &plan[..plan.len() / 2]).unwrap();
    assert!(!submit().success && told().contains("plan.json: "), "{}", told());
    std::fs::write(by_hand.join("plan.json"), plan).unwrap();
    assert!(submit().success, "{}", told());
    assert!(std::fs::read(by_hand.join("merged.h5")).unwrap() == one_process(&site));

    // The same again by slurmrestd: there is nothing to do.
    if let Some((url, token)) = &cluster.1 {
        let named = [("REST_URL", url.as_str()), ("REST_USER", "root"), ("REST_TOKEN", token)];
        let mut again = site.command(&["ingest", "gaia", &list(files.path()), "--scheduler=slurm", "--ranks=2"]);
        again.envs(named.map(|(name, value)| (format!("SPOLIA__JOBS__SLURM__{name}"), value)));
        let again = run(&mut again);
        assert!(again.success && again.stderr.contains("nothing to do: all"), "{again:?}");
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_ranks_and_controllers_are_killed() {
    killed_at_random(8, 3);
}

/// Kills ranks, then controllers, while jobs are made, wait and are at work.
pub fn killed_at_random(most_ranks: u32, most_controllers: u32) {
    let Some(cluster) = Cluster::start() else { return };
    let site = large_site();
    let one = one_process(&site);
    let (mut random, mut killed, mut jobs) = (StdRng::seed_from_u64(3), 0, 0);
    while killed < most_ranks {
        let mut job = cluster.submit(&site, &[]);
        jobs += 1;
        loop {
            let begun = Instant::now();
            let shown = cluster.until(&site, &job, |shown| {
                let over = ["COMPLETED", "ERROR", "ABORTED"].contains(&shown["phase"].as_str().unwrap());
                over || !ranks(&site, &job).is_empty() || begun.elapsed() > Duration::from_secs(20)
            });
            match shown["phase"].as_str().unwrap() {
                "COMPLETED" => break,
                "ERROR" | "ABORTED" => {
                    job = run(&mut cluster.jobs(&site, &["retry", &job])).ok().trim().to_owned();
                    continue;
                }
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(random.random_range(0..1200)));
            let pids = ranks(&site, &job);
            if killed < most_ranks
                && let Some(pid) = pids.get(random.random_range(0..pids.len().max(1)))
                && kill_process(*pid, Signal::KILL).is_ok()
            {
                killed += 1;
                // All others of the attempt end with it.
                let begun = Instant::now();
                while ranks(&site, &job).iter().any(|rank| pids.contains(rank))
                    && begun.elapsed() < Duration::from_secs(20)
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        assert!(merged(&site, &job) == one);
        println!("{job}: {} attempts", done_once(&site.path().join("jobs").join(&job)));
    }

    // The controller is killed while jobs are made, wait and are at work; each is done once.
    let conf = cluster.path().join("slurm.conf");
    let pid_file = cluster.path().join("run/slurmctld.pid");
    for _ in 0..most_controllers {
        let pid = Pid::from_raw(std::fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap()).unwrap();
        std::thread::scope(|scope| {
            let submitted = scope.spawn(|| cluster.submit(&site, &["--name=again"]));
            std::thread::sleep(Duration::from_millis(random.random_range(0..6000)));
            kill_process(pid, Signal::KILL).unwrap();
            std::thread::sleep(Duration::from_millis(random.random_range(0..2000)));
            run(Command::new("/usr/sbin/slurmctld").arg("-f").arg(&conf)).ok();
            let job = submitted.join().unwrap();
            jobs += 1;
            // It may give an id twice, and drain a node that knows of the first one.
            let resumed = |shown: &Value| {
                for node in
                    cluster.ask("sinfo", &["--noheader", "--Node", "--states=drain", "--format=%N"]).stdout.lines()
                {
                    let _ = cluster.ask("scontrol", &["update", &format!("nodename={node}"), "state=resume"]);
                }
                ["COMPLETED", "ERROR", "ABORTED"].contains(&shown["phase"].as_str().unwrap())
            };
            let shown = cluster.until(&site, &job, resumed);
            assert_eq!(shown["phase"], "COMPLETED", "{shown}");
            assert!(merged(&site, &job) == one);
        });
    }
    let known = cluster.ask("squeue", &["--states=all", "--noheader", "--format=%k"]).ok();
    let mut comments: Vec<&str> = known.lines().filter(|line| line.starts_with("spolia:")).collect();
    let all = comments.len();
    comments.sort_unstable();
    comments.dedup();
    println!("{jobs} jobs, {killed} ranks killed, {all} jobs of SLURM, {} attempts among them", comments.len());
    assert_eq!(comments.len(), all, "an attempt was submitted twice");
}
