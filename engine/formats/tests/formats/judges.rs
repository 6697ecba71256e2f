//! The readers that astronomers use must read back what was written: astropy, pyarrow, csv, json and STILTS, run by `judges.py`
//! with the Python in `SPOLIA_PYTHON`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use spolia_formats::{Encoder, Format, ResultInfo, Status, error_votable};

use crate::sample;

#[test]
fn readers_agree() {
    let Some(python) = std::env::var_os("SPOLIA_PYTHON") else {
        eprintln!("skipped: SPOLIA_PYTHON names no Python with astropy and pyarrow");
        return;
    };
    let folder = write_files();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges.py");
    let output = Command::new(python).arg(script).arg(&folder).output().expect("the Python of SPOLIA_PYTHON starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    eprintln!("{}", text(&output.stdout));
}

fn write_files() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats");
    fs::create_dir_all(&folder).unwrap();
    for format in Format::all().iter().chain(&[Format::CsvHeaderless]) {
        let short = if *format == Format::CsvHeaderless { "headerless" } else { format.name() };
        let name = |kind: &str| folder.join(format!("{kind}_{}.{}", short.replace('/', "_"), format.extension()));
        fs::write(name("ok"), sample::encode(*format, &Status::Ok)).unwrap();
        fs::write(name("overflow"), sample::encode(*format, &Status::Overflow { maxrec: 5 })).unwrap();
        if format.reports_status() {
            fs::write(name("failed"), sample::encode(*format, &Status::Error("node n2 <lost> & gone".to_owned())))
                .unwrap();
        }
        let mut empty = Vec::new();
        let encoder = Encoder::new(*format, sample::schema(), ResultInfo::default()).unwrap();
        encoder.finish(&Status::Ok, &mut empty).unwrap();
        fs::write(name("empty"), empty).unwrap();
    }
    fs::write(folder.join("error.vot"), error_votable("column \"paralax\" not found: a < b & c ]]>")).unwrap();
    folder
}
