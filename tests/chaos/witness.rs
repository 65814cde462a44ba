//! A reader of its own on the outcome topic, at `read_committed`, that notes when it sees what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;

use crate::support::kafka::{Topics, all_partitions};
use crate::support::unique;

const TICK: Duration = Duration::from_millis(50);

/// An outcome as a reader sees it appear.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) order: String,
    pub(crate) partition: i32,
    pub(crate) at: Instant,
}

/// The reader at work, on a thread of its own.
pub(crate) struct Witness {
    is_over: Arc<AtomicBool>,
    reading: JoinHandle<Vec<Told>>,
}

impl Witness {
    /// Reads the outcomes from now on; their topic is there.
    pub(crate) fn start(topics: &Topics) -> Self {
        let consumer: BaseConsumer = topics
            .client()
            .set("group.id", unique("witness"))
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
            let mut told = Vec::new();
            while !over.load(Ordering::Relaxed) {
                // A broker that is away is none of its business: it reads on when there is one.
                if let Some(Ok(record)) = consumer.poll(TICK) {
                    let order = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
                    told.push(Told { order, partition: record.partition(), at: Instant::now() });
                }
            }
            told
        };
        Self { is_over, reading: std::thread::spawn(read) }
    }

    /// Everything it has seen.
    pub(crate) fn finish(self) -> Vec<Told> {
        self.is_over.store(true, Ordering::Relaxed);
        self.reading.join().expect("the reader does not panic")
    }
}
