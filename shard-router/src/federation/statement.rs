//! A statement for nodes, before it is known which of them and for which chunks.
//!
//! It is a tree of SELECTs over leaves; a leaf stands for a table's partitions. [`Select::sql`] writes it down for some chunks.
//! An open SELECT has nothing but FROM, WHERE and columns, and may take more conditions and be joined; one that groups, orders or
//! limits is closed, and is put into the FROM of another before anything else is done with it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use spolia_catalogue::Manifest;

use super::neighbours::part_of_the_sky;
use crate::node_schema::{leaf, margin_leaf};
use crate::sharded_table::ShardedTable;

/// What a statement is written down for.
pub(crate) struct Part<'a> {
    /// The chunks that it reads; those of another node are not among them.
    pub chunks: &'a BTreeSet<i32>,
    pub manifest: &'a Manifest,
}

/// A column of a SELECT: its SQL in terms of what the FROM has, and what it is.
#[derive(Debug, Clone)]
pub(crate) struct SqlColumn {
    pub sql: String,
    pub field: FieldRef,
    /// The column of a leaf that it is, as long as conditions on it may choose chunks of that leaf.
    pub origin: Option<Origin>,
    /// True for a plain column, which is NULL where an outer join has no row for it.
    pub plain: bool,
}

/// A column of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    pub leaf: usize,
    pub column: String,
    /// What the column says of the row's position, if it does.
    pub angle: Option<Angle>,
}

/// An angle of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Angle {
    Longitude,
    Latitude,
}

/// A table in a statement.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// Its number, by which its columns' names begin: `t3.alpha`.
    pub number: usize,
    pub table: Arc<ShardedTable>,
    /// True where columns of the file that a row came from are wanted.
    pub with_file: bool,
    pub rows: Rows,
    /// The chunks that may hold rows that count.
    pub chunks: BTreeSet<i32>,
}

/// Which rows of a table are read for a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Those whose shard key belongs there.
    Own,
    /// Those whose position lies in its part of the sky.
    Within,
    /// Those, and what lies around it.
    Around,
    /// All of a table that every node has, whatever the chunk.
    All,
}

/// What a SELECT reads.
#[derive(Debug, Clone)]
pub(crate) enum From {
    Leaf(Leaf),
    Join {
        left: Box<From>,
        right: Box<From>,
        kind: &'static str,
        on: Vec<Condition>,
    },
    /// A SELECT, and the number that its columns' names begin by.
    Nested(Box<Select>, usize),
    /// The rows of all of them.
    Union(Vec<Select>, usize),
    /// Ranges of pixels, as columns `low` and `high`.
    Ranges(Vec<Range<u64>>, usize),
    /// Every step from one cell to the next, along any axis, as columns `x`, `y` and `z`.
    Steps(usize),
}

/// Something that rows must satisfy.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Sql(String),
    /// The value is one of these ids, of which each node gets those that may lie there.
    Ids {
        sql: String,
        ids: Arc<Vec<i64>>,
    },
    /// There is a row, or none.
    Exists {
        negated: bool,
        query: Box<Select>,
    },
}

/// One SELECT.
#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub from: From,
    pub conditions: Vec<Condition>,
    pub columns: Vec<SqlColumn>,
    /// Nothing where rows are not grouped; no expression where all of them are one group.
    pub group_by: Option<Vec<String>>,
    pub order_by: Vec<String>,
    pub limit: Option<usize>,
    pub offset: usize,
}

impl Select {
    pub(crate) fn new(from: From, columns: Vec<SqlColumn>) -> Self {
        Self { from, conditions: Vec::new(), columns, group_by: None, order_by: Vec::new(), limit: None, offset: 0 }
    }

    /// True while conditions, columns and joins may be added.
    pub(crate) fn is_open(&self) -> bool {
        self.group_by.is_none() && self.order_by.is_empty() && self.limit.is_none() && self.offset == 0
    }

    /// The same rows as a SELECT that is open, whose columns are plain; it takes `number`.
    pub(crate) fn nested(self, number: usize) -> Self {
        let columns = nested_columns(&self.columns, number);
        Self::new(From::Nested(Box::new(self), number), columns)
    }

    /// The rows of several, one after the other.
    pub(crate) fn union(selects: Vec<Self>, number: usize) -> Self {
        let columns = selects.first().map(|first| nested_columns(&first.columns, number)).unwrap_or_default();
        Self::new(From::Union(selects, number), columns)
    }

    /// The statement for a part.
    pub(crate) fn sql(&self, part: &Part<'_>) -> String {
        let mut sql = String::new();
        self.write(part, &mut sql);
        sql
    }

    fn write(&self, part: &Part<'_>, sql: &mut String) {
        sql.push_str("SELECT ");
        for (number, column) in self.columns.iter().enumerate() {
            let _ = write!(sql, "{}{} AS c{number}", if number > 0 { ", " } else { "" }, column.sql);
        }
        sql.push_str("\nFROM ");
        self.from.write(part, sql);
        write_conditions("\nWHERE ", &self.conditions, part, sql);
        if let Some(keys) = self.group_by.as_ref().filter(|keys| !keys.is_empty()) {
            let _ = write!(sql, "\nGROUP BY {}", keys.join(", "));
        }
        if !self.order_by.is_empty() {
            let _ = write!(sql, "\nORDER BY {}", self.order_by.join(", "));
        }
        if let Some(limit) = self.limit {
            let _ = write!(sql, "\nLIMIT {limit}");
        }
        if self.offset > 0 {
            let _ = write!(sql, "\nOFFSET {}", self.offset);
        }
    }
}

fn nested_columns(columns: &[SqlColumn], number: usize) -> Vec<SqlColumn> {
    let nested = |(place, column): (usize, &SqlColumn)| SqlColumn {
        sql: format!("t{number}.c{place}"),
        field: Arc::clone(&column.field),
        origin: None,
        plain: true,
    };
    columns.iter().enumerate().map(nested).collect()
}

impl From {
    /// The leaf of that number, where it is not within another SELECT.
    pub(crate) fn leaf_mut(&mut self, number: usize) -> Option<&mut Leaf> {
        match self {
            Self::Leaf(leaf) => (leaf.number == number).then_some(leaf),
            Self::Join { left, right, .. } => left.leaf_mut(number).or_else(|| right.leaf_mut(number)),
            Self::Nested(..) | Self::Union(..) | Self::Ranges(..) | Self::Steps(_) => None,
        }
    }

    /// As [`Self::leaf_mut`].
    pub(crate) fn leaf(&self, number: usize) -> Option<&Leaf> {
        match self {
            Self::Leaf(leaf) => (leaf.number == number).then_some(leaf),
            Self::Join { left, right, .. } => left.leaf(number).or_else(|| right.leaf(number)),
            Self::Nested(..) | Self::Union(..) | Self::Ranges(..) | Self::Steps(_) => None,
        }
    }

    fn write(&self, part: &Part<'_>, sql: &mut String) {
        match self {
            Self::Leaf(leaf) => leaf.write(part, sql),
            Self::Join { left, right, kind, on } => {
                left.write(part, sql);
                let _ = write!(sql, "\n  {kind} JOIN ");
                let within = matches!(**right, Self::Join { .. });
                sql.push_str(if within { "(" } else { "" });
                right.write(part, sql);
                sql.push_str(if within { ")" } else { "" });
                write_conditions(" ON ", on, part, sql);
            }
            Self::Nested(select, number) => {
                sql.push('(');
                select.write(part, sql);
                let _ = write!(sql, ") AS t{number}");
            }
            Self::Union(selects, number) => {
                for (place, select) in selects.iter().enumerate() {
                    sql.push_str(if place > 0 { "\nUNION ALL (" } else { "((" });
                    select.write(part, sql);
                    sql.push(')');
                }
                let _ = write!(sql, ") AS t{number}");
            }
            Self::Ranges(ranges, number) => {
                let list = |end: fn(&Range<u64>) -> u64| {
                    ranges.iter().map(|range| end(range).to_string()).collect::<Vec<_>>().join(",")
                };
                let (low, high) = (list(|range| range.start), list(|range| range.end - 1));
                let _ = write!(sql, "unnest('{{{low}}}'::bigint[], '{{{high}}}'::bigint[]) AS t{number}(low, high)");
            }
            Self::Steps(number) => {
                let steps = (0..8).map(|step| format!("({}, {}, {})", step & 1, step >> 1 & 1, step >> 2));
                let steps = steps.collect::<Vec<_>>().join(", ");
                let _ = write!(sql, "(VALUES {steps}) AS t{number}(x, y, z)");
            }
        }
    }
}

impl Leaf {
    /// The names of the partitions, each with what its rows are marked by.
    fn partitions(&self, part: &Part<'_>) -> Vec<(String, String)> {
        let (schema, table) = (self.table.name().0, self.table.definition());
        let plain = |chunk: &i32| (self.table.relation(*chunk), String::new());
        let with_copies = |chunk: &i32| {
            let pixels = part.manifest.chunks.get(*chunk as usize).map(|chunk| part_of_the_sky(&chunk.pixels));
            let (low, high) = pixels.unwrap_or_default();
            let marks =
                format!(", {chunk} AS spolia_chunk, {low}::bigint AS spolia_low, {high}::bigint AS spolia_high");
            [leaf(table, *chunk), margin_leaf(table, *chunk)].map(|name| (format!("{schema}.{name}"), marks.clone()))
        };
        let chunks = self.chunks.intersection(part.chunks);
        match self.rows {
            Rows::Own => chunks.map(plain).collect(),
            Rows::All => self.chunks.iter().map(plain).collect(),
            Rows::Within | Rows::Around => chunks.flat_map(with_copies).collect(),
        }
    }

    /// Partitions by their names, so that the node plans for no others; their conditions stand outside, so that the node may see
    /// through to their indexes.
    fn write(&self, part: &Part<'_>, sql: &mut String) {
        let (number, partitions) = (self.number, self.partitions(part));
        sql.push_str(if self.with_file { "(" } else { "" });
        match partitions.as_slice() {
            [] => {
                let _ = write!(sql, "(SELECT * FROM {} WHERE false)", self.table.form());
            }
            [(only, marks)] if marks.is_empty() => sql.push_str(only),
            partitions => {
                let rows = partitions.iter().map(|(name, marks)| format!("SELECT *{marks} FROM {name}"));
                let _ = write!(sql, "({})", rows.collect::<Vec<_>>().join(" UNION ALL "));
            }
        }
        let _ = write!(sql, " AS t{number}");
        if self.with_file {
            let _ = write!(
                sql,
                " JOIN spolia_node.file AS f{number} ON f{number}.file_id = (t{number}.id >> 32)::integer)"
            );
        }
    }
}

/// The chunk that the rows of a shard key lie in.
pub(crate) fn chunk_of(manifest: &Manifest, id: i64) -> Option<i32> {
    let pixel = spolia_sky::SourceId(id).pixel(spolia_sky::PIXEL_ORDER);
    manifest.chunk_of(pixel).map(|chunk| chunk.chunk)
}

fn write_conditions(word: &str, conditions: &[Condition], part: &Part<'_>, sql: &mut String) {
    for (place, condition) in conditions.iter().enumerate() {
        sql.push_str(if place == 0 { word } else { " AND " });
        condition.write(part, sql);
    }
    if conditions.is_empty() && word.contains("ON") {
        let _ = write!(sql, "{word}true");
    }
}

impl Condition {
    fn write(&self, part: &Part<'_>, sql: &mut String) {
        match self {
            Self::Sql(condition) => sql.push_str(condition),
            Self::Ids { sql: value, ids } => {
                let here = ids
                    .iter()
                    .filter(|id| chunk_of(part.manifest, **id).is_some_and(|chunk| part.chunks.contains(&chunk)));
                let here = here.map(i64::to_string).collect::<Vec<_>>().join(",");
                let _ = write!(sql, "{value} = ANY ('{{{here}}}'::bigint[])");
            }
            Self::Exists { negated, query } => {
                sql.push_str(if *negated { "NOT EXISTS (" } else { "EXISTS (" });
                query.write(part, sql);
                sql.push(')');
            }
        }
    }
}
