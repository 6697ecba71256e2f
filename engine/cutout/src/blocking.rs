//! Work that blocks - reading, copying, writing - on the threads that the runtime has for that. Their number is bounded by the places of the
//! doors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::error::CutoutError;

/// Work that goes on beside whoever holds this. Dropped, it is asked to stop.
#[derive(Debug)]
pub(crate) struct Blocking<T> {
    work: JoinHandle<Result<T, CutoutError>>,
    stop: Arc<AtomicBool>,
}

impl<T: Send + 'static> Blocking<T> {
    /// Begins `work`, which looks now and then whether it is to stop.
    pub(crate) fn begin(work: impl FnOnce(&AtomicBool) -> Result<T, CutoutError> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self { work: spawn_blocking(move || work(&stopped)), stop }
    }

    /// Waits for its end; once.
    ///
    /// # Errors
    /// When the work fails.
    pub(crate) async fn done(&mut self) -> Result<T, CutoutError> {
        let broke_off = |error: JoinError| CutoutError::Refused(format!("reading files broke off: {error}"));
        (&mut self.work).await.map_err(broke_off)?
    }
}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
