//! `spolia inspect` held against what libhdf5 says of a corpus of files by many writers (`data/hdf5`, where it is there).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::site::{own_folder, program, run};

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
fn corpus() -> Option<PathBuf> {
    let data = std::env::var_os("SPOLIA_DATA").map_or_else(|| own_folder().join("../../shared/data"), PathBuf::from);
    let folder = data.join("hdf5");
    if !folder.is_dir() {
        println!("skipped: no real data (SPOLIA_DATA)");
        return None;
    }
    Some(folder)
}

/// The truth, by file.
fn truth(folder: &std::path::Path) -> BTreeMap<String, Value> {
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

#[test]
fn malformed_files_end_in_an_answer_or_an_error() {
    let Some(folder) = corpus() else { return };
    for kind in ["cve", "rejected_by_libhdf5"] {
        for entry in std::fs::read_dir(folder.join("malformed").join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let started = Instant::now();
            // Address space in KB.
            let limited =
                format!("ulimit -v 1000000; exec {} inspect --json --digest \"$0\"", program("spolia").display());
            let done = run(Command::new("bash").args(["-c", &limited]).arg(&path));
            assert!(matches!(done.code, Some(0 | 1)) && !done.stderr.contains("panicked"), "{path:?}: {done:?}");
            assert!(started.elapsed() < Duration::from_secs(10), "{path:?}");
        }
    }
}
