//! The manifest: what one epoch of the archive is made of.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spolia_sky::PixelRanges;
use tokio_postgres::types::Json;

use crate::control::Control;
use crate::error::{Act, CatalogueError};

/// Which batches an epoch shows: all up to a watermark, but for some.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visibility {
    /// The last batch that may be seen.
    pub watermark: i32,
    /// Batches at or below the watermark that may not.
    pub hidden: Vec<i32>,
}

impl Visibility {
    /// True when rows of `batch` may be seen.
    pub fn shows(&self, batch: i32) -> bool {
        batch <= self.watermark && !self.hidden.contains(&batch)
    }

    /// Makes `batch` visible beside what already is.
    pub fn with(mut self, batch: i32) -> Self {
        if batch > self.watermark {
            self.hidden.extend(self.watermark + 1..batch);
            self.watermark = batch;
        } else {
            self.hidden.retain(|hidden| *hidden != batch);
        }
        self
    }
}

/// What a chunk holds of one table: bounds, never too narrow, by which a query may skip it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkStats {
    /// Visible rows.
    pub rows: i64,
    /// Sum, modulo 2^64, over the visible rows of a hash of their values: equal content gives equal sums.
    pub checksum: i64,
    /// What each batch brought, in the order in which they became visible.
    pub batches: Vec<BatchBounds>,
    /// The order of `pixels`.
    pub moc_order: u8,
    /// HEALPix ranges of the rows' actual positions; empty where rows have none.
    pub moc: Vec<Range<u64>>,
}

/// What rows of some batches have in a chunk: bounds, never too narrow, by which a query may skip them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchBounds {
    /// The first of the batches.
    pub first: i32,
    /// The last of the batches.
    pub last: i32,
    /// Minimum and maximum of each bounded column.
    pub bounds: BTreeMap<String, (i64, i64)>,
}

impl BatchBounds {
    /// Takes in what other batches have; a column that either knows no bounds of has none.
    fn widen(&mut self, other: &BatchBounds) {
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
        self.bounds.retain(|column, (low, high)| {
            let Some(bounds) = other.bounds.get(column) else { return false };
            (*low, *high) = ((*low).min(bounds.0), (*high).max(bounds.1));
            true
        });
    }
}

/// The pixel ranges kept per chunk at most; finer ones are coarsened.
const MOC_RANGES: usize = 512;
/// The bounds kept per chunk at most; of more batches than that, the oldest are put together.
const BATCHES: usize = 64;

impl ChunkStats {
    /// The rows' actual positions as pixel ranges.
    pub fn positions(&self) -> PixelRanges {
        PixelRanges::new(self.moc_order, self.moc.clone())
    }

    /// Adds the rows of a batch: counts and sums add up, positions widen, its bounds join those of the others.
    pub fn add(&mut self, added: &ChunkStats) {
        self.rows += added.rows;
        self.checksum = self.checksum.wrapping_add(added.checksum);
        self.batches.extend_from_slice(&added.batches);
        while self.batches.len() > BATCHES {
            let oldest = self.batches.remove(0);
            self.batches[0].widen(&oldest);
        }
        let mut order = if self.moc.is_empty() { added.moc_order } else { self.moc_order.min(added.moc_order) };
        let union = |order| {
            let ranges = [self.positions(), added.positions()].map(|set| set.covering(order).as_slice().to_vec());
            PixelRanges::new(order, ranges.concat())
        };
        let mut merged = union(order);
        while merged.as_slice().len() > MOC_RANGES && order > 0 {
            order -= 1;
            merged = union(order);
        }
        self.moc_order = order;
        self.moc = merged.as_slice().to_vec();
    }

    /// Takes superseded rows away: counts and sums shrink, bounds and positions stay as wide as they were.
    pub fn remove(&mut self, removed: &ChunkStats) {
        self.rows -= removed.rows;
        self.checksum = self.checksum.wrapping_sub(removed.checksum);
    }
}

/// A chunk: a range of pixels that lives on one shard group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its number, from 0; chunk 0 holds rows without a pixel (negative ids and none).
    pub chunk: i32,
    /// HEALPix pixels (NESTED, order 12) of the ids it takes; empty for chunk 0.
    pub pixels: Range<u64>,
    /// The shard group it is assigned to.
    pub group: i32,
    /// What it holds, by `collection.table`.
    #[serde(default)]
    pub tables: BTreeMap<String, ChunkStats>,
}

/// One epoch: an immutable answer to what is visible and where it lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number, from 1.
    pub epoch: i64,
    /// The batches that may be seen.
    pub visibility: Visibility,
    /// All chunks, by number.
    pub chunks: Vec<Chunk>,
}

impl Manifest {
    /// The chunk whose pixels hold `pixel`; chunk 0 takes what has none.
    pub fn chunk_of(&self, pixel: Option<u64>) -> Option<&Chunk> {
        match pixel {
            None => self.chunks.first(),
            Some(pixel) => {
                let after = self.chunks.partition_point(|chunk| chunk.chunk == 0 || chunk.pixels.end <= pixel);
                self.chunks.get(after).filter(|chunk| chunk.pixels.contains(&pixel))
            }
        }
    }
}

impl Control {
    /// The newest manifest; nothing before the first ingest has laid out the chunks.
    ///
    /// # Errors
    /// When the control database fails or the document does not parse.
    pub async fn manifest(&self) -> Result<Option<Manifest>, CatalogueError> {
        let sql = "SELECT document FROM spolia.manifest ORDER BY epoch DESC LIMIT 1";
        let row = self.client().await?.query_opt(sql, &[]).await.act("read the manifest")?;
        row.map(|row| document(row.get(0))).transpose()
    }

    /// The manifest of one epoch.
    ///
    /// # Errors
    /// When the control database fails or the document does not parse.
    pub async fn manifest_at(&self, epoch: i64) -> Result<Option<Manifest>, CatalogueError> {
        let sql = "SELECT document FROM spolia.manifest WHERE epoch = $1";
        let row = self.client().await?.query_opt(sql, &[&epoch]).await.act("read a manifest")?;
        row.map(|row| document(row.get(0))).transpose()
    }

    /// Publishes the first manifest, which lays out the chunks; leaves an existing one alone.
    ///
    /// # Errors
    /// When the control database fails.
    pub async fn lay_out(&self, manifest: &Manifest) -> Result<(), CatalogueError> {
        let sql = "INSERT INTO spolia.manifest (epoch, document) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM spolia.manifest)";
        self.client().await?.execute(sql, &[&manifest.epoch, &Json(manifest)]).await.act("lay out the chunks")?;
        Ok(())
    }
}

fn document(value: serde_json::Value) -> Result<Manifest, CatalogueError> {
    serde_json::from_value(value).map_err(|source| CatalogueError::Document { what: "manifest", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visibility_is_a_watermark_with_exceptions() {
        let shown = Visibility::default().with(1).with(4);
        assert_eq!(shown, Visibility { watermark: 4, hidden: vec![2, 3] });
        let shown = shown.with(3);
        assert!(shown.shows(3) && !shown.shows(2) && !shown.shows(5));
    }

    #[test]
    fn a_pixel_finds_its_chunk() {
        let chunk = |chunk, pixels| Chunk { chunk, pixels, group: 0, tables: BTreeMap::new() };
        let chunks = vec![chunk(0, 0..0), chunk(1, 0..10), chunk(2, 10..spolia_sky::PIXELS)];
        let manifest = Manifest { epoch: 1, visibility: Visibility::default(), chunks };
        assert_eq!(manifest.chunk_of(None).unwrap().chunk, 0);
        assert_eq!(manifest.chunk_of(Some(0)).unwrap().chunk, 1);
        assert_eq!(manifest.chunk_of(Some(9)).unwrap().chunk, 1);
        assert_eq!(manifest.chunk_of(Some(10)).unwrap().chunk, 2);
        assert!(manifest.chunk_of(Some(spolia_sky::PIXELS)).is_none());
    }

    #[test]
    fn stats_add_and_coarsen() {
        let mut stats = ChunkStats::default();
        let scattered: Vec<_> = (0..2000u64).map(|i| i * 4..i * 4 + 1).collect();
        stats.add(&ChunkStats { rows: 2000, checksum: 7, moc_order: 8, moc: scattered, ..ChunkStats::default() });
        assert_eq!((stats.rows, stats.checksum), (2000, 7));
        assert!(stats.moc.len() <= MOC_RANGES && stats.moc_order == 7);
        stats.remove(&ChunkStats { rows: 1, checksum: 3, ..ChunkStats::default() });
        assert_eq!((stats.rows, stats.checksum), (1999, 4));
    }

    #[test]
    fn the_oldest_of_many_batches_are_put_together() {
        let bounds = |low: i64| BTreeMap::from([("transit_id".to_owned(), (low, low + 5))]);
        let batch = |batch: i32| BatchBounds { first: batch, last: batch, bounds: bounds(i64::from(batch) * 10) };
        let mut stats = ChunkStats::default();
        (1..=66).for_each(|number| stats.add(&ChunkStats { batches: vec![batch(number)], ..ChunkStats::default() }));
        let oldest = &stats.batches[0];
        assert_eq!((stats.batches.len(), oldest.first, oldest.last), (64, 1, 3));
        assert_eq!((oldest.bounds["transit_id"], stats.batches[1].bounds["transit_id"]), ((10, 35), (40, 45)));
        let mut unknown = batch(1);
        unknown.widen(&BatchBounds { bounds: BTreeMap::new(), ..batch(2) });
        assert_eq!(unknown.bounds, BTreeMap::new());
    }
}
