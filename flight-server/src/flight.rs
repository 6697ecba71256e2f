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
use spolia_exec::Credentials;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status, Streaming};

use crate::service::Service;
use crate::visitor::credentials;

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

    /// The service as whoever calls may see it.
    async fn visited(&self, metadata: &MetadataMap) -> Result<Service, Status> {
        let who = self.service.identify(shown(metadata)?).await?;
        Ok(self.service.seen_by(who))
    }
}

/// The credentials of a call, if it has any.
fn shown(metadata: &MetadataMap) -> Result<Option<Credentials>, Status> {
    let Some(value) = metadata.get("authorization") else { return Ok(None) };
    let shown = value.to_str().ok().and_then(credentials);
    let shown =
        shown.ok_or_else(|| Status::unauthenticated("authorization is neither of the form Bearer nor Basic"))?;
    Ok(Some(shown).filter(|shown| shown.secret != ANONYMOUS))
}

#[tonic::async_trait]
impl FlightSqlService for FlightDoor {
    type FlightService = FlightDoor;

    /// Who shows a name and a token gets the token to show from then on; who shows nothing is told to be anonymous.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        self.visited(request.metadata()).await?;
        let token = shown(request.metadata())?.map_or_else(|| ANONYMOUS.to_owned(), |shown| shown.secret);
        let answer = HandshakeResponse { protocol_version: 0, payload: token.clone().into() };
        let mut response: Response<Pin<Box<dyn Stream<Item = _> + Send>>> =
            Response::new(Box::pin(stream::iter([Ok(answer)])));
        let token = MetadataValue::try_from(format!("Bearer {token}"));
        let token = token.map_err(|_| Status::unauthenticated("this token cannot be sent back"))?;
        response.metadata_mut().insert("authorization", token);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let service = self.visited(request.metadata()).await?;
        statement::info(&service, &query.query, request.into_inner()).await
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Batches>, Status> {
        let service = self.visited(request.metadata()).await?;
        statement::rows(&service, &ticket.statement_handle).await
    }

    /// The handle of a prepared statement is its text: nothing is remembered, and each run reads the newest epoch.
    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let service = self.visited(request.metadata()).await?;
        statement::prepare(&service, query.query).await
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
        let service = self.visited(request.metadata()).await?;
        let adql = std::str::from_utf8(&query.prepared_statement_handle)
            .map_err(|_| Status::invalid_argument("this handle is not of a statement prepared here"))?;
        statement::info(&service, adql, request.into_inner()).await
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
        request: Request<Ticket>,
    ) -> Result<Response<Batches>, Status> {
        let service = self.visited(request.metadata()).await?;
        metadata::schemas(&service, query).await
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any();
        metadata::info(&query.into_builder().schema(), ticket, request.into_inner())
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        request: Request<Ticket>,
    ) -> Result<Response<Batches>, Status> {
        let service = self.visited(request.metadata()).await?;
        metadata::tables(&service, query).await
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
