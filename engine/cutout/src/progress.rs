//! How far a cut has come.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far a cut has come, as another thread may ask while it is being made.
#[derive(Debug, Default)]
pub struct CutProgress {
    /// Objects that have a place in the merged file, of all that are wanted.
    placed: AtomicU64,
    wanted: AtomicU64,
    /// Work that is done, of all that was handed out so far, in bytes about.
    done: AtomicU64,
    handed_out: AtomicU64,
}

impl CutProgress {
    pub(crate) fn want(&self, objects: u64) {
        self.wanted.store(objects, Ordering::Relaxed);
    }

    pub(crate) fn place(&self, objects: u64) {
        self.placed.fetch_add(objects, Ordering::Relaxed);
    }

    pub(crate) fn hand_out(&self, work: u64) {
        self.handed_out.fetch_add(work, Ordering::Relaxed);
    }

    /// Counts work as done.
    pub fn finish(&self, work: u64) {
        self.done.fetch_add(work, Ordering::Relaxed);
    }

    /// Objects that are wanted; 0 before that is known.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.wanted.load(Ordering::Relaxed)
    }

    /// The part of the cut that is done, from 0 to 1.
    #[must_use]
    pub fn part(&self) -> f64 {
        let of = |part: &AtomicU64, whole: &AtomicU64| {
            let (part, whole) = (part.load(Ordering::Relaxed), whole.load(Ordering::Relaxed));
            if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
        };
        (of(&self.placed, &self.wanted) * of(&self.done, &self.handed_out)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_work_on_half_of_the_objects_is_a_quarter() {
        let progress = CutProgress::default();
        assert_eq!((progress.part(), progress.objects()), (0.0, 0));
        progress.want(10);
        progress.place(5);
        progress.hand_out(100);
        progress.finish(50);
        assert!((progress.part() - 0.25).abs() < 1e-9);
    }
}
