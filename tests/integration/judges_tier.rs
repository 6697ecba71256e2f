//! The heavier judges from outside, run by `make judges`.

mod registry;
mod s3;
pub mod slurm;
mod topcat;

use std::process::Command;

use crate::served::Served;
use crate::site::{own_folder, run};

/// What taplint may say, each explained in docs/serve.md: the code of a report, and what all of its lines hold.
const KNOWN: [(&str, &str); 3] = [
    ("E-CAP-KEYX", "TAPRegExt#features-adql-conditional"),
    ("W-TMV-UNSC", "http://esa.int/xml/EsaTapPlus"),
    ("W-EXA-EXVL", "Validation"),
];

/// All stages but ObsLocTAP's, whose table no collection declares.
#[test]
fn taplint_finds_no_error() {
    if Command::new("stilts").arg("-version").output().is_err() {
        println!("skipped: no stilts");
        return;
    }
    let docs = std::fs::read_to_string(own_folder().join("../docs/serve.md")).unwrap();
    for (code, _) in KNOWN {
        assert!(docs.contains(code), "{code} is not explained in docs/serve.md");
    }
    let served = Served::start();
    let tap = format!("tapurl={}/tap", served.base_url);
    let report =
        run(Command::new("stilts").args(["taplint", "report=EWF", "maxrepeat=100000", "stages=-LOC", &tap])).ok();
    assert!(report.contains("Section EXA:") && report.contains("Totals:"), "it ends early: {report}");
    let is_known = |line: &str| KNOWN.iter().any(|(code, words)| line.starts_with(code) && line.contains(words));
    let unknown: Vec<&str> =
        report.lines().filter(|line| ["E-", "W-", "F-"].iter().any(|kind| line.starts_with(kind))).collect();
    let unknown: Vec<&str> = unknown.into_iter().filter(|line| !is_known(line)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}
