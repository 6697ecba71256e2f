//! Transits: passages of sources over the focal plane, with identifiers in Gaia's bit layout.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spolia_sky::TransitId;

use crate::make_gaia::stars::Star;

/// One passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transit {
    /// Its identifier; sorting by it is sorting by time.
    pub transit_id: i64,
    /// The source, which need not be archived.
    pub source_id: i64,
}

/// Transits of the first source of the reference archive's example, as printed there.
const EXAMPLE_SOURCE: i64 = 3_425_114_617_586_286_848;
const EXAMPLE_TRANSITS: [i64; 3] = [71_044_382_629_193_047, 71_048_474_888_300_196, 71_058_215_738_283_403];
/// Its first transit's time, microseconds since 1970 UTC: 2017-05-05T15:27:27.522425. The clock on board is taken to run
/// evenly from there.
const EXAMPLE_TIME_US: i64 = 1_493_998_047_522_425;
/// Two years of observation, in steps of the clock (204,800 ns).
const TWO_YEARS: i64 = 2 * 365 * 86_400 * 1_000_000_000 / 204_800;
/// One transit in this many belongs to no archived source.
const UNMATCHED: u32 = 200;

/// Draws `count` transits of the stars, in order of time.
pub fn draw(stars: &[Star], count: usize, random: &mut ChaCha8Rng) -> Vec<Transit> {
    let mut transits: Vec<Transit> = Vec::with_capacity(count);
    if stars.iter().any(|star| star.source_id == EXAMPLE_SOURCE) {
        transits.extend(EXAMPLE_TRANSITS.map(|transit_id| Transit { transit_id, source_id: EXAMPLE_SOURCE }));
    }
    let mut seen: std::collections::HashSet<i64> = transits.iter().map(|transit| transit.transit_id).collect();
    transits.truncate(count);
    while transits.len() < count && !stars.is_empty() {
        let transit = Transit { transit_id: transit_id(random), source_id: source_of(stars, random) };
        if seen.insert(transit.transit_id) {
            transits.push(transit);
        }
    }
    transits.sort_unstable();
    transits
}

/// The time of a transit, microseconds since 1970 UTC.
pub fn time_us(transit_id: i64) -> i64 {
    EXAMPLE_TIME_US + (TransitId(transit_id).obmt_ns() - TransitId(EXAMPLE_TRANSITS[0]).obmt_ns()) / 1000
}

fn transit_id(random: &mut ChaCha8Rng) -> i64 {
    let step = (EXAMPLE_TRANSITS[0] >> 17) + random.random_range(-TWO_YEARS..TWO_YEARS / 2);
    let field_of_view = random.random_range(0..2);
    let ccd_row = random.random_range(1..8);
    (step << 17) | (field_of_view << 15) | (ccd_row << 12) | random.random_range(14..1980)
}

fn source_of(stars: &[Star], random: &mut ChaCha8Rng) -> i64 {
    let star = stars[random.random_range(0..stars.len())];
    match random.random_range(0..UNMATCHED) {
        // A solar-system object.
        0 if random.random_bool(0.5) => -random.random_range(4_000_000_000..5_000_000_000),
        // A source that nobody archived, beside one that is.
        0 => star.source_id ^ (1 << 30),
        _ => star.source_id,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn transits_are_plausible_and_in_order() {
        let stars = crate::make_gaia::stars::read(None).unwrap();
        let transits = draw(&stars, 20_000, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(transits.len() == 20_000 && transits.is_sorted());
        let ids: Vec<TransitId> = transits.iter().map(|transit| TransitId(transit.transit_id)).collect();
        assert!(ids.iter().all(|id| id.field_of_view().is_some() && (1..8).contains(&id.ccd_row())));
        assert!(EXAMPLE_TRANSITS.iter().all(|id| ids.contains(&TransitId(*id))));
        let negative = transits.iter().filter(|transit| transit.source_id < 0).count();
        assert!((10..200).contains(&negative), "{negative} of solar-system objects");
        assert_eq!(draw(&stars, 20_000, &mut ChaCha8Rng::seed_from_u64(1)), transits);
    }

    #[test]
    fn the_printed_times_come_out() {
        // 17:14:01.677219 is printed for the second one; the clock's step is 0.2 ms.
        assert!((time_us(EXAMPLE_TRANSITS[1]) - 1_494_004_441_677_219).abs() < 10_000);
    }
}
