//! `spolia serve`: TAP, DataLink, files and Arrow Flight.

use std::path::Path;

use spolia_exec::{Archive, Dispatcher};
use spolia_flight_server::{Server, ServerSettings, TableDecoder};
use spolia_local_node::LocalNode;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Serve;
use crate::error::CommandError;
use crate::site::Site;

/// Serves until Ctrl-C or SIGTERM. Local nodes that are down are started, and stopped again at the end.
pub async fn run(mut site: Site, serve: Serve) -> Result<(), CommandError> {
    let server = &mut site.settings.server;
    server.listen = serve.listen.unwrap_or(server.listen);
    server.flight_listen = serve.flight_listen.unwrap_or(server.flight_listen);
    server.base_url = serve.base_url.or(server.base_url.take());
    let started = site.start(true).await?;
    let served = until_stopped(&site).await;
    stop(&started).await?;
    served
}

async fn until_stopped(site: &Site) -> Result<(), CommandError> {
    let settings = &site.settings;
    let server = bind(site, site.archive().await?, settings.server.clone()).await?;
    eprintln!("TAP {}/tap, Arrow Flight grpc://{}; Ctrl-C ends", server.base_url(), server.flight_addr());
    Ok(server.serve(stop_signal()).await?)
}

/// Takes the ports of a site's server.
pub async fn bind(site: &Site, archive: Archive, settings: ServerSettings) -> Result<Server, CommandError> {
    let program = std::env::current_exe().map_err(CommandError::file("find", Path::new("spolia")))?;
    let jobs = &site.settings.jobs;
    let scheduler = jobs.scheduler(&jobs.scheduler, &program)?;
    let dispatcher = scheduler.map(|scheduler| Dispatcher::new(&archive, scheduler, jobs.clone()));
    let decoder = TableDecoder::new(program, ["decode-table".into()]);
    Ok(Server::bind(archive, settings, site.settings.registry.clone(), decoder, dispatcher).await?)
}

/// Ends at Ctrl-C or SIGTERM.
pub async fn stop_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Stops the nodes that a command started for itself.
pub async fn stop(nodes: &[LocalNode]) -> Result<(), CommandError> {
    futures::future::try_join_all(nodes.iter().map(LocalNode::stop)).await?;
    Ok(())
}
