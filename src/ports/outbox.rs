//! Outcomes that wait to be published, and what is known of those that were.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::order::OrderId;
use crate::domain::outcome::EventId;
use crate::ports::order_repository::RepositoryError;

/// The outcomes that settling orders has stored.
///
/// # Contract
/// 1. An event is here from the moment its order is settled, with the bytes that it will always have.
/// 2. `unpublished` never misses an event for long: it selects by what is unpublished, not by an
///    ever-growing number (numbers commit out of order).
/// 3. At most one relay leads at a time while its lease lasts, by the storage's own clock.
/// 4. An event that cannot be read is reported and left out: it never keeps the others waiting.
/// 5. What is known of one topic says nothing about another.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The random name of this storage: made for the first caller, the same for all who open it ever
    /// after. The publishers of one storage fence each other by it, and no others.
    ///
    /// # Errors
    /// [`RepositoryError`]; the name may have been made. Ask again.
    async fn identity(&self) -> Result<String, RepositoryError>;

    /// Takes or keeps the lead for `lease`; false where another relay has it.
    ///
    /// # Errors
    /// [`RepositoryError`]; the lead may have been taken. Do not publish.
    async fn lead(&self, relay: &str, lease: Duration) -> Result<bool, RepositoryError>;

    /// Gives up the lead, so that another relay need not wait for the lease to end.
    ///
    /// # Errors
    /// [`RepositoryError`]; the lead ends with its lease then.
    async fn resign(&self, relay: &str) -> Result<(), RepositoryError>;

    /// Up to `limit` events that are not marked as published, oldest first.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn unpublished(&self, limit: usize) -> Result<Vec<OutcomeEvent>, RepositoryError>;

    /// Marks events as published on `topic` and raises, in the same transaction, how far each of its
    /// partitions is known to be written.
    ///
    /// # Errors
    /// [`RepositoryError`]; all of it may have been stored, or nothing. Read the topic's tail.
    async fn mark_published(&self, topic: &str, published: &[Published]) -> Result<(), RepositoryError>;

    /// Takes over events that were found on `topic`: those known here are marked as published, others
    /// are stored as published with their bytes. Where a known event has other bytes on the topic, that
    /// is reported and the topic's are kept: they are what the world has read.
    ///
    /// Stores how far each partition was read, be it less than was known when the reading began, `read_from`: the
    /// topic was made anew then. What was raised above `read_from` meanwhile, by a relay that publishes, is not
    /// lowered; what has fallen below it was restored, and stays: what lies between was not read.
    ///
    /// # Errors
    /// [`RepositoryError`]; all of it may have been stored, or nothing. Read the same stretch again.
    async fn adopt(
        &self,
        topic: &str,
        found: &[FoundEvent],
        read_from: &[Position],
        read_up_to: &[Position],
    ) -> Result<Adopted, RepositoryError>;

    /// The events of one order that are here, oldest first: none of an order whose history was removed.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn events_of(&self, order_id: &OrderId) -> Result<Vec<KeptEvent>, RepositoryError>;

    /// How far each partition of `topic` is known to be written.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn positions(&self, topic: &str) -> Result<Vec<Position>, RepositoryError>;
}

/// An outcome as it is published: its bytes are fixed when its order is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeEvent {
    /// The event's id.
    pub id: EventId,
    /// The order; the record's key.
    pub order_id: OrderId,
    /// The event's type. Publishing needs no more of it than the bytes, so a newer program's is no obstacle.
    pub event_type: String,
    /// The record's headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The record's value.
    pub payload: Vec<u8>,
}

/// An event, and whether the world was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEvent {
    /// The event.
    pub event: OutcomeEvent,
    /// Whether it is marked as published.
    pub is_published: bool,
}

/// An event that is on the topic, visible to readers of committed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The event.
    pub event_id: EventId,
    /// Where it is.
    pub partition: i32,
    /// Where in the partition it is.
    pub offset: i64,
}

/// An event that was found on the topic by reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEvent {
    /// The event, as its record says.
    pub event: OutcomeEvent,
    /// Where it is.
    pub partition: i32,
    /// Where in the partition it is.
    pub offset: i64,
}

/// A partition of a topic and the offset that follows the last one known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub next_offset: i64,
}

impl Position {
    /// The next offset of a partition by these positions: 0 where they do not say.
    pub fn next_of(partition: i32, positions: &[Self]) -> i64 {
        positions.iter().find(|position| position.partition == partition).map_or(0, |position| position.next_offset)
    }
}

/// What taking over found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Events of ours that turned out to be published.
    pub marked: u64,
    /// Events that were not known here.
    pub stored: u64,
}
