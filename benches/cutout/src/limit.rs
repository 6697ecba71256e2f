//! What cannot be beaten: reading the wanted bytes, and inflating them where they are compressed, on all threads. It is told
//! where everything lies, and writes nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use anyhow::{Context, Result};
use libdeflater::Decompressor;
use rayon::prelude::*;
use spolia_cutout::{InspectOptions, Inspected, inspect};

use crate::picks::{Picks, Set, fastest};

/// A range of a file, and the bytes it inflates to; none for what is not compressed.
struct Wanted {
    file: usize,
    at: u64,
    length: u64,
    inflated: Option<usize>,
}

/// Seconds of the fastest run.
pub fn run(set: &Set, kind: &str, picks: &Picks, runs: usize) -> Result<f64> {
    let wanted = wanted(set, kind, picks)?;
    let files: Vec<File> = set.files.iter().map(|file| File::open(set.folder.join(file))).collect::<Result<_, _>>()?;
    fastest(runs, || {
        let started = Instant::now();
        wanted.par_iter().try_for_each_init(
            || (Vec::new(), Vec::new(), Decompressor::new()),
            |(stored, inflated, decompressor), wanted| {
                stored.resize(wanted.length as usize, 0);
                files[wanted.file].read_exact_at(stored, wanted.at)?;
                if let Some(size) = wanted.inflated {
                    inflated.resize(size, 0);
                    decompressor.zlib_decompress(stored, inflated).context("a chunk")?;
                }
                Ok::<_, anyhow::Error>(())
            },
        )?;
        Ok(started.elapsed().as_secs_f64())
    })
}

fn wanted(set: &Set, kind: &str, picks: &Picks) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for (file, (name, numbers)) in set.files.iter().zip(&picks.0).enumerate() {
        if numbers.is_empty() {
            continue;
        }
        let inspection = inspect(&set.folder.join(name), &InspectOptions::default())?;
        let mut extents: std::collections::BTreeMap<u64, (u64, u64)> = std::collections::BTreeMap::new();
        for object in &inspection.objects {
            let Inspected::Dataset(dataset) = object else { continue };
            if kind == "tables" {
                let height = dataset.chunk.as_ref().context("a chunked column")?[0];
                let row: u64 = dataset.chunk.iter().flatten().product::<u64>() * dataset.type_size;
                for chunk in dataset.chunks.iter().flatten() {
                    let first = chunk.0[0];
                    let place = numbers.partition_point(|number| *number < first);
                    if numbers.get(place).is_some_and(|number| *number < first + height) {
                        wanted.push(Wanted { file, at: chunk.1, length: chunk.2, inflated: Some(row as usize) });
                    }
                }
            } else if let Some(Some(at)) = dataset.offset {
                let number = dataset.path.trim_start_matches("/SourceImpl_").split('/').next().context("a name")?.parse()?;
                if numbers.binary_search(&number).is_ok() {
                    let extent = extents.entry(number).or_insert((at, at));
                    *extent = (extent.0.min(at), extent.1.max(at + dataset.storage_size));
                }
            }
        }
        let extent = |(start, end): &(u64, u64)| Wanted { file, at: *start, length: end - start, inflated: None };
        wanted.extend(extents.values().map(extent));
    }
    wanted.sort_by_key(|wanted| (wanted.file, wanted.at));
    Ok(wanted)
}
