//! The merged file: everything gets its place first, then units fill the places in, on all threads and in any order.

mod objects;
mod provenance;
mod rows;
mod table;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use spolia_hdf5_format::write::{Writer, Written};

use crate::error::CutoutError;
use crate::fetch::Fetcher;
use crate::files::{Files, unusable};
use crate::index::sidecar::Sidecar;
use crate::index::table::TableIndex;
use crate::plan::{CutFile, CutPlan, CutReport};
use crate::sink::{Sink, SinkWriter};
pub(crate) use objects::group_at;
use objects::{Group, Objects};
use provenance::Origin;
use table::{Filling, Table};

/// Bytes that wait to be written.
const BUFFER: usize = 256 << 10;

/// Objects that are looked up before they get their places.
const LOOKED_UP: usize = 1 << 16;
/// Files or objects below which one thread is done before others would have woken up.
const FEW: usize = 16;

/// The merged file's writer.
type Output = Writer<BufWriter<SinkWriter>>;
/// A member of a group: its name and its object.
type Member = (Vec<u8>, Written);

/// Writes the merged file to `output`, which is empty and which errors call `path`; without an output it is only found out what
/// would be read and written.
pub(crate) fn merge(
    plan: &CutPlan,
    files: &Files,
    stopped: &AtomicBool,
    output: Option<File>,
    path: &Path,
) -> Result<CutReport, CutoutError> {
    let started = Instant::now();
    let failed = |source| CutoutError::File { path: path.to_owned(), source };
    let dry = output.is_none();
    let sink = Arc::new(output.map_or_else(Sink::nowhere, Sink::new));
    let writer = Writer::new(BufWriter::with_capacity(BUFFER, SinkWriter::new(Arc::clone(&sink))))?;
    let fetcher = Fetcher::new(&plan.files, files, Arc::clone(&sink), stopped, dry);
    let fields: BTreeSet<String> = plan.provenance.fields.iter().cloned().collect();
    let fields = (!fields.is_empty()).then_some(&fields);
    let mut merging = Merging { plan, files, fields, fetcher, writer, members: Vec::new(), origins: Vec::new() };
    merging.lay_out()?;
    let Merging { fetcher, mut writer, mut members, origins, .. } = merging;
    let fetched = fetcher.finish()?;
    let copy_ms = started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    let etags: Vec<_> = plan.files.iter().map(|file| files.etag(file)).collect();
    members.push((b"provenance".to_vec(), provenance::write(plan, &etags, &origins, &mut writer)?));
    let root = writer.group(members, &[])?;
    let (bytes_written, superblock) = finish(writer, root)?;
    sink.put(0, &superblock).map_err(failed)?;
    sink.finish(bytes_written).map_err(failed)?;
    let close_ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(CutReport {
        objects: origins.len() as u64,
        files: plan.files.len() as u64,
        bytes_written,
        bytes_asked: fetched.asked.load(Ordering::Relaxed),
        bytes_read: fetched.read.load(Ordering::Relaxed),
        requests: fetched.requests.load(Ordering::Relaxed),
        copy_ms,
        close_ms,
    })
}

/// A merged file that is being made.
struct Merging<'a> {
    plan: &'a CutPlan,
    files: &'a Files,
    /// The members and attributes that are wanted of objects; all where nothing is said.
    fields: Option<&'a BTreeSet<String>>,
    fetcher: Fetcher<'a>,
    writer: Output,
    members: Vec<Member>,
    origins: Vec<Origin>,
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
                    objects.push(Objects::new(number, file, self.files, sidecar, self.fields));
                }
                Content::Table(index) => fillings.push(Filling { number, file, files: self.files, index }),
            }
        }
        self.objects(&objects)?;
        if fillings.is_empty() { Ok(()) } else { self.table(&fillings) }
    }

    /// The files' objects are looked up on all threads, some at a time, and get their places in the order of the plan.
    fn objects(&mut self, objects: &[Objects]) -> Result<(), CutoutError> {
        let mut parts = objects.iter().flat_map(|objects| objects.parts().map(move |part| (objects, part))).peekable();
        let mut group = Group::default();
        while parts.peek().is_some() {
            let mut together = Vec::new();
            let mut count = 0;
            while let Some(part) = parts.next_if(|_| count < LOOKED_UP) {
                count += part.1.len();
                together.push(part);
            }
            let found = self.in_parallel(&together, count, |(objects, part)| {
                self.fetcher.check_stopped()?;
                objects.look_up(part.clone())
            })?;
            for ((objects, part), found) in together.into_iter().zip(found) {
                let file = objects.file;
                let ends = part.end == file.ordinals.len();
                let origins = file.ordinals[part.clone()].iter();
                self.origins.extend(origins.map(|ordinal| Origin::object(file, objects.number, *ordinal)));
                group.add(objects, part, found, &mut self.writer, &mut self.fetcher)?;
                if ends {
                    objects.close();
                    let written = std::mem::take(&mut group).close(objects, &mut self.writer, &mut self.fetcher)?;
                    self.members.push((file.file_name.clone().into_bytes(), written));
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, fillings: &[Filling]) -> Result<(), CutoutError> {
        let rows = fillings.iter().map(|filling| filling.file.ordinals.len() as u64).sum();
        let mut table = Table::new(&fillings[0], rows, self.fields, &mut self.writer)?;
        for filling in fillings {
            let first = table.append(filling, &mut self.writer, &mut self.fetcher)?;
            let rows = (first..).zip(&filling.file.ordinals);
            self.origins.extend(rows.map(|(row, ordinal)| Origin::row(filling.file, row, filling.number, *ordinal)));
        }
        self.members.push(table.finish(&mut self.writer)?);
        Ok(())
    }

    /// The index of a file if it is a table, made now where there is none.
    fn content(&self, file: &CutFile) -> Result<Content, CutoutError> {
        self.fetcher.check_stopped()?;
        if let Some(sidecar) = self.files.sidecar(file) {
            match sidecar.table() {
                Ok(None) => return Ok(Content::Objects(Some(sidecar))),
                Ok(Some(table)) => return Ok(Content::Table(table)),
                Err(error) => unusable(file, &error),
            }
        }
        if !file.names.is_empty() {
            return Ok(Content::Objects(None));
        }
        let reader = self.files.reader(file)?;
        let damaged = |source| CutoutError::Hdf5 { file: file.file_name.clone(), source };
        let place = format!("{}/{}", file.file_name, file.class);
        match group_at(&reader, &file.class).map_err(damaged)? {
            None => Ok(Content::Objects(None)),
            Some(group) => Ok(Content::Table(TableIndex::build(&reader, &group, &place)?)),
        }
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
fn finish(writer: Output, root: Written) -> Result<(u64, Vec<u8>), CutoutError> {
    let bytes = writer.position().next_multiple_of(8);
    let (output, superblock) = writer.finish(root)?;
    output.into_inner().map_err(|error| spolia_hdf5_format::write::WriteError::from(error.into_error()))?;
    Ok((bytes, superblock.to_vec()))
}
