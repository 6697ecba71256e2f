//! Joins that nodes do by themselves: on the shard key, for what joins lies together, or of what lies on one node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, when};

use super::expression::{column_number, condition, render};
use super::fragment::{Fragment, Merge, Numbers, column, outputs, renumbered, same_types};
use super::neighbours::Neighbours;
use super::statement::{Condition, From, Select, SqlColumn};
use crate::prune::ROWS_OF_A_KEY;

/// Which side's rows stay where the other side has none for them.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Inner,
    Left,
    Right,
    Full,
    /// Rows of the left that have a match, or have none.
    Exists {
        negated: bool,
    },
}

/// The fragment of a join; nothing where nodes cannot make it.
pub(crate) fn join(join: &Join, left: &Fragment, right: &Fragment, numbers: &Numbers) -> Option<Fragment> {
    let (kind, swapped) = match join.join_type {
        _ if join.null_aware => return None,
        JoinType::Inner => (Kind::Inner, false),
        JoinType::Left => (Kind::Left, false),
        JoinType::Right => (Kind::Right, false),
        JoinType::Full => (Kind::Full, false),
        JoinType::LeftSemi => (Kind::Exists { negated: false }, false),
        JoinType::LeftAnti => (Kind::Exists { negated: true }, false),
        JoinType::RightSemi => (Kind::Exists { negated: false }, true),
        JoinType::RightAnti => (Kind::Exists { negated: true }, true),
        JoinType::LeftMark | JoinType::RightMark => return None,
    };
    if !left.may_grow() || !right.may_grow() || !Arc::ptr_eq(&left.epoch, &right.epoch) {
        return None;
    }
    let mut sides = Sides::new(join, left.clone(), right.clone(), kind, numbers)?;
    let mut neighbours = Neighbours::of(join, &sides.left, &sides.right);
    if swapped {
        std::mem::swap(&mut sides.left, &mut sides.right);
        sides.on.iter_mut().for_each(|(a, b)| std::mem::swap(a, b));
        neighbours.iter_mut().for_each(Neighbours::swap);
    }
    sides.joined(join, kind, swapped, neighbours, numbers)
}

/// Where a join is made.
#[derive(PartialEq)]
enum Place {
    /// In each chunk, for rows of equal shard keys lie together.
    InChunks,
    /// In these chunks, for each sees all that is near the positions in its part of the sky.
    InSight(BTreeSet<i32>),
    /// Where the left side's rows lie, for every node has the right side.
    WithLeft,
    /// The other way round.
    WithRight,
    /// On every node alike.
    Everywhere,
    /// On the one node that has all of it.
    OnOneNode,
}

/// The two sides, and the pairs that are equal, over their columns.
pub(crate) struct Sides {
    pub left: Fragment,
    pub right: Fragment,
    on: Vec<(Expr, Expr)>,
}

impl Sides {
    fn new(join: &Join, mut left: Fragment, mut right: Fragment, kind: Kind, numbers: &Numbers) -> Option<Self> {
        let (is_left_nullable, is_right_nullable) =
            (matches!(kind, Kind::Right | Kind::Full), matches!(kind, Kind::Left | Kind::Full));
        for (side, nullable) in [(&mut left, is_left_nullable), (&mut right, is_right_nullable)] {
            side.open(numbers);
            // What is computed of columns that are NULL may be something.
            if nullable {
                side.make_plain(numbers);
            }
            // What PostgreSQL joins in full must have nothing but equalities beside it.
            if kind == Kind::Full && !side.select.conditions.is_empty() {
                side.make_plain(numbers);
                side.nest_conditions(numbers);
            }
        }
        let pair = |(a, b): &(Expr, Expr)| {
            Some((left.resolved(a, join.left.schema())?, right.resolved(b, join.right.schema())?))
        };
        let on = join.on.iter().map(pair).collect::<Option<Vec<_>>>()?;
        Some(Self { left, right, on })
    }

    /// True when a pair is of shard keys, so that rows that match lie in the same chunk.
    fn on_keys(&self) -> bool {
        let is_key = |side: &Fragment, expr: &Expr| column_number(expr).is_some_and(|c| side.keys.contains(&c));
        self.on.iter().any(|(a, b)| is_key(&self.left, a) && is_key(&self.right, b))
    }

    /// Where the join is made; nothing where no node has what it takes.
    fn place(&mut self, kind: Kind, neighbours: Option<&Neighbours>) -> Option<Place> {
        if self.on_keys() && !self.left.whole && !self.right.whole {
            return Some(Place::InChunks);
        }
        match (self.left.everywhere, self.right.everywhere, kind) {
            (true, true, _) => return Some(Place::Everywhere),
            (false, true, Kind::Inner | Kind::Left | Kind::Exists { .. }) => return Some(Place::WithLeft),
            (true, false, Kind::Inner | Kind::Right) => return Some(Place::WithRight),
            _ => {}
        }
        if let Some(chunks) = neighbours.and_then(|neighbours| neighbours.by_chunk(self, kind)) {
            return Some(Place::InSight(chunks));
        }
        let nodes: BTreeSet<i32> = self.not_everywhere().flat_map(Fragment::groups).collect();
        (nodes.len() == 1).then_some(Place::OnOneNode)
    }

    /// The sides that only some nodes have.
    fn not_everywhere(&self) -> impl Iterator<Item = &Fragment> {
        [&self.left, &self.right].into_iter().filter(|side| !side.everywhere)
    }

    fn joined(
        mut self,
        join: &Join,
        kind: Kind,
        swapped: bool,
        neighbours: Option<Neighbours>,
        numbers: &Numbers,
    ) -> Option<Fragment> {
        let place = self.place(kind, neighbours.as_ref())?;
        let (mut on, filter) = self.conditions(join, kind, swapped)?;
        if let Some(neighbours) = neighbours.filter(|_| place != Place::InChunks && kind != Kind::Full) {
            on.extend(matches!(place, Place::InSight(_)).then(|| neighbours.same_chunk()));
            on.extend(neighbours.same_cells(&mut self, kind, numbers));
        }
        let (left, right) = (&self.left, &self.right);
        let chunks = self.chunks(&place, kind);
        let mut skipped = right.skipped.clone();
        skipped.extend(left.skipped.clone());
        skipped.retain(|chunk, _| !chunks.contains(chunk));
        let whole = match place {
            Place::OnOneNode => true,
            Place::WithLeft => left.whole,
            Place::WithRight => right.whole,
            _ => false,
        };
        Some(Fragment {
            outputs: self.outputs(kind)?,
            epoch: Arc::clone(&left.epoch),
            keys: self.keys(&place, kind),
            merge: Merge::Any,
            everywhere: place == Place::Everywhere,
            tables: [left.tables.clone(), right.tables.clone()].concat(),
            expected: self.expected(kind),
            covers: [left.covers.clone(), right.covers.clone()].concat(),
            select: self.select(kind, on, filter),
            chunks,
            skipped,
            whole,
        })
    }

    /// The chunks that may have rows of the join.
    fn chunks(&self, place: &Place, kind: Kind) -> BTreeSet<i32> {
        let (left, right) = (&self.left.chunks, &self.right.chunks);
        match place {
            Place::InSight(chunks) => chunks.clone(),
            Place::WithLeft | Place::Everywhere => left.clone(),
            Place::WithRight => right.clone(),
            Place::OnOneNode => self.not_everywhere().flat_map(|side| side.chunks.clone()).collect(),
            Place::InChunks => match kind {
                Kind::Inner | Kind::Exists { negated: false } => left & right,
                Kind::Left | Kind::Exists { negated: true } => left.clone(),
                Kind::Right => right.clone(),
                Kind::Full => left | right,
            },
        }
    }

    /// The columns that are equal to the shard key of the chunk's rows.
    fn keys(&self, place: &Place, kind: Kind) -> Vec<usize> {
        // Pairs lie where their positions do, which need not be where their ids say.
        if matches!(place, Place::InSight(_)) {
            return Vec::new();
        }
        let shift = self.left.select.columns.len();
        let left = self.left.keys.iter().copied().filter(|_| !matches!(kind, Kind::Right | Kind::Full));
        let right = self.right.keys.iter().map(|key| key + shift);
        left.chain(right.filter(|_| matches!(kind, Kind::Inner | Kind::Right))).collect()
    }

    /// About how many rows there are at most, where a key has no more than [`ROWS_OF_A_KEY`].
    fn expected(&self, kind: Kind) -> f64 {
        let (left, right) = (self.left.expected, self.right.expected);
        let matched = (left.min(right) * ROWS_OF_A_KEY).min(left.max(right));
        match kind {
            Kind::Inner => matched,
            Kind::Left => matched.max(left),
            Kind::Right => matched.max(right),
            Kind::Full => left + right,
            Kind::Exists { .. } => left,
        }
    }

    /// The equalities, and what else must hold of two rows that match; nothing where a node cannot tell.
    fn conditions(&self, join: &Join, kind: Kind, swapped: bool) -> Option<(Vec<Condition>, Vec<Condition>)> {
        let (left, right) = (&self.left.select.columns, &self.right.select.columns);
        let nulls = join.null_equality == NullEquality::NullEqualsNull;
        let pair = |(a, b): &(Expr, Expr)| {
            let nullable = |side: &[SqlColumn], expr: &Expr| {
                column_number(expr).is_none_or(|number| side[number].field.is_nullable())
            };
            let (nullable, a, b) = (nullable(left, a) && nullable(right, b), render(a, left)?, render(b, right)?);
            // Nodes have no quick way to find what is not distinct.
            let word = if nulls && nullable { "IS NOT DISTINCT FROM" } else { "=" };
            (a.data_type == b.data_type).then(|| (Condition::Sql(format!("({} {word} {})", a.sql, b.sql)), word))
        };
        let pairs = self.on.iter().map(pair).collect::<Option<Vec<_>>>()?;
        if kind == Kind::Full && (join.filter.is_some() || pairs.iter().any(|(_, word)| *word != "=")) {
            return None;
        }
        let on = pairs.into_iter().map(|(condition, _)| condition).collect();
        let Some(filter) = &join.filter else { return Some((on, Vec::new())) };
        // A filter sees the columns of the left and then those of the right, as the plan has them.
        let (first, second) = if swapped { (&self.right, &self.left) } else { (&self.left, &self.right) };
        let columns = [first.select.columns.clone(), second.select.columns.clone()].concat();
        let shift = first.select.columns.len();
        let mut both = first.clone();
        both.outputs.extend(second.outputs.iter().map(|output| renumbered(output, |number| number + shift)));
        let schema = join.left.schema().join(join.right.schema()).ok()?;
        let conjunct = |conjunct: &Expr| condition(&both.resolved(conjunct, &schema)?, &columns, &[]);
        let filter = split_conjunction(filter).into_iter().map(conjunct).collect::<Option<Vec<_>>>()?;
        Some((on, filter))
    }

    /// What the plan's columns are. Those that are computed above the nodes are NULL where a row has no match.
    fn outputs(&self, kind: Kind) -> Option<Vec<Expr>> {
        if matches!(kind, Kind::Exists { .. }) {
            return Some(self.left.outputs.clone());
        }
        let shift = self.left.select.columns.len();
        let left = self.left.outputs.iter().cloned();
        let right = self.right.outputs.iter().map(|output| renumbered(output, |number| number + shift));
        let matched = |keys: Vec<&Expr>, shift: usize| keys.into_iter().find_map(column_number).map(|key| key + shift);
        let nullable = |output: Expr, key: Option<usize>| match column_number(&output) {
            Some(_) => Some(output),
            None => when(column(key?).is_not_null(), output).end().ok(),
        };
        let left_key = matched(self.on.iter().map(|(a, _)| a).collect(), 0);
        let right_key = matched(self.on.iter().map(|(_, b)| b).collect(), shift);
        let left: Vec<Expr> = match kind {
            Kind::Right | Kind::Full => left.map(|output| nullable(output, left_key)).collect::<Option<_>>()?,
            _ => left.collect(),
        };
        let right: Vec<Expr> = match kind {
            Kind::Left | Kind::Full => right.map(|output| nullable(output, right_key)).collect::<Option<_>>()?,
            _ => right.collect(),
        };
        Some([left, right].concat())
    }

    fn select(self, kind: Kind, mut on: Vec<Condition>, filter: Vec<Condition>) -> Select {
        let (mut left, mut right) = (self.left.select, self.right.select);
        on.extend(filter);
        if let Kind::Exists { negated } = kind {
            right.conditions.extend(on);
            right.columns = Vec::new();
            left.conditions.push(Condition::Exists { negated, query: Box::new(right) });
            return left;
        }
        for (side, nullable) in [
            (&mut left, matches!(kind, Kind::Right | Kind::Full)),
            (&mut right, matches!(kind, Kind::Left | Kind::Full)),
        ] {
            if nullable {
                on.append(&mut side.conditions);
                for column in &mut side.columns {
                    column.origin = None;
                    column.field = Arc::new(Field::clone(&column.field).with_nullable(true));
                }
            }
        }
        let conditions = [left.conditions, right.conditions].concat();
        let columns = [left.columns, right.columns].concat();
        let (first, second, word) = match kind {
            Kind::Right => (right.from, left.from, "LEFT"),
            Kind::Left => (left.from, right.from, "LEFT"),
            Kind::Full => (left.from, right.from, "FULL"),
            _ => (left.from, right.from, "INNER"),
        };
        let from = From::Join { left: Box::new(first), right: Box::new(second), kind: word, on };
        Select { conditions, ..Select::new(from, columns) }
    }
}

impl Fragment {
    /// Puts the conditions into a SELECT of their own.
    fn nest_conditions(&mut self, numbers: &Numbers) {
        if !self.select.conditions.is_empty() {
            let select = self.select.clone();
            self.select = select.nested(numbers.next());
        }
    }
}

/// The rows of several fragments; nothing where nodes cannot put them together.
pub(crate) fn union(mut parts: Vec<Fragment>, numbers: &Numbers) -> Option<Fragment> {
    let first = parts.first()?.clone();
    let groups = first.groups();
    for part in &mut parts {
        let same_epoch = Arc::ptr_eq(&part.epoch, &first.epoch);
        if !same_epoch || !part.may_grow() || !part.settle(numbers) {
            return None;
        }
    }
    // What is everywhere would come from every node.
    let everywhere = parts.iter().all(|part| part.everywhere);
    if !everywhere && parts.iter().any(|part| part.everywhere) {
        return None;
    }
    // A node cannot be asked for what it does not know, not even for none of its rows.
    let scattered = parts.iter().any(|part| part.groups() != groups);
    if scattered && !first.epoch.known_everywhere {
        return None;
    }
    let whole = parts.iter().any(|part| part.whole);
    if whole && (!first.on_one_node() || parts.iter().any(|part| part.groups() != groups)) {
        return None;
    }
    let same = parts.windows(2).all(|pair| same_types(&pair[0].select, &pair[1].select));
    if !same {
        return None;
    }
    let chunks: BTreeSet<i32> = parts.iter().flat_map(|part| part.chunks.clone()).collect();
    let mut skipped: BTreeMap<_, _> = parts.iter().flat_map(|part| part.skipped.clone()).collect();
    skipped.retain(|chunk, _| !chunks.contains(chunk));
    let keys = parts.iter().map(|part| part.keys.clone());
    let keys =
        keys.reduce(|all, other| all.into_iter().filter(|key| other.contains(key)).collect()).unwrap_or_default();
    let tables = parts.iter().flat_map(|part| part.tables.clone()).collect();
    let expected = parts.iter().map(|part| part.expected).sum();
    let nullable: Vec<bool> = (0..first.outputs.len())
        .map(|place| parts.iter().any(|part| part.select.columns[place].field.is_nullable()))
        .collect();
    let mut select = Select::union(parts.into_iter().map(|part| part.select).collect(), numbers.next());
    for (column, nullable) in select.columns.iter_mut().zip(nullable) {
        column.field = Arc::new(Field::clone(&column.field).with_nullable(nullable));
    }
    let outputs = outputs(select.columns.len());
    let (epoch, merge) = (first.epoch, Merge::Any);
    let covers = Vec::new();
    Some(Fragment { select, outputs, epoch, chunks, skipped, keys, whole, merge, everywhere, tables, expected, covers })
}
