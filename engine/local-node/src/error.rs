//! What can go wrong with a local node; each message says what to do about it.

use std::io;
use std::path::PathBuf;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed act on a local PostgreSQL node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable PostgreSQL server programs on this machine.
    #[error(
        "no PostgreSQL server (version 13 or later) found in {looked}; install the package postgresql-15 or postgresql"
    )]
    FindPostgres {
        /// The places that were searched.
        looked: String,
    },
    /// The node's data were made by a major version that is not installed.
    #[error(
        "node {node} was made by PostgreSQL {major}, which is not installed; install the package postgresql-{major}"
    )]
    FindMajor {
        /// The node.
        node: String,
        /// Its major version.
        major: u32,
    },
    /// A node name outside `[a-z][a-z0-9_]*`, 32 bytes at most.
    #[error("{name:?} can't name a node; use a lower-case letter, then letters, digits or '_', 32 at most")]
    CheckName {
        /// The refused name.
        name: String,
    },
    /// A site path that PostgreSQL's files can't hold.
    #[error("the site path {path:?} can't hold a node: {why}")]
    CheckSite {
        /// The refused path.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// Root needs another user to run the server as, and there is none.
    #[error(
        "PostgreSQL refuses to run as root and there is no user {user:?} to run it as; install the package postgresql"
    )]
    FindServerUser {
        /// The missing user.
        user: String,
    },
    /// The node belongs to another user of this machine.
    #[error("node {node} in {data_dir} belongs to the user with id {owner}; run as that user or as root")]
    CheckOwner {
        /// The node.
        node: String,
        /// Its data folder.
        data_dir: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// A file or folder could not be read, written, made, removed or given away.
    #[error("can't {act} {path}")]
    File {
        /// The act, as a verb.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// `node.json` is not what this program wrote.
    #[error("{path} is damaged; restore it from a copy of the site")]
    ReadRecord {
        /// The record.
        path: PathBuf,
        /// The parser's answer.
        #[source]
        source: serde_json::Error,
    },
    /// A helper program could not be started.
    #[error("can't run {program}")]
    RunProgram {
        /// The program.
        program: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// `initdb` ended with an error.
    #[error("initdb failed for node {node} in {place}:\n{output}")]
    Initdb {
        /// The node.
        node: String,
        /// Where its data folder was to be.
        place: PathBuf,
        /// The last lines initdb wrote.
        output: String,
    },
    /// The node was never made.
    #[error("there is no node {node} in the site {site}; make it with `spolia init` or `spolia up`")]
    OpenNode {
        /// The node.
        node: String,
        /// The site.
        site: PathBuf,
    },
    /// The node was made, but its data folder is not there now.
    #[error(
        "the data folder {data_dir} of node {node} is gone; is its disk mounted? restore it, or remove {record} to begin anew"
    )]
    FindData {
        /// The node.
        node: String,
        /// The folder that was there.
        data_dir: PathBuf,
        /// The record that names it.
        record: PathBuf,
    },
    /// Somebody else's folder stands where the socket should be.
    #[error("{path} must be a folder of mode 0700 owned by the user with id {owner}, and is not; remove it")]
    CheckSocketFolder {
        /// The folder.
        path: PathBuf,
        /// The user it must belong to.
        owner: u32,
    },
    /// The node was last started on another machine and seems to run there.
    #[error(
        "node {node} seems to run on {host}; stop it there, or, if that machine is gone for good, remove {pid_file}"
    )]
    CheckMachine {
        /// The node.
        node: String,
        /// The other machine.
        host: String,
        /// The file that says it runs.
        pid_file: PathBuf,
    },
    /// Another process kept the node's lock too long.
    #[error(
        "another process has been making, starting or stopping node {node} for {waited_s} s (it holds {path}); try again"
    )]
    Lock {
        /// The node.
        node: String,
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// The server ended before it answered.
    #[error("PostgreSQL node {node} did not start ({outcome}); the end of {log_file}:\n{tail}")]
    Start {
        /// The node.
        node: String,
        /// Exit status, or that the time ran out.
        outcome: String,
        /// The whole log.
        log_file: PathBuf,
        /// Its last lines from this start.
        tail: String,
    },
    /// A server that runs could not be signalled.
    #[error("can't signal the PostgreSQL server of node {node} (pid {pid})")]
    Signal {
        /// The node.
        node: String,
        /// Its process.
        pid: i32,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Processes of the node were still there after they were told to end.
    #[error("PostgreSQL node {node} still runs after {waited_s} s (pid {pid}); see {log_file}")]
    Stop {
        /// The node.
        node: String,
        /// A process that is left.
        pid: i32,
        /// How long it was waited for.
        waited_s: u64,
        /// The whole log.
        log_file: PathBuf,
    },
}
