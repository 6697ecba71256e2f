//! Objects with groups of their own, looked up in their files.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use spolia_hdf5_format::Reader;
use spolia_hdf5_format::link::{Target, find};
use spolia_hdf5_format::object_header::ObjectHeader;

use super::item::Item;
use crate::error::CutoutError;
use crate::fetch::FAR_GAP;
use crate::files::Files;
use crate::index::block::{Block, NO_PLACEMENT, Record};
use crate::index::build::{Builder, ROUND};
use crate::index::sidecar::{MOST_TEMPLATES, Sidecar, SidecarError, numbered};
use crate::index::template::{Picked, Template};
use crate::plan::CutFile;

/// Objects that are looked up together in a file that is far away and has no index.
const FAR_ROUND: usize = 8;

/// Objects that are looked up by name; for more, all names are read, which stand all over the file.
fn by_name(size: u64) -> usize {
    64.max(size >> 17) as usize
}

/// The objects of one file.
pub(super) struct Objects<'a> {
    pub(super) number: usize,
    pub(super) file: &'a CutFile,
    files: &'a Files,
    /// The file's index.
    sidecar: Option<Arc<Sidecar>>,
    /// Files that are open at the same time.
    open: usize,
    /// The file, where it is read itself.
    reader: Mutex<Option<Arc<Reader>>>,
    /// What is known of it, where it has no index.
    live: Mutex<Option<Arc<Live>>>,
    /// The members and attributes that are wanted; all where nothing is said.
    fields: Option<&'a BTreeSet<String>>,
    /// Templates of the index, or what is wanted of them.
    picked: Mutex<HashMap<u32, Arc<Picked>>>,
}

/// A file without an index.
struct Live {
    reader: Arc<Reader>,
    group: ObjectHeader,
    /// All objects by number, where many are wanted.
    all: Option<Vec<(i64, u64)>>,
}

/// An object that has been looked up.
pub(super) enum Found {
    /// With a template.
    Item(Item),
    /// To be copied from the address of its header.
    Copy(u64),
}

impl<'a> Objects<'a> {
    pub(super) fn new(
        number: usize,
        file: &'a CutFile,
        files: &'a Files,
        open: usize,
        sidecar: Option<Arc<Sidecar>>,
        fields: Option<&'a BTreeSet<String>>,
    ) -> Self {
        Self {
            number,
            file,
            files,
            sidecar,
            open,
            reader: Mutex::default(),
            live: Mutex::default(),
            fields,
            picked: Mutex::default(),
        }
    }

    /// What is wanted of a template.
    fn picked(&self, template: &Template) -> Result<Arc<Picked>, CutoutError> {
        let picked = match self.fields {
            None => Some(Picked { template: template.clone(), holes: None, pointers: None }),
            Some(fields) => template.only(fields),
        };
        picked.map(Arc::new).ok_or_else(|| {
            let fields = self.fields.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
            CutoutError::Refused(format!(
                "{}: an object of it cannot be cut down to the fields {fields}",
                self.file.file_name
            ))
        })
    }

    /// Parts of the wanted objects that are looked up together.
    pub(super) fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let count = self.file.ordinals.len();
        // Looking an object up in a file that is far away is a matter of waiting.
        let size = if self.files.is_far() && self.sidecar.is_none() { FAR_ROUND } else { ROUND };
        (0..count).step_by(size).map(move |start| start..(start + size).min(count))
    }

    /// Looks a part of the wanted objects up.
    pub(super) fn look_up(&self, part: Range<usize>) -> Result<Vec<Found>, CutoutError> {
        match &self.sidecar {
            Some(sidecar) => self.indexed(sidecar, &self.file.ordinals[part]),
            None => self.made(&self.file.ordinals[part]),
        }
    }

    fn indexed(&self, sidecar: &Sidecar, wanted: &[i64]) -> Result<Vec<Found>, CutoutError> {
        let unusable = |error: SidecarError| {
            let (file, why) = (self.file.file_name.clone(), error.to_string());
            CutoutError::DamagedIndex { file, why }
        };
        let number = |ordinal: &i64| sidecar.block_of(*ordinal).ok_or_else(|| self.missing(*ordinal));
        let of_wanted = wanted.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let mut numbers = of_wanted.clone();
        numbers.dedup();
        let gap = if self.files.is_far() { FAR_GAP } else { 0 };
        let blocks = sidecar.blocks(&numbers, gap).map_err(unusable)?;
        let blocks: Vec<Arc<Block>> = blocks.into_iter().map(Arc::new).collect();
        let found = wanted.iter().zip(of_wanted).map(|(ordinal, number)| {
            let block = &blocks[numbers.partition_point(|other| *other < number)];
            let record = block.find(*ordinal).ok_or_else(|| self.missing(*ordinal))?;
            Found::new(block, record, |number| {
                let mut known = self.picked.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(picked) = known.get(&number) {
                    return Ok(Arc::clone(picked));
                }
                let picked = self.picked(&*sidecar.template(number).map_err(unusable)?)?;
                if known.len() >= MOST_TEMPLATES {
                    known.clear();
                }
                known.insert(number, Arc::clone(&picked));
                Ok(picked)
            })
        });
        found.collect()
    }

    /// Looks objects up in a file without an index, which is made for them.
    fn made(&self, wanted: &[i64]) -> Result<Vec<Found>, CutoutError> {
        let live = self.live()?;
        let mut builder = Builder::new(&live.reader, ROUND);
        for ordinal in wanted {
            let damaged = |source| {
                let file = format!("{}/{}", self.file.file_name, self.file.name(*ordinal));
                CutoutError::Hdf5 { file, source }
            };
            builder.add(*ordinal, self.address(&live, *ordinal)?).map_err(damaged)?;
        }
        let (templates, mut blocks) = builder.finish();
        let templates = templates.iter().map(|template| self.picked(template)).collect::<Result<Vec<_>, _>>()?;
        let block = Arc::new(blocks.pop().ok_or(CutoutError::Index)?);
        let template = |number: u32| templates.get(number as usize).map(Arc::clone).ok_or(CutoutError::Index);
        block.records.iter().map(|record| Found::new(&block, *record, template)).collect()
    }

    /// The file.
    pub(super) fn reader(&self) -> Result<Arc<Reader>, CutoutError> {
        let mut kept = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = &*kept {
            return Ok(Arc::clone(reader));
        }
        let reader = Arc::new(self.files.reader(self.file, self.open)?);
        *kept = Some(Arc::clone(&reader));
        Ok(reader)
    }

    /// The members and attributes that are wanted; all where nothing is said.
    pub(super) fn fields(&self) -> Option<&BTreeSet<String>> {
        self.fields
    }

    /// What errors call an object.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.file.file_name)
    }

    /// Runs something on the threads that reading the file wants.
    pub(super) fn install<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        self.files.install(run)
    }

    /// Lets go of the file, whose objects have all been looked up.
    pub(super) fn close(&self) {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn live(&self) -> Result<Arc<Live>, CutoutError> {
        // Whoever comes second waits for the first: names are read once.
        let mut kept = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = &*kept {
            return Ok(Arc::clone(live));
        }
        let reader = self.reader()?;
        let group = group_at(&reader, &self.file.group).map_err(self.damaged())?;
        let group = group.ok_or_else(|| {
            CutoutError::Refused(format!("{}: it has no group {:?}", self.file.file_name, self.file.group))
        })?;
        let many = self.file.names.is_empty() && self.file.ordinals.len() > by_name(self.file.size);
        let all = many.then(|| numbered(&reader, &group, &self.file.object)).transpose();
        let live = Arc::new(Live { all: all.map_err(self.damaged())?, reader, group });
        *kept = Some(Arc::clone(&live));
        Ok(live)
    }

    fn address(&self, live: &Live, ordinal: i64) -> Result<u64, CutoutError> {
        let missing = || self.missing(ordinal);
        if let Some(all) = &live.all {
            let place = all.binary_search_by_key(&ordinal, |(number, _)| *number).map_err(|_| missing())?;
            return Ok(all[place].1);
        }
        let name = self.file.name(ordinal);
        let link = find(&live.reader, &live.group, name.as_bytes()).map_err(self.damaged())?;
        match link.ok_or_else(missing)?.target {
            Target::Object(address) => Ok(address),
            _ => Err(CutoutError::Refused(format!(
                "{}/{name}: it is a link by name, which a cut does not follow",
                self.file.file_name
            ))),
        }
    }

    fn missing(&self, ordinal: i64) -> CutoutError {
        let (file, name) = (&self.file.file_name, self.file.name(ordinal));
        CutoutError::Refused(format!("{file}/{name}: the file has no such object"))
    }

    fn damaged(&self) -> impl Fn(spolia_hdf5_format::Hdf5Error) -> CutoutError + use<> {
        let file = self.file.file_name.clone();
        move |source| CutoutError::Hdf5 { file: file.clone(), source }
    }
}

/// The group at a path from the root on, which is the root for an empty path.
pub(crate) fn group_at(reader: &Reader, path: &str) -> spolia_hdf5_format::Result<Option<ObjectHeader>> {
    let mut group = ObjectHeader::read(reader, reader.superblock().root)?;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        match find(reader, &group, name.as_bytes())?.map(|link| link.target) {
            Some(Target::Object(address)) => group = ObjectHeader::read(reader, address)?,
            _ => return Ok(None),
        }
    }
    Ok(Some(group))
}

impl Found {
    fn new(
        block: &Arc<Block>,
        record: Record,
        picked: impl Fn(u32) -> Result<Arc<Picked>, CutoutError>,
    ) -> Result<Self, CutoutError> {
        if record.placement == NO_PLACEMENT {
            return Ok(Self::Copy(record.base));
        }
        let picked = picked(block.template(&record).ok_or(CutoutError::Index)?)?;
        Item::new(picked, Arc::clone(block), record).map(Self::Item).ok_or(CutoutError::Index)
    }
}
