//! Reads a topic from its start to its end as it is now: for accounts and checks, not for processing.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// Why a topic could not be read to its end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The client could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The cluster did not answer.
    #[error("topic {topic:?} could not be read")]
    Cluster {
        /// The topic.
        topic: String,
        /// What the client said.
        #[source]
        source: KafkaError,
    },
    /// The end was not reached in time.
    #[error("the end of topic {topic:?} was not reached within {patience:?}")]
    TooSlow {
        /// The topic.
        topic: String,
        /// How long was waited.
        patience: Duration,
    },
}

/// Every committed record of a topic, partition by partition in order. Blocks; call it off the runtime.
///
/// # Errors
/// [`ReadError`]; nothing was changed.
pub fn read_all(config: &Config, topic: &str, patience: Duration) -> Result<Vec<OwnedMessage>, ReadError> {
    let mut client = config.reader_config()?;
    client.set("enable.partition.eof", "true");
    let consumer: BaseConsumer<LogContext> = client.create_with_context(LogContext).map_err(SetupError::from)?;
    read_to_ends(&consumer, topic, patience).map_err(|problem| match problem {
        Some(source) => ReadError::Cluster { topic: topic.to_owned(), source },
        None => ReadError::TooSlow { topic: topic.to_owned(), patience },
    })
}

fn read_to_ends(
    consumer: &BaseConsumer<LogContext>,
    topic: &str,
    patience: Duration,
) -> Result<Vec<OwnedMessage>, Option<KafkaError>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_TIMEOUT)?;
    let mut positions = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        positions.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&positions)?;
    let (mut open, mut records, deadline) = (positions.count(), Vec::new(), Instant::now() + patience);
    while open > 0 {
        match consumer.poll(POLL) {
            Some(Ok(record)) => records.push(record.detach()),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(Some(error)),
            None if Instant::now() > deadline => return Err(None),
            None => {}
        }
    }
    Ok(records)
}

/// A header of a record as text, if it has one of that name.
pub fn header<'a>(record: &'a OwnedMessage, name: &str) -> Option<&'a str> {
    let headers = record.headers()?;
    let value = headers.iter().find(|header| header.key == name)?.value?;
    std::str::from_utf8(value).ok()
}

/// A record's value.
pub fn value(record: &OwnedMessage) -> &[u8] {
    record.payload().unwrap_or_default()
}
