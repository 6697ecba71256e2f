//! Flight SQL: ADQL in, Arrow record batches out.

mod metadata;
mod statement;

use std::pin::Pin;

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::server::FlightSqlService;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandPreparedStatementQuery, CommandStatementQuery, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{Action, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket};
use futures::{Stream, stream};
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use crate::service::Service;

/// What a call that answers with record batches returns.
type Batches = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;
/// The token that clients get who insist on logging in.
const ANONYMOUS: &str = "anonymous";

/// The Flight SQL door.
pub(crate) struct FlightDoor {
    service: Service,
    about: SqlInfoData,
}

impl FlightDoor {
    /// A door to this service.
    ///
    /// # Errors
    /// When Arrow refuses the service's description of itself, which would be a fault here.
    pub(crate) fn new(service: Service) -> Result<Self, FlightError> {
        let mut about = SqlInfoDataBuilder::new();
        about.append(SqlInfo::FlightSqlServerName, "Spolia");
        about.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
        // The version of the columnar format that is spoken.
        about.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
        about.append(SqlInfo::FlightSqlServerReadOnly, true);
        about.append(SqlInfo::FlightSqlServerSql, true);
        about.append(SqlInfo::FlightSqlServerSubstrait, false);
        about.append(SqlInfo::FlightSqlServerTransaction, 0i32);
        about.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
        Ok(Self { service, about: about.build()? })
    }
}

#[tonic::async_trait]
impl FlightSqlService for FlightDoor {
    type FlightService = FlightDoor;

    /// Nobody needs to log in; clients that do so all the same are told that they are anonymous.
    async fn do_handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        let answer = HandshakeResponse { protocol_version: 0, payload: ANONYMOUS.into() };
        let mut response: Response<Pin<Box<dyn Stream<Item = _> + Send>>> =
            Response::new(Box::pin(stream::iter([Ok(answer)])));
        let token = MetadataValue::from_static("Bearer anonymous");
        response.metadata_mut().insert("authorization", token);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        statement::info(&self.service, &query.query, request.into_inner()).await
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        _: Request<Ticket>,
    ) -> Result<Response<Batches>, Status> {
        statement::rows(&self.service, &ticket.statement_handle).await
    }

    /// The handle of a prepared statement is its text: nothing is remembered, and each run reads the newest epoch.
    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        statement::prepare(&self.service, query.query).await
    }

    async fn do_action_close_prepared_statement(
        &self,
        _: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let adql = std::str::from_utf8(&query.prepared_statement_handle)
            .map_err(|_| Status::invalid_argument("this handle is not of a statement prepared here"))?;
        statement::info(&self.service, adql, request.into_inner()).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any();
        metadata::info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        _: Request<Ticket>,
    ) -> Result<Response<Batches>, Status> {
        metadata::catalogs(query)
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any();
        metadata::info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        _: Request<Ticket>,
    ) -> Result<Response<Batches>, Status> {
        metadata::schemas(&self.service, query).await
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any();
        metadata::info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_tables(&self, query: CommandGetTables, _: Request<Ticket>) -> Result<Response<Batches>, Status> {
        metadata::tables(&self.service, query).await
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any();
        metadata::info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        _: Request<Ticket>,
    ) -> Result<Response<Batches>, Status> {
        metadata::table_types(query)
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any();
        metadata::info(&query.into_builder(&self.about).schema(), ticket, request.into_inner())
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, _: Request<Ticket>) -> Result<Response<Batches>, Status> {
        let builder = query.into_builder(&self.about);
        metadata::one(builder.schema(), builder.build())
    }

    /// What the service says of itself is fixed when it is made.
    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
