//! TOPCAT itself, on a screen that nobody sees, driven by `tests/java/Topcat.java`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::served::Served;
use crate::site::{own_folder, run};

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

#[test]
fn topcat_lists_asks_uploads_waits_and_follows_links() {
    let there = |program: &str| Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if !Path::new(JAR).exists() || ["xvfb-run", "javac"].into_iter().any(|program| !there(program).status.success()) {
        println!("skipped: no topcat, xvfb or Java compiler");
        return;
    }
    let served = Served::start();
    let (address, sent) = overheard(&served.base_url);
    let home = tempfile::tempdir().unwrap();
    let mut topcat = Command::new("xvfb-run");
    topcat.args(["-a", "-s", "-screen 0 1280x800x24", "java", "-cp", JAR]);
    topcat.arg(format!("-Duser.home={}", home.path().display())).env("HOME", home.path());
    topcat.arg(own_folder().join("java/Topcat.java")).arg(format!("{address}/tap")).arg(home.path());
    let said = run(&mut topcat).ok();
    for words in ["gaia.completesource", "Synchronous: 50 rows", "Asynchronous: ", "links: 4"] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    let sent = String::from_utf8_lossy(&sent.lock().unwrap()).into_owned();
    for request in ["GET /tap/capabilities ", "GET /tap/examples ", "POST /tap/sync ", "POST /tap/async "] {
        let head = sent.split(request).nth(1).unwrap_or_else(|| panic!("no {request}in\n{sent}"));
        let head = head.split("\r\n\r\n").next().unwrap();
        assert!(head.contains("User-Agent: TOPCAT/"), "{request}: {head}");
    }
    let log = std::fs::read_to_string(served.site.path().join("log/operations.jsonl")).unwrap();
    let logged = |parts: &[&str]| log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    let (sources, transits) = ("FROM gaia.completesource\\nORDER BY source_id", "FROM TAP_UPLOAD.t1 AS m");
    assert_eq!(logged(&[sources, "\"status\":\"ok\"", "\"rows\":50"]), 1, "{log}");
    assert_eq!(logged(&[transits, "\"status\":\"ok\""]), 2, "at once and as a job: {log}");
    assert_eq!(logged(&["\"what\":\"links\"", "\"rows\":4"]), 1, "{log}");
    let picture = home.path().join("topcat.png");
    assert!(std::fs::metadata(&picture).unwrap().len() > 20_000);
    // For the page about TOPCAT.
    if let Some(kept) = std::env::var_os("SPOLIA_TOPCAT_PICTURE") {
        std::fs::copy(picture, kept).unwrap();
    }
}
