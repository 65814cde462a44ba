//! The outcomes as they become visible to a reader of committed records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::message::Message;

use crate::support::eventually;
use crate::support::follow::Follower;
use crate::support::kafka::Topics;

/// An order, and when its outcome was read.
pub(crate) type Told = (String, Instant);

/// The reader at work.
pub(crate) struct Reader {
    follower: Follower<Vec<Told>>,
    seen: Arc<AtomicUsize>,
}

impl Reader {
    /// Reads the outcomes from the first on; their topic is there.
    pub(crate) fn start(topics: &Topics) -> Self {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let follower = Follower::start(topics, Vec::new(), move |told: &mut Vec<Told>, record| {
            let order = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            told.push((order, Instant::now()));
            count.fetch_add(1, Ordering::Relaxed);
        });
        Self { follower, seen }
    }

    /// Waits until so many outcomes were read.
    pub(crate) async fn wait_for(&self, outcomes: usize, patience: Duration) {
        let is_there = async || (self.seen() >= outcomes).then_some(());
        eventually(&format!("the outcome number {outcomes}"), patience, is_there).await;
    }

    /// How many outcomes were read up to now.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }

    /// Everything that was read, in the order in which it was.
    pub(crate) fn finish(self) -> Vec<Told> {
        self.follower.finish()
    }
}

/// When each outcome was read, from a start on.
pub(crate) fn moments(told: &[Told], start: Instant) -> Vec<Duration> {
    told.iter().map(|(_, at)| at.saturating_duration_since(start)).collect()
}
