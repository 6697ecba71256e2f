//! Cut & Merge: from a selection to one small HDF5 file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use spolia_catalogue::{ArchivedFile, Collection, TableDef};
use spolia_cutout::{CutFile, CutOptions, CutPlan, CutProgress, CutReport, Ids, Provenance, cut, dry_run};
use spolia_shard_router::{NodeTiming, Snapshot};

use crate::access::Act;
use crate::archive::Archive;
use crate::error::ExecError;
use crate::selection::{Chooser, Chosen, Selection};

/// Bounds on cuts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutSettings {
    /// Mebibytes of memory that one cut takes at most, about.
    pub memory_mib: u64,
}

impl Default for CutSettings {
    fn default() -> Self {
        Self { memory_mib: 2048 }
    }
}

/// What to cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutRequest {
    /// The objects.
    pub selection: Selection,
    /// What is taken of them, and the form it has in the merged file.
    pub options: CutOptions,
    /// Add the transits of chosen sources.
    pub with_transits: bool,
    /// Keep chosen transits whose source is not chosen; they are dropped otherwise, and counted.
    pub keep_unmatched: bool,
    /// The epoch to read; the newest where none is given.
    pub epoch: Option<i64>,
    /// Objects in the merged file at most, transits among them; as many as any cut takes where nothing is said.
    pub most_objects: Option<usize>,
}

/// A cut that has been made.
#[derive(Debug, Clone)]
pub struct CutAnswer {
    /// The epoch read.
    pub epoch: i64,
    /// Objects in the file, by table.
    pub objects: BTreeMap<String, usize>,
    /// Files they came from.
    pub files: usize,
    /// What the user should know: transits dropped, ids not found.
    pub messages: Vec<String>,
    /// What the cut itself did.
    pub report: CutReport,
    /// What the nodes did.
    pub nodes: Vec<NodeTiming>,
    /// Finding the rows, in milliseconds.
    pub query_ms: f64,
    /// Finding the files, in milliseconds.
    pub locate_ms: f64,
    /// Cutting and merging, in milliseconds.
    pub merge_ms: f64,
}

/// The objects of a cut and their files, which have been found.
#[derive(Debug, Clone)]
pub struct PreparedCut {
    plan: CutPlan,
    objects: BTreeMap<String, usize>,
    nodes: Vec<NodeTiming>,
    query_ms: f64,
    locate_ms: f64,
}

impl PreparedCut {
    /// What is cut out of which file.
    pub fn plan(&self) -> &CutPlan {
        &self.plan
    }

    /// How many objects the merged file is going to have.
    pub fn objects(&self) -> usize {
        self.objects.values().sum()
    }

    /// What is told of the cut that was made.
    pub fn answer(self, report: CutReport, merge_ms: f64) -> CutAnswer {
        CutAnswer {
            epoch: self.plan.provenance.epoch,
            objects: self.objects,
            files: self.plan.files.len(),
            messages: report.messages.clone(),
            report,
            nodes: self.nodes,
            query_ms: self.query_ms,
            locate_ms: self.locate_ms,
            merge_ms,
        }
    }
}

impl Archive {
    /// Cuts the chosen objects out of their files and merges them into `output`, which appears whole or not at all;
    /// `progress` tells how far it is.
    ///
    /// # Errors
    /// When nothing is chosen, a node or a file fails, or the output cannot be written.
    pub async fn cut(
        &self,
        request: &CutRequest,
        output: &Path,
        progress: &Arc<CutProgress>,
    ) -> Result<CutAnswer, ExecError> {
        self.make_cut(self.prepare_cut(request).await?, output, progress).await
    }

    /// Finds out what [`Self::cut`] would read and write, and writes nothing.
    ///
    /// # Errors
    /// As [`Self::cut`], as far as it is seen without reading values.
    pub async fn dry_cut(&self, request: &CutRequest) -> Result<CutAnswer, ExecError> {
        let prepared = self.prepare_cut(request).await?;
        let started = Instant::now();
        let report = dry_run(self.files(), &prepared.plan).await?;
        Ok(prepared.answer(report, millis(started)))
    }

    /// Finds the chosen objects and their files.
    ///
    /// # Errors
    /// When nothing is chosen, or a node fails.
    pub async fn prepare_cut(&self, request: &CutRequest) -> Result<PreparedCut, ExecError> {
        let started = Instant::now();
        let epoch = self.open_epoch(request.epoch, Act::Cut).await?;
        let (snapshot, chooser) = (&epoch.snapshot, Chooser::new(self, &epoch, &[], Act::Cut).await?);
        let chosen = chooser.choose(&request.selection, request.with_transits, request.keep_unmatched).await?;
        let objects: usize = chosen.tables.values().map(BTreeMap::len).sum();
        if let Some(most) = request.most_objects.filter(|most| objects > *most) {
            let message = format!(
                "{objects} objects are chosen, more than the {most} that are cut while one waits; make it a job"
            );
            return Err(ExecError::Request(message));
        }
        if chosen.tables.is_empty() {
            let why = chosen.messages.join("; ");
            return Err(ExecError::NotFound(format!(
                "nothing is left to cut{}{why}",
                if why.is_empty() { "" } else { ": " }
            )));
        }
        let (query_ms, started) = (millis(started), Instant::now());
        let files = self.locate(snapshot, &chosen).await?;
        Ok(PreparedCut {
            plan: CutPlan { files, provenance: self.provenance(request, snapshot, &chosen) },
            objects: chosen.tables.iter().map(|(table, rows)| (table.clone(), rows.len())).collect(),
            nodes: chosen.timings,
            query_ms,
            locate_ms: millis(started),
        })
    }

    /// Makes the merged file of what was found; as [`Self::cut`].
    ///
    /// # Errors
    /// When a file fails, or the output cannot be written.
    pub async fn make_cut(
        &self,
        prepared: PreparedCut,
        output: &Path,
        progress: &Arc<CutProgress>,
    ) -> Result<CutAnswer, ExecError> {
        let started = Instant::now();
        let report = cut(self.files(), &prepared.plan, output, progress).await?;
        Ok(prepared.answer(report, millis(started)))
    }

    /// The files of the chosen rows, with the numbers of the objects in each.
    async fn locate(&self, snapshot: &Snapshot, chosen: &Chosen) -> Result<Vec<CutFile>, ExecError> {
        let mut ordinals: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for id in chosen.tables.values().flat_map(BTreeMap::keys) {
            ordinals.entry((id >> 32) as i32).or_default().push(id & 0xFFFF_FFFF);
        }
        let numbers: Vec<i32> = ordinals.keys().copied().collect();
        let files = self.router().control().files(&numbers).await?;
        let lost = || ExecError::NotFound("a file of a chosen row is not in the catalogue".to_owned());
        files
            .into_iter()
            .map(|file| {
                let table = table_of(snapshot.collections(), &file).ok_or_else(lost)?;
                let ordinals = ordinals.remove(&file.file_id).ok_or_else(lost)?;
                Ok(cut_file(file, table, ordinals))
            })
            .collect()
    }

    fn provenance(&self, request: &CutRequest, snapshot: &Snapshot, chosen: &Chosen) -> Provenance {
        let (adql, ids) = match &request.selection {
            Selection::Adql(adql) => (Some(adql.clone()), Ids::default()),
            Selection::SourceIds(ids) | Selection::RowIds(ids) => (None, Ids::Integers(sorted(ids))),
        };
        Provenance {
            adql,
            ids,
            id_kind: match request.selection {
                Selection::RowIds(_) => "id".to_owned(),
                _ => "source_id".to_owned(),
            },
            options: request.options.clone(),
            with_transits: request.with_transits,
            epoch: snapshot.manifest().epoch,
            archived: true,
            software: format!("spolia {}", env!("CARGO_PKG_VERSION")),
            messages: chosen.messages.clone(),
        }
    }
}

fn table_of<'a>(collections: &'a [Collection], file: &ArchivedFile) -> Option<&'a TableDef> {
    collections.iter().find(|collection| collection.name == file.file.collection)?.table(&file.file.table_name)
}

fn cut_file(file: ArchivedFile, table: &TableDef, ordinals: Vec<i64>) -> CutFile {
    CutFile {
        file_name: file.file.file_name,
        location: file.file.location,
        did: format!("{}:{}", file.file.did_scope, file.file.did_name),
        version: file.file.file_version,
        checksum: file.file.checksum,
        size: file.file.size as u64,
        // That of its index counts.
        etag: None,
        class: table.class.clone(),
        object: table.object.clone(),
        group: String::new(),
        names: Vec::new(),
        ordinals,
    }
}

fn sorted(ids: &[i64]) -> Vec<i64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
