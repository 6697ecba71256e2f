//! One epoch of a sharded table, as DataFusion sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use spolia_catalogue::{ColumnDef, ColumnType, FILE_COLUMNS, Manifest, TableDef};

use crate::node::Node;
use crate::node_schema::leaf;
use crate::predicate::{may_have_been_promised, needs_file, node_column, render};
use crate::prune::{Demand, SkipReason};
use crate::scan::{NodeScan, ShardScanExec};

/// Pixel ranges sent to a node at most; a longer cover is coarsened until it fits.
const MAX_RANGES: usize = 256;

/// The chunks of one shard group, asked and skipped.
#[derive(Default)]
struct GroupScan {
    asked: Vec<i32>,
    skipped: Vec<(i32, SkipReason)>,
}

/// A table whose rows lie on many nodes, at one epoch.
#[derive(Debug)]
pub struct ShardedTable {
    collection: String,
    table: TableDef,
    schema: SchemaRef,
    manifest: Arc<Manifest>,
    nodes: Vec<Arc<Node>>,
}

impl ShardedTable {
    pub(crate) fn new(collection: &str, table: &TableDef, manifest: Arc<Manifest>, nodes: Vec<Arc<Node>>) -> Self {
        Self { collection: collection.to_owned(), schema: arrow_schema(table), table: table.clone(), manifest, nodes }
    }

    /// The schema (collection) and name of the table.
    pub fn name(&self) -> (&str, &str) {
        (&self.collection, &self.table.name)
    }

    /// The table's declaration.
    pub fn definition(&self) -> &TableDef {
        &self.table
    }

    /// The statement for each node, and the chunks it leaves out.
    fn node_scans(&self, schema: &Schema, filters: &[Expr], limit: Option<usize>) -> Result<Vec<NodeScan>> {
        let demand = Demand::of(&self.table, filters);
        let key = format!("{}.{}", self.collection, self.table.name);
        let mut groups: BTreeMap<i32, GroupScan> = BTreeMap::new();
        for chunk in &self.manifest.chunks {
            let group = groups.entry(chunk.group).or_default();
            match demand.skips(&self.table, chunk, chunk.tables.get(&key)) {
                None => group.asked.push(chunk.chunk),
                Some(reason) => group.skipped.push((chunk.chunk, reason)),
            }
        }
        groups
            .into_iter()
            .map(|(group, GroupScan { asked, skipped })| {
                let node =
                    self.nodes.iter().find(|node| node.group() == group).ok_or(crate::RouterError::NoNode(group))?;
                let sql = (!asked.is_empty()).then(|| self.sql(schema, &asked, &demand, filters, limit));
                Ok(NodeScan { node: Arc::clone(node), sql, asked, skipped })
            })
            .collect()
    }

    /// One statement for all asked chunks of a node, leaf by leaf.
    fn sql(&self, schema: &Schema, chunks: &[i32], demand: &Demand, filters: &[Expr], limit: Option<usize>) -> String {
        let columns: Vec<_> =
            schema.fields().iter().filter_map(|field| node_column(&self.table, field.name())).collect();
        let select: Vec<&str> = columns.iter().map(|column| column.sql.as_str()).collect();
        let pushed: Vec<(&Expr, String)> =
            filters.iter().filter_map(|filter| render(&self.table, filter).map(|sql| (filter, sql))).collect();
        let join =
            columns.iter().any(|column| column.of_file) || pushed.iter().any(|(expr, _)| needs_file(&self.table, expr));
        let mut conditions = vec![self.visibility_sql()];
        conditions.extend(self.table.position.iter().flat_map(|_| demand.covers()).map(cover_sql));
        conditions.extend(pushed.into_iter().map(|(_, sql)| sql));
        let tail = format!(
            " t{} WHERE {}",
            if join { " JOIN spolia_node.file f ON f.file_id = (t.id >> 32)::integer" } else { "" },
            conditions.join(" AND ")
        );
        let one = |chunk: &i32| {
            format!("SELECT {} FROM {}.{}{tail}", select.join(", "), self.collection, leaf(&self.table, *chunk))
        };
        let all = chunks.iter().map(one).collect::<Vec<_>>().join("\nUNION ALL ");
        match limit {
            Some(limit) => format!("{all}\nLIMIT {limit}"),
            None => all,
        }
    }

    /// The epoch's rows: loaded by a visible batch, and not replaced by one.
    fn visibility_sql(&self) -> String {
        let visible = &self.manifest.visibility;
        let watermark = visible.watermark;
        if visible.hidden.is_empty() {
            return format!("t.batch <= {watermark} AND (t.superseded IS NULL OR t.superseded > {watermark})");
        }
        let hidden = visible.hidden.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        format!(
            "t.batch <= {watermark} AND t.batch <> ALL ('{{{hidden}}}') \
             AND (t.superseded IS NULL OR t.superseded > {watermark} OR t.superseded = ANY ('{{{hidden}}}'))"
        )
    }
}

/// A range condition on `hpx29` for a region's cover; always true for one too long to be worth it.
fn cover_sql(cover: spolia_sky::PixelRanges) -> String {
    let mut cover = cover;
    while cover.as_slice().len() > MAX_RANGES && cover.order() > 0 {
        cover = cover.covering(cover.order() - 1);
    }
    let ranges = cover.covering(spolia_sky::HPX29_ORDER);
    let one = |range: &std::ops::Range<u64>| format!("t.hpx29 BETWEEN {} AND {}", range.start, range.end - 1);
    match ranges.as_slice() {
        [] => "false".to_owned(),
        ranges => format!("({})", ranges.iter().map(one).collect::<Vec<_>>().join(" OR ")),
    }
}

#[async_trait]
impl TableProvider for ShardedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let kind = |filter: &&Expr| match render(&self.table, filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            // Not for the node to decide, yet it may prune chunks and pixels.
            None => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(kind).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        if limit.is_some() && filters.iter().any(|filter| render(&self.table, filter).is_none()) {
            return Err(DataFusionError::Internal("a limit was pushed below a filter that no node decides".to_owned()));
        }
        let scans = self.node_scans(&schema, filters, limit)?;
        let name = format!("{}.{}", self.collection, self.table.name);
        let scan = Arc::new(ShardScanExec::new(name, Arc::clone(&schema), scans));
        let kept = |filter: &&Expr| render(&self.table, filter).is_none() && may_have_been_promised(filter);
        match conjunction(filters.iter().filter(kept).cloned()) {
            None => Ok(scan),
            Some(filter) => {
                let columns = DFSchema::try_from(schema)?;
                Ok(Arc::new(FilterExec::try_new(state.create_physical_expr(filter, &columns)?, scan)?))
            }
        }
    }
}

/// The columns of a table as Arrow fields, with unit, UCD and description as field metadata: first those of the file,
/// then those of the object.
pub fn arrow_schema(table: &TableDef) -> SchemaRef {
    let of_file = FILE_COLUMNS.iter().map(|(name, column_type, description)| {
        let ucd = match *name {
            "id" => "meta.record",
            "checksum" => "meta.checksum",
            "file_version" => "meta.version",
            _ => "meta.file",
        };
        field(name, element_type(*column_type), false, None, Some(ucd), description)
    });
    let own = table.columns.iter().map(declared_field);
    Arc::new(Schema::new(of_file.chain(own).collect::<Vec<_>>()))
}

fn declared_field(column: &ColumnDef) -> Field {
    let element = element_type(column.column_type);
    let data_type = match column.length {
        Some(length) => DataType::FixedSizeList(Arc::new(Field::new("item", element, true)), length as i32),
        None => element,
    };
    field(&column.name, data_type, !column.required, column.unit.as_deref(), column.ucd.as_deref(), &column.description)
}

fn field(
    name: &str,
    data_type: DataType,
    nullable: bool,
    unit: Option<&str>,
    ucd: Option<&str>,
    description: &str,
) -> Field {
    let entries = [("unit", unit), ("ucd", ucd), ("description", Some(description).filter(|text| !text.is_empty()))];
    let metadata = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
    Field::new(name, data_type, nullable).with_metadata(metadata.collect())
}

fn element_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Bigint => DataType::Int64,
        ColumnType::Integer => DataType::Int32,
        ColumnType::Smallint => DataType::Int16,
        ColumnType::Double => DataType::Float64,
        ColumnType::Real => DataType::Float32,
        ColumnType::Text => DataType::Utf8,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use datafusion::prelude::{col, lit};
    use spolia_catalogue::{Chunk, ChunkStats, PositionColumns, Visibility};

    use super::*;
    use crate::{NodeAddress, RouterSettings};

    /// A table of sources as the gaia collection declares it, in short.
    pub(crate) fn source_table() -> TableDef {
        let column = |name: &str, column_type, required| ColumnDef {
            name: name.to_owned(),
            field: None,
            column_type,
            length: None,
            required,
            indexed: false,
            unit: None,
            ucd: None,
            description: String::new(),
        };
        TableDef {
            name: "completesource".to_owned(),
            description: String::new(),
            class: "CompleteSource".to_owned(),
            object: "CompleteSourceImpl".to_owned(),
            shard_key: "source_id".to_owned(),
            position: Some(PositionColumns { lon: "alpha".to_owned(), lat: "delta".to_owned() }),
            transits_of: None,
            bounded: Vec::new(),
            columns: vec![
                column("source_id", ColumnType::Bigint, true),
                column("alpha", ColumnType::Double, true),
                column("delta", ColumnType::Double, true),
                column("varpi", ColumnType::Double, false),
            ],
        }
    }

    fn table(visibility: Visibility) -> ShardedTable {
        let stats = ChunkStats { rows: 1, moc_order: 0, moc: vec![0..12], ..ChunkStats::default() };
        let cut = [0..0, 0..spolia_sky::PIXELS / 2, spolia_sky::PIXELS / 2..spolia_sky::PIXELS];
        let chunk = |(chunk, pixels)| Chunk {
            chunk,
            pixels,
            group: chunk % 2,
            tables: BTreeMap::from([("gaia.completesource".to_owned(), stats.clone())]),
        };
        let manifest = Manifest { epoch: 3, visibility, chunks: (0..).zip(cut).map(chunk).collect() };
        let node = |group| {
            let address = NodeAddress { name: format!("n{group}"), group, config: tokio_postgres::Config::new() };
            Arc::new(Node::new(address, &RouterSettings::default()).unwrap())
        };
        ShardedTable::new("gaia", &source_table(), Arc::new(manifest), vec![node(0), node(1)])
    }

    #[tokio::test]
    async fn each_node_gets_one_statement_over_its_leaves() {
        let table = table(Visibility { watermark: 4, hidden: vec![2] });
        let schema = table.schema().project(&[0, 6, 9]).unwrap();
        let scans = table.node_scans(&schema, &[col("alpha").lt(lit(1.5))], Some(7)).unwrap();
        let sql = scans[0].sql.clone().unwrap();
        assert!(sql.starts_with(
            "SELECT t.id, f.file_name, t.source_id FROM gaia.completesource_c0 t JOIN spolia_node.file f ON f.file_id = (t.id >> 32)::integer WHERE t.batch <= 4 AND t.batch <> ALL ('{2}')"
        ));
        assert!(sql.contains("gaia.completesource_c2") && sql.ends_with("LIMIT 7"), "{sql}");
        assert!(sql.contains("(t.alpha < '1.5e0'::double precision)") && sql.contains("t.hpx29 BETWEEN"), "{sql}");
        assert!(
            !table.node_scans(&table.schema().project(&[0]).unwrap(), &[], None).unwrap()[1]
                .sql
                .clone()
                .unwrap()
                .contains("JOIN")
        );
    }

    #[tokio::test]
    async fn a_node_without_a_chunk_to_ask_gets_no_statement() {
        let table = table(Visibility { watermark: 4, hidden: Vec::new() });
        let scans = table.node_scans(&table.schema(), &[col("source_id").eq(lit(5i64))], None).unwrap();
        assert_eq!(scans[0].sql, None);
        assert_eq!(scans[0].skipped, [(0, SkipReason::OutsideIds), (2, SkipReason::OutsideIds)]);
        assert_eq!((scans[1].asked.clone(), scans[1].sql.is_some()), (vec![1], true));
    }
}
