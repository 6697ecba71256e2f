//! Units of a cut: ranges of one file that are read together, and what is made of them.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use spolia_hdf5_format::filter::Decoder;
use spolia_hdf5_format::source::ReadAt;
use spolia_hdf5_format::write::WriteError;

use crate::error::CutoutError;
use crate::files::Files;
use crate::plan::CutFile;
use crate::progress::CutProgress;
use crate::sink::Sink;
use crate::team::Shares;

/// Bytes between two ranges that are read along with them rather than asked for apart.
const GAP: u64 = 4 << 10;
/// The same where a request is a journey.
pub(crate) const FAR_GAP: u64 = 64 << 10;
/// Bytes of one range at most.
const MOST: u64 = 8 << 20;
/// Bytes below which one thread is done before others would have woken up.
const ALONE: u64 = 256 << 10;
/// Bytes that a thread keeps from cut to cut.
const MOST_KEPT: usize = 4 << 20;
/// Units that wait to be run.
const WAITING: usize = 256;
/// Bytes of a share: what one of a team does before others may have the next.
const SHARE: u64 = 8 << 20;
/// Bytes of a share that may be of several files.
const LITTLE: u64 = 1 << 20;
/// What is run of a dry run, to see how long it takes: so many bytes about.
const SAMPLE: u64 = 8 << 20;

/// What is made of the bytes of a unit.
pub(crate) trait Work: Send + Sync {
    /// Bytes that are read or made, about.
    fn weight(&self) -> u64;

    /// The ranges that it needs, about.
    fn pieces(&self) -> usize;

    /// The ranges of the file that it needs, which may overlap and hold more than that; returns the bytes that it needs.
    fn ranges(&self, ranges: &mut Vec<Range<u64>>) -> u64;

    /// Makes pieces of the merged file out of them.
    fn run(&self, fetched: &Fetched, worker: &mut Worker) -> Result<(), CutoutError>;
}

/// Work on one file.
pub(crate) struct Unit {
    /// The file's place in the plan.
    pub(crate) file: usize,
    pub(crate) work: Box<dyn Work>,
}

/// What a thread keeps from unit to unit.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) decoder: Decoder,
    /// Room for what is made.
    pub(crate) made: Vec<u8>,
    fetched: Fetched,
}

thread_local! {
    /// What a thread keeps from cut to cut: decoders and buffers cost as much as a small cut.
    static KEPT: Cell<Option<Box<Worker>>> = const { Cell::new(None) };
}

impl Worker {
    /// Calls `run` with this thread's worker.
    fn with<T>(run: impl FnOnce(&mut Self) -> T) -> T {
        let mut worker = KEPT.take().unwrap_or_default();
        let done = run(&mut worker);
        let held = worker.decoder.held() + worker.made.capacity() + worker.fetched.bytes.capacity();
        if held <= MOST_KEPT {
            KEPT.set(Some(worker));
        }
        done
    }
}

/// Ranges of a file that have been read.
#[derive(Default)]
pub(crate) struct Fetched {
    /// Where each begins in the file, and where in the bytes.
    ranges: Vec<(Range<u64>, usize)>,
    bytes: Vec<u8>,
}

impl Fetched {
    /// Bytes of the file that are in one of the ranges.
    pub(crate) fn get(&self, at: u64, length: u64) -> Option<&[u8]> {
        let place = self.ranges.partition_point(|(range, _)| range.start <= at).checked_sub(1)?;
        let (range, start) = &self.ranges[place];
        let from = start + (at - range.start) as usize;
        if at.checked_add(length)? > range.end { None } else { self.bytes.get(from..from + length as usize) }
    }

    fn read(&mut self, source: &dyn ReadAt, far: bool, ranges: Vec<Range<u64>>) -> std::io::Result<()> {
        self.ranges.clear();
        let mut end = 0;
        for range in ranges {
            if range.end > source.size() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let length = (range.end - range.start) as usize;
            self.ranges.push((range, end));
            end += length;
        }
        self.bytes.resize(end, 0);
        if far && self.ranges.len() > 1 {
            return self.read_at_once(source);
        }
        let mut rest = &mut self.bytes[..];
        for (range, _) in &self.ranges {
            let (place, behind) = rest.split_at_mut((range.end - range.start) as usize);
            source.read_into(range.start, place)?;
            rest = behind;
        }
        Ok(())
    }

    /// All ranges at the same time, on threads that wait.
    fn read_at_once(&mut self, source: &dyn ReadAt) -> std::io::Result<()> {
        let mut rest = &mut self.bytes[..];
        let mut places = Vec::with_capacity(self.ranges.len());
        for (range, _) in &self.ranges {
            let (place, behind) = rest.split_at_mut((range.end - range.start) as usize);
            places.push((range.start, place));
            rest = behind;
        }
        places.into_par_iter().try_for_each(|(start, place)| source.read_into(start, place))
    }
}

/// Fetches what units need and runs them, on all threads.
pub(crate) struct Fetcher<'a> {
    plan: &'a [CutFile],
    files: &'a Files,
    sink: Arc<Sink>,
    stopped: &'a AtomicBool,
    waiting: Vec<(Unit, u64)>,
    weight: u64,
    done: Fetching,
    progress: &'a CutProgress,
    /// What has been run of a dry run; nothing where all is.
    sample: Option<Sample>,
    /// Those who run the units together, if they do.
    crew: Option<Crew>,
    /// Whether all work is this one's.
    alone: bool,
}

/// Those who run units together.
pub(crate) struct Crew {
    pub(crate) shares: Shares,
    /// Where units put what they make.
    pub(crate) sinks: [Arc<Sink>; 2],
}

/// A part of the work of a dry run, and the time that it took.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    weight: u64,
    time: Duration,
    /// Of all that would be run.
    whole: u64,
}

impl Sample {
    /// One that is taken already: nothing is run.
    pub(crate) fn none() -> Self {
        Self { weight: SAMPLE, ..Self::default() }
    }
}

/// What has been fetched.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    /// Requests for ranges.
    pub(crate) requests: AtomicU64,
    /// Bytes of them.
    pub(crate) read: AtomicU64,
    /// Bytes that were asked for: without what lies between.
    pub(crate) asked: AtomicU64,
}

impl Fetching {
    /// Requests, bytes that were needed, and bytes that were read.
    fn counts(&self) -> [u64; 3] {
        [&self.requests, &self.asked, &self.read].map(|count| count.load(Ordering::Relaxed))
    }
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(
        plan: &'a [CutFile],
        files: &'a Files,
        sink: Arc<Sink>,
        stopped: &'a AtomicBool,
        progress: &'a CutProgress,
        sample: Option<Sample>,
        crew: Option<Crew>,
    ) -> Self {
        let (done, waiting, alone) = (Fetching::default(), Vec::new(), crew.is_none());
        Self { plan, files, sink, stopped, waiting, weight: 0, done, progress, sample, crew, alone }
    }

    /// Takes a unit; those that wait are run when they are many.
    pub(crate) fn add(&mut self, unit: Unit) -> Result<(), CutoutError> {
        let between = if self.files.is_far() { unit.work.pieces() as u64 * FAR_GAP } else { 0 };
        let weight = unit.work.weight() + between;
        // A share has work on one file, unless that is little.
        let other_file = self.waiting.last().is_some_and(|(last, _)| last.file != unit.file);
        if !self.alone && other_file && self.weight >= LITTLE {
            self.run()?;
        }
        self.progress.hand_out(weight);
        self.weight += weight;
        self.waiting.push((unit, weight));
        let most = if self.alone { self.files.memory().in_flight() } else { SHARE };
        let enough = self.waiting.len() >= WAITING || self.weight >= most;
        if enough { self.run() } else { Ok(()) }
    }

    /// Where the merged file is put together.
    pub(crate) fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    /// Whether a request costs so much that bytes between two ranges are better read along.
    pub(crate) fn is_far(&self) -> bool {
        self.files.is_far()
    }

    /// Whether nothing is fetched and nothing is written.
    pub(crate) fn is_dry(&self) -> bool {
        self.sample.is_some()
    }

    /// Fails when nobody waits for the merged file any more.
    pub(crate) fn check_stopped(&self) -> Result<(), CutoutError> {
        if self.stopped.load(Ordering::Relaxed) { Err(CutoutError::Stopped) } else { Ok(()) }
    }

    /// Runs what still waits, and waits for what others run.
    pub(crate) fn finish(&mut self) -> Result<(), CutoutError> {
        self.run()?;
        let Some(crew) = &self.crew else { return Ok(()) };
        let done = Fetching::default();
        for told in crew.shares.meet()? {
            let counts = [&done.requests, &done.asked, &done.read];
            for (count, more) in counts.into_iter().zip(told) {
                count.fetch_add(more, Ordering::Relaxed);
            }
        }
        self.done = done;
        Ok(())
    }

    /// What has been fetched.
    pub(crate) fn done(&self) -> &Fetching {
        &self.done
    }

    /// How long all work takes, and how much of that has been spent on a sample of it; nothing where all of it was run.
    pub(crate) fn expected(&self) -> Option<(Duration, Duration)> {
        let sample = self.sample.as_ref()?;
        let whole = sample.time.as_secs_f64() * sample.whole as f64 / sample.weight.max(1) as f64;
        Some((Duration::from_secs_f64(whole), sample.time))
    }

    /// Runs units that wait; where others run units, too, only if they are this one's share. The first error ends it.
    fn run(&mut self) -> Result<(), CutoutError> {
        let (units, weight) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.weight));
        let Some(crew) = self.crew.take() else { return self.run_units(units, weight) };
        let files: Vec<u64> = units.iter().map(|(unit, _)| unit.file as u64).collect();
        if let Some(own) = if units.is_empty() { None } else { crew.shares.next(weight, &files)? } {
            let before = self.done.counts();
            self.run_units(units, weight)?;
            let told: Vec<u64> = self.done.counts().iter().zip(before).map(|(now, before)| now - before).collect();
            crew.sinks.iter().try_for_each(|sink| sink.sync()).map_err(WriteError::from)?;
            crew.shares.done(own, told)?;
        }
        self.crew = Some(crew);
        Ok(())
    }

    fn run_units(&mut self, units: Vec<(Unit, u64)>, weight: u64) -> Result<(), CutoutError> {
        let started = Instant::now();
        let counted = self.sample.as_ref().is_some_and(|sample| sample.weight >= SAMPLE);
        if !self.files.is_far() && weight < ALONE {
            Worker::with(|worker| units.iter().try_for_each(|unit| self.unit(unit, counted, worker)))?;
        } else {
            self.files.install(|| {
                let all = units.into_par_iter();
                all.try_for_each(|unit| Worker::with(|worker| self.unit(&unit, counted, worker)))
            })?;
        }
        if let Some(sample) = &mut self.sample {
            sample.whole += weight;
            if !counted {
                sample.weight += weight;
                sample.time += started.elapsed();
            }
        }
        Ok(())
    }

    /// Runs a unit, or only counts what it would fetch.
    fn unit(&self, (unit, weight): &(Unit, u64), counted: bool, worker: &mut Worker) -> Result<(), CutoutError> {
        self.check_stopped()?;
        let mut fetched = std::mem::take(&mut worker.fetched);
        self.fetch(unit, counted, &mut fetched)?;
        let done = if counted { Ok(()) } else { unit.work.run(&fetched, worker) };
        worker.fetched = fetched;
        // Shares count when they are noted, whoever has done them.
        if self.alone {
            self.progress.finish(*weight);
        }
        done
    }

    fn fetch(&self, unit: &Unit, counted: bool, fetched: &mut Fetched) -> Result<(), CutoutError> {
        let mut ranges = Vec::new();
        let asked = unit.work.ranges(&mut ranges);
        if ranges.is_empty() {
            return Ok(());
        }
        self.done.asked.fetch_add(asked, Ordering::Relaxed);
        let gap = if self.files.is_far() { FAR_GAP } else { GAP };
        let together = coalesced(ranges, gap, MOST);
        self.done.requests.fetch_add(together.len() as u64, Ordering::Relaxed);
        self.done.read.fetch_add(together.iter().map(|range| range.end - range.start).sum(), Ordering::Relaxed);
        if counted {
            return Ok(());
        }
        let file = &self.plan[unit.file];
        let read = fetched.read(&self.files.source(file)?, self.files.is_far(), together);
        read.map_err(|source| {
            self.files.forget(file);
            CutoutError::Read { file: file.file_name.clone(), source }
        })
    }
}

/// Ranges in their order, those together that are no more than `gap` apart, as long as they do not exceed `most`.
pub(crate) fn coalesced(mut ranges: Vec<Range<u64>>, gap: u64, most: u64) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut together: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match together.last_mut() {
            // What overlaps must stay together, whatever it takes.
            Some(last)
                if range.start < last.end || (range.start - last.end <= gap && range.end - last.start <= most) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => together.push(range),
        }
    }
    together
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn ranges_are_read_together_where_that_costs_little() {
        let check = |ranges: &[Range<u64>], expected: &[Range<u64>]| {
            assert_eq!(coalesced(ranges.to_vec(), 10, 100), expected, "{ranges:?}");
        };
        check(&[], &[]);
        check(&[20..30, 0..10], &[0..30]);
        check(&[0..10, 21..30], &[0..10, 21..30]);
        check(&[0..60, 65..99, 100..120], &[0..99, 100..120]);
        check(&[0..60, 50..150], &[0..150]);
        check(&[0..10, 0..10, 2..4], &[0..10]);
    }

    #[test]
    fn bytes_are_found_where_they_were_read() {
        let file = Bytes::from((0..=255u8).collect::<Vec<_>>());
        let mut fetched = Fetched::default();
        fetched.read(&file, false, vec![10..20, 100..103]).unwrap();
        assert_eq!(fetched.get(10, 2), Some(&[10, 11][..]));
        assert_eq!(fetched.get(100, 3), Some(&[100, 101, 102][..]));
        assert_eq!((fetched.get(19, 2), fetched.get(9, 1), fetched.get(103, 1)), (None, None, None));
        assert!(fetched.read(&file, false, vec![250..257]).is_err());
    }
}
