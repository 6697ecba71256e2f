//! `spolia init`: an empty site, or an existing one brought up to this version.

use std::path::Path;

use spolia_catalogue::Control;
use spolia_shard_router::Router;

use crate::arguments::Init;
use crate::error::CommandError;
use crate::settings::NodesSettings;
use crate::site::Site;

/// Makes the site, its nodes and their base tables; leaves the nodes as they were, running or not.
pub async fn run(default: &Path, init: Init) -> Result<(), CommandError> {
    let nodes = NodesSettings { local: if init.nodes.is_empty() { init.shards } else { 0 }, urls: init.nodes };
    let site = Site::create(init.dir.as_deref().unwrap_or(default), &nodes)?;
    let started = prepare(&site).await?;
    for node in started {
        node.stop().await?;
    }
    eprintln!("site {} is ready; start its nodes with `spolia --site {0} up`", site.folder().display());
    Ok(())
}

/// Makes and starts the nodes, and sets their tables up; returns the nodes that were not running before.
pub async fn prepare(site: &Site) -> Result<Vec<spolia_local_node::LocalNode>, CommandError> {
    site.make_local_nodes().await?;
    let started = site.start(true).await?;
    let settings = site.archive_settings()?;
    let control = Control::new(settings.control.config.clone())?;
    control.migrate().await?;
    Router::new(control, settings.nodes, &settings.router)?.prepare_nodes().await?;
    Ok(started)
}
