//! A reader of its own on the outcome topic, at `read_committed`, that notes what it sees when it sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;

use crate::support::kafka::{Topics, all_partitions};
use crate::support::unique;

const TICK: Duration = Duration::from_millis(50);

/// The reader at work, on a thread of its own.
pub(crate) struct Follower<N> {
    is_over: Arc<AtomicBool>,
    reading: JoinHandle<N>,
}

impl<N: Send + 'static> Follower<N> {
    /// Reads the outcomes from the first on, and has each noted as it appears; their topic is there.
    pub(crate) fn start(
        topics: &Topics,
        mut notes: N,
        mut note: impl FnMut(&mut N, &BorrowedMessage<'_>) + Send + 'static,
    ) -> Self {
        let consumer: BaseConsumer = topics
            .client()
            .set("group.id", unique("follower"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            // It is to see what the service does, not how long its own connection takes.
            .set("reconnect.backoff.max.ms", "200")
            .set("fetch.wait.max.ms", "50")
            .create()
            .expect("a lawful configuration");
        let partitions = all_partitions(&consumer, &topics.outcomes, Offset::Beginning);
        consumer.assign(&partitions).expect("partitions can be assigned");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let read = move || {
            while !over.load(Ordering::Relaxed) {
                // A broker that is away is none of its business: it reads on when there is one.
                if let Some(Ok(record)) = consumer.poll(TICK) {
                    note(&mut notes, &record);
                }
            }
            notes
        };
        Self { is_over, reading: std::thread::spawn(read) }
    }

    /// Everything it has noted.
    pub(crate) fn finish(self) -> N {
        self.is_over.store(true, Ordering::Relaxed);
        self.reading.join().expect("the reader does not panic")
    }
}
