//! How many requests are answered at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fault::Fault;

/// A bounded number of places and a bounded queue for them.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    queue: Semaphore,
    wait: Duration,
}

/// A place, free again when dropped.
pub(crate) type Place = OwnedSemaphorePermit;

impl Gate {
    /// So many places; so many requests wait for one, so long.
    pub(crate) fn new(places: usize, waiting: usize, wait: Duration) -> Self {
        let bounded = |permits: usize| permits.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(bounded(places))), queue: Semaphore::new(bounded(waiting)), wait }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Fault::busy`] when too many wait already, or none has become free in time.
    pub(crate) async fn enter(&self) -> Result<Place, Fault> {
        let _waiting = self.queue.try_acquire().map_err(|_| Fault::busy())?;
        let place = tokio::time::timeout(self.wait, Arc::clone(&self.places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(Fault::busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_gate_turns_away_and_lets_in_again() {
        let gate = Gate::new(1, 1, Duration::from_secs(5));
        let place = gate.enter().await.unwrap();
        let (second, third) = tokio::join!(gate.enter(), gate.enter());
        assert!(second.is_err() && third.is_err());
        drop(place);
        assert!(gate.enter().await.is_ok());
    }
}
