//! Sends payment requests, as an order service would: for `submit`, the demo and the tests.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use thiserror::Error;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;

/// How long the last records may take to reach the broker.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// A record for the request topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// The record's key: the order's id.
    pub key: String,
    /// The record's headers.
    pub headers: Vec<(String, String)>,
    /// The record's value.
    pub payload: Vec<u8>,
}

/// Sends records to the request topic.
pub struct RequestProducer {
    producer: FutureProducer<LogContext>,
    topic: String,
}

/// The record did not reach the topic, or it is not known whether it did. Sending it again is safe.
#[derive(Debug, Error)]
#[error("topic {topic:?} did not confirm the request of key {key:?}: {problem}")]
pub struct SendError {
    /// The request topic.
    pub topic: String,
    /// The record's key.
    pub key: String,
    /// What the client said.
    pub problem: String,
}

impl RequestProducer {
    /// A producer for the configured request topic.
    ///
    /// # Errors
    /// [`SetupError`] where the client refuses its settings.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let mut client = config.producer_config()?;
        // Requests are sent in bulk here, so five milliseconds fill a batch; and a person waits for an answer.
        client.set("linger.ms", "5").set("delivery.timeout.ms", "10000");
        Ok(Self { producer: client.create_with_context(LogContext)?, topic: config.request_topic.clone() })
    }

    /// Hands a record over. It is on the topic once the answer's `confirm` says so.
    ///
    /// # Errors
    /// [`SendError`] where the client does not take it; its queue may be full.
    pub fn send(&self, record: &RequestRecord) -> Result<Sent, SendError> {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let message = FutureRecord::to(&self.topic).key(&record.key).payload(&record.payload).headers(headers);
        match self.producer.send_result(message) {
            Ok(delivery) => Ok(Sent { topic: self.topic.clone(), key: record.key.clone(), delivery }),
            Err((problem, _)) => {
                let (topic, key) = (self.topic.clone(), record.key.clone());
                Err(SendError { topic, key, problem: problem.to_string() })
            }
        }
    }
}

impl Drop for RequestProducer {
    fn drop(&mut self) {
        if let Err(problem) = self.producer.flush(Timeout::After(FLUSH_TIMEOUT)) {
            tracing::warn!(%problem, "not every request is known to have reached Kafka");
        }
    }
}

/// A record on its way.
pub struct Sent {
    topic: String,
    key: String,
    delivery: DeliveryFuture,
}

impl Sent {
    /// Waits until every in-sync replica has the record.
    ///
    /// # Errors
    /// [`SendError`] where the broker refused it or did not answer in time.
    pub async fn confirm(self) -> Result<(), SendError> {
        let problem = match self.delivery.await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err((problem, _))) => problem.to_string(),
            Err(_) => "the client was closed".to_owned(),
        };
        Err(SendError { topic: self.topic, key: self.key, problem })
    }
}
