//! What every crate of the workspace must keep to.

use std::collections::BTreeSet;

use crate::{Package, Workspace};

/// Each crate's level. A crate may use crates of lower levels only.
const LEVELS: [(&str, u8); 19] = [
    ("engine/sky", 0),
    ("engine/hdf5-format", 0),
    ("jobs/team", 0),
    ("engine/adql", 1),
    ("engine/formats", 1),
    ("engine/cutout", 1),
    ("engine/catalogue", 1),
    ("engine/local-node", 1),
    ("engine/planner", 2),
    ("shard-router", 2),
    ("jobs/queue", 2),
    ("jobs/ingest", 3),
    ("jobs/exec", 4),
    ("flight-server", 5),
    ("jobs/make-gaia", 5),
    ("jobs/worker", 5),
    ("jobs/cli", 6),
    ("benches", 6),
    ("tests", 6),
];

/// Packages that only the named crates may declare.
const DECLARED_ONLY_BY: [(&str, &[&str]); 3] = [
    ("tokio-postgres", &["engine/catalogue", "shard-router", "jobs/queue", "benches"]),
    ("axum", &["flight-server"]),
    ("tonic", &["flight-server"]),
];

/// C libraries that only the named crates may be linked with, directly or not.
const LINKED_ONLY_BY: [(&str, &[&str]); 2] = [("hdf5", &["jobs/make-gaia"]), ("mpi", &["jobs/worker"])];

/// Crates that do no I/O.
const WITHOUT_IO: [&str; 2] = ["engine/sky", "engine/adql"];

/// Packages whose purpose is I/O, processes or a runtime.
const IO_PACKAGES: [&str; 12] = [
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "hyper",
    "reqwest",
    "ureq",
    "object_store",
    "tokio-postgres",
    "rustix",
    "tempfile",
];

/// Every breach of the rules, as a sentence; `documented` are the folders that ARCHITECTURE.md lists.
#[must_use]
pub fn violations(workspace: &Workspace, documented: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        found.extend(name_breach(package));
        found.extend(level_breaches(package, workspace));
        found.extend(driver_breaches(package));
        found.extend(io_breaches(package));
    }
    let folders: BTreeSet<&str> = workspace.packages.iter().map(|package| package.folder.as_str()).collect();
    found.extend(stale_levels(&folders));
    found.extend(documentation_breaches(&folders, documented));
    found
}

/// The folders in the first cells, in backticks, of the Markdown tables that list crates: those that name at least one.
#[must_use]
pub fn documented_folders(markdown: &str, workspace: &Workspace) -> BTreeSet<String> {
    let mut documented = BTreeSet::new();
    for table in markdown.split("\n\n") {
        let cells: BTreeSet<String> = table.lines().filter_map(first_cell).collect();
        if workspace.packages.iter().any(|package| cells.contains(&package.folder)) {
            documented.extend(cells);
        }
    }
    documented
}

/// `x` of a table row "| `x` | … |".
fn first_cell(line: &str) -> Option<String> {
    let cell = line.trim().strip_prefix('|')?.split('|').next()?.trim();
    cell.strip_prefix('`')?.strip_suffix('`').map(|cell| cell.trim_end_matches('/').to_owned())
}

fn level_of(folder: &str) -> Option<u8> {
    LEVELS.iter().find(|(known, _)| *known == folder).map(|(_, level)| *level)
}

fn name_breach(package: &Package) -> Option<String> {
    let last = package.folder.rsplit('/').next().unwrap_or_default();
    let expected = format!("spolia-{last}");
    (package.name != expected)
        .then(|| format!("the package in {} is called {}, not {expected}", package.folder, package.name))
}

fn level_breaches(package: &Package, workspace: &Workspace) -> Vec<String> {
    let Some(level) = level_of(&package.folder) else {
        return vec![format!("{} has no level: give it one in tests/src/rules.rs", package.folder)];
    };
    let used = workspace.packages.iter().filter(|other| package.direct.contains(&other.name));
    let upward = used.filter(|other| level_of(&other.folder).is_some_and(|below| below >= level));
    upward.map(|other| format!("{} uses {}, which is not below it", package.folder, other.folder)).collect()
}

fn driver_breaches(package: &Package) -> Vec<String> {
    let mut found = Vec::new();
    for (driver, owners) in DECLARED_ONLY_BY {
        if package.direct.contains(driver) && !owners.contains(&package.folder.as_str()) {
            found.push(format!("{} declares {driver}, which belongs to {owners:?}", package.folder));
        }
    }
    for (library, owners) in LINKED_ONLY_BY {
        if package.links.contains(library) && !owners.contains(&package.folder.as_str()) {
            found.push(format!("{} links {library}, which belongs to {owners:?}", package.folder));
        }
    }
    found
}

fn io_breaches(package: &Package) -> Vec<String> {
    if !WITHOUT_IO.contains(&package.folder.as_str()) {
        return Vec::new();
    }
    let io = IO_PACKAGES.iter().filter(|io| package.reached.contains(**io));
    io.map(|io| format!("{} does no I/O, but is built with {io}", package.folder)).collect()
}

fn stale_levels(folders: &BTreeSet<&str>) -> Vec<String> {
    let gone = LEVELS.iter().filter(|(folder, _)| !folders.contains(folder));
    gone.map(|(folder, _)| format!("{folder} has a level, but there is no such crate")).collect()
}

fn documentation_breaches(folders: &BTreeSet<&str>, documented: &BTreeSet<String>) -> Vec<String> {
    let documented: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
    let missing = folders.difference(&documented).map(|folder| format!("ARCHITECTURE.md does not list {folder}"));
    let stale =
        documented.difference(folders).map(|folder| format!("ARCHITECTURE.md lists {folder}, which is no crate"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// A workspace that keeps all the rules.
    fn sound() -> Workspace {
        let package = |(folder, _): &(&str, u8)| {
            let name = format!("spolia-{}", folder.rsplit('/').next().unwrap());
            Package { name, folder: (*folder).to_owned(), ..Package::default() }
        };
        Workspace { packages: LEVELS.iter().map(package).collect() }
    }

    /// What is found after one crate of a sound workspace was changed.
    fn found_after(folder: &str, change: impl FnOnce(&mut Package)) -> Vec<String> {
        let mut workspace = sound();
        change(workspace.packages.iter_mut().find(|package| package.folder == folder).unwrap());
        violations(&workspace, &set(&LEVELS.map(|(folder, _)| folder)))
    }

    #[test]
    fn a_sound_workspace_passes() {
        let found = found_after("jobs/cli", |cli| {
            cli.direct = set(&["spolia-exec", "spolia-sky", "clap"]);
            cli.reached = set(&["tokio", "spolia-exec"]);
        });
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn arrows_point_strictly_down() {
        let up = found_after("engine/sky", |sky| sky.direct = set(&["spolia-adql"]));
        assert_eq!(up, ["engine/sky uses engine/adql, which is not below it"]);
        let level = found_after("jobs/ingest", |ingest| ingest.direct = set(&["spolia-exec"]));
        assert_eq!(level, ["jobs/ingest uses jobs/exec, which is not below it"]);
    }

    #[test]
    fn a_package_is_named_after_its_folder() {
        let found = found_after("shard-router", |router| router.name = "spolia-router".to_owned());
        assert_eq!(found, ["the package in shard-router is called spolia-router, not spolia-shard-router"]);
    }

    #[test]
    fn a_driver_has_its_owners() {
        let declared = |folder: &str, driver: &str| found_after(folder, |package| package.direct = set(&[driver]));
        assert_eq!(declared("shard-router", "tokio-postgres"), Vec::<String>::new());
        assert_eq!(declared("jobs/exec", "tokio-postgres").len(), 1);
        assert_eq!(declared("jobs/cli", "axum").len(), 1);
        assert_eq!(declared("benches", "tonic").len(), 1);
    }

    #[test]
    fn a_library_is_linked_by_its_owner_only_however_deep_it_lies() {
        let linked = |folder: &str, library: &str| found_after(folder, |package| package.links = set(&[library]));
        assert_eq!(linked("jobs/make-gaia", "hdf5"), Vec::<String>::new());
        assert_eq!(linked("jobs/cli", "hdf5"), ["jobs/cli links hdf5, which belongs to [\"jobs/make-gaia\"]"]);
        assert_eq!(linked("jobs/exec", "mpi").len(), 1);
    }

    #[test]
    fn the_core_does_no_io() {
        let found = found_after("engine/adql", |adql| adql.reached = set(&["sqlparser", "tokio"]));
        assert_eq!(found, ["engine/adql does no I/O, but is built with tokio"]);
    }

    #[test]
    fn a_new_crate_needs_a_level_and_a_gone_one_loses_it() {
        let found = found_after("jobs/exec", |exec| {
            exec.folder = "jobs/new".to_owned();
            exec.name = "spolia-new".to_owned();
        });
        assert_eq!(
            found,
            [
                "jobs/new has no level: give it one in tests/src/rules.rs",
                "jobs/exec has a level, but there is no such crate",
                "ARCHITECTURE.md does not list jobs/new",
                "ARCHITECTURE.md lists jobs/exec, which is no crate",
            ]
        );
    }

    #[test]
    fn crates_are_read_from_the_tables_that_list_them() {
        let markdown = "# A\n\n| folder | what |\n|---|---|\n| `engine/sky` | positions |\n| `jobs/gone/` | old |\n\n| `up` | command |\n";
        assert_eq!(documented_folders(markdown, &sound()), set(&["engine/sky", "jobs/gone"]));
    }
}
