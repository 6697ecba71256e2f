//! Selections: one contract for both stores, and what the doors make of them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use spolia_exec::{MemorySelections, RedisSelections, RowLink, SelectedRows, SelectionStore};

use crate::redis_server::RedisServer;
use crate::served::{Doors, Served};
use crate::site::{own_folder, python, run};

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(300);
/// A site of few files.
const FEW: [&str; 6] = ["--layout", "mixed", "--sources", "60", "--transits", "300"];

fn row(id: i64) -> RowLink {
    RowLink { epoch: 7, id }
}

/// What every store does.
async fn keeps_the_contract(store: &dyn SelectionStore) {
    let rows = Bytes::from_static(b"\0rows\xff");
    assert_eq!(store.find("none").await.unwrap(), None);
    assert!(!store.forget("none").await.unwrap());
    store.keep("one", rows.clone(), HOUR).await.unwrap();
    store.keep("two", Bytes::from_static(b"others"), HOUR).await.unwrap();
    assert_eq!(store.find("one").await.unwrap(), Some(rows.clone()));
    store.keep("one", Bytes::from_static(b"newer"), HOUR).await.unwrap();
    assert_eq!(store.find("one").await.unwrap().as_deref(), Some(&b"newer"[..]));
    assert!(store.forget("one").await.unwrap() && !store.forget("one").await.unwrap());
    assert_eq!(store.find("one").await.unwrap(), None);
    assert_eq!(store.find("two").await.unwrap().as_deref(), Some(&b"others"[..]));

    store.keep("short", rows.clone(), SHORT).await.unwrap();
    store.keep("longer", rows.clone(), SHORT).await.unwrap();
    store.keep("longer", rows.clone(), HOUR).await.unwrap();
    tokio::time::sleep(2 * SHORT).await;
    assert_eq!(store.find("short").await.unwrap(), None, "its time is over");
    assert_eq!(store.find("longer").await.unwrap(), Some(rows), "its time began anew");

    assert_eq!(store.gathered("basket", 10).await.unwrap(), []);
    for (id, count) in [(5, 1), (3, 2), (5, 2), (i64::MAX, 3), (-1, 3)] {
        assert_eq!(store.gather("basket", row(id), 3, HOUR).await.unwrap(), count, "row {id}");
    }
    assert_eq!(store.gathered("basket", 10).await.unwrap(), [row(5), row(3), row(i64::MAX)]);
    assert_eq!(store.gathered("basket", 2).await.unwrap(), [row(5), row(3)]);
    assert_eq!(store.gathered("basket", 0).await.unwrap(), []);
    assert_eq!(store.gathered("another", 10).await.unwrap(), []);
    for id in [1, 2] {
        store.gather("left", row(id), 3, SHORT).await.unwrap();
    }
    tokio::time::sleep(2 * SHORT).await;
    assert_eq!(store.gathered("left", 10).await.unwrap(), []);
    assert_eq!(store.gather("left", row(2), 3, SHORT).await.unwrap(), 1, "it begins anew");

    let million = SelectedRows::new(1, (0..1_000_000).map(|n| n * 5_000_011).collect());
    let million = Bytes::from(million.packed());
    assert!(million.len() < 10_000_000, "{} bytes", million.len());
    store.keep("million", million.clone(), HOUR).await.unwrap();
    assert_eq!(store.find("million").await.unwrap(), Some(million));
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

#[test]
fn the_memory_keeps_selections() {
    wait_for(keeps_the_contract(&MemorySelections::new(64 << 20)));
}

#[test]
fn redis_keeps_selections() {
    let Some(server) = RedisServer::start() else { return };
    wait_for(async { keeps_the_contract(&RedisSelections::new(&server.address()).unwrap()).await });
}

#[test]
fn a_redis_that_is_lost_is_told_and_found_again() {
    let Some(mut server) = RedisServer::start() else { return };
    let address = server.address();
    assert!(RedisSelections::new("http://nowhere").is_err());
    wait_for(async {
        let store = RedisSelections::new(&address).unwrap();
        store.keep("one", Bytes::from_static(b"rows"), HOUR).await.unwrap();
        server.kill();
        let error = store.find("one").await.unwrap_err().to_string();
        assert!(error.contains("Redis"), "{error}");
        server.start_again();
        let begun = std::time::Instant::now();
        let found = loop {
            match store.find("one").await {
                Ok(found) => break found,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
            }
        };
        assert_eq!(found, None, "nothing is there after a restart");
        store.keep("one", Bytes::from_static(b"rows"), HOUR).await.unwrap();
        assert!(store.find("one").await.unwrap().is_some());
    });
}

#[track_caller]
fn judged(part: &str, arguments: &[&str]) {
    let Some(python) = python() else {
        println!("skipped: no Python with requests (SPOLIA_PYTHON)");
        return;
    };
    let script = own_folder().join("python/selections.py");
    let done = run(Command::new(python).arg(script).arg(part).args(arguments)).ok();
    assert!(done.contains(&format!("{part}: as it should be")), "{done}");
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split(before).nth(1).unwrap().split(after).next().unwrap()
}

#[test]
fn many_rows_are_cut_by_one_id_and_opened_rows_gather() {
    let served = Served::start();
    judged("memory", &[&served.base_url]);
}

#[test]
fn servers_share_selections_in_redis_and_say_when_it_is_gone() {
    let Some(mut redis) = RedisServer::start() else { return };
    let address = redis.address();
    let settings = [("SPOLIA__SELECTIONS__REDIS", address.as_str())];
    let served = Served::with(&FEW, &settings);
    judged("memory", &[&served.base_url]);
    let kept = served.curl("/datalink/selections", &["-d", "QUERY=SELECT TOP 9 id FROM gaia.completesource"]).ok();
    let (id, client) = (between(&kept, "\"id\": \"", "\""), between(&kept, "clientId=", "\""));
    let path = format!("/datalink/gaiamerger?id={id}&clientId={client}");
    // Another server of the site, and one that begins anew, know it.
    let second = Doors::of(&served.site, &settings);
    let status = |base_url: &str, path: &str| {
        let url = format!("{base_url}{path}");
        run(Command::new("curl").args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &url])).ok()
    };
    assert_eq!(status(&second.base_url, &path), "200");
    second.kill();
    let third = Doors::of(&served.site, &settings);
    assert_eq!(status(&third.base_url, &path), "200");
    // One without Redis does not, and goes on without it.
    let apart = Doors::of(&served.site, &[]);
    assert_eq!(status(&apart.base_url, &path), "404");
    redis.kill();
    assert_eq!(served.status(&path), "503");
    assert!(served.curl(&path, &[]).ok().starts_with("TransientFault: "));
    let links = served.curl(&format!("/datalink/links?ID={id}&clientId={client}"), &[]).ok();
    assert!(links.contains("TransientFault: "), "{links}");
    judged("rows", &[&served.base_url]);
    judged("memory", &[&apart.base_url]);
    redis.start_again();
    assert_eq!(served.status(&path), "404", "what was lost is told to be");
    judged("memory", &[&served.base_url]);
}

#[test]
fn ids_that_are_changed_old_or_another_s_give_an_error_and_no_data() {
    let served = Served::with(&FEW, &[]);
    judged("attacks", &[&served.base_url]);
    let short = [("SPOLIA__SELECTIONS__LIFETIME_S", "3"), ("SPOLIA__SELECTIONS__BASKET_S", "3")];
    let short = Doors::of(&served.site, &short);
    judged("lifetime", &[&short.base_url]);
}

#[test]
fn cuts_are_jobs_too() {
    let served = Served::with(&FEW, &[("SPOLIA__SERVER__CUT_ROWS", "10")]);
    let secret = served.site.spolia(&["token", "add", "ada"]).ok();
    judged("jobs", &[&served.base_url, secret.trim()]);
    // A query is cut to the same bytes by every way.
    let query = "SELECT TOP 5 id FROM gaia.completesource ORDER BY source_id";
    let (by_door, by_command) = (served.site.path().join("door.h5"), served.site.path().join("command.h5"));
    let form = format!("QUERY={query}");
    served.curl("/datalink/gaiamerger", &["-f", "--data-urlencode", &form, "-o", by_door.to_str().unwrap()]).ok();
    served.site.spolia(&["cut", "--adql", query, "-o", by_command.to_str().unwrap()]).ok();
    assert!(std::fs::read(by_door).unwrap() == std::fs::read(by_command).unwrap());
}

#[test]
fn keys_that_sign_ids_are_changed_and_forgotten() {
    let Some(python) = python() else {
        println!("skipped: no Python with requests (SPOLIA_PYTHON)");
        return;
    };
    let served = Served::with(&FEW, &[]);
    let mut command = Command::new(python);
    command.arg(own_folder().join("python/selections.py")).args(["keys", &served.base_url]);
    let mut judge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut go_on, mut says) = (judge.stdin.take().unwrap(), BufReader::new(judge.stdout.take().unwrap()).lines());
    let mut said = |line: &str| assert_eq!(says.next().expect("the judge says more").unwrap(), line);
    let keys = |arguments: &[&str]| served.site.spolia(&[&["keys"], arguments].concat());
    said("made");
    assert_eq!(keys(&["rotate"]).ok().trim(), "2");
    // The server looks for new keys every five seconds.
    std::thread::sleep(Duration::from_secs(7));
    writeln!(go_on).unwrap();
    said("still good");
    assert!(keys(&["list"]).ok().starts_with("2  "));
    assert!(keys(&["forget", "2"]).refused().contains("no older key 2"));
    keys(&["forget", "1"]).ok();
    std::thread::sleep(Duration::from_secs(7));
    writeln!(go_on).unwrap();
    said("keys: as it should be");
    assert!(judge.wait().unwrap().success());
}
