//! The pages in `docs/`: every command in a block marked `sh` runs, in order, in an empty folder.

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::served::Served;
use crate::site::{open_folder, own_folder, program, run};

fn check(page: &str) {
    let text = std::fs::read_to_string(own_folder().join("../docs").join(page)).unwrap();
    let blocks: Vec<&str> = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "{page} has no commands");
    let folder = open_folder();
    let programs = program("spolia").parent().unwrap().to_owned();
    let path = std::env::join_paths(
        std::iter::once(programs).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    // Whatever happens, no server is left behind; one that is gone already is no failure.
    let script = format!(
        "set -eu\ntrap '[ -z \"${{server-}}\" ] || kill $server 2>/dev/null || true; spolia --site {}/mysite down || true' EXIT\n{}",
        folder.path().display(),
        blocks.concat()
    );
    let done = run(Command::new("bash")
        .env("PORT", two_ports().to_string())
        .env("SPOLIA_SOURCE", own_folder().join(".."))
        .arg("-c")
        .arg(script)
        .current_dir(folder.path())
        .env("PATH", path)
        .env_remove("SPOLIA_SITE"));
    done.ok();
}

/// A free port whose next one is free too, below those that systems give to connections by themselves; another one each time.
fn two_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 5_000) as u16;
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..5_000)
        .map(|_| 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 5_000 * 2)
        .find(|port| is_free(*port) && is_free(port + 1))
        .unwrap()
}

#[test]
fn the_commands_about_sites_run() {
    check("site.md");
}

#[test]
fn the_commands_about_selections_run() {
    check("selections.md");
}

#[test]
fn the_commands_about_models_run() {
    check("models.md");
}

#[test]
fn the_commands_about_queries_run() {
    check("query.md");
}

#[test]
fn the_commands_about_cuts_run() {
    check("cut.md");
}

#[test]
fn the_commands_about_inspecting_run() {
    check("inspect.md");
}

#[test]
fn the_commands_about_serving_run() {
    check("serve.md");
}

#[test]
fn the_commands_about_topcat_run() {
    check("topcat.md");
}

#[test]
fn the_commands_about_jobs_run() {
    check("jobs.md");
}

#[test]
fn the_commands_about_large_cuts_run() {
    check("batch.md");
}

/// For those who have SLURM.
pub fn the_commands_about_slurm_run() {
    check("slurm.md");
}

#[test]
fn the_commands_about_tables_run() {
    check("tables.md");
}

#[test]
fn the_commands_about_access_run() {
    check("access.md");
}

#[test]
fn the_commands_about_registering_run() {
    check("register.md");
}

#[test]
fn the_readme_goes_the_whole_way_with_curl() {
    let served = Served::start();
    let readme = std::fs::read_to_string(own_folder().join("../README.md")).unwrap();
    let commands = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let commands = commands.replace("http://127.0.0.1:3000", &served.base_url);
    let folder = open_folder();
    run(Command::new("bash").args(["-eu", "-c", &commands]).current_dir(folder.path())).ok();
    assert!(std::fs::read(folder.path().join("merged.h5")).unwrap().starts_with(b"\x89HDF\r\n\x1a\n"));
}

#[test]
fn every_page_is_checked_and_linked() {
    let here = std::fs::read_to_string(own_folder().join("integration/docs.rs")).unwrap();
    let readme = std::fs::read_to_string(own_folder().join("../README.md")).unwrap();
    for page in std::fs::read_dir(own_folder().join("../docs")).unwrap() {
        let page = page.unwrap().file_name().into_string().unwrap();
        if !page.ends_with(".md") {
            continue;
        }
        assert!(here.contains(&format!("check(\"{page}\")")), "{page} is run by no test");
        assert!(readme.contains(&format!("docs/{page}")), "{page} is not linked from the README");
    }
}
