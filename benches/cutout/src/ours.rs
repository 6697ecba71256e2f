//! Our own engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use spolia_cutout::{CutFile, Files, CutPlan, CutReport, Provenance, cut as cut_and_merge, index as make_index, index_location};

use crate::picks::{Picks, Set, fastest};

/// The files' checksums are not of interest here.
const CHECKSUM: &str = "00000000000000000000000000000000";

/// What the index of a set costs.
pub struct IndexCost {
    pub seconds: f64,
    pub bytes: u64,
    pub objects: u64,
}

/// Makes the index of every file.
pub fn index(set: &Set, kind: &str) -> Result<IndexCost> {
    let mut cost = IndexCost { seconds: 0.0, bytes: 0, objects: (set.files.len() * set.objects) as u64 };
    for file in &set.files {
        let path = set.folder.join(file);
        let started = Instant::now();
        let class = if kind == "tables" { "Source" } else { "None" };
        let made = make_index(&path, CHECKSUM, class, "SourceImpl")?;
        cost.seconds += started.elapsed().as_secs_f64();
        cost.bytes += made.len() as u64;
        std::fs::write(set.folder.join("indexed").join(index_location(file)), made).or_else(|_| {
            std::fs::create_dir_all(set.folder.join("indexed"))?;
            std::os::unix::fs::symlink(&path, set.folder.join("indexed").join(file))
        })?;
        let link = set.folder.join("indexed").join(file);
        if !link.exists() {
            std::os::unix::fs::symlink(&path, link)?;
        }
    }
    Ok(cost)
}

pub struct Cut {
    pub seconds: f64,
    pub report: CutReport,
}

/// Cuts with the index, or without.
pub fn cut(set: &Set, picks: &Picks, output: &Path, runs: usize, indexed: bool) -> Result<Cut> {
    let folder = if indexed { set.folder.join("indexed") } else { set.folder.clone() };
    let files = Arc::new(Files::folder(&folder));
    let chosen = set.files.iter().zip(&picks.0).filter(|(_, numbers)| !numbers.is_empty());
    let wanted = chosen.map(|(file, numbers)| {
        Ok(CutFile {
            file_name: file.trim_end_matches(".h5").to_owned(),
            location: file.clone(),
            did: format!("bench:{file}"),
            version: 1,
            checksum: CHECKSUM.to_owned(),
            size: set.folder.join(file).metadata()?.len(),
            class: "Source".to_owned(),
            object: "SourceImpl".to_owned(),
            group: String::new(),
            names: Vec::new(),
            ordinals: numbers.iter().map(|number| *number as i64).collect(),
        })
    });
    let plan = CutPlan { files: wanted.collect::<Result<_>>()?, provenance: Provenance::default() };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut report = CutReport::default();
    let seconds = fastest(runs, || {
        let started = Instant::now();
        report = runtime.block_on(cut_and_merge(&files, &plan, output))?;
        Ok(started.elapsed().as_secs_f64())
    })?;
    Ok(Cut { seconds, report })
}
