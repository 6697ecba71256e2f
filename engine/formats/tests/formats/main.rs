//! The formats as their readers see them: exact text here, astropy, pyarrow and STILTS in `judges`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says so when it was skipped"
)]

mod hostile;
mod judges;
mod mutated;
mod read_ecsv;
mod read_fits;
mod read_votable;
mod sample;
mod table;
mod written;
