//! A part of a plan that every node can answer for the rows that lie on it.
//!
//! A fragment is a [`Select`] and, over its columns, an expression for each column of the plan that it stands for. Expressions that no
//! node evaluates wait there, so that sorting, limiting and joining may still go below them. What all nodes answer together is the
//! plan's answer: rows of equal shard keys lie in the same chunk, so that joins and groups by the key never look for a row elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable, Limit, SortExpr};
use datafusion::logical_expr::{FetchType, SkipType};
use spolia_catalogue::ChunkStats;
use spolia_sky::{HPX29_ORDER, PIXEL_ORDER, PIXELS, PixelRanges};

use super::expression::{Rendered, collated, column_name, column_number, condition, is_ordered, render};
use super::statement::{Angle, Condition, From, Leaf, Origin, Rows, Select, SqlColumn};
use crate::prune::{Demand, SkipReason};
use crate::sharded_table::{Epoch, ShardedTable, batches_sql, cover_sql};

/// The part of the sky below which looking rows up by their pixels is less work than looking at all of them.
const MOST_SKY: f64 = 0.1;

/// Gives every table and SELECT of a query a number of its own.
#[derive(Default)]
pub(crate) struct Numbers(std::cell::Cell<usize>);

impl Numbers {
    pub(crate) fn next(&self) -> usize {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

/// What must still be done with the answers of several nodes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Merge {
    /// Nothing: they follow one another in any order.
    Any,
    /// Each is cut off after as many rows as the whole may have.
    Capped,
    /// Each is in this order: columns, descending, nulls first; so many rows of all are wanted.
    Ordered(Vec<(usize, bool, bool)>, Option<usize>),
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Fragment {
    pub select: Select,
    /// One for each column of the plan, over the columns of `select`.
    pub outputs: Vec<Expr>,
    pub epoch: Arc<Epoch>,
    /// The chunks whose rows it is about.
    pub chunks: BTreeSet<i32>,
    pub skipped: BTreeMap<i32, SkipReason>,
    /// Columns of `select` that are equal to the shard key of the chunk's rows.
    pub keys: Vec<usize>,
    /// True when one statement over all chunks must be made, on the one node that has them.
    pub whole: bool,
    pub merge: Merge,
    /// True where every node has all of its rows.
    pub everywhere: bool,
    pub tables: Vec<String>,
    /// About how many rows it has at most.
    pub expected: f64,
    /// Regions that rows of a table lie in, by its number.
    pub covers: Vec<(usize, PixelRanges)>,
}

impl Fragment {
    /// The rows of a table.
    pub(crate) fn scan(table: &Arc<ShardedTable>, fields: &Fields, numbers: &Numbers) -> Self {
        let number = numbers.next();
        let definition = table.definition();
        let epoch = Arc::clone(table.epoch());
        let (mut chunks, mut skipped) = (BTreeSet::new(), BTreeMap::new());
        for chunk in &epoch.manifest.chunks {
            match Demand::default().skips(definition, chunk, chunk.tables.get(&table.key())) {
                None => drop(chunks.insert(chunk.chunk)),
                Some(reason) => drop(skipped.insert(chunk.chunk, reason)),
            }
        }
        let mut with_file = false;
        let column = |field: &Arc<Field>| {
            let column = table.node_column(field.name(), number)?;
            with_file |= column.of_file;
            let angle = definition.position.as_ref().and_then(|own| match field.name() {
                name if *name == own.lon => Some(Angle::Longitude),
                name if *name == own.lat => Some(Angle::Latitude),
                _ => None,
            });
            let origin = Some(Origin { leaf: number, column: field.name().clone(), angle });
            Some(SqlColumn { sql: column.sql, field: Arc::clone(field), origin, plain: column.plain })
        };
        let columns: Vec<SqlColumn> = fields.iter().filter_map(column).collect();
        let keys = columns.iter().position(|column| *column.field.name() == definition.shard_key);
        let rows = if definition.replicated { Rows::All } else { Rows::Own };
        let chunks_here = chunks.clone();
        let leaf = Leaf { number, table: Arc::clone(table), with_file, rows, chunks: chunks_here };
        let mut select = Select::new(From::Leaf(leaf), columns);
        select.conditions.extend(table.visibility_sql(number).map(Condition::Sql));
        Self {
            outputs: outputs(select.columns.len()),
            select,
            epoch,
            chunks,
            skipped,
            keys: keys.into_iter().collect(),
            whole: false,
            merge: Merge::Any,
            everywhere: definition.replicated,
            tables: vec![table.key()],
            expected: f64::INFINITY,
            covers: Vec::new(),
        }
        .with_rows_of(number)
    }

    /// Expects no more rows than a table has.
    fn with_rows_of(mut self, leaf: usize) -> Self {
        self.expect(self.held(leaf, &self.chunks).map(|(_, stats)| stats.rows as f64).sum());
        self
    }

    pub(crate) fn expect(&mut self, rows: f64) {
        self.expected = self.expected.min(rows);
    }

    /// What some chunks have of a table.
    fn held(&self, leaf: usize, chunks: &BTreeSet<i32>) -> impl Iterator<Item = (i32, &ChunkStats)> {
        let key = self.select.from.leaf(leaf).map(|leaf| leaf.table.key());
        let held = chunks.iter().filter_map(|chunk| self.epoch.manifest.chunks.get(*chunk as usize));
        held.filter_map(move |chunk| Some((chunk.chunk, chunk.tables.get(key.as_ref()?)?)))
    }

    /// The pixels of order 29 in which rows of a table may lie, by chunk.
    pub(crate) fn positions(&self, leaf: usize, chunks: &BTreeSet<i32>) -> Vec<(i32, PixelRanges)> {
        let rows = self.select.from.leaf(leaf).map(|leaf| leaf.rows);
        let part_of_the_sky = |chunk: &i32| {
            let chunk = self.epoch.manifest.chunks.get(*chunk as usize)?;
            Some((chunk.chunk, PixelRanges::new(PIXEL_ORDER, vec![chunk.pixels.clone()])))
        };
        let anywhere = |chunk: &i32| (*chunk, PixelRanges::new(PIXEL_ORDER, vec![0..PIXELS]));
        let held: Vec<(i32, PixelRanges)> = match rows {
            Some(Rows::Within) => chunks.iter().filter_map(part_of_the_sky).collect(),
            Some(Rows::Around) => chunks.iter().map(anywhere).collect(),
            _ => self.held(leaf, chunks).map(|(chunk, stats)| (chunk, stats.positions())).collect(),
        };
        held.into_iter().map(|(chunk, pixels)| (chunk, pixels.covering(HPX29_ORDER))).collect()
    }

    /// The shard groups that are asked.
    pub(crate) fn groups(&self) -> BTreeSet<i32> {
        self.chunks.iter().filter_map(|chunk| Some(self.epoch.manifest.chunks.get(*chunk as usize)?.group)).collect()
    }

    /// True when all its rows lie on one node, which may then do anything with them.
    pub(crate) fn on_one_node(&self) -> bool {
        self.groups().len() == 1
    }

    /// True while more of the plan may become part of it.
    pub(crate) fn may_grow(&self) -> bool {
        self.merge == Merge::Any
    }

    /// An expression of the plan as one over the columns of `select`; nothing where it looks at another query.
    pub(crate) fn resolved(&self, expr: &Expr, schema: &DFSchema) -> Option<Expr> {
        let replace = |expr: Expr| match &expr {
            Expr::Column(column) => {
                let output = self.outputs[schema.index_of_column(column)?].clone();
                Ok(Transformed::new(output, true, TreeNodeRecursion::Jump))
            }
            Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..) => datafusion::common::plan_err!("another query"),
            _ => Ok(Transformed::no(expr)),
        };
        expr.clone().transform_down(replace).ok().map(|expr| expr.data)
    }

    /// An expression of the plan as SQL.
    pub(crate) fn rendered(&self, expr: &Expr, schema: &DFSchema) -> Option<Rendered> {
        render(&self.resolved(expr, schema)?, &self.select.columns)
    }

    /// Puts what is closed into the FROM of a SELECT that is open.
    pub(crate) fn open(&mut self, numbers: &Numbers) {
        if !self.select.is_open() {
            self.nest(numbers);
        }
    }

    fn nest(&mut self, numbers: &Numbers) {
        let select = std::mem::replace(&mut self.select, Select::new(From::Union(Vec::new(), 0), Vec::new()));
        self.select = select.nested(numbers.next());
    }

    /// Makes all columns plain ones.
    pub(crate) fn make_plain(&mut self, numbers: &Numbers) {
        if !self.select.is_open() || self.select.columns.iter().any(|column| !column.plain) {
            self.nest(numbers);
        }
    }

    /// Keeps the rows that satisfy the conjuncts of `predicate`; returns those that no node evaluates.
    pub(crate) fn filter(&mut self, predicate: &Expr, schema: &DFSchema, numbers: &Numbers) -> Vec<Expr> {
        self.open(numbers);
        let (mut left, mut demands) = (Vec::new(), BTreeMap::<usize, Vec<Expr>>::new());
        for conjunct in split_conjunction(predicate) {
            let resolved = self.resolved(conjunct, schema);
            if let Some((leaf, condition)) = resolved.as_ref().and_then(|resolved| self.of_one_leaf(resolved)) {
                demands.entry(leaf).or_default().push(condition);
            }
            match resolved.and_then(|resolved| condition(&resolved, &self.select.columns, &self.keys)) {
                Some(condition) => self.select.conditions.push(condition),
                None => left.push(conjunct.clone()),
            }
        }
        demands.into_iter().for_each(|(leaf, conditions)| self.demand(leaf, &conditions));
        left
    }

    /// Skips the chunks of a leaf, and the pixels of the others, that have no row which satisfies the conditions.
    fn demand(&mut self, number: usize, conditions: &[Expr]) {
        let Some(leaf) = self.select.from.leaf_mut(number) else { return };
        let table = Arc::clone(&leaf.table);
        let definition = table.definition();
        let demand = Demand::of(definition, conditions);
        let key = table.key();
        for chunk in &self.epoch.manifest.chunks {
            let reason = match leaf.rows {
                Rows::Own => demand.skips(definition, chunk, chunk.tables.get(&key)),
                Rows::Within => demand.skips_part(chunk),
                Rows::Around => None,
                Rows::All => demand.skips(definition, chunk, chunk.tables.get(&key)).filter(|_| self.everywhere),
            };
            if let Some(reason) = reason {
                leaf.chunks.remove(&chunk.chunk);
                if !self.whole && self.chunks.remove(&chunk.chunk) {
                    self.skipped.insert(chunk.chunk, reason);
                }
            }
        }
        if leaf.rows == Rows::Own {
            let asked = leaf.chunks.iter().filter_map(|chunk| self.epoch.manifest.chunks.get(*chunk as usize));
            let batches = demand.batches(asked.filter_map(|chunk| chunk.tables.get(&key)));
            self.select.conditions.extend(batches.map(|batches| Condition::Sql(batches_sql(&batches, number))));
        }
        self.expect(demand.expected(definition, self.held(number, &self.chunks).map(|(_, stats)| stats)));
        if definition.position.is_some() {
            self.covers.extend(demand.covers().iter().map(|cover| (number, cover.clone())));
            let covers = demand.covers().iter().filter(|cover| cover.sky_fraction() < MOST_SKY);
            let covers = covers.map(|cover| Condition::Sql(cover_sql(cover.clone(), number)));
            self.select.conditions.extend(covers);
        }
    }

    /// The condition in terms of the one table that it is about.
    fn of_one_leaf(&self, conjunct: &Expr) -> Option<(usize, Expr)> {
        let mut leaf = None;
        let replace = |expr: Expr| match column_number(&expr).filter(|_| matches!(expr, Expr::Column(_))) {
            Some(number) => {
                let origin = self.select.columns[number].origin.clone();
                match origin.filter(|origin| *leaf.get_or_insert(origin.leaf) == origin.leaf) {
                    Some(origin) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(origin.column)))),
                    None => datafusion::common::plan_err!("columns of several tables"),
                }
            }
            None => Ok(Transformed::no(expr)),
        };
        let conjunct = conjunct.clone().transform_up(replace).ok()?.data;
        Some((leaf?, conjunct))
    }

    /// Computes the columns of a projection, as far as nodes can; the others wait for their columns.
    pub(crate) fn project(&mut self, expressions: &[Expr], schema: &DFSchema, numbers: &Numbers) -> bool {
        let resolved: Option<Vec<Expr>> = expressions.iter().map(|expr| self.resolved(expr, schema)).collect();
        let Some(resolved) = resolved else { return false };
        // What is in order already, or must be merged, stays as it is.
        let settled = !self.may_grow() || !self.select.order_by.is_empty() || self.select.limit.is_some();
        let mut outputs = Vec::with_capacity(resolved.len());
        let mut computed = Vec::new();
        for (expr, original) in resolved.into_iter().zip(expressions) {
            let expr = expr.unalias();
            let simple = column_number(&expr).is_some() || matches!(expr, Expr::Literal(..));
            match render(&expr, &self.select.columns).filter(|_| !simple && !settled) {
                Some(rendered) => {
                    outputs.push(column(self.select.columns.len() + computed.len()));
                    let nullable = original.nullable(schema).unwrap_or(true);
                    computed.push((rendered, nullable));
                }
                None => outputs.push(expr),
            }
        }
        if !computed.is_empty() && !self.select.is_open() {
            // The columns keep their places when they are nested, so that what was resolved stays true.
            self.open(numbers);
            return self.project(expressions, schema, numbers);
        }
        let column = |(Rendered { sql, data_type }, nullable)| SqlColumn {
            sql,
            field: Arc::new(Field::new("", data_type, nullable)),
            origin: None,
            plain: false,
        };
        self.select.columns.extend(computed.into_iter().map(column));
        self.outputs = outputs;
        true
    }

    /// Puts rows in order, and keeps the first `fetch`; nothing happens and the answer is no where nodes cannot.
    pub(crate) fn sort(
        &mut self,
        order: &[SortExpr],
        fetch: Option<usize>,
        schema: &DFSchema,
        numbers: &Numbers,
    ) -> bool {
        let key = |sort: &SortExpr| {
            let resolved = self.resolved(&sort.expr, schema)?;
            let rendered = render(&resolved, &self.select.columns)?;
            is_ordered(&rendered.data_type).then_some(resolved)
        };
        let Some(keys) = order.iter().map(key).collect::<Option<Vec<_>>>() else { return false };
        self.open(numbers);
        let whole = self.on_one_node();
        let (mut order_by, mut merged) = (Vec::new(), Vec::new());
        for (expr, sort) in keys.into_iter().zip(order) {
            let Some(rendered) = render(&expr, &self.select.columns) else { return false };
            let number = column_number(&expr).unwrap_or(self.select.columns.len());
            order_by.push(sort_key(&rendered, sort));
            merged.push((number, !sort.asc, sort.nulls_first));
            if number == self.select.columns.len() {
                let field = Arc::new(Field::new("", rendered.data_type.clone(), true));
                self.select.columns.push(SqlColumn { sql: rendered.sql, field, origin: None, plain: false });
            }
            if self.is_row_key(number) {
                break;
            }
        }
        self.select.order_by = order_by;
        self.select.limit = fetch;
        self.everywhere = false;
        self.expect(fetch.map_or(f64::INFINITY, |fetch| fetch as f64));
        if whole {
            self.whole = true;
        } else {
            self.merge = Merge::Ordered(merged, fetch);
        }
        true
    }

    /// True for a column that has another value in each row, so that it leaves nothing to order.
    fn is_row_key(&self, number: usize) -> bool {
        let (From::Leaf(leaf), Some(origin)) = (&self.select.from, &self.select.columns[number].origin) else {
            return false;
        };
        leaf.table.row_key() == Some(origin.column.as_str())
    }

    /// Keeps some rows; returns whether nodes do all of it.
    pub(crate) fn limit(&mut self, limit: &Limit, numbers: &Numbers) -> bool {
        let (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(fetch))) =
            (limit.get_skip_type(), limit.get_fetch_type())
        else {
            return false;
        };
        if !self.may_grow() {
            return false;
        }
        self.expect(fetch.map_or(f64::INFINITY, |fetch| fetch.saturating_add(skip) as f64));
        self.everywhere = false;
        if self.on_one_node() {
            if self.select.offset > 0 || (self.select.group_by.is_some() && self.select.order_by.is_empty()) {
                self.open(numbers);
            }
            let held = self.select.limit.map(|held| held.saturating_sub(skip));
            self.select.limit = [held, fetch].into_iter().flatten().min();
            self.select.offset = skip;
            self.whole = true;
            return true;
        }
        if let (Some(fetch), None) = (fetch, self.select.limit) {
            if self.select.group_by.is_some() {
                self.open(numbers);
            }
            self.select.limit = Some(fetch.saturating_add(skip));
            self.merge = Merge::Capped;
        }
        false
    }

    /// Drops the columns that no output looks at.
    pub(crate) fn drop_unused(&mut self) {
        let mut used = BTreeSet::new();
        for output in &self.outputs {
            used.extend(
                output.column_refs().into_iter().filter_map(|column| column_number(&Expr::Column(column.clone()))),
            );
        }
        if let Merge::Ordered(order, _) = &self.merge {
            used.extend(order.iter().map(|(number, ..)| *number));
        }
        let places: BTreeMap<usize, usize> = used.iter().enumerate().map(|(place, number)| (*number, place)).collect();
        let place = |number: &usize| places.get(number).copied();
        self.outputs = self.outputs.iter().map(|output| renumbered(output, |number| places[&number])).collect();
        self.keys = self.keys.iter().filter_map(place).collect();
        if let Merge::Ordered(order, _) = &mut self.merge {
            order.iter_mut().for_each(|(number, ..)| *number = places[&*number]);
        }
        let columns = std::mem::take(&mut self.select.columns);
        self.select.columns = used.iter().map(|number| columns[*number].clone()).collect();
    }

    /// Makes every output a column of the select; no where nodes do not evaluate all of them.
    pub(crate) fn settle(&mut self, numbers: &Numbers) -> bool {
        self.open(numbers);
        let Some(rendered) =
            self.outputs.iter().map(|output| render(output, &self.select.columns)).collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        let column = |(output, Rendered { sql, data_type }): (&Expr, Rendered)| match column_number(output) {
            Some(number) => self.select.columns[number].clone(),
            None => {
                let field = Arc::new(Field::new("", data_type, true));
                SqlColumn { sql, field, origin: None, plain: false }
            }
        };
        let columns = self.outputs.iter().zip(rendered).map(column).collect();
        let is_key = |output: &Expr| column_number(output).is_some_and(|number| self.keys.contains(&number));
        self.keys = (0..self.outputs.len()).filter(|place| is_key(&self.outputs[*place])).collect();
        self.select.columns = columns;
        self.outputs = outputs(self.select.columns.len());
        true
    }
}

/// The column of a fragment, as an expression.
pub(crate) fn column(number: usize) -> Expr {
    Expr::Column(Column::new_unqualified(column_name(number)))
}

/// All columns of a select, as they are.
pub(crate) fn outputs(columns: usize) -> Vec<Expr> {
    (0..columns).map(column).collect()
}

/// An expression with other numbers of columns.
pub(crate) fn renumbered(expr: &Expr, number: impl Fn(usize) -> usize) -> Expr {
    let replace = |expr: Expr| match column_number(&expr).filter(|_| matches!(expr, Expr::Column(_))) {
        Some(old) => Ok(Transformed::yes(column(number(old)))),
        None => Ok(Transformed::no(expr)),
    };
    let renumbered: Result<Transformed<Expr>> = expr.clone().transform_up(replace);
    renumbered.map_or_else(|_| expr.clone(), |renumbered| renumbered.data)
}

/// One key of an ORDER BY. What PostgreSQL means anyway is not written down, for then it may use an index.
fn sort_key(key: &Rendered, sort: &SortExpr) -> String {
    let way = if sort.asc { "" } else { " DESC" };
    let nulls = match (sort.asc, sort.nulls_first) {
        (true, true) => " NULLS FIRST",
        (false, false) => " NULLS LAST",
        _ => "",
    };
    format!("{}{way}{nulls}", collated(key))
}

/// Types that a SELECT may give to two that are put one after the other.
pub(crate) fn same_types(a: &Select, b: &Select) -> bool {
    let types = |select: &Select| {
        select.columns.iter().map(|column| column.field.data_type().clone()).collect::<Vec<DataType>>()
    };
    types(a) == types(b)
}
