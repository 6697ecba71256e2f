//! How many rows nodes may send for one query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::RouterError;

/// A bound on the rows that nodes send, and how many have come. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct RowBound {
    most: u64,
    sent: Arc<AtomicU64>,
}

impl RowBound {
    pub(crate) fn new(most: u64) -> Self {
        Self { most, sent: Arc::default() }
    }

    /// Counts rows that have come.
    ///
    /// # Errors
    /// [`RouterError::TooManyRows`] beyond the bound.
    pub(crate) fn add(&self, rows: usize) -> Result<(), RouterError> {
        let sent = self.sent.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        if sent > self.most { Err(RouterError::TooManyRows(self.most)) } else { Ok(()) }
    }
}
