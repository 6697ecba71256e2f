//! `spolia demo`: the whole path, from real stars to one merged file, over HTTP as any client would go it.

mod client;

use std::path::{Path, PathBuf};
use std::time::Instant;

use spolia_exec::Archive;

use crate::arguments::Demo;
use crate::command::{ingest, init, make_gaia, serve};
use crate::error::CommandError;
use crate::settings::NodesSettings;
use crate::site::Site;
use client::{Client, Timings};

/// Transits for each source.
const TRANSITS_PER_SOURCE: u32 = 12;
/// The query of the reference archive's notebook: a rectangle in right ascension and declination, radians.
const SEED_QUERY: &str = "SELECT * FROM gaia.completesource \
    WHERE alpha < 1.61835 AND alpha > 1.61815 AND delta < 0.40205 AND delta > 0.40185";

/// Makes the site where it is not there, asks, cuts, reports; then serves.
pub async fn run(demo: Demo) -> Result<(), CommandError> {
    let started = Instant::now();
    let site = Site::create(&demo.dir, &NodesSettings { local: demo.shards, urls: Vec::new() })?;
    step(&format!("site {} with {} PostgreSQL nodes", site.folder().display(), site.settings.nodes.local));
    let nodes = init::prepare(&site).await?;
    let shown = show(&site, &demo, started).await;
    serve::stop(&nodes).await?;
    shown
}

async fn show(site: &Site, demo: &Demo, started: Instant) -> Result<(), CommandError> {
    let archive = site.archive().await?;
    fill(site, &archive, demo.sources).await?;
    let mut settings = site.settings.server.clone();
    if demo.once {
        // Nobody needs to find these doors again.
        settings.listen.set_port(0);
        settings.flight_listen.set_port(0);
    }
    let server = serve::bind(site, archive, settings).await?;
    let (base_url, flight) = (server.base_url().to_owned(), server.flight_addr());
    step(&format!("serving {base_url}/tap and Arrow Flight on {flight}"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));
    let merged = site.folder().join("merged.h5");
    let client = Client::new(&base_url, &site.folder().join("log"));
    let told = tokio::task::block_in_place(|| tell(&client, &merged));
    if told.is_ok() {
        println!("\ntotal {:.1} s", started.elapsed().as_secs_f64());
        next_steps(site, &base_url, &flight.to_string(), demo.once);
        if !demo.once {
            serve::stop_signal().await;
        }
    }
    let _ = stop.send(());
    serving.await.map_err(|error| CommandError::Said(format!("the server ended: {error}")))??;
    told
}

/// Makes trial files and ingests them, unless that has been done.
async fn fill(site: &Site, archive: &Archive, sources: u32) -> Result<(), CommandError> {
    let files = site.folder().join("files");
    if !files.join("complete").exists() {
        step(&format!("making Gaia-shaped HDF5 files from {sources} real stars"));
        let transits = sources.saturating_mul(TRANSITS_PER_SOURCE);
        let options =
            ["--layout", "mixed", "--sources", &sources.to_string(), "--transits", &transits.to_string(), "--out"];
        let mut options: Vec<String> = options.map(str::to_owned).to_vec();
        options.push(files.display().to_string());
        make_gaia::run(&options).await?;
        std::fs::write(files.join("complete"), "").map_err(CommandError::file("write into", &files))?;
    }
    let paths = hdf5_files(&files)?;
    step(&format!("ingesting {} files into collection gaia", paths.len()));
    let report = ingest::bring(archive, "gaia", &paths, false).await?;
    println!("   {}", ingest::sentence(&report));
    Ok(())
}

fn hdf5_files(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let entries = std::fs::read_dir(folder).map_err(CommandError::file("read", folder))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "h5"));
    paths.sort();
    Ok(paths)
}

/// Goes the way of the reference archive's notebook and prints what comes back.
fn tell(client: &Client, merged: &Path) -> Result<(), CommandError> {
    step("asking for the sources of a small field, by TAP");
    println!("   {SEED_QUERY}");
    let (rows, query) = client.query(SEED_QUERY)?;
    for row in &rows {
        println!(
            "   {:>26}  {:20}  alpha {:<18}  delta {}",
            row["file_name"], row["source_id"], row["alpha"], row["delta"]
        );
    }
    if rows.is_empty() {
        return Err(CommandError::Said("the query came back empty".to_owned()));
    }
    step("following DataLink from the first row");
    let links = client.links(&rows[0]["access_url"])?;
    for link in &links {
        println!("   {:13} {:32} {}", link.semantics, link.description, link.access_url);
    }
    let transits = client.transits(&links)?;
    println!("   {transits} transits of that source");
    step(&format!("Cut & Merge of all {} sources with their transits", rows.len()));
    let cut = client.cut(&rows, merged)?;
    println!("   {} ({} bytes)", merged.display(), std::fs::metadata(merged).map_or(0, |file| file.len()));
    report(&query, &cut);
    Ok(())
}

/// The timings that the reference archive prints.
fn report(query: &Timings, cut: &Timings) {
    step("timings");
    for (node, rows, ms) in &query.nodes {
        println!("   PostgreSQL {node}: {ms:.1} ms, {rows} rows");
    }
    println!("   query {:.1} ms, as the client sees it {:.1} ms", query.total_ms, query.client_ms);
    println!("   selecting {:.1} ms, locating {:.1} ms, merge {:.1} ms", cut.query_ms, cut.locate_ms, cut.merge_ms);
    println!("   Cut & Merge {:.1} ms, as the client sees it {:.1} ms", cut.total_ms, cut.client_ms);
}

fn step(what: &str) {
    println!("\n== {what}");
}

fn next_steps(site: &Site, base_url: &str, flight: &str, once: bool) {
    let folder = site.folder().display();
    // In full, for it need not be on the PATH.
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("spolia"));
    let program = program.display();
    println!("\n== what to try next");
    if once {
        println!("   {program} --site {folder} serve");
        return;
    }
    println!("   {base_url}/ in a browser; {base_url}/tap in TOPCAT; Arrow Flight SQL on grpc://{flight}");
    println!(
        "   {program} --site {folder} query \"SELECT TOP 5 source_id, varpi FROM gaia.completesource ORDER BY varpi DESC\""
    );
    println!(
        "   python3 -c \"import pyvo; print(pyvo.dal.TAPService('{base_url}/tap').search('SELECT COUNT(*) AS n FROM gaia.astroelementary'))\""
    );
    println!("\nserving until Ctrl-C");
}
