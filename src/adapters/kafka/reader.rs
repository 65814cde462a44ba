//! Reads a topic from its start to its end as it is now: for accounts and checks, not for processing.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataTopic;
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
pub fn read_all(config: &Config, topic: &str, patience: Duration) -> Result<Vec<ReadRecord>, ReadError> {
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
) -> Result<Vec<ReadRecord>, Option<KafkaError>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_TIMEOUT)?;
    let mut positions = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        positions.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&positions)?;
    let (mut open, mut records, deadline) = (positions.count(), Vec::new(), Instant::now() + patience);
    while open > 0 {
        match consumer.poll(POLL) {
            Some(Ok(record)) => records.push(ReadRecord::from(&record)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(Some(error)),
            None if Instant::now() > deadline => return Err(None),
            None => {}
        }
    }
    Ok(records)
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key; empty where it has none.
    pub key: Vec<u8>,
    /// Its headers whose values are text.
    pub headers: Vec<(String, String)>,
    /// Its value; empty where it has none.
    pub payload: Vec<u8>,
}

impl ReadRecord {
    /// A header as text, if there is one of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl From<&BorrowedMessage<'_>> for ReadRecord {
    fn from(record: &BorrowedMessage<'_>) -> Self {
        let headers = record.headers().into_iter().flat_map(Headers::iter);
        let texts =
            headers.filter_map(|header| Some((header.key.to_owned(), str::from_utf8(header.value?).ok()?.to_owned())));
        Self {
            partition: record.partition(),
            offset: record.offset(),
            key: record.key().unwrap_or_default().to_vec(),
            headers: texts.collect(),
            payload: record.payload().unwrap_or_default().to_vec(),
        }
    }
}
