//! A merged file that is read while it is made.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use spolia_hdf5_format::write::SUPERBLOCK_SIZE;
use tokio::sync::watch;

use crate::blocking::Blocking;
use crate::error::CutoutError;
use crate::files::Files;
use crate::merge::{Merged, Target, merge};
use crate::plan::{CutPlan, CutReport};
use crate::progress::CutProgress;

/// What a merged file is going to be.
#[derive(Debug, Clone)]
pub struct Outline {
    plan: CutPlan,
    superblock: [u8; SUPERBLOCK_SIZE as usize],
    /// What it is going to be, as far as that is known before values are read.
    pub report: CutReport,
}

impl Outline {
    /// Its bytes.
    pub fn bytes(&self) -> u64 {
        self.report.bytes_written
    }
}

/// Finds out what the merged file of a plan is going to be, reading where objects are and no values. Nothing where its beginning is not
/// there before its end: that of columns, which are filled from all files.
///
/// # Errors
/// As [`crate::cut`], as far as it is seen without reading values.
pub async fn outline(files: &Arc<Files>, plan: &CutPlan) -> Result<Option<Outline>, CutoutError> {
    let options = &plan.provenance.options;
    if options.packed || options.compression.is_some() {
        return Ok(None);
    }
    let (plan, files) = (plan.clone().canonical(), Arc::clone(files));
    let mut find = Blocking::begin(move |stopped| {
        let watched = (stopped, &CutProgress::default());
        let found = merge(&plan, &files, watched, Target::Outline, Path::new("nowhere"))?;
        let Merged { report, superblock, in_order } = found;
        Ok(in_order.then_some(Outline { plan, superblock, report }))
    });
    find.done().await
}

/// A merged file that is being made. Dropped, it is given up.
#[derive(Debug)]
pub struct Growing {
    settled: watch::Receiver<u64>,
    made: Option<Blocking<CutReport>>,
    bytes: u64,
}

/// Makes the merged file of an outline in `file`, which is empty and which errors call `path`.
pub fn grow(files: &Arc<Files>, outline: Outline, file: File, path: &Path, progress: &Arc<CutProgress>) -> Growing {
    let (teller, settled) = watch::channel(0);
    let (files, path) = (Arc::clone(files), path.to_owned());
    let (progress, bytes) = (Arc::clone(progress), outline.bytes());
    let made = Blocking::begin(move |stopped| {
        let target = Target::ReadAlong(file, teller, outline.superblock);
        let merged = merge(&outline.plan, &files, (stopped, &progress), target, &path)?;
        match merged.superblock == outline.superblock && merged.report.bytes_written == bytes {
            true => Ok(merged.report),
            false => Err(CutoutError::Refused("a file has changed while it was cut".to_owned())),
        }
    });
    Growing { settled, made: Some(made), bytes }
}

impl Growing {
    /// Waits until more than `beyond` bytes from the beginning on are there, and tells how many; all of them at the end.
    ///
    /// # Errors
    /// When the cut has failed.
    pub async fn more_than(&mut self, beyond: u64) -> Result<u64, CutoutError> {
        loop {
            let settled = *self.settled.borrow_and_update();
            // Whether the last of it is right is known only when all of it is made.
            if settled > beyond && settled < self.bytes {
                return Ok(settled);
            }
            if self.settled.changed().await.is_err() {
                self.report().await?;
                return Ok(self.bytes);
            }
        }
    }

    /// Waits for the end, and tells what was done; once.
    ///
    /// # Errors
    /// When the cut has failed.
    pub async fn report(&mut self) -> Result<Option<CutReport>, CutoutError> {
        let Some(made) = &mut self.made else { return Ok(None) };
        let report = made.done().await;
        self.made = None;
        report.map(Some)
    }
}
