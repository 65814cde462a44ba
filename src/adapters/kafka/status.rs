//! How the consumer is doing, for readiness and metrics: numbers that one thread writes and all may read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How the consumer is doing at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Partitions that are ours.
    pub assigned_partitions: usize,
    /// Records that are held: waiting or being handled.
    pub held_records: usize,
    /// Their bytes.
    pub held_bytes: usize,
    /// Orders that are being handled.
    pub in_flight: usize,
    /// Whether intake is paused, because too much is held.
    pub is_paused: bool,
    /// How long ago the thread that polls Kafka gave a sign of life. More than some seconds is a
    /// thread that hangs, or a cluster that does not answer a commit.
    pub last_poll_age: Duration,
}

/// A handle on the live status; cheap to clone.
#[derive(Clone, Debug)]
pub struct StatusHandle(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    started: Instant,
    assigned_partitions: AtomicUsize,
    held_records: AtomicUsize,
    held_bytes: AtomicUsize,
    in_flight: AtomicUsize,
    is_paused: AtomicBool,
    last_poll_ms: AtomicU64,
}

impl StatusHandle {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cells {
            started: Instant::now(),
            assigned_partitions: AtomicUsize::new(0),
            held_records: AtomicUsize::new(0),
            held_bytes: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            is_paused: AtomicBool::new(false),
            last_poll_ms: AtomicU64::new(0),
        }))
    }

    /// How the consumer is doing now.
    pub fn now(&self) -> ConsumerStatus {
        let cells = &*self.0;
        let last_poll = Duration::from_millis(cells.last_poll_ms.load(Ordering::Relaxed));
        ConsumerStatus {
            assigned_partitions: cells.assigned_partitions.load(Ordering::Relaxed),
            held_records: cells.held_records.load(Ordering::Relaxed),
            held_bytes: cells.held_bytes.load(Ordering::Relaxed),
            in_flight: cells.in_flight.load(Ordering::Relaxed),
            is_paused: cells.is_paused.load(Ordering::Relaxed),
            last_poll_age: cells.started.elapsed().saturating_sub(last_poll),
        }
    }

    pub(crate) fn polled(&self, assigned: usize, held_records: usize, held_bytes: usize, is_paused: bool) {
        let cells = &*self.0;
        cells.assigned_partitions.store(assigned, Ordering::Relaxed);
        cells.held_records.store(held_records, Ordering::Relaxed);
        cells.held_bytes.store(held_bytes, Ordering::Relaxed);
        cells.is_paused.store(is_paused, Ordering::Relaxed);
        let since_start = u64::try_from(cells.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        cells.last_poll_ms.store(since_start, Ordering::Relaxed);
    }

    pub(crate) fn set_in_flight(&self, in_flight: usize) {
        self.0.in_flight.store(in_flight, Ordering::Relaxed);
    }
}
