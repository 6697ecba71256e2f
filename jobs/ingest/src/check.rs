//! What is found out about a file before it is loaded, as those who share the work tell each other.

use std::collections::BTreeMap;
use std::pin::pin;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use spolia_cutout::{RowModel, rows};
use spolia_sky::{PIXEL_ORDER, SourceId};

use crate::checksum::{Checksums, checksums};
use crate::error::IngestError;
use crate::model::row_model;
use crate::plan::Candidate;

/// Pixels that all files of an ingest tell of together, about.
const PIXELS_TOLD: usize = 1 << 18;
/// Pixels that a file tells of at least.
const LEAST_TOLD: usize = 64;

/// What was found out about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) sums: Checksums,
    /// What its rows weigh, where that is wanted.
    weights: Weights,
}

/// Where rows lie: some of their pixels, each of which stands for as many rows as `weight` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Weights {
    weight: u64,
    pixels: Vec<u64>,
}

impl Checked {
    /// Reads a file whole and sums it up; where the chunks are still to be laid out, it is read where its rows lie, too. `files` are to be
    /// checked in all.
    pub(crate) async fn of(candidate: &Candidate<'_>, weigh: bool, files: usize) -> Result<Self, IngestError> {
        let sums = checksums(candidate.path).await?;
        let weights = match weigh && !candidate.table.replicated {
            true => Weights::of(pixels(candidate).await?, (PIXELS_TOLD / files.max(1)).max(LEAST_TOLD)),
            false => Weights::default(),
        };
        Ok(Self { sums, weights })
    }

    /// As words: size, MD5, Adler-32, and where rows lie.
    pub(crate) fn to_words(&self) -> Vec<u64> {
        let Checksums { md5, adler32, size } = &self.sums;
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap_or_default();
        let (high, low) = md5.split_at(16);
        let head = [*size, hex(high), hex(low), hex(adler32), self.weights.weight];
        head.into_iter().chain(self.weights.pixels.iter().copied()).collect()
    }

    /// The same from its words; nothing where they are not such.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let (&[size, high, low, adler32, weight], pixels) = words.split_first_chunk::<5>()?;
        let sums = Checksums { md5: format!("{high:016x}{low:016x}"), adler32: format!("{adler32:08x}"), size };
        Some(Self { sums, weights: Weights { weight, pixels: pixels.to_vec() } })
    }
}

/// What rows of files weigh, by their pixels of order 12.
pub(crate) fn weights(checked: &[Checked]) -> BTreeMap<u64, u64> {
    let mut weights = BTreeMap::new();
    for Weights { weight, pixels } in checked.iter().map(|checked| &checked.weights) {
        for pixel in pixels {
            *weights.entry(*pixel).or_default() += weight;
        }
    }
    weights
}

impl Weights {
    /// At most so many of these pixels, at equal distances in their order.
    fn of(mut pixels: Vec<u64>, most: usize) -> Self {
        pixels.sort_unstable();
        let step = pixels.len().div_ceil(most).max(1);
        // The middle of each stretch stands for it.
        let pixels = pixels.chunks(step).map(|stretch| stretch[stretch.len() / 2]).collect();
        Self { weight: step as u64, pixels }
    }
}

/// The pixels of a file's rows, as their shard keys say.
async fn pixels(candidate: &Candidate<'_>) -> Result<Vec<u64>, IngestError> {
    let whole = row_model(candidate.table);
    let fields = whole.fields.into_iter().filter(|field| field.name == candidate.table.shard_key).collect();
    let mut stream = pin!(rows(candidate.path, &RowModel { fields, ..whole }));
    let mut pixels = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(IngestError::Content)?;
        let keys = batch.column(1).as_primitive::<Int64Type>().iter().flatten();
        pixels.extend(keys.filter_map(|key| SourceId(key).pixel(PIXEL_ORDER)));
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_all_that_was_found_out() {
        let sums =
            Checksums { md5: "00677286866aad38f8e9b660f5411814".to_owned(), adler32: "01e60398".to_owned(), size: 9 };
        let checked = Checked { sums, weights: Weights { weight: 3, pixels: vec![5, 7] } };
        assert_eq!(Checked::from_words(&checked.to_words()), Some(checked));
        assert_eq!(Checked::from_words(&[1, 2]), None);
    }

    #[test]
    fn a_few_pixels_stand_for_many() {
        let few = Weights::of(vec![3, 1, 2], 10);
        assert_eq!(few, Weights { weight: 1, pixels: vec![1, 2, 3] });
        let many = Weights::of((0..1000).collect(), 10);
        assert_eq!((many.weight, many.pixels.len(), many.pixels[0]), (100, 10, 50));
        let sums = Checksums { md5: "0".repeat(32), adler32: String::new(), size: 0 };
        let all: Vec<Checked> = [few, many].map(|weights| Checked { sums: sums.clone(), weights }).into();
        assert_eq!(weights(&all).values().sum::<u64>(), 1003);
    }
}
