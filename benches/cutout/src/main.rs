//! Cut & Merge against its peers, on the same objects in the same run: milliseconds, and ratios to ours.

mod libhdf5;
mod limit;
mod model;
mod ours;
mod picks;
mod python;
mod report;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use limit::Limit;
use model::Model;
use ours::{IndexCost, Place};
use picks::{Picks, Set};
use report::{Line, Report};

/// Times cuts of objects spread over all files of a set, by us and by our peers.
#[derive(Parser)]
struct Arguments {
    /// The folder of the file sets (make_files.py).
    folder: PathBuf,
    /// Sets to cut from.
    #[arg(long, value_delimiter = ',', default_value = "tables,groups")]
    kinds: Vec<String>,
    /// How many objects are cut of local files.
    #[arg(long, value_delimiter = ',', default_value = "5,1000,100000")]
    objects: Vec<usize>,
    /// How many objects are cut over the model of a store.
    #[arg(long, value_delimiter = ',', default_value = "5,1000")]
    remote: Vec<usize>,
    /// Runs of each, the fastest of which counts.
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// Seconds that one run may take; slower peers are left out at larger numbers.
    #[arg(long, default_value_t = 30.0)]
    patience: f64,
    /// Leave the peers out.
    #[arg(long)]
    alone: bool,
    /// A file for what is printed.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut bench = Bench { python: python::Peers::start()?, report: Report::default(), arguments };
    for kind in bench.arguments.kinds.clone() {
        let set = picks::set(&bench.arguments.folder, &kind)?;
        bench.local(&kind, &set)?;
        bench.remote(&kind, &set)?;
    }
    let text = bench.report.finish();
    if let Some(out) = &bench.arguments.out {
        std::fs::write(out, text)?;
    }
    Ok(())
}

struct Bench {
    python: python::Peers,
    report: Report,
    arguments: Arguments,
}

/// What cuts without an index take longer, by the number of objects.
type Saved = Vec<(usize, f64)>;

impl Bench {
    fn local(&mut self, kind: &str, set: &Set) -> Result<()> {
        let IndexCost { seconds, bytes, objects } = ours::index(set, kind)?;
        self.report.say(&format!("\n## {kind}: {} files of {} objects\n", set.files.len(), set.objects));
        let (mut saved, mut kerchunk, mut hidefix) = (Saved::new(), None, None);
        let mut too_slow: Vec<String> = Vec::new();
        for count in self.arguments.objects.clone() {
            let (picks, output, runs) = (Picks::draw(set, count), self.output(), self.arguments.runs);
            let own = ours::cut(set, &picks, &output, runs, Place::Local { indexed: true })?;
            let bare = ours::cut(set, &picks, &output, runs, Place::Local { indexed: false })?;
            saved.push((count, bare.seconds - own.seconds));
            let limit = Limit::new(set, kind, &picks)?;
            let reading = limit.local(runs, None)?;
            let writing = limit.local(runs, Some((&output, own.report.bytes_written)))?;
            let mut lines = vec![
                Line::new("spolia", own.seconds).reading(own.report.bytes_read, own.report.requests),
                Line::new("spolia without index", bare.seconds),
                Line::new("limit: reading", reading),
                Line::new("limit: reading and writing", writing),
            ];
            if !self.arguments.alone {
                for peer in python::names(kind).iter().filter(|peer| !too_slow.iter().any(|slow| slow == *peer)) {
                    let base = set.folder.to_string_lossy().into_owned();
                    let answer = self.python.run((kind, peer), &base, set, &picks, &output, runs)?;
                    if *peer == "kerchunk" && kerchunk.is_none() {
                        kerchunk = Some((answer.index_seconds, answer.index_bytes));
                    }
                    lines.push(Line::new(*peer, answer.seconds));
                }
                if kind == "tables" {
                    lines.push(Line::new("hdf5-metno, rayon", libhdf5::metno(set, &picks, &output, runs)?));
                    let read = libhdf5::hidefix(set, &picks, runs)?;
                    hidefix.get_or_insert(read.index_seconds);
                    lines.push(Line::new("hidefix, rayon, reading only 19 of 21 columns", read.seconds));
                }
            }
            let slow = lines.iter().filter(|line| line.seconds * 100.0 > self.arguments.patience);
            too_slow.extend(slow.map(|line| line.who.clone()));
            self.local_goals(kind, count, &lines);
            self.report.table(&format!("{kind}, {count} objects, local files"), &lines);
        }
        let each = format!(
            "{:.1} bytes and {:.2} us per object",
            bytes as f64 / objects as f64,
            seconds * 1e6 / objects as f64
        );
        self.report.say("\n");
        self.report.index(&format!("spolia ({each})"), seconds, Some(bytes), &saved);
        if let Some((seconds, bytes)) = kerchunk {
            self.report.say(&format!("- index by kerchunk: {seconds:.2} s, {:.2} MB of JSON\n", bytes as f64 / 1e6));
        }
        if let Some(seconds) = hidefix {
            self.report.say(&format!("- index by hidefix: {seconds:.2} s, in memory\n"));
        }
        Ok(())
    }

    /// The goals of the design for cuts of local files.
    fn local_goals(&mut self, kind: &str, count: usize, lines: &[Line]) {
        let own = lines[0].seconds;
        let of = |who: &str| lines.iter().find(|line| line.who.starts_with(who)).map(|line| line.seconds / own);
        let goals: &[(&str, usize, f64, bool)] = match kind {
            "tables" => &[
                ("h5py naive", 5, 10.0, true),
                ("h5py naive", 1000, 15.0, true),
                ("hdf5-metno", 1000, 5.0, true),
                ("hidefix", 1000, 1.15, true),
                ("hidefix", 100_000, 1.15, true),
            ],
            _ => &[
                ("h5py naive", 5, 20.0, true),
                ("h5py naive", 1000, 80.0, true),
                ("h5o.copy", 1000, 30.0, true),
                ("h5o.copy", 100_000, 30.0, true),
            ],
        };
        for (who, objects, wanted, at_least) in goals.iter().filter(|goal| goal.1 == count) {
            if let Some(found) = of(who) {
                self.report.goal(&format!("{kind}, {objects}: {who}, times ours"), found, *wanted, *at_least);
            }
        }
        let limits = if kind == "tables" {
            [("limit: reading", 1.10), ("limit: reading and writing", 1.10)]
        } else {
            [("limit: reading", 2.0), ("limit: reading and writing", 1.5)]
        };
        for (limit, wanted) in limits {
            let found = lines.iter().find(|line| line.who == limit).map(|line| own / line.seconds);
            if let Some(found) = found.filter(|_| count >= 1000) {
                self.report.goal(&format!("{kind}, {count}: ours, times {limit}"), found, wanted, false);
            }
        }
    }

    fn remote(&mut self, kind: &str, set: &Set) -> Result<()> {
        let model = Model::serve(&set.folder)?;
        let tuned = if self.arguments.alone { Vec::new() } else { self.python.tuned()? };
        let mut best: Option<String> = None;
        for count in self.arguments.remote.clone() {
            let (picks, output, runs) = (Picks::draw(set, count), self.output(), self.arguments.runs);
            let mut lines = Vec::new();
            for (who, indexed, cold) in [
                ("spolia", true, false),
                ("spolia, its indexes read anew", true, true),
                ("spolia without index", false, true),
            ] {
                let place = Place::Store { url: &model.url, indexed, cold };
                let own = ours::cut(set, &picks, &output, runs, place)?;
                model.asked();
                ours::cut(set, &picks, &output, 1, Place::Store { url: &model.url, indexed, cold: true })?;
                // With a warm index only the report tells what the cut itself has read.
                let all = model.asked();
                let (requests, bytes) = if cold { all } else { (own.report.requests, own.report.bytes_read) };
                lines.push(Line::new(who, own.seconds).reading(bytes, requests));
            }
            let limit = Limit::new(set, kind, &picks)?;
            let seconds = limit.remote(&model.url, runs)?;
            lines.push(Line::new("limit: all ranges at once", seconds));
            self.fsspec(kind, set, &picks, &model, &tuned, &mut best, &mut lines)?;
            self.remote_goals(kind, count, &lines);
            self.report.table(&format!("{kind}, {count} objects, over the model of a store"), &lines);
        }
        Ok(())
    }

    /// h5py over fsspec as it is, and at its best; and kerchunk.
    #[allow(clippy::too_many_arguments, reason = "a table's worth of things")]
    fn fsspec(
        &mut self,
        kind: &str,
        set: &Set,
        picks: &Picks,
        model: &Model,
        tuned: &[String],
        best: &mut Option<String>,
        lines: &mut Vec<Line>,
    ) -> Result<()> {
        // With many objects these take minutes.
        if self.arguments.alone || picks.0.iter().map(Vec::len).sum::<usize>() > 100 {
            return Ok(());
        }
        let output = self.output();
        let mut run = |peer: &str, runs: usize| {
            model.asked();
            let answer = self.python.run((kind, peer), &model.url, set, picks, &output, runs)?;
            let (requests, bytes) = model.asked();
            Ok::<_, anyhow::Error>(Line::new(peer, answer.seconds).reading(bytes / runs as u64, requests / runs as u64))
        };
        lines.push(run("h5py + fsspec", 1)?);
        let mut ways = Vec::new();
        for way in tuned {
            ways.push(run(&format!("h5py + fsspec {way}"), 1)?);
        }
        ways.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        if let Some(first) = ways.into_iter().next() {
            best.get_or_insert(first.who.clone());
            lines.push(first);
        }
        if kind == "tables" {
            run("kerchunk", 1)?;
            lines.push(run("kerchunk", 1)?);
        }
        Ok(())
    }

    /// The goals of the design for cuts over a store.
    fn remote_goals(&mut self, kind: &str, count: usize, lines: &[Line]) {
        let own = lines[0].seconds;
        let fsspec: Vec<&Line> = lines.iter().filter(|line| line.who.starts_with("h5py + fsspec")).collect();
        if let [default, best] = fsspec[..] {
            let tuned = if kind == "tables" { 50.0 } else { 40.0 };
            let what = |who: &str| format!("{kind}, {count}, store: {who}, times ours");
            self.report.goal(&what("h5py + fsspec"), default.seconds / own, 200.0, true);
            self.report.goal(&what(&best.who), best.seconds / own, tuned, true);
        }
        if let Some(limit) = lines.iter().find(|line| line.who.starts_with("limit")) {
            let wanted = if kind == "tables" { 1.3 } else { 1.1 };
            let what = format!("{kind}, {count}, store: ours, times one round trip and inflating");
            self.report.goal(&what, own / limit.seconds, wanted, false);
        }
    }

    fn output(&self) -> PathBuf {
        self.arguments.folder.join("merged.h5")
    }
}
