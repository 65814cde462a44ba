//! How the consumer is doing, for readiness and metrics: numbers that one thread writes and all may read.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use metrics::{Gauge, gauge};

/// How much of a reason is kept: readiness is read by people, on one line.
const REASON_CHARS: usize = 200;

/// How the consumer is doing at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Partitions that are ours and read.
    pub assigned_partitions: usize,
    /// Partitions that are ours and not read yet, because it is not known from where.
    pub waiting_partitions: usize,
    /// Why that is not known, where it takes long; shortened.
    pub waiting_reason: Option<String>,
    /// Records that are held: waiting or being handled.
    pub held_records: usize,
    /// Their bytes.
    pub held_bytes: usize,
    /// Orders that are being handled.
    pub in_flight: usize,
    /// Those of them that are tried again and again, because the world refuses.
    pub retrying: usize,
    /// Why one of them was refused, lately, in the words of [`Handling::Retry`](super::Handling::Retry),
    /// shortened; `None` while nothing is retried.
    pub retry_reason: Option<String>,
    /// Partitions that are not read on for now, because they hold all that they may, or for the reason that follows.
    pub paused_partitions: usize,
    /// Whether intake is paused, of all partitions: because too much is held, or for the reason that follows.
    pub is_paused: bool,
    /// Why the application keeps intake paused; shortened. `None` while it does not.
    pub pause_reason: Option<String>,
    /// Partitions that should be read and are not, whatever was done about it so far.
    pub stalled_partitions: usize,
    /// How that was seen of one of them; shortened.
    pub stall_reason: Option<String>,
    /// How often something was done about it, since the start.
    pub stall_repairs: usize,
    /// How long ago the thread that polls Kafka gave a sign of life. More than some seconds is a
    /// thread that hangs, or a cluster that does not answer.
    pub last_poll_age: Duration,
}

/// A handle on the live status; cheap to clone.
#[derive(Clone)]
pub struct StatusHandle(Arc<Cells>);

struct Cells {
    started: Instant,
    assigned_partitions: Count,
    waiting_partitions: Count,
    waiting_reason: Reason,
    held_records: Count,
    held_bytes: Count,
    in_flight: Count,
    retrying: Count,
    retry_reason: Reason,
    paused_partitions: Count,
    is_paused: AtomicBool,
    paused: Gauge,
    pause_reason: Reason,
    closed: Gauge,
    stalled_partitions: Count,
    stall_reason: Reason,
    stall_repairs: AtomicUsize,
    last_poll_ms: AtomicU64,
}

/// Words for people, if there is something to say.
#[derive(Default)]
struct Reason(Mutex<Option<String>>);

impl Reason {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().expect("no one panics while holding it")
    }

    fn set(&self, why: Option<&str>) {
        *self.lock() = why.map(|why| why.chars().take(REASON_CHARS).collect());
    }
}

/// A number that is a gauge as well.
struct Count {
    now: AtomicUsize,
    gauge: Gauge,
}

impl Count {
    fn new(gauge: Gauge) -> Self {
        Self { now: AtomicUsize::new(0), gauge }
    }

    fn get(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    fn set(&self, now: usize) {
        // Most calls change nothing, and they come with every record.
        if self.now.swap(now, Ordering::Relaxed) != now {
            self.gauge.set(as_gauge(now));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; nobody holds 2^52 of anything")]
fn as_gauge(count: usize) -> f64 {
    count as f64
}

impl StatusHandle {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cells {
            started: Instant::now(),
            assigned_partitions: Count::new(gauge!("order_payments_consumer_assigned_partitions")),
            waiting_partitions: Count::new(gauge!("order_payments_consumer_waiting_partitions")),
            waiting_reason: Reason::default(),
            held_records: Count::new(gauge!("order_payments_consumer_held_records")),
            held_bytes: Count::new(gauge!("order_payments_consumer_held_bytes")),
            in_flight: Count::new(gauge!("order_payments_consumer_in_flight")),
            retrying: Count::new(gauge!("order_payments_consumer_retrying")),
            retry_reason: Reason::default(),
            paused_partitions: Count::new(gauge!("order_payments_consumer_paused_partitions")),
            is_paused: AtomicBool::new(false),
            paused: gauge!("order_payments_consumer_paused"),
            pause_reason: Reason::default(),
            closed: gauge!("order_payments_consumer_intake_closed"),
            stalled_partitions: Count::new(gauge!("order_payments_consumer_stalled_partitions")),
            stall_reason: Reason::default(),
            stall_repairs: AtomicUsize::new(0),
            last_poll_ms: AtomicU64::new(0),
        }))
    }

    /// How the consumer is doing now.
    pub fn now(&self) -> ConsumerStatus {
        let cells = &*self.0;
        let last_poll = Duration::from_millis(cells.last_poll_ms.load(Ordering::Relaxed));
        ConsumerStatus {
            assigned_partitions: cells.assigned_partitions.get(),
            waiting_partitions: cells.waiting_partitions.get(),
            waiting_reason: cells.waiting_reason.lock().clone(),
            held_records: cells.held_records.get(),
            held_bytes: cells.held_bytes.get(),
            in_flight: cells.in_flight.get(),
            retrying: cells.retrying.get(),
            retry_reason: cells.retry_reason.lock().clone(),
            paused_partitions: cells.paused_partitions.get(),
            is_paused: cells.is_paused.load(Ordering::Relaxed),
            pause_reason: cells.pause_reason.lock().clone(),
            stalled_partitions: cells.stalled_partitions.get(),
            stall_reason: cells.stall_reason.lock().clone(),
            stall_repairs: cells.stall_repairs.load(Ordering::Relaxed),
            last_poll_age: cells.started.elapsed().saturating_sub(last_poll),
        }
    }

    /// Says what is held.
    pub(crate) fn holds(&self, assigned: usize, records: usize, bytes: usize) {
        let cells = &*self.0;
        cells.assigned_partitions.set(assigned);
        cells.held_records.set(records);
        cells.held_bytes.set(bytes);
    }

    /// Says that the thread that polls lives, and what it cannot or may not read.
    pub(crate) fn polled(&self, waiting: usize, paused: usize, is_paused: bool) {
        let cells = &*self.0;
        cells.waiting_partitions.set(waiting);
        cells.paused_partitions.set(paused);
        if cells.is_paused.swap(is_paused, Ordering::Relaxed) != is_paused {
            cells.paused.set(f64::from(u8::from(is_paused)));
        }
        let since_start = u64::try_from(cells.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        cells.last_poll_ms.store(since_start, Ordering::Relaxed);
    }

    pub(crate) fn set_in_flight(&self, in_flight: usize) {
        self.0.in_flight.set(in_flight);
    }

    /// Says why partitions are not read yet.
    pub(crate) fn set_waiting_reason(&self, why: Option<&str>) {
        self.0.waiting_reason.set(why);
    }

    /// Says why the application keeps intake paused, or that it does not.
    pub(crate) fn set_pause_reason(&self, why: Option<&str>) {
        self.0.pause_reason.set(why);
        self.0.closed.set(f64::from(u8::from(why.is_some())));
    }

    /// Says how many partitions stall.
    pub(crate) fn set_stalled(&self, partitions: usize) {
        self.0.stalled_partitions.set(partitions);
        if partitions == 0 {
            self.0.stall_reason.set(None);
        }
    }

    /// Says that a partition stalls as told here, and that something is done about it.
    pub(crate) fn is_repaired(&self, evidence: &str) {
        self.0.stall_reason.set(Some(evidence));
        self.0.stall_repairs.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one more order that is retried, until the answer is dropped.
    pub(crate) fn retrying(&self) -> Retrying {
        let _one_at_a_time = self.0.retry_reason.lock();
        self.0.retrying.set(self.0.retrying.get() + 1);
        Retrying(self.clone())
    }
}

impl std::fmt::Debug for StatusHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("StatusHandle").field(&self.now()).finish()
    }
}

/// An order that is retried.
pub(crate) struct Retrying(StatusHandle);

impl Retrying {
    /// Says why it was refused the last time.
    pub(crate) fn because(&self, why: &str) {
        self.0.0.retry_reason.set(Some(why));
    }
}

impl Drop for Retrying {
    fn drop(&mut self) {
        let mut reason = self.0.0.retry_reason.lock();
        let left = self.0.0.retrying.get().saturating_sub(1);
        self.0.0.retrying.set(left);
        if left == 0 {
            *reason = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_stays_while_anything_is_retried() {
        let status = StatusHandle::new();
        let (one, other) = (status.retrying(), status.retrying());
        one.because("the gateway is away");
        other.because(&"x".repeat(1_000));
        drop(other);
        let now = status.now();
        assert_eq!((now.retrying, now.retry_reason.map(|reason| reason.len())), (1, Some(REASON_CHARS)));
        drop(one);
        assert_eq!((status.now().retrying, status.now().retry_reason), (0, None));
    }
}
