//! The memory of one query: a part of what all queries share, with a bound of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{Result, resources_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// A pool that takes from another one, and no more than a bound.
#[derive(Debug)]
pub(crate) struct QueryMemory {
    shared: Arc<dyn MemoryPool>,
    most: usize,
    taken: AtomicUsize,
}

impl QueryMemory {
    /// At most so many bytes of a shared pool.
    pub(crate) fn new(shared: Arc<dyn MemoryPool>, most: usize) -> Self {
        Self { shared, most, taken: AtomicUsize::new(0) }
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} bytes of {}", self.most, self.shared)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.shared.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.shared.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.taken.fetch_add(additional, Ordering::Relaxed);
        self.shared.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.taken.fetch_sub(shrink, Ordering::Relaxed);
        self.shared.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let taken = self.taken.fetch_add(additional, Ordering::Relaxed);
        let bounded = match taken + additional > self.most {
            true => Err(resources_datafusion_err!("{additional} bytes beside {taken}, of at most {}", self.most)),
            false => self.shared.try_grow(reservation, additional),
        };
        bounded.inspect_err(|_| {
            self.taken.fetch_sub(additional, Ordering::Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.most)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn a_query_takes_its_part_and_gives_it_back() {
        let shared: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100));
        let pool = || Arc::new(QueryMemory::new(Arc::clone(&shared), 60)) as Arc<dyn MemoryPool>;
        let (one, other) = (pool(), pool());
        let first = MemoryConsumer::new("first").register(&one);
        let second = MemoryConsumer::new("second").register(&other);
        first.try_grow(50).unwrap();
        assert!(first.try_grow(11).unwrap_err().to_string().contains("of at most 60"));
        assert!(second.try_grow(55).is_err(), "what all share is no more than it is");
        second.try_grow(50).unwrap();
        assert_eq!((one.reserved(), other.reserved(), shared.reserved()), (50, 50, 100));
        drop(first);
        assert_eq!((one.reserved(), shared.reserved()), (0, 50));
    }
}
