//! Work by ranks of MPI on the nodes of a SLURM cluster: by its commands, or by slurmrestd.
//!
//! A job of SLURM carries the id of ours and the number of the attempt in its comment, so that an attempt whose taking was never noted is
//! found again instead of being submitted twice. What is run is a script that is the same for all jobs of a kind (`slurm/*.sbatch`); whatever a user says goes into
//! files that it never looks at, or into options that were checked ([`Resources::check`](crate::Resources::check)).

mod commands;
mod rest;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::attempt_files::id_in;
use crate::local::quoted;
use crate::scheduler::{Known, Launch, Scheduler, SchedulerError, Seen, State};
use crate::spec::{INGEST, VERIFY};
use commands::Commands;
use rest::Rest;

/// Its name.
const NAME: &str = "slurm";
/// What is run, and its name in a job's folder.
const CUT_SCRIPT: &str = include_str!("../../../slurm/cut.sbatch");
const INGEST_SCRIPT: &str = include_str!("../../../slurm/ingest.sbatch");
const VERIFY_SCRIPT: &str = include_str!("../../../slurm/verify.sbatch");
const SCRIPT_FILE: &str = "job.sbatch";
/// Letters of the owner's name for a job that SLURM shows.
const NAME_LENGTH: usize = 40;

/// How SLURM is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlurmSettings {
    /// Its configuration, where that is not where its commands look by themselves.
    pub conf: PathBuf,
    /// What srun's `--mpi` is told.
    pub mpi: String,
    /// The program of a rank, on a file system that all nodes have; `spolia-worker` beside `spolia` where nothing is said.
    pub worker: PathBuf,
    /// slurmrestd, as `http://host:port`; its commands are used where nothing is said.
    pub rest_url: String,
    /// The version of its interface.
    pub rest_version: String,
    /// Whom it knows us as.
    pub rest_user: String,
    /// The file with the token for it (`scontrol token`), which only its owner can read; it is read for each request.
    pub rest_token: PathBuf,
}

impl Default for SlurmSettings {
    fn default() -> Self {
        Self {
            conf: PathBuf::new(),
            mpi: "pmix".to_owned(),
            worker: PathBuf::new(),
            rest_url: String::new(),
            rest_version: "v0.0.38".to_owned(),
            rest_user: String::new(),
            rest_token: PathBuf::new(),
        }
    }
}

/// A cluster.
#[derive(Debug, Clone)]
pub struct SlurmScheduler {
    way: Way,
    worker: PathBuf,
    mpi: String,
}

#[derive(Debug, Clone)]
enum Way {
    Commands(Commands),
    Rest(Rest),
}

/// What is asked of SLURM for an attempt.
struct Asked<'a> {
    launch: &'a Launch,
    name: String,
    comment: String,
    /// The script's arguments: folder, worker, attempt, which may be empty, and MPI.
    arguments: [String; 4],
}

impl SlurmScheduler {
    /// The cluster that the settings tell of; `worker` is the program of a rank where they do not.
    ///
    /// # Errors
    /// What in the settings cannot be used.
    pub fn new(settings: &SlurmSettings, worker: &Path) -> Result<Self, String> {
        let is_name =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        if !is_name(&settings.mpi) {
            return Err(format!(
                "[jobs.slurm] mpi = {:?} is none; `srun --mpi=list` names what there is",
                settings.mpi
            ));
        }
        let way = match settings.rest_url.is_empty() {
            true => Way::Commands(Commands::new(&settings.conf)),
            false => Way::Rest(Rest::new(settings)?),
        };
        let own = settings.worker.as_os_str().is_empty();
        let worker = if own { worker.to_owned() } else { settings.worker.clone() };
        Ok(Self { way, worker, mpi: settings.mpi.clone() })
    }

    fn asked<'a>(&self, launch: &'a Launch) -> Asked<'a> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let name: String = launch.run_id.iter().flat_map(|name| name.chars()).take(NAME_LENGTH).map(plain).collect();
        let name = if name.is_empty() { launch.job_id.chars().take(8).collect() } else { name };
        let (folder, worker) = (launch.folder.display().to_string(), self.worker.display().to_string());
        // By hand, each job of SLURM is an attempt.
        let attempt = if launch.attempt == 0 { String::new() } else { launch.attempt.to_string() };
        Asked {
            launch,
            name: format!("spolia-{name}"),
            comment: comment(&launch.job_id, launch.attempt),
            arguments: [folder, worker, attempt, self.mpi.clone()],
        }
    }
}

#[async_trait]
impl Scheduler for SlurmScheduler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn orders_jobs(&self) -> bool {
        true
    }

    fn keeps_time(&self) -> bool {
        true
    }

    async fn submit(&self, launch: &Launch) -> Result<String, SchedulerError> {
        self.write_script(launch)?;
        match &self.way {
            Way::Commands(commands) => commands.submit(&self.asked(launch)).await,
            Way::Rest(rest) => rest.submit(&self.asked(launch)).await,
        }
    }

    async fn find(&self, launch: &Launch) -> Result<Option<String>, SchedulerError> {
        let comment = comment(&launch.job_id, launch.attempt);
        let known = self.all().await?.into_iter().find(|(_, (_, said))| *said == comment);
        Ok(known.map(|(id, _)| id).or_else(|| id_in(&launch.folder, launch.attempt)))
    }

    async fn look(&self, attempts: &[Known]) -> Result<Vec<Seen>, SchedulerError> {
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.all().await?;
        let gone = || Seen {
            state: State::Gone,
            raw: "GONE".to_owned(),
            reason: None,
            exit_code: None,
            started: None,
            nodes: None,
            restarts: 0,
        };
        // A controller that was killed may give an id again that it has given before.
        let of = |known: &Known| all.get(&known.id).filter(|(_, said)| *said == comment(&known.job_id, known.attempt));
        Ok(attempts.iter().map(|known| of(known).map_or_else(gone, |(seen, _)| seen.clone())).collect())
    }

    async fn cancel(&self, attempts: &[Known]) -> Result<(), SchedulerError> {
        if attempts.is_empty() {
            return Ok(());
        }
        let all = self.all().await?;
        let is_own = |known: &&Known| {
            let own = all.get(&known.id).filter(|(_, said)| *said == comment(&known.job_id, known.attempt));
            own.is_some_and(|(seen, _)| !seen.state.is_over() || seen.state == State::Lost)
        };
        let ids: Vec<String> = attempts.iter().filter(is_own).map(|known| known.id.clone()).collect();
        match &self.way {
            _ if ids.is_empty() => Ok(()),
            Way::Commands(commands) => commands.cancel(&ids).await,
            Way::Rest(rest) => rest.cancel(&ids).await,
        }
    }

    fn prepare(&self, launch: &Launch) -> Result<String, SchedulerError> {
        self.write_script(launch)?;
        Ok(self.command(launch))
    }

    fn script(&self, launch: &Launch) -> String {
        format!("# {}\n{}", self.command(launch), script(launch.kind))
    }
}

impl SlurmScheduler {
    /// Puts the script beside the order.
    fn write_script(&self, launch: &Launch) -> Result<(), SchedulerError> {
        let refused = |fault: String| SchedulerError::Refused { scheduler: NAME, fault };
        launch.resources.check().map_err(refused)?;
        let path = launch.folder.join(SCRIPT_FILE);
        let written = fs::write(&path, script(launch.kind));
        let written = written.and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)));
        written.map_err(|error| refused(format!("{}: {error}", path.display())))
    }

    /// The command that submits it.
    fn command(&self, launch: &Launch) -> String {
        let words = commands::submission(&self.asked(launch));
        format!("sbatch {}", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
    }

    /// All jobs of ours that SLURM remembers, with their comments.
    async fn all(&self) -> Result<BTreeMap<String, (Seen, String)>, SchedulerError> {
        match &self.way {
            Way::Commands(commands) => commands.all().await,
            Way::Rest(rest) => rest.all().await,
        }
    }
}

/// The script for work of a kind.
fn script(kind: &str) -> &'static str {
    match kind {
        INGEST => INGEST_SCRIPT,
        VERIFY => VERIFY_SCRIPT,
        _ => CUT_SCRIPT,
    }
}

/// What tells a job of SLURM as an attempt at one of ours.
fn comment(job_id: &str, attempt: u32) -> String {
    format!("spolia:{job_id}:{attempt}")
}

/// What SLURM's word for a state means. `squeue(1)`, "JOB STATE CODES", and `slurm.h`.
fn state(raw: &str, reason: &str) -> State {
    match raw {
        // Nodes could not begin it, and it is held for somebody to look at them; another attempt is none of their business.
        "PENDING" if reason.starts_with("launch failed") => State::Lost,
        // What it was to follow has failed; a later attempt at that may not.
        "PENDING" | "CANCELLED" if reason == "DependencyNeverSatisfied" => State::Lost,
        "PENDING" if reason.starts_with("JobHeld") || reason.ends_with("held") => State::Held,
        "REQUEUE_HOLD" | "SPECIAL_EXIT" => State::Held,
        "PENDING" | "REQUEUED" | "REQUEUE_FED" | "RESV_DEL_HOLD" => State::Pending,
        "CONFIGURING" | "RUNNING" | "COMPLETING" | "STAGE_OUT" | "RESIZING" | "SIGNALING" | "UPDATE_DB" => {
            State::Running
        }
        "SUSPENDED" | "STOPPED" => State::Suspended,
        "COMPLETED" => State::Completed,
        "CANCELLED" => State::Cancelled,
        "FAILED" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => State::Failed,
        "TIMEOUT" | "DEADLINE" => State::Timeout,
        "OUT_OF_MEMORY" => State::OutOfMemory,
        "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "REVOKED" => State::Lost,
        _ => State::Unknown,
    }
}

/// A job as SLURM tells of it; `status` is that of wait(2), `since` seconds since 1970, or 0.
fn seen(raw: &str, reason: &str, status: i64, since: i64, nodes: &str, restarts: u32) -> Seen {
    let state = state(raw, reason);
    let (signal, code) = ((status & 0x7f) as i32, ((status >> 8) & 0xff) as i32);
    let said =
        |text: &str| Some(text.to_owned()).filter(|text| !["", "None", "(null)", "N/A"].contains(&text.as_str()));
    Seen {
        raw: raw.to_owned(),
        reason: said(reason),
        // Of a signal, as a shell says it.
        exit_code: state.is_over().then_some(if signal > 0 { 128 + signal } else { code }),
        started: (since > 0).then(|| DateTime::from_timestamp(since, 0)).flatten(),
        nodes: said(nodes),
        restarts,
        state,
    }
}

/// That SLURM is not there.
fn away(fault: impl ToString) -> SchedulerError {
    SchedulerError::Away { scheduler: NAME, fault: fault.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Resources;
    use crate::spec::CUT;

    fn launch() -> Launch {
        Launch {
            job_id: "0a1b2c3d-0000".to_owned(),
            kind: CUT,
            attempt: 2,
            run_id: Some("my $(reboot) --wrap=x\n".to_owned()),
            folder: "/site/it's here".into(),
            resources: Resources { tasks: Some(4), ..Resources::default() },
            after: vec!["7".to_owned(), "9".to_owned()],
        }
    }

    #[test]
    fn every_state_of_slurm_is_known() {
        let states = [
            ("PENDING", State::Pending),
            ("CONFIGURING", State::Running),
            ("RUNNING", State::Running),
            ("SUSPENDED", State::Suspended),
            ("COMPLETING", State::Running),
            ("COMPLETED", State::Completed),
            ("CANCELLED", State::Cancelled),
            ("FAILED", State::Failed),
            ("TIMEOUT", State::Timeout),
            ("NODE_FAIL", State::Lost),
            ("PREEMPTED", State::Lost),
            ("BOOT_FAIL", State::Lost),
            ("DEADLINE", State::Timeout),
            ("OUT_OF_MEMORY", State::OutOfMemory),
            ("REQUEUED", State::Pending),
            ("REVOKED", State::Lost),
            ("RESIZING", State::Running),
            ("SIGNALING", State::Running),
            ("STAGE_OUT", State::Running),
            ("STOPPED", State::Suspended),
            ("REQUEUE_HOLD", State::Held),
            ("SPECIAL_EXIT", State::Held),
            ("SOMETHING_NEW", State::Unknown),
        ];
        for (raw, expected) in states {
            assert_eq!(seen(raw, "None", 0, 0, "", 0).state, expected, "{raw}");
            assert_eq!(seen(raw, "None", 0, 0, "", 0).raw, raw);
        }
        assert_eq!(state("PENDING", "JobHeldUser"), State::Held);
        assert_eq!(state("PENDING", "launch failed requeued held"), State::Lost);
        assert_eq!(state("CANCELLED", "DependencyNeverSatisfied"), State::Lost);
        let killed = seen("FAILED", "RaisedSignal:9", 9, 1_795_852_177, "n[1-4]", 1);
        assert_eq!((killed.exit_code, killed.nodes.as_deref()), (Some(137), Some("n[1-4]")));
        assert_eq!(seen("FAILED", "NonZeroExitCode", 768, 0, "", 0).exit_code, Some(3));
        assert_eq!(seen("RUNNING", "None", 0, 0, "(null)", 0), seen("RUNNING", "", 0, 0, "", 0));
    }

    #[test]
    fn what_a_user_calls_a_job_is_only_a_name() {
        let slurm = SlurmScheduler::new(&SlurmSettings::default(), Path::new("/opt/spolia-worker")).unwrap();
        let script = slurm.script(&launch());
        let first = script.lines().next().unwrap();
        assert!(first.starts_with("# sbatch --parsable --export=NONE --job-name=spolia-my___reboot_"), "{first}");
        assert!(
            first.contains("--comment=spolia:0a1b2c3d-0000:2") && first.contains("--dependency=afterok:7:9"),
            "{first}"
        );
        assert!(
            first.ends_with(r"'/site/it'\''s here/job.sbatch' '/site/it'\''s here' /opt/spolia-worker 2 pmix"),
            "{first}"
        );
        assert!(script.contains("srun --mpi=\"$mpi\""));
        let hostile = SlurmSettings { mpi: "pmix;x".to_owned(), ..SlurmSettings::default() };
        assert!(SlurmScheduler::new(&hostile, Path::new("x")).is_err());
    }

    #[test]
    fn scripts_do_the_same_with_every_order() {
        let done = |script: &'static str| script.split_once("\nset -u\n").map(|(_, done)| done).unwrap();
        for kind in [CUT, INGEST, VERIFY] {
            assert_eq!(done(script(CUT)), done(script(kind)));
            assert!(script(kind).contains(&format!("--job-name=spolia-{kind}\n")));
        }
    }
}
