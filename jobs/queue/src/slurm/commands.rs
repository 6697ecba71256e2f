//! SLURM by its commands: `sbatch`, `squeue`, `scancel`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::{Asked, NAME, SCRIPT_FILE, away, seen};
use crate::scheduler::{SchedulerError, Seen};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What squeue is asked for, and how wide it is to write that.
const COLUMNS: [(&str, usize); 8] = [
    ("JobID", 20),
    ("State", 24),
    ("Reason", 60),
    ("RestartCnt", 10),
    ("StartTime", 24),
    ("exit_code", 14),
    ("Comment", 100),
    ("NodeList", 200),
];
/// What its commands say when nobody answers them.
const NOBODY: [&str; 5] =
    ["contact slurm controller", "timed out", "Connection refused", "configuration source", "Protocol authentication"];

/// SLURM's commands.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    conf: Option<PathBuf>,
}

impl Commands {
    /// Those that are on the PATH, with their configuration if they are to be told of one.
    pub(super) fn new(conf: &Path) -> Self {
        Self { conf: Some(conf.to_owned()).filter(|conf| !conf.as_os_str().is_empty()) }
    }

    pub(super) async fn submit(&self, asked: &Asked<'_>) -> Result<String, SchedulerError> {
        let output = self.run("sbatch", &submission(asked)).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // On federations the cluster follows.
        let id = said.trim().split(';').next().unwrap_or_default().to_owned();
        match id.parse::<u64>() {
            Ok(_) => Ok(id),
            Err(_) => Err(away(format!("sbatch says {said:?} where the id of the job should be"))),
        }
    }

    pub(super) async fn all(&self) -> Result<BTreeMap<String, (Seen, String)>, SchedulerError> {
        let format = COLUMNS.map(|(name, width)| format!("{name}:{width}")).join(",");
        let options = ["--me", "--noheader", "--states=all", "--array", "-O", &format].map(str::to_owned);
        let output = self.run("squeue", &options).await?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(job).collect())
    }

    pub(super) async fn cancel(&self, ids: &[String]) -> Result<(), SchedulerError> {
        let options: Vec<String> = ["--quiet".to_owned()].iter().chain(ids).cloned().collect();
        self.run("scancel", &options).await.map(drop)
    }

    /// Runs a command to its end.
    async fn run(&self, program: &str, arguments: &[String]) -> Result<Output, SchedulerError> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command.env("SLURM_TIME_FORMAT", "%s").envs(self.conf.as_ref().map(|conf| ("SLURM_CONF", conf)));
        let ended = tokio::time::timeout(PATIENCE, command.output()).await;
        let ended = ended.map_err(|_| away(format!("{program} has not answered for {} s", PATIENCE.as_secs())))?;
        let output = ended.map_err(|error| away(format!("{program}: {error}")))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match NOBODY.iter().any(|words| said.contains(words)) {
            true => Err(away(plain(&said))),
            false => Err(SchedulerError::Refused { scheduler: NAME, fault: plain(&said) }),
        }
    }
}

/// The arguments of sbatch.
pub(super) fn submission(asked: &Asked<'_>) -> Vec<String> {
    let folder = asked.launch.folder.display();
    let mut arguments = vec![
        "--parsable".to_owned(),
        "--export=NONE".to_owned(),
        format!("--job-name={}", asked.name),
        format!("--comment={}", asked.comment),
        format!("--chdir={folder}"),
        // Beside the order: relative to it, for a percent sign in a path would be one of its own.
        "--output=slurm-%j.out".to_owned(),
    ];
    arguments.extend(asked.launch.resources.options());
    if !asked.launch.after.is_empty() {
        arguments.push(format!("--dependency=afterok:{}", asked.launch.after.join(":")));
        arguments.push("--kill-on-invalid-dep=yes".to_owned());
    }
    arguments.push(format!("{folder}/{SCRIPT_FILE}"));
    arguments.extend(asked.arguments.iter().cloned());
    arguments
}

/// A line of squeue.
fn job(line: &str) -> Option<(String, (Seen, String))> {
    let mut letters = line.chars();
    let fields = COLUMNS.map(|(_, width)| letters.by_ref().take(width).collect::<String>().trim().to_owned());
    let [id, state, reason, restarts, since, status, comment, nodes] = fields;
    id.parse::<u64>().ok()?;
    let number = |text: &str| text.parse().unwrap_or(0);
    let seen = seen(&state, &reason, number(&status), number(&since), &nodes, restarts.parse().unwrap_or(0));
    Some((id, (seen, comment)))
}

/// What a command says, without its name before each line.
fn plain(said: &str) -> String {
    let line = |line: &str| {
        let rest = line.split_once(": ").map_or(line, |(_, rest)| rest);
        rest.trim_start_matches("error: ").trim_start_matches("fatal: ").trim().to_owned()
    };
    let lines: Vec<String> = said.lines().map(line).filter(|line| !line.is_empty()).take(5).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::State;

    #[test]
    fn a_line_of_squeue_is_read_by_its_columns() {
        let fields = ["12", "PENDING", "Resources", "0", "N/A", "0", "spolia:a:1", ""];
        let line: String = COLUMNS.iter().zip(fields).map(|((_, width), field)| format!("{field:<width$}")).collect();
        let (id, (seen, comment)) = job(&line).unwrap();
        assert_eq!((id.as_str(), seen.state, comment.as_str()), ("12", State::Pending, "spolia:a:1"));
        assert_eq!((seen.reason.as_deref(), seen.nodes, seen.started), (Some("Resources"), None, None));
        assert_eq!(job("slurm_load_jobs error"), None);
    }

    #[test]
    fn what_sbatch_says_is_told_in_short() {
        let said = "sbatch: error: invalid partition specified: none\nsbatch: error: Batch job submission failed: Invalid partition name specified\n";
        assert_eq!(
            plain(said),
            "invalid partition specified: none; Batch job submission failed: Invalid partition name specified"
        );
    }
}
