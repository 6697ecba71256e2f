//! Copies of everything in a corpus of files by many writers (`data/hdf5`, where it is there), held against the originals by h5py:
//! above all the data of variable length, of which the corpus has no digests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::inspect::corpus;
use crate::site::{own_folder, program, python, run};

/// What a cut does not copy, as it says so.
const REFUSED: [&str; 6] = [
    "it holds references, which lead to what is not copied with it",
    "it is a link by name, which a cut does not follow",
    "it is a virtual dataset, whose data lie elsewhere, which is refused",
    "its data lie in another file (external storage), which is refused",
    "it is a committed type, which is not copied as an object of its own",
    "it is inside of itself",
];

/// Objects that are damaged, and that libhdf5 does not read either.
const DAMAGED: [&str; 3] = [
    "test_memleak_H5O_dtype_decode_helper_H5Odtype/image",
    "test_tbogus/group",
    "tools_h5dump_tCVE-2021-37501_attr_decode/input_1",
];

/// Names that cannot be said: words of a list end at white space and commas.
const UNSAID: &str = "a name of several words";

/// The cuts of one file after the other, and what was refused, by the reason.
struct Cuts<'a> {
    out: &'a Path,
    made: Vec<Value>,
    refused: BTreeMap<String, u64>,
}

/// The well-formed files of a folder, by path.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    paths.sort();
    paths
}

impl Cuts<'_> {
    /// Cuts out all members of a group, and those of groups in it that cannot be copied as a whole.
    fn group(&mut self, file: &Path, objects: &[(String, bool)], group: &str) {
        let within = |path: &str| path.strip_prefix(group)?.strip_prefix('/').map(str::to_owned);
        let members = objects.iter().filter_map(|(path, is_group)| Some((within(path)?, *is_group)));
        let mut members: Vec<(String, bool)> = members.filter(|(name, _)| !name.contains('/')).collect();
        // Objects that are not to be had by name; but what is in such groups is.
        let unnamed =
            members.extract_if(.., |(name, _)| name.contains(|letter: char| letter == ',' || letter.is_whitespace()));
        let mut opened = Vec::new();
        for (name, is_group) in unnamed {
            *self.refused.entry(UNSAID.to_owned()).or_default() += 1;
            if is_group {
                opened.push(format!("{group}/{name}"));
            }
        }
        while !members.is_empty() {
            let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            let Some(place) = self.cut(file, group, &names) else { break };
            let (name, is_group) = members.remove(place);
            if is_group {
                opened.push(format!("{group}/{name}"));
            }
        }
        for inner in opened {
            self.group(file, objects, &inner);
        }
    }

    /// Cuts objects out; returns the place of the one that is refused.
    fn cut(&mut self, file: &Path, group: &str, names: &[&str]) -> Option<usize> {
        let list = self.out.join("names.txt");
        std::fs::write(&list, names.join("\n")).unwrap();
        let copy = self.out.join(format!("{}.h5", self.made.len()));
        let mut command = Command::new(program("spolia"));
        command.arg("cut").arg(file).args(["--objects", &format!("@{}", list.display()), "-o"]).arg(&copy);
        if !group.is_empty() {
            command.args(["--in", group]);
        }
        let done = run(&mut command);
        if done.success {
            self.made.push(json!({ "source": file, "group": group, "copy": copy }));
            return None;
        }
        assert!(!done.stderr.contains("panicked"), "{file:?}: {}", done.stderr);
        let stem = file.file_stem().unwrap().to_string_lossy();
        // `spolia: <file>/<object>…: why`
        let told = done.stderr.strip_prefix(&format!("spolia: {stem}/")).unwrap_or_default();
        let named = |name: &str| told.strip_prefix(name).is_some_and(|rest| rest.starts_with(['/', ':', '@']));
        let place = (0..names.len()).filter(|place| named(names[*place])).max_by_key(|place| names[*place].len());
        let reason = REFUSED.iter().find(|reason| done.stderr.contains(**reason));
        let reason = reason.map_or_else(|| format!("{stem}/{}", told.trim()), |reason| (*reason).to_owned());
        *self.refused.entry(reason).or_default() += 1;
        Some(place.unwrap_or_else(|| panic!("{}{group}: which object is it? {}", file.display(), done.stderr)))
    }
}

/// What can be copied of a file: path, and whether it is a group.
fn objects(found: &Value) -> Vec<(String, bool)> {
    let kind = |path: &Value| {
        let objects = found["objects"].as_array().unwrap();
        objects.iter().find(|object| object["path"] == *path).map(|object| object["type"].clone()).unwrap_or_default()
    };
    let object = |object: &Value| {
        let kind =
            if object["hardlink_to"].is_string() { kind(&object["hardlink_to"]) } else { object["type"].clone() };
        matches!(kind.as_str(), Some("group" | "dataset"))
            .then(|| (object["path"].as_str().unwrap().to_owned(), kind == "group"))
    };
    found["objects"].as_array().unwrap().iter().filter_map(object).collect()
}

#[test]
fn copies_of_everything_in_the_corpus_are_the_same() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let Some(folder) = corpus() else { return };
    let out = tempfile::tempdir().unwrap();
    let mut cuts = Cuts { out: out.path(), made: Vec::new(), refused: BTreeMap::new() };
    let files = files_below(&folder.join("corpus"));
    // One file is not described: its metadata are in a cache image.
    let described = run(Command::new(program("spolia")).args(["inspect", "--json"]).args(&files)).stdout;
    let described: Vec<Value> = described.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(described.len() + 1 >= files.len(), "{} of {} files are described", described.len(), files.len());
    for found in &described {
        cuts.group(Path::new(found["file"].as_str().unwrap()), &objects(found), "");
    }
    let list = out.path().join("list.json");
    std::fs::write(&list, Value::from(cuts.made.clone()).to_string()).unwrap();
    let compared = run(Command::new(python).arg(own_folder().join("python/compare_copies.py")).arg(&list)).ok();
    println!("{} cuts of {} files: {compared}not copied: {:?}", cuts.made.len(), files.len(), cuts.refused);
    let expected = |reason: &str| {
        reason == UNSAID || REFUSED.contains(&reason) || DAMAGED.iter().any(|object| reason.starts_with(object))
    };
    let surprises: Vec<&String> = cuts.refused.keys().filter(|reason| !expected(reason)).collect();
    assert!(surprises.is_empty(), "not copied for another reason: {surprises:?}");
    let counts: Value = serde_json::from_str(&compared).unwrap();
    // As many as were found when this was written: a comparison of nothing must not pass.
    for (sort, least) in [
        ("groups", 290),
        ("datasets_plain", 1156),
        ("datasets_text", 34),
        ("datasets_list", 45),
        ("datasets_stored", 31),
        ("attributes_plain", 654),
        ("attributes_text", 14),
        ("attributes_list", 13),
    ] {
        assert!(counts[sort].as_u64().unwrap_or(0) >= least, "{sort}: {counts}");
    }
    assert!(counts["unreadable"].as_array().unwrap().len() <= 6, "{counts}");
}
