//! What has been done of an order: a file of JSON lines, in which every share stands that is done and safe. Whoever begins the order again
//! goes on from there, and what a job took is counted from it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spolia_team::{Share, Stage};

use super::outcome::Report;

/// The ledger's file.
pub(crate) const LEDGER: &str = "ledger.jsonl";
/// Bytes of the ledger at most; a share takes some hundred.
const LONGEST: u64 = 1 << 30;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The plan that all of it belongs to, and the program that made it.
    Plan {
        /// What tells the plan from others.
        fingerprint: String,
        /// The program and its version.
        software: String,
    },
    /// The order was begun, or begun again.
    Attempt {
        /// Counted from 1.
        number: u32,
        /// Processes at work on it.
        ranks: u32,
        /// When, in milliseconds since 1970.
        begun_ms: u64,
    },
    /// A share is done.
    Share(Note),
    /// All is done.
    Whole {
        /// What was done in all.
        report: Report,
        /// When, in milliseconds since 1970.
        ended_ms: u64,
    },
}

/// A share, and who has done it when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The share.
    pub share: Share,
    /// The process that has done it, counted from 0.
    pub rank: u32,
    /// Its node.
    pub host: String,
    /// In which attempt.
    pub attempt: u32,
    /// From when, in milliseconds since 1970.
    pub begun_ms: u64,
    /// Until when.
    pub ended_ms: u64,
    /// What that process has taken of processors in this attempt, until then, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory that it has had until then, in kibibytes.
    pub peak_kib: u64,
}

/// The ledger of an order, as who leads the work keeps it.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    /// Nobody else has it while this is open.
    file: File,
    attempt: u32,
    done: BTreeMap<Stage, BTreeMap<u64, Share>>,
    /// Where claims go on, by stage.
    next: BTreeMap<Stage, u64>,
    whole: Option<Report>,
    /// The files that shares are put into: first the one that becomes the result.
    made: &'static [&'static str],
}

impl Ledger {
    /// Opens the ledger in a folder, as another attempt by so many processes, who put what they do into the files that are `made` there. What
    /// belongs to another plan is removed with all that was done of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it; otherwise when the folder cannot be read or written.
    pub fn open(
        folder: &Path,
        fingerprint: &str,
        software: &str,
        ranks: u32,
        made: &'static [&'static str],
    ) -> io::Result<Self> {
        let path = folder.join(LEDGER);
        let file = File::options().read(true).append(true).create(true).open(path)?;
        file.try_lock()?;
        let mut ledger = Self {
            folder: folder.to_owned(),
            file,
            attempt: 1,
            done: BTreeMap::new(),
            next: BTreeMap::new(),
            whole: None,
            made,
        };
        let plan = Line::Plan { fingerprint: fingerprint.to_owned(), software: software.to_owned() };
        if !ledger.take_up(&plan)? {
            ledger.begin_anew()?;
            ledger.note(&plan)?;
        }
        ledger.note(&Line::Attempt { number: ledger.attempt, ranks, begun_ms: now_ms() })?;
        Ok(ledger)
    }

    /// Reads what is there; returns whether the work can go on from it.
    fn take_up(&mut self, plan: &Line) -> io::Result<bool> {
        let (lines, end) = lines(&self.file)?;
        // The last line may be half of one.
        self.file.set_len(end)?;
        let mut lines = lines.into_iter();
        if lines.next().as_ref() != Some(plan) {
            return Ok(false);
        }
        for line in lines {
            match line {
                Line::Plan { .. } => return Ok(false),
                Line::Attempt { number, .. } => self.attempt = number + 1,
                Line::Share(note) => self.count(note.share),
                Line::Whole { report, .. } => self.whole = Some(report),
            }
        }
        // Without the file that shares were put into they are not done.
        let is_there = self.made.first().is_none_or(|name| self.folder.join(name).exists());
        Ok(self.whole.is_some() || self.done.is_empty() || is_there)
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        (self.attempt, self.whole) = (1, None);
        self.done.clear();
        for name in self.made {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn count(&mut self, share: Share) {
        self.done.entry(share.stage).or_default().insert(share.number, share);
    }

    fn note(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }

    /// The attempt that this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What was done, once all is.
    pub fn whole(&self) -> Option<&Report> {
        self.whole.as_ref()
    }

    /// The weight of the shares of a stage that are done.
    pub(crate) fn weight(&self, stage: Stage) -> u64 {
        self.done.get(&stage).map_or(0, |done| done.values().map(|share| share.weight).sum())
    }

    /// Notes how a stage is divided: what was done of another division counts no more.
    pub(crate) fn divide(&mut self, stage: Stage, digests: &[u64]) {
        if let Some(done) = self.done.get_mut(&stage) {
            done.retain(|number, share| digests.get(*number as usize) == Some(&share.digest));
        }
    }

    /// Claims the first share of a stage that is neither done nor claimed.
    pub(crate) fn claim(&mut self, stage: Stage) -> u64 {
        let (done, next) = (self.done.get(&stage), self.next.entry(stage).or_default());
        while done.is_some_and(|done| done.contains_key(next)) {
            *next += 1;
        }
        *next += 1;
        *next - 1
    }

    /// Notes a share as done.
    pub(crate) fn done(&mut self, note: Note) -> io::Result<()> {
        let share = note.share.clone();
        self.note(&Line::Share(note))?;
        self.count(share);
        Ok(())
    }

    /// What is told of all shares of a stage, which have these digests; nothing while not all of them are done.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where one was done of another division.
    pub(crate) fn met(&self, stage: Stage, digests: &[u64]) -> io::Result<Option<Vec<Vec<u64>>>> {
        let none = BTreeMap::new();
        let done = self.done.get(&stage).unwrap_or(&none);
        if done.values().any(|share| digests.get(share.number as usize) != Some(&share.digest)) {
            let fault = "the files have changed since the work was begun, or look different from another node";
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        Ok((done.len() == digests.len()).then(|| done.values().map(|share| share.told.clone()).collect()))
    }

    /// Notes that all is done, and gives a file that was made its name. What was only of use while it was made goes.
    pub(crate) fn end(&mut self, report: &Report, output: &str) -> io::Result<()> {
        self.note(&Line::Whole { report: report.clone(), ended_ms: now_ms() })?;
        self.file.sync_data()?;
        self.whole = Some(report.clone());
        self.settle(output)
    }

    /// Gives a file that is whole its name, if it has not got it yet.
    pub(crate) fn settle(&self, output: &str) -> io::Result<()> {
        let mut made = self.made.iter().map(|name| self.folder.join(name));
        let whole = made.next().filter(|path| path.exists());
        for path in made.filter(|path| path.exists()) {
            fs::remove_file(path)?;
        }
        whole.map_or(Ok(()), |path| fs::rename(path, self.folder.join(output)))
    }
}

/// The lines of a ledger, and where the last whole one ends.
fn lines(mut file: &File) -> io::Result<(Vec<Line>, u64)> {
    if file.metadata()?.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{LEDGER} has more than {LONGEST} bytes")));
    }
    file.seek(SeekFrom::Start(0))?;
    let (mut reader, mut text, mut lines, mut end) = (BufReader::new(file), Vec::new(), Vec::new(), 0);
    while reader.read_until(b'\n', &mut text)? > 0 {
        match serde_json::from_slice(&text) {
            Ok(line) if text.ends_with(b"\n") => lines.push(line),
            _ => break,
        }
        end += text.len() as u64;
        text.clear();
    }
    Ok((lines, end))
}

/// Has work go on in a folder where it was all done, or was not: shares that are `again` to be done count no more.
pub(crate) fn reopen(folder: &Path, again: impl Fn(&Share) -> bool) -> io::Result<()> {
    let kept = |line: &Line| match line {
        Line::Whole { .. } => false,
        Line::Share(note) => !again(&note.share),
        Line::Plan { .. } | Line::Attempt { .. } => true,
    };
    let mut text = Vec::new();
    for line in read_ledger(folder)?.iter().filter(|line| kept(line)) {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    let part = folder.join(format!("{LEDGER}.part"));
    fs::write(&part, text)?;
    fs::rename(part, folder.join(LEDGER))
}

/// The lines of the ledger in a folder, for those who want to know how the work goes or went; none where it has not begun.
///
/// # Errors
/// When it cannot be read.
pub fn read_ledger(folder: &Path) -> io::Result<Vec<Line>> {
    match File::open(folder.join(LEDGER)) {
        Ok(file) => Ok(lines(&file)?.0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The time, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use spolia_cutout::{CutReport, TOGETHER};

    use super::*;

    fn note(number: u64, digest: u64) -> Note {
        let share = Share { stage: Stage::Fill, number, digest, weight: 10, told: vec![number] };
        let (rank, host, attempt) = (0, "here".to_owned(), 1);
        Note { share, rank, host, attempt, begun_ms: 1, ended_ms: 2, cpu_ms: 1, peak_kib: 1 }
    }

    #[test]
    fn work_goes_on_from_what_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let open = |plan: &str| Ledger::open(folder.path(), plan, "spolia 1", 1, &TOGETHER);
        let mut ledger = open("a").unwrap();
        assert_eq!(open("a").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        fs::write(folder.path().join(TOGETHER[0]), "made").unwrap();
        assert_eq!([ledger.claim(Stage::Fill), ledger.claim(Stage::Fill), ledger.claim(Stage::Hash)], [0, 1, 0]);
        ledger.done(note(1, 7)).unwrap();
        drop(ledger);
        // Half a line is none.
        File::options().append(true).open(folder.path().join(LEDGER)).unwrap().write_all(b"{\"share").unwrap();

        let mut ledger = open("a").unwrap();
        assert_eq!((ledger.attempt(), ledger.weight(Stage::Fill)), (2, 10));
        assert_eq!([ledger.claim(Stage::Fill), ledger.claim(Stage::Fill)], [0, 2]);
        assert_eq!(ledger.met(Stage::Fill, &[5, 7]).unwrap(), None);
        ledger.done(note(0, 5)).unwrap();
        assert_eq!(ledger.met(Stage::Fill, &[5, 7]).unwrap(), Some(vec![vec![0], vec![1]]));
        assert_eq!(ledger.met(Stage::Fill, &[5, 8]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        ledger.end(&Report::Cut(CutReport::default()), "merged.h5").unwrap();
        drop(ledger);
        assert_eq!(fs::read(folder.path().join("merged.h5")).unwrap(), b"made");
        assert!(open("a").unwrap().whole().is_some());
        assert_eq!(read_ledger(folder.path()).unwrap().len(), 7);

        // Another plan begins anew; so does one whose file is gone.
        fs::write(folder.path().join(TOGETHER[0]), "made").unwrap();
        let mut ledger = open("b").unwrap();
        assert!(ledger.attempt() == 1 && ledger.whole().is_none() && !folder.path().join(TOGETHER[0]).exists());
        ledger.done(note(0, 5)).unwrap();
        drop(ledger);
        assert_eq!(open("b").unwrap().claim(Stage::Fill), 0);
    }
    #[test]
    fn what_was_done_of_another_division_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path(), "a", "spolia 1", 1, &[]).unwrap();
        for (number, digest) in [(0, 5), (1, 6), (3, 8)] {
            ledger.done(note(number, digest)).unwrap();
        }
        ledger.divide(Stage::Fill, &[5, 7, 9]);
        assert_eq!([ledger.claim(Stage::Fill), ledger.claim(Stage::Fill)], [1, 2]);
        assert_eq!(ledger.weight(Stage::Fill), 10);
    }
}
