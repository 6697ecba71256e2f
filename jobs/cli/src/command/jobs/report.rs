//! What a job took: text, JSON, and a page with a timeline.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use spolia_exec::{JOBS_FOLDER, Line, Note, Report, read_ledger};
use spolia_queue::Job;
use spolia_team::Stage;

use super::submit::verify;
use super::{Office, found};
use crate::arguments::Report as Asked;
use crate::command::ingest;
use crate::error::CommandError;

/// Width of the timeline, and height of a rank's line in it.
const WIDTH: f64 = 1000.0;
const HEIGHT: usize = 14;
/// Shares that are drawn at most: more than a screen has columns are not told apart.
const MOST_DRAWN: usize = 20_000;

/// The colours of stages in the timeline.
const COLORS: [(Stage, &str); 6] = [
    (Stage::Fill, "#1f77b4"),
    (Stage::Encode, "#ff7f0e"),
    (Stage::Place, "#2ca02c"),
    (Stage::Hash, "#9467bd"),
    (Stage::Check, "#17becf"),
    (Stage::Load, "#1f77b4"),
];

/// Tells what a job took.
pub async fn run(office: &Office, asked: &Asked) -> Result<(), CommandError> {
    office.settle().await;
    let job = found(office, &asked.job).await?;
    let folder = office.site.folder().join(JOBS_FOLDER).join(&job.job_id);
    let lines = read_ledger(&folder).map_err(CommandError::file("read the ledger in", &folder))?;
    if lines.is_empty() {
        return Err(CommandError::Said(format!("nothing has been done of job {} yet ({})", job.job_id, job.phase)));
    }
    let account = Account::of(&lines);
    if let Some(path) = &asked.html {
        std::fs::write(path, account.page(&job)).map_err(CommandError::file("write", path))?;
        eprintln!("{} has the timeline", path.display());
    } else if asked.json {
        println!("{}", account.json(&job));
    } else {
        print!("{}", account.text(&job));
    }
    Ok(())
}

/// What was done, added up.
#[derive(Default)]
struct Account<'a> {
    notes: Vec<&'a Note>,
    attempts: Vec<(u32, u32, u64)>,
    whole: Option<(&'a Report, u64)>,
    stages: BTreeMap<Stage, Sum>,
    /// By attempt and rank.
    ranks: BTreeMap<(u32, u32), Sum>,
}

/// Shares added up.
#[derive(Default)]
struct Sum {
    host: String,
    shares: u64,
    bytes: u64,
    busy_ms: u64,
    begun_ms: Option<u64>,
    ended_ms: u64,
    cpu_ms: u64,
    peak_kib: u64,
}

impl Sum {
    fn add(&mut self, note: &Note) {
        self.host.clone_from(&note.host);
        self.shares += 1;
        self.bytes += note.share.weight;
        self.busy_ms += note.ended_ms.saturating_sub(note.begun_ms);
        self.begun_ms = Some(self.begun_ms.map_or(note.begun_ms, |begun| begun.min(note.begun_ms)));
        self.ended_ms = self.ended_ms.max(note.ended_ms);
        // Of a process, from its beginning on.
        self.cpu_ms = self.cpu_ms.max(note.cpu_ms);
        self.peak_kib = self.peak_kib.max(note.peak_kib);
    }

    fn wall_ms(&self) -> u64 {
        self.begun_ms.map_or(0, |begun| self.ended_ms.saturating_sub(begun))
    }
}

impl<'a> Account<'a> {
    fn of(lines: &'a [Line]) -> Self {
        let mut account = Self::default();
        for line in lines {
            match line {
                Line::Plan { .. } => {}
                Line::Attempt { number, ranks, begun_ms } => account.attempts.push((*number, *ranks, *begun_ms)),
                Line::Share(note) => {
                    account.notes.push(note);
                    account.stages.entry(note.share.stage).or_default().add(note);
                    account.ranks.entry((note.attempt, note.rank)).or_default().add(note);
                }
                Line::Whole { report, ended_ms } => account.whole = Some((report, *ended_ms)),
            }
        }
        account
    }

    fn begun_ms(&self) -> u64 {
        self.attempts.first().map_or(0, |(_, _, begun)| *begun)
    }

    fn ended_ms(&self) -> u64 {
        let last = self.notes.iter().map(|note| note.ended_ms).max().unwrap_or(0);
        self.whole.map_or(last, |(_, ended)| ended).max(self.begun_ms())
    }

    /// Of all ranks of all attempts.
    fn cpu_ms(&self) -> u64 {
        self.ranks.values().map(|rank| rank.cpu_ms).sum()
    }

    /// Requests, bytes that were needed of them, and bytes that were read.
    fn read(&self) -> [u64; 3] {
        let filled = self.notes.iter().filter(|note| note.share.stage == Stage::Fill);
        filled.fold([0; 3], |sum, note| {
            let told = |place: usize| note.share.told.get(place).copied().unwrap_or(0);
            [sum[0] + told(0), sum[1] + told(1), sum[2] + told(2)]
        })
    }

    fn text(&self, job: &Job) -> String {
        let mut text = String::new();
        let seconds = |ms: u64| ms as f64 / 1e3;
        let [requests, asked, read] = self.read();
        let _ = writeln!(
            text,
            "job {}: {}, {:.1} s from its beginning, {} attempts, {:.1} s of processors",
            job.job_id,
            job.phase,
            seconds(self.ended_ms() - self.begun_ms()),
            self.attempts.len(),
            seconds(self.cpu_ms())
        );
        let _ = match self.whole {
            Some((Report::Cut(report), _)) => {
                let (objects, files, bytes) = (report.objects, report.files, report.bytes_written);
                writeln!(text, "{objects} objects from {files} files, {bytes} bytes")
            }
            Some((Report::Ingest(report), _)) => writeln!(text, "{}", ingest::sentence(report)),
            Some((Report::Verify(report), _)) => writeln!(text, "{}", verify::sentence(report)),
            None => Ok(()),
        };
        if requests > 0 {
            let _ = writeln!(text, "{asked} bytes of values, read in {requests} requests of {read} bytes");
        }
        let _ = writeln!(text, "\n{:<10}{:>8}{:>16}{:>12}{:>12}", "STAGE", "SHARES", "BYTES", "BUSY-S", "WALL-S");
        for (stage, sum) in &self.stages {
            let (busy, wall) = (seconds(sum.busy_ms), seconds(sum.wall_ms()));
            let _ = writeln!(text, "{:<10}{:>8}{:>16}{busy:>12.2}{wall:>12.2}", stage.name(), sum.shares, sum.bytes);
        }
        let _ = writeln!(
            text,
            "\n{:<10}{:<20}{:>8}{:>16}{:>10}{:>10}{:>10}",
            "RANK", "HOST", "SHARES", "BYTES", "BUSY-S", "CPU-S", "PEAK-MIB"
        );
        for ((attempt, rank), sum) in &self.ranks {
            let (busy, cpu) = (seconds(sum.busy_ms), seconds(sum.cpu_ms));
            let host: String = sum.host.chars().take(19).collect();
            let _ = writeln!(
                text,
                "{:<10}{host:<20}{:>8}{:>16}{busy:>10.2}{cpu:>10.2}{:>10}",
                format!("{attempt}.{rank}"),
                sum.shares,
                sum.bytes,
                sum.peak_kib >> 10
            );
        }
        text
    }

    fn json(&self, job: &Job) -> Value {
        let [requests, bytes_asked, bytes_read] = self.read();
        let sum = |sum: &Sum| {
            json!({
                "shares": sum.shares, "bytes": sum.bytes, "busy_ms": sum.busy_ms, "wall_ms": sum.wall_ms(), "cpu_ms": sum.cpu_ms,
                "peak_kib": sum.peak_kib, "host": sum.host,
            })
        };
        let stages: serde_json::Map<String, Value> =
            self.stages.iter().map(|(stage, shares)| (stage.name().to_owned(), sum(shares))).collect();
        let ranks: Vec<Value> = self
            .ranks
            .iter()
            .map(|((attempt, rank), shares)| {
                let mut rank = json!({"attempt": attempt, "rank": rank});
                if let (Value::Object(rank), Value::Object(shares)) = (&mut rank, sum(shares)) {
                    rank.extend(shares);
                }
                rank
            })
            .collect();
        json!({
            "job": job.job_id, "phase": job.phase.name(), "wall_ms": self.ended_ms() - self.begun_ms(), "cpu_ms": self.cpu_ms(),
            "attempts": self.attempts.iter().map(|(number, ranks, begun)| json!({"number": number, "ranks": ranks, "begun_ms": begun})).collect::<Vec<_>>(),
            "requests": requests, "bytes_asked": bytes_asked, "bytes_read": bytes_read, "stages": stages, "ranks": ranks,
            "report": self.whole.map(|(report, _)| match report {
                Report::Cut(report) => json!(report),
                Report::Ingest(report) => json!(report),
                Report::Verify(report) => json!(report),
            }),
        })
    }

    /// A page that needs nothing else.
    fn page(&self, job: &Job) -> String {
        let (begun, span) = (self.begun_ms(), (self.ended_ms() - self.begun_ms()).max(1) as f64);
        let x = |ms: u64| ms.saturating_sub(begun) as f64 / span * WIDTH;
        let rows: Vec<&(u32, u32)> = self.ranks.keys().collect();
        let mut bars = String::new();
        for note in self.notes.iter().take(MOST_DRAWN) {
            let row = rows.partition_point(|row| **row < (note.attempt, note.rank));
            let (left, right) = (x(note.begun_ms), x(note.ended_ms));
            let _ = write!(
                bars,
                "<rect class=\"{}\" x=\"{left:.2}\" y=\"{}\" width=\"{:.2}\" height=\"{}\"><title>{} {}: {} bytes, {} ms</title></rect>",
                note.share.stage.name(),
                row * HEIGHT + 2,
                (right - left).max(0.5),
                HEIGHT - 3,
                note.share.stage.name(),
                note.share.number,
                note.share.weight,
                note.ended_ms.saturating_sub(note.begun_ms),
            );
        }
        let labels: String = rows
            .iter()
            .enumerate()
            .map(|(row, key)| {
                let host = escaped(&self.ranks[*key].host);
                format!("<text x=\"-6\" y=\"{}\">{}.{} {host}</text>", row * HEIGHT + HEIGHT - 4, key.0, key.1)
            })
            .collect();
        let styles: String = COLORS.iter().map(|(stage, color)| format!(".{}{{fill:{color}}}", stage.name())).collect();
        let there = COLORS.iter().filter(|(stage, _)| self.stages.contains_key(stage));
        let legend: String =
            there.map(|(stage, color)| format!("<b style=\"color:{color}\">{}</b> ", stage.name())).collect();
        let height = rows.len().max(1) * HEIGHT;
        let (id, text) = (escaped(&job.job_id), escaped(&self.text(job)));
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Job {id}</title>
<style>body{{font:14px system-ui,sans-serif;margin:2em;background:#fff;color:#222}}text{{font-size:10px;text-anchor:end}}
{styles}pre{{overflow-x:auto}}</style>
<h1>Job {id}</h1><p>Ranks of each attempt over {:.1} s: {legend}</p>
<svg viewBox=\"-160 0 {} {height}\" width=\"100%\" role=\"img\" aria-label=\"What each rank did when\">{labels}{bars}</svg>
<pre>{text}</pre></html>\n",
            span / 1e3,
            WIDTH + 170.0,
        )
    }
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}
