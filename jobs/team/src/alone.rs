//! One who has nobody to share with, and keeps no books.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Share, Stage, Team};

/// One who has nobody to share with, and keeps no books.
#[derive(Debug, Default)]
pub struct Alone(Mutex<BTreeMap<Stage, Done>>);

#[derive(Debug, Default)]
struct Done {
    claimed: u64,
    told: BTreeMap<u64, Vec<u64>>,
}

impl Alone {
    fn done(&self) -> MutexGuard<'_, BTreeMap<Stage, Done>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Team for Alone {
    fn leads(&self) -> bool {
        true
    }

    fn divide(&self, _: Stage, _: &[u64]) -> io::Result<()> {
        Ok(())
    }

    fn claim(&self, stage: Stage) -> io::Result<u64> {
        let mut done = self.done();
        let claimed = &mut done.entry(stage).or_default().claimed;
        *claimed += 1;
        Ok(*claimed - 1)
    }

    fn done(&self, share: Share) -> io::Result<()> {
        self.done().entry(share.stage).or_default().told.insert(share.number, share.told);
        Ok(())
    }

    fn meet(&self, stage: Stage, digests: &[u64]) -> io::Result<Vec<Vec<u64>>> {
        let told: Vec<_> = self.done().remove(&stage).unwrap_or_default().told.into_values().collect();
        if told.len() == digests.len() { Ok(told) } else { Err(io::Error::other("nobody else does what is not done")) }
    }

    fn hear(&self, said: Option<Vec<u64>>) -> io::Result<Vec<u64>> {
        said.ok_or_else(|| io::Error::other("nobody else says anything"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_by_one() {
        let alone = Alone::default();
        assert_eq!([(); 3].map(|()| alone.claim(Stage::Load).unwrap()), [0, 1, 2]);
        for number in [1, 0] {
            let share = Share { stage: Stage::Load, number, digest: 0, weight: 1, told: vec![number] };
            Team::done(&alone, share).unwrap();
        }
        assert_eq!(alone.meet(Stage::Load, &[0, 0]).unwrap(), [[0], [1]]);
        assert!(alone.meet(Stage::Load, &[0]).is_err() && alone.hear(None).is_err());
    }
}
