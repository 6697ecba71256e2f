//! Merged files of 5, of 1,000 and of 100,000 objects, from groups and from tables, in all forms, held against their sources by h5py
//! and read by everything that reads HDF5: the tools of libhdf5 1.10, h5py, PyTables, pandas, and our own reader.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cut::read_by_the_tools;
use crate::site::{hdf5_files, make_gaia, own_folder, program, python, run};

/// How a merged file may be asked for. What has no columns has nothing to compress, so that groups are the same in the first form and in the last.
const FORMS: [&[&str]; 4] = [&[], &["--packed"], &["--packed", "--compress"], &["--compress"]];

/// More objects than are held against their sources one by one.
const MANY: usize = 10_000;

/// How objects lie in the sources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Groups,
    Tables,
}

/// Where a cut takes its objects from.
struct Sources<'a> {
    folder: &'a Path,
    files: Vec<PathBuf>,
    layout: Layout,
}

impl<'a> Sources<'a> {
    /// The files of a class in a folder.
    fn of(folder: &'a Path, class: &str, layout: Layout) -> Self {
        let mut files = hdf5_files(folder);
        files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(class));
        assert_eq!(files.len(), 5, "{class}");
        Self { folder, files, layout }
    }

    /// Cuts so many objects out in every form; returns the merged files.
    fn cut(&self, python: &Path, chosen: &[&str], objects: usize, out: &Path) -> Vec<PathBuf> {
        let one = |(number, form): (usize, &&[&str])| {
            let merged = out.join(format!("merged_{number}.hdf5"));
            let mut command = Command::new(program("spolia"));
            let cut = run(command.arg("cut").args(&self.files).args(chosen).args(*form).arg("-o").arg(&merged));
            assert!(cut.success && cut.stderr.contains(&format!("{objects} objects, cut from 5 files")), "{cut:?}");
            self.read_by_others(python, &merged, objects);
            merged
        };
        // Groups in the last form are as in the first, which fewer objects show.
        let forms = if self.layout == Layout::Groups && objects > MANY { &FORMS[..3] } else { &FORMS };
        let merged: Vec<PathBuf> = forms.iter().enumerate().map(one).collect();
        self.check_sizes(&merged);
        merged
    }

    /// PyTables, pandas and our own reader see what h5py sees.
    fn read_by_others(&self, python: &Path, merged: &Path, objects: usize) {
        let inspected = merged.with_extension("json");
        let answer = run(Command::new(program("spolia")).args(["inspect", "--json", "--digest"]).arg(merged)).ok();
        std::fs::write(&inspected, answer).unwrap();
        let mut command = Command::new(python);
        command.arg(own_folder().join("python/compare_readers.py"));
        // Of many objects with groups of their own PyTables reads some: it takes a millisecond for each dataset.
        let told = run(command.args(["--objects", "50"]).arg(merged).arg(&inspected)).ok();
        println!("{objects} objects, {}: {}", merged.file_name().unwrap().to_string_lossy(), told.trim());
        let counts: Value = serde_json::from_str(&told).unwrap();
        let count = |what: &str| counts[what].as_u64().unwrap_or(0);
        assert!(count("digests") > 7 && count("pandas: columns") > 3, "{counts}");
        assert!(count("PyTables: Array") + count("PyTables: CArray") > 7, "{counts}");
    }

    /// A form takes less than the plain one, where it is another one at all.
    fn check_sizes(&self, merged: &[PathBuf]) {
        let sizes: Vec<u64> = merged.iter().map(|path| path.metadata().unwrap().len()).collect();
        let (plain, packed, both, compressed) = (sizes[0], sizes[1], sizes[2], sizes.get(3).copied());
        match self.layout {
            Layout::Groups => assert!(packed < plain && both <= packed && compressed.is_none_or(|size| size == plain)),
            Layout::Tables => assert!(packed == plain && both <= plain && compressed == Some(both)),
        }
    }

    /// Holds merged files against the sources, one object after the other, with all that objects may have.
    fn check_each(&self, python: &Path, merged: &[PathBuf], objects: usize) {
        for (path, form) in merged.iter().zip(FORMS) {
            let packed = self.layout == Layout::Groups && form.contains(&"--packed");
            let script = if packed { "compare_packed.py" } else { "compare_cut.py" };
            let script = own_folder().join("python").join(script);
            let told = run(Command::new(python).arg(script).arg(path).arg(self.folder)).ok();
            assert!(told.starts_with(&format!("{objects} objects ")), "{form:?}: {told}");
            read_by_the_tools(path);
        }
    }

    /// As [`Self::check_each`], by columns, for very many.
    fn check_many(&self, python: &Path, merged: &[PathBuf], objects: usize) {
        let script = own_folder().join("python/compare_many.py");
        let told = run(Command::new(python).arg(script).arg(self.folder).args(merged)).ok();
        let expected = format!("{objects} objects of 5 files are the same bit for bit\n").repeat(merged.len());
        assert_eq!(told, expected);
        for path in merged {
            read_by_the_tools(path);
        }
    }
}

/// The Python that compares, if there is one.
fn compared_by() -> Option<PathBuf> {
    let found = python();
    if found.is_none() {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
    }
    found
}

#[test]
fn five_and_a_thousand_objects_of_groups_are_read_by_everybody() {
    let Some(python) = compared_by() else { return };
    let files = make_gaia(&["--layout", "object", "--sources", "1000", "--transits", "0"]);
    let sources = Sources::of(files.path(), "CompleteSource", Layout::Groups);
    let out = tempfile::tempdir().unwrap();
    for step in [200, 1] {
        let numbers = (0..1000).skip(step - 1).step_by(step);
        let names = numbers.map(|number| format!("CompleteSourceImpl_{number}")).collect::<Vec<_>>();
        let merged = sources.cut(&python, &["--objects", &names.join(",")], names.len(), out.path());
        sources.check_each(&python, &merged, names.len());
    }
}

#[test]
fn five_and_a_thousand_rows_of_tables_are_read_by_everybody() {
    let Some(python) = compared_by() else { return };
    let files = make_gaia(&["--layout", "table", "--sources", "1000", "--transits", "0"]);
    let sources = Sources::of(files.path(), "CompleteSource", Layout::Tables);
    let out = tempfile::tempdir().unwrap();
    for (rows, count) in [("7", 5), ("0-199", 1000)] {
        let merged = sources.cut(&python, &["--rows", rows], count, out.path());
        sources.check_each(&python, &merged, count);
    }
}

#[test]
fn a_hundred_thousand_objects_of_groups_are_read_by_everybody() {
    let Some(python) = compared_by() else { return };
    let folder = tempfile::tempdir().unwrap();
    many_objects(&python, folder.path(), 5, 20_000);
    let sources = Sources::of(folder.path(), "many_", Layout::Groups);
    let list = folder.path().join("names.txt");
    std::fs::write(&list, (0..20_000).map(|number| format!("star_{number}\n")).collect::<String>()).unwrap();
    let merged = sources.cut(&python, &["--objects", &format!("@{}", list.display())], 100_000, folder.path());
    sources.check_many(&python, &merged, 100_000);
}

#[test]
fn a_hundred_thousand_rows_of_tables_are_read_by_everybody() {
    let Some(python) = compared_by() else { return };
    let many = ["--layout", "table", "--sources", "100", "--transits", "100000", "--transits-per-file", "20000"];
    let files = make_gaia(&many);
    let sources = Sources::of(files.path(), "AstroElementary", Layout::Tables);
    let out = tempfile::tempdir().unwrap();
    let merged = sources.cut(&python, &["--rows", "0-19999"], 100_000, out.path());
    sources.check_many(&python, &merged, 100_000);
}

/// Makes files of small objects with groups of their own, many_0.h5 and so on; each has star_0, star_1 and so on.
pub fn many_objects(python: &Path, folder: &Path, files: usize, objects: usize) {
    let script = own_folder().join("python/many_objects.py");
    run(Command::new(python).arg(script).arg(folder).args([files, objects].map(|number| number.to_string()))).ok();
}
