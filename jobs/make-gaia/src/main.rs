//! `spolia-make-gaia`: Gaia-shaped files for trials.
//!
//! The only program that links libhdf5: the files that our own reader is tried on are written by the reference library.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod error;
mod make_gaia;

use std::process::ExitCode;

use clap::Parser;

/// Writes Gaia-shaped HDF5 files for trials, from real stars
#[derive(Debug, Parser)]
#[command(name = "spolia make-gaia", version)]
struct Arguments {
    #[command(flatten)]
    make: make_gaia::MakeGaia,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    hdf5_metno::silence_errors(true);
    match make_gaia::make(&arguments.make) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spolia: {}", error.message());
            ExitCode::FAILURE
        }
    }
}
