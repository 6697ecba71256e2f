//! A million objects in one cut: within bounds of memory, and the right ones.

use std::path::Path;
use std::process::Command;

use crate::measured::{Limits, Measured, measured};
use crate::merged::many_objects;
use crate::site::{hdf5_files, own_folder, program, python, run};

const FILES: usize = 50;
const OBJECTS: usize = 20_000;
/// The most memory that the cut may take, in KiB.
const MOST_MEMORY_KB: u64 = 1 << 20;
/// What ends it when it takes far more.
const LIMITS: Limits = Limits { cpu_s: 3600, address_space_mb: 16 << 10 };

#[test]
fn a_million_objects_are_cut_within_a_gigabyte() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    many_objects(&python, folder.path(), FILES, OBJECTS);
    let list = folder.path().join("names.txt");
    std::fs::write(&list, (0..OBJECTS).map(|number| format!("star_{number}\n")).collect::<String>()).unwrap();
    for form in [&[][..], &["--packed", "--compress"]] {
        let merged = folder.path().join("merged.hdf5");
        let Some(peak_kb) = cut(folder.path(), &list, form, &merged) else { return };
        assert!(peak_kb < MOST_MEMORY_KB, "{form:?}: {peak_kb} KB");
        let mut compared = Command::new(&python);
        compared.arg(own_folder().join("python/compare_many.py"));
        // Objects that became rows are held against columns, which takes all of them.
        if form.is_empty() {
            compared.args(["--sample", "1000"]);
        }
        let told = run(compared.arg(folder.path()).arg(&merged)).ok();
        let count = if form.is_empty() { 1000 } else { FILES * OBJECTS };
        assert_eq!(told, format!("{count} objects of {FILES} files are the same bit for bit\n"));
    }
}

/// Cuts all objects of all files; returns the most memory that it took, in KiB.
fn cut(folder: &Path, list: &Path, form: &[&str], merged: &Path) -> Option<u64> {
    let files = hdf5_files(folder);
    let list = format!("@{}", list.display());
    let mut arguments = vec!["cut", "--objects", &list, "-o", merged.to_str().unwrap()];
    arguments.extend(files.iter().map(|path| path.to_str().unwrap()).chain(form.iter().copied()));
    let Measured { run, cpu, peak_kb } = measured(&program("spolia"), &arguments, LIMITS)?;
    let objects = FILES * OBJECTS;
    assert!(run.success && run.stderr.contains(&format!("{objects} objects, cut from {FILES} files")), "{run:?}");
    println!("{objects} objects {form:?}: {cpu:?} of processor time, {peak_kb} KB at most");
    Some(peak_kb)
}
