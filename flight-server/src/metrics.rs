//! Counters, in the text form that Prometheus reads.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::door::Door;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered.
    Ok,
    /// It was refused, or failed.
    Error,
    /// The client left, or stopped reading.
    Aborted,
}

impl Outcome {
    const ALL: [Outcome; 3] = [Outcome::Ok, Outcome::Error, Outcome::Aborted];

    fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Error => "error",
            Outcome::Aborted => "aborted",
        }
    }
}

#[derive(Debug, Default)]
struct DoorMetrics {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    rows: AtomicU64,
    bytes: AtomicU64,
    micros: AtomicU64,
    under_way: AtomicU64,
}

/// What has been done at each door since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    doors: [DoorMetrics; Door::ALL.len()],
}

impl Metrics {
    /// Counts a request that begins.
    pub(crate) fn begin(&self, door: Door) {
        self.doors[door as usize].under_way.fetch_add(1, Relaxed);
    }

    /// Counts a request that has ended.
    pub(crate) fn end(&self, door: Door, outcome: Outcome, rows: u64, bytes: u64, elapsed_ms: f64) {
        let door = &self.doors[door as usize];
        door.under_way.fetch_sub(1, Relaxed);
        door.outcomes[outcome as usize].fetch_add(1, Relaxed);
        door.rows.fetch_add(rows, Relaxed);
        door.bytes.fetch_add(bytes, Relaxed);
        door.micros.fetch_add((elapsed_ms * 1e3) as u64, Relaxed);
    }

    /// Everything as text, Prometheus exposition format 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        family(&mut out, "spolia_requests_total", "counter", "Requests that have ended");
        for door in Door::ALL {
            for outcome in Outcome::ALL {
                let count = self.doors[door as usize].outcomes[outcome as usize].load(Relaxed);
                let (door, outcome) = (door.name(), outcome.name());
                let _ = writeln!(out, "spolia_requests_total{{door=\"{door}\",outcome=\"{outcome}\"}} {count}");
            }
        }
        self.per_door(&mut out, "spolia_rows_total", "counter", "Rows sent", |door| door.rows.load(Relaxed) as f64);
        self.per_door(&mut out, "spolia_bytes_total", "counter", "Bytes sent", |door| door.bytes.load(Relaxed) as f64);
        self.per_door(&mut out, "spolia_request_seconds_total", "counter", "Time that requests took", |door| {
            door.micros.load(Relaxed) as f64 / 1e6
        });
        self.per_door(&mut out, "spolia_requests_under_way", "gauge", "Requests being answered", |door| {
            door.under_way.load(Relaxed) as f64
        });
        out
    }

    fn per_door(&self, out: &mut String, name: &str, kind: &str, help: &str, value: fn(&DoorMetrics) -> f64) {
        family(out, name, kind, help);
        for door in Door::ALL {
            let _ = writeln!(out, "{name}{{door=\"{}\"}} {}", door.name(), value(&self.doors[door as usize]));
        }
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_counted_at_its_door() {
        let metrics = Metrics::default();
        for _ in 0..3 {
            metrics.begin(Door::Tap);
        }
        metrics.end(Door::Tap, Outcome::Ok, 5, 700, 1500.0);
        metrics.end(Door::Tap, Outcome::Error, 0, 0, 0.0);
        let text = metrics.text();
        for line in [
            "spolia_requests_total{door=\"tap\",outcome=\"ok\"} 1",
            "spolia_requests_total{door=\"tap\",outcome=\"error\"} 1",
            "spolia_requests_total{door=\"flight\",outcome=\"ok\"} 0",
            "spolia_rows_total{door=\"tap\"} 5",
            "spolia_bytes_total{door=\"tap\"} 700",
            "spolia_request_seconds_total{door=\"tap\"} 1.5",
            "spolia_requests_under_way{door=\"tap\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
