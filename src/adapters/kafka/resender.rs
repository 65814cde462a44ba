//! Sends outcomes that were published before once more. Never under the relay's transactional name, which would
//! fence the relay.

use std::time::Duration;

use async_trait::async_trait;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::ports::event_publisher::{EventResender, PublishError};
use crate::ports::outbox::OutcomeEvent;

/// How long a record may wait for room in the client's queue.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

/// An idempotent producer without transactions.
pub struct KafkaEventResender {
    producer: FutureProducer<LogContext>,
    topic: String,
}

impl KafkaEventResender {
    /// For this topic, which is there. Sends nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] where the client refuses its settings.
    pub fn new(config: &Config, topic: &str) -> Result<Self, SetupError> {
        let producer = config.producer_config()?.create_with_context(LogContext)?;
        Ok(Self { producer, topic: topic.to_owned() })
    }
}

#[async_trait]
impl EventResender for KafkaEventResender {
    async fn send_again(&self, event: &OutcomeEvent) -> Result<(), PublishError> {
        let headers = event
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(&self.topic).key(event.order_id.as_str()).payload(&event.payload);
        let sent = self.producer.send(record.headers(headers), Timeout::After(QUEUE_TIMEOUT)).await;
        sent.map(drop).map_err(|(problem, _)| PublishError::InDoubt { detail: problem.to_string() })
    }
}
