//! The publishing registry: off, on, harvested by a client that nobody here wrote, and with dates that last.

use std::process::Command;

use crate::served::Doors;
use crate::site::{TestSite, hdf5_files, make_gaia, own_folder, python, run};

/// What a site says of itself, but for whether it wants to be found.
const SETTINGS: &str = r#"
[registry]
authority = "org.example"
title = "Example Archive"
short_name = "Example"
description = "Stars & their transits"
publisher = "Example Observatory"
publisher_ivoid = "ivo://org.example/organisation"
contact_name = "Archive desk"
contact_email = "archive@example.org"
creators = ["Lovelace, A.", "Herschel, C."]
subjects = ["astrometry", "surveys"]
logo = "https://archive.example.org/logo.png"
rights = "Creative Commons Attribution 4.0 International"
rights_url = "https://creativecommons.org/licenses/by/4.0/"

[registry.collections.gaia]
title = "Gaia for trials"
doi = "10.1234/gaia"
bibcode = "2023A&A...674A...1G"
version = "2"
facilities = ["Gaia"]
instruments = ["Astro"]
wavebands = ["Optical"]
"#;
/// What switches it on; two records at a time, so that there are parts to be put together.
pub const ON: [(&str, &str); 2] = [("SPOLIA__REGISTRY__ENABLED", "true"), ("SPOLIA__REGISTRY__PAGE_RECORDS", "2")];

/// Appends to a site's settings.
fn say(site: &TestSite, settings: &str) {
    let file = site.path().join("spolia.toml");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + settings).unwrap();
}

/// A site that says what it is.
pub fn described() -> TestSite {
    let files = make_gaia(&["--layout", "mixed", "--sources", "300", "--transits", "3000"]);
    let site = TestSite::with_files(2, files.path());
    say(&site, SETTINGS);
    site
}

/// The answer of the registry.
fn ask(doors: &Doors, query: &str) -> String {
    run(Command::new("curl").args(["-s", "-S", "--max-time", "60", &format!("{}/oai?{query}", doors.base_url)])).ok()
}

/// Identifiers with their datestamps, and whether they are deleted.
fn headers(doors: &Doors, more: &str) -> Vec<(String, String, bool)> {
    let answer = ask(doors, &format!("verb=ListIdentifiers&metadataPrefix=ivo_vor{more}"));
    let part = |header: &str, name: &str| {
        let after = header.split(&format!("<oai:{name}>")).nth(1).unwrap();
        after.split('<').next().unwrap().to_owned()
    };
    let header =
        |text: &str| (part(text, "identifier"), part(text, "datestamp"), text.starts_with(" status=\"deleted\""));
    let mut headers: Vec<_> = answer.split("<oai:header").skip(1).map(header).collect();
    headers.sort();
    headers
}

fn names(headers: &[(String, String, bool)], deleted: bool) -> Vec<&str> {
    headers.iter().filter(|(.., gone)| *gone == deleted).map(|(name, ..)| name.trim_start_matches("ivo://")).collect()
}

#[test]
fn a_site_is_a_registry_only_when_it_says_so() {
    let site = described();
    let doors = Doors::of(&site, &[]);
    let options = ["-s", "-w", " %{http_code}"];
    let url = format!("{}/oai?verb=Identify", doors.base_url);
    let off = run(Command::new("curl").args(options).arg(url)).ok();
    assert!(off.contains("no publishing registry") && off.ends_with(" 404"), "{off}");
    drop(doors);
    // What would make no record is told at the start, before any port is open.
    for (name, value, says) in [
        ("AUTHORITY", "ivo://org.example", "[registry] authority \"ivo://org.example\" is no naming authority"),
        ("CONTACT_EMAIL", "archive", "[registry] contact_email \"archive\" is no address"),
        ("SHORT_NAME", "The Example Archive", "[registry] short_name has 19 letters"),
        ("REFERENCE_URL", "archive.example.org", "[registry] reference_url"),
    ] {
        let mut serve = site.command(&["serve", "--listen", "127.0.0.1:0", "--flight-listen", "127.0.0.1:0"]);
        let refused = run(serve.envs(ON).env(format!("SPOLIA__REGISTRY__{name}"), value)).refused();
        assert!(refused.contains(says), "{name}: {refused}");
    }
}

#[test]
fn the_registry_is_harvested() {
    let Some(python) = python() else {
        println!("skipped: no Python with oaipmh-scythe (SPOLIA_PYTHON)");
        return;
    };
    let site = described();
    let doors = Doors::of(&site, &ON);
    let done = run(Command::new(python).arg(own_folder().join("python/registry.py")).arg(&doors.base_url));
    assert!(done.ok().contains("the registry is harvested"));
}

#[test]
fn dates_last_through_restarts_and_follow_what_changes() {
    let site = described();
    let on = &ON[..1];
    let doors = Doors::of(&site, on);
    let address = doors.base_url.trim_start_matches("http://").to_owned();
    let first = headers(&doors, "");
    let all = ["org.example", "org.example/gaia", "org.example/registry", "org.example/tap"];
    assert_eq!(names(&first, false), all);
    doors.kill();
    second_passes();
    // The same from another server at the same address.
    let doors = Doors::at(&address, &site, on);
    assert_eq!(headers(&doors, ""), first);
    // Rows that others replace change the collection, and nothing else: there are as many as before.
    let files = make_gaia(&["--layout", "mixed", "--sources", "300", "--transits", "3000", "--seed", "7"]);
    site.ingest(&hdf5_files(files.path())[..1], &["--supersede"]).ok();
    let newest = |headers: &[(String, String, bool)]| headers.iter().map(|(_, time, _)| time.clone()).max().unwrap();
    let second = headers(&doors, "");
    let changed: Vec<_> = second.iter().filter(|header| !first.contains(header)).cloned().collect();
    assert_eq!(names(&changed, false), ["org.example/gaia"]);
    assert!(newest(&second) > newest(&first));
    assert_eq!(headers(&doors, &format!("&from={}", newest(&second))), changed);
    assert_eq!(headers(&doors, ""), second);
    drop(doors);
    // A collection that not everybody may query any more is gone for everybody, and told to be.
    second_passes();
    say(&site, "\n[access.gaia]\nquery = [\"dpct\"]\n");
    let doors = Doors::at(&address, &site, on);
    let third = headers(&doors, "");
    assert_eq!((names(&third, true), names(&third, false)), (vec!["org.example/gaia"], vec![all[0], all[2], all[3]]));
    let record = ask(&doors, "verb=GetRecord&metadataPrefix=ivo_vor&identifier=ivo://org.example/gaia");
    assert!(record.contains("status=\"deleted\"") && !record.contains("<oai:metadata>"), "{record}");
    let token = site.spolia(&["token", "add", "ada", "--group", "dpct"]).ok();
    let tap = format!("{}/oai?verb=ListRecords&metadataPrefix=ivo_vor", doors.base_url);
    let known = ["-H", &format!("Authorization: Bearer {}", token.trim())].map(str::to_owned);
    for who in [&[][..], &known] {
        let listed = run(Command::new("curl").arg("-s").args(who).arg(&tap)).ok();
        assert!(listed.contains("tr:TableAccess") && !listed.contains("completesource"), "{listed}");
    }
    drop(doors);
    // A title that changes, changes what bears it.
    second_passes();
    let renamed = [on[0], ("SPOLIA__REGISTRY__PUBLISHER", "Another Observatory")];
    let doors = Doors::at(&address, &site, &renamed);
    let fourth = headers(&doors, "");
    let changed: Vec<_> = fourth.iter().filter(|header| !third.contains(header)).cloned().collect();
    assert_eq!(names(&changed, false), vec![all[0], all[2], all[3]]);
}

/// Datestamps are to the second.
fn second_passes() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}
