//! One after the other: who writes for a user, so that one user takes one place for uploads and one connection of a node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::Fault;

/// How long somebody waits for others of the same name.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Whose turn it is, by name.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<Semaphore>>>);

/// A turn, over when dropped.
pub(crate) type Turn = OwnedSemaphorePermit;

impl Turns {
    /// Waits for the turn of a name.
    ///
    /// # Errors
    /// [`Fault::busy`] when others take too long.
    pub(crate) async fn take(&self, name: &str) -> Result<Turn, Fault> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody waits for those, or is at it.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let turn = tokio::time::timeout(LONGEST_WAIT, turn.acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(Fault::busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_of_one_name_follow_one_another() {
        let turns = Turns::default();
        let first = turns.take("ada").await.unwrap();
        drop(turns.take("bob").await.unwrap());
        assert!(turns.take("ada").await.is_err());
        drop(first);
        drop(turns.take("ada").await.unwrap());
        drop(turns.take("carol").await.unwrap());
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
