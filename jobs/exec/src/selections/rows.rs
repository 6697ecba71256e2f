//! The rows of a selection, and how they are kept: sorted, as the gaps between their ids.

use serde::{Deserialize, Serialize};

use crate::link::RowLink;

/// Rows that were chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectedRows {
    /// The epoch they were seen in.
    pub epoch: i64,
    /// Their row ids, in order, each once.
    pub ids: Vec<i64>,
}

/// What is kept; postcard writes each number in as few bytes as it needs.
#[derive(Serialize, Deserialize)]
struct Packed {
    epoch: i64,
    first: i64,
    gaps: Vec<u64>,
}

impl SelectedRows {
    /// Rows of an epoch, in any order.
    pub fn new(epoch: i64, mut ids: Vec<i64>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self { epoch, ids }
    }

    /// The rows of links, in the newest epoch that one of them was seen in.
    pub fn of_links(links: &[RowLink]) -> Self {
        let epoch = links.iter().map(|link| link.epoch).max().unwrap_or_default();
        Self::new(epoch, links.iter().map(|link| link.id).collect())
    }

    /// The rows as they are kept.
    pub fn packed(&self) -> Vec<u8> {
        let gaps = self.ids.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as u64).collect();
        let packed = Packed { epoch: self.epoch, first: self.ids.first().copied().unwrap_or_default(), gaps };
        // Numbers and lists can always be written.
        postcard::to_stdvec(&packed).unwrap_or_default()
    }

    /// The rows that were packed; none for other bytes.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let Packed { epoch, first, gaps } = postcard::from_bytes(bytes).ok()?;
        let mut ids = Vec::with_capacity(gaps.len() + 1);
        ids.push(first);
        for gap in gaps {
            let last = ids.last()?;
            ids.push(last.wrapping_add(gap as i64));
        }
        Some(Self { epoch, ids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_and_once() {
        for ids in [vec![7], vec![5, 3, 5, i64::MAX, i64::MIN, 0, -1], (0..1000).map(|n| n << 33).collect()] {
            let rows = SelectedRows::new(9, ids.clone());
            assert_eq!(SelectedRows::unpack(&rows.packed()), Some(rows.clone()));
            assert!(rows.ids.is_sorted() && ids.iter().all(|id| rows.ids.binary_search(id).is_ok()));
        }
    }

    #[test]
    fn a_million_rows_take_less_than_ten_megabytes() {
        // Row ids are a file's number and a row's in it; the worst are those that are spread over all 64 bits.
        let mut random = 1u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random as i64
        };
        let spread = SelectedRows::new(1, (0..1_000_000).map(|_| next()).collect());
        let in_files = SelectedRows::new(1, (0..1_000_000).map(|n| ((n / 1000) << 32) + (n % 1000) * 20).collect());
        let (spread, in_files) = (spread.packed().len(), in_files.packed().len());
        assert!(spread < 8_000_000 && in_files < 1_100_000, "{spread} and {in_files} bytes");
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&b""[..], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x02\x02\xff\xff\xff\xff\x0f\x01"] {
            assert_eq!(SelectedRows::unpack(bytes), None, "{bytes:?}");
        }
    }
}
