//! SLURM by slurmrestd. <https://slurm.schedmd.com/rest_api.html>, version 0.0.38 and the later shapes of its answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{Asked, NAME, SlurmSettings, away, script, seen};
use crate::scheduler::{SchedulerError, Seen};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer at most.
const LONGEST: usize = 256 << 20;

/// slurmrestd.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    client: Client,
    base: String,
    user: String,
    token: PathBuf,
}

impl Rest {
    pub(super) fn new(settings: &SlurmSettings) -> Result<Self, String> {
        let plain =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !plain(&settings.rest_version) || !plain(&settings.rest_user) {
            return Err(
                "[jobs.slurm] rest_url wants rest_user, rest_token and a rest_version such as v0.0.38".to_owned()
            );
        }
        let client = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
        Ok(Self {
            client: client.map_err(|error| error.to_string())?,
            base: format!("{}/slurm/{}", settings.rest_url.trim_end_matches('/'), settings.rest_version),
            user: settings.rest_user.clone(),
            token: settings.rest_token.clone(),
        })
    }

    pub(super) async fn submit(&self, asked: &Asked<'_>) -> Result<String, SchedulerError> {
        let folder = asked.launch.folder.display().to_string();
        let mut job = json!({
            "name": asked.name,
            "comment": asked.comment,
            "current_working_directory": folder,
            "standard_output": format!("{}/slurm-%j.out", folder.replace('%', "%%")),
            "standard_error": format!("{}/slurm-%j.out", folder.replace('%', "%%")),
            // What a script's own lines say of these is not read here.
            "requeue": true,
            "open_mode": "append",
            // A script's arguments would end slurmrestd 22.05: its `argv` is broken.
            "environment": {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "SPOLIA_WORKER": asked.arguments[1],
                "SPOLIA_ATTEMPT": asked.arguments[2],
                "SPOLIA_MPI": asked.arguments[3],
            },
        });
        for (name, value) in asked.launch.resources.fields() {
            job[name] = value;
        }
        if !asked.launch.after.is_empty() {
            job["dependency"] = format!("afterok:{}", asked.launch.after.join(":")).into();
        }
        let document = json!({"script": script(asked.launch.kind), "job": job});
        let answer = self.ask(Method::POST, "job/submit", Some(document)).await?;
        let id = number(&answer["job_id"]).filter(|id| *id > 0);
        id.map(|id| id.to_string()).ok_or_else(|| SchedulerError::Refused { scheduler: NAME, fault: faults(&answer) })
    }

    pub(super) async fn all(&self) -> Result<BTreeMap<String, (Seen, String)>, SchedulerError> {
        let answer = self.ask(Method::GET, "jobs", None).await?;
        Ok(answer["jobs"].as_array().into_iter().flatten().filter_map(job).collect())
    }

    pub(super) async fn cancel(&self, ids: &[String]) -> Result<(), SchedulerError> {
        for id in ids {
            match self.ask(Method::DELETE, &format!("job/{id}"), None).await {
                // One that has ended is no longer there.
                Ok(_) | Err(SchedulerError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, SchedulerError> {
        let token = tokio::fs::read_to_string(&self.token).await;
        let token = token.map_err(|error| away(format!("{}: {error}", self.token.display())))?;
        // As `scontrol token` prints it, or alone.
        let token = token.trim().trim_start_matches("SLURM_JWT=").to_owned();
        let request = self.client.request(method, format!("{}/{path}", self.base));
        let request = request.header("X-SLURM-USER-NAME", &self.user).header("X-SLURM-USER-TOKEN", token);
        let request = match body {
            Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
            None => request,
        };
        let (status, text) = answer(request).await?;
        let answer: Value = serde_json::from_slice(&text).unwrap_or_default();
        match status {
            status if status.is_success() && faults(&answer).is_empty() => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(away("slurmrestd does not know the token")),
            status => {
                let said = faults(&answer);
                let fault = if said.is_empty() { format!("slurmrestd answers {status}") } else { said };
                let nobody = status.is_server_error() && fault.contains("contact slurm controller");
                Err(if nobody { away(fault) } else { SchedulerError::Refused { scheduler: NAME, fault } })
            }
        }
    }
}

async fn answer(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), SchedulerError> {
    let failed = |error: reqwest::Error| away(format!("slurmrestd: {}", error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let (status, mut text) = (response.status(), Vec::new());
    while let Some(bytes) = response.chunk().await.map_err(failed)? {
        if text.len() + bytes.len() > LONGEST {
            return Err(away("slurmrestd answers at too great a length"));
        }
        text.extend_from_slice(&bytes);
    }
    Ok((status, text))
}

/// What an answer says is wrong.
fn faults(answer: &Value) -> String {
    let said = |error: &Value| {
        let text = ["error", "description"].iter().find_map(|key| error[*key].as_str().filter(|text| !text.is_empty()));
        text.map(str::to_owned)
    };
    let faults: Vec<String> = answer["errors"].as_array().into_iter().flatten().filter_map(said).take(5).collect();
    faults.join("; ")
}

/// A number, as it is or, in later versions, with whether it is set.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value["number"].as_i64().filter(|_| value["set"] != false))
}

fn job(job: &Value) -> Option<(String, (Seen, String))> {
    let text = |name: &str| job[name].as_str().unwrap_or_default().to_owned();
    // Later versions tell the state and what else is to be known of it.
    let state = job["job_state"].as_str().or_else(|| job["job_state"][0].as_str()).unwrap_or_default();
    let count = |name: &str| number(&job[name]).unwrap_or(0);
    let status =
        number(&job["exit_code"]).or_else(|| Some(number(&job["exit_code"]["return_code"])? << 8)).unwrap_or(0);
    let restarts = u32::try_from(count("restart_cnt")).unwrap_or(0);
    let seen = seen(state, &text("state_reason"), status, count("start_time"), &text("nodes"), restarts);
    Some((number(&job["job_id"])?.to_string(), (seen, text("comment"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::State;

    #[test]
    fn both_shapes_of_answers_are_read() {
        let old = json!({"job_id": 7, "job_state": "FAILED", "state_reason": "NonZeroExitCode", "exit_code": 768,
            "start_time": 1_795_852_177, "nodes": "n1", "restart_cnt": 1, "comment": "spolia:a:1"});
        let set = |number: i64| json!({"set": true, "infinite": false, "number": number});
        let new = json!({"job_id": 7, "job_state": ["FAILED"], "state_reason": "NonZeroExitCode",
            "exit_code": {"status": ["ERROR"], "return_code": set(3)}, "start_time": set(1_795_852_177), "nodes": "n1",
            "restart_cnt": 1, "comment": "spolia:a:1"});
        let (id, (seen, comment)) = job(&old).unwrap();
        assert_eq!(
            (id.as_str(), seen.state, seen.exit_code, comment.as_str()),
            ("7", State::Failed, Some(3), "spolia:a:1")
        );
        assert_eq!(job(&new).unwrap().1.0, seen);
        assert_eq!(
            faults(&json!({"errors": [{"error": "Invalid partition", "error_number": 2000}]})),
            "Invalid partition"
        );
        assert_eq!(faults(&json!({"errors": []})), "");
    }
}
