//! One ingest: a batch of files that becomes visible whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as StorePath};
use spolia_catalogue::{ArchivedFile, Collection, FileState, Manifest, NewFile, TableDef, Visibility};
use spolia_cutout::{Identity, RowModel, index, index_location, rows};
use spolia_shard_router::{Router, lay_out_chunks};

use crate::checksum::store;
use crate::error::IngestError;
use crate::model::row_model;
use crate::plan::{Candidate, Step, refuse_doubles};

/// Files read at the same time.
const FILES_AT_ONCE: usize = 3;
/// The storage element that files in the site's own store belong to.
const RSE: &str = "SPOLIA_LOCAL";

/// What an ingest is doing, for a progress bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Checksums of this many files are to be taken.
    Checking(usize),
    /// One of them is.
    Checked,
    /// This many files are to be loaded; the rest is there already.
    Loading(usize),
    /// One of them is, with that many objects.
    Loaded {
        /// Its name.
        file_name: String,
        /// Objects in it.
        objects: u64,
    },
    /// Rows are counted and the epoch is published.
    Publishing,
}

/// What an ingest did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Files that came in.
    pub loaded: usize,
    /// Of these, files that an interrupted run had brought already.
    pub resumed: usize,
    /// Files that replaced an older version.
    pub superseded: usize,
    /// Files that were there already.
    pub unchanged: usize,
    /// Objects in the files that came in.
    pub objects: u64,
    /// The epoch that shows them; none when nothing was new.
    pub epoch: Option<i64>,
}

/// An archive to ingest into, and how.
pub struct Ingest<'a> {
    /// The nodes and the control database.
    pub router: &'a Router,
    /// Where the files' bytes go.
    pub store: &'a Arc<dyn ObjectStore>,
    /// Whether the store is a server's, whose ETags tell versions of an object apart.
    pub store_is_remote: bool,
    /// What the files hold.
    pub collection: &'a Collection,
    /// Replace files of the same name and other content.
    pub supersede: bool,
    /// Told of every step.
    pub progress: &'a (dyn Fn(Event) + Sync),
}

/// A file on its way in.
struct Load {
    candidate: Candidate,
    version: i32,
}

impl Ingest<'_> {
    /// Brings `paths` in.
    ///
    /// # Errors
    /// The first file that cannot come in, or the part of the archive that failed; nothing has become visible then.
    pub async fn run(&self, paths: &[PathBuf]) -> Result<IngestReport, IngestError> {
        let control = self.router.control();
        let _lock = control.lock_collection(&self.collection.name).await?;
        self.declare().await?;
        let batch = control.open_batch(&self.collection.name).await?.batch;
        let candidates = self.candidates(paths).await?;
        self.clear_interrupted(batch, &candidates).await?;
        let mut report = IngestReport::default();
        let (mut loads, mut superseded) = (Vec::new(), Vec::new());
        for candidate in candidates {
            match candidate.step(control, &self.collection.name, batch, self.supersede).await? {
                Step::Skip => report.unchanged += 1,
                Step::Loaded(file) => {
                    report.resumed += 1;
                    report.objects += file.objects.unwrap_or_default() as u64;
                    superseded.extend(self.replaced_by(&file).await?);
                }
                Step::Load { version, instead_of } => {
                    superseded.extend(instead_of);
                    loads.push(Load { candidate, version });
                }
            }
        }
        report.loaded = report.resumed + loads.len();
        report.superseded = superseded.len();
        if report.loaded == 0 {
            control.abandon_batch(batch).await?;
            return Ok(report);
        }
        let manifest = self.manifest(&loads).await?;
        (self.progress)(Event::Loading(loads.len()));
        // Files get their numbers in the order they were given, so that rows have the same ids on any number of nodes.
        let objects: Vec<u64> = stream::iter(&loads)
            .then(|load| async move { (load, control.begin_file(&self.new_file(load), batch).await) })
            .map(|(load, file)| async { self.load(load, &file?, &manifest).await })
            .buffer_unordered(FILES_AT_ONCE)
            .try_collect()
            .await?;
        report.objects += objects.iter().sum::<u64>();
        report.epoch = Some(self.publish(&manifest, batch, &superseded).await?);
        Ok(report)
    }

    /// Declares the collection, or checks that it is declared as it was.
    async fn declare(&self) -> Result<(), IngestError> {
        let control = self.router.control();
        match control.collections().await?.into_iter().find(|known| known.name == self.collection.name) {
            Some(known) if known == *self.collection => Ok(()),
            Some(known) if known.has_form_of(self.collection) => Ok(control.put_collection(self.collection).await?),
            Some(_) => Err(IngestError::ModelChanged(self.collection.name.clone())),
            None => Ok(control.put_collection(self.collection).await?),
        }
    }

    async fn candidates(&self, paths: &[PathBuf]) -> Result<Vec<Candidate>, IngestError> {
        (self.progress)(Event::Checking(paths.len()));
        let check = |path: &PathBuf| {
            let path = path.clone();
            async move {
                let candidate = Candidate::new(self.collection, &path).await?;
                (self.progress)(Event::Checked);
                Ok::<_, IngestError>(candidate)
            }
        };
        let candidates: Vec<Candidate> =
            stream::iter(paths.iter().map(check).collect::<Vec<_>>()).buffered(FILES_AT_ONCE).try_collect().await?;
        refuse_doubles(&candidates)?;
        Ok(candidates)
    }

    /// Takes back what an interrupted run left half done, and what it brought that this run does not ask for.
    async fn clear_interrupted(&self, batch: i32, candidates: &[Candidate]) -> Result<(), IngestError> {
        let control = self.router.control();
        let asked: BTreeMap<&str, &str> =
            candidates.iter().map(|c| (c.file_name.as_str(), c.sums.md5.as_str())).collect();
        for file in control.files_of_batch(batch).await? {
            let same = asked.get(file.file.file_name.as_str()) == Some(&file.file.checksum.as_str());
            if file.state == FileState::Loading || !same {
                tracing::info!(file = file.file.file_name, "taking back what an interrupted ingest left");
                self.router.remove_file(&file, self.table_of(&file)?).await?;
                control.forget_file(file.file_id).await?;
            }
        }
        Ok(())
    }

    /// The table that a file's rows are in.
    fn table_of(&self, file: &ArchivedFile) -> Result<&TableDef, IngestError> {
        let changed = || IngestError::ModelChanged(self.collection.name.clone());
        self.collection.table(&file.file.table_name).ok_or_else(changed)
    }

    /// The version that a file loaded before an interruption replaces.
    async fn replaced_by(&self, file: &ArchivedFile) -> Result<Option<ArchivedFile>, IngestError> {
        let versions = self.router.control().file_versions(&self.collection.name, &file.file.file_name).await?;
        Ok(versions.into_iter().find(|older| older.file.file_version + 1 == file.file.file_version))
    }

    /// The newest manifest; lays out the chunks by the files at hand when there is none. The collection's tables are on
    /// every node afterwards.
    async fn manifest(&self, loads: &[Load]) -> Result<Manifest, IngestError> {
        let control = self.router.control();
        let manifest = match control.manifest().await? {
            Some(manifest) => manifest,
            None => {
                let keys = self.keys(loads).await?;
                let chunks = lay_out_chunks(keys, self.router.groups());
                control.lay_out(&Manifest { epoch: 0, visibility: Visibility::default(), chunks }).await?;
                control.manifest().await?.ok_or(spolia_catalogue::CatalogueError::Empty)?
            }
        };
        self.router.prepare_nodes().await?;
        self.router.prepare_collection(self.collection, &manifest).await?;
        Ok(manifest)
    }

    /// The shard keys in all files, which are what chunks are weighed by.
    async fn keys(&self, loads: &[Load]) -> Result<Vec<i64>, IngestError> {
        let keys = stream::iter(loads.iter().map(|load| self.keys_of(load)).collect::<Vec<_>>());
        let keys: Vec<Vec<i64>> = keys.buffer_unordered(FILES_AT_ONCE).try_collect().await?;
        Ok(keys.concat())
    }

    async fn keys_of(&self, load: &Load) -> Result<Vec<i64>, IngestError> {
        let table = &load.candidate.table;
        if table.replicated {
            return Ok(Vec::new());
        }
        let whole = row_model(table);
        let fields = whole.fields.into_iter().filter(|field| field.name == table.shard_key).collect();
        let stream = rows(&load.candidate.path, &RowModel { fields, ..whole });
        let mut stream = std::pin::pin!(stream);
        let mut keys = Vec::new();
        while let Some(batch) = stream.next().await {
            keys.extend(batch.map_err(IngestError::Content)?.column(1).as_primitive::<Int64Type>().iter().flatten());
        }
        Ok(keys)
    }

    /// Brings one file in: its bytes and their index to the store, its rows to their nodes. Returns how many objects it has.
    async fn load(&self, load: &Load, file: &ArchivedFile, manifest: &Manifest) -> Result<u64, IngestError> {
        let candidate = &load.candidate;
        let changed = || IngestError::ChangedMeanwhile { path: candidate.path.clone() };
        let before = last_change(&candidate.path)?;
        let copied = store(&candidate.path, self.store, &StorePath::from(file.file.location.as_str())).await?;
        if copied.sums != candidate.sums {
            return Err(changed());
        }
        let etag = copied.etag.filter(|_| self.store_is_remote);
        self.store_index(candidate, &file.file.location, etag).await?;
        self.router.announce_file(file, &candidate.table).await?;
        let stream = rows(&candidate.path, &row_model(&candidate.table));
        let mut stream = std::pin::pin!(stream);
        let mut objects = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(IngestError::Content)?;
            objects += batch.num_rows() as u64;
            self.router.load(&candidate.table, file, manifest, &batch).await?;
        }
        // The index and the rows were read from the file itself after its copy was summed up.
        if last_change(&candidate.path)? != before {
            return Err(changed());
        }
        self.router.control().finish_file(file.file_id, objects as i64).await?;
        (self.progress)(Event::Loaded { file_name: candidate.file_name.clone(), objects });
        Ok(objects)
    }

    /// Makes the file's index, which cuts read it by, and puts it beside the file.
    async fn store_index(
        &self,
        candidate: &Candidate,
        location: &str,
        etag: Option<String>,
    ) -> Result<(), IngestError> {
        let (path, identity) = (candidate.path.clone(), Identity { checksum: candidate.sums.md5.clone(), etag });
        let (class, object) = (candidate.table.class.clone(), candidate.table.object.clone());
        // Parsing reads the disk and computes.
        let made = tokio::task::spawn_blocking(move || index(&path, &identity, &class, &object)).await;
        let made = made.map_err(|error| IngestError::Broken { path: candidate.path.clone(), source: error })?;
        let made = made.map_err(IngestError::Content)?;
        let put = self.store.put(&StorePath::from(index_location(location)), made.into()).await;
        put.map_err(|source| IngestError::Store { path: candidate.path.clone(), source })?;
        Ok(())
    }

    fn new_file(&self, load: &Load) -> NewFile {
        let candidate = &load.candidate;
        let (name, extension, version) = (&candidate.file_name, &candidate.file_extension, load.version);
        NewFile {
            collection: self.collection.name.clone(),
            table_name: candidate.table.name.clone(),
            file_name: name.clone(),
            file_extension: extension.clone(),
            file_version: version,
            did_rse: RSE.to_owned(),
            did_scope: self.collection.name.clone(),
            // A data identifier is never used again, so it carries the version.
            did_name: format!("{name}.v{version}{extension}"),
            checksum: candidate.sums.md5.clone(),
            adler32: candidate.sums.adler32.clone(),
            size: candidate.sums.size as i64,
            location: format!("{}/{name}/v{version}/{name}{extension}", self.collection.name),
        }
    }

    /// Makes the batch visible in the next epoch.
    async fn publish(&self, manifest: &Manifest, batch: i32, superseded: &[ArchivedFile]) -> Result<i64, IngestError> {
        (self.progress)(Event::Publishing);
        for file in superseded {
            self.router.supersede_file(file, self.table_of(file)?, batch).await?;
        }
        let next = self.router.next_manifest(self.collection, manifest, batch).await?;
        self.router.analyze(self.collection, manifest, &next).await?;
        let replaced: BTreeSet<i32> = superseded.iter().map(|file| file.file_id).collect();
        self.router.control().publish(&next, batch, &replaced.into_iter().collect::<Vec<_>>()).await?;
        Ok(next.epoch)
    }
}

/// When a file was written last.
fn last_change(path: &Path) -> Result<SystemTime, IngestError> {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.map_err(|source| IngestError::Read { path: path.to_owned(), source })
}
