//! Which objects are cut.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Files of one kind.
pub struct Set {
    pub folder: PathBuf,
    pub files: Vec<String>,
    pub objects: usize,
}

/// The set of a kind: the folder `<kind>-<files>-<objects>`.
pub fn set(folder: &Path, kind: &str) -> Result<Set> {
    let mut folders: Vec<PathBuf> = folder.read_dir()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{kind}-"))));
    let folder = folders.pop().with_context(|| format!("no set of {kind}; run make_files.py"))?;
    let objects = folder.to_string_lossy().rsplit('-').next().context("a number")?.parse()?;
    let mut files: Vec<String> = folder
        .read_dir()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".h5"))
        .collect();
    files.sort();
    Ok(Set { folder, files, objects })
}

/// Numbers of objects in each file, ascending.
pub struct Picks(pub Vec<Vec<u64>>);

impl Picks {
    /// The same for the same number.
    pub fn draw(set: &Set, count: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(count as u64);
        let mut picks = vec![BTreeSet::new(); set.files.len()];
        let mut drawn = 0;
        while drawn < count.min(set.files.len() * set.objects) {
            let file = random.random_range(0..set.files.len());
            drawn += usize::from(picks[file].insert(random.random_range(0..set.objects as u64)));
        }
        Self(picks.into_iter().map(|numbers| numbers.into_iter().collect()).collect())
    }
}

/// Seconds of runs of one thing after which no more are made than were asked for.
const ENOUGH: f64 = 1.0;

/// The fastest of some runs, in seconds. What they write is not there before any of them: to replace a file costs the file system more
/// than to write it.
pub fn fastest(runs: usize, output: Option<&Path>, mut run: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut best = f64::INFINITY;
    let mut spent = 0.0;
    for run_number in 0.. {
        // What takes milliseconds is run more often: a machine that has been idle takes a while to get going.
        if run_number >= runs.max(1) && (spent > ENOUGH || runs == 1) {
            break;
        }
        if let Some(output) = output.filter(|output| output.exists()) {
            std::fs::remove_file(output)?;
        }
        let seconds = run()?;
        best = best.min(seconds);
        spent += seconds;
        if spent > 20.0 {
            break;
        }
    }
    Ok(best)
}
