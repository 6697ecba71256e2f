//! Cuts of files that belong to no archive: local ones, and those of servers that answer well, badly, or not twice the same.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::site::{Run, hdf5_files, make_gaia, own_folder, program, python, run};

fn cut(folder: &Path, files: &[String], options: &[&str], name: &str) -> (Run, PathBuf) {
    let path = folder.join(name);
    let mut command = Command::new(program("spolia"));
    command.arg("cut").args(files).args(options).arg("-o").arg(&path).current_dir(folder);
    (run(&mut command), path)
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

/// Holds a merged file against its sources with h5py, where there is one.
fn check(merged: &Path, sources: &Path, objects: usize) {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let compared = run(Command::new(python).arg(own_folder().join("python/compare_cut.py")).arg(merged).arg(sources));
    let told = compared.ok();
    assert!(told.starts_with(&format!("{objects} objects of ")), "{told}");
}

#[test]
fn rows_are_cut_out_of_any_tables() {
    let files =
        make_gaia(&["--layout", "table", "--sources", "300", "--transits", "900", "--transits-per-file", "300"]);
    let out = tempfile::tempdir().unwrap();
    let paths = hdf5_files(files.path());
    let sources: Vec<PathBuf> =
        paths.iter().filter(|path| path.to_string_lossy().contains("CompleteSource")).cloned().collect();
    let (run, merged) = cut(out.path(), &names(&sources), &["--rows", "0-9,99"], "rows.h5");
    run.ok();
    check(&merged, files.path(), 11 * sources.len());
    let ids = ["--ids", "3425114617586286848,-17", "--id-field", "sourceId"];
    let (run, merged) = cut(out.path(), &names(&paths), &ids, "ids.h5");
    assert!(run.stderr.contains("note: 1 of 2 are in no file: -17"), "{}", run.stderr);
    let told: usize =
        run.stderr.split(" objects").next().and_then(|text| text.rsplit(' ').next()?.parse().ok()).unwrap();
    run.ok();
    assert!(told > 3, "the source, its transits and their matches");
    check(&merged, files.path(), told);
    let (again, second) = cut(out.path(), &names(&paths), &ids, "again.h5");
    again.ok();
    let (again, third) = cut(out.path(), &[], &["--again", "ids.h5"], "third.h5");
    again.ok();
    let bytes = |path| std::fs::read(path).unwrap();
    assert!(bytes(merged.clone()) == bytes(second), "equal cuts are equal bytes");
    assert!(bytes(merged) == bytes(third), "the same from its provenance");
    let (no_cut, nothing) = cut(out.path(), &[], &["--again", &names(&paths)[0]], "nothing.h5");
    assert!(no_cut.refused().contains("it has no provenance") && !nothing.exists());
}

#[test]
fn objects_are_cut_out_of_any_files() {
    let files = make_gaia(&["--layout", "object", "--sources", "120", "--transits", "300"]);
    let out = tempfile::tempdir().unwrap();
    let paths = names(&hdf5_files(files.path()));
    let sources: Vec<String> = paths.iter().filter(|path| path.contains("CompleteSource")).cloned().collect();
    let named = ["--objects", "CompleteSourceImpl_7,CompleteSourceImpl_100,nobody"];
    let (run, merged) = cut(out.path(), &sources, &named, "named.h5");
    assert!(run.stderr.contains("1 of 3 are in no file: nobody"), "{}", run.stderr);
    run.ok();
    check(&merged, files.path(), 2);
    let (run, again) = cut(out.path(), &[], &["--again", "named.h5"], "again.h5");
    run.ok();
    assert!(std::fs::read(&merged).unwrap() == std::fs::read(again).unwrap(), "the same from its provenance");
    let (run, merged) =
        cut(out.path(), &sources, &["--ids", "3425114617586286848", "--id-field", "sourceId", "--json"], "ids.h5");
    let report: serde_json::Value = serde_json::from_str(&run.ok()).unwrap();
    assert_eq!(report["objects"], 1);
    check(&merged, files.path(), 1);
    let (dry, nothing) = cut(out.path(), &sources, &[&named[..], &["--dry-run"]].concat(), "never.h5");
    assert!(dry.stderr.contains("not written: 2 objects") && !nothing.exists(), "{}", dry.stderr);
    dry.ok();
}

#[test]
fn what_cannot_be_cut_out_of_any_file_is_said() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "50", "--transits", "300"]);
    let out = tempfile::tempdir().unwrap();
    let paths = names(&hdf5_files(files.path()));
    let find = |class: &str| paths.iter().find(|path| path.contains(class)).unwrap().clone();
    let (objects, table) = (find("CompleteSource"), find("AstroElementary"));
    std::fs::write(out.path().join("text.h5"), "no HDF5").unwrap();
    for (file, options, words) in [
        ("text.h5", &["--rows", "1"][..], "text.h5: it is no HDF5 file"),
        ("missing.h5", &["--rows", "1"], "missing.h5: No such file"),
        (&objects, &["--rows", "1"], "it holds no table to take rows of"),
        (&table, &["--rows", "300"], "it has 300 rows and no row 300"),
        (&table, &["--rows", "5-3"], "is no row and no range of rows"),
        (&table, &["--objects", "x"], "nothing of what was asked for"),
        (&table, &["--ids", "1"], "the table has no such column; --id-field"),
        (&table, &["--ids", "1", "--id-field", "sourceId"], "nothing of what was asked for"),
        (&objects, &["--ids", "1"], "--id-field names that of the ids"),
        (&objects, &["--objects", "x", "--in", "nowhere"], "it has no group \"nowhere\""),
        ("http://127.0.0.1:9/a.h5", &["--rows", "1"], "http://127.0.0.1:9/a.h5 cannot be fetched"),
    ] {
        let (run, path) = cut(out.path(), &[file.to_owned()], options, "never.h5");
        let complaint = run.refused();
        assert!(complaint.contains(words), "{file} {options:?}: {complaint}");
        assert!(!path.exists());
    }
}

/// `tests/python/range_server.py` over a folder.
struct RangeServer {
    process: Child,
    url: String,
}

impl RangeServer {
    fn start(folder: &Path, options: &[&str]) -> Option<Self> {
        let Some(python) = python() else {
            println!("skipped: no Python (SPOLIA_PYTHON)");
            return None;
        };
        let script = own_folder().join("python/range_server.py");
        let mut command = Command::new(python);
        let mut process =
            command.arg(script).arg(folder).args(options).stdout(Stdio::piped()).spawn().expect("python runs");
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Self { process, url: format!("http://127.0.0.1:{}", port.trim()) })
    }

    fn urls(&self, paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| format!("{}/{}", self.url, path.file_name().unwrap().to_string_lossy());
        paths.iter().map(name).collect()
    }
}

impl Drop for RangeServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn files_of_servers_are_read_by_ranges_whatever_the_servers_spoil() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "400", "--transits", "3000"]);
    let out = tempfile::tempdir().unwrap();
    let paths = hdf5_files(files.path());
    let ids = ["--ids", "3425114617586286848,3425114617586288128", "--id-field", "sourceId", "--json"];
    for faults in ["0", "10", "3"] {
        let Some(server) = RangeServer::start(files.path(), &["--fault-every", faults]) else { return };
        let (run, merged) = cut(out.path(), &server.urls(&paths), &ids, "remote.h5");
        let report: serde_json::Value = serde_json::from_str(&run.ok()).unwrap();
        check(&merged, files.path(), report["objects"].as_u64().unwrap() as usize);
    }
    let left = std::fs::read_dir(out.path()).unwrap().count();
    assert_eq!(left, 1, "a half-written output was left behind");
}

#[test]
fn a_cut_that_is_stopped_leaves_nothing_behind() {
    let files = make_gaia(&["--layout", "object", "--sources", "400", "--transits", "0"]);
    let paths = hdf5_files(files.path());
    // Slow by its faults, so that there is time to stop it.
    let Some(server) = RangeServer::start(files.path(), &["--fault-every", "2"]) else { return };
    for _ in 0..10 {
        let out = tempfile::tempdir().unwrap();
        let mut command = Command::new(program("spolia"));
        command.arg("cut").args(server.urls(&paths)).args(["--id-field", "sourceId", "--ids"]);
        command.arg("3425114617586286848").arg("-o").arg(out.path().join("merged.h5"));
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        while std::fs::read_dir(out.path()).unwrap().count() == 0 && process.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let pid = rustix::process::Pid::from_child(&process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let done = process.wait_with_output().unwrap();
        if done.status.success() {
            continue;
        }
        assert!(String::from_utf8_lossy(&done.stderr).contains("stopped; nothing was written"), "{done:?}");
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
        return;
    }
    panic!("the cut was always faster");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_named() {
    let files = make_gaia(&["--layout", "table", "--sources", "2000", "--transits", "0", "--sources-per-file", "2000"]);
    let out = tempfile::tempdir().unwrap();
    let paths = hdf5_files(files.path());
    let name = paths[0].file_name().unwrap().to_string_lossy().into_owned();
    let Some(server) = RangeServer::start(files.path(), &["--change", &name]) else { return };
    let (run, merged) = cut(out.path(), &server.urls(&paths[..1]), &["--rows", "0-1999"], "changed.h5");
    let complaint = run.refused();
    assert!(complaint.contains(&name) && complaint.contains("has changed"), "{complaint}");
    assert!(!merged.exists() && std::fs::read_dir(out.path()).unwrap().count() == 0);
}

#[test]
fn a_signed_url_is_read_and_its_signature_told_nowhere() {
    let files = make_gaia(&["--layout", "table", "--sources", "200", "--transits", "0"]);
    let out = tempfile::tempdir().unwrap();
    let paths = hdf5_files(files.path());
    let Some(server) = RangeServer::start(files.path(), &["--signature", "s3cret"]) else { return };
    let url = &server.urls(&paths[..1])[0];
    let signed = |signature: &str| vec![format!("{url}?Signature={signature}")];
    let (run, merged) = cut(out.path(), &signed("s3cret"), &["--rows", "3-5"], "signed.h5");
    let told = format!("{}{}", run.stderr, run.stdout);
    run.ok();
    check(&merged, files.path(), 3);
    let content = std::fs::read(&merged).unwrap();
    assert!(!told.contains("s3cret") && !content.windows(6).any(|bytes| bytes == b"s3cret"));
    let (run, merged) = cut(out.path(), &signed("gu3ss"), &["--rows", "3-5"], "wrong.h5");
    let complaint = run.refused();
    assert!(complaint.contains("403") && !complaint.contains("gu3ss") && !merged.exists(), "{complaint}");
}

#[test]
fn ids_are_texts_or_integers_of_any_size() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let made = "import h5py, numpy as np, sys\n\
        with h5py.File(sys.argv[1] + '/t.h5', 'w') as f:\n\
        \x20   f['T/big'] = np.array([7, 2**63 + 1, 2**64 - 1], dtype='u8'); f['T/name'] = ['HD 1', '007', 'M31']\n";
    run(Command::new(&python).args(["-c", made]).arg(folder.path())).ok();
    let file = [folder.path().join("t.h5").to_string_lossy().into_owned()];
    for (field, ids, rows) in [("big", "18446744073709551615,9223372036854775809", 2), ("name", "007,M31,7", 2)] {
        let (made, merged) = cut(folder.path(), &file, &["--id-field", field, "--ids", ids], "merged.hdf5");
        assert!(made.success, "{}", made.stderr);
        check(&merged, folder.path(), rows);
        let (again, copy) = cut(folder.path(), &[], &["--again", merged.to_str().unwrap()], "again.hdf5");
        again.ok();
        assert!(std::fs::read(merged).unwrap() == std::fs::read(copy).unwrap(), "other bytes from its provenance");
    }
}
