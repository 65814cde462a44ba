//! The topic that tells the world.

use async_trait::async_trait;
use thiserror::Error;

use crate::ports::outbox::{FoundEvent, OutcomeEvent, Position, Published};

/// Publishes outcome events, each visible once to readers of committed records.
///
/// # Contract
/// 1. `publish` makes all events of a batch visible, or none.
/// 2. After `take_over` no earlier publisher of the same name can make anything visible, and
///    everything that one did make visible is found by `tail`.
/// 3. The outcomes of one order keep their order.
/// 4. A batch that is refused for its data does no harm to the next one, after a take-over.
#[async_trait]
pub trait EventPublisher: Send + Sync {
    /// Fences every earlier publisher of this name. To be called before the first `publish`, and
    /// again after any error that asks for it.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was published.
    async fn take_over(&self) -> Result<(), PublishError>;

    /// Reads committed events from these positions (a partition without one: from its start), at most
    /// about `limit` of them. Complete where the end of every partition was reached.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was published.
    async fn tail(&self, from: &[Position], limit: usize) -> Result<Tail, PublishError>;

    /// Publishes a batch, at once or not at all. Every event's answer says where it is.
    ///
    /// # Errors
    /// [`PublishError`], by variant.
    async fn publish(&self, batch: &[OutcomeEvent]) -> Result<Vec<Published>, PublishError>;
}

/// Sends outcomes that were published before once more, for readers that lost theirs.
///
/// # Contract
/// 1. What is sent is byte for byte what was published, under the same key and id.
/// 2. It fences no publisher, and takes part in no transaction.
#[async_trait]
pub trait EventResender: Send + Sync {
    /// Sends an event and waits until the topic has it.
    ///
    /// # Errors
    /// [`PublishError`]; it may be there. Sending it again does no harm to whoever knows events by their ids.
    async fn send_again(&self, event: &OutcomeEvent) -> Result<(), PublishError>;
}

/// A stretch of the outcome topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The events in it.
    pub events: Vec<FoundEvent>,
    /// How far each partition was read.
    pub read_up_to: Vec<Position>,
    /// Whether the end of every partition was reached.
    pub complete: bool,
}

/// Why nothing was published, or why that is not known.
#[derive(Debug, Error)]
pub enum PublishError {
    /// Certainly nothing of the batch is visible. Publish it again.
    #[error("the outcomes were not published: {detail}")]
    NotPublished {
        /// What the broker or client said.
        detail: String,
    },
    /// Certainly nothing of the batch is visible, and the data of at least one of its events is to blame:
    /// publishing the same batch again is useless. Take over, then publish parts of it.
    #[error("the topic refuses the outcomes: {detail}")]
    Refused {
        /// What the broker or client said.
        detail: String,
    },
    /// The batch may be visible. Take over and read the tail before anything is published.
    #[error("it is not known whether the outcomes were published: {detail}")]
    InDoubt {
        /// What the broker or client said.
        detail: String,
    },
    /// Another publisher of this name took over. This one must not publish unless it leads again.
    #[error("another relay has taken over the outcome topic")]
    Fenced,
}
