//! Errors in how outcomes are published.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use order_payments::domain::order::OrderId;
use order_payments::ports::event_publisher::{EventPublisher, PublishError, Tail};
use order_payments::ports::order_repository::RepositoryError;
use order_payments::ports::outbox::{Adopted, FoundEvent, KeptEvent, Outbox, OutcomeEvent, Position, Published};

use crate::explore::mutants::Mutant;
use crate::explore::mutants::orders::MutatedOrders;
use crate::explore::records::CANARY;
use crate::explore::world::{BATCH, TOPIC};

pub(crate) struct MutatedOutbox {
    mutant: Mutant,
    outbox: Arc<dyn Outbox>,
    orders: Arc<MutatedOrders>,
    reads: AtomicU32,
}

impl MutatedOutbox {
    pub(crate) fn new(mutant: Mutant, outbox: Arc<dyn Outbox>, orders: Arc<MutatedOrders>) -> Self {
        Self { mutant, outbox, orders, reads: AtomicU32::new(0) }
    }
}

#[async_trait]
impl Outbox for MutatedOutbox {
    async fn identity(&self) -> Result<String, RepositoryError> {
        self.outbox.identity().await
    }

    async fn lead(&self, relay: &str, lease: Duration) -> Result<bool, RepositoryError> {
        self.outbox.lead(relay, lease).await
    }

    async fn resign(&self, relay: &str) -> Result<(), RepositoryError> {
        self.outbox.resign(relay).await
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<OutcomeEvent>, RepositoryError> {
        let mut events = self.outbox.unpublished(limit).await?;
        events.retain(|event| !self.orders.hides(event.id));
        for event in &mut events {
            match self.mutant {
                Mutant::BytesMadeAnew => event.payload.extend(self.reads.fetch_add(1, Relaxed).to_string().bytes()),
                Mutant::OutcomeWithEmail => event.headers.push(("to".to_owned(), format!("{CANARY}@private.example"))),
                _ => {}
            }
        }
        // The invariants look at the outbox, too, with another limit.
        if self.mutant == Mutant::MarkedBeforePublished && limit == BATCH {
            let marks = events.iter().map(|event| Published { event_id: event.id, partition: 0, offset: -1 });
            self.outbox.mark_published(TOPIC, &marks.collect::<Vec<_>>()).await?;
        }
        Ok(events)
    }

    async fn mark_published(&self, topic: &str, published: &[Published]) -> Result<(), RepositoryError> {
        self.outbox.mark_published(topic, published).await
    }

    async fn adopt(
        &self,
        topic: &str,
        found: &[FoundEvent],
        read_from: &[Position],
        read_up_to: &[Position],
    ) -> Result<Adopted, RepositoryError> {
        self.outbox.adopt(topic, found, read_from, read_up_to).await
    }

    async fn events_of(&self, order_id: &OrderId) -> Result<Vec<KeptEvent>, RepositoryError> {
        self.outbox.events_of(order_id).await
    }

    async fn positions(&self, topic: &str) -> Result<Vec<Position>, RepositoryError> {
        self.outbox.positions(topic).await
    }
}

pub(crate) struct MutatedPublisher {
    mutant: Mutant,
    publisher: Arc<dyn EventPublisher>,
}

impl MutatedPublisher {
    pub(crate) fn new(mutant: Mutant, publisher: Arc<dyn EventPublisher>) -> Self {
        Self { mutant, publisher }
    }
}

#[async_trait]
impl EventPublisher for MutatedPublisher {
    async fn take_over(&self) -> Result<(), PublishError> {
        self.publisher.take_over().await
    }

    async fn tail(&self, from: &[Position], limit: usize) -> Result<Tail, PublishError> {
        if self.mutant == Mutant::TailIsNotRead {
            return Ok(Tail { events: Vec::new(), read_up_to: from.to_vec(), complete: true });
        }
        self.publisher.tail(from, limit).await
    }

    async fn publish(&self, batch: &[OutcomeEvent]) -> Result<Vec<Published>, PublishError> {
        if self.mutant == Mutant::NeverPublished {
            return Err(PublishError::NotPublished { detail: "given up".to_owned() });
        }
        if self.mutant == Mutant::UnfencedPublisher {
            self.publisher.take_over().await?;
        }
        self.publisher.publish(batch).await
    }
}
