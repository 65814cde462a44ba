//! Reads what is on the outcome topic, from stored positions to the end. Joins no group, stores
//! nothing, and never calls a stretch complete while a record in it could still become visible.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::client::{LogContext, SetupError, TRANSACTION_TIMEOUT};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::found;
use crate::adapters::kafka::patience::patiently;
use crate::ports::event_publisher::Tail;
use crate::ports::outbox::{FoundEvent, Position};

/// How long one question to the cluster may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long neither a record nor an end may come before the reading is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// For how long a transaction of someone else is waited for. Above our own producers' timeout, above
/// the minute that most clients have, and the ten seconds after which a broker looks for timeouts.
const OPEN_TRANSACTION_PATIENCE: Duration = TRANSACTION_TIMEOUT.saturating_add(Duration::from_secs(45));

/// How long one poll may wait.
const TICK: Duration = Duration::from_millis(100);

type Client = BaseConsumer<LogContext>;
type Offsets = HashMap<i32, i64>;

/// Reads committed events until the end of every partition, or until about `limit` were found.
///
/// ```text
/// offset   4  5  6  7  8 │         6 belongs to a transaction that is still open: a reader of committed
///                ▲       ▲         records is told that the log ends there, though ours at 7 is committed.
///       stable end       end
/// ```
/// So the true ends are asked for first, and only when every stable end has reached them does an end
/// that is met while reading count as one.
pub(crate) fn read(
    config: &Config,
    from: &[Position],
    limit: usize,
    given_up: &CancellationToken,
) -> Result<Tail, TailError> {
    let mut committed = config.reader_config()?;
    // A follower's end may lie behind its leader's; without a rack only leaders are read.
    committed.set("enable.partition.eof", "true").set("client.rack", "");
    // A broker with nothing to send holds its answer back for so long, half a second by default: and nothing to
    // send is what is waited for here.
    committed.set("fetch.wait.max.ms", "10");
    let mut uncommitted = committed.clone();
    uncommitted.set("isolation.level", "read_uncommitted");
    let (committed, uncommitted) = (client(&committed)?, client(&uncommitted)?);

    let topic = &config.outcome_topic;
    let partitions = partitions(&uncommitted, config)?;
    let ask = |wanted| offsets(&uncommitted, topic, &partitions, wanted).map_err(|problem| silent(config, &problem));
    let (lows, ends) = (ask(Offset::Beginning)?, ask(Offset::End)?);
    wait_for_transactions(&committed, config, &ends, given_up)?;

    let mut reading = Reading::new(starts(topic, from, &lows, &ends));
    committed.assign(&list(topic, reading.next_offsets.iter().map(|(partition, next)| (*partition, *next)))?)?;
    let mut last_sign = Instant::now();
    while !reading.is_complete() && reading.events.len() < limit {
        match committed.poll(TICK) {
            Some(Ok(message)) => reading.take(&message),
            Some(Err(KafkaError::PartitionEOF(partition))) => reading.end(partition),
            nothing => {
                if let Some(Err(problem)) = nothing {
                    tracing::warn!(error = %problem, "the outcome topic cannot be read for now");
                }
                check(given_up, last_sign, STALL_TIMEOUT, || silent(config, &"it could not be read to its end"))?;
                continue;
            }
        }
        last_sign = Instant::now();
    }
    Ok(reading.into_tail())
}

/// Why the end of the topic was not reached. Nothing was written.
#[derive(Debug, Error)]
pub(crate) enum TailError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(
        "partition {partition} of the outcome topic {topic:?} has an open transaction that is waited for: what is \
         behind it cannot be seen until its producer ends it or the broker does"
    )]
    OpenTransaction { topic: String, partition: i32 },
    #[error("the outcome topic {topic:?} does not answer: {problem}")]
    Silent { topic: String, problem: String },
    #[error("nobody waits for the outcome topic's tail any more")]
    GivenUp,
}

impl From<KafkaError> for TailError {
    fn from(error: KafkaError) -> Self {
        Self::Setup(error.into())
    }
}

fn silent(config: &Config, problem: &dyn std::fmt::Display) -> TailError {
    TailError::Silent { topic: config.outcome_topic.clone(), problem: problem.to_string() }
}

fn client(config: &rdkafka::ClientConfig) -> Result<Client, KafkaError> {
    config.create_with_context(LogContext)
}

/// Whether waiting may go on.
fn check(
    given_up: &CancellationToken,
    since: Instant,
    patience: Duration,
    too_long: impl FnOnce() -> TailError,
) -> Result<(), TailError> {
    match since.elapsed() < patience {
        _ if given_up.is_cancelled() => Err(TailError::GivenUp),
        true => Ok(()),
        false => Err(too_long()),
    }
}

fn partitions(client: &Client, config: &Config) -> Result<Vec<i32>, TailError> {
    let topic = &config.outcome_topic;
    let metadata = client.fetch_metadata(Some(topic), ANSWER_TIMEOUT).map_err(|problem| silent(config, &problem))?;
    let found = metadata.topics().iter().filter(|found| found.name() == topic).flat_map(MetadataTopic::partitions);
    let found: Vec<i32> = found.map(MetadataPartition::id).collect();
    if found.is_empty() {
        let names = format!("{topic:?} (setting kafka.outcome_topic)");
        return Err(SetupError::MissingTopics { names, hint: "" }.into());
    }
    Ok(found)
}

/// The first or the last offsets of all partitions.
fn offsets(client: &Client, topic: &str, partitions: &[i32], wanted: Offset) -> Result<Offsets, KafkaError> {
    patiently(ANSWER_TIMEOUT, || offsets_now(client, topic, partitions, wanted))
}

/// One request a broker: librdkafka hands the special offsets of a look-up by time on to the broker, where they
/// mean what they say.
fn offsets_now(client: &Client, topic: &str, partitions: &[i32], wanted: Offset) -> Result<Offsets, KafkaError> {
    let mut question = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        question.add_partition_offset(topic, *partition, wanted)?;
    }
    let answer = client.offsets_for_times(question, ANSWER_TIMEOUT)?;
    let known = |element: &TopicPartitionListElem<'_>| {
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => Ok((element.partition(), offset)),
            _ => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::NoOffset)),
        }
    };
    answer.elements().iter().map(known).collect()
}

/// Waits until nothing before these ends is hidden by an open transaction.
fn wait_for_transactions(
    committed: &Client,
    config: &Config,
    ends: &Offsets,
    given_up: &CancellationToken,
) -> Result<(), TailError> {
    let (topic, began) = (&config.outcome_topic, Instant::now());
    let mut hidden: Vec<i32> = ends.keys().copied().collect();
    let mut is_told = false;
    loop {
        let stable = offsets(committed, topic, &hidden, Offset::End).map_err(|problem| silent(config, &problem))?;
        hidden.retain(|partition| stable.get(partition) < ends.get(partition));
        let Some(partition) = hidden.first().copied() else { return Ok(()) };
        if !std::mem::replace(&mut is_told, true) {
            tracing::info!(kafka.partition = partition, "waiting for an open transaction on the outcome topic");
        }
        check(given_up, began, OPEN_TRANSACTION_PATIENCE, || {
            let topic = topic.clone();
            TailError::OpenTransaction { topic, partition }
        })?;
        // Nothing is assigned, so nothing can come: this only waits, and serves the client's log.
        let _nothing = committed.poll(TICK);
    }
}

/// Where each partition is read from.
fn starts(topic: &str, from: &[Position], lows: &Offsets, ends: &Offsets) -> Offsets {
    let start = |(partition, low): (&i32, &i64)| {
        let stored = from.iter().find(|position| position.partition == *partition).map(|position| position.next_offset);
        let start = match stored {
            Some(stored) if Some(&stored) > ends.get(partition) => {
                tracing::warn!(
                    kafka.partition = partition,
                    "partition {partition} of {topic:?} ends before the stored position: reading it from its start"
                );
                *low
            }
            Some(stored) => stored.max(*low),
            None => *low,
        };
        (*partition, start)
    };
    lows.iter().map(start).collect()
}

fn list(topic: &str, offsets: impl Iterator<Item = (i32, i64)>) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(list)
}

/// What was read so far.
struct Reading {
    events: Vec<FoundEvent>,
    next_offsets: Offsets,
    unfinished: Vec<i32>,
}

impl Reading {
    fn new(starts: Offsets) -> Self {
        let unfinished = starts.keys().copied().collect();
        Self { events: Vec::new(), next_offsets: starts, unfinished }
    }

    fn is_complete(&self) -> bool {
        self.unfinished.is_empty()
    }

    fn end(&mut self, partition: i32) {
        self.unfinished.retain(|unfinished| *unfinished != partition);
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let (partition, offset) = (message.partition(), message.offset());
        self.next_offsets.insert(partition, offset + 1);
        match found::outcome_event(message) {
            Ok(event) => self.events.push(FoundEvent { event, partition, offset }),
            Err(stranger) => tracing::warn!(
                kafka.partition = partition,
                kafka.offset = offset,
                "record {partition}/{offset} of the outcome topic is passed over: {stranger}"
            ),
        }
    }

    fn into_tail(self) -> Tail {
        let complete = self.is_complete();
        let read_up_to = self.next_offsets.into_iter();
        let mut read_up_to: Vec<Position> =
            read_up_to.map(|(partition, next_offset)| Position { partition, next_offset }).collect();
        read_up_to.sort_unstable_by_key(|position| position.partition);
        Tail { events: self.events, read_up_to, complete }
    }
}
