//! Takes over from the topic what the world was told. Keeps nobody from publishing.

use std::sync::Arc;

use crate::application::relay_outbox::RelayError;
use crate::ports::event_publisher::EventPublisher;
use crate::ports::outbox::{Adopted, Outbox, Position};

/// Events that are taken over from the topic at a time.
const TAIL_PAGE: usize = 5_000;

/// Brings the outbox up to the end of the topic, from where it was last known to be written.
///
/// A database that was restored has forgotten outcomes that the world has read: until it knows them again,
/// it must not decide about their orders.
#[derive(Clone)]
pub struct CatchUp {
    outbox: Arc<dyn Outbox>,
    publisher: Arc<dyn EventPublisher>,
    topic: String,
}

impl CatchUp {
    /// For the outcomes that are published to `topic`.
    pub fn new(outbox: Arc<dyn Outbox>, publisher: Arc<dyn EventPublisher>, topic: impl Into<String>) -> Self {
        Self { outbox, publisher, topic: topic.into() }
    }

    /// Reads the topic to its end and stores what is found there. What was read stays stored where this is
    /// cut off, so that the next call goes on from there.
    ///
    /// # Errors
    /// [`RelayError`]; the end was not reached. Call again.
    pub async fn run(&self) -> Result<Adopted, RelayError> {
        Ok(self.to_the_end().await?.0)
    }

    /// Says as well how far each partition was read.
    pub(super) async fn to_the_end(&self) -> Result<(Adopted, Vec<Position>), RelayError> {
        let mut known = self.outbox.positions(&self.topic).await?;
        let mut sum = Adopted::default();
        loop {
            let tail = self.publisher.tail(&known, TAIL_PAGE).await?;
            let adopted = self.outbox.adopt(&self.topic, &tail.events, &known, &tail.read_up_to).await?;
            sum = Adopted { marked: sum.marked + adopted.marked, stored: sum.stored + adopted.stored };
            known = tail.read_up_to;
            if tail.complete {
                let stored = self.outbox.positions(&self.topic).await?;
                let is_stored = |read: &Position| Position::next_of(read.partition, &stored) >= read.next_offset;
                if known.iter().all(is_stored) {
                    return Ok((sum, known));
                }
                known = stored; // It was restored meanwhile: what it has forgotten is read again.
            }
        }
    }
}
