//! The server: both ports, until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::Router;
use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode, Version, header};
use axum::routing::get;
use spolia_exec::{Archive, Dispatcher};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::server::TcpIncoming;
use tower_http::compression::CompressionLayer;
use tower_http::trace::TraceLayer;

use crate::error::ServerError;
use crate::flight::FlightDoor;
use crate::registry::{self, RegistrySettings};
use crate::service::Service;
use crate::settings::ServerSettings;
use crate::table_decoder::TableDecoder;
use crate::visitor::identify;
use crate::{datalink, files, health, jobs, page, tap};

/// How long answers under way may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How often the keys that sign links are read.
const KEYS_READ: Duration = Duration::from_secs(5);
/// How often users' tables are looked for whose time is over.
const TABLES_SWEPT: Duration = Duration::from_secs(20);
/// Calls of one Flight connection answered at once.
const CALLS_PER_CONNECTION: usize = 32;
/// How often a Flight client must show a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The doors of an archive, bound to their ports.
pub struct Server {
    service: Service,
    flight: FlightDoor,
    http_listener: TcpListener,
    flight_listener: TcpListener,
    http_addr: SocketAddr,
    flight_addr: SocketAddr,
}

impl Server {
    /// Takes both ports. Requests are answered once [`Server::serve`] runs; `decoder` reads tables of formats that are not read in this process.
    ///
    /// # Errors
    /// When a setting makes no sense, a port is taken, or the spool folder cannot be made.
    pub async fn bind(
        archive: Archive,
        settings: ServerSettings,
        registry: RegistrySettings,
        decoder: TableDecoder,
        dispatcher: Option<Dispatcher>,
    ) -> Result<Self, ServerError> {
        settings.validate()?;
        registry.validate()?;
        let (http_listener, http_addr) = listen(settings.listen).await?;
        let (flight_listener, flight_addr) = listen(settings.flight_listen).await?;
        let base_url = settings.base_url(http_addr)?;
        let service = Service::new(archive, settings, registry, decoder, dispatcher, base_url)?;
        let flight = FlightDoor::new(service.clone()).map_err(ServerError::Describe)?;
        Ok(Self { service, flight, http_listener, flight_listener, http_addr, flight_addr })
    }

    /// Where the HTTP door is.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where the Flight SQL door is.
    pub fn flight_addr(&self) -> SocketAddr {
        self.flight_addr
    }

    /// What links begin with, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.service.base_url
    }

    /// Answers until `shutdown` ends, then finishes what is under way, for ten seconds at most.
    ///
    /// # Errors
    /// When a door breaks.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let (stop, stopped) = watch::channel(false);
        let until = |mut stopped: watch::Receiver<bool>| async move {
            // An error means that the sender is gone, and that says the same.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let work = jobs::work(self.service.clone(), until(stopped.clone()));
        let work = async {
            work.await;
            Ok(())
        };
        let keys = follow_keys(self.service.archive.clone());
        let tables = sweep_user_tables(self.service.archive.clone());
        let http = axum::serve(self.http_listener, routes(self.service)).with_graceful_shutdown(until(stopped.clone()));
        let http = async { http.await.map_err(ServerError::Http) };
        let flight = tonic::transport::Server::builder()
            .concurrency_limit_per_connection(CALLS_PER_CONNECTION)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .add_service(FlightServiceServer::new(self.flight))
            .serve_with_incoming_shutdown(
                TcpIncoming::from(self.flight_listener).with_nodelay(Some(true)),
                until(stopped),
            );
        let flight = async { flight.await.map_err(ServerError::Flight) };
        let stopping = async {
            shutdown.await;
            let _ = stop.send(true);
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = async { tokio::try_join!(http, flight, work) } => served.map(|_| ()),
            () = stopping => Ok(()),
            () = keys => Ok(()),
            () = tables => Ok(()),
        }
    }
}

/// Takes up new keys that sign links, and forgets those that are forgotten.
async fn follow_keys(archive: Archive) {
    loop {
        tokio::time::sleep(KEYS_READ).await;
        if let Err(error) = archive.refresh_keys().await {
            tracing::warn!(error = error.message(), "the keys that sign links could not be read");
        }
    }
}

/// Drops users' tables whose time is over.
async fn sweep_user_tables(archive: Archive) {
    loop {
        tokio::time::sleep(TABLES_SWEPT).await;
        if let Err(error) = archive.sweep_user_tables().await {
            tracing::warn!(error = error.message(), "users' tables whose time is over could not be dropped");
        }
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// All HTTP doors.
fn routes(service: Service) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .nest("/tap", tap::routes())
        .nest("/datalink", datalink::routes())
        .route("/datalink", get(datalink::links).post(datalink::links))
        .route("/api/files", get(files::file))
        .route("/oai", get(registry::oai).post(registry::oai))
        .layer(axum::middleware::from_fn_with_state(service.clone(), identify))
        .layer(axum::middleware::map_response(named))
        .layer(CompressionLayer::new().compress_when(worth_compressing))
        .layer(TraceLayer::new_for_http())
        .with_state(service)
}

/// Documents and tables of text, where the client takes gzip; files with a tag of their own stay as they are, since ranges of them may be asked
/// for, and so does what is compressed already.
fn worth_compressing(status: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_text = ["text/", "application/x-votable+xml", "application/json", "application/xhtml+xml"];
    let is_text = is_text.iter().any(|begin| content_type.starts_with(begin)) && !content_type.ends_with("BINARY2");
    status == StatusCode::OK && is_text && !headers.contains_key(header::ETAG)
}

/// Adds what answered.
async fn named(mut response: Response<Body>) -> Response<Body> {
    let name = HeaderValue::from_static(concat!("spolia/", env!("CARGO_PKG_VERSION")));
    response.headers_mut().insert(header::SERVER, name);
    response
}
