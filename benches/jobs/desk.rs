//! The desk where ranks claim shares and note what they have done: microseconds for a share, against a program that only appends lines as long
//! to a file. Prints both, and the first alone on the last line.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench that cannot run ends there")]

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use spolia_exec::{Desk, Ledger, Note, Request};
use spolia_team::{Share, Stage};

const SHARES: u64 = 200_000;
const ROUNDS: usize = 5;

fn note(number: u64) -> Note {
    let share =
        Share { stage: Stage::Fill, number, digest: number << 32, weight: 8 << 20, told: vec![12, 8 << 20, 9 << 20] };
    let (begun_ms, ended_ms) = (1_795_852_177_000, 1_795_852_177_400);
    Note {
        share,
        rank: 17,
        host: "node-0017".to_owned(),
        attempt: 1,
        begun_ms,
        ended_ms,
        cpu_ms: 4000,
        peak_kib: 40_000,
    }
}

/// Microseconds for a share, with what ranks send and get as JSON, as by MPI.
fn desk() -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path(), "plan", "spolia", 64, &[]).expect("a ledger");
    let mut desk = Desk::new(ledger, String::new(), Arc::default());
    let begun = Instant::now();
    for number in 0..SHARES {
        for request in [Request::Claim(Stage::Fill), Request::Done(note(number))] {
            let said = serde_json::to_vec(&request).expect("a request");
            let request = serde_json::from_slice(&said).expect("the same");
            for (_, reply) in desk.take(17, request) {
                let said = serde_json::to_vec(&reply).expect("an answer");
                assert!(!said.is_empty());
            }
        }
    }
    begun.elapsed().as_secs_f64() * 1e6 / SHARES as f64
}

/// Microseconds for a line of the same length.
fn lines() -> f64 {
    let mut file = File::create(tempfile::tempdir().expect("a folder").path().join("lines")).expect("a file");
    let line = serde_json::to_vec(&note(SHARES)).expect("a line");
    let begun = Instant::now();
    for _ in 0..SHARES {
        file.write_all(&line).expect("room");
    }
    begun.elapsed().as_secs_f64() * 1e6 / SHARES as f64
}

fn main() {
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (desk(), lines())).collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (own, peer) = rounds[ROUNDS / 2];
    println!("desk: {own:.1} us for a share, {:.1} times a line appended to a file ({peer:.1} us)", own / peer);
    println!("{own:.2}");
}
