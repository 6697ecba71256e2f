//! One ingest: a batch of files that becomes visible whole.
//!
//! Those who do it together share the files out, twice: to be checked, and to be loaded. In between the leader decides what is to be done with
//! each of them; in the end it publishes. What is done is known to the control database and to the team, so that an ingest which is begun
//! again goes on from there.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use spolia_catalogue::{
    ArchivedFile, Batch, CatalogueError, Collection, CollectionLock, Control, FileState, Manifest, TableDef, Visibility,
};
use spolia_shard_router::{Router, lay_out_chunks};
use spolia_team::{Stage, Team};

use crate::check::{Checked, weights};
use crate::error::IngestError;
use crate::load::{last_change, new_file};
use crate::plan::{Candidate, Step, candidates};
use crate::sharing::{Did, ask, digest, share_out};

/// How often the collection is asked for that another ingest holds.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is tried to publish: other collections take epochs, too.
const EPOCHS_TRIED: usize = 10;

/// What an ingest is doing, for a progress bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Checksums are to be taken.
    Checking {
        /// Of so many files.
        files: usize,
        /// With so many bytes.
        bytes: u64,
    },
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How long another ingest into the collection is waited for.
    pub patience: Duration,
    /// Those who do it together, as this one of them sees them.
    pub team: &'a Arc<dyn Team>,
    /// Told of every step of this one.
    pub progress: &'a (dyn Fn(Event) + Sync),
}

/// What the leader knows once it is decided what is to be done with each file.
struct Begun {
    lock: CollectionLock,
    batch: i32,
    /// Files that are to be there in the end, by the batch.
    wanted: usize,
    /// Older versions, by the numbers of the files that come in for them.
    superseded: BTreeMap<i32, ArchivedFile>,
    report: IngestReport,
}

/// What is to be done with a file, as the leader tells others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lot {
    /// Nothing: the archive has it.
    Nothing,
    /// Nothing more: it was loaded before an interruption, under this number.
    Loaded(i32),
    /// It is to be loaded, under this number.
    Load(i32),
}

impl Ingest<'_> {
    /// Brings `paths` in, or does as much of that as falls to this one; the leader tells what was done in all.
    ///
    /// # Errors
    /// The first file that cannot come in, or the part of the archive that failed; nothing has become visible then.
    pub async fn run(&self, paths: &[PathBuf]) -> Result<Option<IngestReport>, IngestError> {
        let candidates = candidates(self.collection, paths)?;
        let lock = if self.team.leads() { Some(self.lock().await?) } else { None };
        let states = states(&candidates)?;
        if lock.is_some() {
            let digests: Vec<u64> = states.iter().map(|state| state.digest).collect();
            ask(self.team, move |team| team.divide(Stage::Check, &digests)).await?;
        }
        self.check(&candidates, &states).await?;
        let (begun, said) = match lock {
            Some(lock) => {
                let (begun, lots) = self.begin(lock, &candidates, &states).await?;
                (Some(begun), Some(lots.iter().map(|lot| lot.to_word()).collect()))
            }
            None => (None, None),
        };
        let lots = ask(self.team, |team| team.hear(said)).await?.into_iter().map(Lot::from_word).collect::<Vec<_>>();
        self.load_all(&candidates, &states, &lots).await?;
        match begun {
            Some(begun) if begun.wanted == 0 => Ok(Some(self.give_up(begun).await?)),
            Some(begun) => {
                let digests = load_digests(&candidates, &lots);
                ask(self.team, move |team| team.meet(Stage::Load, &digests)).await?;
                Ok(Some(self.publish(begun).await?))
            }
            None => Ok(None),
        }
    }

    /// Keeps other ingests out of the collection.
    async fn lock(&self) -> Result<CollectionLock, IngestError> {
        let since = Instant::now();
        loop {
            match self.router.control().lock_collection(&self.collection.name).await {
                Err(CatalogueError::Busy(_)) if since.elapsed() < self.patience => tokio::time::sleep(LOOK).await,
                locked => return Ok(locked?),
            }
        }
    }

    /// Checks those of the files that fall to this one.
    async fn check(&self, candidates: &[Candidate<'_>], states: &[State]) -> Result<(), IngestError> {
        let bytes = states.iter().map(|state| state.size).sum();
        (self.progress)(Event::Checking { files: candidates.len(), bytes });
        let weigh = self.router.control().manifest().await?.is_none();
        share_out(self.team, Stage::Check, candidates.len(), async |number| {
            let checked = Checked::of(&candidates[number], weigh, candidates.len()).await?;
            (self.progress)(Event::Checked);
            Ok(Did { digest: states[number].digest, weight: states[number].size, told: checked.to_words() })
        })
        .await
    }

    /// Loads those of the files that fall to this one.
    async fn load_all(&self, candidates: &[Candidate<'_>], states: &[State], lots: &[Lot]) -> Result<(), IngestError> {
        let control = self.router.control();
        if lots.iter().all(|lot| *lot == Lot::Nothing) {
            return Ok(());
        }
        let numbers: Vec<i32> = lots.iter().filter_map(|lot| lot.to_load()).collect();
        let files: BTreeMap<i32, ArchivedFile> =
            control.files(&numbers).await?.into_iter().map(|file| (file.file_id, file)).collect();
        let manifest = control.manifest().await?.ok_or(CatalogueError::Empty)?;
        let digests = load_digests(candidates, lots);
        share_out(self.team, Stage::Load, candidates.len(), async |number| {
            let Some(file_id) = lots.get(number).and_then(|lot| lot.to_load()) else {
                return Ok(Did { digest: digests[number], weight: 0, told: Vec::new() });
            };
            let file = files.get(&file_id).ok_or(CatalogueError::TakenBack(file_id))?;
            let objects = self.load(&candidates[number], file, &manifest).await?;
            (self.progress)(Event::Loaded { file_name: file.file.file_name.clone(), objects });
            Ok(Did { digest: digests[number], weight: states[number].size, told: vec![objects] })
        })
        .await
    }

    /// Decides, as the leader, what is to be done with each file, and makes everything ready for it.
    async fn begin(
        &self,
        lock: CollectionLock,
        candidates: &[Candidate<'_>],
        states: &[State],
    ) -> Result<(Begun, Vec<Lot>), IngestError> {
        let control = self.router.control();
        let digests: Vec<u64> = states.iter().map(|state| state.digest).collect();
        let told = ask(self.team, move |team| team.meet(Stage::Check, &digests)).await?;
        let damaged = || IngestError::Team(io::Error::other("what was told of a checked file cannot be read"));
        let checked = told.iter().map(|words| Checked::from_words(words).ok_or_else(damaged));
        let checked = checked.collect::<Result<Vec<Checked>, _>>()?;
        self.declare().await?;
        let Batch { batch, interrupted, .. } = control.open_batch(&self.collection.name).await?;
        if interrupted {
            self.clear_interrupted(batch, candidates, &checked).await?;
        }
        let names: Vec<&str> = candidates.iter().map(|candidate| candidate.file_name.as_str()).collect();
        let mut versions = control.file_versions(&self.collection.name, &names).await?;
        let mut begun = Begun { lock, batch, wanted: 0, superseded: BTreeMap::new(), report: IngestReport::default() };
        let (mut lots, mut new) = (vec![Lot::Nothing; candidates.len()], Vec::new());
        for (place, (candidate, checked)) in candidates.iter().zip(&checked).enumerate() {
            let versions = versions.remove(&candidate.file_name).unwrap_or_default();
            match candidate.step(&checked.sums, versions, batch, self.supersede)? {
                Step::Skip => begun.report.unchanged += 1,
                Step::Loaded { file_id, instead_of } => {
                    begun.report.resumed += 1;
                    begun.superseded.extend(instead_of.map(|older| (file_id, older)));
                    lots[place] = Lot::Loaded(file_id);
                }
                Step::Load { version, instead_of } => {
                    new.push((place, instead_of, new_file(self.collection, candidate, &checked.sums, version)));
                }
            }
        }
        begun.wanted = begun.report.resumed + new.len();
        begun.report.loaded = begun.wanted;
        if begun.wanted > 0 {
            self.make_ready(&checked).await?;
        }
        // Files get their numbers in the order they were given, so that rows have the same ids on any number of nodes.
        let files: Vec<_> = new.iter().map(|(.., file)| file.clone()).collect();
        let files = control.begin_files(&files, batch).await?;
        let known: Vec<_> =
            files.iter().zip(&new).map(|(file, (place, ..))| (file, candidates[*place].table)).collect();
        self.router.announce_files(&known).await?;
        // Had another ingest taken them back before they were announced, nobody would take their rows off.
        begun.lock.check().await?;
        for (file, (place, instead_of, _)) in files.iter().zip(new) {
            lots[place] = Lot::Load(file.file_id);
            begun.superseded.extend(instead_of.map(|older| (file.file_id, older)));
        }
        begun.report.superseded = begun.superseded.len();
        (self.progress)(Event::Loading(files.len()));
        let digests = load_digests(candidates, &lots);
        ask(self.team, move |team| team.divide(Stage::Load, &digests)).await?;
        Ok((begun, lots))
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

    /// Takes back what an interrupted run left half done, and what it brought that this run does not ask for.
    async fn clear_interrupted(
        &self,
        batch: i32,
        candidates: &[Candidate<'_>],
        checked: &[Checked],
    ) -> Result<(), IngestError> {
        let control = self.router.control();
        let sums = checked.iter().map(|checked| checked.sums.md5.as_str());
        let asked: BTreeMap<&str, &str> = candidates.iter().map(|c| c.file_name.as_str()).zip(sums).collect();
        for file in control.files_of_batch(batch).await? {
            let same = asked.get(file.file.file_name.as_str()) == Some(&file.file.checksum.as_str());
            if file.state == FileState::Loading || !same {
                tracing::info!(file = file.file.file_name, "taking back what an interrupted ingest left");
                self.router.remove_file(&file, self.table_of(&file)?).await?;
                control.forget_file(file.file_id).await?;
            }
        }
        // Those that are wanted are made again in the end.
        Ok(self.router.unmark(self.collection, batch).await?)
    }

    /// The table that a file's rows are in.
    fn table_of(&self, file: &ArchivedFile) -> Result<&TableDef, IngestError> {
        let changed = || IngestError::ModelChanged(self.collection.name.clone());
        self.collection.table(&file.file.table_name).ok_or_else(changed)
    }

    /// Lays out the chunks by what was found of the files where that was not done yet, and sees to it that the collection's tables are on every
    /// node.
    async fn make_ready(&self, checked: &[Checked]) -> Result<(), IngestError> {
        let control = self.router.control();
        let manifest = match control.manifest().await? {
            Some(manifest) => manifest,
            None => {
                let chunks = lay_out_chunks(&weights(checked), self.router.groups());
                control.lay_out(&Manifest { epoch: 0, visibility: Visibility::default(), chunks }).await?;
                control.manifest().await?.ok_or(CatalogueError::Empty)?
            }
        };
        self.router.prepare_nodes().await?;
        Ok(self.router.prepare_collection(self.collection, &manifest).await?)
    }

    /// Closes a batch that brings nothing.
    async fn give_up(&self, begun: Begun) -> Result<IngestReport, IngestError> {
        self.router.control().abandon_batch(begun.batch).await?;
        Ok(begun.report)
    }

    /// Makes the batch visible in the next epoch.
    async fn publish(&self, begun: Begun) -> Result<IngestReport, IngestError> {
        (self.progress)(Event::Publishing);
        let Begun { mut lock, batch, wanted, superseded, mut report } = begun;
        let control = self.router.control();
        let files = control.files_of_batch(batch).await?;
        if let Some(file) = files.iter().find(|file| file.state != FileState::Loaded) {
            return Err(CatalogueError::TakenBack(file.file_id).into());
        }
        if files.len() != wanted {
            return Err(IngestError::Team(io::Error::other("another ingest has changed the batch")));
        }
        report.objects = files.iter().map(|file| file.objects.unwrap_or_default().unsigned_abs()).sum();
        for file in &files {
            if let Some(older) = superseded.get(&file.file_id) {
                self.router.supersede_file(older, self.table_of(older)?, file).await?;
            }
        }
        let replaced: Vec<i32> = superseded.values().map(|older| older.file_id).collect();
        let mut tries = 0..EPOCHS_TRIED;
        loop {
            let held = control.manifest().await?.ok_or(CatalogueError::Empty)?;
            let next = self.router.next_manifest(self.collection, &held, batch).await?;
            self.router.analyze(self.collection, &held, &next).await?;
            match Control::publish(&mut lock, &next, batch, &replaced).await {
                Ok(()) => return Ok(IngestReport { epoch: Some(next.epoch), ..report }),
                Err(CatalogueError::EpochTaken(_)) if tries.next().is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A file as it is on the disk.
struct State {
    size: u64,
    /// What tells it from others, and from what it was before it was written to.
    digest: u64,
}

fn states(candidates: &[Candidate<'_>]) -> Result<Vec<State>, IngestError> {
    let state = |candidate: &Candidate<'_>| {
        let failed = |source| IngestError::Read { path: candidate.path.to_owned(), source };
        let size = std::fs::metadata(candidate.path).map_err(failed)?.len();
        let written = last_change(candidate.path)?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let words = [path_of(candidate), &size.to_le_bytes(), &written.as_nanos().to_le_bytes()];
        Ok(State { size, digest: digest(&words) })
    };
    candidates.iter().map(state).collect()
}

/// The digests of the shares of [`Stage::Load`].
fn load_digests(candidates: &[Candidate<'_>], lots: &[Lot]) -> Vec<u64> {
    let one = |(candidate, lot): (&Candidate<'_>, &Lot)| digest(&[path_of(candidate), &lot.file_id().to_le_bytes()]);
    candidates.iter().zip(lots).map(one).collect()
}

fn path_of<'a>(candidate: &Candidate<'a>) -> &'a [u8] {
    candidate.path.as_os_str().as_encoded_bytes()
}

impl Lot {
    /// The number of a file that this batch brings; 0 for others.
    fn file_id(self) -> i32 {
        match self {
            Self::Nothing => 0,
            Self::Loaded(file_id) | Self::Load(file_id) => file_id,
        }
    }

    fn to_load(self) -> Option<i32> {
        if let Self::Load(file_id) = self { Some(file_id) } else { None }
    }

    fn to_word(self) -> u64 {
        let number = |file_id: i32| u64::from(file_id.unsigned_abs()) << 1;
        match self {
            Self::Nothing => 0,
            Self::Loaded(file_id) => number(file_id),
            Self::Load(file_id) => number(file_id) | 1,
        }
    }

    fn from_word(word: u64) -> Self {
        let file_id = i32::try_from(word >> 1).unwrap_or(0);
        match (file_id, word & 1) {
            (0, _) => Self::Nothing,
            (_, 0) => Self::Loaded(file_id),
            (_, _) => Self::Load(file_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_is_a_word() {
        for lot in [Lot::Nothing, Lot::Loaded(7), Lot::Load(7), Lot::Load(i32::MAX)] {
            assert_eq!(Lot::from_word(lot.to_word()), lot);
        }
    }
}
