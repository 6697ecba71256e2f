//! Queries: planned once for their columns and epoch, run when their ticket is handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{ActionCreatePreparedStatementResult, ProstMessageExt, TicketStatementQuery};
use arrow_flight::{FlightData, FlightDescriptor, FlightInfo, IpcMessage, SchemaAsIpc};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use spolia_exec::{ExecError, QueryAnswer, QueryRequest};
use tonic::{Response, Status};

use super::{Batches, metadata};
use crate::door::Door;
use crate::fault::Fault;
use crate::gate::Place;
use crate::outgoing::{Outgoing, channel};
use crate::record::Record;
use crate::service::{Service, client_id};

/// What a ticket holds: all that it takes to run the query, so that nothing is remembered between the two calls. It is no
/// permission: whoever makes one up could as well ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StatementHandle {
    query: String,
    epoch: i64,
    client: String,
}

/// The columns of a query, and the ticket for its rows.
pub(super) async fn info(
    service: &Service,
    adql: &str,
    descriptor: FlightDescriptor,
) -> Result<Response<FlightInfo>, Status> {
    let client = client_id(None);
    let answer = plan(service, adql, None, &client).await?;
    let handle = StatementHandle { query: adql.to_owned(), epoch: answer.epoch, client };
    let handle = serde_json::to_vec(&handle).map_err(|error| Fault::internal("make a ticket", &error).grpc())?;
    let ticket = TicketStatementQuery { statement_handle: handle.into() };
    metadata::info(&answer.schema, ticket.as_any(), descriptor)
}

/// The columns of a query that will be run by its handle.
pub(super) async fn prepare(service: &Service, adql: String) -> Result<ActionCreatePreparedStatementResult, Status> {
    let answer = plan(service, &adql, None, &client_id(None)).await?;
    Ok(ActionCreatePreparedStatementResult {
        prepared_statement_handle: adql.into(),
        dataset_schema: ipc(&answer.schema)?,
        // ADQL has no parameters to bind.
        parameter_schema: ipc(&Schema::empty())?,
    })
}

fn ipc(schema: &Schema) -> Result<bytes::Bytes, Status> {
    let IpcMessage(message) = SchemaAsIpc::new(schema, &IpcWriteOptions::default())
        .try_into()
        .map_err(|error: arrow::error::ArrowError| Fault::internal("describe the answer", &error).grpc())?;
    Ok(message)
}

/// Plans a query. Rows are read from the nodes only once it is polled.
async fn plan(service: &Service, adql: &str, epoch: Option<i64>, client: &str) -> Result<QueryAnswer, Fault> {
    let links = service.links(client.to_owned());
    let maxrec = Some(service.settings.maxrec_hard);
    Ok(service.archive.query(&QueryRequest { maxrec, epoch, ..QueryRequest::new(adql, links) }).await?)
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        fault.grpc()
    }
}

/// The rows of a ticket.
pub(super) async fn rows(service: &Service, handle: &[u8]) -> Result<Response<Batches>, Status> {
    let handle: StatementHandle = serde_json::from_slice(handle)
        .map_err(|_| Status::invalid_argument("this ticket is not of this service; ask for flight info first"))?;
    let client = client_id(Some(&handle.client));
    let mut record = service.begin("query", Door::Flight, &handle.query);
    record.note("client", client.as_str());
    match begin(service, &handle, &client, &mut record).await {
        Ok((answer, place)) => {
            let (out, batches) = channel(service.stall());
            tokio::spawn(send(answer, service.settings.maxrec_hard, out, record, place));
            Ok(Response::new(Box::pin(batches)))
        }
        Err(fault) => {
            record.fail(&fault.message);
            Err(fault.grpc())
        }
    }
}

async fn begin(
    service: &Service,
    handle: &StatementHandle,
    client: &str,
    record: &mut Record,
) -> Result<(QueryAnswer, Place), Fault> {
    let place = service.queries.enter().await?;
    let answer = plan(service, &handle.query, Some(handle.epoch), client).await?;
    record.note("epoch", answer.epoch);
    record.note("plan_ms", record.elapsed_ms());
    Ok((answer, place))
}

/// Encodes and sends; the log has its line before the client has the end.
async fn send(
    answer: QueryAnswer,
    maxrec: usize,
    out: Outgoing<Result<FlightData, Status>>,
    record: Record,
    _place: Place,
) {
    let bytes = Arc::new(AtomicU64::new(0));
    let schema = answer.schema.clone();
    let batches = Reading { answer, maxrec, record, bytes: Arc::clone(&bytes) }.batches();
    let encoded = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    let mut encoded = std::pin::pin!(encoded);
    while let Some(data) = encoded.next().await {
        if let Ok(data) = &data {
            bytes.fetch_add((data.data_header.len() + data.data_body.len()) as u64, Relaxed);
        }
        if out.send(data.map_err(Status::from)).await.is_err() {
            return;
        }
    }
}

/// A query being read; dropped early, its record counts it as aborted.
struct Reading {
    answer: QueryAnswer,
    maxrec: usize,
    record: Record,
    /// Bytes that have left so far.
    bytes: Arc<AtomicU64>,
}

impl Reading {
    fn batches(self) -> impl Stream<Item = Result<RecordBatch, FlightError>> + Send {
        stream::unfold(Some(self), |reading| async move {
            let mut reading = reading?;
            match reading.answer.next().await {
                Some(Ok(batch)) => Some((Ok(batch), Some(reading))),
                Some(Err(error)) => {
                    let fault = Fault::from(ExecError::from(error));
                    Some((Err(reading.fail(fault.grpc())), None))
                }
                None if reading.answer.overflow() => {
                    let message = format!("the result has more than the {} rows an answer may have", reading.maxrec);
                    Some((Err(reading.fail(Status::resource_exhausted(message))), None))
                }
                None => {
                    reading.noted().succeed();
                    None
                }
            }
        })
    }

    fn noted(mut self) -> Record {
        self.record.rows(self.answer.rows() as u64);
        self.record.add_bytes(self.bytes.load(Relaxed) as usize);
        self.record.note_nodes(&self.answer.timings());
        self.record
    }

    fn fail(self, status: Status) -> FlightError {
        self.noted().fail(status.message());
        FlightError::from(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_holds_the_query_whatever_is_in_it() {
        let handle = StatementHandle { query: "SELECT 1 -- \"\n\u{0}é".to_owned(), epoch: 7, client: "c".to_owned() };
        let bytes = serde_json::to_vec(&handle).unwrap();
        assert_eq!(serde_json::from_slice::<StatementHandle>(&bytes).unwrap(), handle);
    }
}
