//! Which chunks a query can skip, from its filters and the manifest alone.

use std::ops::RangeInclusive;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use spolia_catalogue::{BatchBounds, Chunk, ChunkStats, TableDef};
use spolia_sky::{Cone, PIXEL_ORDER, PixelRanges, Position, Zone};

use crate::near::{Near, number};
use crate::region::polygon_of;

/// Regions kept per filter at most; beyond, the rest prunes nothing.
const MAX_REGIONS: usize = 16;

/// Rows that a table has of one shard key, where it has several.
pub(crate) const ROWS_OF_A_KEY: f64 = 100.0;

/// Why a chunk need not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// It holds no row of the table.
    NoRows,
    /// No id in the query has its pixel there.
    OutsideIds,
    /// None of its rows lies in the region.
    OutsideRegion,
    /// In every batch there some column's minimum and maximum, this one's for instance, lie outside the query's.
    OutsideBounds(String),
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoRows => write!(f, "no rows"),
            Self::OutsideIds => write!(f, "no asked id lies there"),
            Self::OutsideRegion => write!(f, "outside the region"),
            Self::OutsideBounds(column) => write!(f, "outside the bounds of {column}"),
        }
    }
}

/// What filters demand of every row: a necessary condition, never a sufficient one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demand {
    /// Allowed values by column (of timestamps in microseconds since 1970, of dates in days): sorted, disjoint ranges.
    keys: Vec<(String, Vec<RangeInclusive<i64>>)>,
    /// Pixels of regions that the row's position lies in, all of them.
    regions: Vec<PixelRanges>,
    /// The longitudes and latitudes allowed, if any are bounded, until their pixels are known as well.
    zone: Option<Zone>,
}

impl Demand {
    /// What all `filters` together demand of rows of `table`.
    pub(crate) fn of(table: &TableDef, filters: &[Expr]) -> Self {
        let mut all = filters.iter().map(|filter| demand(table, filter)).fold(Self::default(), Self::and);
        all.regions.extend(all.zone.take().map(|zone| zone.pixel_ranges(zone.cover_order())));
        all
    }

    /// Why `chunk` can be skipped; nothing when it must be asked.
    pub(crate) fn skips(&self, table: &TableDef, chunk: &Chunk, stats: Option<&ChunkStats>) -> Option<SkipReason> {
        let Some(stats) = stats.filter(|stats| stats.rows > 0) else { return Some(SkipReason::NoRows) };
        for (column, ranges) in &self.keys {
            if *column == table.shard_key && !ranges.iter().any(|range| falls_into(range, chunk)) {
                return Some(SkipReason::OutsideIds);
            }
        }
        let outside: Option<Vec<&str>> = stats.batches.iter().map(|batch| self.outside(batch)).collect();
        if let Some(column) = outside.and_then(|columns| columns.first().copied()) {
            return Some(SkipReason::OutsideBounds(column.to_owned()));
        }
        if self.regions.is_empty() || table.position.is_none() {
            return None;
        }
        let positions = stats.positions();
        self.regions.iter().any(|region| !positions.overlaps(region)).then_some(SkipReason::OutsideRegion)
    }

    /// The column whose bounds say that no row of some batches is wanted, if there is one.
    fn outside(&self, batch: &BatchBounds) -> Option<&str> {
        let outside = |(column, ranges): &&(String, Vec<RangeInclusive<i64>>)| {
            let bounds = batch.bounds.get(column);
            bounds.is_some_and(|(low, high)| !ranges.iter().any(|range| range.start() <= high && low <= range.end()))
        };
        self.keys.iter().find(outside).map(|(column, _)| column.as_str())
    }

    /// The batches that may have wanted rows in chunks of these contents; nothing where all may.
    pub(crate) fn batches<'a>(&self, chunks: impl Iterator<Item = &'a ChunkStats>) -> Option<Vec<RangeInclusive<i64>>> {
        let range = |batch: &BatchBounds| i64::from(batch.first)..=i64::from(batch.last);
        let (outside, wanted): (Vec<_>, Vec<_>) =
            chunks.flat_map(|stats| &stats.batches).partition(|batch| self.outside(batch).is_some());
        let wanted = union(wanted.into_iter().map(range).collect());
        let is_wanted = |batch: &&BatchBounds| wanted.iter().any(|held| held.contains(&i64::from(batch.first)));
        (!outside.iter().all(is_wanted)).then_some(wanted)
    }

    /// Why the part of the sky that a chunk is can be skipped, whatever the ids of the rows there.
    pub(crate) fn skips_part(&self, chunk: &Chunk) -> Option<SkipReason> {
        let part = PixelRanges::new(PIXEL_ORDER, vec![chunk.pixels.clone()]);
        self.regions.iter().any(|region| !region.overlaps(&part)).then_some(SkipReason::OutsideRegion)
    }

    /// About how many rows of a table, of which chunks have so many, it leaves at most.
    pub(crate) fn expected<'a>(&self, table: &TableDef, chunks: impl Iterator<Item = &'a ChunkStats>) -> f64 {
        let keys = self.keys.iter().find(|(column, _)| *column == table.shard_key);
        let of_a_key = if table.transits_of.is_some() { ROWS_OF_A_KEY } else { 1.0 };
        let width = |range: &RangeInclusive<i64>| (*range.end() as f64 - *range.start() as f64 + 1.0) * of_a_key;
        let by_keys = keys.map_or(f64::INFINITY, |(_, ranges)| ranges.iter().map(width).sum());
        let smallest = self.regions.iter().map(PixelRanges::sky_fraction).reduce(f64::min);
        let in_regions = |stats: &ChunkStats| {
            let part = smallest.map_or(1.0, |smallest| (smallest / stats.positions().sky_fraction()).min(1.0));
            stats.rows as f64 * part
        };
        chunks.map(in_regions).sum::<f64>().min(by_keys)
    }

    /// Pixel covers of the regions, for a range scan of `hpx29` inside a node.
    pub(crate) fn covers(&self) -> &[PixelRanges] {
        &self.regions
    }

    fn and(mut self, other: Self) -> Self {
        for (column, ranges) in other.keys {
            match self.keys.iter_mut().find(|(name, _)| *name == column) {
                Some((_, held)) => *held = intersect(held, &ranges),
                None => self.keys.push((column, ranges)),
            }
        }
        self.regions.extend(other.regions);
        self.regions.truncate(MAX_REGIONS);
        self.zone = match (self.zone, other.zone) {
            (Some(a), Some(b)) => Some(a.intersection(b)),
            (a, b) => a.or(b),
        };
        self
    }

    /// Either side may hold, so only what both demand of the same column remains.
    fn or(self, other: Self) -> Self {
        let union = |(column, ranges): (String, Vec<RangeInclusive<i64>>)| {
            let (_, more) = other.keys.iter().find(|(name, _)| *name == column)?;
            Some((column, union([ranges, more.clone()].concat())))
        };
        Self { keys: self.keys.into_iter().filter_map(union).collect(), ..Self::default() }
    }
}

/// True when an id in `range` has its pixel in the chunk; negative ids belong to chunk 0.
fn falls_into(range: &RangeInclusive<i64>, chunk: &Chunk) -> bool {
    let shift = 35 + 2 * (12 - u32::from(PIXEL_ORDER));
    if chunk.chunk == 0 {
        return *range.start() < 0;
    }
    let first = (*range.start()).max(0) as u64 >> shift;
    *range.end() >= 0 && first < chunk.pixels.end && chunk.pixels.start <= *range.end() as u64 >> shift
}

fn demand(table: &TableDef, filter: &Expr) -> Demand {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            demand(table, left).and(demand(table, right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => demand(table, left).or(demand(table, right)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let cover = cone(table, filter).map(|cone| cone.pixel_ranges(cone.cover_order()));
            let cover = cover.or_else(|| polygon(table, left, *op, right)).or_else(|| polygon(table, right, *op, left));
            match cover {
                Some(cover) => Demand { regions: vec![cover], ..Demand::default() },
                None => comparison(table, left, *op, right)
                    .or_else(|| comparison(table, right, op.swap()?, left))
                    .unwrap_or_default(),
            }
        }
        Expr::Between(between) if !between.negated => {
            let low = comparison(table, &between.expr, Operator::GtEq, &between.low).unwrap_or_default();
            low.and(comparison(table, &between.expr, Operator::LtEq, &between.high).unwrap_or_default())
        }
        Expr::InList(list) if !list.negated => {
            let points = list.list.iter().map(|item| integer(item).map(|v| v..=v)).collect::<Option<Vec<_>>>();
            match (bounded_column(table, &list.expr), points) {
                (Some(column), Some(points)) => Demand { keys: vec![(column, union(points))], ..Demand::default() },
                _ => Demand::default(),
            }
        }
        _ => Demand::default(),
    }
}

/// The demand of `left op right`, where `right` is a literal.
fn comparison(table: &TableDef, left: &Expr, op: Operator, right: &Expr) -> Option<Demand> {
    if let (Some(column), Some(value)) = (bounded_column(table, left), integer(right)) {
        let range = match op {
            Operator::Eq => value..=value,
            Operator::Lt => i64::MIN..=value.checked_sub(1)?,
            Operator::LtEq => i64::MIN..=value,
            Operator::Gt => value.checked_add(1)?..=i64::MAX,
            Operator::GtEq => value..=i64::MAX,
            _ => return None,
        };
        return Some(Demand { keys: vec![(column, vec![range])], ..Demand::default() });
    }
    let zone = zone(table, left, op, number(right)?)?;
    Some(Demand { zone: Some(zone), ..Demand::default() })
}

/// A point that the table's own position is near.
fn cone(table: &TableDef, filter: &Expr) -> Option<Cone> {
    let Near { a, b, radius_deg } = Near::of(filter)?;
    let centre = match (is_degrees_of_position(table, a.each_ref()), is_degrees_of_position(table, b.each_ref())) {
        (true, _) => b,
        (_, true) => a,
        _ => return None,
    };
    Cone::new(Position::from_degrees(number(&centre[0])?, number(&centre[1])?).ok()?, radius_deg).ok()
}

/// The pixels of a polygon that the table's own position lies in.
fn polygon(table: &TableDef, call: &Expr, op: Operator, value: &Expr) -> Option<PixelRanges> {
    let (Expr::ScalarFunction(call), Operator::Eq, Some(1.0)) = (call, op, number(value)) else { return None };
    let (position, polygon) = polygon_of(call)?;
    is_degrees_of_position(table, position).then(|| polygon.pixel_ranges(polygon.cover_order()))
}

/// True for `degrees(alpha), degrees(delta)` of the table's position columns.
fn is_degrees_of_position(table: &TableDef, [lon, lat]: [&Expr; 2]) -> bool {
    let names = |expr: &Expr| match expr {
        Expr::ScalarFunction(call) if call.name() == "degrees" => match call.args.as_slice() {
            [Expr::Column(column)] => Some(column.name.clone()),
            _ => None,
        },
        _ => None,
    };
    table
        .position
        .as_ref()
        .is_some_and(|own| names(lon).as_ref() == Some(&own.lon) && names(lat).as_ref() == Some(&own.lat))
}

/// The zone of a plain comparison of a position column (radians) with a number.
fn zone(table: &TableDef, left: &Expr, op: Operator, value: f64) -> Option<Zone> {
    let (position, Expr::Column(column)) = (table.position.as_ref()?, left) else { return None };
    let (low, high) = match op {
        Operator::Eq => (value, value),
        Operator::Lt | Operator::LtEq => (f64::NEG_INFINITY, value),
        Operator::Gt | Operator::GtEq => (value, f64::INFINITY),
        _ => return None,
    };
    // Ingest refuses longitudes outside [0, 2 pi), so a bound on the column is a bound on the sky.
    if column.name == position.lon {
        Some(Zone::SKY.intersection(Zone { lon_min: low, lon_max: high, ..Zone::SKY }))
    } else if column.name == position.lat {
        Some(Zone::SKY.intersection(Zone { lat_min: low, lat_max: high, ..Zone::SKY }))
    } else {
        None
    }
}

fn bounded_column(table: &TableDef, expr: &Expr) -> Option<String> {
    let Expr::Column(column) = expr else { return None };
    let declared = table.column(&column.name)?;
    declared.may_be_bounded().then(|| column.name.clone())
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        Expr::Literal(ScalarValue::Int32(value), _) => value.map(i64::from),
        Expr::Literal(ScalarValue::TimestampMicrosecond(value, None), _) => *value,
        Expr::Literal(ScalarValue::Date32(value), _) => value.map(i64::from),
        _ => None,
    }
}

fn union(mut ranges: Vec<RangeInclusive<i64>>) -> Vec<RangeInclusive<i64>> {
    ranges.sort_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<i64>> = Vec::with_capacity(ranges.len());
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match joined.last_mut() {
            Some(last) if range.start() <= last.end() => *last = *last.start()..=*last.end().max(range.end()),
            _ => joined.push(range),
        }
    }
    joined
}

fn intersect(a: &[RangeInclusive<i64>], b: &[RangeInclusive<i64>]) -> Vec<RangeInclusive<i64>> {
    let (mut i, mut j, mut common) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (low, high) = (*x.start().max(y.start()), *x.end().min(y.end()));
        if low <= high {
            common.push(low..=high);
        }
        if x.end() <= y.end() { i += 1 } else { j += 1 }
    }
    common
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datafusion::prelude::{col, lit};
    use spolia_catalogue::{ColumnDef, ColumnType};

    use super::*;
    use crate::sharded_table::tests::{batches, source_table, transit_table};

    const ID: i64 = 3425114617586286848;

    fn chunks() -> Vec<(Chunk, ChunkStats)> {
        let pixel = ID as u64 >> 35;
        let cut = [0..0, 0..pixel, pixel..pixel + 1, pixel + 1..spolia_sky::PIXELS];
        let stats = |pixels: &std::ops::Range<u64>| ChunkStats {
            rows: 5,
            moc_order: 8,
            moc: if pixels.is_empty() { vec![0..1] } else { vec![pixels.start >> 8..((pixels.end - 1) >> 8) + 1] },
            ..ChunkStats::default()
        };
        let chunk = |(i, pixels)| Chunk { chunk: i, pixels, group: 0, tables: BTreeMap::new() };
        (0..).zip(cut).map(chunk).map(|chunk| (chunk.clone(), stats(&chunk.pixels))).collect()
    }

    fn asked(filters: &[Expr]) -> Vec<i32> {
        let table = source_table();
        let demand = Demand::of(&table, filters);
        let asked = |(chunk, stats): &(Chunk, ChunkStats)| {
            demand.skips(&table, chunk, Some(stats)).is_none().then_some(chunk.chunk)
        };
        chunks().iter().filter_map(asked).collect()
    }

    #[test]
    fn ids_lead_to_their_chunks() {
        assert_eq!(asked(&[]), [0, 1, 2, 3]);
        assert_eq!(asked(&[col("source_id").eq(lit(ID))]), [2]);
        assert_eq!(asked(&[lit(ID).eq(col("source_id"))]), [2]);
        assert_eq!(asked(&[col("source_id").in_list(vec![lit(-3i64), lit(ID)], false)]), [0, 2]);
        assert_eq!(asked(&[col("source_id").between(lit(ID - 1), lit(ID + (1 << 36)))]), [2, 3]);
        assert_eq!(asked(&[col("source_id").lt(lit(0i64))]), [0]);
        assert_eq!(asked(&[col("source_id").eq(lit(ID)).or(col("source_id").lt(lit(0i64)))]), [0, 2]);
        assert_eq!(asked(&[col("source_id").eq(lit(ID)).or(col("alpha").gt(lit(1.0)))]), [0, 1, 2, 3]);
        assert_eq!(asked(&[col("source_id").eq(lit(ID)), col("source_id").eq(lit(1i64))]), [] as [i32; 0]);
        assert_eq!(asked(&[col("source_id").in_list(vec![lit(ID)], true)]), [0, 1, 2, 3]);
    }

    #[test]
    fn times_and_days_skip_chunks() {
        let mut table = source_table();
        let mut add = |name: &str, column_type| {
            table.columns.push(ColumnDef { name: name.to_owned(), column_type, ..table.columns[3].clone() });
        };
        add("seen", ColumnType::Date);
        add("at", ColumnType::Timestamp);
        let (chunk, mut stats) = chunks().remove(1);
        let bounds = BTreeMap::from([("seen".to_owned(), (-3, 5)), ("at".to_owned(), (-3_000, 5_000))]);
        stats.batches = vec![BatchBounds { first: 1, last: 1, bounds }];
        let skips = |filter: Expr| Demand::of(&table, &[filter]).skips(&table, &chunk, Some(&stats));
        let day = |day| lit(ScalarValue::Date32(Some(day)));
        let time = |us| lit(ScalarValue::TimestampMicrosecond(Some(us), None));
        for (filter, column) in [
            (col("seen").gt(day(5)), "seen"),
            (col("seen").between(day(-9), day(-4)), "seen"),
            (day(6).eq(col("seen")), "seen"),
            (col("at").lt(time(-3_000)), "at"),
        ] {
            assert_eq!(skips(filter), Some(SkipReason::OutsideBounds(column.to_owned())));
        }
        assert_eq!(skips(col("seen").gt_eq(day(5)).and(col("at").gt(time(4_999)))), None);
    }

    #[test]
    fn batches_are_skipped_one_by_one_and_a_chunk_when_all_are() {
        let table = transit_table();
        let chunk = chunks().remove(1).0;
        let stats = ChunkStats { rows: 5, batches: batches(), ..ChunkStats::default() };
        let first = ChunkStats { batches: batches()[..1].to_vec(), ..stats.clone() };
        let demand = |filter: Expr| Demand::of(&table, &[filter]);
        let id = || col("transit_id");
        for (filter, wanted) in [
            (id().gt(lit(200i64)), Some(vec![2..=2])),
            (id().lt(lit(150i64)), Some(vec![1..=1])),
            (id().eq(lit(150i64)).or(id().eq(lit(300i64))), None),
            (id().in_list(vec![lit(20i64), lit(140i64)], false), Some(vec![1..=1])),
            (id().not_eq(lit(150i64)), None),
        ] {
            let demand = demand(filter);
            assert_eq!(demand.skips(&table, &chunk, Some(&stats)), None);
            assert_eq!(demand.batches([&stats].into_iter()), wanted);
        }
        assert_eq!(demand(id().gt(lit(200i64))).batches([&first, &stats].into_iter()), Some(vec![2..=2]));
        let outside = Some(SkipReason::OutsideBounds("transit_id".to_owned()));
        assert_eq!(demand(id().gt(lit(200i64))).skips(&table, &chunk, Some(&first)), outside);
        assert_eq!(demand(id().gt(lit(400i64))).skips(&table, &chunk, Some(&stats)), outside);
    }

    #[test]
    fn regions_and_bounds_skip_chunks() {
        let seed = [
            col("alpha").lt(lit(1.61835)),
            col("alpha").gt(lit(1.61815)),
            col("delta").between(lit(0.40185), lit(0.40205)),
        ];
        assert!(!asked(&seed).contains(&0) && asked(&seed).contains(&2));
        assert_eq!(asked(&[col("transit_id").gt(lit(200i64))]), [0, 1, 2, 3], "not a column of this table");
        let table = source_table();
        let skipped = Demand::of(&table, &[col("alpha").gt(lit(0.0))]).skips(&table, &chunks()[1].0, None);
        assert_eq!(skipped, Some(SkipReason::NoRows));
    }
}
