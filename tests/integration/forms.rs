//! The forms that merged files may have: objects as rows of columns, compressed columns, columns whose types differ between files.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cut::read_by_the_tools;
use crate::site::{Run, TestSite, hdf5_files, make_gaia, own_folder, program, python, run};

fn cut(files: &[PathBuf], options: &[&str], merged: &Path) -> Run {
    run(Command::new(program("spolia")).arg("cut").args(files).args(options).arg("-o").arg(merged))
}

/// What a script of `tests/python` says.
fn script(python: &Path, name: &str, arguments: &[&Path]) -> Run {
    run(Command::new(python).arg(own_folder().join("python").join(name)).args(arguments))
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn objects_become_rows_of_columns() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    script(&python, "odd_objects.py", &[folder.path()]).ok();
    let files = hdf5_files(folder.path());
    let names: Vec<String> =
        [0, 1].iter().flat_map(|file| (0..40).map(move |place| format!("star_{file}_{place}"))).collect();
    let names = names.join(",");
    let merged = folder.path().join("merged.hdf5");
    let check = |options: &[&str]| {
        let told = cut(&files, &[&["--objects", names.as_str(), "--packed"], options].concat(), &merged);
        assert!(told.success, "{}", told.stderr);
        let same = script(&python, "compare_packed.py", &[&merged, folder.path()]).ok();
        assert!(same.starts_with("80 objects in "), "{same}");
        read_by_the_tools(&merged);
        let again = folder.path().join("again.hdf5");
        cut(&[], &["--again", merged.to_str().unwrap()], &again).ok();
        assert!(bytes(&merged) == bytes(&again), "other bytes from its provenance, {options:?}");
        told.stderr
    };
    let notes = check(&[]);
    assert!(notes.contains("\"mag\" is int16 in odd_0/star_0_0, int32 in odd_1/star_1_0: packed as int32"), "{notes}");
    assert!(notes.contains("attribute \"serial\" of \"alpha\" is not the same in all objects: left out"), "{notes}");
    check(&["--compress", "9"]);
    check(&["--fields", "times,source_id,fit,name"]);
    cut(&files, &["--objects", &names], &merged).ok();
    let same = script(&python, "compare_cut.py", &[&merged, folder.path()]).ok();
    assert!(same.starts_with("80 objects of 2 files"), "{same}");
    let dry = cut(&files, &["--objects", "star_0_3", "--packed", "--dry-run"], &merged).ok();
    assert!(dry.is_empty());
}

#[test]
fn packed_objects_of_an_archive_do_not_depend_on_its_indexes() {
    let files = make_gaia(&["--layout", "object", "--sources", "300", "--transits", "900"]);
    let site = TestSite::with_files(2, files.path());
    let cut = |name: &str, options: &[&str]| {
        let merged = site.path().join(name);
        let query = "SELECT source_id FROM gaia.completesource WHERE delta > 0";
        let whole = ["cut", "--adql", query, "--with-transits", "-o", merged.to_str().unwrap()];
        site.spolia(&[&whole[..], options].concat()).ok();
        merged
    };
    let plain = cut("plain.h5", &[]);
    let packed = cut("packed.h5", &["--packed"]);
    let compressed = cut("compressed.h5", &["--packed", "--compress"]);
    let size = |path: &Path| path.metadata().unwrap().len();
    assert!(size(&packed) < size(&plain) && size(&compressed) < size(&packed));
    if let Some(python) = python() {
        for merged in [&packed, &compressed] {
            script(&python, "compare_packed.py", &[merged, files.path()]).ok();
        }
    }
    for index in indexes(&site.path().join("objects")) {
        std::fs::remove_file(index).unwrap();
    }
    let second = cut("second.h5", &["--packed"]);
    assert!(bytes(&packed) == bytes(&second), "other bytes without indexes");
}

fn indexes(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { indexes(&path) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.extension().is_some_and(|end| end == "index")).collect()
}

#[test]
fn compressed_columns_have_the_same_rows() {
    let files =
        make_gaia(&["--layout", "table", "--sources", "200", "--transits", "6000", "--transits-per-file", "2000"]);
    let paths: Vec<PathBuf> =
        hdf5_files(files.path()).into_iter().filter(|path| path.to_string_lossy().contains("Astro")).collect();
    let out = tempfile::tempdir().unwrap();
    let (plain, compressed) = (out.path().join("plain.h5"), out.path().join("compressed.h5"));
    cut(&paths, &["--rows", "0-799"], &plain).ok();
    cut(&paths, &["--rows", "0-799", "--compress"], &compressed).ok();
    let size = |path: &Path| path.metadata().unwrap().len();
    assert!(size(&compressed) < size(&plain) * 9 / 10, "{} of {}", size(&compressed), size(&plain));
    read_by_the_tools(&compressed);
    if let Some(python) = python() {
        script(&python, "compare_cut.py", &[&compressed, files.path()]).ok();
    }
    let refused = cut(&paths, &["--rows", "0-799", "--compress", "10"], &compressed).refused();
    assert!(refused.contains("1..=9"), "{refused}");
}

#[test]
fn types_that_differ_are_merged_where_one_holds_both() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let made = "import h5py, numpy as np, sys\n\
        for n, (i, f, s) in enumerate([('i2', 'f4', 'S3'), ('>i4', 'f8', 'S5')]):\n\
        \x20   with h5py.File(f'{sys.argv[1]}/t{n}.h5', 'w') as file:\n\
        \x20       t = file.create_group('T'); t.attrs['made'] = f'day {n}'; t.attrs['kind'] = 'T'\n\
        \x20       t.create_dataset('i', data=np.arange(-9, 991, dtype=i), chunks=(100,), compression='gzip')\n\
        \x20       t['f'] = np.linspace(0, 1, 1000).astype(f); t['s'] = np.array(['ab', 'xyz'] * 500, dtype=s)\n\
        \x20       t['f'].attrs['unit'] = 'mag'; t['only'] = np.zeros(1000, dtype='i8' if n else 'S4')\n";
    run(Command::new(&python).args(["-c", made]).arg(folder.path())).ok();
    let (files, merged) = (hdf5_files(folder.path()), folder.path().join("merged.hdf5"));
    let refused = cut(&files, &["--rows", "0-99"], &merged).refused();
    assert!(refused.contains("int64 in column \"only\"") && refused.contains("string of 4 bytes"), "{refused}");
    let told = cut(&files, &["--rows", "0-99", "--fields", "i,f,s"], &merged);
    assert!(told.success, "{}", told.stderr);
    for note in [
        "column \"i\" is int16 in t0, int32 (big-endian) in t1: merged as int32",
        "column \"f\" is float32 in t0, float64 in t1: merged as float64",
        "column \"s\" is string of 3 bytes in t0, string of 5 bytes in t1: merged as string of 5 bytes",
        "attribute \"made\" of table \"T\" is not the same in t0 and t1: left out",
    ] {
        assert!(told.stderr.contains(note), "{note} is missing in {}", told.stderr);
    }
    let same = "import h5py, numpy as np, sys\n\
        m = h5py.File(sys.argv[1])['T']; a, b = (h5py.File(p)['T'] for p in sys.argv[2:])\n\
        assert sorted(m) == ['f', 'i', 's'] and dict(m.attrs) == {'kind': 'T'}, dict(m.attrs)\n\
        for c in m: assert (m[c][:] == np.concatenate([a[c][:100], b[c][:100]])).all(), c\n\
        assert m['i'].dtype == '<i4' and m['f'].dtype == 'f8' and m['s'].dtype == 'S5' and m['f'].attrs['unit'] == 'mag'\n";
    run(Command::new(&python).args(["-c", same]).arg(&merged).args(&files)).ok();
}
