//! `spolia inspect` held against what libhdf5 says of a corpus of files by many writers (`data/hdf5`, where it is there).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::measured::{Limits, Measured, measured};
use crate::site::{Run, own_folder, program, run};

/// Parts of files' names where libhdf5 says something else, and why that is no fault here.
const EXCEPTIONS: [(&str, &str); 5] = [
    (
        "_h5fc_",
        "libhdf5 lists the chunks of extensible arrays along the wrong dimension; their content is compared elsewhere",
    ),
    ("_vds", "what virtual datasets are made of is not followed, so shapes that depend on it are not known"),
    ("h5clear_mdc_image", "its metadata are in a cache image, which is not read"),
    ("tcompound_complex.h5", "the digest in the truth is of pointers in memory"),
    ("tvlenstr_array.h5", "the digest in the truth is of pointers in memory"),
];

/// The folder of real data, if it is there.
pub fn corpus() -> Option<PathBuf> {
    let data = std::env::var_os("SPOLIA_DATA").map_or_else(|| own_folder().join("../../shared/data"), PathBuf::from);
    let folder = data.join("hdf5");
    if !folder.is_dir() {
        println!("skipped: no real data (SPOLIA_DATA)");
        return None;
    }
    Some(folder)
}

/// The truth, by file.
fn truth(folder: &Path) -> BTreeMap<String, Value> {
    let text = run(Command::new("gzip").arg("-dc").arg(folder.join("truth.jsonl.gz"))).ok();
    let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    parsed.map(|value| (value["file"].as_str().unwrap().to_owned(), value)).collect()
}

fn by_path(file: &Value) -> BTreeMap<&str, &Value> {
    let objects = file["objects"].as_array().unwrap();
    objects.iter().map(|object| (object["path"].as_str().unwrap(), object)).collect()
}

/// What of an object's truth is not found, a line each.
fn differences(found: &Value, truth: &Value) -> Vec<String> {
    let compared = truth.as_object().unwrap().iter().filter(|(key, _)| !matches!(key.as_str(), "read_error" | "error"));
    let differs = |(key, expected): (&String, &Value)| {
        let (mut found, mut expected) = (found[key].clone(), expected.clone());
        match key.as_str() {
            // Names of filters are those of the libhdf5 that looked.
            "filters" => [&mut found, &mut expected].into_iter().for_each(|filters| {
                for filter in filters.as_array_mut().into_iter().flatten() {
                    filter.as_object_mut().unwrap().remove("name");
                }
            }),
            "chunks" => [&mut found, &mut expected].into_iter().for_each(|chunks| {
                if let Some(chunks) = chunks.as_array_mut() {
                    chunks.sort_by_key(|chunk| chunk[1].as_u64());
                }
            }),
            _ => {}
        }
        let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
        (found != expected).then(|| format!("{key}: {} instead of {}", short(&found), short(&expected)))
    };
    compared.filter_map(differs).collect()
}

#[test]
fn the_reader_sees_what_libhdf5_sees() {
    let Some(folder) = corpus() else { return };
    let truth = truth(&folder);
    let compared: Vec<&String> =
        truth.keys().filter(|file| !EXCEPTIONS.iter().any(|(part, _)| file.contains(part))).collect();
    let answer = run(Command::new(program("spolia"))
        .current_dir(&folder)
        .args(["inspect", "--json", "--digest"])
        .args(&compared))
    .ok();
    let found: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), compared.len());
    let mut faults = Vec::new();
    for (file, found) in compared.into_iter().zip(&found) {
        let expected = &truth[file];
        for key in ["file", "size", "superblock_offset", "superblock_version"] {
            assert_eq!(found[key], expected[key], "{file}: {key}");
        }
        let found = by_path(found);
        for (path, expected) in by_path(expected) {
            let differences = match found.get(path) {
                Some(found) => differences(found, expected),
                None => vec!["is not found".to_owned()],
            };
            faults.extend(differences.into_iter().map(|difference| format!("{file}{path} {difference}")));
        }
    }
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
}

/// What the program may take for a malformed file, and what ends it when it takes far more.
const MOST_CPU: Duration = Duration::from_secs(1);
const MOST_MEMORY_KB: u64 = 256 << 10;
const LIMITS: Limits = Limits { cpu_s: 20, address_space_mb: 1000 };

/// The worst of what was measured.
#[derive(Debug, Default)]
struct Worst {
    cpu: (Duration, String),
    peak_kb: (u64, String),
    answers: usize,
    errors: usize,
}

impl Worst {
    /// Runs the program; there must be an answer or an error, within bounds.
    fn run(&mut self, arguments: &[&str], file: &str) -> Option<Run> {
        let Measured { run, cpu, peak_kb } = measured(&program("spolia"), arguments, LIMITS)?;
        assert!(matches!(run.code, Some(0 | 1)) && !run.stderr.contains("panicked"), "{arguments:?}: {run:?}");
        assert!(run.success || !run.stderr.trim().is_empty(), "{arguments:?}: an error that says nothing");
        assert!(cpu < MOST_CPU, "{arguments:?} took {cpu:?}");
        assert!(peak_kb < MOST_MEMORY_KB, "{arguments:?} took {peak_kb} KB");
        self.cpu = std::mem::take(&mut self.cpu).max((cpu, file.to_owned()));
        self.peak_kb = std::mem::take(&mut self.peak_kb).max((peak_kb, file.to_owned()));
        *(if run.success { &mut self.answers } else { &mut self.errors }) += 1;
        Some(run)
    }
}

/// The malformed files, by path.
fn malformed(folder: &Path) -> Vec<PathBuf> {
    let kinds = ["cve", "rejected_by_libhdf5"].map(|kind| std::fs::read_dir(folder.join("malformed").join(kind)));
    let mut paths: Vec<PathBuf> =
        kinds.into_iter().flat_map(|files| files.unwrap().map(|file| file.unwrap().path())).collect();
    paths.sort();
    assert!(paths.len() >= 129, "{} of the 129 malformed files", paths.len());
    paths
}

#[test]
fn malformed_files_end_in_an_answer_or_an_error() {
    let Some(folder) = corpus() else { return };
    let (mut described, mut hashed) = (Worst::default(), Worst::default());
    for path in malformed(&folder) {
        let path = path.to_str().unwrap();
        let Some(_) = described.run(&["inspect", "--json", path], path) else { return };
        hashed.run(&["inspect", "--json", "--digest", path], path);
    }
    println!("inspect: {described:?}\ninspect --digest: {hashed:?}");
}

/// The names of the root's objects, as far as it can be read.
fn root_names(path: &str) -> Vec<String> {
    let run = run(Command::new(program("spolia")).args(["inspect", "--json", path]));
    let found = serde_json::from_str::<Value>(&run.stdout).unwrap_or_default();
    let objects = found["objects"].as_array().cloned().unwrap_or_default();
    let paths = objects.iter().map(|object| object["path"].as_str().unwrap()[1..].to_owned());
    paths.filter(|path| !path.contains('/')).collect()
}

#[test]
fn cuts_of_malformed_files_end_in_an_answer_or_an_error() {
    let Some(folder) = corpus() else { return };
    let out = tempfile::tempdir().unwrap();
    let (names, merged) = (out.path().join("names.txt"), out.path().join("merged.h5"));
    let (list, merged) = (format!("@{}", names.display()), merged.to_str().unwrap());
    let mut worst = Worst::default();
    for path in malformed(&folder) {
        let path = path.to_str().unwrap();
        let all = root_names(path);
        // What is refused hides what stands behind it, so each object is cut by itself as well.
        for chosen in std::iter::once(&all[..]).chain(all.chunks(1)).filter(|chosen| !chosen.is_empty()) {
            std::fs::write(&names, chosen.join("\n")).unwrap();
            let arguments = ["cut", path, "--objects", &list, "-o", merged];
            let Some(run) = worst.run(&arguments, path) else { return };
            assert_eq!(Path::new(merged).exists(), run.success, "{path}: {run:?}");
            let _ = std::fs::remove_file(merged);
        }
    }
    println!("cut: {worst:?}");
    assert!(worst.answers + worst.errors > 129, "{worst:?}");
}
