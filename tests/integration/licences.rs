//! Licences, sources and banned packages of everything that is linked: what `deny.toml` says, read without cargo-deny, so that
//! it is held on every machine. `cargo deny check` knows more, where it is installed.

use std::process::Command;

use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::site::{own_folder, run};

/// Where packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

struct Rules {
    licences: Vec<String>,
    banned: Vec<String>,
}

impl Rules {
    fn read() -> Self {
        let text = std::fs::read_to_string(own_folder().join("../deny.toml")).unwrap();
        let rules: toml::Table = text.parse().unwrap();
        let list = |section: &str, key: &str| rules[section][key].as_array().unwrap().clone();
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        Self {
            licences: list("licenses", "allow").iter().map(text).collect(),
            banned: list("bans", "deny").iter().map(|ban| text(&ban["crate"])).collect(),
        }
    }

    /// What is wrong with a package of `cargo metadata`.
    fn fault(&self, package: &Value) -> Option<String> {
        let name = package["name"].as_str().unwrap();
        match package["source"].as_str() {
            // Our own.
            None => return None,
            Some(REGISTRY) => {}
            Some(other) => return Some(format!("{name} comes from {other}")),
        }
        if self.banned.iter().any(|banned| banned == name) {
            return Some(format!("{name} is banned"));
        }
        let licence = package["license"].as_str().unwrap_or_default();
        let allowed = |licence: &LicenseReq| self.licences.contains(&licence.to_string());
        match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(expression) if expression.evaluate(allowed) => None,
            _ => Some(format!("{name} has the licence {licence:?}, which deny.toml does not allow")),
        }
    }
}

#[test]
fn the_tree_keeps_deny_toml() {
    let rules = Rules::read();
    let metadata = ["metadata", "--format-version", "1", "--offline", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let metadata = run(Command::new("cargo").args(metadata).current_dir(own_folder())).ok();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let faults: Vec<String> = packages.iter().filter_map(|package| rules.fault(package)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_breach_is_found() {
    let rules = Rules::read();
    let package = |name: &str, licence: &str, source: &str| {
        rules.fault(&serde_json::json!({"name": name, "license": licence, "source": source}))
    };
    assert_eq!(package("a", "(MIT OR GPL-3.0-only) AND Unicode-3.0", REGISTRY), None);
    assert_eq!(package("a", "MIT/Apache-2.0", REGISTRY), None);
    for (name, licence, source) in
        [("a", "GPL-3.0-only", REGISTRY), ("a", "", REGISTRY), ("openssl-sys", "MIT", REGISTRY), ("a", "MIT", "git+x")]
    {
        assert!(package(name, licence, source).is_some(), "{name} {licence} {source}");
    }
}
