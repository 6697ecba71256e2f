//! What clients ask about catalogs, schemas and tables.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::Result as FlightResult;
use arrow_flight::sql::{Any, CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables};
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use futures::{TryStreamExt, stream};
use prost::Message;
use spolia_exec::ExecError;
use tonic::{Response, Status};

use super::Batches;
use crate::fault::Fault;
use crate::service::{Service, client_id};

/// ADQL's names stop at the schema; clients that want a catalog are given one without a name.
const CATALOG: &str = "";
/// The only kind of table.
const TABLE: &str = "TABLE";

/// Where to get an answer of these columns: here, with the command itself as the ticket.
pub(super) fn info(schema: &Schema, ticket: Any, descriptor: FlightDescriptor) -> Result<Response<FlightInfo>, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.encode_to_vec()));
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| Fault::internal("describe the answer", &error).grpc())?
        .with_endpoint(endpoint)
        .with_descriptor(descriptor);
    Ok(Response::new(info))
}

/// An answer of one batch.
pub(super) fn one(schema: SchemaRef, batch: FlightResult<RecordBatch>) -> Result<Response<Batches>, Status> {
    let batches = FlightDataEncoderBuilder::new().with_schema(schema).build(stream::iter([batch]));
    Ok(Response::new(Box::pin(batches.map_err(Status::from))))
}

/// The one catalog.
pub(super) fn catalogs(query: CommandGetCatalogs) -> Result<Response<Batches>, Status> {
    let mut builder = query.into_builder();
    builder.append(CATALOG);
    one(builder.schema(), builder.build())
}

/// The kinds of tables.
pub(super) fn table_types(query: CommandGetTableTypes) -> Result<Response<Batches>, Status> {
    let mut builder = query.into_builder();
    builder.append(TABLE);
    one(builder.schema(), builder.build())
}

/// The schemas.
pub(super) async fn schemas(service: &Service, query: CommandGetDbSchemas) -> Result<Response<Batches>, Status> {
    let _place = service.queries.enter().await.map_err(|fault| fault.grpc())?;
    let schema = service.archive.tap_schema().await.map_err(|error| Fault::from(error).grpc())?;
    let mut builder = query.into_builder();
    let names: BTreeSet<&str> = schema.schemas.iter().map(|schema| schema.name.as_str()).collect();
    names.into_iter().for_each(|name| builder.append(CATALOG, name));
    one(builder.schema(), builder.build())
}

/// The tables, with their columns if they are asked for.
pub(super) async fn tables(service: &Service, query: CommandGetTables) -> Result<Response<Batches>, Status> {
    let told = |error: ExecError| Fault::from(error).grpc();
    let _place = service.queries.enter().await.map_err(|fault| fault.grpc())?;
    let schema = service.archive.tap_schema().await.map_err(told)?;
    let names: Vec<&str> = schema.tables().map(|table| table.name.as_str()).collect();
    let columns = match query.include_schema {
        true => service.archive.columns(&names, &service.links(client_id(None))).await.map_err(told)?,
        false => vec![SchemaRef::new(Schema::empty()); names.len()],
    };
    let mut builder = query.into_builder();
    for (table, columns) in names.into_iter().zip(&columns) {
        let Some((schema_name, name)) = table.split_once('.') else { continue };
        builder.append(CATALOG, schema_name, name, TABLE, columns).map_err(Status::from)?;
    }
    one(builder.schema(), builder.build())
}
