//! Our own engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use object_store::ClientOptions;
use object_store::http::HttpBuilder;
use spolia_cutout::index_location;
use spolia_cutout::{
    CutFile, CutPlan, CutReport, Files, Identity, Provenance, cut as cut_and_merge, index as make_index,
};
use tokio::runtime::Runtime;

use crate::picks::{Picks, Set, fastest};

/// The files' checksums are not of interest here.
const CHECKSUM: &str = "00000000000000000000000000000000";
/// The folder within a set's where each file has its index beside it.
pub const INDEXED: &str = "indexed";

/// What the index of a set costs.
pub struct IndexCost {
    pub seconds: f64,
    pub bytes: u64,
    pub objects: u64,
}

/// Makes the index of every file.
pub fn index(set: &Set, kind: &str) -> Result<IndexCost> {
    let mut cost = IndexCost { seconds: 0.0, bytes: 0, objects: (set.files.len() * set.objects) as u64 };
    let folder = set.folder.join(INDEXED);
    std::fs::create_dir_all(&folder)?;
    let identity = Identity { checksum: CHECKSUM.to_owned(), etag: None };
    for file in &set.files {
        let path = set.folder.join(file);
        let started = Instant::now();
        let made = make_index(&path, &identity, if kind == "tables" { "Source" } else { "None" }, "SourceImpl")?;
        cost.seconds += started.elapsed().as_secs_f64();
        cost.bytes += made.len() as u64;
        std::fs::write(folder.join(index_location(file)), made)?;
        if !folder.join(file).exists() {
            std::os::unix::fs::symlink(&path, folder.join(file))?;
        }
    }
    Ok(cost)
}

/// Where the files are.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// In the set's folder, with their indexes or without.
    Local { indexed: bool },
    /// Behind a URL, with their indexes or without. What was read of an index is forgotten after each cut where it is `cold`.
    Store { url: &'a str, indexed: bool, cold: bool },
}

pub struct Cut {
    pub seconds: f64,
    pub report: CutReport,
}

/// The fastest of some cuts.
pub fn cut(set: &Set, picks: &Picks, output: &Path, runs: usize, place: Place) -> Result<Cut> {
    let plan = plan(set, picks)?;
    let runtime = Runtime::new()?;
    let mut files = open(set, place, &runtime)?;
    let warm = |files: &Arc<Files>| runtime.block_on(cut_and_merge(files, &plan, output, &Arc::default()));
    if matches!(place, Place::Store { cold: false, .. }) {
        warm(&files)?;
    }
    let mut report = CutReport::default();
    let seconds = fastest(runs, Some(output), || {
        if matches!(place, Place::Store { cold: true, .. }) {
            files = open(set, place, &runtime)?;
        }
        let started = Instant::now();
        report = warm(&files)?;
        Ok(started.elapsed().as_secs_f64())
    })?;
    Ok(Cut { seconds, report })
}

fn open(set: &Set, place: Place, runtime: &Runtime) -> Result<Arc<Files>> {
    let folder = |indexed: bool| if indexed { set.folder.join(INDEXED) } else { set.folder.clone() };
    Ok(Arc::new(match place {
        Place::Local { indexed } => Files::folder(&folder(indexed)),
        Place::Store { url, indexed, .. } => {
            let url = if indexed { format!("{url}/{INDEXED}") } else { url.to_owned() };
            let options = ClientOptions::new().with_allow_http(true);
            let store = HttpBuilder::new().with_url(url).with_client_options(options).build()?;
            let _entered = runtime.enter();
            Files::store(Arc::new(store))?
        }
    }))
}

fn plan(set: &Set, picks: &Picks) -> Result<CutPlan> {
    let chosen = set.files.iter().zip(&picks.0).filter(|(_, numbers)| !numbers.is_empty());
    let wanted = chosen.map(|(file, numbers)| {
        Ok(CutFile {
            file_name: file.trim_end_matches(".h5").to_owned(),
            location: file.clone(),
            did: format!("bench:{file}"),
            version: 1,
            checksum: CHECKSUM.to_owned(),
            size: set.folder.join(file).metadata()?.len(),
            etag: None,
            class: "Source".to_owned(),
            object: "SourceImpl".to_owned(),
            group: String::new(),
            names: Vec::new(),
            ordinals: numbers.iter().map(|number| *number as i64).collect(),
        })
    });
    Ok(CutPlan { files: wanted.collect::<Result<_>>()?, provenance: Provenance::default() })
}
