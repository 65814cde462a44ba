//! A reader on the outcome topic that remembers when it saw what.

use std::time::Instant;

use rdkafka::message::{BorrowedMessage, Message};

use crate::support::follow::Follower;
use crate::support::kafka::Topics;

/// An outcome as a reader sees it appear.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) order: String,
    pub(crate) partition: i32,
    pub(crate) at: Instant,
}

impl Told {
    pub(crate) fn now(record: &BorrowedMessage<'_>) -> Self {
        let order = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
        Self { order, partition: record.partition(), at: Instant::now() }
    }
}

/// The reader at work.
pub(crate) struct Witness(Follower<Vec<Told>>);

impl Witness {
    /// Reads the outcomes from now on; their topic is there.
    pub(crate) fn start(topics: &Topics) -> Self {
        Self(Follower::start(topics, Vec::new(), |told: &mut Vec<Told>, record| told.push(Told::now(record))))
    }

    /// Everything it has seen.
    pub(crate) fn finish(self) -> Vec<Told> {
        self.0.finish()
    }
}
