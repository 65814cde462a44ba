//! The outcome topic's publisher, every call of it a step.

use std::sync::Arc;

use async_trait::async_trait;
use order_payments::ports::event_publisher::{EventPublisher, PublishError, Tail};
use order_payments::ports::outbox::{OutcomeEvent, Position, Published};

use crate::explore::calls::Call;
use crate::explore::events::Event;
use crate::explore::stage::Stage;

pub(crate) struct SteppedPublisher {
    stage: Arc<Stage>,
    publisher: Arc<dyn EventPublisher>,
}

impl SteppedPublisher {
    pub(crate) fn new(stage: &Arc<Stage>, publisher: Arc<dyn EventPublisher>) -> Self {
        Self { stage: Arc::clone(stage), publisher }
    }
}

#[async_trait]
impl EventPublisher for SteppedPublisher {
    async fn take_over(&self) -> Result<(), PublishError> {
        self.stage.pass(Call::TakeOver, String::new, self.publisher.take_over()).await
    }

    async fn tail(&self, from: &[Position], limit: usize) -> Result<Tail, PublishError> {
        self.stage.pass(Call::Tail, || format!("from {from:?}"), self.publisher.tail(from, limit)).await
    }

    async fn publish(&self, batch: &[OutcomeEvent]) -> Result<Vec<Published>, PublishError> {
        let effect = async {
            let sent = batch.iter().map(|event| (event.id, event.payload.clone())).collect();
            self.stage.tell(Event::Published(sent));
            let published = self.publisher.publish(batch).await;
            if matches!(published, Err(PublishError::Fenced)) {
                self.stage.tell(Event::Fenced);
            }
            published
        };
        let subject = || batch.iter().map(|event| event.event_type.clone()).collect::<Vec<_>>().join(" ");
        self.stage.pass(Call::Publish, subject, effect).await
    }
}
