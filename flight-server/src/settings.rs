//! The settings of the doors.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::ServerError;

/// Where the doors are, and the bounds on what they answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// HTTP: TAP, DataLink, files. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Arrow Flight SQL. Port 0 takes any free one.
    pub flight_listen: SocketAddr,
    /// How clients reach the HTTP door, where that is not `http://<listen>`: behind a proxy, or by a name. Links begin with it.
    pub base_url: Option<String>,
    /// Rows of a TAP answer where the client does not say (MAXREC).
    pub maxrec_default: usize,
    /// Rows of any answer at most, whatever the client says.
    pub maxrec_hard: usize,
    /// Queries answered at once, over all doors.
    pub queries: usize,
    /// Cuts made at once, and results that are made whole before they are sent (FITS).
    pub cuts: usize,
    /// Files sent at once.
    pub downloads: usize,
    /// Requests with tables to upload read at once.
    pub uploads: usize,
    /// Requests that wait for a place at once; beyond, they are turned away.
    pub waiting: usize,
    /// Seconds a request waits for a place before it is turned away.
    pub wait_s: u64,
    /// Seconds without the client taking a byte after which an answer is given up.
    pub stall_timeout_s: u64,
    /// Rows whose transits or sources are given at once.
    pub max_ids: usize,
    /// Rows that are cut at once while the client waits; more belong into a job.
    pub cut_rows: usize,
    /// A FITS result at most, in MB; twice as much memory is used while one is written.
    pub fits_mb: usize,
    /// What a request brings along at most, in MB: tables that are uploaded, or fetched for it.
    pub upload_mb: usize,
    /// Rows of an uploaded table at most.
    pub upload_rows: usize,
    /// Memory that an uploaded table may take, in MB; more than 1024 is taken as 1024.
    pub upload_memory_mb: usize,
    /// Whether tables to upload may be given by their address, and are fetched by the server.
    pub upload_urls: bool,
    /// Hosts (`host` or `host:port`) that tables are fetched from though they are not public.
    pub upload_hosts: Vec<String>,
    /// The file of tokens, relative to the site's folder; `spolia token` writes it.
    pub tokens: PathBuf,
    /// Jobs at work at once, in this process.
    pub jobs: usize,
    /// Jobs that one owner may have waiting or at work; those without a name are one owner together.
    pub jobs_active: u32,
    /// Jobs that one owner may have in all.
    pub jobs_kept: u32,
    /// Seconds that a job may be at work where its owner does not say, and at most.
    pub execution_duration_s: u32,
    /// Days after which a job is deleted with its results where its owner does not say, and at most.
    pub destruction_days: u32,
    /// A job's result at most, in MB.
    pub result_mb: usize,
    /// How much of an answer is held back in a format that cannot tell whether it is whole (CSV and its like, Arrow, Parquet), in MB:
    /// that is told before it then.
    pub held_mb: usize,
    /// Where merged files are made before they are sent; relative to the site's folder. Nothing stays there.
    pub spool: PathBuf,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 3000).into(),
            flight_listen: ([127, 0, 0, 1], 3001).into(),
            base_url: None,
            maxrec_default: 100_000,
            maxrec_hard: 50_000_000,
            queries: 8,
            cuts: 2,
            downloads: 64,
            uploads: 8,
            waiting: 256,
            wait_s: 10,
            stall_timeout_s: 60,
            max_ids: 20_000,
            cut_rows: 50_000,
            fits_mb: 64,
            upload_mb: 100,
            upload_rows: 1_000_000,
            upload_memory_mb: 256,
            upload_urls: true,
            upload_hosts: Vec::new(),
            tokens: PathBuf::from("tokens.toml"),
            jobs: 2,
            jobs_active: 100,
            jobs_kept: 10_000,
            execution_duration_s: 3600,
            destruction_days: 7,
            result_mb: 10_000,
            held_mb: 64,
            spool: PathBuf::from("spool"),
        }
    }
}

impl ServerSettings {
    /// The base URL that links begin with, without a slash at the end; `bound` is where the HTTP door is.
    ///
    /// # Errors
    /// [`ServerError::BaseUrl`] for a text that is no plain HTTP URL.
    pub(crate) fn base_url(&self, bound: SocketAddr) -> Result<String, ServerError> {
        let Some(given) = &self.base_url else {
            // Listening on all addresses, the server has none of its own to name.
            let host =
                if bound.ip().is_unspecified() { format!("localhost:{}", bound.port()) } else { bound.to_string() };
            return Ok(format!("http://{host}"));
        };
        let url = given.trim_end_matches('/');
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
        match rest {
            Some(rest) if !rest.is_empty() && rest.chars().all(plain) => Ok(url.to_owned()),
            _ => Err(ServerError::BaseUrl(given.clone())),
        }
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`ServerError::Bound`] for one that would let nothing through.
    pub(crate) fn validate(&self) -> Result<(), ServerError> {
        let bounds = [
            ("maxrec_default", self.maxrec_default),
            ("maxrec_hard", self.maxrec_hard),
            ("queries", self.queries),
            ("cuts", self.cuts),
            ("downloads", self.downloads),
            ("uploads", self.uploads),
            ("waiting", self.waiting),
            ("max_ids", self.max_ids),
            ("cut_rows", self.cut_rows),
            ("fits_mb", self.fits_mb),
            ("upload_mb", self.upload_mb),
            ("upload_rows", self.upload_rows),
            ("upload_memory_mb", self.upload_memory_mb),
            ("jobs", self.jobs),
            ("jobs_active", self.jobs_active as usize),
            ("jobs_kept", self.jobs_kept as usize),
            ("execution_duration_s", self.execution_duration_s as usize),
            ("destruction_days", self.destruction_days as usize),
            ("result_mb", self.result_mb),
        ];
        match bounds.into_iter().find(|(_, bound)| *bound == 0) {
            Some((name, _)) => Err(ServerError::Bound(name)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Option<&str>, bound: &str, expect: Option<&str>) {
        let settings = ServerSettings { base_url: given.map(str::to_owned), ..ServerSettings::default() };
        assert_eq!(settings.base_url(bound.parse().unwrap()).ok().as_deref(), expect);
    }

    #[test]
    fn links_begin_with_the_given_url_or_the_address() {
        check(None, "127.0.0.1:3000", Some("http://127.0.0.1:3000"));
        check(None, "0.0.0.0:80", Some("http://localhost:80"));
        check(None, "[::1]:80", Some("http://[::1]:80"));
        check(Some("https://archive.example.org/spoke3/"), "0.0.0.0:80", Some("https://archive.example.org/spoke3"));
        for wrong in ["archive.example.org", "ftp://x", "http://", "http://x/\"><script>", "http://x?a=b"] {
            check(Some(wrong), "0.0.0.0:80", None);
        }
    }

    #[test]
    fn a_bound_of_nothing_is_refused() {
        assert!(ServerSettings::default().validate().is_ok());
        let error = ServerSettings { cuts: 0, ..ServerSettings::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("cuts"));
    }
}
