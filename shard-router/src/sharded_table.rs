//! One epoch of a sharded table, as DataFusion sees it and as nodes know it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use spolia_catalogue::{ColumnDef, ColumnType, ElementType, FILE_COLUMNS, Manifest, TableDef};

use crate::federation::scan_exec;
use crate::node::Node;
use crate::node_schema::{leaf, seen_sql};

/// Pixel ranges sent to a node at most; a longer cover is coarsened until it fits.
const MAX_RANGES: usize = 256;

/// What one epoch is, and who has it.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub manifest: Manifest,
    pub nodes: Vec<Arc<Node>>,
    /// Whether every node knows all tables, whatever rows of them it has; users' tables are known to one node each.
    pub known_everywhere: bool,
}

/// How nodes keep a table.
#[derive(Debug, Clone)]
enum Kept {
    /// In partitions by chunk, with the rows of other epochs beside those of this one.
    InChunks,
    /// As one table of that name on one node: a user's.
    AsOne(String),
}

/// A table whose rows lie on nodes, at one epoch.
#[derive(Debug, Clone)]
pub struct ShardedTable {
    collection: String,
    table: Arc<TableDef>,
    schema: SchemaRef,
    epoch: Arc<Epoch>,
    kept: Kept,
}

impl ShardedTable {
    pub(crate) fn new(collection: &str, table: &TableDef, epoch: Arc<Epoch>) -> Self {
        let (schema, table) = (arrow_schema(table), Arc::new(table.clone()));
        Self { collection: collection.to_owned(), schema, table, epoch, kept: Kept::InChunks }
    }

    /// A user's table, which its node knows as `relation`, and its columns by their places.
    pub(crate) fn of_user(
        schema_name: &str,
        name: &str,
        relation: String,
        schema: SchemaRef,
        epoch: Arc<Epoch>,
    ) -> Self {
        // Its columns say nothing of where its rows are.
        let table = TableDef {
            name: name.to_owned(),
            description: String::new(),
            class: String::new(),
            object: String::new(),
            shard_key: String::new(),
            replicated: false,
            position: None,
            margin_arcsec: None,
            transits_of: None,
            bounded: Vec::new(),
            preview: None,
            obscore: None,
            columns: Vec::new(),
        };
        let (collection, table) = (schema_name.to_owned(), Arc::new(table));
        Self { collection, table, schema, epoch, kept: Kept::AsOne(relation) }
    }

    /// The schema (collection) and name of the table.
    pub fn name(&self) -> (&str, &str) {
        (&self.collection, &self.table.name)
    }

    /// The schema and name as one, as the manifest calls it.
    pub(crate) fn key(&self) -> String {
        format!("{}.{}", self.collection, self.table.name)
    }

    /// The table's declaration.
    pub fn definition(&self) -> &TableDef {
        &self.table
    }

    pub(crate) fn epoch(&self) -> &Arc<Epoch> {
        &self.epoch
    }

    /// The name on a node of what has the rows of a chunk.
    pub(crate) fn relation(&self, chunk: i32) -> String {
        match &self.kept {
            Kept::InChunks => format!("{}.{}", self.collection, leaf(&self.table, chunk)),
            Kept::AsOne(relation) => relation.clone(),
        }
    }

    /// The name, on a node that knows the table, of something that has its columns.
    pub(crate) fn form(&self) -> String {
        match &self.kept {
            Kept::InChunks => format!("{}.{}", self.collection, self.table.name),
            Kept::AsOne(relation) => relation.clone(),
        }
    }

    /// A column that no two rows have the same value in.
    pub(crate) fn row_key(&self) -> Option<&'static str> {
        matches!(self.kept, Kept::InChunks).then_some("id")
    }

    /// How a column is written in SQL for a node, of table `t<number>`.
    pub(crate) fn node_column(&self, name: &str, number: usize) -> Option<NodeColumn> {
        match &self.kept {
            Kept::InChunks => node_column(&self.table, name, number),
            Kept::AsOne(_) => {
                let place = self.schema.index_of(name).ok()?;
                Some(NodeColumn { sql: format!("t{number}.c{place}"), of_file: false, plain: true })
            }
        }
    }

    /// Rows of table `t<number>` that the epoch has: loaded by a visible batch, and not replaced by one; nothing where it has all.
    pub(crate) fn visibility_sql(&self, number: usize) -> Option<String> {
        match &self.kept {
            Kept::InChunks => Some(self.visible_batches(number)),
            Kept::AsOne(_) => None,
        }
    }

    fn visible_batches(&self, number: usize) -> String {
        let visible = &self.epoch.manifest.visibility;
        let (t, watermark) = (format!("t{number}"), visible.watermark);
        if visible.hidden.is_empty() {
            return format!("{t}.batch <= {watermark} AND ({t}.superseded IS NULL OR {t}.superseded > {watermark})");
        }
        let hidden = visible.hidden.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        format!(
            "{t}.batch <= {watermark} AND {t}.batch <> ALL ('{{{hidden}}}') \
             AND ({t}.superseded IS NULL OR {t}.superseded > {watermark} OR {t}.superseded = ANY ('{{{hidden}}}'))"
        )
    }
}

/// How a column that users see is written on a node.
pub(crate) struct NodeColumn {
    /// Its SQL, of the rows (`t<number>`) or of their file (`f<number>`).
    pub sql: String,
    /// True when it needs the replicated file table.
    pub of_file: bool,
    /// True for a column of a table, false for what is computed.
    pub plain: bool,
}

/// A column of table `t<number>`.
fn node_column(table: &TableDef, name: &str, number: usize) -> Option<NodeColumn> {
    let own = |sql| Some(NodeColumn { sql, of_file: false, plain: true });
    if !FILE_COLUMNS.iter().any(|(column, ..)| *column == name) {
        return own(seen_sql(table.column(name)?, &format!("t{number}.{name}")));
    }
    match name {
        "id" => own(format!("t{number}.id")),
        "key_name" => {
            let sql = format!("(f{number}.object || '_' || (t{number}.id & 4294967295)::text)");
            Some(NodeColumn { sql, of_file: true, plain: false })
        }
        other => Some(NodeColumn { sql: format!("f{number}.{other}"), of_file: true, plain: true }),
    }
}

/// A condition on the batches that brought rows of table `t<number>`.
pub(crate) fn batches_sql(batches: &[std::ops::RangeInclusive<i64>], number: usize) -> String {
    let one = |range: &std::ops::RangeInclusive<i64>| {
        format!("t{number}.batch BETWEEN {} AND {}", range.start(), range.end())
    };
    format!("({})", batches.iter().map(one).collect::<Vec<_>>().join(" OR "))
}

/// A range condition on the `hpx29` of table `t<number>` for a region's cover.
pub(crate) fn cover_sql(cover: spolia_sky::PixelRanges, number: usize) -> String {
    let mut cover = cover;
    while cover.as_slice().len() > MAX_RANGES && cover.order() > 0 {
        cover = cover.covering(cover.order() - 1);
    }
    let ranges = cover.covering(spolia_sky::HPX29_ORDER);
    let one = |range: &std::ops::Range<u64>| format!("t{number}.hpx29 BETWEEN {} AND {}", range.start, range.end - 1);
    match ranges.as_slice() {
        [] => "false".to_owned(),
        ranges => format!("({})", ranges.iter().map(one).collect::<Vec<_>>().join(" OR ")),
    }
}

// Filters are left to the planner, which sees them above the table as they are; where another one plans, all rows are read.
#[async_trait]
impl TableProvider for ShardedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        scan_exec(self, schema)
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
        field(name, data_type(*column_type), false, None, Some(ucd), description)
    });
    let own = table.columns.iter().map(declared_field);
    Arc::new(Schema::new(of_file.chain(own).collect::<Vec<_>>()))
}

fn declared_field(column: &ColumnDef) -> Field {
    let data_type = data_type(column.column_type);
    let (unit, ucd) = (column.unit.as_deref(), column.ucd.as_deref());
    let field = field(&column.name, data_type, !column.required, unit, ucd, &column.description);
    match column.column_type {
        // DALI 1.2 section 3.3, "UUID".
        ColumnType::Uuid => with_entry(field, "xtype", "uuid"),
        _ => field,
    }
}

fn with_entry(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    field.with_metadata(metadata)
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

/// The Arrow type that queries see. A UUID is text there, which everything that can be asked of texts may be asked of.
pub(crate) fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Bigint => DataType::Int64,
        ColumnType::Integer => DataType::Int32,
        ColumnType::Smallint => DataType::Int16,
        ColumnType::Double => DataType::Float64,
        ColumnType::Real => DataType::Float32,
        ColumnType::Text | ColumnType::Uuid => DataType::Utf8,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Date => DataType::Date32,
        ColumnType::Numeric { precision, scale } => DataType::Decimal128(precision, scale as i8),
        ColumnType::Bytea => DataType::Binary,
        ColumnType::Array { element, length } => {
            // Of what comes out of files only a NaN is null in an array.
            let nullable = matches!(element, ElementType::Double | ElementType::Real);
            let item = Arc::new(Field::new("item", data_type(element.into()), nullable));
            match length {
                Some(length) => DataType::FixedSizeList(item, length as i32),
                None => DataType::List(item),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use spolia_catalogue::{BatchBounds, Chunk, ChunkStats, PositionColumns, Visibility};

    use super::*;
    use crate::{NodeAddress, RouterSettings};

    /// A table of sources as the gaia collection declares it, in short.
    pub(crate) fn source_table() -> TableDef {
        let column = |name: &str, column_type, required| ColumnDef {
            name: name.to_owned(),
            field: None,
            column_type,
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
            replicated: false,
            position: Some(PositionColumns { lon: "alpha".to_owned(), lat: "delta".to_owned() }),
            margin_arcsec: None,
            preview: None,
            obscore: None,
            transits_of: None,
            bounded: Vec::new(),
            columns: vec![
                column("source_id", ColumnType::Bigint, true),
                column("alpha", ColumnType::Double, true),
                column("delta", ColumnType::Double, true),
                column("varpi", ColumnType::Double, false),
                column("seen", ColumnType::Date, false),
                column("price", ColumnType::Numeric { precision: 12, scale: 3 }, false),
                column("key", ColumnType::Uuid, false),
                column("raw", ColumnType::Bytea, false),
            ],
        }
    }

    /// A table of transits of these sources, in short.
    pub(crate) fn transit_table() -> TableDef {
        let TableDef { columns, .. } = source_table();
        let transit_id = ColumnDef { name: "transit_id".to_owned(), ..columns[0].clone() };
        TableDef {
            name: "astroelementary".to_owned(),
            class: "AstroElementary".to_owned(),
            object: "AstroElementaryImpl".to_owned(),
            position: None,
            transits_of: Some("completesource".to_owned()),
            columns: vec![columns[0].clone(), transit_id],
            ..source_table()
        }
    }

    /// What two batches brought: transits 100 to 200, and 150 to 400.
    pub(crate) fn batches() -> Vec<BatchBounds> {
        let bounds = |bounds| [("transit_id".to_owned(), bounds)].into();
        [(1, (100, 200)), (2, (150, 400))]
            .map(|(batch, ends)| BatchBounds { first: batch, last: batch, bounds: bounds(ends) })
            .to_vec()
    }

    /// Chunks 0, 1 and 2, of which n0 has the even ones and n1 the odd one, with as many rows in each table.
    pub(crate) fn epoch(visibility: Visibility) -> Arc<Epoch> {
        let stats = ChunkStats { rows: 1, moc_order: 0, moc: vec![0..12], batches: batches(), ..ChunkStats::default() };
        let cut = [0..0, 0..spolia_sky::PIXELS / 2, spolia_sky::PIXELS / 2..spolia_sky::PIXELS];
        let tables = ["gaia.completesource", "gaia.astroelementary"].map(|name| (name.to_owned(), stats.clone()));
        let chunk = |(chunk, pixels)| Chunk { chunk, pixels, group: chunk % 2, tables: tables.clone().into() };
        let manifest = Manifest { epoch: 3, visibility, chunks: (0..).zip(cut).map(chunk).collect() };
        let node = |group| {
            let address = NodeAddress::from_url(&format!("n{group}"), group, "host=localhost").unwrap();
            Arc::new(Node::new(address, &RouterSettings::default()).unwrap())
        };
        Arc::new(Epoch { manifest, nodes: vec![node(0), node(1)], known_everywhere: true })
    }

    #[tokio::test]
    async fn an_epoch_shows_its_batches_and_hides_others() {
        let sql = |visibility| ShardedTable::new("gaia", &source_table(), epoch(visibility)).visibility_sql(1).unwrap();
        assert_eq!(
            sql(Visibility { watermark: 4, hidden: Vec::new() }),
            "t1.batch <= 4 AND (t1.superseded IS NULL OR t1.superseded > 4)"
        );
        assert_eq!(
            sql(Visibility { watermark: 4, hidden: vec![2] }),
            "t1.batch <= 4 AND t1.batch <> ALL ('{2}') \
             AND (t1.superseded IS NULL OR t1.superseded > 4 OR t1.superseded = ANY ('{2}'))"
        );
    }
}
