//! Laying out the chunks: contiguous pixel ranges that weigh alike, neighbours on different shard groups.

use std::collections::BTreeMap;
use std::ops::Range;

use spolia_catalogue::Chunk;
use spolia_sky::PIXELS;

/// Chunks for each shard group when an archive is first laid out: enough to spread and move, few enough to ask.
pub const CHUNKS_PER_GROUP: usize = 8;

/// Cuts the sky into chunks of about equal weight. `weights` are the rows known so far by their pixels of order 12 (sources and transits
/// alike, so that a source weighs as much as all that lies with it). Chunk 0 takes rows without a pixel.
pub fn lay_out_chunks(weights: &BTreeMap<u64, u64>, groups: i32) -> Vec<Chunk> {
    let groups = groups.max(1);
    let wanted = CHUNKS_PER_GROUP as u64 * groups as u64;
    let chunk = |number: usize, pixels| Chunk {
        chunk: number as i32,
        pixels,
        group: number as i32 % groups,
        tables: BTreeMap::new(),
    };
    let mut chunks = vec![chunk(0, 0..0)];
    chunks.extend(cut(weights, wanted).into_iter().enumerate().map(|(i, pixels)| chunk(i + 1, pixels)));
    chunks
}

/// Cuts all pixels into at most `wanted` ranges of about equal weight.
fn cut(weights: &BTreeMap<u64, u64>, wanted: u64) -> Vec<Range<u64>> {
    let total: u64 = weights.range(..PIXELS).map(|(_, weight)| weight).sum();
    if total == 0 {
        return (0..wanted).map(|i| PIXELS * i / wanted..PIXELS * (i + 1) / wanted).collect();
    }
    let mut ranges = Vec::new();
    let (mut start, mut seen) = (0, 0);
    for (pixel, weight) in weights.range(..PIXELS) {
        seen += weight;
        let goal = total * (ranges.len() as u64 + 1) / wanted;
        if seen >= goal && (ranges.len() as u64) < wanted - 1 {
            ranges.push(start..pixel + 1);
            start = pixel + 1;
        }
    }
    ranges.push(start..PIXELS);
    ranges.retain(|range| !range.is_empty());
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_sky_once_and_weigh_alike() {
        // Nine tenths of the rows in one corner of the sky, as in the plane of the Galaxy.
        let mut weights = BTreeMap::new();
        for i in 0..100_000u64 {
            *weights.entry(if i % 10 == 0 { i * 2000 } else { i }).or_default() += 1;
        }
        let chunks = lay_out_chunks(&weights, 4);
        assert_eq!((chunks.len(), chunks[0].pixels.clone()), (33, 0..0));
        assert_eq!((chunks[1].pixels.start, chunks[32].pixels.end), (0, PIXELS));
        assert!(
            chunks[1..]
                .windows(2)
                .all(|pair| pair[0].pixels.end == pair[1].pixels.start && pair[0].group != pair[1].group)
        );
        for chunk in &chunks[1..] {
            let held: u64 = weights.range(chunk.pixels.clone()).map(|(_, weight)| weight).sum();
            assert!((2500..4000).contains(&held), "{chunk:?} holds {held}");
        }
    }

    #[test]
    fn an_empty_archive_is_cut_evenly() {
        assert_eq!(lay_out_chunks(&BTreeMap::new(), 3).len(), 25);
    }
}
