//! Work by processes of this machine, each alone: for sites without a cluster. They go on when whoever started them ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use async_trait::async_trait;
use chrono::Utc;
use rustix::process::{Pid, Signal, kill_process};

use crate::attempt_files::{exit_in, id_in, take};
use crate::scheduler::{Known, Launch, Scheduler, SchedulerError, Seen, State};

/// Its name.
const NAME: &str = "local";

/// Starts processes of this machine. An id is that of the process, and when it began: ids of processes come again.
#[derive(Debug, Clone)]
pub struct LocalScheduler {
    program: PathBuf,
    arguments: Vec<String>,
    host: String,
}

impl LocalScheduler {
    /// One that starts a program with these arguments, the job's folder and the number of the attempt; it notes its exit status.
    pub fn new(program: PathBuf, arguments: &[&str]) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { program, arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(), host }
    }

    fn command(&self, launch: &Launch) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(&launch.folder).arg(launch.attempt.to_string());
        // As little of the environment as under SLURM.
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        if let Some(threads) = launch.resources.cpus_per_task {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        command
    }

    fn begin(&self, launch: &Launch) -> std::io::Result<Option<String>> {
        let output = File::options().append(true).create(true).open(launch.folder.join("local.out"))?;
        let mut command = self.command(launch);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A group of its own: a Ctrl-C that ends its parent is not meant for it.
        command.process_group(0).current_dir(&launch.folder);
        let mut child = command.spawn()?;
        let id = begun(child.id()).map(|begun| format!("{}:{}:{begun}", self.host, child.id()));
        // As long as its parent is there, somebody has to take note of its end.
        std::thread::spawn(move || child.wait());
        Ok(id)
    }

    fn seen(&self, id: &str) -> Seen {
        let plain = |state: State, raw: &str| Seen {
            state,
            raw: raw.to_owned(),
            reason: None,
            exit_code: None,
            started: None,
            nodes: Some(self.host.clone()),
            restarts: 0,
        };
        let parts: Vec<&str> = id.splitn(3, ':').collect();
        match parts[..] {
            // Another machine of the same site has to look.
            [host, ..] if host != self.host => {
                let reason = Some(format!("it is at work on {host}"));
                Seen { reason, nodes: Some(host.to_owned()), ..plain(State::Running, "ELSEWHERE") }
            }
            [_, pid, since] if pid.parse().ok().and_then(begun).as_deref() == Some(since) => {
                plain(State::Running, "RUNNING")
            }
            _ => plain(State::Gone, "ENDED"),
        }
    }
}

#[async_trait]
impl Scheduler for LocalScheduler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn orders_jobs(&self) -> bool {
        false
    }

    fn keeps_time(&self) -> bool {
        false
    }

    async fn submit(&self, launch: &Launch) -> Result<String, SchedulerError> {
        let refused = |fault: String| SchedulerError::Refused { scheduler: NAME, fault };
        let id = self.begin(launch).map_err(|error| refused(format!("{}: {error}", self.program.display())))?;
        let id = id.unwrap_or_else(|| format!("{}:0:0", self.host));
        take(&launch.folder, launch.attempt, &id).map_err(|error| refused(error.to_string()))?;
        Ok(id)
    }

    /// One that was started and whose id was never written is not found; its ledger keeps others from the work until it ends.
    async fn find(&self, launch: &Launch) -> Result<Option<String>, SchedulerError> {
        Ok(id_in(&launch.folder, launch.attempt))
    }

    async fn look(&self, attempts: &[Known]) -> Result<Vec<Seen>, SchedulerError> {
        Ok(attempts.iter().map(|known| self.seen(&known.id)).collect())
    }

    async fn cancel(&self, attempts: &[Known]) -> Result<(), SchedulerError> {
        for id in attempts.iter().map(|known| &known.id).filter(|id| self.seen(id).raw == "RUNNING") {
            let pid = id.split(':').nth(1).and_then(|pid| Pid::from_raw(pid.parse().ok()?));
            if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
                tracing::warn!(%error, id, "a process cannot be ended");
            }
        }
        Ok(())
    }

    fn prepare(&self, launch: &Launch) -> Result<String, SchedulerError> {
        Ok(self.script(launch).trim_end().to_owned())
    }

    fn script(&self, launch: &Launch) -> String {
        let command = self.command(launch);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ") + "\n"
    }
}

/// When a process began, if it is there and at work.
fn begun(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // Its name may have anything in it, brackets too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned)).flatten()
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// How an attempt ended that the scheduler knows nothing of, as it says itself.
pub fn left_behind(folder: &Path, attempt: u32, seen: &Seen) -> Seen {
    let (state, reason) = match exit_in(folder, attempt) {
        Some(0) => (State::Completed, None),
        Some(_) => (State::Failed, None),
        None => (State::Lost, Some("it ended without a word".to_owned())),
    };
    Seen {
        state,
        reason,
        exit_code: exit_in(folder, attempt),
        started: seen.started.or(Some(Utc::now())),
        ..seen.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::resources::Resources;

    fn launch(folder: &Path) -> Launch {
        Launch {
            job_id: "a".to_owned(),
            kind: crate::spec::CUT,
            attempt: 1,
            run_id: None,
            folder: folder.to_owned(),
            resources: Resources::default(),
            after: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_process_is_seen_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let scheduler = LocalScheduler::new("/bin/sh".into(), &["-c", "sleep 600"]);
        let launch = launch(folder.path());
        assert_eq!(scheduler.find(&launch).await.unwrap(), None);
        let id = scheduler.submit(&launch).await.unwrap();
        assert_eq!(scheduler.find(&launch).await.unwrap().as_ref(), Some(&id));
        let known = [Known { job_id: "a".to_owned(), attempt: 1, id: id.clone() }];
        let look = async || scheduler.look(&known).await.unwrap()[0].state;
        assert_eq!(look().await, State::Running);
        scheduler.cancel(&known).await.unwrap();
        for _ in 0..100 {
            if look().await == State::Gone {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let seen = scheduler.look(&known).await.unwrap()[0].clone();
        assert_eq!((seen.state, left_behind(folder.path(), 1, &seen).state), (State::Gone, State::Lost));
        crate::attempt_files::note_exit(folder.path(), 1, 0).unwrap();
        assert_eq!(left_behind(folder.path(), 1, &seen).state, State::Completed);
        // A process that has its number now is another one.
        let (host, me) = (scheduler.host.clone(), std::process::id());
        assert_eq!(scheduler.seen(&format!("{host}:{me}:1")).state, State::Gone);
        assert!(matches!(
            LocalScheduler::new("/nowhere/program".into(), &[]).submit(&launch).await,
            Err(SchedulerError::Refused { .. })
        ));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("/a/b-c"), "/a/b-c");
        assert_eq!(quoted("it's $(x)"), r"'it'\''s $(x)'");
    }
}
