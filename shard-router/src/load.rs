//! Bringing rows to their nodes: each row to the chunk its key falls into, by binary COPY.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, UInt32Array,
};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema};
use deadpool_postgres::Transaction;
use futures::SinkExt;
use futures::future::try_join_all;
use pgpq::ArrowToPostgresBinaryEncoder;
use spolia_catalogue::{ArchivedFile, Collection, Manifest, NewFile, TableDef};
use spolia_sky::{Cone, HPX29_ORDER, PIXEL_ORDER, Position, SkyError, SourceId, healpix_index};
use tokio_postgres::CopyInSink;
use tokio_postgres::types::ToSql;

use crate::error::RouterError;
use crate::node::Node;
use crate::node_schema::{margin, tables_of};
use crate::router::Router;

/// The column of the chunk among those that rows have on a node.
const CHUNK: usize = 1;
/// Seconds that a file's rows are waited for that somebody else is sending.
const TAKING_BACK_S: u32 = 120;
/// Bytes sent to a node in one message.
const MESSAGE_BYTES: usize = 256 << 10;

impl Router {
    /// Makes files known on every node, with the class of their objects, so that rows can be sent there and joined with them.
    ///
    /// # Errors
    /// When a node does not answer or refuses.
    pub async fn announce_files(&self, files: &[(&ArchivedFile, &TableDef)]) -> Result<(), RouterError> {
        let sql = "INSERT INTO spolia_node.file
                   SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::text[], $9::text[])
                   ON CONFLICT DO NOTHING";
        let texts = |text: fn(&NewFile) -> &str| files.iter().map(|(file, _)| text(&file.file)).collect::<Vec<_>>();
        let ids: Vec<i32> = files.iter().map(|(file, _)| file.file_id).collect();
        let versions: Vec<i32> = files.iter().map(|(file, _)| file.file.file_version).collect();
        let identity = [texts(|file| &file.did_rse), texts(|file| &file.did_scope), texts(|file| &file.did_name)];
        let (sums, names) = (texts(|file| &file.checksum), texts(|file| &file.file_name));
        let extensions = texts(|file| &file.file_extension);
        let objects: Vec<&str> = files.iter().map(|(_, table)| table.object.as_str()).collect();
        let [rse, scope, did] = &identity;
        let values: [&(dyn ToSql + Sync); 9] = [&ids, rse, scope, did, &sums, &versions, &names, &extensions, &objects];
        let announce = |node: Arc<Node>| async move {
            node.writer().await?.execute(sql, &values).await.map_err(node.failed("note files"))
        };
        try_join_all(self.nodes().iter().cloned().map(announce)).await?;
        Ok(())
    }

    /// Takes a file off every node again, and its rows with it. Whoever is sending some now has them taken off, too, and sends no more.
    ///
    /// # Errors
    /// When a node does not answer or refuses.
    pub async fn remove_file(&self, file: &ArchivedFile, table: &TableDef) -> Result<(), RouterError> {
        let (first, end) = id_range(file.file_id);
        let schema = &file.file.collection;
        let delete = |name| format!("DELETE FROM {schema}.{name} WHERE id >= {first} AND id < {end}; ");
        // The file goes first: that waits for those who are sending rows.
        let sql = format!(
            "SET LOCAL lock_timeout = '{TAKING_BACK_S}s'; DELETE FROM spolia_node.file WHERE file_id = {}; ",
            file.file_id
        ) + &tables_of(table).map(delete).collect::<String>();
        let remove = |node: Arc<Node>| {
            let sql = sql.clone();
            async move {
                let failed = |error| node.failed("remove a file's rows")(error);
                let mut client = node.writer().await?;
                let transaction = client.transaction().await.map_err(failed)?;
                transaction.batch_execute(&sql).await.map_err(failed)?;
                transaction.commit().await.map_err(failed)
            }
        };
        try_join_all(self.nodes().iter().cloned().map(remove)).await?;
        Ok(())
    }

    /// Marks the rows of a file as replaced by `batch`; they stay visible until an epoch shows that batch. `instead` is the
    /// file that comes in for it: whoever takes that one back has the last word.
    ///
    /// # Errors
    /// When a node does not answer or refuses, or the file that comes in was taken back.
    pub async fn supersede_file(
        &self,
        file: &ArchivedFile,
        table: &TableDef,
        instead: &ArchivedFile,
    ) -> Result<(), RouterError> {
        let (first, end) = id_range(file.file_id);
        let (schema, batch) = (&file.file.collection, instead.batch);
        let update = |name| {
            format!(
                "UPDATE {schema}.{name} SET superseded = {batch} \
                 WHERE id >= {first} AND id < {end} AND superseded IS DISTINCT FROM {batch}; "
            )
        };
        let sql = tables_of(table).map(update).collect::<String>();
        let supersede = |node: Arc<Node>| {
            let sql = sql.clone();
            async move {
                let failed = |error| node.failed("supersede a file's rows")(error);
                let mut client = node.writer().await?;
                let transaction = client.transaction().await.map_err(failed)?;
                hold(&node, &transaction, instead).await?;
                transaction.batch_execute(&sql).await.map_err(failed)?;
                transaction.commit().await.map_err(failed)
            }
        };
        try_join_all(self.nodes().iter().cloned().map(supersede)).await?;
        Ok(())
    }

    /// Takes back all marks that rows of a collection are replaced by `batch`, which was interrupted.
    ///
    /// # Errors
    /// When a node does not answer or refuses.
    pub async fn unmark(&self, collection: &Collection, batch: i32) -> Result<(), RouterError> {
        let schema = &collection.name;
        // It may have been interrupted before there were tables.
        let update = |name| {
            format!(
                "DO $$ BEGIN IF to_regclass('{schema}.{name}') IS NOT NULL THEN
                     UPDATE {schema}.{name} SET superseded = NULL WHERE superseded = {batch};
                 END IF; END $$; "
            )
        };
        let sql = collection.tables.iter().flat_map(tables_of).map(update).collect::<String>();
        let unmark = |node: Arc<Node>| {
            let sql = sql.clone();
            async move { node.writer().await?.batch_execute(&sql).await.map_err(node.failed("take marks back")) }
        };
        try_join_all(self.nodes().iter().cloned().map(unmark)).await?;
        Ok(())
    }

    /// Sends rows of `file`, which is known there, to their nodes. `rows` has `ordinal` (bigint) first, then the table's declared columns.
    ///
    /// # Errors
    /// When a row has no place or no position, or a node does not answer; rows may then be on some nodes, invisible,
    /// until [`Router::remove_file`] takes them off.
    pub async fn load(
        &self,
        table: &TableDef,
        file: &ArchivedFile,
        manifest: &Manifest,
        rows: &RecordBatch,
    ) -> Result<(), RouterError> {
        let placed = Placed { table, file, manifest, rows };
        let positions = placed.positions()?;
        let chunks = placed.chunks()?;
        let complete = placed.complete(&chunks, positions.as_deref())?;
        self.send(&placed, &table.name, &complete).await?;
        let copies = placed.copies(&chunks, positions.as_deref());
        if !copies.is_empty() {
            self.send(&placed, &margin(table), &copied(&complete, copies)?).await?;
        }
        Ok(())
    }

    /// Sends complete rows to the nodes of their chunks, or to all nodes.
    async fn send(&self, placed: &Placed<'_>, table: &str, complete: &RecordBatch) -> Result<(), RouterError> {
        let mut by_node: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
        if placed.table.replicated {
            let all = 0..complete.num_rows() as u32;
            by_node = self.nodes().iter().map(|node| (node.group(), all.clone().collect())).collect();
        }
        let by_chunk = (0u32..).zip(complete.column(CHUNK).as_primitive::<Int32Type>().values());
        for (row, chunk) in by_chunk.filter(|_| !placed.table.replicated) {
            by_node.entry(placed.manifest.chunks[*chunk as usize].group).or_default().push(row);
        }
        let names: Vec<String> = complete.schema().fields().iter().map(|field| field.name().clone()).collect();
        let schema = &placed.file.file.collection;
        let copy = format!("COPY {schema}.{table} ({}) FROM STDIN (FORMAT binary)", names.join(", "));
        let send = |(group, rows): (i32, Vec<u32>)| {
            let copy = &copy;
            async move {
                let rows = take_record_batch(complete, &UInt32Array::from(rows))?;
                copy_in(self.node_of(group)?, placed.file, copy, &rows).await
            }
        };
        try_join_all(by_node.into_iter().map(send)).await?;
        Ok(())
    }
}

/// Copies of rows for the chunks that they lie near.
fn copied(complete: &RecordBatch, copies: Vec<(u32, i32)>) -> Result<RecordBatch, RouterError> {
    let (rows, chunks): (Vec<u32>, Vec<i32>) = copies.into_iter().unzip();
    let rows = take_record_batch(complete, &UInt32Array::from(rows))?;
    let mut columns = rows.columns().to_vec();
    columns[CHUNK] = Arc::new(Int32Array::from(chunks));
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}

/// The ids that rows of a file have: the file's number above, the object's number below.
fn id_range(file_id: i32) -> (i64, i64) {
    (i64::from(file_id) << 32, (i64::from(file_id) + 1) << 32)
}

/// Keeps a file from being taken off a node until a transaction has ended.
async fn hold(node: &Node, transaction: &Transaction<'_>, file: &ArchivedFile) -> Result<(), RouterError> {
    let known = "SELECT FROM spolia_node.file WHERE file_id = $1 FOR KEY SHARE";
    let there = transaction.query_opt(known, &[&file.file_id]).await.map_err(node.failed("hold a file"))?;
    let taken_back = || RouterError::TakenBack { file: file.file.file_name.clone(), node: node.name().to_owned() };
    there.map(drop).ok_or_else(taken_back)
}

/// Rows of a file to a node, as long as the file is known there.
async fn copy_in(node: &Node, file: &ArchivedFile, copy: &str, rows: &RecordBatch) -> Result<(), RouterError> {
    let failed = |error| node.failed("take rows")(error);
    let mut client = node.writer().await?;
    let transaction = client.transaction().await.map_err(failed)?;
    hold(node, &transaction, file).await?;
    let sink = transaction.copy_in(copy).await.map_err(failed)?;
    send_rows(sink, std::slice::from_ref(rows), failed).await?;
    transaction.commit().await.map_err(failed)
}

/// Sends rows to a COPY that waits for them, and ends it.
pub(crate) async fn send_rows(
    sink: CopyInSink<Bytes>,
    batches: &[RecordBatch],
    failed: impl Fn(tokio_postgres::Error) -> RouterError,
) -> Result<(), RouterError> {
    let encode = |error: pgpq::error::ErrorKind| RouterError::Encode(error.to_string());
    let mut sink = pin!(sink);
    if let Some(first) = batches.first() {
        let mut encoder = ArrowToPostgresBinaryEncoder::try_new(first.schema_ref()).map_err(encode)?;
        let mut bytes = BytesMut::new();
        encoder.write_header(&mut bytes).map_err(encode)?;
        for batch in batches {
            encoder.write_batch(batch, &mut bytes).map_err(encode)?;
            while !bytes.is_empty() {
                let message = bytes.split_to(bytes.len().min(MESSAGE_BYTES)).freeze();
                sink.send(message).await.map_err(&failed)?;
            }
        }
        encoder.write_footer(&mut bytes).map_err(encode)?;
        sink.send(bytes.freeze()).await.map_err(&failed)?;
    }
    sink.finish().await.map_err(failed)?;
    Ok(())
}

/// Rows of one file on their way to their chunks.
struct Placed<'a> {
    table: &'a TableDef,
    file: &'a ArchivedFile,
    manifest: &'a Manifest,
    rows: &'a RecordBatch,
}

impl Placed<'_> {
    fn column(&self, name: &str) -> Result<&ArrayRef, RouterError> {
        self.rows.column_by_name(name).ok_or_else(|| RouterError::Encode(format!("column {name:?} is missing")))
    }

    fn ordinals(&self) -> Result<&Int64Array, RouterError> {
        Ok(self.column("ordinal")?.as_primitive::<Int64Type>())
    }

    /// The chunk of each row; 0 for those that are everywhere.
    fn chunks(&self) -> Result<Vec<i32>, RouterError> {
        if self.table.replicated {
            return Ok(vec![0; self.rows.num_rows()]);
        }
        let (keys, ordinals) = (self.column(&self.table.shard_key)?.as_primitive::<Int64Type>(), self.ordinals()?);
        let chunk = |row: usize| {
            let key = keys.is_valid(row).then(|| keys.value(row));
            let chunk = self.manifest.chunk_of(key.and_then(|key| SourceId(key).pixel(12)));
            chunk.map(|chunk| chunk.chunk).ok_or_else(|| RouterError::Unplaceable {
                file: self.file.file.file_name.clone(),
                ordinal: ordinals.value(row),
                key: key.unwrap_or_default(),
            })
        };
        (0..self.rows.num_rows()).map(chunk).collect()
    }

    /// The chunks beside its own that each row lies in or near: those that a circle of the table's margin around it touches.
    fn copies(&self, chunks: &[i32], positions: Option<&[Position]>) -> Vec<(u32, i32)> {
        let Some(margin_arcsec) = self.table.margin_arcsec else { return Vec::new() };
        let mut copies = Vec::new();
        for ((row, own), position) in (0u32..).zip(chunks).zip(positions.unwrap_or_default()) {
            let Ok(cone) = Cone::new(*position, margin_arcsec / 3600.0) else { continue };
            for range in cone.pixel_ranges(PIXEL_ORDER).as_slice() {
                let touched = range.clone().filter_map(|pixel| Some(self.manifest.chunk_of(Some(pixel))?.chunk));
                copies.extend(touched.filter(|chunk| chunk != own).map(|chunk| (row, chunk)));
            }
        }
        copies.sort_unstable();
        copies.dedup();
        copies
    }

    /// The rows with the columns that only the archive knows: id, chunk, batch, pixel and unit vector.
    fn complete(&self, chunks: &[i32], positions: Option<&[Position]>) -> Result<RecordBatch, RouterError> {
        let count = self.rows.num_rows();
        let (first, end) = id_range(self.file.file_id);
        let ids: Int64Array = self.ordinals()?.iter().map(|ordinal| ordinal.map(|o| first + o)).collect();
        if let Some(ordinal) = self.ordinals()?.iter().flatten().find(|ordinal| !(0..end - first).contains(ordinal)) {
            return Err(RouterError::Encode(format!("object number {ordinal} is not between 0 and 2^32 - 1")));
        }
        let mut fields = vec![
            Field::new("id", DataType::Int64, false),
            Field::new("chunk", DataType::Int32, false),
            Field::new("batch", DataType::Int32, false),
        ];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(ids),
            Arc::new(Int32Array::from(chunks.to_vec())),
            Arc::new(Int32Array::from(vec![self.file.batch; count])),
        ];
        if let Some(positions) = positions {
            let pixels = positions.iter().map(|position| healpix_index(HPX29_ORDER, position) as i64);
            fields.push(Field::new("hpx29", DataType::Int64, false));
            columns.push(Arc::new(Int64Array::from_iter_values(pixels)));
            let seen: Vec<[f64; 3]> = positions.iter().map(Position::unit_vector).collect();
            for (axis, name) in ["ux", "uy", "uz"].into_iter().enumerate() {
                fields.push(Field::new(name, DataType::Float64, false));
                columns.push(Arc::new(Float64Array::from_iter_values(seen.iter().map(|vector| vector[axis]))));
            }
        }
        for column in &self.table.columns {
            let array = self.column(&column.name)?;
            fields.push(Field::new(&column.name, array.data_type().clone(), !column.required));
            columns.push(Arc::clone(array));
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// Each row's actual position; nothing for a table without positions.
    fn positions(&self) -> Result<Option<Vec<Position>>, RouterError> {
        let Some(position) = &self.table.position else { return Ok(None) };
        let lon = self.column(&position.lon)?.as_primitive::<Float64Type>();
        let lat = self.column(&position.lat)?.as_primitive::<Float64Type>();
        let ordinals = self.ordinals()?;
        let position = |row: usize| {
            let at = |source| RouterError::Position {
                file: self.file.file.file_name.clone(),
                ordinal: ordinals.value(row),
                source,
            };
            if !(0.0..std::f64::consts::TAU).contains(&lon.value(row)) {
                return Err(at(SkyError::Longitude(lon.value(row))));
            }
            Position::from_radians(lon.value(row), lat.value(row)).map_err(at)?;
            // As queries see it, which give positions in degrees.
            let (lon, lat) = (lon.value(row).to_degrees(), lat.value(row).to_degrees().clamp(-90.0, 90.0));
            Position::from_degrees(lon, lat).map_err(at)
        };
        (0..self.rows.num_rows()).map(position).collect::<Result<Vec<_>, _>>().map(Some)
    }
}
