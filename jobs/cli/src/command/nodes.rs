//! `spolia up` and `spolia down`: the nodes that the site runs itself.

use crate::error::CommandError;
use crate::site::Site;

/// Starts them; they go on when this program ends.
pub async fn up(site: &Site) -> Result<(), CommandError> {
    let started = site.start(false).await?.len();
    let all = site.local_nodes()?.len();
    eprintln!("{all} nodes are up ({started} started)");
    Ok(())
}

/// Stops them.
pub async fn down(site: &Site) -> Result<(), CommandError> {
    let nodes = site.local_nodes()?;
    futures::future::try_join_all(nodes.iter().map(spolia_local_node::LocalNode::stop)).await?;
    eprintln!("{} nodes are down", nodes.len());
    Ok(())
}
