//! The workspace keeps the rules of `src/rules.rs`, and ARCHITECTURE.md lists its crates.

use std::path::Path;

use spolia_tests::{Workspace, documented_folders, violations};

#[test]
fn the_workspace_keeps_its_rules() {
    // Asked now, not when this was compiled: a build folder may serve several checkouts.
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let root = Path::new(&here).parent().unwrap();
    let workspace = Workspace::read(root).unwrap();
    let architecture = root.join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(&architecture).unwrap_or_else(|e| panic!("{}: {e}", architecture.display()));
    let found = violations(&workspace, &documented_folders(&text, &workspace));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
