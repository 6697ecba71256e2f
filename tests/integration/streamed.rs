//! Merged files that are sent while they are made, and the checksums that they end with.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::served::Served;
use crate::site::{Run, own_folder, python, run};

const ALL: &str = "SELECT id FROM gaia.completesource";

fn verify(served: &Served, file: &Path) -> Run {
    served.site.spolia(&["inspect", "--verify", file.to_str().unwrap()])
}

/// The header of that name in what curl printed of them.
fn header(headers: &str, name: &str) -> String {
    let line =
        headers.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)));
    line.unwrap_or_else(|| panic!("no {name} in {headers}")).1.trim().to_owned()
}

#[test]
fn a_large_cut_is_sent_while_it_is_made() {
    let served = Served::with(&["--layout", "object", "--sources", "4000", "--transits", "100"], &[]);
    let place = |name: &str| served.site.path().join(name);
    let form = format!("QUERY={ALL}");
    let by_door = |name: &str, more: &[&str]| -> (PathBuf, Run) {
        let file = place(name);
        let options = [&["-G", "--data-urlencode", &form, "-D", "-", "-o", file.to_str().unwrap()], more].concat();
        let done = served.curl("/datalink/gaiamerger", &options);
        (file, done)
    };
    let by_command = place("command.h5");
    served.site.spolia(&["cut", "--adql", ALL, "-o", by_command.to_str().unwrap()]).ok();
    let expected = std::fs::read(&by_command).unwrap();
    assert!(expected.len() > 8 << 20, "only {} bytes", expected.len());

    let (whole, done) = by_door("whole.h5", &[]);
    let headers = done.ok();
    assert!(std::fs::read(&whole).unwrap() == expected);
    assert_eq!(header(&headers, "content-length"), expected.len().to_string());
    assert_eq!(header(&headers, "x-spolia-objects"), "4000");
    let etag = header(&headers, "etag");
    assert!(verify(&served, &whole).ok().ends_with("whole.h5: sound\n"));

    // Its headers are there without a cut, and who has it already is told so.
    let head = served.curl("/datalink/gaiamerger", &["-I", "-G", "--data-urlencode", &form]).ok();
    assert_eq!((header(&head, "content-length"), header(&head, "etag")), (expected.len().to_string(), etag.clone()));
    let (_, done) = by_door("none.h5", &["-H", &format!("If-None-Match: {etag}")]);
    assert!(done.ok().starts_with("HTTP/1.1 304 "));

    // A transfer that broke off goes on where it ended, and any part can be had.
    let broken = place("broken.h5");
    std::fs::write(&broken, &expected[..5_000_001]).unwrap();
    let (_, done) = by_door("broken.h5", &["-C", "-", "-H", &format!("If-Range: {etag}")]);
    assert!(done.ok().starts_with("HTTP/1.1 206 "));
    assert!(std::fs::read(&broken).unwrap() == expected);
    let (part, done) = by_door("part.h5", &["-r", "-100"]);
    done.ok();
    assert!(std::fs::read(&part).unwrap() == expected[expected.len() - 100..]);
    let (other, done) = by_door("other.h5", &["-r", "0-9", "-H", "If-Range: \"another\""]);
    assert!(done.ok().starts_with("HTTP/1.1 200 "));
    assert_eq!(std::fs::metadata(other).unwrap().len(), expected.len() as u64);

    // Nothing of all this stays on the disk.
    assert_eq!(std::fs::read_dir(place("spool")).unwrap().count(), 0);
}

#[test]
fn a_large_cut_whose_file_is_damaged_breaks_off() {
    let served = Served::with(&["--layout", "object", "--sources", "4000", "--transits", "100"], &[]);
    let mut objects: Vec<PathBuf> = Vec::new();
    let mut folders = vec![served.site.path().join("objects")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { objects.push(path) }
        }
    }
    // The last source file becomes short, as a full disk makes it.
    let last = objects.iter().filter(|path| path.to_str().unwrap().contains("CompleteSource"));
    let last = last.filter(|path| path.extension().is_none_or(|end| end != "index")).max().unwrap();
    let size = std::fs::metadata(last).unwrap().len();
    std::fs::File::options().write(true).open(last).unwrap().set_len(size - size / 10).unwrap();
    let file = served.site.path().join("broken.h5");
    let form = format!("QUERY={ALL}");
    let done = served.curl("/datalink/gaiamerger", &["-f", "--data-urlencode", &form, "-o", file.to_str().unwrap()]);
    assert!(!done.success, "a transfer that fails is seen to have failed");
    assert!(!file.exists() || verify(&served, &file).refused().contains("not all files are as they were written"));
}

#[test]
fn merged_files_end_with_checksums() {
    let served = Served::with(&["--layout", "mixed", "--sources", "60", "--transits", "300"], &[]);
    let merged = served.site.path().join("merged.h5");
    let name = merged.to_str().unwrap();
    served.site.spolia(&["cut", "--adql", ALL, "--with-transits", "-o", name]).ok();
    assert!(verify(&served, &merged).ok().ends_with(": sound\n"));
    let sound = std::fs::read(&merged).unwrap();
    if let Some(python) = python() {
        let script = own_folder().join("python/checksums.py");
        assert!(run(Command::new(python).arg(script).arg(&merged)).ok().contains("as hashlib has them"));
    } else {
        println!("skipped: no Python with h5py (SPOLIA_PYTHON)");
    }
    let spoilt = |bytes: &[u8]| {
        std::fs::write(&merged, bytes).unwrap();
        let done = verify(&served, &merged);
        assert!(!done.success, "{}", done.stdout);
        done.stdout
    };
    for at in [40, 200, sound.len() / 3, sound.len() / 2, sound.len() - 65, sound.len() - 64, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        spoilt(&bytes);
    }
    spoilt(&sound[..sound.len() - 1]);
    spoilt(&sound[..sound.len() / 2]);
    let mut longer = sound.clone();
    longer.push(0);
    assert!(spoilt(&longer).contains("bytes instead of"));
    let source = served.site.path().join("objects");
    assert!(!verify(&served, &source).success);
}
