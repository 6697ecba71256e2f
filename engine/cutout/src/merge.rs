//! The merged file: everything gets its place first, then units fill the places in, on all threads and in any order.

mod agreement;
mod columns;
mod heap;
mod item;
mod object_group;
mod objects;
mod packed;
mod provenance;
mod rows;
mod table;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use spolia_hdf5_format::write::{SUPERBLOCK_SIZE, WriteError, Writer, Written};
use spolia_team::{Stage, Team};
use tokio::sync::watch;

use crate::checksum;
use crate::error::CutoutError;
use crate::fetch::{Crew, Fetcher, Sample};
use crate::files::{Files, unusable};
use crate::index::sidecar::Sidecar;
use crate::index::table::TableIndex;
use crate::memory::Memory;
use crate::plan::{CutFile, CutPlan, CutReport};
use crate::progress::CutProgress;
use crate::sink::{Sink, SinkWriter};
use crate::team::{self, Shares};
use columns::{ColumnGroup, Columns};
use object_group::Group;
pub(crate) use objects::group_at;
use objects::{Found, Objects};
use packed::Packing;
use provenance::{Form, Origin};
use table::{Filling, Table};

/// Bytes that wait to be written.
const BUFFER: usize = 256 << 10;

/// Bytes that come together before someone who reads along is told of them.
const SETTLED: u64 = 4 << 20;
/// Blocks of a share whose checksums are made.
const HASHED: u64 = 4;
/// Objects that are looked up before they get their places.
const LOOKED_UP: usize = 1 << 14;
/// Files that are opened for that at the same time.
pub(crate) const OPENED: usize = 256;
/// Files or objects below which one thread is done before others would have woken up.
const FEW: usize = 16;

/// The merged file's writer.
type Output = Writer<BufWriter<SinkWriter>>;
/// A member of a group: its name and its object.
type Member = (Vec<u8>, Written);

/// Where a merged file goes.
pub(crate) enum Target {
    /// To a file, which is empty.
    File(File),
    /// To a file that someone reads along, who is told how far it is; with the superblock that it is going to have.
    ReadAlong(File, watch::Sender<u64>, [u8; SUPERBLOCK_SIZE as usize]),
    /// Together with others, into files that all of them have.
    Together(Workshop),
    /// Nowhere: it is found out what would be read and written, and how long that would take.
    Sample,
    /// Nowhere: it is found out what would be written.
    Outline,
}

/// The files of a merged file that several processes make together.
pub(crate) struct Workshop {
    pub(crate) team: Arc<dyn Team>,
    pub(crate) merged: File,
    /// Columns that are to be compressed, and their compressed chunks.
    pub(crate) columns: File,
    pub(crate) chunks: File,
}

/// A merged file that has been made, or of which it is known what it would be.
pub(crate) struct Merged {
    pub(crate) report: CutReport,
    pub(crate) superblock: [u8; SUPERBLOCK_SIZE as usize],
    /// Whether everything has its place before any value is read: so that the file's length is known, and its beginning is there before
    /// its end.
    pub(crate) in_order: bool,
}

/// Writes the merged file; errors call it `path`.
pub(crate) fn merge(
    plan: &CutPlan,
    files: &Files,
    (stopped, progress): (&AtomicBool, &CutProgress),
    target: Target,
    path: &Path,
) -> Result<Merged, CutoutError> {
    let started = Instant::now();
    let failed = |source| CutoutError::File { path: path.to_owned(), source };
    let dry = match target {
        Target::Sample => Some(Sample::default()),
        Target::Outline => Some(Sample::none()),
        Target::File(_) | Target::ReadAlong(..) | Target::Together(_) => None,
    };
    let team = match &target {
        Target::Together(workshop) => Some(Arc::clone(&workshop.team)),
        _ => None,
    };
    let leads = team.as_ref().is_none_or(|team| team.leads());
    let wanted = plan.files.iter().map(|file| file.ordinals.len() as u64).sum();
    check_count(wanted, files.memory())?;
    progress.want(wanted);
    let level = plan.provenance.options.compression;
    let new = |file| Sink::new(file, files.memory().output());
    let scratch = match level.is_some() && dry.is_none() && team.is_none() {
        true => new(tempfile::tempfile_in(folder_of(path)).map_err(failed)?),
        false => Sink::nowhere(),
    };
    let (sink, scratch, together) = match target {
        Target::File(file) => (new(file), scratch, None),
        Target::ReadAlong(file, reader, superblock) => {
            let sink = Sink::read_along(file, reader);
            sink.put(0, &superblock).map_err(failed)?;
            (sink, scratch, None)
        }
        Target::Together(Workshop { team, merged, columns, chunks }) => {
            let [merged, columns, chunks] = [merged, columns, chunks].map(Sink::shared);
            (merged, columns, Some(columns::Together::new(team, chunks)))
        }
        Target::Sample | Target::Outline => (Sink::nowhere(), scratch, None),
    };
    let (sink, scratch) = (Arc::new(sink), Arc::new(scratch));
    let crew = team.as_ref().map(|team| Crew {
        shares: Shares::new(Arc::clone(team), Stage::Fill),
        sinks: [Arc::clone(&sink), Arc::clone(&scratch)],
    });
    let columns = Columns::new(Arc::clone(&sink), scratch, level, together);
    // The superblock is put there last, or is there already. What is written once is written by one.
    let written = if leads { Arc::clone(&sink) } else { Arc::new(Sink::nowhere()) };
    let beginning = BufWriter::with_capacity(BUFFER, SinkWriter::at(written, SUPERBLOCK_SIZE));
    let writer = Writer::at(beginning, SUPERBLOCK_SIZE);
    let fetcher = Fetcher::new(&plan.files, files, Arc::clone(&sink), stopped, progress, dry, crew);
    let fields: BTreeSet<String> = plan.provenance.options.fields.iter().cloned().collect();
    let fields = (!fields.is_empty()).then_some(&fields);
    let mut merging = Merging {
        plan,
        files,
        fields,
        fetcher,
        writer,
        columns,
        groups: Vec::new(),
        members: Vec::new(),
        skeletons: Mutex::default(),
        open: plan.files.len().min(OPENED),
        progress,
        origins: Vec::new(),
        messages: plan.provenance.messages.clone(),
        settled: 0,
    };
    merging.lay_out()?;
    let in_order = merging.groups.is_empty();
    let Merging { mut fetcher, mut writer, mut columns, groups, mut members, origins, messages, .. } = merging;
    fetcher.finish()?;
    columns.encode_together(&groups, &fetcher)?;
    for group in groups {
        members.push(columns.finish(group, &fetcher, &mut writer)?);
    }
    columns.meet()?;
    if let Some(team) = team.as_ref().filter(|_| !leads) {
        hash_together(team, &sink, None)?;
        return Ok(Merged { report: CutReport::default(), superblock: [0; _], in_order });
    }
    let fetched = fetcher.done();
    let copy_ms = started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    let etags: Vec<_> = plan.files.iter().map(|file| files.etag(file)).collect();
    let (provenance, to_come) = provenance::write(plan, &etags, &origins, &messages, &mut writer)?;
    members.push((b"provenance".to_vec(), provenance));
    let root = writer.group(members, &[])?;
    let end = writer.reserve(to_come.blocks * checksum::DIGITS)?;
    let (bytes_written, superblock) = finish(writer, root)?;
    sink.put(0, &superblock).map_err(failed)?;
    sink.put(to_come.address, &end.to_le_bytes()).map_err(failed)?;
    let checksums = match &team {
        Some(team) => hash_together(team, &sink, Some((to_come.blocks, end)))?,
        None => sink.checksums(to_come.blocks, end).map_err(failed)?,
    };
    sink.put(end, &checksum::digits(&checksums)).map_err(failed)?;
    sink.finish(bytes_written).map_err(failed)?;
    team.map_or(Ok(()), |_| sink.sync()).map_err(failed)?;
    let close_ms = started.elapsed().as_secs_f64() * 1e3;
    let expected_ms = fetcher
        .expected()
        .map(|(whole, sample)| copy_ms + close_ms + (whole.as_secs_f64() - sample.as_secs_f64()) * 1e3);
    let report = CutReport {
        objects: origins.len() as u64,
        files: plan.files.len() as u64,
        bytes_written,
        bytes_asked: fetched.asked.load(Ordering::Relaxed),
        bytes_read: fetched.read.load(Ordering::Relaxed),
        requests: fetched.requests.load(Ordering::Relaxed),
        messages,
        expected_ms,
        copy_ms,
        close_ms,
    };
    Ok(Merged { report, superblock, in_order })
}

/// The checksums of a file that is whole but for them, made by all who made it; the leader tells how many blocks there are before what end.
fn hash_together(
    team: &Arc<dyn Team>,
    sink: &Sink,
    whole: Option<(u64, u64)>,
) -> Result<Vec<checksum::Checksum>, CutoutError> {
    sink.sync().map_err(WriteError::from)?;
    let said = team.hear(whole.map(|(blocks, end)| vec![blocks, end])).map_err(team::together)?;
    let [blocks, end] = said[..] else { return Err(CutoutError::Team(io::ErrorKind::InvalidData.into())) };
    let shares = Shares::new(Arc::clone(team), Stage::Hash);
    for first in (0..blocks).step_by(HASHED as usize) {
        let numbers = first..(first + HASHED).min(blocks);
        if let Some(own) = shares.next((numbers.end - first) * checksum::BLOCK, &[first, end])? {
            let made = sink.checksums_of(numbers, blocks, end).map_err(WriteError::from)?;
            let words = made.iter().flat_map(|checksum| checksum.as_chunks::<8>().0);
            shares.done(own, words.map(|word| u64::from_le_bytes(*word)).collect())?;
        }
    }
    let bytes: Vec<u8> = shares.meet()?.concat().into_iter().flat_map(u64::to_le_bytes).collect();
    Ok(bytes.as_chunks::<32>().0.to_vec())
}

/// Refuses more objects than there is memory to keep book of.
fn check_count(objects: u64, memory: Memory) -> Result<(), CutoutError> {
    if objects <= memory.objects() {
        return Ok(());
    }
    let (most, megabytes) = (memory.objects(), memory.megabytes());
    Err(CutoutError::Refused(format!(
        "{objects} objects are more than the {most} that can be cut within {megabytes} MiB of memory; \
         give a cut more (memory_mib in [cut], --memory), or cut them in parts"
    )))
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A merged file that is being made.
struct Merging<'a> {
    plan: &'a CutPlan,
    files: &'a Files,
    /// The members and attributes that are wanted of objects; all where nothing is said.
    fields: Option<&'a BTreeSet<String>>,
    fetcher: Fetcher<'a>,
    writer: Output,
    columns: Columns,
    /// Groups of columns, whose headers are written when they are full.
    groups: Vec<ColumnGroup>,
    members: Vec<Member>,
    /// Tables without rows, each once.
    skeletons: Mutex<Vec<Bytes>>,
    /// Files that are open at the same time.
    open: usize,
    progress: &'a CutProgress,
    origins: Vec<Origin>,
    /// What the user should know.
    messages: Vec<String>,
    /// The bytes from the beginning on that someone who reads along has.
    settled: u64,
}

/// How a file keeps its objects.
enum Content {
    Objects(Option<Arc<Sidecar>>),
    Table(TableIndex),
}

impl Merging<'_> {
    /// Gives everything its place, in the order of the plan: by class, and by file.
    fn lay_out(&mut self) -> Result<(), CutoutError> {
        let mut rest: &[CutFile] = &self.plan.files;
        let mut first = 0;
        while let Some(class) = rest.first().map(|file| &file.class) {
            let count = rest.iter().take_while(|file| file.class == *class).count();
            let (files, behind) = rest.split_at(count);
            self.class(first, files)?;
            (first, rest) = (first + count, behind);
        }
        Ok(())
    }

    /// Files of one class: groups of objects first, then the rows of those that keep them in a table.
    fn class(&mut self, first: usize, files: &[CutFile]) -> Result<(), CutoutError> {
        let (mut objects, mut fillings) = (Vec::new(), Vec::new());
        let contents = self.in_parallel(files, files.len(), |file| self.content(file))?;
        for ((number, file), content) in (first..).zip(files).zip(contents) {
            match content {
                Content::Objects(sidecar) => {
                    objects.push(Objects::new(number, file, self.files, self.open, sidecar, self.fields));
                }
                Content::Table(index) => {
                    fillings.push(Filling { number, file, files: self.files, open: self.open, index })
                }
            }
        }
        if !objects.is_empty() {
            match self.plan.provenance.options.packed {
                true => self.packed(&objects)?,
                false => self.objects(&objects)?,
            }
        }
        if fillings.is_empty() { Ok(()) } else { self.table(&fillings) }
    }

    /// Groups of objects: they get their places in the order of the plan.
    fn objects(&mut self, objects: &[Objects]) -> Result<(), CutoutError> {
        let mut group = Group::default();
        self.each_part(objects, |merging, place, part, found| {
            let objects = &objects[place];
            let ends = part.end == objects.file.ordinals.len();
            let origins = objects.file.ordinals[part.clone()].iter();
            let origins = origins.map(|ordinal| Origin::new(objects.number, Form::Group, -1, *ordinal));
            merging.origins.extend(origins);
            group.add(objects, part, found, &mut merging.writer, &mut merging.fetcher)?;
            if ends {
                let group = std::mem::take(&mut group);
                let written = group.close(objects, &mut merging.writer, &mut merging.fetcher)?;
                objects.close();
                merging.members.push((objects.file.file_name.clone().into_bytes(), written));
            }
            merging.settle()
        })
    }

    /// Ends what is under way, where someone reads along and much has come together: all that has its place is there then.
    fn settle(&mut self) -> Result<(), CutoutError> {
        let end = self.writer.position();
        // Columns that wait for their rows are before it.
        if !self.fetcher.sink().is_read_along() || !self.groups.is_empty() || end < self.settled + SETTLED {
            return Ok(());
        }
        self.fetcher.finish()?;
        self.writer.flush()?;
        self.settled = end;
        Ok(self.fetcher.sink().settle(end).map_err(spolia_hdf5_format::write::WriteError::from)?)
    }

    /// Objects as rows of columns.
    fn packed(&mut self, objects: &[Objects]) -> Result<(), CutoutError> {
        let name = objects[0].file.packed_name();
        let (mut packing, mut row) = (Packing::default(), 0);
        self.each_part(objects, |merging, place, part, found| {
            let objects = &objects[place];
            for ordinal in &objects.file.ordinals[part.clone()] {
                merging.origins.push(Origin::new(objects.number, Form::Packed, row, *ordinal));
                row += 1;
            }
            let ends = part.end == objects.file.ordinals.len();
            packing.add(place, objects, part, found)?;
            if ends {
                objects.close();
            }
            Ok(())
        })?;
        let packed = packing.lay_out(name, objects, &mut self.columns, &mut self.writer, &mut self.fetcher)?;
        objects.iter().for_each(Objects::close);
        self.told(&packed.messages);
        self.groups.push(packed.group);
        Ok(())
    }

    /// Looks all objects up on all threads, some at a time, and calls `each` in the order of the plan: with the place of the file
    /// among `objects`, the part of its objects, and what was found.
    fn each_part(
        &mut self,
        objects: &[Objects],
        mut each: impl FnMut(&mut Self, usize, Range<usize>, Vec<Found>) -> Result<(), CutoutError>,
    ) -> Result<(), CutoutError> {
        let parts = objects.iter().enumerate();
        let mut parts = parts.flat_map(|(place, objects)| objects.parts().map(move |part| (place, part))).peekable();
        while parts.peek().is_some() {
            let mut together = Vec::new();
            let (mut count, mut weight) = (0, 0);
            while let Some(part) = parts.next_if(|_| weight < LOOKED_UP) {
                count += part.1.len();
                // Each file is opened.
                weight += part.1.len().max(LOOKED_UP / OPENED);
                together.push(part);
            }
            let found = self.in_parallel(&together, count, |(place, part)| {
                self.fetcher.check_stopped()?;
                objects[*place].look_up(part.clone())
            })?;
            for ((place, part), found) in together.into_iter().zip(found) {
                let count = part.len() as u64;
                each(self, place, part, found)?;
                self.progress.place(count);
            }
        }
        Ok(())
    }

    /// Keeps what the user should know, once.
    fn told(&mut self, messages: &[String]) {
        for message in messages {
            if !self.messages.contains(message) {
                self.messages.push(message.clone());
            }
        }
    }

    fn table(&mut self, fillings: &[Filling]) -> Result<(), CutoutError> {
        let mut table = Table::new(fillings, self.fields, &mut self.columns, &mut self.writer)?;
        for (place, filling) in fillings.iter().enumerate() {
            let first = table.append(place, filling, &mut self.writer, &mut self.fetcher)?;
            let rows = (first as i64..).zip(&filling.file.ordinals);
            self.origins.extend(rows.map(|(row, ordinal)| Origin::new(filling.number, Form::Row, row, *ordinal)));
            self.progress.place(filling.file.ordinals.len() as u64);
        }
        self.told(table.messages());
        self.groups.push(table.into_group());
        Ok(())
    }

    /// The index of a file if it is a table, made now where there is none.
    fn content(&self, file: &CutFile) -> Result<Content, CutoutError> {
        self.fetcher.check_stopped()?;
        if let Some(sidecar) = self.files.sidecar(file) {
            match sidecar.table() {
                Ok(None) => return Ok(Content::Objects(Some(sidecar))),
                Ok(Some(table)) => return Ok(Content::Table(self.kept(table, file))),
                Err(error) => unusable(file, &error),
            }
        }
        if !file.names.is_empty() {
            return Ok(Content::Objects(None));
        }
        let reader = self.files.reader(file, self.open)?;
        let damaged = |source| CutoutError::Hdf5 { file: file.file_name.clone(), source };
        let place = format!("{}/{}", file.file_name, file.class);
        match group_at(&reader, &file.class).map_err(damaged)? {
            None => Ok(Content::Objects(None)),
            Some(group) => Ok(Content::Table(self.kept(TableIndex::build(&reader, &group, &place)?, file))),
        }
    }

    /// What is kept of a table's index until the table is full: the places of what is wanted, and one copy of equal skeletons.
    fn kept(&self, mut table: TableIndex, file: &CutFile) -> TableIndex {
        table.retain(&file.ordinals);
        let mut skeletons = self.skeletons.lock().unwrap_or_else(PoisonError::into_inner);
        match skeletons.iter().find(|known| **known == table.skeleton) {
            Some(known) => table.skeleton = known.clone(),
            None => skeletons.push(table.skeleton.clone()),
        }
        table
    }

    /// Does something with all items, on the threads that reading the files wants, or on this one where it is little.
    fn in_parallel<I: Sync, T: Send>(
        &self,
        items: &[I],
        weight: usize,
        each: impl Fn(&I) -> Result<T, CutoutError> + Sync + Send,
    ) -> Result<Vec<T>, CutoutError> {
        match weight < FEW && !self.files.is_far() {
            true => items.iter().map(each).collect(),
            false => self.files.install(|| items.par_iter().map(each).collect()),
        }
    }
}

/// Everything but the superblock, which is returned with the number of bytes.
fn finish(writer: Output, root: Written) -> Result<(u64, [u8; SUPERBLOCK_SIZE as usize]), CutoutError> {
    let bytes = writer.position().next_multiple_of(8);
    let (output, superblock) = writer.finish(root)?;
    output.into_inner().map_err(|error| spolia_hdf5_format::write::WriteError::from(error.into_error()))?;
    Ok((bytes, superblock))
}
