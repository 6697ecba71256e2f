//! Cut & Merge: merged files held against their sources by h5py, and what is dropped, refused and repeated.

use std::path::Path;
use std::process::Command;

use crate::site::{Run, TestSite, hdf5_files, make_gaia, own_folder, python, run};

const EXAMPLE: &str = "3425114617586286848";

/// Compares a merged file with its sources; nothing where this machine has no h5py.
fn compare(merged: &Path, sources: &Path) -> Option<Run> {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return None;
    };
    let script = own_folder().join("python/compare_cut.py");
    Some(run(Command::new(python).arg(script).arg(merged).arg(sources)))
}

fn cut(site: &TestSite, options: &[&str], name: &str) -> (Run, std::path::PathBuf) {
    let path = site.path().join(name);
    let path_text = path.to_string_lossy().into_owned();
    (site.spolia(&[&["cut", "-o", path_text.as_str()], options].concat()), path)
}

/// The tools of libhdf5 1.10 read all of a file and find nothing to complain of.
pub fn read_by_the_tools(merged: &Path) {
    for tool in ["h5dump", "h5stat"] {
        match Command::new(tool).arg(merged).output() {
            Ok(done) => assert!(
                done.status.success() && done.stderr.is_empty(),
                "{tool} {}: {}",
                merged.display(),
                String::from_utf8_lossy(&done.stderr)
            ),
            Err(_) => println!("skipped: no {tool}"),
        }
    }
}

fn check_layout(layout: &str) {
    let files =
        make_gaia(&["--layout", layout, "--sources", "300", "--transits", "2500", "--transits-per-file", "400"]);
    let site = TestSite::with_files(4, files.path());
    let (all, merged) = cut(
        &site,
        &["--adql", "SELECT source_id FROM gaia.completesource WHERE delta > 0", "--with-transits"],
        "all.h5",
    );
    all.ok();
    let (one, single) = cut(&site, &["--ids", EXAMPLE, "--with-transits"], "one.h5");
    one.ok();
    let (row, match_row) = cut(&site, &["--adql", "SELECT TOP 9 id FROM gaia.crossmatch ORDER BY id"], "match.h5");
    row.ok();
    for merged in [&merged, &single, &match_row] {
        read_by_the_tools(merged);
        let Some(compared) = compare(merged, files.path()) else { return };
        assert!(compared.ok().contains("bit for bit"));
    }
}

#[test]
fn objects_are_cut_bit_for_bit() {
    check_layout("object");
}

#[test]
fn tables_are_cut_bit_for_bit() {
    check_layout("table");
}

#[test]
fn transits_are_matched_counted_and_repeatable() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "300", "--transits", "4000"]);
    let site = TestSite::with_files(2, files.path());
    let sun = "SELECT id FROM gaia.astroelementary WHERE source_id < -1000000000 OR source_id = 3425114617586286848";
    let chosen = site.rows(sun).len();
    let matched = site.rows(&format!("SELECT transit_id FROM gaia.astroelementary WHERE source_id = {EXAMPLE}")).len();
    assert!(matched > 0 && chosen > matched);
    let (dropped, first) = cut(&site, &["--adql", sun], "first.h5");
    assert!(
        dropped.stderr.contains(&format!("{} of {chosen} transits dropped", chosen - matched)),
        "{}",
        dropped.stderr
    );
    dropped.ok();
    let (kept, all) = cut(&site, &["--adql", sun, "--keep-unmatched"], "all.h5");
    assert!(kept.stderr.contains(&format!("{chosen} from gaia.astroelementary")), "{}", kept.stderr);
    kept.ok();
    let (again, second) = cut(&site, &["--adql", sun], "second.h5");
    again.ok();
    let bytes = |path| std::fs::read(path).unwrap();
    assert!(bytes(first.clone()) == bytes(second), "equal cuts are equal bytes");
    let (again, repeated) = cut(&site, &["--again", &first.to_string_lossy()], "repeated.h5");
    again.ok();
    assert!(bytes(first.clone()) == bytes(repeated), "the same from its provenance");
    assert!(bytes(first) != bytes(all));
}

/// The indexes of all files of a site.
fn indexes(site: &TestSite) -> Vec<std::path::PathBuf> {
    let mut folders = vec![site.path().join("objects")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "index") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn an_index_changes_nothing_but_the_time() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "200", "--transits", "3000"]);
    let site = TestSite::with_files(2, files.path());
    let some = ["--adql", "SELECT source_id FROM gaia.completesource WHERE delta > 0", "--with-transits"];
    let (indexed, with) = cut(&site, &some, "with.h5");
    indexed.ok();
    let indexes = indexes(&site);
    assert_eq!(indexes.len(), hdf5_files(files.path()).len());
    let all: Vec<Vec<u8>> = indexes.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for path in &indexes {
        std::fs::remove_file(path).unwrap();
    }
    let (read, without) = cut(&site, &some, "without.h5");
    read.ok();
    assert!(std::fs::read(&with).unwrap() == std::fs::read(without).unwrap(), "the index has changed the cut");
    // One that is cut short, of another file, or damaged gives the same file or an error, never another file.
    for damage in 0..12 {
        for (number, path) in indexes.iter().enumerate() {
            let mut bytes = all[number].clone();
            match damage {
                0 => bytes.truncate(10),
                1 => bytes.clone_from(&all[(number + 1) % all.len()]),
                place => {
                    let place = bytes.len() * (place - 2) / 10;
                    bytes[place] ^= 0x55;
                }
            }
            std::fs::write(path, bytes).unwrap();
        }
        let (run, path) = cut(&site, &some, "damaged.h5");
        if run.success {
            assert!(std::fs::read(&with).unwrap() == std::fs::read(path).unwrap(), "damage {damage}");
        } else {
            assert!(run.refused().contains("its index cannot be used"), "damage {damage}");
            assert!(!path.exists());
        }
        let _ = std::fs::remove_file(site.path().join("damaged.h5"));
    }
}

/// Holds a merged file with some fields against one with all: `merged cut-down fields…`.
const SOME_FIELDS: &str = "
import sys, h5py, numpy as np
whole, part, fields = h5py.File(sys.argv[1]), h5py.File(sys.argv[2]), set(sys.argv[3:])
count = 0
def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and (a.tolist() == b.tolist() if a.dtype.kind == 'O' else a.tobytes() == b.tobytes())
def compare(a, b, top):
    global count
    wanted = (lambda name: name in fields) if top else (lambda name: True)
    attributes = [name for name in a.attrs if wanted(name)]
    assert sorted(attributes) == sorted(b.attrs), (a.name, list(b.attrs))
    assert all(same(a.attrs[name], b.attrs[name]) for name in attributes), a.name
    count += len(attributes)
    if isinstance(a, h5py.Dataset):
        assert same(a[()], b[()]), a.name
        count += 1
        return
    members = [name for name in a if wanted(name)]
    assert sorted(members) == sorted(b), (a.name, list(b))
    for name in members:
        compare(a[name], b[name], False)
for name in whole:
    if name == 'provenance':
        assert set(part['provenance/fields'].asstr()[()]) == fields
    elif any(isinstance(member, h5py.Dataset) for member in whole[name].values()):
        for column in whole[name]:
            assert (column in fields) == (column in part[name])
            if column in fields:
                compare(whole[name][column], part[name][column], False)
    else:
        assert list(whole[name]) == list(part[name])
        for member in whole[name]:
            compare(whole[name][member], part[name][member], True)
print(count)
";

#[test]
fn some_fields_are_the_same_as_in_the_whole() {
    let Some(python) = python() else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
        return;
    };
    for layout in ["object", "table"] {
        let files = make_gaia(&["--layout", layout, "--sources", "300", "--transits", "600"]);
        let site = TestSite::with_files(1, files.path());
        let some = ["--adql", "SELECT source_id FROM gaia.completesource WHERE delta > 0"];
        let fields = ["alpha", "classLabel", "gFlux", "sourceId", "variability"];
        let only = ["--fields", "gFlux,alpha,sourceId,variability,classLabel,alpha"];
        let (whole, all) = cut(&site, &some, "all.h5");
        whole.ok();
        let (part, indexed) = cut(&site, &[&some[..], &only].concat(), "indexed.h5");
        part.ok();
        let compared = run(Command::new(&python).args(["-c", SOME_FIELDS]).arg(&all).arg(&indexed).args(fields)).ok();
        assert!(compared.trim().parse::<usize>().unwrap() >= 3, "{layout}: {compared}");
        indexes(&site).iter().for_each(|path| std::fs::remove_file(path).unwrap());
        let (part, read) = cut(&site, &[&some[..], &only].concat(), "read.h5");
        part.ok();
        assert!(std::fs::read(indexed).unwrap() == std::fs::read(read).unwrap(), "the index has changed the cut");
        let (none, path) = cut(&site, &[&some[..], &["--fields", "nothing"]].concat(), "none.h5");
        assert!(none.refused().contains("nothing") && !path.exists());
    }
}

#[test]
fn what_cannot_be_cut_is_said_and_leaves_nothing() {
    let files = make_gaia(&["--layout", "mixed", "--sources", "50", "--transits", "300"]);
    let site = TestSite::with_files(2, files.path());
    for (options, message) in [
        (&["--ids", "1"][..], "no source with id 1 "),
        (&["--ids", "x"], "is no source id"),
        (&["--adql", "SELECT alpha FROM gaia.completesource"], "must return the column id"),
        (&["--adql", "SELECT id FROM gaia.completesource WHERE delta > 2"], "chooses no object"),
        (&["--adql", "SELECT idd FROM gaia.completesource"], "did you mean \"id\"?"),
    ] {
        let (refused, path) = cut(&site, options, "never.h5");
        let complaint = refused.refused();
        assert!(complaint.contains(message), "{options:?}: {complaint}");
        assert!(!path.exists());
    }
    std::fs::remove_dir_all(site.path().join("objects/gaia")).unwrap();
    let (refused, path) = cut(&site, &["--ids", EXAMPLE], "never.h5");
    assert!(refused.refused().contains("CompleteSource_130097_"));
    let left = std::fs::read_dir(site.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.ends_with(".part")).count(), 0);
    assert!(!path.exists());
}
