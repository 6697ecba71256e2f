//! What a program takes: processor time and memory, which do not depend on who else is at work on the machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::site::{Run, own_folder, python, run};

/// What ends a program that would not end by itself.
#[derive(Clone, Copy)]
pub struct Limits {
    pub cpu_s: u64,
    pub address_space_mb: u64,
}

/// What a program left and took.
#[derive(Debug)]
pub struct Measured {
    pub run: Run,
    pub cpu: Duration,
    /// The most memory that was resident, in KiB.
    pub peak_kb: u64,
}

/// Runs a program to its end by `tests/python/measured.py`; nothing where there is no Python at all. The test's own process would
/// give its memory, which is large, to a child that it forks.
pub fn measured(program: &Path, arguments: &[&str], limits: Limits) -> Option<Measured> {
    let python = python().unwrap_or_else(|| PathBuf::from("python3"));
    if Command::new(&python).arg("--version").output().is_err() {
        println!("skipped: no Python to measure programs with");
        return None;
    }
    let Limits { cpu_s, address_space_mb } = limits;
    let mut command = Command::new(python);
    command.arg(own_folder().join("python/measured.py")).args([cpu_s, address_space_mb].map(|limit| limit.to_string()));
    let mut run = run(command.arg(program).args(arguments));
    let (own, told) = run.stderr.rsplit_once("\nmeasured: ").unwrap_or_else(|| panic!("nothing was measured: {run:?}"));
    let mut told = told.split_whitespace();
    let cpu = Duration::from_secs_f64(told.next().unwrap().parse().unwrap());
    let peak_kb = told.next().unwrap().parse().unwrap();
    run.stderr = own.to_owned();
    Some(Measured { run, cpu, peak_kb })
}
