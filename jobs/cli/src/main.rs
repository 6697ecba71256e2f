//! `spolia`: make a site, bring files in, ask, cut and merge, serve.
//!
//! Answers go to standard output, progress and logs to standard error. Exit status: 0 done, 1 failed, 2 wrong usage.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod command;
mod error;
mod settings;
mod site;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::arguments::Arguments;
use crate::error::CommandError;

/// Whoever reads standard output may have enough of it (`| head`): that ends the program, and is no error.
fn end_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

fn main() -> ExitCode {
    end_when_nobody_reads();
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
        Err(CommandError::File { source, .. }) if source.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spolia: {}", error.message());
            ExitCode::FAILURE
        }
    }
}
