//! Files that a team shares out: what one of it does about that.

use std::io;
use std::sync::Arc;

use futures::future::try_join_all;
use md5::{Digest, Md5};
use spolia_team::{Share, Stage, Team};

use crate::error::IngestError;

/// Files that one of the team reads at the same time.
const FILES_AT_ONCE: usize = 3;

/// What is to be noted of a share that is done.
pub(crate) struct Did {
    pub(crate) digest: u64,
    /// Bytes that were read.
    pub(crate) weight: u64,
    /// What is told of it.
    pub(crate) told: Vec<u64>,
}

/// What tells a share of these words from others.
pub(crate) fn digest(words: &[&[u8]]) -> u64 {
    let sum = words.iter().fold(Md5::new(), |sum, word| sum.chain_update(word.len().to_le_bytes()).chain_update(word));
    sum.finalize().iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

/// Asks the team something, which may have to wait.
pub(crate) async fn ask<T: Send + 'static>(
    team: &Arc<dyn Team>,
    ask: impl FnOnce(&dyn Team) -> io::Result<T> + Send + 'static,
) -> Result<T, IngestError> {
    let team = Arc::clone(team);
    let asked = tokio::task::spawn_blocking(move || ask(&*team)).await;
    asked.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => IngestError::Stopped,
        _ => IngestError::Team(error),
    })
}

/// Does shares of a stage of so many, some at a time, as long as there are any. When the work is to end before its time, those that were begun
/// are done.
pub(crate) async fn share_out(
    team: &Arc<dyn Team>,
    stage: Stage,
    count: usize,
    each: impl AsyncFn(usize) -> Result<Did, IngestError>,
) -> Result<(), IngestError> {
    let work = || async {
        loop {
            let number = match ask(team, move |team| team.claim(stage)).await {
                Err(IngestError::Stopped) => return Ok::<_, IngestError>(false),
                claimed => claimed?,
            };
            let Some(place) = usize::try_from(number).ok().filter(|place| *place < count) else { return Ok(true) };
            let Did { digest, weight, told } = each(place).await?;
            let share = Share { stage, number, digest, weight, told };
            ask(team, move |team| team.done(share)).await?;
        }
    };
    let all = try_join_all((0..FILES_AT_ONCE).map(|_| work())).await?;
    if all.contains(&false) { Err(IngestError::Stopped) } else { Ok(()) }
}
