//! Reads stretches of a topic once, for commands. Joins no group, stores nothing, moves nobody's position.
//!
//! ```text
//! Log::of(topic) ── bounds, offsets at a time ──► Stretch… ──► Scan ──(own thread, bounded channel)──► ScannedRecord
//! ```

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Message, OwnedHeaders};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::record::{Content, HeaderView, readable};
use crate::adapters::kafka::threads;
use crate::adapters::wire::rejection::Rejection;
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::domain::timestamp::Timestamp;

/// How long one question to the cluster may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// For how long neither a record nor an end may come before the reading is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one poll may wait.
const TICK: Duration = Duration::from_millis(100);
/// Records that wait to be taken.
const QUEUE_LENGTH: usize = 1_000;

/// Why a topic could not be read. Nothing was changed.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The client refuses its settings, or the topic is not there.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The cluster did not answer, or not to its end.
    #[error("topic {topic:?} could not be read: {problem}")]
    Cluster {
        /// The topic.
        topic: String,
        /// In words.
        problem: String,
    },
}

/// A topic's partitions, as they are now to a reader of committed records.
#[derive(Clone, Debug)]
pub struct Log {
    config: Config,
    topic: String,
    bounds: Vec<Stretch>,
}

/// Offsets of one partition that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The first offset behind it.
    pub to: i64,
}

impl Stretch {
    /// How many offsets it has. Not each of them is a record: transactions have marks, and compaction leaves gaps.
    pub fn offsets(&self) -> u64 {
        u64::try_from(self.to - self.from).unwrap_or(0)
    }
}

impl Log {
    /// Asks the cluster for the topic's partitions and their bounds.
    ///
    /// # Errors
    /// [`ScanError`] where the cluster does not answer or has no such topic.
    pub async fn of(config: &Config, topic: &str) -> Result<Self, ScanError> {
        let (config, topic) = (config.clone(), topic.to_owned());
        let asked = threads::call("kafka-bounds", move || {
            let client = client(&config)?;
            let bounds = bounds(&client, &topic).map_err(|problem| silent(&topic, &problem))?;
            if bounds.is_empty() {
                let names = format!("{topic:?}");
                return Err(SetupError::MissingTopics { names, hint: "" }.into());
            }
            Ok(Self { config, topic, bounds })
        });
        asked.await.map_err(SetupError::Settings)?
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Each partition from its oldest record to its end, by partition.
    pub fn bounds(&self) -> &[Stretch] {
        &self.bounds
    }

    /// For each partition the first offset of a record that is not older than `moment`, by partition: its end where
    /// there is none.
    ///
    /// # Errors
    /// [`ScanError`] where the cluster does not answer.
    pub async fn offsets_at(&self, moment: Timestamp) -> Result<Vec<(i32, i64)>, ScanError> {
        let Self { config, topic, bounds } = self.clone();
        let millis = moment.as_micros().div_euclid(1_000).max(0);
        let asked = threads::call("kafka-times", move || {
            let client = client(&config)?;
            offsets_at(&client, &topic, &bounds, millis).map_err(|problem| silent(&topic, &problem))
        });
        asked.await.map_err(SetupError::Settings)?
    }

    /// Begins to read these stretches, which lie within the bounds: each partition's records in their order, those
    /// of different partitions as they come. No partition may be in more than one.
    ///
    /// # Errors
    /// [`ScanError`] where the client refuses its settings.
    pub fn scan(&self, stretches: &[Stretch]) -> Result<Scan, ScanError> {
        let client = client(&self.config)?;
        let (send, records) = mpsc::channel(QUEUE_LENGTH);
        let topic = self.topic.clone();
        let open =
            stretches.iter().filter(|stretch| stretch.offsets() > 0).map(|stretch| (stretch.partition, *stretch));
        let open = open.collect();
        let read = move || {
            let told = send.clone();
            if let Err(problem) = read(&client, &topic, open, &send) {
                // Whoever has stopped to listen is not told.
                let _told = told.blocking_send(Err(silent(&topic, &problem)));
            }
        };
        let spawned = thread::Builder::new().name("kafka-scan".to_owned()).spawn(read);
        spawned.map_err(|problem| SetupError::Settings(format!("no thread could be started: {problem}")))?;
        Ok(Scan { records })
    }
}

/// Stretches that are being read. The reading ends once this is dropped.
#[derive(Debug)]
pub struct Scan {
    records: mpsc::Receiver<Result<ScannedRecord, ScanError>>,
}

impl Scan {
    /// The next record; `None` where all stretches were read to their ends.
    ///
    /// # Errors
    /// [`ScanError`]; what came before it is as it is on the topic.
    pub async fn next(&mut self) -> Result<Option<ScannedRecord>, ScanError> {
        self.records.recv().await.transpose()
    }
}

/// A record that was read, whole.
#[derive(Clone, Debug)]
pub struct ScannedRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was made or appended, as the topic has it.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    pub(crate) headers: Option<OwnedHeaders>,
}

impl ScannedRecord {
    /// Reads it as the service would, were it sent `now`. `was_read_before` says whether an earlier life of the
    /// database may have handled it.
    ///
    /// # Errors
    /// [`Rejection`] where it can never be paid as it is.
    pub fn decode(&self, was_read_before: bool, options: &DecodeOptions, now: Timestamp) -> Result<Decoded, Rejection> {
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        let content = Content { key, value, headers: self.headers.as_ref(), timestamp: self.timestamp };
        content.decode(was_read_before, options, now)
    }

    /// Its headers in their order; `None` where one has a name that is not UTF-8.
    pub fn headers(&self) -> Option<Vec<HeaderView<'_>>> {
        self.headers.as_ref().map_or(Some(Vec::new()), readable)
    }

    /// The last header of that name, where it has a value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let headers = self.headers.as_ref().and_then(readable)?;
        headers.iter().rfind(|(known, _)| *known == name).and_then(|(_, value)| *value)
    }
}

impl From<&BorrowedMessage<'_>> for ScannedRecord {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let millis = message.timestamp().to_millis();
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: millis.map(|millis| Timestamp::from_micros(millis.saturating_mul(1_000))),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: message.headers().map(BorrowedHeaders::detach),
        }
    }
}

type Client = BaseConsumer<LogContext>;

fn client(config: &Config) -> Result<Client, SetupError> {
    let mut client = config.reader_config()?;
    client.set("enable.partition.eof", "true");
    Ok(client.create_with_context(LogContext)?)
}

fn silent(topic: &str, problem: &dyn std::fmt::Display) -> ScanError {
    ScanError::Cluster { topic: topic.to_owned(), problem: problem.to_string() }
}

fn bounds(client: &Client, topic: &str) -> Result<Vec<Stretch>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_TIMEOUT)?;
    let found = metadata.topics().iter().filter(|found| found.name() == topic).flat_map(MetadataTopic::partitions);
    let mut partitions: Vec<i32> = found.map(MetadataPartition::id).collect();
    partitions.sort_unstable();
    let bounds = partitions.into_iter().map(|partition| {
        let (from, to) = client.fetch_watermarks(topic, partition, ANSWER_TIMEOUT)?;
        Ok(Stretch { partition, from, to })
    });
    bounds.collect()
}

fn offsets_at(client: &Client, topic: &str, bounds: &[Stretch], millis: i64) -> Result<Vec<(i32, i64)>, KafkaError> {
    let mut question = TopicPartitionList::with_capacity(bounds.len());
    for stretch in bounds {
        question.add_partition_offset(topic, stretch.partition, Offset::Offset(millis))?;
    }
    let answer = client.offsets_for_times(question, ANSWER_TIMEOUT)?;
    let known = |element: &TopicPartitionListElem<'_>| -> Result<(i32, i64), KafkaError> {
        element.error()?;
        let end = bounds.iter().find(|stretch| stretch.partition == element.partition()).map(|stretch| stretch.to);
        match element.offset() {
            Offset::Offset(offset) if offset >= 0 => Ok((element.partition(), offset)),
            _ => Ok((element.partition(), end.ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::NoOffset))?)),
        }
    };
    let mut found = answer.elements().iter().map(known).collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable();
    Ok(found)
}

/// Reads until each stretch has ended, or nobody listens any more.
fn read(
    client: &Client,
    topic: &str,
    mut open: HashMap<i32, Stretch>,
    send: &mpsc::Sender<Result<ScannedRecord, ScanError>>,
) -> Result<(), KafkaError> {
    let mut positions = TopicPartitionList::with_capacity(open.len());
    for stretch in open.values() {
        positions.add_partition_offset(topic, stretch.partition, Offset::Offset(stretch.from))?;
    }
    client.assign(&positions)?;
    let mut last_sign = Instant::now();
    while !open.is_empty() && !send.is_closed() {
        match client.poll(TICK) {
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(stretch) = open.get(&partition).copied() else { continue };
                if offset < stretch.to && send.blocking_send(Ok(ScannedRecord::from(&message))).is_err() {
                    return Ok(());
                }
                if offset + 1 >= stretch.to {
                    open.remove(&partition);
                    pause(client, topic, partition)?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            Some(Err(problem)) if problem.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                return Err(problem);
            }
            Some(Err(problem)) => {
                tracing::warn!(error = %problem, "topic {topic:?} cannot be read for now");
                if last_sign.elapsed() > STALL_TIMEOUT {
                    return Err(problem);
                }
                continue;
            }
            None if last_sign.elapsed() > STALL_TIMEOUT => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            None => continue,
        }
        last_sign = Instant::now();
    }
    Ok(())
}

/// Nothing more is wanted of this partition.
fn pause(client: &Client, topic: &str, partition: i32) -> Result<(), KafkaError> {
    let mut ended = TopicPartitionList::new();
    ended.add_partition(topic, partition);
    client.pause(&ended)
}
