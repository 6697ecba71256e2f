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

    /// Counts work as to be done.
    pub fn hand_out(&self, work: u64) {
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

    /// The part of the work that is done, from 0 to 1.
    #[must_use]
    pub fn part(&self) -> f64 {
        let of = |part: &AtomicU64, whole: &AtomicU64| {
            let (part, whole) = (part.load(Ordering::Relaxed), whole.load(Ordering::Relaxed));
            (whole > 0).then(|| part as f64 / whole as f64)
        };
        let placed = of(&self.placed, &self.wanted).unwrap_or(1.0);
        (placed * of(&self.done, &self.handed_out).unwrap_or(0.0)).min(1.0)
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
        let without_objects = CutProgress::default();
        without_objects.hand_out(4);
        without_objects.finish(3);
        assert!((without_objects.part() - 0.75).abs() < 1e-9);
    }
}
