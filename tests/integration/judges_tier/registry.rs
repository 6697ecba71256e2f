//! Registry records against the schemas that Debian's packages of STILTS and DaCHS bring, and harvested by DaCHS.

use std::path::Path;
use std::process::Command;

use crate::registry::{ON, described};
use crate::served::Doors;
use crate::site::{own_folder, python, run};

/// Where Debian's package `python3-gavo` has its schemas.
const DACHS: &str = "/usr/lib/python3/dist-packages/gavo/resources/schemata";
/// Where Debian's package `stilts` has those of taplint.
const STILTS: &str = "/usr/share/java/starlink-ttools.jar";
/// The Python that Debian's packages belong to.
const DEBIAN_PYTHON: &str = "/usr/bin/python3";

#[test]
fn every_document_is_valid_by_the_schemas() {
    let Some(python) = python() else {
        println!("skipped: no Python with lxml (SPOLIA_PYTHON)");
        return;
    };
    if let Some(missing) = [DACHS, STILTS].into_iter().find(|path| !Path::new(path).exists()) {
        println!("skipped: no schemas at {missing}");
        return;
    }
    let site = described();
    let doors = Doors::of(&site, &ON[..1]);
    let script = own_folder().join("python/registry_schemas.py");
    let said = run(Command::new(python).arg(script).args([doors.base_url.as_str(), DACHS, STILTS])).ok();
    assert!(said.contains("4 records are valid by the schemas of DaCHS and STILTS"), "{said}");
}

#[test]
fn dachs_harvests_and_validates() {
    if !Path::new(DACHS).exists() {
        println!("skipped: no DaCHS");
        return;
    }
    let site = described();
    let doors = Doors::of(&site, &ON);
    let home = tempfile::tempdir().unwrap();
    let script = own_folder().join("python/registry_dachs.py");
    let mut dachs = Command::new(DEBIAN_PYTHON);
    // It looks for its settings there, and might write some.
    dachs.arg(script).arg(&doors.base_url).env("HOME", home.path()).env("GAVO_INPUTSDIR", home.path());
    let said = run(dachs.current_dir(home.path())).ok();
    assert!(said.contains("DaCHS harvests 4 records"), "{said}");
}
