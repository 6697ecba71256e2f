//! Tests of the workspace as a whole: its tree and its running programs.
//!
//! `make test` runs all but the modules `judges_tier` and `soak_tier`, which `make judges` and `make soak` run. A test that
//! can't run on this machine prints one line `skipped: <why>` and returns.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic, and a skipped test says so")]

mod bare;
mod bounds;
mod connections;
mod copies;
mod cut;
mod docs;
mod doors;
mod faults;
mod forms;
mod golden;
mod hostile;
mod ingest;
mod ingest_jobs;
mod inspect;
mod jobs;
mod judges_tier;
mod licences;
mod locked;
mod measured;
mod merged;
mod neighbours;
mod oracle;
mod query;
mod random_queries;
mod redis_server;
mod registry;
mod replicated;
mod scheduled;
mod selections;
mod served;
mod site;
mod soak_tier;
mod streamed;
mod types;
mod uploads;
mod user_tables;
