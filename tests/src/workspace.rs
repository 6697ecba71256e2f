//! The crates of the workspace and what they depend on, as `cargo metadata` tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Why the workspace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A program of the toolchain can't be run.
    #[error("can't run {program}")]
    Run {
        /// The program.
        program: &'static str,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// It ran and failed.
    #[error("{program} failed: {message}")]
    Fail {
        /// The program.
        program: &'static str,
        /// What it wrote.
        message: String,
    },
    /// Its output is no JSON.
    #[error("can't parse the output of cargo metadata")]
    Parse(#[from] serde_json::Error),
    /// Its output lacks a field.
    #[error("cargo metadata has no {0}")]
    Field(&'static str),
}

/// All crates of a workspace.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// In no particular order.
    pub packages: Vec<Package>,
}

/// One crate of the workspace. Dependencies are normal and build ones; those of tests don't count.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// Package name, `spolia-sky`.
    pub name: String,
    /// Folder from the workspace's root, `engine/sky`.
    pub folder: String,
    /// Names of the packages it declares.
    pub direct: BTreeSet<String>,
    /// Names of all packages it is built with.
    pub reached: BTreeSet<String>,
    /// The C libraries those link (cargo's `links`).
    pub links: BTreeSet<String>,
}

impl Workspace {
    /// Asks cargo about the workspace in `root`, for this machine's target.
    ///
    /// # Errors
    /// When cargo or rustc can't be run, fail, or answer something unexpected.
    pub fn read(root: &Path) -> Result<Self, ReadError> {
        let version = output("rustc", Command::new("rustc").arg("-vV").current_dir(root))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--format-version", "1", "--filter-platform", &host]).current_dir(root);
        Self::parse(&serde_json::from_str(&output("cargo metadata", &mut cargo)?)?)
    }

    /// Takes the workspace's crates out of the output of `cargo metadata --format-version 1`.
    ///
    /// # Errors
    /// [`ReadError::Field`] when something is missing.
    pub fn parse(metadata: &Value) -> Result<Self, ReadError> {
        let root = text(metadata, "workspace_root")?;
        let members: BTreeSet<&str> = list(metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let graph = Graph::parse(metadata)?;
        let mut packages = Vec::new();
        for package in
            list(metadata, "packages")?.iter().filter(|p| p["id"].as_str().is_some_and(|id| members.contains(id)))
        {
            packages.push(graph.member(package, root)?);
        }
        Ok(Self { packages })
    }
}

/// The resolved dependencies, by package id.
struct Graph<'a> {
    packages: BTreeMap<&'a str, &'a Value>,
    arrows: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    fn parse(metadata: &'a Value) -> Result<Self, ReadError> {
        let mut graph = Self { packages: BTreeMap::new(), arrows: BTreeMap::new() };
        for package in list(metadata, "packages")? {
            graph.packages.insert(text(package, "id")?, package);
        }
        for node in list(&metadata["resolve"], "nodes")? {
            let built = list(node, "deps")?.iter().filter(|dep| is_built(dep));
            graph.arrows.insert(text(node, "id")?, built.filter_map(|dep| dep["pkg"].as_str()).collect());
        }
        Ok(graph)
    }

    fn member(&self, package: &Value, root: &str) -> Result<Package, ReadError> {
        let manifest = Path::new(text(package, "manifest_path")?);
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(manifest);
        let declared = list(package, "dependencies")?.iter().filter(|dep| dep["kind"] != "dev");
        let reached: Vec<&Value> = self.reached_from(text(package, "id")?);
        Ok(Package {
            name: text(package, "name")?.to_owned(),
            folder: folder.to_string_lossy().into_owned(),
            direct: declared.filter_map(|dep| dep["name"].as_str()).map(str::to_owned).collect(),
            reached: reached.iter().filter_map(|p| p["name"].as_str()).map(str::to_owned).collect(),
            links: reached.iter().filter_map(|p| p["links"].as_str()).map(str::to_owned).collect(),
        })
    }

    /// Every package that building this one takes, itself not among them.
    fn reached_from(&self, id: &str) -> Vec<&'a Value> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = self.arrows.get(id).cloned().unwrap_or_default();
        while let Some(id) = next.pop() {
            if seen.insert(id) {
                next.extend(self.arrows.get(id).into_iter().flatten());
            }
        }
        seen.iter().filter_map(|id| self.packages.get(id).copied()).collect()
    }
}

/// True for a dependency of the built code, not only of its tests.
fn is_built(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
}

fn list<'a>(value: &'a Value, field: &'static str) -> Result<&'a Vec<Value>, ReadError> {
    value[field].as_array().ok_or(ReadError::Field(field))
}

fn text<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, ReadError> {
    value[field].as_str().ok_or(ReadError::Field(field))
}

fn output(program: &'static str, command: &mut Command) -> Result<String, ReadError> {
    let output = command.output().map_err(|source| ReadError::Run { program, source })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ReadError::Fail { program, message });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_dependencies_count_and_those_of_tests_do_not() {
        let dep = |pkg: &str, kind: Option<&str>| serde_json::json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        let package = |id: &str, links: Option<&str>, dependencies: Value| {
            serde_json::json!({ "id": id, "name": id, "links": links, "manifest_path": format!("/w/{id}/Cargo.toml"),
                "dependencies": dependencies })
        };
        let declared = serde_json::json!([
            { "name": "sys", "kind": "build" }, { "name": "plain", "kind": null }, { "name": "harness", "kind": "dev" }
        ]);
        let metadata = serde_json::json!({
            "workspace_root": "/w", "workspace_members": ["a"],
            "packages": [
                package("a", None, declared), package("sys", None, Value::Array(vec![])), package("plain", None, Value::Array(vec![])),
                package("deep", Some("hdf5"), Value::Array(vec![])), package("harness", None, Value::Array(vec![])),
            ],
            "resolve": { "nodes": [
                { "id": "a", "deps": [dep("sys", Some("build")), dep("plain", None), dep("harness", Some("dev"))] },
                { "id": "plain", "deps": [dep("deep", None)] },
            ] },
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        let [a] = workspace.packages.as_slice() else { panic!("{workspace:?}") };
        assert_eq!(a.folder, "a");
        assert_eq!(a.direct, ["plain", "sys"].map(str::to_owned).into());
        assert_eq!(a.reached, ["deep", "plain", "sys"].map(str::to_owned).into());
        assert_eq!(a.links, ["hdf5".to_owned()].into());
    }
}
