//! Selections in the memory of this process.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::{SelectionError, SelectionStore};
use crate::link::RowLink;

/// What a selection or basket takes beside its rows, in bytes, about.
const OVERHEAD: usize = 200;

/// Selections in the memory of this process, which end with it. When there is no room, the least used go.
#[derive(Debug)]
pub struct MemorySelections {
    held: Cache<String, Held, Weight>,
    /// Held while a basket is changed.
    gathering: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Held {
    what: What,
    until: Instant,
}

#[derive(Debug, Clone)]
enum What {
    Selection(Bytes),
    Basket(Vec<RowLink>),
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<String, Held> for Weight {
    fn weight(&self, name: &String, held: &Held) -> u64 {
        let bytes = match &held.what {
            What::Selection(rows) => rows.len(),
            What::Basket(rows) => rows.len() * size_of::<RowLink>(),
        };
        (OVERHEAD + name.len() + bytes) as u64
    }
}

impl MemorySelections {
    /// Room for selections of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let mut options = OptionsBuilder::new();
        // One shard: a large selection may take all the room.
        options.shards(1).weight_capacity(bytes as u64).estimated_items_capacity(1000);
        let (hash, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let held = match options.build() {
            Ok(options) => Cache::with_options(options, Weight, hash, lifecycle),
            Err(_) => Cache::with(1000, bytes as u64, Weight, hash, lifecycle),
        };
        Self { held, gathering: Mutex::new(()) }
    }

    fn get(&self, name: &str) -> Option<What> {
        let held = self.held.get(name)?;
        if held.until > Instant::now() {
            return Some(held.what);
        }
        self.held.remove(name);
        None
    }

    fn put(&self, name: &str, what: What, lifetime: Duration) {
        self.held.insert(name.to_owned(), Held { what, until: Instant::now() + lifetime });
    }
}

#[async_trait]
impl SelectionStore for MemorySelections {
    async fn keep(&self, name: &str, rows: Bytes, lifetime: Duration) -> Result<(), SelectionError> {
        self.put(name, What::Selection(rows), lifetime);
        self.held.contains_key(name).then_some(()).ok_or(SelectionError::NoRoom)
    }

    async fn find(&self, name: &str) -> Result<Option<Bytes>, SelectionError> {
        Ok(match self.get(name) {
            Some(What::Selection(rows)) => Some(rows),
            _ => None,
        })
    }

    async fn forget(&self, name: &str) -> Result<bool, SelectionError> {
        let there = self.get(name).is_some();
        self.held.remove(name);
        Ok(there)
    }

    async fn gather(
        &self,
        basket: &str,
        row: RowLink,
        most: usize,
        lifetime: Duration,
    ) -> Result<usize, SelectionError> {
        let _alone = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = match self.get(basket) {
            Some(What::Basket(rows)) => rows,
            _ => Vec::new(),
        };
        if rows.len() < most && !rows.iter().any(|held| held.id == row.id) {
            rows.push(row);
        }
        let count = rows.len();
        self.put(basket, What::Basket(rows), lifetime);
        Ok(count)
    }

    async fn gathered(&self, basket: &str, first: usize) -> Result<Vec<RowLink>, SelectionError> {
        Ok(match self.get(basket) {
            Some(What::Basket(mut rows)) => {
                rows.truncate(first);
                rows
            }
            _ => Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn the_least_used_go_when_there_is_no_room() {
        let store = MemorySelections::new(100_000);
        for n in 0..100 {
            store.keep(&format!("s{n}"), Bytes::from(vec![0; 5000]), HOUR).await.unwrap();
        }
        let mut left = 0;
        for n in 0..100 {
            left += usize::from(store.find(&format!("s{n}")).await.unwrap().is_some());
        }
        assert!((10..20).contains(&left), "{left}");
        let large = store.keep("large", Bytes::from(vec![0; 200_000]), HOUR).await;
        assert!(matches!(large, Err(SelectionError::NoRoom)));
    }
}
