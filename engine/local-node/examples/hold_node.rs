//! Makes and starts node `n1` of a site, says so, and holds it until it is killed (`hold`) or ends at once (`leave`).
//!
//! The tests run it as another process or another user. `hold_node SITE hold|leave`

use std::io::Write;
use std::path::PathBuf;

use spolia_local_node::{LocalNodeSettings, LocalNodes, StartOptions, Started};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(site), Some(mode)) = (arguments.next(), arguments.next()) else {
        return Err("usage: hold_node SITE hold|leave".into());
    };
    let hold = mode == "hold";
    let settings = LocalNodeSettings { fallback_root: PathBuf::from(&site).join("fallback"), ..Default::default() };
    let node = LocalNodes::new(site.as_ref(), settings)?.create("n1").await?;
    let pid = match node.start(StartOptions { die_with_parent: hold }).await? {
        Started::Spawned { pid } | Started::AlreadyRunning { pid, .. } => pid,
    };
    writeln!(std::io::stdout(), "{pid}")?;
    if hold {
        std::future::pending::<()>().await;
    }
    Ok(())
}
