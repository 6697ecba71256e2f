//! `spolia-hdf5`: the only program that links libhdf5.
//!
//! It reads one file's rows and makes Gaia-shaped files for trials. It runs as a
//! child with bounds of its own on memory and time, because libhdf5 is handed bytes that someone else wrote. Errors are one
//! JSON line on standard error, `{"error": "…"}`, and exit status 1.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bounds;
mod confinement;
mod error;
mod links;
mod make_gaia;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bounds::Bounds;
use crate::error::ChildError;

#[derive(Debug, Parser)]
#[command(name = "spolia-hdf5", version, about = "Reads and makes HDF5 files under bounds")]
struct Arguments {
    #[command(flatten)]
    bounds: Bounds,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes a file's rows as an Arrow IPC stream; the row model is JSON on standard input
    Rows {
        /// The file
        file: PathBuf,
    },
    /// Writes Gaia-shaped files for trials from real stars
    MakeGaia(make_gaia::MakeGaia),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", serde_json::json!({ "error": error.message() }));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), ChildError> {
    hdf5_metno::silence_errors(true);
    arguments.bounds.apply();
    match arguments.command {
        Command::Rows { file } => {
            let model = from_stdin()?;
            confinement::confine(&file);
            rows::write(&file, &model)
        }
        Command::MakeGaia(make) => make_gaia::make(&make),
    }
}

fn from_stdin<T: serde::de::DeserializeOwned>() -> Result<T, ChildError> {
    serde_json::from_reader(std::io::stdin().lock()).map_err(ChildError::Message)
}
