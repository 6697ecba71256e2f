//! Joins of positions that are near each other, made by nodes.
//!
//! Nodes keep copies of the rows around each chunk (`margin_arcsec`). So each chunk by itself has, of the rows whose position lies in
//! its part of the sky, all neighbours: a pair belongs to the chunk where the position of its first row lies, whatever chunk the id of
//! that row says. Within a chunk, or on one node, rows meet by cells: a grid through the cube of the unit vectors, which has no
//! poles and no edges.

use std::collections::BTreeSet;

use datafusion::logical_expr::Join;
use spolia_sky::{HPX29_ORDER, PIXEL_ORDER, PixelRanges, Reach};

use super::cells::oriented;
use super::expression::{double, position};
use super::fragment::{Fragment, Numbers};
use super::join::{Kind, Sides};
use super::statement::{Condition, From, Rows};

/// Added to distances that are put into cells, of vectors of length 1: more than their rounding.
const SLACK: f64 = 1e-14;
/// How many times wider than the greatest distance cells are.
const WIDTH: f64 = 4.0;

/// Two tables whose rows must be near each other.
pub(crate) struct Neighbours {
    /// The number of the table of the left side, and that of the right.
    left: usize,
    right: usize,
    radius_deg: f64,
    /// The greatest difference of any coordinate of their unit vectors.
    reach: f64,
}

impl Neighbours {
    /// Of the sides of a join, if its condition is that the positions of two tables are near each other.
    pub(crate) fn of(join: &Join, left: &Fragment, right: &Fragment) -> Option<Self> {
        let near = oriented(join)?;
        let table = |side: &Fragment, schema, [lon, lat]: &[_; 2]| {
            position(&side.resolved(lon, schema)?, &side.resolved(lat, schema)?, &side.select.columns)
        };
        let (left, right) = (table(left, join.left.schema(), &near.a)?, table(right, join.right.schema(), &near.b)?);
        match Reach::of(near.radius_deg).ok()? {
            Reach::Near(squared) => {
                let reach = squared.sqrt() * (1.0 + SLACK) + SLACK;
                Some(Self { left, right, radius_deg: near.radius_deg, reach })
            }
            Reach::Far(_) | Reach::All => None,
        }
    }

    pub(crate) fn swap(&mut self) {
        std::mem::swap(&mut self.left, &mut self.right);
    }

    /// Has the sides look at the rows around their chunks too, and returns the chunks that pairs may lie in; nothing where a side is
    /// not a plain table, or keeps no margin that is wide enough.
    pub(crate) fn by_chunk(&self, sides: &mut Sides, kind: Kind) -> Option<BTreeSet<i32>> {
        let wide_enough = |side: &Fragment| match &side.select.from {
            From::Leaf(leaf) => leaf.table.definition().margin_arcsec.is_some_and(|m| self.radius_deg * 3600.0 <= m),
            _ => false,
        };
        if kind == Kind::Full || !wide_enough(&sides.left) || !wide_enough(&sides.right) {
            return None;
        }
        let (first, number, second) = match kind {
            Kind::Right => (&mut sides.right, self.right, &mut sides.left),
            _ => (&mut sides.left, self.left, &mut sides.right),
        };
        let chunks = first.chunks_in_sight(number);
        for (side, rows) in [(&mut *first, Rows::Within), (second, Rows::Around)] {
            if let From::Leaf(leaf) = &mut side.select.from {
                (leaf.rows, leaf.chunks) = (rows, chunks.clone());
            }
        }
        let within = format!("t{number}.hpx29 BETWEEN t{number}.spolia_low AND t{number}.spolia_high");
        first.select.conditions.push(Condition::Sql(within));
        Some(chunks)
    }

    /// The conditions by which rows of a chunk meet.
    pub(crate) fn same_chunk(&self) -> Condition {
        Condition::Sql(format!("t{}.spolia_chunk = t{}.spolia_chunk", self.left, self.right))
    }

    /// The conditions by which rows meet in cells. Each row of the side that need not stay stands in all cells within reach.
    pub(crate) fn same_cells(&self, sides: &mut Sides, kind: Kind, numbers: &Numbers) -> Vec<Condition> {
        let (one, many, side) = match kind {
            Kind::Right => (self.right, self.left, &mut sides.left),
            _ => (self.left, self.right, &mut sides.right),
        };
        let steps = numbers.next();
        let from = std::mem::replace(&mut side.select.from, From::Steps(steps));
        let (left, right) = (Box::new(from), Box::new(From::Steps(steps)));
        side.select.from = From::Join { left, right, kind: "INNER", on: Vec::new() };
        let (reach, width) = (double(self.reach), double(WIDTH * self.reach));
        let axis = |(axis, step): (&str, &str)| {
            let cell = |sign| format!("floor((t{many}.{axis} {sign} {reach}) / {width})");
            let (first, last) = (cell("-"), cell("+"));
            [
                format!("floor(t{one}.{axis} / {width}) = {first} + t{steps}.{step}"),
                format!("(t{steps}.{step} = 0 OR {last} > {first})"),
            ]
        };
        [("ux", "x"), ("uy", "y"), ("uz", "z")].into_iter().flat_map(axis).map(Condition::Sql).collect()
    }
}

impl Fragment {
    /// The chunks in whose part of the sky rows of a table may lie, whatever their ids say.
    fn chunks_in_sight(&self, leaf: usize) -> BTreeSet<i32> {
        let covers = || self.covers.iter().filter(|(number, _)| *number == leaf);
        let chunks = self.epoch.manifest.chunks.iter().filter(|chunk| {
            let part = PixelRanges::new(PIXEL_ORDER, vec![chunk.pixels.clone()]);
            !part.is_empty() && covers().all(|(_, cover)| cover.overlaps(&part))
        });
        chunks.map(|chunk| chunk.chunk).collect()
    }
}

/// The pixels of order 29 of a chunk's part of the sky: the first and the last.
pub(crate) fn part_of_the_sky(pixels: &std::ops::Range<u64>) -> (u64, u64) {
    let shift = 2 * u32::from(HPX29_ORDER - PIXEL_ORDER);
    (pixels.start << shift, (pixels.end << shift).saturating_sub(1))
}
