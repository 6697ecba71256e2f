//! TOPCAT itself, on a screen that nobody sees, driven by `tests/java/Topcat.java`. The pictures of docs/topcat.md are made anew where
//! `SPOLIA_TOPCAT_PICTURES` names a folder for them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::served::Served;
use crate::site::{own_folder, python, run};

/// Where Debian's package `topcat` has it.
const JAR: &str = "/usr/share/java/starlink-topcat.jar";

/// A port that leads to a server, and what has been sent to it.
fn overheard(server: &str) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = server.strip_prefix("http://").unwrap().to_owned();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&sent);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(upstream) = TcpStream::connect(&server) else { return };
            let (from, to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || forward(from, to, |bytes| heard.lock().unwrap().extend_from_slice(bytes)));
            std::thread::spawn(move || forward(upstream, client, |_| ()));
        }
    });
    (address, sent)
}

fn forward(mut from: TcpStream, mut to: TcpStream, hear: impl Fn(&[u8])) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        hear(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Runs one of the program's sessions; returns what it said, and the folder of what it saved. `None` where TOPCAT can't run.
fn drive(session: &str, base_url: &str) -> Option<(String, TempDir)> {
    /// Two that look for a free screen at once may find the same.
    static SCREEN: Mutex<()> = Mutex::new(());
    let there = |program: &str| Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if !Path::new(JAR).exists() || ["xvfb-run", "javac"].into_iter().any(|program| !there(program).status.success()) {
        println!("skipped: no topcat, xvfb or Java compiler");
        return None;
    }
    let home = tempfile::tempdir().unwrap();
    let (classes, folder) = (home.path().join("classes"), home.path().join("saved"));
    std::fs::create_dir(&folder).unwrap();
    let sources = std::fs::read_dir(own_folder().join("java")).unwrap().map(|entry| entry.unwrap().path());
    let mut javac = Command::new("javac");
    run(javac.args(["-Xlint:all,-path", "-Werror", "-cp", JAR, "-d"]).arg(&classes).args(sources)).ok();
    let _screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut topcat = Command::new("xvfb-run");
    topcat.args(["-a", "-s", "-screen 0 1280x800x24", "java", "-Dsun.awt.disableGtkFileDialogs=true"]);
    topcat.arg(format!("-Duser.home={}", home.path().display())).env("HOME", home.path());
    topcat.arg(format!("-Djava.io.tmpdir={}", home.path().display()));
    topcat.arg("-cp").arg(format!("{JAR}:{}", classes.display())).args(["Topcat", session]);
    let said = run(topcat.arg(format!("{base_url}/tap")).arg(&folder).current_dir(&folder)).ok();
    if let Some(kept) = std::env::var_os("SPOLIA_TOPCAT_PICTURES") {
        for picture in pictures(&folder) {
            std::fs::copy(&picture, Path::new(&kept).join(picture.file_name().unwrap())).unwrap();
        }
    }
    Some((said, home))
}

/// The pictures for the page about TOPCAT.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    let saved = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    saved.filter(|path| path.extension().is_some_and(|extension| extension == "png")).collect()
}

/// The lines of a server's log that hold all of some parts.
fn logged(served: &Served, parts: &[&str]) -> usize {
    let log = std::fs::read_to_string(served.site.path().join("log/operations.jsonl")).unwrap();
    log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

#[test]
fn topcat_lists_asks_uploads_waits_and_follows_links() {
    let served = Served::start();
    let (address, sent) = overheard(&served.base_url);
    let Some((said, home)) = drive("asks", &address) else { return };
    let actions = "actions: [Use Sky Coordinates in TOPCAT, Invoke Service]";
    for words in [
        "gaia.completesource",
        "Synchronous: 50 rows",
        "Asynchronous: ",
        actions,
        "links: [#this, #progenitor, #counterpart, #cutout",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    let sent = String::from_utf8_lossy(&sent.lock().unwrap()).into_owned();
    for request in ["GET /tap/capabilities ", "GET /tap/examples ", "POST /tap/sync ", "POST /tap/async "] {
        let head = sent.split(request).nth(1).unwrap_or_else(|| panic!("no {request}in\n{sent}"));
        let head = head.split("\r\n\r\n").next().unwrap();
        assert!(head.contains("User-Agent: TOPCAT/"), "{request}: {head}");
    }
    let (sources, transits) = ("FROM gaia.completesource\\nORDER BY source_id", "FROM TAP_UPLOAD.t1 AS m");
    assert_eq!(logged(&served, &[sources, "\"status\":\"ok\"", "\"rows\":50"]), 1);
    assert_eq!(logged(&served, &[transits, "\"status\":\"ok\""]), 2, "at once and as a job");
    assert_eq!(logged(&served, &["\"what\":\"links\"", "\"status\":\"ok\""]), 1);
    assert!(std::fs::metadata(home.path().join("saved/topcat.png")).unwrap().len() > 20_000);
}

#[test]
fn topcat_gathers_a_subset_saves_it_as_one_file_and_goes_to_its_transits_and_back() {
    let Some(python) = python() else {
        println!("skipped: no Python (SPOLIA_PYTHON)");
        return;
    };
    let served = Served::start();
    let Some((said, home)) = drive("gathers", &served.base_url) else { return };
    for words in [
        "actions: [Use Sky Coordinates in TOPCAT, View Datalink Table, Invoke Service]",
        "links: [#this, #progenitor, #counterpart, #cutout",
        "#counterpart: Load Table",
        "actions of transits: [View Datalink Table, Invoke Service], chosen: View Datalink Table",
        "Synchronous: 5 rows",
        "joined: true",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    let folder = home.path().join("saved");
    let check = |file: &str, objects: usize, table: &str| {
        let compared = own_folder().join("python/compare_cut.py");
        let told = run(Command::new(&python).arg(compared).arg(folder.join(file)).arg(served.files.path())).ok();
        assert!(told.starts_with(&format!("{objects} objects of 1 files")), "{file}: {told}");
        let names = run(Command::new("h5ls").arg(folder.join(file))).ok();
        assert!(names.contains(table), "{file}: {names}");
    };
    check("this.h5", 1, "CompleteSource");
    check("choice.h5", 1, "CompleteSource");
    check("basket.h5", 5, "CompleteSource");
    check("transit.h5", 1, "AstroElementary");
    // The subset as a table, saved by TOPCAT in two forms, is cut to the same.
    let basket = std::fs::read(folder.join("basket.h5")).unwrap();
    for list in ["subset.csv", "joined.vot"] {
        let form = format!("table=@{}", folder.join(list).display());
        let cut = folder.join("cut.h5");
        let to = cut.to_str().unwrap();
        served.curl("/datalink/gaiamerger", &["-f", "-F", "UPLOAD=mine,param:table", "-F", &form, "-o", to]).ok();
        assert!(std::fs::read(&cut).unwrap() == basket, "{list} gives another file than the opened rows");
    }
    // The subset's rows and one transit were opened, no other row.
    assert_eq!(logged(&served, &["\"what\":\"links\"", "\"status\":\"ok\""]), 6);
    for picture in ["topcat-subset.png", "topcat-links.png", "topcat-transits.png"] {
        assert!(std::fs::metadata(folder.join(picture)).unwrap().len() > 10_000, "{picture}");
    }
}
