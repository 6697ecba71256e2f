//! The merged file, made by our own reader and writer: objects copied group by group, rows of tables gathered.

mod provenance;
mod table;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use spolia_hdf5_format::Reader;
use spolia_hdf5_format::copy::Copier;
use spolia_hdf5_format::link::{Target, find};
use spolia_hdf5_format::object_header::ObjectHeader;
use spolia_hdf5_format::write::{Writer, Written};

use crate::error::CutoutError;
use crate::plan::{CutFile, CutPlan, CutReport};
use provenance::Origin;
use table::Table;

/// Bytes that wait to be written.
const BUFFER: usize = 1 << 20;

/// The merged file's writer.
type Output = Writer<BufWriter<File>>;
/// A member of a group: its name and its object.
type Member = (Vec<u8>, Written);

/// A source file that is open.
struct Source<'a> {
    file: &'a CutFile,
    reader: Reader,
    root: ObjectHeader,
}

impl<'a> Source<'a> {
    fn open(number: usize, file: &'a CutFile, open: &Open) -> Result<Self, CutoutError> {
        let reader = open(number, file)?;
        let root = ObjectHeader::read(&reader, reader.superblock().root);
        let root = root.map_err(|source| CutoutError::Hdf5 { file: file.file_name.clone(), source })?;
        Ok(Self { file, reader, root })
    }

    /// Names the file beside what is wrong with it.
    fn failed(&self) -> impl Fn(spolia_hdf5_format::Hdf5Error) -> CutoutError + use<> {
        let file = self.file.file_name.clone();
        move |source| CutoutError::Hdf5 { file: file.clone(), source }
    }

    /// The address of a member of a group that is an object of the same file.
    fn member(&self, group: &ObjectHeader, name: &str) -> Result<Option<u64>, CutoutError> {
        let link = find(&self.reader, group, name.as_bytes()).map_err(self.failed())?;
        match link.map(|link| link.target) {
            None => Ok(None),
            Some(Target::Object(address)) => Ok(Some(address)),
            Some(_) => Err(CutoutError::Refused(format!(
                "{}/{name}: it is a link by name, which a cut does not follow",
                self.file.file_name
            ))),
        }
    }
}

/// Opens a file of the plan by its place in it.
type Open<'a> = dyn Fn(usize, &CutFile) -> Result<Reader, CutoutError> + 'a;

/// Writes the merged file to `output`, which is empty and which errors call `path`. One source file is open at a time.
pub(crate) fn merge(plan: &CutPlan, open: &Open, output: File, path: &Path) -> Result<CutReport, CutoutError> {
    let started = Instant::now();
    let failed = |source| CutoutError::File { path: path.to_owned(), source };
    let regions = output.try_clone().map_err(failed)?;
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, output))?;
    let (mut members, mut origins): (Vec<Member>, Vec<Origin>) = (Vec::new(), Vec::new());
    let mut table: Option<Table> = None;
    for (number, file) in plan.files.iter().enumerate() {
        let source = Source::open(number, file, open)?;
        let Some(group) = source.member(&source.root, &file.class)? else {
            members.push((file.file_name.clone().into_bytes(), objects(&source, &mut writer)?));
            origins.extend(file.ordinals.iter().map(|ordinal| Origin::object(file, number, *ordinal)));
            continue;
        };
        // The plan is in the order of classes.
        if table.as_ref().is_some_and(|table| table.class != file.class) {
            members.extend(table.take().map(|table| table.finish(&mut writer)).transpose()?);
        }
        let table = match &mut table {
            Some(table) => table,
            None => {
                let rows = rows_of_tables(&plan.files[number..], number, open)?;
                table.insert(Table::new(&source, group, rows, &mut writer)?)
            }
        };
        let first = table.append(&source, group, &mut writer, &regions)?;
        let rows = (first..).zip(&file.ordinals);
        origins.extend(rows.map(|(row, ordinal)| Origin::row(file, row, number, *ordinal)));
    }
    members.extend(table.map(|table| table.finish(&mut writer)).transpose()?);
    let copy_ms = started.elapsed().as_secs_f64() * 1e3;
    let started = Instant::now();
    members.push((b"provenance".to_vec(), provenance::write(plan, &origins, &mut writer)?));
    let root = writer.group(members, &[])?;
    let bytes_written = finish(writer, root).map_err(failed)?;
    let close_ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(CutReport { objects: origins.len() as u64, bytes_written, copy_ms, close_ms })
}

/// Rows wanted from those of the first files' class that keep it as a table; `first` is the place of the first file.
fn rows_of_tables(files: &[CutFile], first: usize, open: &Open) -> Result<u64, CutoutError> {
    let mut rows = 0;
    for (number, file) in (first..).zip(files).take_while(|(_, file)| file.class == files[0].class) {
        let source = Source::open(number, file, open)?;
        if source.member(&source.root, &file.class)?.is_some() {
            rows += file.ordinals.len() as u64;
        }
    }
    Ok(rows)
}

/// The group of a file's objects.
fn objects(source: &Source, writer: &mut Output) -> Result<Written, CutoutError> {
    let mut copier = Copier::new(&source.reader);
    let mut members = Vec::with_capacity(source.file.ordinals.len());
    for ordinal in &source.file.ordinals {
        let name = format!("{}_{ordinal}", source.file.object);
        let path = format!("{}/{name}", source.file.file_name);
        let address = source.member(&source.root, &name)?;
        let address = address.ok_or_else(|| CutoutError::Refused(format!("{path}: the file has no such object")))?;
        members.push((name.into_bytes(), copier.copy(address, &path, writer)?));
    }
    Ok(writer.group(members, &[])?)
}

/// Writes the superblock and sees that the file is on the disk; returns its bytes.
fn finish(writer: Output, root: Written) -> std::io::Result<u64> {
    let (output, superblock) = writer.finish(root).map_err(std::io::Error::other)?;
    let mut file = output.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.write_all_at(&superblock, 0)?;
    file.flush()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}
