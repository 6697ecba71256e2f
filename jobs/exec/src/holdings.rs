//! What the collections hold: the rows of their tables, and where on the sky these are.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use spolia_catalogue::{CatalogueError, Collection, Edition, Manifest};
use spolia_sky::PixelRanges;

use crate::access::Act;
use crate::archive::Archive;
use crate::error::ExecError;

/// Pixels of this order, about a degree wide, say where a collection's rows are: what VODataService 1.2 section 3.2 advises for
/// registries.
const COVERAGE_ORDER: u8 = 6;

/// What a collection holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Holdings {
    /// The collection.
    pub collection: Collection,
    /// The rows of each table, by `collection.table`.
    pub rows: BTreeMap<String, u64>,
    /// Where rows with positions are, ICRS, HEALPix order 6; never too narrow.
    pub coverage: PixelRanges,
    /// When its first rows became visible.
    pub available: DateTime<Utc>,
    /// When rows last became visible, or were replaced.
    pub updated: DateTime<Utc>,
}

impl Archive {
    /// Tells one state of what the archive holds from another; nothing before the first ingest.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn edition(&self) -> Result<Option<Edition>, ExecError> {
        Ok(self.router().control().edition(None).await?)
    }

    /// What the collections hold that may be queried, by their names; collections that never had rows are not among them.
    ///
    /// # Errors
    /// When the control node fails.
    pub async fn holdings(&self) -> Result<Vec<Holdings>, ExecError> {
        let epoch = match self.open_epoch(None, Act::Query).await {
            Ok(epoch) => epoch,
            Err(ExecError::Catalogue(CatalogueError::Empty)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let published = self.router().control().published().await?;
        let of = |collection: &Collection| {
            let (available, updated) = *published.get(&collection.name)?;
            let (rows, coverage) = held(collection, epoch.snapshot.manifest());
            Some(Holdings { collection: collection.clone(), rows, coverage, available, updated })
        };
        Ok(epoch.snapshot.collections().iter().filter_map(of).collect())
    }
}

fn held(collection: &Collection, manifest: &Manifest) -> (BTreeMap<String, u64>, PixelRanges) {
    let names = collection.tables.iter().map(|table| format!("{}.{}", collection.name, table.name));
    let mut rows: BTreeMap<String, u64> = names.map(|name| (name, 0)).collect();
    let mut pixels = Vec::new();
    for (table, stats) in manifest.chunks.iter().flat_map(|chunk| &chunk.tables) {
        let Some(rows) = rows.get_mut(table) else { continue };
        *rows += u64::try_from(stats.rows).unwrap_or(0);
        pixels.extend_from_slice(stats.positions().covering(COVERAGE_ORDER).as_slice());
    }
    (rows, PixelRanges::new(COVERAGE_ORDER, pixels))
}

#[cfg(test)]
mod tests {
    use spolia_catalogue::{Chunk, ChunkStats, Visibility};

    use super::*;

    #[test]
    fn rows_and_positions_of_all_chunks_count() {
        let table = r#"{"name": "t", "description": "", "class": "T", "object": "T", "shard_key": "k", "column": []}"#;
        let collection = format!(r#"{{"name": "c", "description": "", "table": [{table}]}}"#);
        let collection: Collection = serde_json::from_str(&collection).unwrap();
        let stats = |rows, moc_order, moc| ChunkStats { rows, moc_order, moc, ..ChunkStats::default() };
        let chunk = |chunk, name: &str, stats| Chunk {
            chunk,
            pixels: 0..1,
            group: 0,
            tables: BTreeMap::from([(name.to_owned(), stats)]),
        };
        let chunks = vec![
            chunk(1, "c.t", stats(3, 8, vec![32..33])),
            chunk(2, "c.t", stats(4, 6, vec![7..9])),
            chunk(3, "other.t", stats(5, 6, vec![90..91])),
        ];
        let (rows, coverage) = held(&collection, &Manifest { epoch: 1, visibility: Visibility::default(), chunks });
        assert_eq!(rows, BTreeMap::from([("c.t".to_owned(), 7)]));
        assert_eq!(coverage.as_slice(), &[2..3, 7..9]);
    }
}
