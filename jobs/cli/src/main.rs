//! `spolia`: make a site, bring files in, ask, cut and merge, serve.
//!
//! Answers go to standard output, progress and logs to standard error. Exit status: 0 done, 1 failed, 2 wrong usage.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod command;
mod error;
mod settings;
mod site;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What the connection pools warn of is told with the error that it leads to.
    let filter = EnvFilter::try_from_env("SPOLIA_LOG").unwrap_or_else(|_| EnvFilter::new("warn,deadpool=error"));
    // Who works on an order has a log of its own.
    if !matches!(arguments.command, arguments::Command::Work { .. }) {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("spolia: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(command::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spolia: {}", error.message());
            ExitCode::FAILURE
        }
    }
}
