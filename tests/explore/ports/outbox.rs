//! The outbox, every call of it a step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_payments::domain::order::OrderId;
use order_payments::ports::order_repository::RepositoryError;
use order_payments::ports::outbox::{Adopted, FoundEvent, KeptEvent, Outbox, OutcomeEvent, Position, Published};
use order_payments::ports::store::Store;

use crate::explore::calls::Call;
use crate::explore::events::Event;
use crate::explore::stage::Stage;

pub(crate) struct SteppedOutbox {
    stage: Arc<Stage>,
    outbox: Arc<dyn Outbox>,
}

impl SteppedOutbox {
    pub(crate) fn new(stage: &Arc<Stage>, store: &Store) -> Self {
        Self { stage: Arc::clone(stage), outbox: Arc::clone(&store.outbox) }
    }
}

#[async_trait]
impl Outbox for SteppedOutbox {
    async fn identity(&self) -> Result<String, RepositoryError> {
        self.outbox.identity().await
    }

    async fn lead(&self, relay: &str, lease: Duration) -> Result<bool, RepositoryError> {
        self.stage.pass(Call::Lead, || relay.to_owned(), self.outbox.lead(relay, lease)).await
    }

    async fn resign(&self, relay: &str) -> Result<(), RepositoryError> {
        self.stage.pass(Call::Resign, || relay.to_owned(), self.outbox.resign(relay)).await
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<OutcomeEvent>, RepositoryError> {
        let effect = async {
            let events = self.outbox.unpublished(limit).await?;
            if events.is_empty() {
                self.stage.idle();
            }
            Ok(events)
        };
        self.stage.pass(Call::Read("outbox.unpublished"), String::new, effect).await
    }

    async fn mark_published(&self, topic: &str, published: &[Published]) -> Result<(), RepositoryError> {
        let subject = || format!("{} events", published.len());
        self.stage.pass(Call::MarkPublished, subject, self.outbox.mark_published(topic, published)).await
    }

    async fn adopt(
        &self,
        topic: &str,
        found: &[FoundEvent],
        read_from: &[Position],
        read_up_to: &[Position],
    ) -> Result<Adopted, RepositoryError> {
        let effect = async {
            let adopted = self.outbox.adopt(topic, found, read_from, read_up_to).await?;
            self.stage.tell(Event::Adopted(adopted.marked, adopted.stored));
            Ok(adopted)
        };
        self.stage.pass(Call::Adopt, || format!("{} events", found.len()), effect).await
    }

    async fn events_of(&self, order_id: &OrderId) -> Result<Vec<KeptEvent>, RepositoryError> {
        self.stage.pass(Call::Read("outbox.events_of"), || order_id.to_string(), self.outbox.events_of(order_id)).await
    }

    async fn positions(&self, topic: &str) -> Result<Vec<Position>, RepositoryError> {
        self.stage.pass(Call::Read("outbox.positions"), String::new, self.outbox.positions(topic)).await
    }
}
