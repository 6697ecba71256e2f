//! The heavier judges from outside, run by `make judges`.

mod s3;

use std::process::Command;

use crate::served::Served;
use crate::site::run;

/// Stages of taplint that this service has an answer to: there is no asynchronous door, no upload and no ObsCore yet.
const STAGES: &str = "stages=TMV TME TMS TMC CPV CAP AVV QGE QPO MDQ EXA";

#[test]
fn taplint_finds_no_error() {
    if Command::new("stilts").arg("-version").output().is_err() {
        println!("skipped: no stilts");
        return;
    }
    let served = Served::start();
    let lint =
        run(Command::new("stilts").args(["taplint", "report=EWF", STAGES, &format!("tapurl={}/tap", served.base_url)]));
    let report = lint.ok();
    assert!(report.contains("Totals: Errors: 0;"), "{report}");
}
