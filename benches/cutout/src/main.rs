//! Cut & Merge against its peers, on the same objects in the same run: milliseconds, and ratios to ours.

mod limit;
mod ours;
mod picks;
mod python;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use picks::Picks;

/// Times cuts of objects spread over all files of a set, by us and by our peers.
#[derive(Parser)]
struct Arguments {
    /// The folder of the file sets (make_files.py).
    folder: PathBuf,
    /// Sets to cut from.
    #[arg(long, value_delimiter = ',', default_value = "tables,groups")]
    kinds: Vec<String>,
    /// How many objects are cut.
    #[arg(long, value_delimiter = ',', default_value = "5,1000,100000")]
    objects: Vec<usize>,
    /// Runs of each, the fastest of which counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Peers to run; all by default.
    #[arg(long, value_delimiter = ',')]
    peers: Option<Vec<String>>,
    /// Seconds that one run may take; slower peers are left out at larger numbers.
    #[arg(long, default_value_t = 60.0)]
    patience: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut python = python::Peers::start()?;
    for kind in &arguments.kinds {
        let set = picks::set(&arguments.folder, kind)?;
        let index = ours::index(&set, kind)?;
        println!(
            "\n{kind}: {} files, {} objects in each; index {:.1} MB, {:.1} bytes and {:.2} us per object",
            set.files.len(),
            set.objects,
            index.bytes as f64 / 1e6,
            index.bytes as f64 / index.objects as f64,
            index.seconds * 1e6 / index.objects as f64
        );
        let mut too_slow: Vec<String> = Vec::new();
        for count in &arguments.objects {
            let picks = Picks::draw(&set, *count);
            let output = arguments.folder.join("merged.h5");
            let own = ours::cut(&set, &picks, &output, arguments.runs, true)?;
            println!(
                "{count:>8} objects   spolia {:>9.2} ms   ({} requests, {:.2} MB read, {:.2} MB asked, {:.2} MB written)",
                own.seconds * 1e3,
                own.report.requests,
                own.report.bytes_read as f64 / 1e6,
                own.report.bytes_asked as f64 / 1e6,
                own.report.bytes_written as f64 / 1e6,
            );
            let compare = |peer: &str, seconds: f64| {
                println!("{:>30} {:>9.2} ms   {:>8.2} times", peer, seconds * 1e3, seconds / own.seconds);
            };
            compare("spolia without index", ours::cut(&set, &picks, &output, arguments.runs, false)?.seconds);
            compare("limit", limit::run(&set, kind, &picks, arguments.runs)?);
            for peer in python::names(kind) {
                let chosen = arguments.peers.as_ref().is_none_or(|chosen| chosen.iter().any(|name| name == peer));
                if !chosen || too_slow.iter().any(|slow| slow == peer) {
                    continue;
                }
                let seconds = python.run(kind, peer, &set, &picks, &output, arguments.runs)?;
                compare(peer, seconds);
                if seconds * 100.0 > arguments.patience {
                    too_slow.push((*peer).to_owned());
                }
            }
        }
    }
    Ok(())
}
