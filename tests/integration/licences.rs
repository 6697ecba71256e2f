//! Licences, sources and banned packages: `deny.toml`, held by cargo-deny where it is installed.

use std::path::Path;
use std::process::Command;

#[test]
fn the_tree_keeps_deny_toml() {
    if !Command::new("cargo").args(["deny", "--version"]).output().unwrap().status.success() {
        println!("skipped: cargo-deny is not installed (cargo install cargo-deny)");
        return;
    }
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let root = Path::new(&here).parent().unwrap();
    let checks = ["deny", "--offline", "check", "bans", "licenses", "sources"];
    let output = Command::new("cargo").args(checks).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
